"""Pictures of events whose harmonics are where they were put, looked at before they are saved."""
import warnings

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from PIL import Image

from entoflow import plots
from entoflow.wingbeat import event_pictures
from entoflow.wingbeat.chosen_events import Event

RATE, F0 = 8000, 230.0


def event(samples=None, f0_hz=F0, confidence=0.9, **more):
    if samples is None:
        times = np.arange(RATE // 2) / RATE
        samples = sum(np.sin(2 * np.pi * k * F0 * times) / k for k in (1, 2, 3)) + 0.01 * np.random.default_rng(1).normal(size=len(times))
    samples = np.asarray(samples, np.float32)
    clip = {"recording": "night/a.wav", "start": 1.5, "end": 2.0, "samples": len(samples)} | more.pop("clip", {})
    made = {"names": ["bee", "fly", "wasp"], "probabilities": [0.6, 0.3, 0.1], "known": True, "label": ""} | more
    return Event(samples, RATE, clip, f0_hz, confidence, **made)


def drawn(*args, **more):
    figure = Figure()
    event_pictures.fill(figure, event(*args, **more))
    return figure


def comb(figure):
    return [line.get_ydata()[0] for line in figure.axes[1].lines]


def words(figure):
    return [text.get_text() for holder in (figure, *figure.axes) for text in holder.texts if text.get_text()] + [
        axes.get_title(loc) for axes in figure.axes for loc in ("left", "right")]


def test_the_comb_stands_at_the_multiples_of_f0_and_on_the_dark_lines():
    figure = drawn()
    assert comb(figure) == [k * F0 for k in range(1, 9)]
    image, = figure.axes[1].images
    left, right, low, high = image.get_extent()
    levels = np.asarray(image.get_array()).mean(axis=1)
    hz = low + (np.arange(len(levels)) + 0.5) * (high - low) / len(levels)
    for harmonic in comb(figure)[:3]:
        near = np.abs(hz - harmonic) < F0 / 2
        assert abs(hz[near][levels[near].argmax()] - harmonic) < 16  # a bin of 64 ms
    assert left == pytest.approx(0, abs=0.01) and right == pytest.approx(0.5, abs=0.01)
    assert figure.axes[0].get_xlim() == figure.axes[1].get_xlim() == (0, 0.5)


def test_no_line_lies_above_half_the_sample_rate_and_six_harmonics_are_in_sight():
    assert comb(drawn(f0_hz=900.0)) == [900.0, 1800.0, 2700.0, 3600.0] and drawn(f0_hz=900.0).axes[1].get_ylim() == (0, 4000)
    assert drawn(f0_hz=400.0).axes[1].get_ylim() == (0, 2600) and drawn(f0_hz=100.0).axes[1].get_ylim() == (0, 2000)


def test_an_unsure_f0_is_said_to_be_so_and_drawn_fainter():
    sure, unsure = drawn(), drawn(confidence=0.49)
    assert comb(sure) == comb(unsure) and any("F0 unsure, 230 Hz?" in text for text in words(unsure)) and not any("unsure" in text for text in words(sure))
    assert unsure.axes[1].lines[0].get_linewidth() < sure.axes[1].lines[0].get_linewidth()


@pytest.mark.parametrize("samples", [np.zeros(4000), np.zeros(2), [0.1, -0.1], [0.5], np.full(100, np.nan)], ids=str)
def test_what_has_no_f0_has_no_comb_and_is_drawn_all_the_same(tmp_path, samples):
    figure = drawn(samples, f0_hz=0.0, confidence=0.0)
    assert comb(figure) == [] and any("silent, no F0" in text for text in words(figure))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        event_pictures.save(tmp_path / "a.png", event(samples, f0_hz=0.0, confidence=0.0))


@pytest.mark.parametrize("names, probabilities", [(["bee", "fly", "wasp"], [0.6, 0.3, 0.1]), (["bee"], [1.0])])
def test_the_bars_are_the_probabilities_and_the_true_name_is_ticked(names, probabilities):
    figure = drawn(names=names, probabilities=probabilities, label=names[-1])
    bars = figure.axes[2].patches
    assert [bar.get_width() for bar in bars] == probabilities
    assert [to_hex(bar.get_facecolor()).upper() == plots.GREEN for bar in bars] == [name == names[-1] for name in names]
    assert [text.get_text() for text in figure.axes[2].texts] == [
        told for name, value in zip(names, probabilities) for told in (name + (" ✓" if name == names[-1] else ""), f"{value:.2f}")]


@pytest.mark.parametrize("more, headline", [
    ({}, "bee, 0.60: known"), ({"known": False}, "unknown, likeliest bee, 0.60"), ({"label": "bee"}, "bee, 0.60: known ✓ right"),
    ({"label": "fly"}, "bee, 0.60: known ✗ truly fly"), ({"label": "fly", "known": False}, "unknown, likeliest bee, 0.60 ✗ truly fly")])
def test_the_headline_says_what_was_made_of_the_event(more, headline):
    assert headline in words(drawn(**more)) and "1.50 to 2.00 s" in words(drawn(**more))


def test_a_part_of_a_longer_event_is_told_to_be_one():
    assert drawn(clip={"samples": 9000}).axes[1].get_xlabel() == "seconds of the part listened to" and drawn().axes[1].get_xlabel() == "seconds"


def test_long_and_strange_names_are_shown_as_they_are_and_cut_in_the_middle(tmp_path):
    name = "Ædes/λ $x_{$ <b>\nñandú"
    figure = drawn(names=[name, "b" * 200, "c"], label=name, clip={"recording": f"/deep/folder/{'a' * 199}z.wav"})
    told = words(figure)
    assert "Ædes/λ $x_{$ <b> ñandú"[:8] + "…" + "Ædes/λ $x_{$ <b> ñandú"[-8:] + " ✓" in told
    recording = next(text for text in told if "aaa" in text)
    assert len(recording) < 70 and recording.startswith("folder/aaa") and recording.endswith("az.wav") and "…" in recording
    event_pictures.save(tmp_path / "a.png", event(names=[name], probabilities=[1.0]))
    with Image.open(tmp_path / "a.png") as image:
        assert "Ædes/λ $x_{$ <b> ñandú, 1.00: known" in image.info["Description"]


def test_pictures_are_numbered_light_and_the_same_again(tmp_path):
    noise = event(np.random.default_rng(1).normal(size=2 * RATE))
    event_pictures.draw(tmp_path / "events", [("sure", noise), ("limit", event())], "event_")
    event_pictures.save(tmp_path / "again.png", noise)
    assert [path.name for path in sorted((tmp_path / "events").iterdir())] == ["event_01_sure.png", "event_02_limit.png"]
    assert (tmp_path / "events/event_01_sure.png").read_bytes() == (tmp_path / "again.png").read_bytes()
    with Image.open(tmp_path / "again.png") as image:
        assert image.size == (900, 500)
        assert image.info["Description"] == "night/a.wav, 1.50 to 2.00 s: bee, 0.60: known; F0 230 Hz."
    assert (tmp_path / "again.png").stat().st_size < 80e3  # noise packs worst
