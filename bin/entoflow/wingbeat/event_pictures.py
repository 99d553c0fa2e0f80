"""Events as pictures to look at: waveform, spectrogram with the comb of harmonics, the likeliest names, and what was made of them.

Each is 900 x 500 pixels of a few colours, and says in its description (a text within the PNG) in words what it shows.
"""
from pathlib import PurePosixPath

import numpy as np

from entoflow import plots
from entoflow.wingbeat import spectra
from entoflow.wingbeat.average_spectra import centred, finite
from entoflow.wingbeat.pitch import SURE

SIZE, DOTS = (9.0, 5.0), 100  # inches, dots an inch
PLACES = (0.09, 0.64, 0.565, 0.155), (0.09, 0.12, 0.565, 0.435), (0.7, 0.12, 0.275, 0.675)  # of waveform, spectrogram and names: left, low, width, height
LOWEST_TOP_HZ, TOP_HARMONIC, MOST_LINES = 2000.0, 6.5, 8  # a spectrogram shows 2 kHz at least, and six harmonics
LINES, FRAMES, COLUMNS = 128, 256, 400  # of spectrogram and waveform: more cannot be seen
FLOOR_SHARE = 50  # per cent of the spectrogram that is at or below its floor
RANGE_DB = 20, 60  # from the floor to what is black: at least, at most
COLOURS = 64
INK, NAME, LONGEST_NAME, LONGEST_TITLE = "#222222", 13, 17, 62


def draw(folder, chosen, before=""):
    """Write a picture of each of [(kind, chosen_events.Event)]: <before>01_<kind>.png, 02 and so on."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, (kind, event) in enumerate(chosen, 1):
        save(folder / f"{before}{number:02}_{kind}.png", event)


def save(path, event):
    """Write the picture of an Event as PNG."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from PIL import Image, PngImagePlugin

    told = PngImagePlugin.PngInfo()
    told.add_itxt("Description", described(event))
    with matplotlib.rc_context({**plots.STYLE, "font.size": 13}):
        canvas = FigureCanvasAgg(Figure(figsize=SIZE, dpi=DOTS))
        fill(canvas.figure, event)
        canvas.draw()
    pixels = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    pixels.quantize(COLOURS, dither=Image.Dither.NONE).save(path, format="PNG", pnginfo=told, optimize=True)


def fill(figure, event):
    """Draw an Event: axes of the waveform, of the spectrogram and of the names, in this order."""
    wave, spectrogram, names = (figure.add_axes(place) for place in PLACES)
    recording = "/".join(PurePosixPath(event.clip["recording"]).parts[-2:])
    figure.text(0.02, 0.94, plots.shortened(one_line(recording), LONGEST_TITLE), fontsize=NAME, parse_math=False)
    figure.text(0.98, 0.94, time(event), fontsize=NAME, ha="right")
    figure.text(0.02, 0.87, headline(event, LONGEST_NAME), fontsize=14.5, fontweight="bold", color=INK, parse_math=False)
    _draw_wave(wave, event)
    _draw_spectrogram(spectrogram, event)
    _draw_names(names, event)


def described(event):
    """Return a sentence with what a picture shows."""
    return f"{event.clip['recording']}, {time(event)}: {headline(event)}; {pitch(event)}."


def time(event):
    return f"{event.clip['start']:.2f} to {event.clip['end']:.2f} s"


def headline(event, most=200):
    """Return what an event was named and, where it is known, whether that is right; names of at most `most` characters."""
    name, label = (plots.shortened(one_line(words), most) for words in (event.names[0], event.label))
    made = f"{name}, {event.probabilities[0]:.2f}: known" if event.known else f"unknown, likeliest {name}, {event.probabilities[0]:.2f}"
    return made if not label else f"{made} ✓ right" if event.label == event.names[0] else f"{made} ✗ truly {label}"


def pitch(event):
    sure = event.f0_confidence >= SURE
    return "silent, no F0" if event.f0_hz <= 0 else f"F0 {event.f0_hz:.0f} Hz" if sure else f"F0 unsure, {event.f0_hz:.0f} Hz?"


def one_line(words):
    return " ".join(words.split())


def _draw_wave(ax, event):
    samples, rate = finite(event.samples), event.sample_rate
    edges = np.unique(np.linspace(0, len(samples), min(COLUMNS, len(samples)) + 1).astype(int))[:-1]
    if len(samples) > 2 * COLUMNS:
        ax.fill_between(edges / rate, np.minimum.reduceat(samples, edges), np.maximum.reduceat(samples, edges), color=plots.BLUE, linewidth=0.6)
    else:
        ax.plot(np.arange(len(samples)) / rate, samples, color=plots.BLUE, linewidth=1)
    peak = float(np.abs(samples).max(initial=0))
    ax.set(xlim=(0, seconds(event)), ylim=(-1.08 * (peak or 1), 1.08 * (peak or 1)), yticks=[0], yticklabels=[])
    ax.set_title("waveform", fontsize=12, loc="left", pad=4)
    ax.set_title(f"peak {peak:.2g}", fontsize=11, color=plots.GREY, loc="right", pad=4)
    ax.tick_params(labelbottom=False)


def _draw_spectrogram(ax, event):
    top, (levels, hop_s, step_hz) = top_hz(event), spectrogram_of(event)
    reach = float(np.clip(levels.max(), *RANGE_DB))
    extent = (-hop_s / 2, (levels.shape[1] - 0.5) * hop_s, -step_hz / 2, (len(levels) - 0.5) * step_hz)
    ax.imshow(levels, cmap="Greys", vmin=0, vmax=reach, origin="lower", aspect="auto", extent=extent, interpolation="bilinear")
    ax.grid(visible=False)
    part = " of the part listened to" if event.clip.get("samples", 0) > len(event.samples) else ""
    ax.set(xlim=(0, seconds(event)), ylim=(0, top), xlabel=f"seconds{part}", ylabel="kHz")
    ax.yaxis.set_label_coords(-0.115, 0.5)
    ax.yaxis.set_major_formatter(lambda hz, _: f"{hz / 1000:g}")
    sure = event.f0_confidence >= SURE
    for hz in comb(event):
        ax.axhline(hz, color=plots.ORANGE, linewidth=1.5 if sure else 1.2, linestyle=(0, (4, 6)) if sure else (0, (1, 7)))
    said = "" if event.f0_hz <= 0 else " and multiples (dashed)" if sure else " (dotted)"
    ax.set_title(pitch(event) + said, fontsize=12, loc="left", pad=4)
    ax.set_title(f"black: {reach:.0f} dB over floor", fontsize=11, color=plots.GREY, loc="right", pad=4)


def seconds(event):
    return max(len(event.samples), 2) / event.sample_rate


def top_hz(event):
    """Return the highest frequency to show."""
    return min(max(LOWEST_TOP_HZ, TOP_HARMONIC * event.f0_hz), event.sample_rate / 2)


def comb(event):
    """Return the multiples of F0 to show in Hz, none of a silent event."""
    return [k * event.f0_hz for k in range(1, MOST_LINES + 1) if 0 < k * event.f0_hz <= top_hz(event)]


def spectrogram_of(event):
    """Return (dB above its floor, bins x frames; seconds from frame to frame; Hz from bin to bin), 0 Hz and 0 s first."""
    rate, lengths, top = event.sample_rate, np.array([len(event.samples)]), top_hz(event)
    grid = spectra.Grid(min(spectra.GRID.window_s, LINES / top), seconds(event) / FRAMES, top)
    _, points, hop = grid.sizes(rate)
    power = spectra.power(centred(event.samples[None], lengths), rate, grid)[0]
    floor = max(np.percentile(power, FLOOR_SHARE), power.max() / 10 ** (RANGE_DB[1] / 10), 1e-20)
    return 10 * np.log10(np.maximum(power / floor, 1)), hop / rate, rate / points


def _draw_names(ax, event):
    """Draw the likeliest names with their probabilities; the true one is ticked."""
    for at, (name, probability) in enumerate(zip(event.names, event.probabilities)):
        true = bool(event.label) and name == event.label
        ax.barh(at, probability, height=0.3, color=plots.GREEN if true else plots.BLUE)
        ax.text(0, at - 0.2, plots.shortened(one_line(name), LONGEST_NAME) + (" ✓" if true else ""), va="bottom", fontsize=NAME, color=INK, parse_math=False)
        ax.text(1, at - 0.2, f"{probability:.2f}", va="bottom", ha="right", fontsize=NAME, color=INK)
    ax.set(xlim=(0, 1), ylim=(2.3, -0.65), xticks=[], yticks=[])
    ax.set_title("likeliest names", fontsize=12, loc="left", pad=4)
    ax.set_frame_on(False)
    ax.axvline(0, color=INK, linewidth=1)
