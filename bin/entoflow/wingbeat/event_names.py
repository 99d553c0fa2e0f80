"""Tables of named events, as people open them in a spreadsheet."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from entoflow.wingbeat.event_arrays import Events

COLUMNS = ("recording", "start", "end", "label", "score", "f0_hz", "verdict")


def rows(
    events: Events,
    event_rows: Iterable[int],
    probabilities: np.ndarray,
    classes: Sequence[str],
    known_threshold: float,
) -> Iterator[tuple[str, float, float, str, float, float, str]]:
    """Yield the COLUMNS of each of some rows (k) of Events, by their probabilities (k x C).

    An event is known from known_threshold on. F0 is 0 where it is silent.
    """
    f0_hz = events.feature("f0_hz")
    for row, probability in zip(event_rows, probabilities):
        clip = events.clips[row]
        best = int(probability.argmax())
        verdict = "known" if probability[best] >= known_threshold else "unknown"
        score = round(float(probability[best]), 4)
        f0 = round(float(f0_hz[row]), 1)
        yield clip.recording, clip.start, clip.end, str(classes[best]), score, f0, verdict
