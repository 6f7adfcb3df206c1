"""Average linkage without a matrix against the one with."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.association.must_links import must_groups
from pipeline.association.solver import average_linkage
from pipeline.association.sparse_linkage import Edges, sparse_average_linkage


def _edges(score):
    one, two = np.nonzero(np.triu(score > -np.inf, 1))
    return Edges(one, two, score[one, two])


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 25), st.sampled_from([2, 4, 1000]), st.booleans())
def test_the_same_groups_and_merges_as_with_a_matrix(seed, n, limit, must):
    """With a limit of 2 groups a component, nearly all is done level by level."""
    rng = np.random.default_rng(seed)
    score = np.triu(rng.normal(-0.5, 2.0, (n, n)), 1)
    score += score.T
    bar = np.triu(rng.uniform(size=(n, n)) < 0.2, 1)
    together = [(0, n - 1), (0, n // 2)] if must and n > 4 else []
    for one, two in [*together, (n // 2, n - 1)]:
        bar[min(one, two), max(one, two)] = False
    score[bar | bar.T] = -np.inf
    np.fill_diagonal(score, 0.0)
    asked = []

    def scores(left, right):
        asked.append(len(left))
        return score[left, right]

    labels, merges = sparse_average_linkage(_edges(score), 0.1, scores, must_groups(n, together), limit=limit)
    wanted, dense = average_linkage(score, 0.1, together=together)
    assert labels.tolist() == wanted.tolist()
    assert sorted((m.left, m.right, m.given) for m in merges) == sorted((m.left, m.right, m.given) for m in dense)
    assert sorted(m.score for m in merges) == pytest.approx(sorted(m.score for m in dense))


def test_a_long_chain_is_cut_into_levels():
    """2,000 rows in one component, pairs of alternating strength: no matrix of all is ever made."""
    n = 2000
    one = np.arange(n - 1)
    edges = Edges(one, one + 1, np.where(one % 2 == 0, 5.0, 1.0))
    largest = 0

    def scores(left, right):
        nonlocal largest
        largest = max(largest, len(left))
        near = np.abs(left - right) == 1
        return np.where(near, np.where(np.minimum(left, right) % 2 == 0, 5.0, 1.0), -8.0)

    labels, merges = sparse_average_linkage(edges, 0.0, scores, np.arange(n), limit=100)
    assert labels.tolist() == (np.arange(n) // 2).tolist()
    assert len(merges) == n // 2
    assert largest < 10 * n
