"""Whom those who stay alone came nearest to, and why they were not joined."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.association.associator import AverageLinkageAssociator
from pipeline.association.known import Known
from pipeline.config import AssociationConfig


@pytest.fixture
def solved(prior, world, visit, scene):
    """Person 1 in A, and twins with their looks side by side in B; 2 and 3 in both; 4 in A alone."""
    visits = [visit(1, "A", 1), visit(1, "B", 1), visit(1, "B", 2, lane=3)]
    visits += [visit(n, camera, n + 1, start=100 * n) for n in (2, 3) for camera in ("A", "B")]
    visits += [visit(4, "A", 9, start=900)]
    tracklets, embeddings = world(visits, seed=3)

    def solve(known=None, **settings):
        associator = AverageLinkageAssociator(AssociationConfig(**settings), prior)
        return associator.solve(tracklets, embeddings, scene("A", "B"), known or Known(), tell_alone=True)

    return solve


def people(result):
    return {frozenset(t.key for t in person.tracklets) for person in result.trajectories}


def test_only_who_is_alone_is_told_of(solved):
    result = solved()
    alone = {key for person in people(result) if len(person) == 1 for key in person}
    assert set(result.alone) == alone
    assert ("A", 9) in alone
    stranger = result.alone["A", 9]
    assert stranger.candidate.from_key == ("A", 9)
    assert stranger.candidate.log_odds < stranger.floor == 0.0
    assert stranger.barred_by is None
    told = stranger.candidate
    assert told.log_odds == pytest.approx(told.people + told.rivals + sum(told.evidence.values()))


def test_a_twin_is_told_who_stood_beside_him(solved):
    result = solved(min_link_probability=0.2)  # either twin is as likely as not
    (joined,) = [person for person in people(result) if ("A", 1) in person]
    (twin,) = {("B", 1), ("B", 2)} - joined
    (other,) = joined - {("A", 1)}
    told = result.alone[twin]
    assert (told.candidate.to_key, told.barred_by) == (("A", 1), other)
    assert told.lookalike is None or told.lookalike[0] == other


def test_above_which_log_odds_people_are_joined_is_told(solved):
    result = solved(min_link_probability=0.999999)
    assert all(len(person) == 1 for person in people(result))
    told = result.alone["A", 3]
    assert told.candidate.to_key == ("B", 3)
    assert 0 < told.mean < told.floor == pytest.approx(np.log(0.999999 / 0.000001))


def test_who_is_kept_apart_by_a_correction_is_told_as_the_lookalike(solved):
    told = solved(Known(apart=((("A", 3), ("B", 3)),))).alone["A", 3]
    assert told.lookalike[0] == ("B", 3)
    assert told.lookalike[1] > max(told.candidate.evidence["appearance"], 0.0)
    assert told.candidate.to_key != ("B", 3)


def test_nothing_is_told_unasked(prior, world, crowd, scene):
    tracklets, embeddings = world(crowd(3, 3))
    assert (
        AverageLinkageAssociator(AssociationConfig(), prior).solve(tracklets, embeddings, scene("A", "B")).alone == {}
    )
