"""Features of wingbeats against librosa: synthetic transits of 5000 samples at 8 kHz, one thread.

librosa is called per clip, as its users do. F0: pitch.f0 against librosa.pyin of the same limits,
whose value for a clip is the median over the frames of at least half the highest level (over the
whole clip it is far worse); an error is gross above 5 %. Log-mel: the same settings on both sides.
The whole chain: the table of 100 features against F0, MFCC, log-mel and seven descriptors of
librosa. All is warm before the clock starts; the two take turns.
"""

import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from measuring import ROOT, Row, span

sys.path.insert(0, str(ROOT / "bin"))
RATE = 8000
LOW_HZ = 60
HIGH_HZ = 1200
GRID = {"n_fft": 512, "hop_length": 80, "n_mels": 64}
GROSS = 0.05
NOISES = [(20, "white"), (10, "white"), (5, "white"), (0, "white"), (-5, "white"), (0, "hum")]
CLIPS_PER_SECOND = 5000  # that are wanted of the whole chain


@dataclass(frozen=True)
class Step:
    """What is timed."""

    name: str
    batched: Callable[[np.ndarray], Any]  # ours, of all clips
    single: Callable[[np.ndarray], Any]  # librosa's, of one
    ratio: float | None  # how many times as fast ours is to be; None for CLIPS_PER_SECOND


def ask(folder: Path | None, full: bool) -> Iterator[Row]:
    n, repetitions = (400, 5) if full else (3, 1)
    yield from f0_errors(n)
    yield from speed(n, repetitions)


def f0_errors(n: int) -> Iterator[Row]:
    """Yield the share of gross errors at each SNR in white noise, and in hum."""
    import f0_clips
    from entoflow.wingbeat import pitch

    for snr_db, kind in NOISES:
        clips, f0 = f0_clips.draw(n, np.random.default_rng(1), snr_db, kind)
        ours = gross_errors(pitch.f0(clips, RATE).f0_hz, f0)
        peer = gross_errors(np.array([pyin(clip) for clip in clips]), f0)
        most = min(peer, 0.01 if snr_db >= 0 else 1)
        yield Row(
            f"gross errors of F0 at {snr_db} dB, {kind}, {n} transits",
            f"{ours:.3f}",
            f"{peer:.3f} (librosa.pyin)",
            f"{ours - peer:+.3f}",
            f"<= {most:.3f}",
            ours <= most,
        )


def gross_errors(estimates: np.ndarray, f0: np.ndarray) -> float:
    return float(np.mean(np.abs(estimates / f0 - 1) > GROSS))


def speed(n: int, repetitions: int) -> Iterator[Row]:
    """Yield a row for each step: ms per clip."""
    import f0_clips

    clips, _ = f0_clips.draw(max(n, 64), np.random.default_rng(2), 5)
    for step in steps(clips[:64]):
        ours = []
        peer = []
        for _ in range(repetitions):
            ours.append(time_per_clip(step.batched, clips))
            peer.append(time_per_clip(partial(each, step.single), clips[: max(n // 10, 3)]))
        ratio = statistics.median(peer) / statistics.median(ours)
        rate = 1000 / statistics.median(ours)
        if step.ratio is None:
            wanted = f">= {CLIPS_PER_SECOND:,} clips/s"
            holds = rate >= CLIPS_PER_SECOND
        else:
            wanted = f">= {step.ratio:,}"
            holds = ratio >= step.ratio
        yield Row(
            f"{step.name}, ms per clip ({repetitions} runs each in turn)",
            f"{span(ours, 3)}: {rate:,.0f} clips/s",
            f"{span(peer, 2)} (librosa)",
            f"{ratio:.1f} times as fast",
            wanted,
            holds,
        )


def steps(clips: np.ndarray) -> list[Step]:
    """Return what is timed; the names say how far the log-mel of some clips are apart."""
    from entoflow.wingbeat import pitch, spectra, wingbeat_features

    grid = spectra.Grid(hop_s=GRID["hop_length"] / RATE, high_hz=RATE / 2)
    bank = spectra.mel_bank(RATE, GRID["n_mels"], grid)

    def batched_f0(some: np.ndarray) -> Any:
        return pitch.f0(some, RATE)

    def batched_log_mel(some: np.ndarray) -> np.ndarray:
        return spectra.decibels(spectra.power(some, RATE, grid, bank))

    def batched_table(some: np.ndarray) -> np.ndarray:
        return wingbeat_features.table(some, RATE)

    peer = np.stack([log_mel(clip) for clip in clips])
    difference = np.abs(batched_log_mel(clips) - peer).max()
    return [
        Step("F0", batched_f0, pyin, 1000),
        Step(f"log-mel to 4 kHz (apart by {difference:.0e} dB)", batched_log_mel, log_mel, 6),
        Step("whole chain", batched_table, chain, None),
        Step("whole chain, but librosa's without F0", batched_table, descriptors, None),
    ]


def time_per_clip(work: Callable[[np.ndarray], Any], clips: np.ndarray) -> float:
    """Return the milliseconds per clip that some work takes, warm."""
    work(clips)
    start = time.perf_counter()
    work(clips)
    return (time.perf_counter() - start) * 1000 / len(clips)


def each(single: Callable[[np.ndarray], Any], clips: np.ndarray) -> list[Any]:
    return [single(clip) for clip in clips]


def pyin(clip: np.ndarray) -> float:
    """Return librosa's F0 of a clip, the median over its loud frames; 0 where it has none."""
    import librosa

    hz, _, _ = librosa.pyin(clip, fmin=LOW_HZ, fmax=HIGH_HZ, sr=RATE)
    level = librosa.feature.rms(y=clip)[0, : len(hz)]
    loud = hz[(level >= level.max() / 2) & np.isfinite(hz)]
    return float(np.median(loud)) if len(loud) else 0.0


def log_mel(clip: np.ndarray) -> np.ndarray:
    import librosa

    return librosa.power_to_db(librosa.feature.melspectrogram(y=clip, sr=RATE, **GRID))


def descriptors(clip: np.ndarray) -> list[np.ndarray]:
    """Return log-mel, MFCC and seven descriptors, by librosa."""
    from librosa import feature

    frames = {"n_fft": GRID["n_fft"], "hop_length": GRID["hop_length"]}
    return [
        log_mel(clip),
        feature.mfcc(y=clip, sr=RATE, n_mfcc=20, **GRID),
        feature.rms(y=clip),
        feature.zero_crossing_rate(clip),
        feature.spectral_centroid(y=clip, sr=RATE, **frames),
        feature.spectral_bandwidth(y=clip, sr=RATE, **frames),
        feature.spectral_rolloff(y=clip, sr=RATE, **frames),
        feature.spectral_flatness(y=clip, **frames),
    ]


def chain(clip: np.ndarray) -> tuple[float, list[np.ndarray]]:
    return pyin(clip), descriptors(clip)
