import json
from dataclasses import asdict

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from entoflow.identification.cluster_metrics import cluster_agreement, cluster_metrics


def values(of_names):
    return {name: metric.value for name, metric in of_names.items()}


@pytest.mark.parametrize("seed", range(3))
def test_agreement_equals_scikit_learn_with_the_unclustered_alone(seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 8, 150)
    mixed = np.where(rng.random(150) < 0.7, labels, rng.integers(0, 8, 150))
    clusters = np.where(rng.random(150) < 0.2, -1, mixed)
    names = []
    for place, cluster in enumerate(clusters):
        names.append(f"alone {place}" if cluster == -1 else str(cluster))
    value = values(cluster_agreement(clusters, labels))
    ami = sklearn_metrics.adjusted_mutual_info_score(labels, names)
    assert value["cluster_ami"] == pytest.approx(ami)
    assert value["ari"] == pytest.approx(sklearn_metrics.adjusted_rand_score(labels, names))
    assert value["v_measure"] == pytest.approx(sklearn_metrics.v_measure_score(labels, names))


def test_the_order_of_images_and_the_numbers_of_clusters_change_nothing():
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 8, 150)
    clusters = rng.integers(-1, 8, 150)
    order = rng.permutation(150)
    numbers = np.append(rng.permutation(8), -1)  # the last is that of -1
    turned = cluster_agreement(numbers[clusters[order]], labels[order])
    assert values(turned) == pytest.approx(values(cluster_agreement(clusters, labels)))


def test_clusters_counted_by_hand():
    measured = cluster_agreement([4, 4, 4, 9, 9, -1, -1], list("xxyyyxz"))
    value = values(measured)
    assert value["purity"] == pytest.approx(6 / 7)
    assert value["share_unclustered"] == pytest.approx(2 / 7)
    assert (value["n_clusters"], value["n_classes"]) == (2, 3)
    for metric in measured.values():
        assert (metric.low, metric.high, metric.n) == (None, None, 7)


def test_perfect_clusters_agree_wholly_and_random_ones_by_nothing_but_chance():
    labels = np.repeat(np.arange(10), 30)
    perfect = values(cluster_agreement(labels + 7, labels))
    for name in ("cluster_ami", "ari", "v_measure", "purity"):
        assert perfect[name] == pytest.approx(1)
    shuffled = np.random.default_rng(1).permutation(labels)
    random = values(cluster_agreement(shuffled, labels))
    assert random["cluster_ami"] == pytest.approx(0, abs=0.03)
    assert random["ari"] == pytest.approx(0, abs=0.03)


def test_the_interval_of_the_mutual_information_is_over_classes():
    rng = np.random.default_rng(2)
    labels = np.repeat(np.arange(25), 6)
    clusters = np.where(rng.random(150) < 0.8, labels, rng.integers(0, 25, 150))
    measured = cluster_metrics(clusters, labels, 1)
    plain = cluster_agreement(clusters, labels)
    ami = measured["cluster_ami"]
    assert ami.value == plain["cluster_ami"].value
    assert ami.low < ami.value < ami.high
    assert (ami.n, ami.groups) == (150, 25)
    assert {name: measured[name] for name in plain if name != "cluster_ami"} == {
        name: metric for name, metric in plain.items() if name != "cluster_ami"
    }


@pytest.mark.parametrize("clusters, labels", [([], []), ([-1], ["x"])])
def test_of_no_image_and_of_one_there_is_no_nan(clusters, labels):
    measured = cluster_agreement(clusters, labels)
    json.dumps({name: asdict(metric) for name, metric in measured.items()}, allow_nan=False)
    assert measured["n_classes"].value == len(labels)
    if not labels:
        assert measured["cluster_ami"].value is None
