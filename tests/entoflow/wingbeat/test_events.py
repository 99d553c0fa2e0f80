import csv
import tracemalloc

import numpy as np
import pytest
from scipy.signal import butter, sosfiltfilt

from entoflow.task import InputError
from entoflow.wingbeat import audio
from entoflow.wingbeat import events as module
from entoflow.wingbeat.events import Settings, detect

RATE = 8000


def events(samples, rate, settings=None):
    return list(detect([samples], rate, settings))


def pink(n, rng):
    """Return noise of power 1 / f, with a power of 1 in the band of the events."""
    spectrum = np.fft.rfft(rng.normal(size=n)) / np.sqrt(np.maximum(np.arange(n // 2 + 1), 1))
    sound = np.fft.irfft(spectrum, n)
    return (
        sound / sosfiltfilt(butter(4, (60, 3500), "bandpass", fs=RATE, output="sos"), sound).std()
    )


def burst(seconds, rng, rate=RATE):
    """Return five harmonics of 100 to 600 Hz under a Hann window, with a power of 1."""
    time, f0 = np.arange(round(seconds * rate)) / rate, rng.uniform(100, 600)
    sound = sum(
        rng.uniform(0.2, 1) * np.sin(2 * np.pi * k * f0 * time + rng.uniform(0, 6))
        for k in range(1, 6)
        if k * f0 < 0.45 * rate
    )
    sound *= np.hanning(len(time))
    return sound / np.sqrt((sound**2).mean())


def made(seconds, snr, rng):
    """Return (pink noise with an event about every 1.5 s, [(start, end)]).

    Events last 60 to 500 ms each; their power is snr dB above the noise.
    """
    sound, truth = pink(round(seconds * RATE), rng), []
    for begin in np.arange(0, seconds - 1.5, 1.5):
        length = rng.uniform(0.06, 0.5)
        first = round((begin + rng.uniform(0.05, 1.4 - length)) * RATE)
        event = burst(length, rng) * 10 ** (snr / 20)
        sound[first : first + len(event)] += event
        truth.append((first / RATE, (first + len(event)) / RATE))
    return sound.astype(np.float32), truth


def overlap(a, b):
    """Return intersection over union of two spans."""
    both = max(0, min(a[1], b[1]) - max(a[0], b[0]))
    return both / (a[1] - a[0] + b[1] - b[0] - both)


def rates(actual, truth):
    """Return (precision, recall) of detected events.

    One counts for the true event that it overlaps by half, and only one for each.
    """
    hits = {
        max(range(len(truth)), key=lambda k: overlap(one, truth[k]))
        for one in actual
        if max(overlap(one, two) for two in truth) >= 0.5
    }
    return len(hits) / max(len(actual), 1), len(hits) / len(truth)


def tone(n, level=1.0):
    return level * np.sin(2 * np.pi * 300 * np.arange(n) / RATE)


def quiet(seconds, seed=1):
    return 0.001 * np.random.default_rng(seed).normal(size=round(seconds * RATE))


@pytest.mark.parametrize("snr", [20, 10, 5])
def test_precision_and_recall_on_known_events_are_at_least_95_percent_from_5_db_up(snr):
    sound, truth = made(300, snr, np.random.default_rng(snr))
    precision, recall = rates(events(sound, RATE), truth)
    assert len(truth) >= 195 and precision >= 0.95 and recall >= 0.95


def test_the_edges_of_an_event_are_right_to_a_few_milliseconds():
    sound = quiet(20)
    sound[80_000:83_200] += tone(3200, 0.02)
    [(start, end)] = events(sound, RATE)
    assert abs(start - 10) <= 0.008 and abs(end - 10.4) <= 0.008


@pytest.mark.parametrize("rate", [2500, 8000, 44_100])
@pytest.mark.parametrize("colour", ["white", "pink"])
def test_noise_alone_gives_less_than_one_event_in_a_minute(rate, colour):
    rng = np.random.default_rng(1)
    sound = rng.normal(size=240 * rate) if colour == "white" else pink(240 * rate, rng)
    assert len(events(sound, rate)) < 4


@pytest.mark.parametrize("size", [977, 8000, 480_000, 10**9])
def test_blocks_of_any_size_give_the_very_events_of_the_whole(size):
    sound, _ = made(200, 10, np.random.default_rng(3))
    assert list(detect((sound[k : k + size] for k in range(0, len(sound), size)), RATE)) == events(
        sound, RATE
    )


@pytest.mark.parametrize("core", [1, 2, 40])
def test_parts_of_any_length_give_the_events_of_one_part_and_each_on_a_seam_once(monkeypatch, core):
    sound, _ = made(100, 10, np.random.default_rng(4))
    monkeypatch.setattr(module, "CORE", 10**6)
    whole = events(sound, RATE)
    monkeypatch.setattr(module, "CORE", core)
    np.testing.assert_allclose(events(sound, RATE), whole, atol=1e-9)
    seams = np.arange(0, 100, core * module.GRID * module.HOP)
    assert core > 2 or sum(any(start < seam < end for seam in seams) for start, end in whole) >= 10


def test_level_offset_polarity_and_time_change_no_event():
    sound, _ = made(60, 10, np.random.default_rng(5))
    actual = events(sound, RATE)
    for other in (1e-4 * sound, 1e4 * sound, -sound, sound + 50):
        np.testing.assert_allclose(events(other, RATE), actual, atol=0.005)
    np.testing.assert_allclose(
        events(sound[::-1].copy(), RATE), [(60 - b, 60 - a) for a, b in actual[::-1]], atol=0.01
    )


@pytest.mark.parametrize("gap, n_events", [(0.03, 1), (0.12, 2)])
def test_two_sounds_with_a_short_gap_are_one_event(gap, n_events):
    sound = quiet(20)
    for first in (80_000, 80_000 + 800 + round(gap * RATE)):
        sound[first : first + 800] += tone(800)
    assert len(events(sound, RATE)) == n_events


@pytest.mark.parametrize("length, n_events", [(0.005, 0), (0.03, 1)])
def test_what_is_shorter_than_the_shortest_event_is_none(length, n_events):
    sound, n = quiet(20), round(length * RATE)
    sound[80_000 : 80_000 + n] += tone(n, 0.03)
    assert len(events(sound, RATE)) == n_events


@pytest.mark.parametrize("length, n_events", [(1.8, 1), (3.5, 2), (5.9, 3)])
def test_a_long_event_is_split_into_equal_parts_that_cover_it(length, n_events):
    sound, n = quiet(40), round(length * RATE)
    sound[160_000 : 160_000 + n] += tone(n, 0.02)
    actual = np.array(events(sound, RATE))
    assert (
        len(actual) == n_events
        and abs(actual[0, 0] - 20) < 0.01
        and abs(actual[-1, 1] - 20 - length) < 0.02
    )
    np.testing.assert_allclose(actual[1:, 0], actual[:-1, 1])
    np.testing.assert_allclose(np.diff(actual), np.diff(actual).mean())


@pytest.mark.parametrize(
    "name, value, frequency, n_events",
    [
        ("enter_db", 30, 300, 0),
        ("low", 600, 300, 0),
        ("high", 1500, 3000, 0),
        ("shortest", 0.6, 300, 0),
        ("longest", 0.15, 300, 3),
    ],
)
def test_each_setting_is_heeded(name, value, frequency, n_events):
    sound = quiet(20)
    sound[80_000:84_000] += (
        0.02 * np.sin(2 * np.pi * frequency * np.arange(4000) / RATE) * np.hanning(4000)
    )
    assert (
        len(events(sound, RATE, Settings(**{name: value}))) == n_events
        and len(events(sound, RATE)) == 1
    )


def test_a_leave_level_that_is_higher_shortens_an_event_that_fades():
    sound = quiet(20)
    sound[80_000:84_000] += tone(4000, 0.05) * np.hanning(4000)
    [(a, b)], [(c, d)] = events(sound, RATE), events(sound, RATE, Settings(leave_db=6))
    assert a < c < d < b


def test_an_event_in_digital_silence_is_found_with_its_own_length():
    sound = np.zeros(20 * RATE)
    sound[80_000:83_200] = tone(3200)
    [(start, end)] = events(sound, RATE)
    assert 9.9 < start <= 10 and 10.4 <= end < 10.5


@pytest.mark.parametrize(
    "sound",
    [
        np.zeros(80_000),
        np.full(80_000, 0.3, np.float32),
        np.full(80_000, np.nan),
        np.zeros(0),
        np.ones(1),
        np.ones(20),
    ],
)
def test_silence_and_next_to_nothing_have_no_event(sound):
    assert events(sound, RATE) == []


def test_samples_that_are_no_number_hide_no_event_elsewhere():
    sound = quiet(20)
    sound[80_000:83_200] += tone(3200)
    sound[30_000:30_010], sound[120_000] = np.nan, np.inf
    assert [round(start) for start, _ in events(sound, RATE)] == [10]


def test_a_sound_outside_the_band_is_no_event():
    sound = quiet(20)
    sound[80_000:88_000] += np.sin(2 * np.pi * 10 * np.arange(8000) / RATE) * np.hanning(8000)
    assert events(sound, RATE) == []


@pytest.mark.parametrize("n", [80_000, 80_013])
def test_events_at_the_ends_of_a_recording_lie_within_it(n):
    sound = quiet(20)[:n]
    sound[:2000] += tone(2000)
    sound[-2000:] += tone(2000)
    (start, _), (_, end) = events(sound, RATE)
    assert start == 0 and n / RATE - 0.004 <= end <= n / RATE


def test_an_hour_takes_the_memory_of_a_minute():
    rng = np.random.default_rng(1)
    minute = quiet(60)[: 60 * 1000].astype(np.float32)

    def peak(minutes):
        tracemalloc.start()
        try:
            actual = sum(
                1
                for _ in detect((np.roll(minute, rng.integers(9999)) for _ in range(minutes)), 1000)
            )
            return tracemalloc.get_traced_memory()[1], actual
        finally:
            tracemalloc.stop()

    assert peak(60)[0] < 1.3 * peak(5)[0]


@pytest.mark.parametrize(
    "rate, settings, sentence",
    [
        (
            100,
            Settings(),
            "^the sample rate is 100 Hz and the band 60 to 3500 Hz; wanted a band that begins "
            "below half the sample rate",
        ),
        (
            8000,
            Settings(low=500, high=400),
            "^the sample rate is 8000 Hz and the band 500 to 400 Hz; wanted",
        ),
        (8000, Settings(low=0), "^the sample rate is 8000 Hz and the band 0 to 3500 Hz; wanted"),
        (
            8000,
            Settings(leave_db=7),
            "^the settings of events are .*leave_db 7.*; wanted leave_db above 0 and at most "
            "enter_db",
        ),
        (8000, Settings(leave_db=0), "wanted leave_db above 0 and at most enter_db"),
        (8000, Settings(gap=-1), "gap -1.*; wanted gap 0 or more"),
        (
            8000,
            Settings(shortest=2),
            "shortest 2, longest 2; wanted shortest 0 or more and below longest",
        ),
        (
            8000,
            Settings(shortest=-1),
            "shortest -1, longest 2; wanted shortest 0 or more and below longest",
        ),
    ],
)
def test_settings_that_find_nothing_ever_are_told(rate, settings, sentence):
    with pytest.raises(InputError, match=sentence):
        events(np.zeros(1000), rate, settings)


def test_fly_song_that_people_marked_lies_in_events_and_background_does_not(
    data,
):
    path = data / "fly_song/20161207T102314_ch1.wav"
    inside = np.zeros(500_000, bool)
    for start, end in detect(audio.read_blocks(path, 7), 2500):
        inside[round(start * 2500) : round(end * 2500)] = True
    with open(f"{path}-annotated-person1.csv") as file:
        rows = [(row[4], int(row[1]), int(row[2])) for row in csv.reader(file)]

    def covered(label):
        spans = [(first, last) for name, first, last in rows if name == label]
        return np.mean(
            [
                inside[first - 25 : last + 25].any() if first == last else inside[first:last].mean()
                for first, last in spans
            ]
        )

    assert min(covered("mel-pulse"), covered("mel-sine")) >= 0.95 and covered("ambient") <= 0.1
