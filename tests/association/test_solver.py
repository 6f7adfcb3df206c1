from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.association.solver import average_linkage


def _symmetric(n, entries):
    score = np.full((n, n), -9.0)
    for (i, j), value in entries.items():
        score[i, j] = score[j, i] = value
    return score


def _slow(score, floor):
    """Average linkage as it is told: look at every pair of groups, every time."""
    groups = [(n,) for n in range(len(score))]
    while True:
        best, pick = floor, None
        for a in range(len(groups)):
            for b in range(a + 1, len(groups)):
                mean = score[np.ix_(groups[a], groups[b])].mean()
                if mean > best + 1e-12:
                    best, pick = mean, (a, b)
        if pick is None:
            return {frozenset(g) for g in groups}
        a, b = pick
        groups[a] = groups[a] + groups.pop(b)


def _groups(labels):
    return {frozenset(np.flatnonzero(labels == label).tolist()) for label in set(labels.tolist())}


def test_a_chain_is_not_followed():
    """A~B, B~C, A!~C: single linkage joins all three."""
    labels, merges = average_linkage(_symmetric(3, {(0, 1): 3.0, (1, 2): 2.0, (0, 2): -6.0}), 0.0)
    assert labels.tolist() == [0, 0, 1]
    assert [(m.left, m.right, m.score) for m in merges] == [((0,), (1,), 3.0)]


def test_cannot_link_holds_through_a_third():
    labels, _ = average_linkage(_symmetric(3, {(0, 1): 9.0, (1, 2): 8.0, (0, 2): -np.inf}), 0.0)
    assert labels.tolist() == [0, 0, 1]


def test_ties_go_to_the_lower_row():
    labels, _ = average_linkage(_symmetric(3, {(0, 1): 1.0, (1, 2): 1.0, (0, 2): -np.inf}), 0.0)
    assert labels.tolist() == [0, 0, 1]


@pytest.mark.parametrize("n", [0, 1])
def test_nothing_to_join(n):
    labels, merges = average_linkage(np.zeros((n, n)), 0.0)
    assert labels.tolist() == list(range(n))
    assert merges == []


def test_nan_is_refused():
    with pytest.raises(ValueError, match="NaN"):
        average_linkage(np.array([[0.0, np.nan], [np.nan, 0.0]]), 0.0)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 14), st.sampled_from([-1.0, 0.0, 0.7]))
def test_equals_the_slow_oracle(seed, n, floor):
    rng = np.random.default_rng(seed)
    upper = np.triu(rng.normal(-0.5, 2.0, (n, n)), 1)
    upper[np.triu(rng.uniform(size=(n, n)) < 0.2, 1)] = -np.inf
    score = upper + upper.T
    labels, merges = average_linkage(score, floor)
    assert _groups(labels) == _slow(score, floor)
    assert len(merges) == n - len(set(labels.tolist()))
    for merge in merges:
        assert merge.score == pytest.approx(score[np.ix_(merge.left, merge.right)].mean())
