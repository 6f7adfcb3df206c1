"""Pair F1 and IDF1 of two answers, against counting by hand."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from pipeline.association.agreement import agreement


def people(*names: object) -> dict[tuple[str, int], object]:
    return {("A", n): name for n, name in enumerate(names)}


def test_by_hand() -> None:
    boxes = {("A", n): length for n, length in enumerate((10, 20, 30, 40))}
    truth = people("x", "x", "y", "y")
    assert agreement(people(7, 7, 9, 9), truth, boxes) == agreement(truth, truth, boxes)
    assert agreement(truth, truth, boxes).idf1 == 1.0
    wrong = agreement(people(1, 1, 1, 2), truth, boxes)
    assert wrong.pair_f1 == pytest.approx(2 * 1 / (3 + 2))
    assert wrong.idf1 == pytest.approx((30 + 40) / 100)
    assert agreement(people(1, 2), people(1, 2), boxes).pair_f1 == 1.0
    with pytest.raises(ValueError, match="in common"):
        agreement({}, truth, boxes)


def test_pairs_against_all_pairs() -> None:
    rng = np.random.default_rng(0)
    one, two = people(*rng.integers(0, 6, 30).tolist()), people(*rng.integers(0, 6, 30).tolist())
    hits = sum(one[a] == one[b] and two[a] == two[b] for a, b in combinations(one, 2))
    found, true = (sum(x[a] == x[b] for a, b in combinations(x, 2)) for x in (one, two))
    assert agreement(one, two, dict.fromkeys(one, 1)).pair_f1 == pytest.approx(2 * hits / (found + true))
