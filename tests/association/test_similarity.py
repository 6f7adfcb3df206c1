from __future__ import annotations

import numpy as np
import pytest

from pipeline.association.similarity import aggregate, cosine_distances, crop_statistics, distance_blocks, reliability
from pipeline.types import Embeddings


def _embeddings(keys, vectors, quality=None, frames=None):
    n = len(keys)
    return Embeddings(
        tuple(keys),
        np.arange(n) if frames is None else np.array(frames),
        np.array(vectors, np.float32),
        np.ones(n, np.float32) if quality is None else np.array(quality, np.float32),
    )


def test_a_tracklets_vector_is_the_quality_weighted_mean_made_unit():
    out = aggregate(_embeddings([("A", 1), ("A", 1)], [[1, 0], [0, 1]], quality=[0.9, 0.3]))
    assert out.keys == (("A", 1),)
    assert np.allclose(out.vector[0], np.array([3, 1]) / np.sqrt(10), atol=1e-6)
    assert out.crops[0] == pytest.approx(1.2**2 / (0.81 + 0.09))


def test_rows_that_say_nothing_are_left_out():
    """A NaN or zero row reached the mean and made the whole tracklet NaN."""
    out = aggregate(_embeddings([("A", 1), ("A", 1), ("A", 2), ("B", 1)], [[1, 0], [np.nan, 0], [0, 0], [0, 1]]))
    assert out.keys == (("A", 1), ("B", 1))
    assert np.allclose(out.vector, [[1, 0], [0, 1]])


def test_the_order_of_rows_does_not_matter():
    rng = np.random.default_rng(0)
    keys = [("A", 1), ("A", 2), ("B", 1)] * 4
    e = _embeddings(keys, rng.normal(size=(12, 8)), rng.uniform(0.1, 1, 12))
    p = rng.permutation(12)
    shuffled = Embeddings(tuple(e.keys[i] for i in p), e.frame_index[p], e.vector[p], e.quality[p])
    assert np.array_equal(aggregate(e).vector, aggregate(shuffled).vector)
    assert np.array_equal(crop_statistics(e).half_distance, crop_statistics(shuffled).half_distance)


def test_no_rows_no_vectors():
    assert len(aggregate(_embeddings([], np.zeros((0, 8))))) == 0
    assert crop_statistics(_embeddings([], np.zeros((0, 8)))).tracklets == 0


def test_halves_are_early_against_late_without_the_middle():
    rows = [[1, 0], [1, 0], [-1, 0], [0, 1], [0, 1]]
    statistics = crop_statistics(_embeddings([("A", 1)] * 5, rows, frames=[10, 20, 30, 40, 50]))
    assert statistics.half_distance == pytest.approx([1.0])
    assert statistics.half_crops.tolist() == [[2.0, 2.0]]


def test_blocks_equal_the_whole():
    v = np.random.default_rng(1).normal(size=(37, 5)).astype(np.float32)
    v /= np.linalg.norm(v, axis=1, keepdims=True)
    whole = np.concatenate([block for _, block in distance_blocks(v, rows=10)])
    assert np.allclose(whole, 1 - v @ v.T, atol=1e-6)
    assert cosine_distances(v, v).min() >= 0


def test_reliability_foretells_how_noise_pulls_cosines_towards_zero():
    """Oracle: many noisy crops of two fixed directions of cosine 0.6."""
    rng = np.random.default_rng(2)
    dim, s = 400, 0.7
    a = np.zeros(dim)
    a[0] = 1.0
    b = np.zeros(dim)
    b[:2] = 0.6, 0.8
    noise = np.sqrt((1 - s) / s / dim)

    def mean_of(person, k):
        rows = person + noise * rng.normal(size=(k, dim))
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        mean = rows.mean(axis=0)
        return mean / np.linalg.norm(mean)

    for k_a, k_b in ((1, 1), (1, 5), (4, 2)):
        seen = np.mean([mean_of(a, k_a) @ mean_of(b, k_b) for _ in range(300)])
        expected = 0.6 * np.prod(reliability(np.array([k_a, k_b], float), s))
        assert seen == pytest.approx(expected, abs=0.01)
