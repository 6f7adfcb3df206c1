import tracemalloc

import numpy as np
import pytest

from evaluation.retrieval import Labels, average_precision, evaluate_distances, evaluate_retrieval


def one_query(ranks, gallery=25):
    """Distances and labels of a query whose person stands at `ranks` (from 1) of the gallery's list."""
    ids = np.full(gallery, 9)
    ids[np.array(ranks) - 1] = 1
    return np.arange(gallery, dtype=float)[None], Labels([1], [1]), Labels(ids, np.full(gallery, 2))


def test_the_worked_example():
    """The article's: matches at ranks 1, 3, 4, 8, 20 -> 0.6333; at 1, 3, 5 -> 0.7556; mAP of both 0.6944."""
    first, second = one_query([1, 3, 4, 8, 20]), one_query([1, 3, 5])
    assert evaluate_distances(*first).map == pytest.approx(0.6333, abs=5e-5)
    assert evaluate_distances(*second).map == pytest.approx(0.7556, abs=5e-5)
    assert average_precision(np.array([1, 3, 5])) == pytest.approx(0.7556, abs=5e-5)
    # both in one: two people in two galleries that know nothing of each other
    far = np.full((1, 25), 100.0)
    distances = np.block([[first[0], far], [far, second[0]]])
    gallery = Labels(np.concatenate([first[2].ids, second[2].ids * 2]), np.full(50, 2))
    both = evaluate_distances(distances, Labels([1, 2], [1, 1]), gallery)
    assert both.map == pytest.approx(0.6944, abs=5e-5)
    assert both.minp == pytest.approx((5 / 20 + 3 / 5) / 2)


def test_cmc_counts_the_first_hit():
    result = evaluate_distances(*one_query([4, 6]), ranks=10)
    assert result.cmc.tolist() == [0, 0, 0, 1, 1, 1, 1, 1, 1, 1]
    assert (result.rank(1), result.rank(4), result.rank(5)) == (0.0, 1.0, 1.0)


def test_own_camera_and_nobody_are_junk_and_distractors_are_wrong():
    #                      junk: own camera  nobody  distractor  right
    gallery = Labels([1, -1, 0, 1], [1, 2, 2, 2])
    result = evaluate_distances(np.arange(4.0)[None], Labels([1], [1]), gallery)
    assert result.map == pytest.approx(1 / 2)
    assert result.rank(1) == 0.0


def test_other_people_in_the_own_camera_stay():
    result = evaluate_distances(np.arange(2.0)[None], Labels([1], [1]), Labels([5, 1], [1, 2]))
    assert result.map == pytest.approx(1 / 2)


def test_a_query_without_a_match_is_skipped_and_counted_never_scored():
    gallery = Labels([1, 1, 2, 0, 0], [1, 2, 2, 1, 2])
    # person 2 only in the query's own camera; person 3 nowhere; 0 and -1 are nobody to look for
    query = Labels([1, 2, 3, 0, -1], [1, 2, 1, 1, 1])
    distances = np.tile(np.arange(5.0), (5, 1))
    result = evaluate_distances(distances, query, gallery)
    assert (result.queries, result.skipped) == (1, 4)
    assert result.map == 1.0
    nothing = evaluate_distances(distances[2:], Labels([3, 0, -1], [1, 1, 1]), gallery)
    assert (nothing.queries, nothing.skipped, nothing.map, nothing.minp, nothing.rank(1)) == (0, 3, 0.0, 0.0, 0.0)


def test_zero_can_be_a_person():
    query, gallery = Labels([0], [1]), Labels([0, 3], [2, 2])
    assert evaluate_distances(np.arange(2.0)[None], query, gallery, distractor_id=None).queries == 1
    assert evaluate_distances(np.arange(2.0)[None], query, gallery).skipped == 1


def test_without_cameras_every_image_of_the_person_counts():
    result = evaluate_distances(np.arange(3.0)[None], Labels([1]), Labels([1, 2, 1]))
    assert result.map == pytest.approx((1 + 2 / 3) / 2)


def slow_oracle(query, gallery, q, g):
    """The protocol word for word, a query at a time, with a full sort."""
    first, precisions, penalties, skipped = [], [], [], 0
    for n in range(len(query)):
        ranked = sorted(range(len(gallery)), key=lambda k: (-float(query[n] @ gallery[k]), k))
        hits = []
        for k in ranked:
            junk = g.ids[k] == -1 or (g.ids[k] == q.ids[n] and g.cameras[k] == q.cameras[n])
            if not junk:
                hits.append(bool(g.ids[k] == q.ids[n]))
        if not any(hits) or q.ids[n] in (0, -1):
            skipped += 1
            continue
        right = [sum(hits[: k + 1]) / (k + 1) for k in range(len(hits)) if hits[k]]
        precisions.append(sum(right) / len(right))
        last = max(k for k in range(len(hits)) if hits[k])
        penalties.append(sum(hits) / (last + 1))
        first.append(hits.index(True) + 1)
    cmc = [np.mean([f <= k for f in first]) for k in range(1, 11)]
    return cmc, np.mean(precisions), np.mean(penalties), len(first), skipped


def embeddings(seed, people, images):
    rng = np.random.default_rng(seed)
    labels = Labels(rng.integers(-1, people, images), rng.integers(0, 3, images))
    vectors = np.random.default_rng(0).normal(size=(people + 1, 16))[labels.ids + 1] + rng.normal(0, 1.5, (images, 16))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), labels


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("block_bytes", [1, 5000, 2**27])
def test_blocks_equal_the_slow_oracle(seed, block_bytes, monkeypatch):
    monkeypatch.setattr("evaluation.retrieval._BLOCK_BYTES", block_bytes)
    (query, q), (gallery, g) = embeddings(seed, 20, 40), embeddings(seed + 100, 15, 150)
    got = evaluate_retrieval(query, gallery, q, g, ranks=10)
    cmc, mean_ap, minp, queries, skipped = slow_oracle(query, gallery, q, g)
    assert skipped > 0
    np.testing.assert_allclose(got.cmc, cmc, atol=1e-12)
    assert (got.map, got.minp) == pytest.approx((mean_ap, minp), abs=1e-12)
    assert (got.queries, got.skipped) == (queries, skipped)
    assert evaluate_distances(-(query @ gallery.T), q, g).map == pytest.approx(mean_ap, abs=1e-12)


def test_length_of_vectors_does_not_matter():
    (query, q), (gallery, g) = embeddings(1, 20, 30), embeddings(2, 20, 80)
    scale = np.random.default_rng(3).uniform(0.1, 9, (80, 1)).astype(np.float32)
    want = evaluate_retrieval(query, gallery, q, g)
    assert evaluate_retrieval(5 * query, scale * gallery, q, g).map == pytest.approx(want.map, abs=1e-6)


def test_memory_is_blocks_not_all_distances(monkeypatch):
    monkeypatch.setattr("evaluation.retrieval._BLOCK_BYTES", 2**20)
    (query, q), (gallery, g) = embeddings(1, 50, 2000), embeddings(2, 50, 5000)
    tracemalloc.start()
    evaluate_retrieval(query, gallery, q, g)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * 2**20 < 2000 * 5000 * 4


@pytest.mark.parametrize("bad", [np.nan, np.inf, 0.0])
def test_a_vector_without_direction_is_named(bad):
    gallery = np.ones((4, 3), np.float32)
    gallery[2] = bad
    with pytest.raises(ValueError, match="gallery vector 2"):
        evaluate_retrieval(np.ones((1, 3), np.float32), gallery, Labels([1]), Labels([1, 1, 1, 1]))


def test_shapes_that_do_not_fit_are_refused():
    ones = np.ones((2, 3), np.float32)
    with pytest.raises(ValueError, match="dimensions"):
        evaluate_retrieval(ones[:, :2], ones, Labels([1, 2]), Labels([1, 2]))
    with pytest.raises(ValueError, match="fit their labels"):
        evaluate_retrieval(ones, ones, Labels([1]), Labels([1, 2]))
    with pytest.raises(ValueError, match="same length"):
        Labels([1, 2], [1])
    with pytest.raises(ValueError, match="both"):
        evaluate_retrieval(ones, ones, Labels([1, 2], [1, 2]), Labels([1, 2]))
    with pytest.raises(ValueError, match="nan"):
        evaluate_distances(np.full((1, 2), np.nan), Labels([1]), Labels([1, 2]))
    with pytest.raises(ValueError, match="distances must be"):
        evaluate_distances(np.zeros((2, 2)), Labels([1]), Labels([1, 2]))
