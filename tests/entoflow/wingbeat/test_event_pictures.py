"""Pictures of events whose harmonics are where they were put, looked at before they are saved."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from PIL import Image

from entoflow import plot_style
from entoflow.wingbeat import event_pictures
from entoflow.wingbeat.chosen_events import Event

RATE = 8000
F0 = 230.0


def new_event(samples=None, **changes):
    if samples is None:
        times = np.arange(RATE // 2) / RATE
        samples = 0.01 * np.random.default_rng(1).normal(size=len(times))
        for harmonic in (1, 2, 3):
            samples += np.sin(2 * np.pi * harmonic * F0 * times) / harmonic
    event = Event(
        samples=np.asarray(samples, np.float32),
        sample_rate=RATE,
        recording="night/a.wav",
        start=1.5,
        end=2.0,
        is_part=False,
        f0_hz=F0,
        f0_confidence=0.9,
        names=["bee", "fly", "wasp"],
        probabilities=[0.6, 0.3, 0.1],
        known=True,
        label="",
    )
    return replace(event, **changes)


def draw(event):
    figure = Figure()
    event_pictures.fill(figure, event)
    return figure


def comb_of(figure):
    return [line.get_ydata()[0] for line in figure.axes[1].lines]


def texts_of(figure):
    texts = []
    for artist in (figure, *figure.axes):
        texts += [text.get_text() for text in artist.texts]
    for axes in figure.axes:
        texts += [axes.get_title("left"), axes.get_title("right")]
    return texts


def test_the_comb_stands_at_the_multiples_of_f0_and_on_the_dark_lines():
    figure = draw(new_event())
    comb = comb_of(figure)
    assert comb == [harmonic * F0 for harmonic in range(1, 9)]
    (image,) = figure.axes[1].images
    left, right, low, high = image.get_extent()
    levels = np.asarray(image.get_array()).mean(axis=1)
    hz = low + (np.arange(len(levels)) + 0.5) * (high - low) / len(levels)
    for harmonic_hz in comb[:3]:
        is_near = np.abs(hz - harmonic_hz) < F0 / 2
        darkest = hz[is_near][levels[is_near].argmax()]
        assert abs(darkest - harmonic_hz) < 16  # a bin of 64 ms
    assert left == pytest.approx(0, abs=0.01)
    assert right == pytest.approx(0.5, abs=0.01)
    assert figure.axes[0].get_xlim() == figure.axes[1].get_xlim() == (0, 0.5)


def test_no_line_lies_above_half_the_sample_rate():
    figure = draw(new_event(f0_hz=900.0))
    assert comb_of(figure) == [900.0, 1800.0, 2700.0, 3600.0]
    assert figure.axes[1].get_ylim() == (0, 4000)


@pytest.mark.parametrize(("f0_hz", "top_hz"), [(400.0, 2600), (100.0, 2000)])
def test_six_harmonics_are_in_sight(f0_hz, top_hz):
    assert draw(new_event(f0_hz=f0_hz)).axes[1].get_ylim() == (0, top_hz)


def test_an_uncertain_f0_is_called_so_and_drawn_fainter():
    sure = draw(new_event())
    unsure = draw(new_event(f0_confidence=0.49))
    assert comb_of(sure) == comb_of(unsure)
    assert any("F0 unsure, 230 Hz?" in text for text in texts_of(unsure))
    assert not any("unsure" in text for text in texts_of(sure))
    width_of_unsure = unsure.axes[1].lines[0].get_linewidth()
    assert width_of_unsure < sure.axes[1].lines[0].get_linewidth()


@pytest.mark.parametrize(
    "samples",
    [np.zeros(4000), np.zeros(2), [0.1, -0.1], [0.5], np.full(100, np.nan)],
    ids=str,
)
def test_an_event_without_f0_has_no_comb_and_is_drawn_all_the_same(tmp_path, samples):
    event = new_event(samples, f0_hz=0.0, f0_confidence=0.0)
    figure = draw(event)
    assert comb_of(figure) == []
    assert any("silent, no F0" in text for text in texts_of(figure))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        event_pictures.save(tmp_path / "a.png", event)


@pytest.mark.parametrize("n", [3, 1])
def test_the_bars_are_the_probabilities_and_the_true_name_is_ticked(n):
    names = ["bee", "fly", "wasp"][:n]
    probabilities = [0.6, 0.3, 0.1][:n]
    event = new_event(names=names, probabilities=probabilities, label=names[-1])
    axes = draw(event).axes[2]
    assert [bar.get_width() for bar in axes.patches] == probabilities
    is_green = [to_hex(bar.get_facecolor()).upper() == plot_style.GREEN for bar in axes.patches]
    assert is_green == [name == names[-1] for name in names]
    expected = []
    for name, probability in zip(names, probabilities):
        tick = " ✓" if name == names[-1] else ""
        expected += [name + tick, f"{probability:.2f}"]
    assert [text.get_text() for text in axes.texts] == expected


@pytest.mark.parametrize(
    ("changes", "headline"),
    [
        ({}, "bee, 0.60: known"),
        ({"known": False}, "unknown, likeliest bee, 0.60"),
        ({"label": "bee"}, "bee, 0.60: known ✓ right"),
        ({"label": "fly"}, "bee, 0.60: known ✗ truly fly"),
        ({"label": "fly", "known": False}, "unknown, likeliest bee, 0.60 ✗ truly fly"),
    ],
)
def test_the_headline_says_how_the_event_was_named(changes, headline):
    texts = texts_of(draw(new_event(**changes)))
    assert headline in texts
    assert "1.50 to 2.00 s" in texts


def test_a_part_of_a_longer_event_is_called_one():
    part = draw(new_event(is_part=True)).axes[1].get_xlabel()
    assert part == "seconds of the part listened to"
    assert draw(new_event()).axes[1].get_xlabel() == "seconds"


def test_long_and_unusual_names_are_shown_as_they_are_and_cut_in_the_middle(tmp_path):
    name = "Ædes/λ $x_{$ <b>\nñandú"
    in_one_line = "Ædes/λ $x_{$ <b> ñandú"
    recording = f"/deep/folder/{'a' * 199}z.wav"
    figure = draw(new_event(names=[name, "b" * 200, "c"], label=name, recording=recording))
    texts = texts_of(figure)
    assert f"{in_one_line[:8]}…{in_one_line[-8:]} ✓" in texts
    title = next(text for text in texts if "aaa" in text)
    assert len(title) < 70
    assert title.startswith("folder/aaa")
    assert title.endswith("az.wav")
    assert "…" in title
    event_pictures.save(tmp_path / "a.png", new_event(names=[name], probabilities=[1.0]))
    with Image.open(tmp_path / "a.png") as image:
        assert f"{in_one_line}, 1.00: known" in image.info["Description"]


def test_pictures_are_numbered_light_and_the_same_again(tmp_path):
    noise = new_event(np.random.default_rng(1).normal(size=2 * RATE))
    chosen = [("sure", noise), ("limit", new_event())]
    event_pictures.draw(tmp_path / "events", chosen, "event_")
    event_pictures.save(tmp_path / "again.png", noise)
    names = [path.name for path in sorted((tmp_path / "events").iterdir())]
    assert names == ["event_01_sure.png", "event_02_limit.png"]
    first = (tmp_path / "events/event_01_sure.png").read_bytes()
    assert first == (tmp_path / "again.png").read_bytes()
    assert len(first) < 80e3  # noise is compressed worst
    with Image.open(tmp_path / "again.png") as image:
        assert image.size == (900, 500)
        description = "night/a.wav, 1.50 to 2.00 s: bee, 0.60: known; F0 230 Hz."
        assert image.info["Description"] == description
