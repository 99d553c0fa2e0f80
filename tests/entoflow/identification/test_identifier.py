"""Names, label sets and verdicts of a few directions, by hand."""

from dataclasses import replace

import numpy as np
import pytest

from blobs import at_length_one
from entoflow.identification import heads
from entoflow.identification.identifier import Calibration, Identifier, KnownFit, RankFit, evidence

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")

CALIBRATION = Calibration(
    head="nearest",
    temperature=0.1,
    conformal=0.2,
    n_known=10,
    known_temperature=0.1,
    known=KnownFit([10, 0, 0, 0], -5),
    reject_below=0.1,
    n_unknown=10,
)


def directions(*degrees):
    angles = np.deg2rad(degrees)
    return at_length_one(np.stack([np.cos(angles), np.sin(angles)], axis=1))


def fit(degrees, labels, **changes):
    return Identifier.fit(directions(*degrees), labels, replace(CALIBRATION, **changes))


@pytest.mark.parametrize("ranks", [None, {}, {"genus": RankFit([1.0, 0.5], -1.0, 12)}])
def test_a_calibration_is_the_same_after_model_json(ranks):
    calibration = replace(CALIBRATION, ranks=ranks)
    content = calibration.to_json()
    assert Calibration.from_json(content) == calibration
    assert ("ranks" in content) == (ranks is not None)
    assert content["known"] == {"weights": [10, 0, 0, 0], "offset": -5}


def test_evidence_counted_by_hand():
    scores = np.array([[3, 1, -np.inf], [2, 2, 2]])
    cosines = np.array([[0.25, 0.5, -np.inf], [0.125, 0, 0]])
    together = 2 * np.log(np.exp(1.5) + np.exp(0.5))
    expected = [[0.5, 3, 2, together], [0.125, 2, 0, 2 + 2 * np.log(3)]]
    np.testing.assert_allclose(evidence(scores, cosines, 2.0), expected)


def test_the_lead_of_the_only_class_is_0():
    expected = [[0.5, 3, 0, 3]]
    alone = evidence(np.array([[3.0]]), np.array([[0.5]]), 1.0)
    np.testing.assert_allclose(alone, expected)
    scores = np.array([[3.0, -np.inf]])
    cosines = np.array([[0.5, -np.inf]])
    np.testing.assert_allclose(evidence(scores, cosines, 1.0), expected)


@pytest.mark.parametrize(
    "reject_below, verdicts",
    [
        # P(known) is 0.1 where 10 cosine - 5 = ln(1/9): at a cosine of 0.28
        (0.1, ["known", "known", "unknown", "reject"]),
        (0.5, ["known", "known", "reject", "reject"]),
        (0.9, ["known", "known", "reject", "reject"]),
        (0.0, ["known", "known", "unknown", "unknown"]),
    ],
)
def test_a_verdict_is_known_from_a_half_else_reject_below_else_unknown(reject_below, verdicts):
    identifier = fit((0, 1), ["ant", "ant"], reject_below=reject_below)
    predictions = identifier.predict(directions(0, -55, -65, -80))  # cosines 1, 0.57, 0.42, 0.17
    assert predictions.verdicts.tolist() == verdicts
    assert predictions.probabilities.tolist() == [[1.0]] * 4
    cosines = np.cos(np.deg2rad([0, 55, 65, 80]))
    expected = 1 / (1 + np.exp(5 - 10 * cosines))
    np.testing.assert_allclose(predictions.p_known, expected, rtol=1e-4)
    np.testing.assert_allclose(predictions.p_best(), expected, rtol=1e-4)


def test_a_probability_is_the_softmax_of_the_scores_and_columns_are_sorted_labels():
    identifier = fit((0, 90), ["wasp", "ant"])
    assert identifier.classes == ["ant", "wasp"]
    probabilities = identifier.predict(directions(30)).probabilities
    exponentials = np.exp(np.cos(np.deg2rad([60, 30])) / 0.1)
    expected = exponentials / exponentials.sum()
    np.testing.assert_allclose(probabilities[0], expected, rtol=1e-4)


def test_uncalibrated_probabilities_are_those_at_a_temperature_of_1():
    identifier = fit((0, 90), ["wasp", "ant"])
    probabilities = identifier.predict(directions(30)).probabilities
    exponentials = np.exp(np.cos(np.deg2rad([60, 30])))
    expected = exponentials / exponentials.sum()
    np.testing.assert_allclose(identifier.uncalibrated(probabilities)[0], expected, rtol=1e-4)


def test_the_temperature_of_known_and_unknown_may_be_another_than_that_of_names():
    known = KnownFit([1, 1, 1, 5], 0)
    queries = directions(20, 70, 45)
    predictions = []
    for temperature in (0.2, 0.5):
        identifier = fit(
            (0, 90),
            ["wasp", "ant"],
            temperature=0.2,
            known_temperature=temperature,
            known=known,
        )
        predictions.append(identifier.predict(queries))
    one, other = predictions
    np.testing.assert_array_equal(one.probabilities, other.probabilities)
    assert (one.p_known != other.p_known).all()


def test_a_label_set_holds_the_likeliest_up_to_the_mass_of_the_calibration():
    identifier = fit((0, 90), ["wasp", "ant"], conformal=0.9)
    probabilities = np.array([[0.25, 0.75], [0.1, 0.9], [0.5, 0.5]])
    expected = [[True, True], [False, True], [True, True]]
    assert identifier.label_sets(probabilities).tolist() == expected


@pytest.mark.parametrize("head", list(heads.HEADS))
def test_a_gallery_of_one_class_names_all_by_it_with_certainty(head):
    predictions = fit((0, 10, 20), ["ant"] * 3, head=head).predict(directions(5, 120))
    assert predictions.probabilities.tolist() == [[1.0], [1.0]]
    assert predictions.p_known[0] > 0.5 > predictions.p_known[1]
