"""Features of wingbeats against librosa, called per clip as its users do, on synthetic transits of 5000 samples at 8 kHz, one thread.

F0: pitch.f0 against librosa.pyin of the same limits, whose value for a clip is the median over the frames of at least half the highest level (over
the whole clip it is far worse); an error is gross above 5 %. Log-mel: the same settings on both sides. The whole chain: the table of 100 features
against F0, MFCC, log-mel and seven descriptors of librosa. All is warm before the clock starts; the two take turns.
"""
import statistics
import sys
import time
from functools import partial

import numpy as np

from measuring import ROOT, Row, span

sys.path.insert(0, str(ROOT / "bin"))
RATE, SAMPLES = 8000, 5000
LOW_HZ, HIGH_HZ = 60, 1200
GRID = {"n_fft": 512, "hop_length": 80, "n_mels": 64}


def ask(folder, full):
    n, repetitions = (400, 5) if full else (3, 1)
    yield from f0_errors(n)
    yield from speed(n, repetitions)


def f0_errors(n):
    """Yield a row for each SNR in white noise, and one for hum as loud as the insect: the share of gross errors."""
    import f0_clips
    from entoflow.wingbeat import pitch

    for snr_db, kind in (*((snr_db, "white") for snr_db in (20, 10, 5, 0, -5)), (0, "hum")):
        clips, f0 = f0_clips.draw(n, np.random.default_rng(1), snr_db, kind)
        ours, peer = (float(np.mean(np.abs(hz / f0 - 1) > 0.05)) for hz in (pitch.f0(clips, RATE).f0_hz, np.array([pyin(clip) for clip in clips])))
        most = min(peer, 0.01 if snr_db >= 0 else 1)
        yield Row(f"gross errors of F0 at {snr_db} dB, {kind}, {n} transits", f"{ours:.3f}", f"{peer:.3f} (librosa.pyin)", f"{ours - peer:+.3f}",
                  f"<= {most:.3f}", ours <= most)


def speed(n, repetitions):
    """Yield a row for each step: ms per clip."""
    import f0_clips
    from entoflow.wingbeat import pitch, spectra, wingbeat_features

    clips, _ = f0_clips.draw(max(n, 64), np.random.default_rng(2), 5)
    whole = spectra.Grid(hop_s=GRID["hop_length"] / RATE, high_hz=RATE / 2)
    bank = spectra.mel_bank(RATE, GRID["n_mels"], whole)

    def batched_log_mel(some):
        return spectra.decibels(spectra.power(some, RATE, whole, bank))

    apart = np.abs(batched_log_mel(clips[:64]) - np.stack([log_mel(clip) for clip in clips[:64]])).max()
    steps = {"F0": (lambda some: pitch.f0(some, RATE), pyin, 1000),
             f"log-mel to 4 kHz (apart by {apart:.0e} dB)": (batched_log_mel, log_mel, 6),
             "whole chain": (lambda some: wingbeat_features.table(some, RATE), chain, None),
             "whole chain, but librosa's without F0": (lambda some: wingbeat_features.table(some, RATE), descriptors, None)}
    for name, (batched, single, wanted) in steps.items():
        ours, peer = [], []
        for _ in range(repetitions):
            ours.append(clock(batched, clips))
            peer.append(clock(partial(each, single), clips[:max(n // 10, 3)]))
        ratio, rate = statistics.median(peer) / statistics.median(ours), 1000 / statistics.median(ours)
        holds = rate >= 5000 if wanted is None else ratio >= wanted
        yield Row(f"{name}, ms per clip ({repetitions} runs each in turn)", f"{span(ours, 3)}: {rate:,.0f} clips/s", f"{span(peer, 2)} (librosa)",
                  f"{ratio:.1f} times as fast", ">= 5,000 clips/s" if wanted is None else f">= {wanted:,}", holds)


def clock(work, clips):
    """Return the milliseconds per clip that some work takes, warm."""
    work(clips)
    start = time.perf_counter()
    work(clips)
    return (time.perf_counter() - start) * 1000 / len(clips)


def each(single, clips):
    return [single(clip) for clip in clips]


def pyin(clip):
    import librosa

    hz, _, _ = librosa.pyin(clip, fmin=LOW_HZ, fmax=HIGH_HZ, sr=RATE)
    level = librosa.feature.rms(y=clip)[0, :len(hz)]
    loud = hz[(level >= level.max() / 2) & np.isfinite(hz)]
    return np.median(loud) if len(loud) else 0.0


def log_mel(clip):
    import librosa

    return librosa.power_to_db(librosa.feature.melspectrogram(y=clip, sr=RATE, **GRID))


def descriptors(clip):
    import librosa

    feature = librosa.feature
    kept = [log_mel(clip), feature.mfcc(y=clip, sr=RATE, n_mfcc=20, **GRID), feature.rms(y=clip), feature.zero_crossing_rate(clip)]
    kept += [getattr(feature, f"spectral_{name}")(y=clip, sr=RATE, n_fft=512, hop_length=80) for name in ("centroid", "bandwidth", "rolloff")]
    return [*kept, feature.spectral_flatness(y=clip, n_fft=512, hop_length=80)]


def chain(clip):
    return pyin(clip), descriptors(clip)
