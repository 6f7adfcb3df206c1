"""k-reciprocal re-ranking against the paper's equations word for word, on small sets."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest

from evaluation.retrieval import Labels, evaluate_blocks, evaluate_retrieval, nearest
from pipeline.rerank import rerank, rerank_among


def slow(query: np.ndarray, gallery: np.ndarray, k1: int, k2: int, weight: float) -> np.ndarray:
    """Sets and sums as the paper writes them (sections 3.2 to 3.5)."""
    rows = np.concatenate([query, gallery])
    n = len(rows)
    d = [[max(0.0, 2 - 2 * float(a @ b)) for b in rows] for a in rows]
    for i in range(n):
        d[i][i] = 0.0
    order = [sorted(range(n), key=lambda j, i=i: (-1 if j == i else d[i][j], j)) for i in range(n)]
    scaled = [[value / max(row) for value in row] for row in d]

    def reciprocal(i: int, k: int) -> set[int]:
        return {j for j in order[i][: k + 1] if i in order[j][: k + 1]}

    encoded = []
    for i in range(n):
        own = reciprocal(i, k1)
        expanded = set(own)
        for j in own:
            theirs = reciprocal(j, round(k1 / 2))
            if len(theirs & own) > 2 / 3 * len(theirs):
                expanded |= theirs
        raw = [math.exp(-scaled[i][j]) if j in expanded else 0.0 for j in range(n)]
        encoded.append([value / sum(raw) for value in raw])
    if k2 > 1:
        encoded = [[sum(encoded[m][j] for m in order[i][:k2]) / k2 for j in range(n)] for i in range(n)]
    result = np.zeros((len(query), len(gallery)))
    for i in range(len(query)):
        for j in range(len(query), n):
            low = sum(map(min, encoded[i], encoded[j]))
            high = sum(map(max, encoded[i], encoded[j]))
            result[i, j - len(query)] = (1 - weight) * (1 - low / high) + weight * scaled[i][j]
    return result


def people(seed: int, queries: int, images: int, spread: float = 0.6) -> tuple[np.ndarray, np.ndarray, Labels, Labels]:
    rng = np.random.default_rng(seed)
    ids = np.concatenate([np.arange(queries), rng.integers(0, queries, images)])
    vectors = np.random.default_rng(9).normal(size=(queries, 8))[ids] + rng.normal(0, spread, (len(ids), 8))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return (vectors[:queries], vectors[queries:], Labels(ids[:queries], np.ones(queries)),
            Labels(ids[queries:], np.full(images, 2)))  # fmt: skip


def test_among_one_another_each_row_is_compared_as_a_query_with_the_rest() -> None:
    query, gallery, *_ = people(4, queries=9, images=30)
    among = np.concatenate(list(rerank_among(np.concatenate([query, gallery]), k1=6, k2=3, weight=0.5)))
    np.testing.assert_allclose(
        among[:9, 9:], np.concatenate(list(rerank(query, gallery, k1=6, k2=3, weight=0.5))), atol=1e-6
    )
    assert among.shape == (39, 39)
    np.testing.assert_allclose(np.diag(among), 0.0, atol=1e-6)


@pytest.mark.parametrize(("k1", "k2", "weight"), [(20, 6, 0.3), (5, 3, 0.3), (4, 1, 0.0), (99, 6, 1.0)])
@pytest.mark.parametrize("block", [7, 512])
def test_equals_the_equations(k1: int, k2: int, weight: float, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.rerank._BLOCK_ROWS", block)
    query, gallery, _, _ = people(1, 6, 34)
    got = np.concatenate(list(rerank(query, gallery, k1=k1, k2=k2, weight=weight)))
    np.testing.assert_allclose(got, slow(query, gallery, min(k1, 39), k2, weight), atol=2e-5)


def test_it_helps_where_people_form_groups() -> None:
    query, gallery, q, g = people(3, 20, 400, spread=0.7)
    plain = evaluate_retrieval(query, gallery, q, g, distractor_id=None)
    better = evaluate_blocks(rerank(query, gallery), q, g, distractor_id=None)
    assert better.queries == plain.queries == 20
    assert better.map > plain.map + 0.05


def test_parameters_that_make_no_sense_are_refused() -> None:
    query, gallery, _, _ = people(1, 2, 5)
    for k1, k2, weight in ((0, 1, 0.3), (4, 5, 0.3), (4, 2, 1.5)):
        with pytest.raises(ValueError, match="k1"):
            list(rerank(query, gallery, k1=k1, k2=k2, weight=weight))


def test_the_nearest_leave_out_junk() -> None:
    gallery = np.array([[1, 0], [0.9, 0.1], [0.8, 0.2], [0, 1]], np.float32)
    query = np.array([[1, 0]], np.float32)
    found = nearest(query, gallery, Labels([1], [1]), Labels([1, -1, 1, 2], [1, 2, 2, 2]), count=3)
    assert found.tolist() == [[2, 3, -1]]


def test_memory_is_neighbours_not_all_distances(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.rerank._BLOCK_ROWS", 64)
    query, gallery, _, _ = people(2, 60, 2940)
    tracemalloc.start()
    for _ in rerank(query, gallery):
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3000 * 3000 * 4 / 2
