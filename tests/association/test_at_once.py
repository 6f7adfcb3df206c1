"""Pairs that two views of one floor judge at common instants: their own share, and no lesson for people's ways."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.association.affinity import compare, weigh
from pipeline.association.associator import AverageLinkageAssociator
from pipeline.association.at_once import learn_share, pairs_at_once
from pipeline.association.constraints import build_constraints
from pipeline.association.pair_evidence import PairEvidence
from pipeline.association.place import build_place
from pipeline.association.topology import pairs_to_learn_from
from pipeline.config import AssociationConfig
from pipeline.types import Tracklet
from tests.association.test_place import NOBODY, SCENE, line, tracklet

CONFIG = AssociationConfig()


def visits(number: int, every_s: float) -> list[Tracklet]:
    """People one after the other, each seen all along by `a` and in two pieces by `b`."""
    found = []
    for n in range(number):
        way = line((2.0 + 0.3 * (n % 5), 2.0), (0.15, 0.2))
        start = n * every_s
        shifted = lambda t, way=way, start=start: way(t - start)  # noqa: E731
        found.append(tracklet("a", n, shifted, start + np.arange(0.0, 9.0, 0.1)))
        found.append(tracklet("b", 2 * n, shifted, start + np.arange(0.0, 3.0, 0.1)))
        found.append(tracklet("b", 2 * n + 1, shifted, start + np.arange(6.0, 9.0, 0.1)))
    return sorted(found, key=lambda t: t.key)


def weighed(people: list[Tracklet], learned=()):
    place = build_place(people, SCENE, CONFIG)
    constraints = build_constraints(
        people, SCENE, duplicate_overlap=0.6, well_apart_overlap=0.2, slack_s=CONFIG.clock_slack_s
    )
    compared = compare(people, NOBODY, constraints, None, centred=False, alone=[place.alone])
    return weigh(compared, [place], centred=False, learned=learned)


def test_the_share_of_one_person_is_found_from_the_evidence():
    rng = np.random.default_rng(3)
    one = rng.random(4000) < 0.2
    seen = np.where(one, rng.normal(2.0, 2.0, 4000), rng.normal(-2.0, 2.0, 4000))  # log-odds are what they say
    assert learn_share(seen.astype(np.float32), 0.001) == pytest.approx(0.2, abs=0.02)
    assert learn_share(np.zeros(0, np.float32), 0.03) == pytest.approx(0.03), "without a pair, the usual share"
    assert learn_share(np.full(3, -12.0, np.float32), 0.01) < 0.01


def test_only_pairs_of_two_cameras_with_a_common_instant_are_judged_at_once():
    people = visits(2, 30.0)
    found = pairs_at_once([build_place(people, SCENE, CONFIG)], np.arange(6))
    keys = [t.key for t in people]
    told = {(keys[i], keys[j]) for i, j in np.argwhere(np.triu(found))}
    assert told == {(("a", n), ("b", 2 * n + k)) for n in range(2) for k in range(2)}
    assert np.array_equal(found, found.T)
    assert pairs_at_once([PairEvidence("place", lambda left, _: np.zeros(len(left)))], np.arange(6)) is None


def test_a_camera_that_shows_somebody_in_pieces_is_joined_through_the_one_that_shows_him_whole():
    people = visits(12, 10.0)
    result = AverageLinkageAssociator(CONFIG).solve(people, NOBODY, SCENE)
    groups = sorted(sorted(t.key for t in person.tracklets) for person in result.trajectories)
    assert groups == [[("a", n), ("b", 2 * n), ("b", 2 * n + 1)] for n in range(12)]
    for link in (link for person in result.trajectories for link in person.links):
        assert link.log_odds == pytest.approx(sum(link.evidence.values()) + link.people + link.rivals, abs=1e-4)


def test_pairs_seen_at_once_are_likelier_one_person_than_pairs_at_large():
    affinity = weighed(visits(12, 10.0))
    assert affinity.share_at_once > 5 * affinity.calibration.share_cross
    assert affinity.prior_log_odds(0, 12, "cross") > affinity.calibration.prior_log_odds("cross") + 1.0
    assert affinity.prior_log_odds(0, 20, "cross") == affinity.calibration.prior_log_odds("cross"), "not of one time"


def test_learned_ways_are_not_asked_of_pairs_seen_at_once_nor_learned_from_places_alone():
    people = visits(4, 10.0)
    against = PairEvidence("time", lambda left, _: np.full(len(left), -3.0))
    plain, learned = weighed(people), weighed(people, [against])
    assert (learned.extra["time"][plain.at_once] == 0.0).all()
    assert (learned.extra["time"][~plain.at_once & ~np.eye(12, dtype=bool)] == -3.0).all()
    assert len(pairs_to_learn_from(plain)[0]) == 0, "nobody has a look: places tell only of who is there at once"
