import re

import numpy as np

from entoflow.report import events
from entoflow.wingbeat import event_pictures
from entoflow.wingbeat.chosen_events import Event


def drawn(folder, kinds, recording="a.wav"):
    event = Event(np.ones(100, np.float32), 8000, recording, 0.0, 0.5, False, 0.0, 0.0, ["fly"], [1.0], True, "bee")
    event_pictures.draw(folder, [(kind, event) for kind in kinds], "event_")


def test_some_of_each_kind_are_shown_the_wrong_ones_first_with_words_that_cannot_become_markup(tmp_path):
    drawn(tmp_path, ["wrong"] * 7 + ["unsure"] + ["right"] * 4, "<i>.wav")
    page = events.events(tmp_path)
    assert page.count("<figure>") == page.count("<img") == 6 + 1 + 3
    captions = re.findall("<figcaption>(.*)</figcaption>", page)
    assert set(captions) == {"&lt;i&gt;.wav, 0.00 to 0.50 s: fly, 1.00: known ✗ truly bee; silent, no F0."}
    assert all(words in alt for words, alt in zip(captions, re.findall('alt="([^"]*)"', page))) and "<i>" not in page


def test_nothing_is_said_where_no_event_was_drawn(tmp_path):
    assert events.events(tmp_path) == ""
