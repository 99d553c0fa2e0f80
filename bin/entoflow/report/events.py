"""Held-out events in the report: what was named wrong, unsure and right, a few of each, as compare_families.py drew them."""
from entoflow.pages import paragraph, picture, section, side_by_side

SHOWN = {"wrong": 6, "unsure": 3, "right": 3}  # of each kind at most, so that the page stays light
READING = ("Held-out events by the chosen family: the surest of those that were named wrong, the least sure, the surest right ones. Grey: level over the "
           "event's floor; dashes: multiples of F0, dots where it is unsure; bars: probabilities.")


def events(folder):
    """Return the section with the pictures event_*.png of a folder, nothing where there are none."""
    shown = [path for kind, most in SHOWN.items() for path in sorted(folder.glob(f"event_*_{kind}.png"))[:most]]
    return section("Events, looked at", paragraph(READING), side_by_side(*(drawn(path) for path in shown))) if shown else ""


def drawn(path):
    """Return the picture of an event, told by the sentence within it."""
    from PIL import Image

    with Image.open(path) as image:
        words = image.info["Description"]
    return picture(path, f"Waveform, spectrogram and likeliest names of an event: {words}", words)
