"""Ways, times, zones and shared views are learned from footage that knows nothing of them, and help."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.association.associator import AverageLinkageAssociator
from pipeline.association.continuity import continuity
from pipeline.association.journeys import Journeys
from pipeline.association.topology import learn_topology
from pipeline.association.topology_report import TopologyReport, WayReport, ways_table
from pipeline.association.zones import ELSEWHERE, find_zones
from pipeline.config import AssociationConfig
from pipeline.types import Tracklet


def _walks(tracklet, count, seed, *, travel_s=10.0, spread_s=0.5):  # type: ignore[no-untyped-def]
    """`count` people: in A from the left to the right, in B `travel_s` later from the bottom to the top."""
    rng = np.random.default_rng(seed)
    result = []
    for person in range(count):
        start = int(rng.integers(0, 20 * count)) * 10
        walk = np.linspace([100, 300], [1700, 300], 40) + rng.normal(0, 10, 2)
        result.append(_along(tracklet("A", person + 1, start, length=40), walk))
        later = start + 40 + round(10 * (travel_s + rng.normal(0, spread_s)))
        walk = np.linspace([900, 850], [900, 100], 40) + rng.normal(0, 10, 2)
        result.append(_along(tracklet("B", person + 1, later, length=40), walk))
    return sorted(result, key=lambda t: t.key)


def _along(still, corner):  # type: ignore[no-untyped-def]
    return replace(still, xyxy=np.hstack([corner, corner + np.array([60, 160])]).astype(np.float32))


@pytest.fixture
def walked(tracklet, scene):  # type: ignore[no-untyped-def]
    ordered = _walks(tracklet, 60, seed=3)
    place = scene("A", "B", clock="common")
    zones = find_zones(ordered, place)
    left, right = np.triu_indices(len(ordered), 1)
    same = np.array([ordered[a].key[1] == ordered[b].key[1] for a, b in zip(left, right, strict=True)])
    return ordered, place, zones, left, right, same


def test_zones_are_where_people_come_and_go(walked) -> None:  # type: ignore[no-untyped-def]
    ordered, _, zones, *_ = walked
    assert zones.by_camera["A"].centre.shape == (2, 2)
    in_a = np.array([t.camera_id == "A" for t in ordered])
    left = zones.by_camera["A"].centre[zones.entry[in_a][0] - 1]
    np.testing.assert_allclose(left, [130 / 1920, 460 / 1080], atol=0.02)
    assert len(set(zones.entry[in_a].tolist())) == 1
    assert set(zones.entry[in_a]) != set(zones.exit[in_a])
    assert zones.by_camera["A"].entries.sum() == 60


def test_few_points_make_no_zone(tracklet, scene) -> None:  # type: ignore[no-untyped-def]
    zones = find_zones([tracklet("A", 1)], scene("A"))
    assert zones.entry.tolist() == [ELSEWHERE]


def test_travel_times_are_learned_and_a_far_too_short_one_is_a_veto(walked) -> None:  # type: ignore[no-untyped-def]
    ordered, _, zones, left, right, same = walked
    journeys = Journeys.of(ordered, zones, comparable=True)
    topology = learn_topology(journeys, left, right, np.where(same, 0.9, 0.005), np.ones(len(left)))
    time = topology.time_evidence().log_odds(left, right)
    place = topology.place_evidence().log_odds(left, right)
    ways = journeys.ways(left, right)
    forward = (ways.from_camera == 0) & (ways.to_camera == 1)
    assert np.median(time[same]) > 1.5
    assert np.median(time[forward & (ways.gap_s > 60)]) < -1.0
    too_short = forward & (ways.gap_s > 0) & (ways.gap_s < 4)
    assert too_short.any()
    assert np.isneginf(time[too_short]).all()
    assert not np.isneginf(time[same]).any()
    back = (ways.from_camera == 1) & (ways.to_camera == 0)
    assert np.median(place[same]) > 0.3
    assert np.median(place[back]) < -0.5  # nobody goes that way


def test_ways_do_not_say_again_that_people_are_seen_in_two_cameras_and_do_not_come_back(walked) -> None:  # type: ignore[no-untyped-def]
    """That is in the shares of pairs by now: for anybody's pair of two cameras a likelihood ratio is 1 in the mean."""
    ordered, _, zones, left, right, same = walked
    journeys = Journeys.of(ordered, zones, comparable=True)
    topology = learn_topology(journeys, left, right, np.where(same, 0.9, 0.0), np.ones(len(left)))
    across = np.array([ordered[a].camera_id != ordered[b].camera_id for a, b in zip(left, right, strict=True)])
    ratio = np.exp(topology.place_evidence().log_odds(left, right)[across])
    assert ratio.mean() == pytest.approx(1.0, abs=0.1)  # 1.7 with one share for all pairs


def test_a_pair_is_no_evidence_for_itself(walked) -> None:  # type: ignore[no-untyped-def]
    ordered, _, zones, left, right, _ = walked
    journeys = Journeys.of(ordered, zones, comparable=True)
    alone = np.zeros(len(left))
    alone[7] = 1.0
    topology = learn_topology(journeys, left, right, alone, np.ones(len(left)))
    assert topology.time_evidence().log_odds(left[7:8], right[7:8])[0] <= 1e-9
    assert topology.time_evidence().log_odds(right, left).tolist() == pytest.approx(
        topology.time_evidence().log_odds(left, right).tolist()
    )


def test_clocks_that_do_not_compare_say_nothing_across_cameras(walked) -> None:  # type: ignore[no-untyped-def]
    ordered, _, zones, left, right, same = walked
    journeys = Journeys.of(ordered, zones, comparable=False)
    topology = learn_topology(journeys, left, right, same.astype(float), np.ones(len(left)))
    across = journeys.camera[left] != journeys.camera[right]
    for evidence in (topology.time_evidence(), topology.place_evidence()):
        assert not evidence.log_odds(left[across], right[across]).any()


def test_a_track_goes_on_where_another_ended_unless_people_begin_there_anyway(tracklet, scene) -> None:  # type: ignore[no-untyped-def]
    ends = _along(tracklet("A", 1, 0), np.linspace([500, 300], [700, 300], 20))
    goes_on = _along(tracklet("A", 2, 30), np.linspace([800, 300], [900, 300], 20))
    elsewhere = _along(tracklet("A", 3, 30), np.linspace([1700, 800], [1600, 800], 20))
    camera = scene("A")

    def judged(*others: Tracklet) -> list[float]:
        evidence = continuity([ends, goes_on, elsewhere, *others], camera, AssociationConfig())
        assert evidence is not None
        return evidence.log_odds(np.array([0, 2, 0]), np.array([1, 0, 2])).tolist()

    near, far, far_again = judged()
    assert near > 1.5
    assert far == far_again < -1.0
    door = [_along(tracklet("A", 10 + n, 400 + n), np.full((20, 2), [795, 300])) for n in range(30)]
    assert judged(*door)[0] < near - 1.5


def test_weak_looks_are_made_up_for_by_time(tracklet, scene, world, visit, prior, grouping) -> None:  # type: ignore[no-untyped-def]  # noqa: PLR0917
    ordered = _walks(tracklet, 40, seed=5)
    visits = [visit(t.key[1], t.camera_id, t.key[1], start=int(t.frame_index[0])) for t in ordered]
    _, embeddings = world(visits, seed=5, view=1.9, alike=2.0)
    truth = {frozenset([("A", n), ("B", n)]) for n in range(1, 41)}

    def found(rounds: int) -> int:
        config = AssociationConfig(topology_rounds=rounds)
        solver = AverageLinkageAssociator(config, prior)
        result = solver.solve(ordered, embeddings, scene("A", "B", clock="common"))
        if rounds:
            assert "A zone" in ways_table(result.report.topology, 5)[0]
            assert any(link.evidence["time"] > 1 for t in result.trajectories for link in t.links)
        return len(truth & grouping(result.trajectories))

    assert found(3) > found(0) + 3


@pytest.mark.parametrize("shared", [True, False])
def test_a_shared_view_is_found_from_who_is_seen_at_once(shared, world, visit, scene, prior, grouping) -> None:  # type: ignore[no-untyped-def]  # noqa: PLR0917
    visits = []
    for person in range(16):
        start = 30 * person
        visits.append(visit(person, "A", person + 1, start=start, length=40, lane=person % 3))
        later = start + 5 if shared else 30 * ((person + 5) % 16) + 5
        visits.append(visit(person, "B", person + 1, start=later, length=40, lane=person % 3))
    tracklets, embeddings = world(visits)
    result = AverageLinkageAssociator(AssociationConfig(), prior).solve(
        tracklets, embeddings, scene("A", "B", clock="common")
    )
    (overlap,) = result.report.topology.overlaps
    assert overlap.found is shared
    assert overlap.matches == 16
    assert overlap.together == (16 if shared else 0)
    if shared:
        assert grouping(result.trajectories) == {frozenset([("A", n), ("B", n)]) for n in range(1, 17)}


def test_a_way_of_negative_time_is_told_as_seen_by_both_at_once():
    ways = (WayReport("a", 1, "b", 0, 3, -6.0, -5.9, -5.0), WayReport("b", 2, "a", 1, 2, 1.0, 2.0, 3.0))
    assert ways_table(TopologyReport(ways=ways), 5) == [
        "a zone 1 -> b elsewhere: 3 x, seen by both at once",
        "b zone 2 -> a zone 1: 2 x, 2.0 s (1.0 to 3.0)",
    ]
