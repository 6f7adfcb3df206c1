from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.association.confidence import judge
from pipeline.association.solver import average_linkage
from pipeline.errors import UsageError


def _symmetric(n, entries):
    score = np.full((n, n), -9.0)
    for (i, j), value in entries.items():
        score[i, j] = score[j, i] = value
    return score


def _slow(score, floor, start=None):
    """Average linkage as it is told: look at every pair of groups, every time."""
    groups = list(start or [(n,) for n in range(len(score))])
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


def test_a_must_link_joins_what_looks_unlike():
    """And its neighbours are judged by the mean over the given group: 2 likes 0 (3.0) but not 1 (-9.0)."""
    score = _symmetric(4, {(0, 1): -5.0, (0, 2): 3.0, (1, 3): 9.5, (0, 3): -9.0})
    labels, merges = average_linkage(score, 0.0, together=[(1, 0)])
    assert labels.tolist() == [0, 0, 1, 0]
    assert [(m.left, m.right, m.score, m.given) for m in merges] == [
        ((0,), (1,), -5.0, True),
        ((0, 1), (3,), 0.25, False),
    ]


def test_a_chain_of_must_links_is_one_group():
    labels, merges = average_linkage(_symmetric(5, {}), 0.0, together=[(4, 2), (2, 0)])
    assert labels.tolist() == [0, 1, 0, 2, 0]
    assert [m.given for m in merges] == [True, True]


def test_a_contradiction_names_both_sides():
    score = _symmetric(4, {(0, 3): -np.inf})
    names = ["hall:1", "hall:2", "lobby:1", "lobby:7"]
    with pytest.raises(
        UsageError, match=r"must-link hall:1 = lobby:1, lobby:1 = lobby:7 contradicts cannot-link hall:1 \| lobby:7"
    ):
        average_linkage(score, 0.0, together=[(3, 2), (0, 2), (1, 2)], names=names)
    with pytest.raises(UsageError, match=r"row 0 = row 3"):
        average_linkage(score, 0.0, together=[(0, 3)])
    with pytest.raises(ValueError, match=r"outside 0\.\.3"):
        average_linkage(score, 0.0, together=[(0, 4)])


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(3, 12))
def test_must_links_equal_the_oracle_that_starts_from_the_groups(seed, n):
    rng = np.random.default_rng(seed)
    score = np.triu(rng.normal(-0.5, 2.0, (n, n)), 1)
    score += score.T
    together = [tuple(rng.choice(n, 2, replace=False).tolist()) for _ in range(int(rng.integers(1, 4)))]
    labels, merges = average_linkage(score, 0.0, together=together)
    start = {n: {n} for n in range(n)}
    for a, b in together:
        both = start[a] | start[b]
        start.update(dict.fromkeys(both, both))
    given = sorted({tuple(sorted(group)) for group in start.values()})
    assert _groups(labels) == _slow(score, 0.0, given)
    assert len(merges) == n - len(set(labels.tolist()))
    assert sum(m.given for m in merges) == n - len(given)


def test_what_is_given_is_certain():
    score = _symmetric(4, {(0, 1): -5.0, (0, 2): 5.0, (1, 2): -1.0})
    labels, merges = average_linkage(score, 0.0, together=[(0, 1)])
    doubt = judge(score.astype(np.float32), labels, merges)
    assert doubt.merge == pytest.approx([1.0, 1 / (1 + np.exp(-2.0))])
    assert doubt.row == pytest.approx([1 / (1 + np.exp(-2.0))] * 3 + [1.0])
