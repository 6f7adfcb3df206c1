"""The made-up stream of the large-scene benchmark, small: what its docs claim holds at all."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.association_candidates import together
from benchmarks.crowd_stream import make, own_prior, pairs
from pipeline.association.affinity import usable_embeddings
from pipeline.association.crowd_solver import compare_crowd, group_crowd
from pipeline.association.linkage import PLAIN
from pipeline.config import AssociationConfig


@pytest.fixture(scope="module")
def stream():
    tracklets, embeddings, scene, truth = make(2500, seed=5)
    ordered = sorted(tracklets, key=lambda t: t.key)
    usable = usable_embeddings(ordered, embeddings)
    affinity = compare_crowd(ordered, usable, scene, own_prior(), AssociationConfig())
    return affinity, np.unique([truth[t.key] for t in ordered], return_inverse=True)[1]


def test_being_left_over_finds_people_that_the_mean_of_pairs_leaves_apart(stream):
    affinity, who = stream
    recall, told = [], []
    for joining in (PLAIN, affinity.joining):
        solution = group_crowd(replace(affinity, joining=joining), 0.0, np.arange(len(who)))
        both = who * (solution.labels.max() + 1) + solution.labels
        assert pairs(both) / pairs(solution.labels) > 0.93
        recall.append(pairs(both) / pairs(who))
        told.append(1.0 - solution.doubt.merge.mean())
        missed = len(np.unique(both)) - len(np.unique(who))
        assert solution.doubt.missed == pytest.approx(missed, rel=0.45), "0.3 and 0.5 of it without the mistaken"
    assert recall[1] > recall[0] + 0.02
    assert told[1] < told[0]


def test_nearly_all_true_pairs_are_candidates(stream):
    affinity, who = stream
    true = together(who)
    assert np.isin(true, affinity.scores.key).mean() > 0.99
    assert len(affinity.scores.key) < 4 * len(true)
