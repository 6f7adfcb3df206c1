"""Offsets between clocks: found on scenes whose offsets are known, refused where there is nothing to find them by."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.clocks import cut
from benchmarks.floor_scenes import FloorScene, settings, synthetic_scene, track
from pipeline.association.alignment import align_by_floor, align_by_travel, unite
from pipeline.association.clock_evidence import ClockEvidence
from pipeline.association.clock_travel import Visits, travel_offset
from pipeline.config import Config
from pipeline.stages.linking import link_cameras
from pipeline.types import Scene, Tracklet, Trajectory


@pytest.fixture(scope="module")
def scene() -> FloorScene:
    """Two cameras of one room, each with its own start and frame rate."""
    return synthetic_scene(31, "clocks", people=10, cameras=2, seconds=90.0)


def link(scene: FloorScene, clock: str = "align"):  # type: ignore[no-untyped-def]
    config = Config.model_validate({"clock": clock})
    tracked = track(scene, config, dict.fromkeys(scene.start_s, 0.0))
    overlap = frozenset([frozenset(camera.id for camera in scene.cameras)])
    return link_cameras(tracked, Scene(scene.cameras, "unknown", overlap), config, None, 4)


def test_an_offset_is_found_told_and_used(scene: FloorScene) -> None:
    a, b = (camera.id for camera in scene.cameras)
    part = cut(scene, {a: (5.0, 50.0), b: (20.0, 80.0)})
    assert scene.cameras[0].fps != scene.cameras[1].fps, "rates must differ for the test to mean anything"
    linked = link(part)
    found = linked.alignment
    assert found is not None
    assert found.accepted
    error = found.offset_s[b] - (part.start_s[b] - part.start_s[a])
    assert abs(error) < 0.15
    assert abs(error) < 4 * found.sigma_s[b] + 0.1
    assert linked.clock == "aligned"
    moved = {outcome.camera.id: outcome.camera.time_offset_s for outcome in linked.outcomes}
    assert moved == {a: 0.0, b: pytest.approx(found.offset_s[b])}
    shared = [person for person in linked.result.trajectories if len({t.camera_id for t in person.tracklets}) == 2]
    assert len(shared) >= 4, "with the clock found, places link people across the two"
    assert found.lines()[0].startswith(f"aligned to {a}: {b} ")


def test_recordings_of_different_times_are_refused(scene: FloorScene) -> None:
    a, b = (camera.id for camera in scene.cameras)
    linked = link(cut(scene, {a: (0.0, 40.0), b: (50.0, 90.0)}))
    assert linked.alignment is not None
    assert not linked.alignment.accepted
    assert linked.clock == "unknown"
    assert all(outcome.camera.time_offset_s == 0.0 for outcome in linked.outcomes)
    assert "nothing is concluded" in linked.alignment.lines()[0]
    assert all(len({t.camera_id for t in person.tracklets}) == 1 for person in linked.result.trajectories)


def test_without_calibration_or_without_being_asked_nothing_is_aligned(scene: FloorScene) -> None:
    bare = replace(scene, cameras=tuple(replace(camera, calibration=None) for camera in scene.cameras))
    linked = link(bare)
    assert linked.alignment is not None
    assert not linked.alignment.accepted
    assert "calibrate it" in "\n".join(linked.alignment.lines())
    assert link(scene, "unknown").alignment is None


def walkers(offset: float, count: int, *, back: bool, seed: int = 0) -> list[Visits]:
    """People who go from A to B (and others back), each way 4 to 7 s, B's clock behind A's by `offset` s."""
    rng = np.random.default_rng(seed)
    pairs = []
    for person in range(count):
        leaves = float(rng.uniform(0, 600))
        arrives = leaves + float(rng.lognormal(np.log(5.0), 0.15))
        stay = rng.uniform(4, 12, 2)
        if back and person % 2:
            visit = ((arrives, arrives + stay[0]), (leaves - stay[1] - offset, leaves - offset))
        else:
            visit = ((leaves - stay[0], leaves), (arrives - offset, arrives + stay[1] - offset))
        pairs.append(Visits(*visit, person))
    return pairs


@pytest.mark.parametrize("offset", [-3600.0, 0.0, 12.5])
def test_ways_there_and_back_tell_the_offset(offset: float) -> None:
    found = travel_offset(walkers(offset, 16, back=True), "a", "b")
    assert found is not None
    assert found.accepted, found.reason
    assert found.offset_s == pytest.approx(offset, abs=1.0)
    assert abs(found.offset_s - offset) < 4 * found.sigma_s


def test_wrong_links_among_them_do_little_and_alone_are_refused() -> None:
    rng = np.random.default_rng(3)
    wrong = [
        Visits((s, s + 5.0), (t, t + 5.0), 100 + n) for n, (s, t) in enumerate(rng.uniform(0, 600, (6, 2)).tolist())
    ]
    found = travel_offset([*walkers(7.0, 20, back=True), *wrong], "a", "b")
    assert found is not None
    assert found.accepted, found.reason
    assert found.offset_s == pytest.approx(7.0, abs=1.0)
    for seed in range(10):
        starts = np.random.default_rng(seed).uniform(0, 600, (20, 2)).tolist()
        alone = travel_offset([Visits((s, s + 5), (t, t + 5), n) for n, (s, t) in enumerate(starts)], "a", "b")
        assert alone is not None
        assert not alone.accepted


def test_one_way_only_is_refused_and_says_why() -> None:
    found = travel_offset(walkers(7.0, 16, back=False), "a", "b")
    assert found is not None
    assert not found.accepted
    assert "cannot be told apart" in found.reason


def test_travel_evidence_comes_from_sure_links_alone() -> None:
    def tracklet(camera: str, number: int, start: float, end: float) -> Tracklet:
        ones = np.ones(2)
        return Tracklet(
            (camera, number), np.array([0, 1]), np.array([start, end]), np.ones((2, 4)), ones, ones.astype(bool)
        )

    people = [
        Trajectory(
            v.person + 1, (tracklet("a", v.person, *v.a), tracklet("b", v.person, *v.b)), 0.99,
            (0.99, 0.99 if v.person < 12 else 0.6),
        )
        for v in walkers(7.0, 16, back=True)
    ]  # fmt: skip
    (found,) = align_by_travel(people, [("b", "a")])
    assert found.accepted, found.reason
    assert found.people <= 12
    assert found.offset_s == pytest.approx(7.0, abs=1.0)


def pair(a: str, b: str, offset: float, sigma: float = 0.05, *, accepted: bool = True) -> ClockEvidence:
    return ClockEvidence(a, b, "floor", offset, sigma, 5, 10.0, 2.0, accepted, "")


def test_pairs_become_one_clock_for_all() -> None:
    found = unite(["c", "a", "b"], [pair("a", "b", 2.0), pair("b", "c", -5.0), pair("a", "c", -3.1)])
    assert found.accepted
    assert found.reference == "a"
    assert found.offset_s == pytest.approx({"a": 0.0, "b": 2.0, "c": -3.0}, abs=0.1)
    assert 0 < found.sigma_s["c"] < 0.06, "two ways to c tell more than one"


def test_a_pair_that_contradicts_the_others_is_dropped() -> None:
    found = unite(["a", "b", "c"], [pair("a", "b", 2.0), pair("b", "c", -5.0), pair("a", "c", 40.0, 0.3)])
    assert found.accepted
    assert found.offset_s["c"] == pytest.approx(-3.0, abs=0.01)
    assert [e.reason for e in found.evidence if not e.accepted] == ["contradicts the other cameras' offsets"]


def test_a_camera_that_nothing_connects_keeps_the_clock_unknown() -> None:
    found = unite(["a", "b", "c"], [pair("a", "b", 2.0), pair("b", "c", 1.0, accepted=False)])
    assert not found.accepted
    assert found.unaligned == ("c",)
    assert any(line.startswith("found for the others: a +0.00 s, b +2.00 s") for line in found.lines())
    assert not unite(["a"], []).accepted
    assert unite([], []).offset_s == {}


def test_a_camera_in_which_nobody_was_seen_does_not_matter(scene: FloorScene) -> None:
    a, b = (camera.id for camera in scene.cameras)
    part = cut(scene, {a: (5.0, 50.0), b: (20.0, 80.0)})
    tracked = track(part, settings(), dict.fromkeys(part.start_s, 0.0))
    tracklets = [tracklet for outcome, _ in tracked for tracklet in outcome.tracklets]
    empty = replace(scene.cameras[0], id="empty")
    evidence = align_by_floor(tracklets, Scene((*scene.cameras, empty), "unknown"))
    assert [(one.camera_a, one.camera_b) for one in evidence] == [(a, b)]
