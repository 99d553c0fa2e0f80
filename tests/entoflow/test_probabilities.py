import numpy as np
import pytest
from scipy.special import logsumexp

from entoflow.probabilities import calibrate_names, fitted_temperature, label_sets, mass, softmax

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")


def log_likelihood(scores, class_index, temperature):
    scaled = scores / temperature
    of_truth = scaled[np.arange(len(class_index)), class_index]
    return (of_truth - logsumexp(scaled, axis=1)).sum()


@pytest.mark.parametrize("seed", range(4))
def test_the_temperature_is_that_of_the_highest_likelihood_on_a_fine_grid(seed):
    rng = np.random.default_rng(seed)
    class_index = rng.integers(0, 8, 150)
    size = 10.0 ** (seed - 1)
    scores = size * (rng.normal(size=(150, 8)) + np.eye(8)[class_index])
    scores[:, 5][class_index != 5] = -np.inf
    grid = np.exp(np.arange(-7, 7, 0.002))
    likelihoods = [log_likelihood(scores, class_index, t) for t in grid]
    best = grid[np.argmax(likelihoods)]
    assert fitted_temperature(scores, class_index) == pytest.approx(best, rel=0.01)


def test_the_temperature_by_which_labels_were_drawn_is_found_again():
    rng = np.random.default_rng(1)
    scores = rng.normal(size=(20000, 5))
    # Gumbel's trick: a draw from softmax(scores / 0.3)
    drawn = (scores / 0.3 + rng.gumbel(size=scores.shape)).argmax(axis=1)
    assert fitted_temperature(scores, drawn) == pytest.approx(0.3, rel=0.05)


def test_without_a_row_the_temperature_is_1():
    assert fitted_temperature(np.empty((0, 3)), np.empty(0, int)) == 1


def test_minus_infinity_has_no_probability_and_large_scores_do_not_overflow():
    scores = np.array([[0, -np.inf, np.log(3)], [1e4, 1e4, -np.inf], [-1e4, -np.inf, -np.inf]])
    np.testing.assert_allclose(softmax(scores), [[0.25, 0, 0.75], [0.5, 0.5, 0], [1, 0, 0]])


def test_a_label_set_is_never_empty():
    sure = np.array([[0.98, 0.02], [0.3, 0.7]])
    # the likeliest have masses of 0.49 and 0.35
    assert label_sets(sure, 0.2).tolist() == [[True, False], [False, True]]


def test_the_mass_of_a_class_is_that_of_all_likelier_ones_and_half_its_own():
    probabilities = np.array([[0.1, 0.6, 0.3], [1.0, 0.0, 0.0]])
    np.testing.assert_allclose(mass(probabilities), [[0.95, 0.3, 0.75], [0.5, 1.0, 1.0]])
    # of equals the first comes first
    np.testing.assert_allclose(mass(np.full((1, 4), 0.25)), [[0.125, 0.375, 0.625, 0.875]])


@pytest.mark.parametrize("n", [1, 8, 9, 40])
def test_label_sets_hold_the_true_class_of_nine_of_ten_rows_that_they_were_calibrated_on(n):
    rng = np.random.default_rng(n)
    class_index = rng.integers(0, 6, n)
    scores = rng.normal(size=(n, 6)) + np.eye(6)[class_index]
    names = calibrate_names(scores, class_index)
    sets = label_sets(softmax(scores / names.temperature), names.conformal)
    n_covered = sets[np.arange(n), class_index].sum()
    assert names.n_known == n
    assert n_covered >= min(n, np.ceil(0.9 * (n + 1)))
    assert (names.conformal == 1.0) == (n < 9)  # too few: all classes
