"""Events as pictures to look at: waveform, spectrogram with the comb of harmonics, likeliest names.

Each is 900 x 500 pixels of a few colours, and describes in words, in a text within the PNG, what it
shows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from entoflow import contact_sheet, plot_style
from entoflow.wingbeat import spectra
from entoflow.wingbeat.average_spectra import centred, finite
from entoflow.wingbeat.chosen_events import Event
from entoflow.wingbeat.pitch import SURE

SIZE = (9.0, 5.0)  # inches
DOTS = 100  # per inch
# Left, low, width, height of the axes.
WAVEFORM_PLACE = (0.09, 0.64, 0.565, 0.155)
SPECTROGRAM_PLACE = (0.09, 0.12, 0.565, 0.435)
NAMES_PLACE = (0.7, 0.12, 0.275, 0.675)
# A spectrogram shows 2 kHz at least, and six harmonics.
LOWEST_TOP_HZ = 2000.0
TOP_HARMONIC = 6.5
MOST_LINES = 8  # of the comb
# Of the spectrogram and of the waveform: more cannot be seen.
LINES = 128
FRAMES = 256
COLUMNS = 400
FLOOR_SHARE = 50  # per cent of the spectrogram that is at or below its floor
RANGE_DB = (20, 60)  # from the floor to what is black: at least, at most
COLOURS = 64
INK = "#222222"
NAME_SIZE = 13  # points
LONGEST_NAME = 17  # characters
LONGEST_TITLE = 62


@dataclass(frozen=True)
class Spectrogram:
    """The spectrogram of an event, from 0 Hz and 0 s."""

    levels: np.ndarray  # bins x frames, dB above its floor
    hop_s: float  # seconds from frame to frame
    step_hz: float  # Hz from bin to bin


def draw(folder: Path, chosen: Sequence[tuple[str, Event]], prefix: str = "") -> None:
    """Write a picture of each (kind, event): <prefix>01_<kind>.png, 02 and so on."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, (kind, event) in enumerate(chosen, 1):
        save(folder / f"{prefix}{number:02}_{kind}.png", event)


def save(path: Path, event: Event) -> None:
    """Write the picture of an event as PNG."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from PIL import Image, PngImagePlugin

    texts = PngImagePlugin.PngInfo()
    texts.add_itxt("Description", description(event))
    style: Any = {**plot_style.STYLE, "font.size": 13}
    with matplotlib.rc_context(style):
        canvas = FigureCanvasAgg(Figure(figsize=SIZE, dpi=DOTS))
        fill(canvas.figure, event)
        canvas.draw()
    pixels = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    few_colours = pixels.quantize(COLOURS, dither=Image.Dither.NONE)
    few_colours.save(path, format="PNG", pnginfo=texts, optimize=True)


def fill(figure: Any, event: Event) -> None:
    """Draw an event on a matplotlib figure: axes of waveform, spectrogram, names, in this order."""
    waveform = figure.add_axes(WAVEFORM_PLACE)
    spectrogram = figure.add_axes(SPECTROGRAM_PLACE)
    names = figure.add_axes(NAMES_PLACE)
    recording = one_line("/".join(PurePosixPath(event.recording).parts[-2:]))
    title = contact_sheet.shortened(recording, LONGEST_TITLE)
    figure.text(0.02, 0.94, title, fontsize=NAME_SIZE, parse_math=False)
    figure.text(0.98, 0.94, time_span(event), fontsize=NAME_SIZE, ha="right")
    figure.text(
        0.02,
        0.87,
        headline(event, LONGEST_NAME),
        fontsize=14.5,
        fontweight="bold",
        color=INK,
        parse_math=False,
    )
    _draw_waveform(waveform, event)
    _draw_spectrogram(spectrogram, event)
    _draw_names(names, event)


def description(event: Event) -> str:
    """Return a sentence that says what the picture shows."""
    return f"{event.recording}, {time_span(event)}: {headline(event)}; {pitch(event)}."


def time_span(event: Event) -> str:
    """Return from when to when in the recording the event lasts."""
    return f"{event.start:.2f} to {event.end:.2f} s"


def headline(event: Event, longest_name: int = 200) -> str:
    """Return how an event was named and, where the truth is known, whether that is right."""
    name = contact_sheet.shortened(one_line(event.names[0]), longest_name)
    probability = f"{event.probabilities[0]:.2f}"
    text = f"unknown, likeliest {name}, {probability}"
    if event.known:
        text = f"{name}, {probability}: known"
    label = contact_sheet.shortened(one_line(event.label), longest_name)
    if not label:
        return text
    if event.label == event.names[0]:
        return f"{text} ✓ right"
    return f"{text} ✗ truly {label}"


def pitch(event: Event) -> str:
    """Return the fundamental frequency in words."""
    if event.f0_hz <= 0:
        return "silent, no F0"
    if _has_sure_f0(event):
        return f"F0 {event.f0_hz:.0f} Hz"
    return f"F0 unsure, {event.f0_hz:.0f} Hz?"


def one_line(text: str) -> str:
    """Return a text without line ends."""
    return " ".join(text.split())


def seconds(event: Event) -> float:
    """Return how long the picture's time axis is."""
    return max(len(event.samples), 2) / event.sample_rate


def top_hz(event: Event) -> float:
    """Return the highest frequency to show."""
    return min(max(LOWEST_TOP_HZ, TOP_HARMONIC * event.f0_hz), event.sample_rate / 2)


def comb(event: Event) -> list[float]:
    """Return the multiples of F0 to show in Hz, none of a silent event."""
    multiples = [harmonic * event.f0_hz for harmonic in range(1, MOST_LINES + 1)]
    return [hz for hz in multiples if 0 < hz <= top_hz(event)]


def spectrogram_of(event: Event) -> Spectrogram:
    """Return the spectrogram of an event up to top_hz."""
    top = top_hz(event)
    window_s = min(spectra.GRID.window_s, LINES / top)
    grid = spectra.Grid(window_s, seconds(event) / FRAMES, top)
    _, points, hop = grid.sizes(event.sample_rate)
    samples = centred(event.samples[None], np.array([len(event.samples)]))
    power = spectra.power(samples, event.sample_rate, grid)[0]
    lowest_floor = power.max() / 10 ** (RANGE_DB[1] / 10)
    floor = max(np.percentile(power, FLOOR_SHARE), lowest_floor, 1e-20)
    levels = 10 * np.log10(np.maximum(power / floor, 1))
    return Spectrogram(levels, hop / event.sample_rate, event.sample_rate / points)


def _has_sure_f0(event: Event) -> bool:
    return event.f0_confidence >= SURE


def _draw_waveform(ax: Any, event: Event) -> None:
    samples = finite(event.samples)
    n = len(samples)
    rate = event.sample_rate
    if n > 2 * COLUMNS:
        edges = np.linspace(0, n, COLUMNS + 1).astype(int)
        edges = np.unique(edges)[:-1]
        lowest = np.minimum.reduceat(samples, edges)
        highest = np.maximum.reduceat(samples, edges)
        ax.fill_between(edges / rate, lowest, highest, color=plot_style.BLUE, linewidth=0.6)
    else:
        ax.plot(np.arange(n) / rate, samples, color=plot_style.BLUE, linewidth=1)
    peak = float(np.abs(samples).max(initial=0))
    reach = 1.08 * (peak or 1)
    ax.set(xlim=(0, seconds(event)), ylim=(-reach, reach), yticks=[0], yticklabels=[])
    ax.set_title("waveform", fontsize=12, loc="left", pad=4)
    ax.set_title(f"peak {peak:.2g}", fontsize=11, color=plot_style.GREY, loc="right", pad=4)
    ax.tick_params(labelbottom=False)


def _draw_spectrogram(ax: Any, event: Event) -> None:
    spectrogram = spectrogram_of(event)
    levels = spectrogram.levels
    hop_s = spectrogram.hop_s
    step_hz = spectrogram.step_hz
    n_bins, n_frames = levels.shape
    reach = float(np.clip(levels.max(), *RANGE_DB))
    ax.imshow(
        levels,
        cmap="Greys",
        vmin=0,
        vmax=reach,
        origin="lower",
        aspect="auto",
        extent=(-hop_s / 2, (n_frames - 0.5) * hop_s, -step_hz / 2, (n_bins - 0.5) * step_hz),
        interpolation="bilinear",
    )
    ax.grid(visible=False)
    part = " of the part listened to" if event.is_part else ""
    ax.set(xlim=(0, seconds(event)), ylim=(0, top_hz(event)), xlabel=f"seconds{part}", ylabel="kHz")
    ax.yaxis.set_label_coords(-0.115, 0.5)
    ax.yaxis.set_major_formatter(lambda hz, _: f"{hz / 1000:g}")
    title = pitch(event)
    width = 1.2
    style = (0, (1, 7))
    if _has_sure_f0(event):
        width = 1.5
        style = (0, (4, 6))
    if event.f0_hz > 0:
        title += " and multiples (dashed)" if _has_sure_f0(event) else " (dotted)"
    for hz in comb(event):
        ax.axhline(hz, color=plot_style.ORANGE, linewidth=width, linestyle=style)
    scale = f"black: {reach:.0f} dB over floor"
    ax.set_title(title, fontsize=12, loc="left", pad=4)
    ax.set_title(scale, fontsize=11, color=plot_style.GREY, loc="right", pad=4)


def _draw_names(ax: Any, event: Event) -> None:
    """Draw the likeliest names with their probabilities; the true one is ticked."""
    for place, (name, probability) in enumerate(zip(event.names, event.probabilities)):
        is_true = bool(event.label) and name == event.label
        tick = " ✓" if is_true else ""
        colour = plot_style.GREEN if is_true else plot_style.BLUE
        ax.barh(place, probability, height=0.3, color=colour)
        text = contact_sheet.shortened(one_line(name), LONGEST_NAME) + tick
        style = {"va": "bottom", "fontsize": NAME_SIZE, "color": INK}
        ax.text(0, place - 0.2, text, parse_math=False, **style)
        ax.text(1, place - 0.2, f"{probability:.2f}", ha="right", **style)
    ax.set(xlim=(0, 1), ylim=(2.3, -0.65), xticks=[], yticks=[])
    ax.set_title("likeliest names", fontsize=12, loc="left", pad=4)
    ax.set_frame_on(False)
    ax.axvline(0, color=INK, linewidth=1)
