from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.association.associator import AverageLinkageAssociator
from pipeline.association.prior import LabelledCrops, fit_prior
from pipeline.config import AssociationConfig
from pipeline.types import Associator, Embeddings, Scene


@pytest.fixture
def associator(prior):
    return AverageLinkageAssociator(AssociationConfig(), prior)


def _truth(visits):
    return {frozenset((v.camera, v.track) for v in visits if v.person == p) for p in {v.person for v in visits}}


def test_it_is_an_associator(associator):
    assert isinstance(associator, Associator)


def test_people_are_found_across_cameras(associator, world, crowd, scene, grouping):
    visits = crowd(12, 6)
    tracklets, embeddings = world(visits)
    result = associator.solve(tracklets, embeddings, scene("A", "B"))
    assert grouping(result.trajectories) == _truth(visits)
    report = result.report
    assert (report.people, report.tracklets, report.links) == (18, 30, 12)
    assert report.estimated_false_link_rate is not None
    assert report.estimated_false_link_rate < 0.1
    assert not report.fallback
    assert report.negatives >= 20
    assert report.positives == 30


def test_everybody_alone_in_the_corridor(associator, world, visit, scene, grouping):
    """Three people, one at a time, two of them in both cameras: no negative at all, so the prior speaks and says so."""
    visits = [
        visit(1, "cam_a", 1),
        visit(2, "cam_a", 2, start=147),
        visit(1, "cam_b", 1),
        visit(2, "cam_b", 2, start=259),
        visit(3, "cam_b", 3, start=542),
    ]
    tracklets, embeddings = world(visits, seed=3)
    result = associator.solve(tracklets, embeddings, scene("cam_a", "cam_b"))
    assert grouping(result.trajectories) == _truth(visits)
    assert result.report.fallback
    assert "0 of 20 certain negatives" in result.report.fallback_reasons[0]


def test_without_a_prior_the_footage_gives_the_scale(world, crowd, scene, grouping):
    """The embedder's distances are of another kind (squeezed into a narrow cone): 0.5 would merge everybody."""
    visits = crowd(8, 1)
    tracklets, embeddings = world(visits)
    cone = embeddings.vector + 3.0 * np.eye(64, dtype=np.float32)[0]
    cone /= np.linalg.norm(cone, axis=1, keepdims=True)
    squeezed = Embeddings(embeddings.keys, embeddings.frame_index, cone, embeddings.quality)
    result = AverageLinkageAssociator(AssociationConfig()).solve(tracklets, squeezed, scene("A", "B"))
    assert result.report.prior == "generic"
    assert result.report.threshold_distance_cross is not None
    assert result.report.threshold_distance_cross < 0.12
    assert grouping(result.trajectories) == _truth(visits)


def test_return_to_the_same_camera_is_linked(associator, world, visit, scene, grouping):
    visits = [visit(1, "A", 1), visit(2, "A", 2, start=30), visit(1, "A", 3, start=60), visit(2, "A", 4, start=90)]
    tracklets, embeddings = world(visits)
    assert grouping(associator.associate(tracklets, embeddings, scene("A"))) == _truth(visits)


def test_twins_alive_together_are_never_merged(associator, tracklet, world, visit, scene):
    """Two people in one uniform: the same vector to the last bit."""
    visits = [visit(1, "A", 1, lane=0), visit(1, "A", 2, lane=1), visit(1, "B", 1, start=50)]
    tracklets, embeddings = world(visits, view=0.0, noise=0.0)
    for trajectory in associator.associate(tracklets, embeddings, scene("A", "B")):
        keys = {t.key for t in trajectory.tracklets}
        assert not {("A", 1), ("A", 2)} <= keys


@pytest.mark.parametrize("own", [True, False])
def test_equal_embeddings_make_no_giant_group(prior, own, crowd, world, scene):
    """A black video: constraints hold, and nothing is claimed."""
    visits = crowd(20)
    tracklets, embeddings = world(visits)
    same = np.tile(embeddings.vector[:1], (len(embeddings), 1))
    black = Embeddings(embeddings.keys, embeddings.frame_index, same, embeddings.quality)
    solver = AverageLinkageAssociator(AssociationConfig(), prior if own else None)
    result = solver.solve(tracklets, black, scene("A", "B"))
    assert max(len(t.tracklets) for t in result.trajectories) <= 2
    assert result.report.warnings


def test_one_clock_forbids_two_places_at_once(associator, world, visit, scene):
    visits = [visit(1, "A", 1), visit(1, "B", 1)]
    tracklets, embeddings = world(visits)
    assert len(associator.associate(tracklets, embeddings, scene("A", "B"))) == 1
    assert len(associator.associate(tracklets, embeddings, scene("A", "B", clock="common"))) == 2
    overlapping = scene("A", "B", clock="common", overlapping=[("A", "B")])
    assert len(associator.associate(tracklets, embeddings, overlapping)) == 1


def test_a_tracklet_without_embedding_stays_alone_and_is_named(associator, world, visit, scene, tracklet):
    visits = [visit(1, "A", 1), visit(1, "B", 1)]
    tracklets, embeddings = world(visits)
    extra = tracklet("B", 9, start=70)
    result = associator.solve([*tracklets, extra], embeddings, scene("A", "B"))
    assert [("B", 9)] in [[t.key for t in trajectory.tracklets] for trajectory in result.trajectories]
    assert result.report.without_embedding == (("B", 9),)


def test_nan_rows_are_dropped_and_counted(associator, world, visit, scene):
    tracklets, embeddings = world([visit(1, "A", 1), visit(1, "B", 1)])
    vector = embeddings.vector.copy()
    vector[0] = np.nan
    broken = Embeddings(embeddings.keys, embeddings.frame_index, vector, embeddings.quality)
    result = associator.solve(tracklets, broken, scene("A", "B"))
    assert result.report.dropped_embeddings == 1
    assert len(result.trajectories) == 1


@pytest.mark.parametrize("count", [0, 1])
@pytest.mark.parametrize("own", [True, False])
def test_almost_nothing(prior, own, count, world, visit):
    tracklets, embeddings = world([visit(1, "A", 1)][:count])
    nothing = Embeddings((), np.zeros(0, np.int64), np.zeros((0, 64), np.float32), np.zeros(0, np.float32))
    for given_embeddings in (embeddings, nothing):
        solver = AverageLinkageAssociator(AssociationConfig(), prior if own else None)
        result = solver.solve(tracklets, given_embeddings, Scene(()))
        assert [t.person_id for t in result.trajectories] == list(range(1, count + 1))
        assert result.report.estimated_false_link_rate is None


def test_a_key_twice_is_refused(associator, world, visit, scene):
    tracklets, embeddings = world([visit(1, "A", 1)])
    with pytest.raises(ValueError, match="more than once"):
        associator.solve(tracklets * 2, embeddings, scene("A"))


def test_people_are_numbered_by_first_appearance(associator, world, visit, scene):
    visits = [visit(1, "B", 1, start=5), visit(2, "A", 1, start=40), visit(3, "A", 2, start=90), visit(1, "A", 3, 140)]
    tracklets, embeddings = world(visits)
    by_time = associator.associate(tracklets, embeddings, scene("A", "B", clock="common"))
    assert [t.tracklets[0].key for t in by_time] == [("B", 1), ("A", 1), ("A", 2)]
    by_camera = associator.associate(tracklets, embeddings, scene("A", "B"))
    assert [{k.key for k in t.tracklets} for t in by_camera] == [{("A", 1)}, {("A", 2)}, {("B", 1), ("A", 3)}]


def test_links_tell_why(associator, world, crowd, scene):
    tracklets, embeddings = world(crowd(10, 10))
    linked = [t for t in associator.associate(tracklets, embeddings, scene("A", "B")) if len(t.tracklets) > 1]
    assert linked
    for trajectory in linked:
        assert len(trajectory.links) == len(trajectory.tracklets) - 1
        assert 0.5 <= trajectory.link_confidence <= 1.0
        for link in trajectory.links:
            assert link.log_odds > 0
            assert link.runner_up is not None
            assert link.runner_up < link.log_odds
            assert set(link.evidence) == {"appearance", "time", "place"}
            assert link.evidence["appearance"] > 0
            assert link.evidence["time"] == link.evidence["place"] == 0.0
            assert link.people < 0, "most pairs are two people"
            assert sum(link.evidence.values()) + link.people + link.rivals == pytest.approx(link.log_odds)
            assert link.runner_up_key is not None
            assert link.runner_up_key not in {t.key for t in trajectory.tracklets}


def test_the_report_is_json(associator, world, crowd, scene):
    tracklets, embeddings = world(crowd(3))
    report = associator.solve(tracklets, embeddings, scene("A", "B")).report
    assert json.loads(json.dumps(report.to_dict(), allow_nan=False))["links"] == report.links


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**6))
def test_neither_order_of_input_nor_of_cameras_matters(associator, world, crowd, scene, seed):
    rng = np.random.default_rng(seed)
    tracklets, embeddings = world(crowd(8, 5), seed=seed % 7, view=0.8)
    usual = associator.solve(tracklets, embeddings, scene("A", "B"))
    rows = rng.permutation(len(embeddings))
    shuffled = Embeddings(
        tuple(embeddings.keys[r] for r in rows),
        embeddings.frame_index[rows],
        embeddings.vector[rows],
        embeddings.quality[rows],
    )
    mixed = [tracklets[i] for i in rng.permutation(len(tracklets))]
    again = associator.solve(mixed, shuffled, scene("B", "A"))
    assert again.report == usual.report
    for one, two in zip(usual.trajectories, again.trajectories, strict=True):
        assert [t.key for t in one.tracklets] == [t.key for t in two.tracklets]
        assert (one.person_id, one.links, one.link_confidence) == (two.person_id, two.links, two.link_confidence)
    everyone = sorted(t.key for trajectory in usual.trajectories for t in trajectory.tracklets)
    assert everyone == sorted(t.key for t in tracklets)


LOOKS = {"view": 0.8, "alike": 1.3}


def test_the_printed_false_link_rate_is_the_true_one_within_a_factor_two(world, crowd, scene):
    """People in groups that wear the same, so that there are false links to count (.024 of all).

    The factor 2 is not kept in every world: without look-alikes the estimate is far too high, and on some real sets too
    low (docs/association.md).
    """
    wrong = expected = links = 0.0
    for seed in range(8):
        visits = crowd(60, 60)
        tracklets, embeddings = world(visits, seed=seed, **LOOKS)
        labelled = world([replace(v, track=v.person) for v in crowd(80)], seed=100 + seed, **LOOKS)[1]
        people = np.array([key[1] for key in labelled.keys])
        cameras = np.array([ord(key[0]) for key in labelled.keys])
        prior = fit_prior("made up", "tests", {"a": LabelledCrops(labelled.vector, people, cameras)})
        result = AverageLinkageAssociator(AssociationConfig(), prior).solve(tracklets, embeddings, scene("A", "B"))
        who = {(v.camera, v.track): v.person for v in visits}
        found = [link for t in result.trajectories for link in t.links]
        wrong += sum(who[link.from_key] != who[link.to_key] for link in found)
        links += len(found)
        expected += len(found) * (result.report.estimated_false_link_rate or 0.0)
    assert links > 60
    assert wrong / links > 0.015
    assert 0.5 < expected / wrong < 2.0
