"""Correlation clustering against brute force over all partitions."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.association.correlation import additive_joining, bounded, heuristic, improve, objective
from pipeline.association.exact import exact
from pipeline.association.solver import EXACT_ROWS, solve


def _partitions(n):
    """Labels of every way to part n rows."""
    found = [[0]]
    for _ in range(n - 1):
        found = [[*labels, group] for labels in found for group in range(max(labels) + 2)]
    return np.array(found)


PARTITIONS = {n: _partitions(n) for n in range(2, 9)}


def _weights(seed, n, cannot=0.15):
    rng = np.random.default_rng(seed)
    upper = np.triu(np.round(rng.normal(-0.3, 2.0, (n, n)), 5), 1)
    upper[np.triu(rng.uniform(size=(n, n)) < cannot, 1)] = -np.inf
    return upper + upper.T


def _best(weight, allowed=None):
    """The oracle: all partitions, those of `allowed` alone."""
    partitions = PARTITIONS[len(weight)]
    one, two = np.triu_indices(len(weight), 1)
    same = partitions[:, one] == partitions[:, two]
    value = np.where(same, weight[one, two], 0.0).sum(axis=1)
    return value.max() if allowed is None else value[[allowed(p) for p in partitions]].max()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 8))
def test_exact_is_the_best_of_all_partitions(seed, n):
    weight = _weights(seed, n)
    proof = exact(weight)
    assert proof.value == pytest.approx(_best(weight), abs=1e-6)
    assert proof.bound == pytest.approx(proof.value, abs=1e-5)
    assert objective(weight, proof.labels) == pytest.approx(proof.value)


def test_the_heuristic_is_seldom_worse_than_exact():
    """200 random problems of 8 rows: never a broken cannot-link, the best partition in at least 19 of 20."""
    missed = 0
    for seed in range(200):
        weight = _weights(seed, 8)
        value = objective(weight, heuristic(bounded(weight)))
        best = _best(weight)
        assert 0.0 <= value <= best + 1e-6
        missed += value < best - 1e-6
    assert missed <= 10


def test_local_search_never_loses_and_finds_what_joining_missed():
    gained = 0
    for seed in range(40):
        weight = bounded(_weights(seed, 12))
        start = additive_joining(weight)
        better = objective(weight, improve(weight, start)) - objective(weight, start)
        assert better >= 0.0
        gained += better > 0.0
    assert gained > 0


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["heuristic", "exact"]))
def test_solve_keeps_must_links_and_cannot_links(seed, method):
    score = _weights(seed, 7)
    pairs = [tuple(p) for p in np.argwhere(np.triu(np.isfinite(score), 1)).tolist()]
    if not pairs:
        return
    must = pairs[seed % len(pairs)]
    grouping = solve(score, 0.5, method, together=[must])
    labels = grouping.labels
    assert labels[must[0]] == labels[must[1]]
    assert np.isfinite(objective(score, labels))
    assert len(grouping.merges) == 7 - len(set(labels.tolist()))
    assert sum(m.given for m in grouping.merges) == 1
    best = _best(score - 0.5, lambda p: p[must[0]] == p[must[1]])
    assert grouping.solved.objective <= best + 1e-6
    if method == "exact":
        assert grouping.solved.objective == pytest.approx(best, abs=1e-4)
        assert grouping.solved.gap == pytest.approx(0.0, abs=1e-4)


@pytest.mark.parametrize("method", ["average", "heuristic", "exact"])
@pytest.mark.parametrize("seed", range(4))
def test_the_order_of_rows_does_not_matter(seed, method):
    score = _weights(seed, 9)
    order = np.random.default_rng(seed).permutation(9)
    straight, mixed = solve(score, 0.0, method), solve(score[np.ix_(order, order)], 0.0, method)
    usual = {frozenset(np.flatnonzero(straight.labels == n).tolist()) for n in straight.labels}
    again = {frozenset(order[mixed.labels == n].tolist()) for n in mixed.labels}
    assert usual == again
    assert straight.solved.objective == pytest.approx(mixed.solved.objective)


def test_the_sum_follows_what_the_mean_does_not():
    """Three pieces of one visit each a little like a fourth row, and one of them very unlike it."""
    score = np.full((4, 4), 6.0)
    score[3, :3] = score[:3, 3] = [2.0, 2.0, -5.0]
    assert solve(score, 0.0, "average").labels.tolist() == [0, 0, 0, 1]
    score[2, 3] = score[3, 2] = -3.5
    assert solve(score, 0.0, "exact").labels.tolist() == [0, 0, 0, 0]
    assert solve(score, 0.0, "exact", vote=np.array([1, 1, 9.0, 1])).labels.tolist() == [0, 0, 0, 1]


def test_a_large_component_goes_to_the_heuristic_and_says_what_it_may_miss():
    rng = np.random.default_rng(0)
    n = EXACT_ROWS + 5
    score = np.triu(np.round(rng.normal(0.2, 2.0, (n, n)), 5), 1)
    solved = solve(score + score.T, 0.0, "exact").solved
    assert (solved.components, solved.largest_component) == (1, n)
    assert solved.gap is not None
    assert solved.gap > 0


def test_components_are_told():
    score = np.full((6, 6), -9.0)
    for one, two in pairwise([0, 1, 2]):
        score[one, two] = score[two, one] = 4.0
    score[4, 5] = score[5, 4] = 3.0
    solved = solve(score, 1.0).solved
    assert (solved.solver, solved.components, solved.largest_component, solved.gap) == ("average", 2, 3, None)
    assert solved.objective == pytest.approx(3.0 + 2.0)
