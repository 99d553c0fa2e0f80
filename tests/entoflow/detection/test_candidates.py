"""What candidates are, and how likely they show the target."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from entoflow.boxes import Prediction
from entoflow.dataset import Box, Dataset, Image
from entoflow.detection import candidates, predictions
from entoflow.detection.candidates import Candidate, Validation
from entoflow.task import InputError

CORNERS = (0.0, 0.0, 10.0, 10.0)


def candidate(score, views=6, crop=None):
    return Candidate(CORNERS, score, views, 0.0, crop)


def validation(scores, rights, n_missed):
    """Return an image for each box, a true box in it where the box is right, and images whose true
    box nothing finds.
    """
    images = [Image(n, f"{n}.jpg") for n in range(len(rights) + n_missed)]
    with_true_box = [n for n, right in enumerate(rights) if right]
    with_true_box += [len(rights) + n for n in range(n_missed)]
    truth = Dataset(images, [Box(n, "bug", (0, 0, 10, 10)) for n in with_true_box], ["bug"])
    return Validation(truth, {n: [candidate(score)] for n, score in enumerate(scores)})


EIGHT_BOXES = validation([0.2] * 4 + [0.8] * 4, [0, 0, 0, 0, 1, 1, 1, 0], n_missed=1)


def test_scores_without_agreement_are_those_of_boxes_that_every_view_saw():
    seen = [candidate(0.5, views=6), candidate(0.3, views=3), candidate(0.4, views=1)]
    raised = candidates.without_view_agreement(seen, 6)
    views_and_scores = [(each.views, each.score) for each in raised]
    assert views_and_scores == [(1, 1.0), (3, pytest.approx(0.6)), (6, 0.5)]


def test_a_probability_is_the_share_of_right_boxes_of_like_score_with_half_a_box_at_the_ends():
    """0.2: 0 of 4 right, with the half 0.5 of 5.

    0.8: 3 of 4, with the half 3.5 of 5; between them a straight line.
    """
    calibration = candidates.calibrate_scores(EIGHT_BOXES)
    probabilities = calibration.probability([0.1, 0.2, 0.5, 0.8, 0.9])
    assert probabilities == pytest.approx([0.1, 0.1, 0.4, 0.7, 0.7])
    assert calibration.miss_rate == pytest.approx((1 + 0.5) / (4 + 1))


def test_where_no_box_was_ever_right_no_probability_is_certain():
    calibration = candidates.calibrate_scores(validation([0.4] * 9, [0] * 9, n_missed=0))
    assert calibration.probability([0.4]) == pytest.approx([0.05])


def test_where_no_box_was_found_no_probability_is_certain():
    calibration = candidates.calibrate_scores(validation([], [], n_missed=2))
    assert calibration.probability([0.9]) == [0.5]
    assert calibration.probability([]) == []
    assert calibration.miss_rate == pytest.approx(2.5 / 3)


def enumerated(probabilities, count, miss_rate):
    """Return Bayes' rule over every way in which candidates can be right or wrong."""
    total = 0.0
    of_each = np.zeros(len(probabilities))
    for rights in product((0, 1), repeat=len(probabilities)):
        ways = [p if right else 1 - p for p, right in zip(probabilities, rights)]
        likelihood = np.prod(ways)
        if not sum(rights):
            likelihood *= miss_rate
        elif count and sum(rights) > count:
            likelihood *= candidates.MISCOUNTED
        total += likelihood
        of_each += likelihood * np.array(rights)
    return of_each / total


@given(
    st.lists(st.floats(0, 0.99), min_size=1, max_size=7),
    st.sampled_from([None, 1, 2, 4, 9]),
    st.floats(0.01, 1),
)
def test_what_is_known_of_a_photo_changes_probabilities_as_every_case_counted_one_by_one(
    probabilities, count, miss_rate
):
    changed = candidates.probabilities_given_photo(probabilities, count, miss_rate)
    expected = enumerated(probabilities, count, miss_rate)
    assert changed == pytest.approx(expected.tolist(), abs=1e-9)


def test_one_candidate_that_the_label_promises_is_surer():
    """0.5 / (0.5 + 0.5 x 0.1)."""
    assert candidates.probabilities_given_photo([0.5], None, 0.1) == pytest.approx([0.5 / 0.55])
    assert candidates.probabilities_given_photo([], 1, 0.1) == []


def test_of_two_candidates_for_one_insect_the_likelier_gains():
    """Both right is next to impossible where one was counted, so they share what one has."""
    first, second = candidates.probabilities_given_photo([0.9, 0.5], 1, 0.1)
    assert first == pytest.approx((0.45 + 0.45 * 0.01) / (0.05 * 0.1 + 0.5 + 0.45 * 0.01))
    assert second < 0.12


def test_hundreds_of_sure_boxes_beyond_the_count_leave_numbers():
    assert 0.98 < candidates.probabilities_given_photo([0.99] * 1500, 3, 0.01)[0] < 1


def test_the_probability_of_a_box_is_that_of_its_score_times_that_of_its_crop():
    boxes = [candidate(0.8, crop=0.5), candidate(0.2)]
    (likely,) = candidates.add_probabilities([(None, boxes)], EIGHT_BOXES)
    expected = candidates.probabilities_given_photo([0.35, 0.1], None, 0.3)
    assert [each.probability for each in likely] == pytest.approx(expected)
    assert [replace(each, probability=None) for each in likely] == boxes


def test_only_the_validation_images_of_the_reference_are_compared_with_the_detector(tmp_path):
    box = np.array([[0, 0, 9, 9]], float)
    written = [Prediction.in_view(n, 0, box, np.array([0.5])) for n in (1, 2, 3)]
    predictions.write(tmp_path / "p.npz", written)
    reference = Dataset([Image(1, "1.jpg", part="train"), Image(2, "2.jpg", part="validation")])
    validation = candidates.read_validation(reference, [tmp_path / "p.npz"], 1)
    assert [image.id for image in validation.truth.images] == [2]
    assert list(validation.candidates) == [2]


def test_crop_probabilities_are_read_as_they_were_written_and_another_file_is_an_error(tmp_path):
    probabilities = {(2**40, 1): 0.25, (7, 30): 0.75}
    candidates.write_crop_probabilities(tmp_path / "c.npz", probabilities)
    assert candidates.read_crop_probabilities(tmp_path / "c.npz") == probabilities
    candidates.write_crop_probabilities(tmp_path / "none.npz", {})
    assert candidates.read_crop_probabilities(tmp_path / "none.npz") == {}
    (tmp_path / "x.npz").write_text("no archive")
    with pytest.raises(InputError, match="x.npz: holds no crop scores"):
        candidates.read_crop_probabilities(tmp_path / "x.npz")
