import csv

import numpy as np
import pytest
from scipy import signal

from entoflow.wingbeat import audio
from entoflow.wingbeat.signal_quality import FLAGS, flags

RATE = 8000


def transits(n, rng, rate=RATE, seconds=0.6, snr=20):
    """Return n clips with five drifting harmonics of 80 to 700 Hz under a Hann window.

    They are at a tenth of full scale, in white noise.
    """
    time, clips = np.arange(round(seconds * rate)) / rate, []
    for f0 in rng.uniform(80, 700, n):
        phase = 2 * np.pi * f0 * (time + 0.01 * time**2 / seconds)
        clip = sum(
            rng.uniform(0.1, 1) * np.sin(k * phase + rng.uniform(0, 6))
            for k in range(1, 6)
            if k * f0 < 0.45 * rate
        ) * np.hanning(len(time))
        clips.append(0.1 * clip / clip.std() + rng.normal(size=len(time)) * 0.1 * 10 ** (-snr / 20))
    return np.array(clips, np.float32)


def noise(n, m, slope, rng):
    """Return n clips of m samples of noise, of power 1 / f ** slope."""
    spectrum = np.fft.rfft(rng.normal(size=(n, m))) / np.maximum(np.arange(m // 2 + 1), 1) ** (
        slope / 2
    )
    spectrum[:, 0] = 0
    clips = np.fft.irfft(spectrum, m)
    return (0.05 * clips / clips.std(axis=1, keepdims=True)).astype(np.float32)


def stored(clips, bits=16):
    """Return clips as a recorder of so many bits stores them: the range ends at full scale."""
    steps = 2 ** (bits - 1)
    return (np.clip(np.round(np.asarray(clips) * steps), -steps, steps - 1) / steps).astype(
        np.float32
    )


def share(name, clips, rate=RATE, lengths=None):
    return flags(clips, rate, lengths)[:, FLAGS.index(name)].mean()


@pytest.mark.parametrize("rate", [2500, 8000, 44_100])
@pytest.mark.parametrize("seconds", [0.1, 0.6])
@pytest.mark.parametrize("bits", [12, 16])
def test_a_clean_transit_has_no_flag(rate, seconds, bits):
    actual = flags(stored(transits(60, np.random.default_rng(1), rate, seconds), bits), rate)
    assert (
        actual.shape == (60, len(FLAGS))
        and actual.dtype == bool
        and actual.sum(axis=0).tolist() == [0] * len(FLAGS)
    )


@pytest.mark.parametrize("bits", [8, 16, 24])
@pytest.mark.parametrize("level", [0.5, 0.8])
def test_a_transit_beyond_the_range_of_its_sensor_is_clipping_at_any_level(bits, level):
    clips = transits(60, np.random.default_rng(2))
    peak = np.abs(clips).max(axis=1, keepdims=True)
    assert share("clipping", stored(np.clip(clips, -level * peak, level * peak), bits)) >= (
        1 if bits > 8 else 0.9
    )


@pytest.mark.parametrize("side", [1, -1])
def test_clipping_on_one_side_is_clipping(side):
    clips = transits(60, np.random.default_rng(3))
    assert (
        share("clipping", side * stored(np.minimum(clips, 0.6 * clips.max(axis=1, keepdims=True))))
        == 1
    )


def test_a_high_tone_that_stands_at_full_scale_for_two_samples_is_clipping():
    assert share("clipping", stored([1.1 * np.sin(2 * np.pi * 1103 * np.arange(4000) / RATE)])) == 1


def test_one_flat_top_that_begins_in_a_jump_is_clipping():
    clips = transits(60, np.random.default_rng(3))
    third = np.sort(clips, axis=1)[:, -3:-2]
    clips[np.arange(60)[:, None], clips.argmax(axis=1)[:, None] + [-1, 0, 1]] = third + 0.05
    assert share("clipping", stored(clips)) == 1


@pytest.mark.parametrize("bits", [8, 12, 16, 24])
@pytest.mark.parametrize("level", [1.0, 0.3])
def test_a_tone_that_only_reaches_its_peak_or_full_scale_is_not_clipping(bits, level):
    rng = np.random.default_rng(4)
    tones = [
        level * np.sin(2 * np.pi * f * np.arange(5000) / RATE + rng.uniform(0, 6))
        for f in rng.uniform(60, 1200, 100)
    ]
    assert share("clipping", stored(np.array(tones) * (1 - 2.0 ** (1 - bits)), bits)) == 0


@pytest.mark.parametrize("form", [stored, np.float32, lambda clips: stored(clips, 8)])
def test_a_tone_of_whole_hertz_that_comes_back_to_its_peak_is_not_clipping(form):
    tones = [
        np.sin(2 * np.pi * f * np.arange(8000) / RATE + phase)
        for f in (100, 125, 200, 250, 440, 500, 1000)
        for phase in (0, 0.3, np.pi / 8)
    ]
    assert share("clipping", form(np.array(tones) * 0.99)) == 0


@pytest.mark.parametrize("milliseconds, is_dropout", [(5, 0), (9, 0), (11, 1), (100, 1)])
@pytest.mark.parametrize("value", [None, 0.0])
@pytest.mark.parametrize("rate", [2500, 8000, 44_100])
def test_a_signal_that_stands_still_for_ten_milliseconds_is_a_dropout(
    milliseconds, is_dropout, value, rate
):
    clips = stored(transits(20, np.random.default_rng(5), rate))
    n = round(milliseconds * rate / 1000)
    clips[:, 700 : 700 + n] = clips[:, 700:701] if value is None else value
    assert share("dropout", clips, rate) == is_dropout


@pytest.mark.parametrize(
    "clip, is_silent",
    [
        (np.zeros(5000), 1),
        (np.full(5000, 0.3), 1),
        (np.arange(5000) % 2 / 32768, 1),
        (0.2 + np.arange(5000) % 2 / 32768, 1),
        (np.arange(5000) % 2 / 8192, 0),
        (1e-3 * np.sin(np.arange(5000)), 0),
    ],
)
def test_what_moves_by_its_last_bit_is_silence_and_has_no_other_flag(clip, is_silent):
    rows = flags(np.array([clip], np.float32), RATE)[0]
    assert rows[FLAGS.index("silence")] == is_silent and (not is_silent or rows.sum() == 1)


def hum(mains, m=4800):
    """Return a steady buzz: odd and even lines."""
    time = np.arange(m) / RATE
    return sum(
        a * np.sin(2 * np.pi * mains * k * time + k)
        for k, a in ((1, 1), (2, 0.3), (3, 0.6), (5, 0.4))
    )


@pytest.mark.parametrize("mains", [49.97, 50, 60, 60.02])
@pytest.mark.parametrize("ratio_db, low, high", [(0, 1, 1), (-5, 0.95, 1), (-20, 0, 0), (40, 1, 1)])
def test_hum_is_told_from_a_tenth_of_the_power_up(mains, ratio_db, low, high):
    clips = transits(40, np.random.default_rng(6))
    buzz = hum(mains) / hum(mains).std() * clips.std(axis=1, keepdims=True) * 10 ** (ratio_db / 20)
    assert low <= share("hum", clips + buzz.astype(np.float32)) <= high


@pytest.mark.parametrize(
    "f0, fades", [(250, False), (137, False), (200, False), (100, True), (120, True), (60, True)]
)
def test_an_insect_at_a_multiple_of_the_mains_is_no_hum(f0, fades):
    time = np.arange(5000) / RATE
    clip = sum(np.sin(2 * np.pi * f0 * k * time + k) / k for k in range(1, 6)) * (
        np.hanning(5000) if fades else 1
    )
    assert share("hum", 0.1 * clip[None]) == 0


def test_a_clip_too_short_to_tell_mains_from_insects_is_not_called_hum():
    assert (
        share("hum", 0.1 * hum(50, 1200)[None]) == 0
        and share("hum", 0.1 * hum(50, 1600)[None]) == 1
    )


@pytest.mark.parametrize("rate", [2500, 8000, 44_100])
@pytest.mark.parametrize("seconds", [0.05, 0.3])
@pytest.mark.parametrize("slope", [0, 1, 2])
def test_noise_of_any_colour_is_aperiodic(rate, seconds, slope):
    assert (
        share("aperiodic", noise(100, round(seconds * rate), slope, np.random.default_rng(7)), rate)
        >= 0.97
    )


def test_noise_below_a_sensors_corner_frequency_is_aperiodic():
    low = signal.sosfilt(
        signal.butter(2, 300, fs=RATE, output="sos"), noise(100, 5000, 0, np.random.default_rng(8))
    )
    assert share("aperiodic", low) >= 0.97


def test_a_click_is_aperiodic():
    clip = np.zeros((1, 2000), np.float32)
    clip[0, 500:510] = np.hanning(10)
    assert share("aperiodic", clip + noise(1, 2000, 0, np.random.default_rng(9)) / 100) == 1


@pytest.mark.parametrize(
    "seconds, snr, most", [(0.6, 0, 0.05), (0.1, 0, 0.05), (0.05, 5, 0.05), (0.02, 20, 0.1)]
)
def test_a_wingbeat_is_seldom_aperiodic_however_short_or_faint(seconds, snr, most):
    assert share("aperiodic", transits(200, np.random.default_rng(10), RATE, seconds, snr)) <= most


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_sample_that_is_no_number_is_told_and_spoils_no_other_flag(value):
    clips = transits(20, np.random.default_rng(11))
    clips[:, 1000] = value
    assert flags(clips, RATE).mean(axis=0).tolist() == [name == "non_finite" for name in FLAGS]


def test_a_clip_of_nothing_but_nan_is_silence_too():
    actual = flags(np.full((1, 500), np.nan), RATE)[0]
    assert [name for name, flag in zip(FLAGS, actual) if flag] == ["silence", "non_finite"]


def test_flags_of_a_clip_are_the_same_alone_in_a_batch_and_padded():
    rng = np.random.default_rng(12)
    clips = np.concatenate(
        [transits(90, rng), noise(90, 4800, 1, rng), np.clip(transits(90, rng), -0.1, 0.1)]
    )
    clips[::7, 600:800] = 0.01
    clips[::11] += (0.2 * hum(50, 4800)).astype(np.float32)
    lengths = rng.integers(400, 4801, 270)
    padded = np.where(np.arange(5400) < lengths[:, None], np.pad(clips, ((0, 0), (0, 600))), 0)
    actual = flags(padded, RATE, lengths)
    alone = np.concatenate([flags(clip[None, :n], RATE) for clip, n in zip(clips, lengths)])
    np.testing.assert_array_equal(actual, alone)
    assert actual[:, :5].any(axis=0).tolist() == [True, True, False, True, True]


def test_what_lies_beyond_a_clips_length_is_not_looked_at():
    clips = transits(5, np.random.default_rng(13))
    clips[:, 4000:] = np.nan
    assert (
        not share("non_finite", clips, RATE, np.full(5, 4000)) and share("non_finite", clips) == 1
    )


def test_level_and_polarity_change_no_flag_but_silence_and_full_scale():
    rng = np.random.default_rng(14)
    clips = np.concatenate(
        [
            transits(30, rng),
            noise(30, 4800, 1, rng),
            transits(30, rng) + (0.2 * hum(60, 4800)).astype(np.float32),
        ]
    )
    for factor in (-1, 0.01, 8):
        np.testing.assert_array_equal(flags(factor * clips, RATE), flags(clips, RATE))


@pytest.mark.parametrize("shape", [(0, 100), (2, 1), (2, 5), (2, 0)])
def test_next_to_nothing_has_flags_too(shape):
    assert flags(np.zeros(shape), RATE)[:, FLAGS.index("silence")].tolist() == [True] * shape[0]


def test_a_sample_rate_that_holds_no_wingbeat_tells_nothing_of_periods_and_hum():
    actual = flags(noise(3, 500, 0, np.random.default_rng(15)), 100)
    assert not actual[:, [FLAGS.index("aperiodic"), FLAGS.index("hum")]].any()


def test_sine_song_of_flies_is_periodic_and_the_background_is_not(data):
    with open(data / "fly_song/clips.csv") as file:
        rows = list(csv.DictReader(file))
    clips = {
        label: [
            audio.read(data / "fly_song" / row["file"])[0] for row in rows if row["label"] == label
        ]
        for label in ("mel-sine", "ambient")
    }
    assert {label: len(of) for label, of in clips.items()} == {"mel-sine": 33, "ambient": 53}
    assert (
        share("aperiodic", np.array(clips["mel-sine"]), 2500) == 0
        and share("aperiodic", np.array(clips["ambient"]), 2500) >= 0.95
    )


def test_sounds_with_a_digital_end_have_a_dropout_and_rain_and_waves_are_aperiodic(data):
    with open(data / "esc10_sounds/recordings.csv") as file:
        rows = list(csv.DictReader(file))

    def clips(chosen, start, stop):
        return np.stack(
            [audio.read(data / "esc10_sounds" / row["file"], start, stop)[0] for row in chosen]
        )

    ended = [row for row in rows if 1 < float(row["trailing_silence_s"]) < 2.5]
    assert len(ended) >= 15 and share("dropout", clips(ended[:15], 2.4, 4.9), 44_100) >= 0.95
    for label, low, high in (
        ("rain", 0.9, 1),
        ("sea_waves", 0.9, 1),
        ("baby_cry", 0, 0),
        ("rooster", 0, 0.1),
    ):
        assert (
            low
            <= share(
                "aperiodic",
                clips([row for row in rows if row["label"] == label][:12], 0.5, 1.5),
                44_100,
            )
            <= high
        )
