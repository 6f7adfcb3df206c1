"""Other solvers on a graph of pairs against the same solvers with a matrix of all pairs."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.association.component_solver import solve_components
from pipeline.association.must_links import must_groups
from pipeline.association.solver import solve
from pipeline.association.sparse_linkage import Edges


def _problem(seed, blocks=6, size=6):
    """Blocks of rows that no pair above the floor connects; within, scores of either sign and some -inf."""
    rng = np.random.default_rng(seed)
    n = blocks * size
    score = np.full((n, n), -3.0)
    for block in range(blocks):
        own = slice(block * size, (block + 1) * size)
        inside = np.triu(rng.normal(0.3, 2.0, (size, size)), 1)
        score[own, own] = inside + inside.T
    bar = np.triu(rng.uniform(size=(n, n)) < 0.1, 1)
    score[bar | bar.T] = -np.inf
    np.fill_diagonal(score, 0.0)
    order = rng.permutation(n)
    return score[np.ix_(order, order)]


def _solved(score, floor, method, together=(), **keywords):
    one, two = np.nonzero(np.triu(score > floor, 1))
    edges = Edges(one, two, score[one, two])
    given = must_groups(len(score), together)
    return solve_components(edges, floor, lambda a, b: score[a, b], given, method, **keywords)


@pytest.mark.parametrize("method", ["average", "heuristic", "exact"])
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("must", [False, True])
def test_the_same_groups_as_with_a_matrix(method, seed, must):
    score = _problem(seed)
    together = []
    if must:
        pairs = [(int(a), int(b)) for a, b in np.argwhere(np.triu(score > -np.inf, 1))]
        together = [pairs[0], next(pair for pair in pairs if not set(pair) & set(pairs[0]))]
    labels, merges, account = _solved(score, 0.1, method, together)
    wanted = solve(score, 0.1, method, together=together)
    assert labels.tolist() == wanted.labels.tolist()
    assert sorted((m.left, m.right, m.given) for m in merges) == sorted(
        (m.left, m.right, m.given) for m in wanted.merges
    )
    assert account.solver == method
    assert (account.components, account.largest_component) == (
        wanted.solved.components,
        wanted.solved.largest_component,
    )
    assert 1 < len(np.unique(labels)) < len(labels)


def test_methods_differ_where_the_mean_and_the_sum_do():
    """Two pairs of 4 against one bridge: the sum joins what the mean leaves apart, and the method asked for is used."""
    differing = 0
    for seed in range(20):
        score = _problem(seed)
        average, exact = (_solved(score, 0.1, method)[0] for method in ("average", "exact"))
        differing += average.tolist() != exact.tolist()
    assert differing > 3


def test_a_component_too_large_for_a_matrix_goes_to_average_linkage():
    for seed in range(20):
        score = _problem(seed)
        average = _solved(score, 0.1, "average")[0]
        assert _solved(score, 0.1, "exact", limit=2)[0].tolist() == average.tolist()
