"""The gated assignment against brute force and scipy."""

import itertools

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from trackers.assignment import assign


def _best_by_brute_force(cost: np.ndarray, limit: float) -> float:
    """Least sum over all partial matchings of (cost - limit) of their pairs."""
    rows, columns = cost.shape
    best = 0.0
    for size in range(1, min(rows, columns) + 1):
        for chosen in itertools.combinations(range(rows), size):
            for partners in itertools.permutations(range(columns), size):
                pairs = cost[list(chosen), list(partners)]
                if (pairs <= limit).all():
                    best = min(best, float((pairs - limit).sum()))
    return best


@pytest.mark.parametrize("seed", range(60))
def test_equals_brute_force(seed: int) -> None:
    rng = np.random.default_rng(seed)
    cost = rng.random(rng.integers(1, 5, 2)) * 2
    cost[rng.random(cost.shape) < 0.2] = np.inf
    limit = float(rng.uniform(0.1, 2))
    rows, columns = assign(cost, limit)
    assert len(set(columns.tolist())) == len(columns)
    assert (np.diff(rows) > 0).all()
    assert (cost[rows, columns] <= limit).all()
    assert (cost[rows, columns] - limit).sum() == pytest.approx(_best_by_brute_force(cost, limit), abs=1e-9)


@pytest.mark.parametrize("shape", [(40, 40), (30, 55), (55, 30)])
def test_equals_scipy_where_the_gate_is_wide(shape: tuple[int, int]) -> None:
    cost = np.random.default_rng(1).random(shape)
    rows, columns = assign(cost, 50.0)
    want = cost[linear_sum_assignment(cost)].sum()
    assert len(rows) == min(shape)
    assert cost[rows, columns].sum() == pytest.approx(want, abs=1e-9)


def test_the_gate_stands_inside_the_assignment() -> None:
    """Gated only afterwards, the cheaper sum (0, 1) + (1, 0) wins, then (0, 1) is cut: the good pair (0, 0) is lost."""
    rows, columns = assign(np.array([[0.10, 0.60], [0.30, 0.95]]), 0.5)
    assert list(zip(rows.tolist(), columns.tolist(), strict=True)) == [(0, 0)]


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0)])
def test_nothing_to_assign(shape: tuple[int, int]) -> None:
    rows, columns = assign(np.zeros(shape), 1.0)
    assert len(rows) == len(columns) == 0
    assert rows.dtype == columns.dtype == np.int64


def test_all_forbidden() -> None:
    rows, _ = assign(np.full((2, 3), np.inf), 1.0)
    assert len(rows) == 0


@pytest.mark.parametrize("bad", [np.nan, -np.inf])
def test_a_broken_cost_is_refused(bad: float) -> None:
    """lap answers on NaN as if nothing were wrong."""
    with pytest.raises(ValueError, match="NaN or -inf"):
        assign(np.array([[0.1, bad], [0.2, 0.3]]), 1.0)


def test_wrong_shape_and_limit_are_refused() -> None:
    with pytest.raises(ValueError, match="shape"):
        assign(np.zeros(3), 1.0)
    with pytest.raises(ValueError, match="finite"):
        assign(np.zeros((1, 1)), np.inf)
