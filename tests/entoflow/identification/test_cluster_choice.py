"""Choosing how to cluster on points whose classes are known."""

import numpy as np
import pytest
from sklearn.metrics import adjusted_mutual_info_score

from blobs import at_length_one, blobs, separate
from entoflow.identification import cluster_choice, clusters
from entoflow.identification.clusters import AverageLinkage


def test_classes_well_apart_are_found_again_by_the_clustering_that_replay_chooses():
    vectors, labels = blobs(60, 5, 0.5)
    known = labels < 30
    new = labels >= 30
    groups = np.arange(known.sum())
    clustering = cluster_choice.choose_by_replay(vectors[known], labels[known], groups, 1)
    assert clustering.cluster_ami > 0.95
    assert clustering.n_classes == 30
    numbers = clusters.cluster_many(vectors[new], clustering.method, np.ones(new.sum()), 1)
    assert adjusted_mutual_info_score(labels[new], separate(numbers)) > 0.95


def test_replay_takes_the_best_of_the_methods_it_tries():
    vectors, labels = blobs(10, 4, 1.2)  # fewer than 11, as names are sorted as text
    clustering = cluster_choice.choose_by_replay(vectors, labels, np.arange(40) % 4, 3)
    distances = cluster_choice.distances_within(vectors, labels)
    agreements = []
    for method in cluster_choice.methods_to_try(distances):
        scores = [
            adjusted_mutual_info_score(
                labels[rows], separate(clusters.cluster(vectors[rows], method))
            )
            for rows in cluster_choice.draw_replays(labels, 3)
        ]
        agreements.append(np.mean(scores))
    assert clustering.cluster_ami == pytest.approx(max(agreements), abs=1e-12)
    assert min(agreements) < max(agreements)


def test_photos_of_one_specimen_are_no_merit_of_a_method():
    vectors, labels = blobs(10, 3, 1.0)
    groups = np.arange(30)
    many = [np.repeat(array, 4, axis=0) for array in (vectors, labels, groups)]
    once = cluster_choice.choose_by_replay(vectors, labels, groups, 1)
    assert cluster_choice.choose_by_replay(*many, 1) == once


def test_without_a_class_of_two_groups_there_is_nothing_to_choose_by():
    vectors, labels = blobs(5, 1, 0.1)
    with pytest.raises(ValueError, match="no class has specimens of two groups"):
        cluster_choice.choose_by_replay(vectors, labels, labels, 1)


def test_of_three_classes_the_usual_cut_is_taken():
    vectors, labels = blobs(3, 6, 0.8)
    clustering = cluster_choice.choose_by_replay(vectors, labels, np.arange(18), 1)
    distances = []
    for a in range(18):
        for b in range(a):
            if labels[a] == labels[b]:
                distances.append(1 - float(vectors[a] @ vectors[b]))
    usual = np.quantile(distances, cluster_choice.USUAL)
    assert isinstance(clustering.method, AverageLinkage)
    assert clustering.method.distance == pytest.approx(usual, abs=1e-6)
    assert clustering.cluster_ami is None


def test_where_nothing_can_be_replayed_the_cut_is_by_the_distance_of_held_out_images():
    vectors, labels = blobs(10, 4, 0.9)
    held_out = np.flatnonzero(np.arange(40) % 4 == 0)
    vectors = vectors.copy()
    for row in range(40):  # the others lie together, as images do that were learned from
        if row not in held_out:
            near = 0.2 * vectors[row] + vectors[row - row % 4 + 1]
            vectors[row] = at_length_one(near[None])[0]
    groups = np.arange(40) % 8  # a group holds five classes, as drawers do
    clustering = cluster_choice.usual_clustering(vectors, labels, groups, held_out)
    distances = []
    for row in held_out:
        for other in range(row + 1, row + 4):
            distances.append(1 - float(vectors[row] @ vectors[other]))
    usual = np.quantile(distances, cluster_choice.USUAL)
    assert isinstance(clustering.method, AverageLinkage)
    assert clustering.method.distance == pytest.approx(usual, abs=1e-6)
    within = cluster_choice.distances_within(vectors, labels)
    assert clustering.method.distance > np.quantile(within, 0.5)
    with pytest.raises(ValueError, match="no class has specimens of two groups"):
        cluster_choice.usual_clustering(vectors, labels, labels, held_out)


def test_images_far_from_the_middle_are_less_likely_of_the_clusters_class():
    vectors, labels = blobs(30, 8, 0.7)
    numbers = labels + 1
    middles = clusters.cluster_middles(vectors, numbers)
    cosines = clusters.cosines_to_middle(vectors, numbers, middles)
    true_labels = labels.copy()
    for label in range(30):  # the two farthest of each class are in truth of another
        members = np.flatnonzero(labels == label)
        farthest = members[np.argsort(cosines[members])[:2]]
        true_labels[farthest] = (label + 1) % 30
    fit = cluster_choice.fit_same_class(vectors, true_labels, numbers)
    p_same = fit.probability(cosines)
    is_same = true_labels == labels
    assert fit.weight > 0
    assert p_same.mean() == pytest.approx(0.75, abs=0.02)
    assert p_same[is_same].mean() > p_same[~is_same].mean() + 0.1


def test_pure_clusters_leave_a_doubt_that_shrinks_with_their_number():
    vectors, labels = blobs(4, 5, 0.1)
    fit = cluster_choice.fit_same_class(vectors, labels, labels + 1)
    # the rule of succession on 20 of 20
    assert fit.probability([0.3, 0.9]) == pytest.approx([21 / 22] * 2)
