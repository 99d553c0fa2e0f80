"""Intervals over classes and over groups, and differences of two systems on the same images."""

import numpy as np
import pytest

from entoflow.statistics import Bootstrap, Intervals, paired


def test_an_interval_is_the_wider_of_that_over_classes_and_that_over_groups():
    rng = np.random.default_rng(1)
    classes = np.repeat(np.arange(30), 20)
    images = np.arange(600)
    hits = (rng.random(600) < np.repeat(rng.random(30), 20)).astype(float)
    by_class = Bootstrap(classes, 3).ratio(hits, np.ones(600), 600, "")
    by_image = Bootstrap(images, 3).ratio(hits, np.ones(600), 600, "")
    assert by_class.low < by_image.low
    assert by_class.high > by_image.high
    for units in ((classes, images), (images, classes)):
        metric = Intervals(*units, 3).mean(hits, "share")
        for field in ("value", "low", "high"):
            assert getattr(metric, field) == pytest.approx(getattr(by_class, field))
        assert (metric.groups, metric.n) == (len(set(units[1])), 600)


@pytest.mark.parametrize(
    "n_classes, n_groups, has_interval", [(19, 60, False), (60, 19, False), (20, 20, True)]
)
def test_an_interval_takes_20_classes_and_20_groups(n_classes, n_groups, has_interval):
    images = np.arange(60)
    metric = Intervals(images % n_classes, images % n_groups, 1).mean(images % 2, "share")
    assert (metric.value, metric.groups) == (0.5, n_groups)
    assert (metric.low is not None) == (metric.high is not None) == has_interval


def test_of_two_systems_one_is_better_only_where_the_interval_says_so():
    rng = np.random.default_rng(1)
    strong = rng.random(300) < 0.9
    weak = rng.random(300) < 0.5
    classes = np.arange(300) // 3
    images = np.arange(300)
    difference = paired(strong, weak, classes, images, 1)
    turned = paired(weak, strong, classes, images, 1)
    assert difference.value == pytest.approx(strong.mean() - weak.mean())
    assert turned.value == -difference.value
    assert (difference.verdict, turned.verdict) == ("better", "worse")
    assert difference.low > 0 > turned.high
    assert paired(strong, strong, classes, images, 1).verdict == "not distinguishable"
    few = paired(strong[:50], weak[:50], classes[:50], images[:50], 1)  # 17 classes
    assert few.verdict == "not distinguishable"


def test_the_interval_of_a_paired_difference_is_that_of_the_normal_distribution():
    images = np.arange(400)
    difference = paired(images < 240, (images >= 40) & (images < 240), images, images, 1)
    half = 1.96 * np.sqrt(0.1 * 0.9 / 400)
    assert difference.value == pytest.approx(0.1)
    assert difference.low == pytest.approx(0.1 - half, abs=0.005)
    assert difference.high == pytest.approx(0.1 + half, abs=0.005)
