"""Distances in the order of k-reciprocal neighbours: dealt out anew, and only where it is asked for."""

from __future__ import annotations

import numpy as np

from pipeline.association.associator import AverageLinkageAssociator
from pipeline.association.evidence import distance_matrix
from pipeline.association.reranked import reranked
from pipeline.config import AssociationConfig

ANGLE = np.concatenate([np.linspace(0.0, 0.06, 12), [0.3, 0.52, 0.56, 0.6, 0.64], np.linspace(1.5, 1.56, 12)])
VECTOR = np.stack([np.cos(ANGLE), np.sin(ANGLE)], axis=1).astype(np.float32)
DISTANCE = distance_matrix(VECTOR)
ONE_CAMERA = np.zeros(len(ANGLE), np.int64)


def test_who_counts_one_another_among_their_nearest_comes_first() -> None:
    edge, one, two = 11, 12, 14  # `one` is a little nearer to the crowd's edge, whose neighbours are in the crowd
    assert DISTANCE[one, edge] < DISTANCE[one, two]
    found = reranked(VECTOR, DISTANCE, ONE_CAMERA)
    assert found[one, two] < found[one, edge]


def test_the_distances_stay_the_same_within_and_across_cameras() -> None:
    camera = np.arange(len(ANGLE)) % 2
    found = reranked(VECTOR, DISTANCE, camera)
    np.testing.assert_array_equal(found, found.T)
    assert not np.array_equal(found, DISTANCE)
    for pairs in (camera[:, None] == camera, camera[:, None] != camera):
        np.testing.assert_array_equal(np.sort(found[pairs]), np.sort(DISTANCE[pairs]))
    np.testing.assert_array_equal(reranked(VECTOR[:1], DISTANCE[:1, :1], camera[:1]), DISTANCE[:1, :1])


def test_it_is_off_until_it_is_asked_for(crowd, world, scene, prior) -> None:  # type: ignore[no-untyped-def]
    tracklets, embeddings = world(crowd(both=12), alike=1.0)

    def links(config: AssociationConfig) -> list[float]:
        result = AverageLinkageAssociator(config, prior).solve(tracklets, embeddings, scene("A", "B"))
        return [link.evidence["appearance"] for person in result.trajectories for link in person.links]

    plain = links(AssociationConfig())
    assert plain == links(AssociationConfig(rerank=False))
    assert plain != links(AssociationConfig(rerank=True))
