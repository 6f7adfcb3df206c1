"""How soon people are seen again, learned from a sample of a crowd."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from pipeline.association.associator import AverageLinkageAssociator
from pipeline.association.crowd_solver import calibrate_crowd
from pipeline.association.gaps import learn_gaps
from pipeline.association.journeys import Journeys
from pipeline.association.pair_evidence import PairEvidence
from pipeline.config import AssociationConfig

CROWD = AssociationConfig(dense_up_to=0)


@pytest.fixture
def passing(world, visit):
    """40 people over 20 minutes, each in 4 cameras one after another, 5 to 15 s between; many dress alike."""

    def make(seed=0, people=40, view=0.75):
        rng = np.random.default_rng(seed)
        visits, track = [], dict.fromkeys("ABCDE", 0)
        for person in range(people):
            start = int(rng.integers(0, 12_000))
            for camera in rng.permutation(list("ABCDE"))[:4].tolist():
                track[camera] += 1
                visits.append(visit(person, camera, track[camera], start, 40, person % 7, 2))
                start += 40 + int(rng.integers(50, 150))
        return (*world(visits, seed, view=view, alike=0.9), {(v.camera, v.track): v.person for v in visits})

    return make


def _learned(passing, scene, prior, clock, config=CROWD, *, extra=()):
    tracklets, embeddings, _ = passing()
    ordered = sorted(tracklets, key=lambda t: t.key)
    where = scene(*"ABCDE", clock=clock)
    calibrated = calibrate_crowd(ordered, embeddings, where, prior, config, centred=False)
    journeys = Journeys.without_zones(ordered, where)
    return ordered, learn_gaps(calibrated.crowd, journeys, calibrated.calibration, extra, config)


def test_short_gaps_speak_for_one_person_and_long_ones_against(passing, scene, prior):
    ordered, time = _learned(passing, scene, prior, "common")
    assert time.name == "time"
    start, end = (np.array([getattr(t, name) for t in ordered]) for name in ("start_s", "end_s"))
    camera = np.array([t.camera_id for t in ordered])
    one, two = np.nonzero(np.triu(camera[:, None] != camera[None, :], 1))
    gap = np.maximum(start[one], start[two]) - np.minimum(end[one], end[two])
    odds = time.log_odds(one, two)
    assert odds.tolist() == time.log_odds(two, one).tolist()
    assert np.abs(odds).max() <= 4.0
    assert odds[(gap > 6.0) & (gap < 14.0)].mean() > 1.0
    assert odds[gap > 200.0].mean() < -1.0


def test_nothing_is_learned_without_a_common_clock_or_rounds(passing, scene, prior):
    assert _learned(passing, scene, prior, "unknown")[1] is None
    no_rounds = CROWD.model_copy(update={"topology_rounds": 0})
    assert _learned(passing, scene, prior, "common", no_rounds)[1] is None


def test_pairs_judged_at_common_instants_are_not_asked(passing, scene, prior):
    odd = PairEvidence("place", lambda a, b: np.zeros(len(a)), at_once=lambda a, b: (a + b) % 2 == 1)
    ordered, time = _learned(passing, scene, prior, "common", extra=(odd,))
    one, two = np.triu_indices(len(ordered), 1)
    odds = time.log_odds(one, two)
    judged = (one + two) % 2 == 1
    assert not odds[judged].any()
    assert odds[~judged].any()


def test_times_find_people_that_looks_alone_leave_apart(passing, scene, prior):
    found = {0: 0, 2: 0}
    for seed in range(3):
        tracklets, embeddings, person = passing(seed, view=1.2)
        where = scene(*"ABCDE", clock="common")
        for rounds in found:
            config = CROWD.model_copy(update={"topology_rounds": rounds})
            result = AverageLinkageAssociator(config, prior).solve(tracklets, embeddings, where)
            links = [link for t in result.trajectories for link in t.links]
            right = sum(person[link.from_key] == person[link.to_key] for link in links)
            found[rounds] += right - (len(links) - right)
            told = [link.evidence["time"] for link in links]
            assert any(told) == (rounds > 0)
            for link in links:
                assert link.log_odds == pytest.approx(sum(link.evidence.values()) + link.people + link.rivals)
    assert found[2] > 1.15 * found[0]


def test_the_order_of_the_input_does_not_matter(passing, scene, prior, grouping):
    tracklets, embeddings, _ = passing(1)
    where = scene(*"ABCDE", clock="common")
    shuffled = [tracklets[n] for n in np.random.default_rng(3).permutation(len(tracklets))]
    one, two = (AverageLinkageAssociator(CROWD, prior).associate(t, embeddings, where) for t in (tracklets, shuffled))
    assert grouping(one) == grouping(two)


def test_without_a_common_clock_the_cost_is_told(passing, scene, prior, caplog):
    tracklets, embeddings, _ = passing()
    for clock, told in (("common", 0), ("unknown", 1)):
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            AverageLinkageAssociator(CROWD, prior).associate(tracklets, embeddings, scene(*"ABCDE", clock=clock))
        assert sum("square of their number" in record.message for record in caplog.records) == told
