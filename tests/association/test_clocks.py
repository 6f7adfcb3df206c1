"""Offsets between clocks: found on scenes whose offsets are known, refused where there is nothing to find them by."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from benchmarks.clocks import cut, cut_tracklets, shuffled, tracked
from benchmarks.floor_scenes import FloorScene, settings, synthetic_scene, track
from pipeline.association.alignment import align_by_floor, align_by_travel, unite
from pipeline.association.clock_evidence import ClockEvidence
from pipeline.association.clock_travel import Visits, travel_offset
from pipeline.association.clock_witness import witness
from pipeline.association.constraints import build_constraints
from pipeline.association.floor_tracks import floor_tracks
from pipeline.config import Config
from pipeline.outputs.floor_paths import floor_paths
from pipeline.stages.linking import link_cameras
from pipeline.types import Camera, Scene, Tracklet, Trajectory


@pytest.fixture(scope="module")
def scene() -> FloorScene:
    """Two cameras of one room, each with its own start and frame rate."""
    return synthetic_scene(31, "clocks", people=10, cameras=2, seconds=90.0)


def link(scene: FloorScene, clock: str = "align"):  # type: ignore[no-untyped-def]
    config = Config.model_validate({"clock": clock})
    tracked = track(scene, config, dict.fromkeys(scene.start_s, 0.0))
    overlap = frozenset(frozenset(pair) for pair in combinations((camera.id for camera in scene.cameras), 2))
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


def test_a_few_seconds_in_common_are_enough_and_shuffled_people_are_not(scene: FloorScene) -> None:
    """Right offsets of 12 to 20 s in common stood out too little; of shuffled people some matched, and that passed."""
    a, b = (camera.id for camera in scene.cameras)
    apart = scene.start_s[b] - scene.start_s[a]
    told = tracked(scene)
    for low, common in ((0.0, 12.0), (30.0, 15.0)):
        begins = low + 30.0 - common - apart
        short = cut_tracklets(told, {a: (low, low + 30.0), b: (begins, begins + common + 5.0)})
        (found,) = align_by_floor(short, Scene(scene.cameras, "unknown"))
        assert found.accepted, found.reason
        assert found.offset_s == pytest.approx(30.0 - common, abs=0.2)
        assert found.seen_by_both is not None
        assert found.seen_by_both > 0.8
    for seed in range(3):
        mixed = shuffled(cut_tracklets(told, {a: (0.0, 80.0), b: (0.0, 80.0)}), b, 80.0, np.random.default_rng(seed))
        (found,) = align_by_floor(mixed, Scene(scene.cameras, "unknown"))
        assert not found.accepted, f"{found.offset_s:+.2f} s: each trajectory has an offset of its own"


def test_a_crowd_sees_somebody_anywhere_by_chance(scene: FloorScene) -> None:
    told = tracked(scene)
    tracks = {
        c.id: floor_tracks([t for t in told if t.camera_id == c.id], Scene(scene.cameras, "unknown"))
        for c in scene.cameras
    }
    a, b = tracks.values()
    true = scene.start_s[scene.cameras[1].id] - scene.start_s[scene.cameras[0].id]
    right, wrong = witness(a, b, true), witness(a, b, true + 20.0)
    assert right.asked > 10
    assert right.seen > 0.8
    assert 0.0 < right.chance < 0.5
    assert abs(wrong.beyond_chance) < 0.3


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


def test_a_camera_that_nothing_connects_stays_apart() -> None:
    found = unite(["a", "b", "c"], [pair("a", "b", 2.0), pair("b", "c", 1.0, accepted=False)])
    assert not found.accepted
    assert found.unaligned == ("c",)
    assert found.on_one_clock == {"a", "b"}
    assert found.lines()[:2] == [
        "aligned to a: b +2.00 s (+-0.10)",
        "not aligned: c; nothing is concluded from their times",
    ]
    assert unite(["a", "b"], [pair("a", "b", 2.0, accepted=False)]).on_one_clock == frozenset()
    assert not unite(["a"], []).accepted
    assert unite([], []).offset_s == {}


def test_cameras_that_can_be_aligned_are_though_another_cannot(scene: FloorScene) -> None:
    """Two of one room and a third elsewhere: the two were left without a clock because of the third."""
    a, b = (camera.id for camera in scene.cameras)
    part = cut(scene, {a: (5.0, 50.0), b: (20.0, 80.0)})
    third = replace(scene.cameras[0], id="third", calibration=None)
    frames = part.frames | {"third": part.frames[a]}
    whole = replace(part, cameras=(*part.cameras, third), frames=frames, start_s=part.start_s | {"third": 0.0})
    linked = link(whole)
    assert linked.alignment is not None
    assert not linked.alignment.accepted
    assert linked.clock == "unknown"
    assert linked.on_one_clock == {a, b}
    assert linked.moved_s(b) == pytest.approx(part.start_s[b] - part.start_s[a], abs=0.15)
    assert linked.moved_s("third") == 0.0
    shared = [person for person in linked.result.trajectories if {t.camera_id for t in person.tracklets} == {a, b}]
    assert len(shared) >= 4, "places link people across the two"
    paths = floor_paths(
        linked.result.trajectories, [o.camera for o in linked.outcomes], linked.clock, linked.on_one_clock
    )
    assert {path.camera_id for path in paths} == {None}
    assert max(int(path.views.max()) for path in paths) >= 2


def test_nobody_is_in_two_places_at_once_where_clocks_are_known() -> None:
    at = {name: one_tracklet(name, 1) for name in "abc"}
    cameras = tuple(Camera(name, (Path(name),), (640, 480), 10.0) for name in "abc")
    scene = Scene(cameras, "unknown", on_one_clock=frozenset("ab"))
    rules = {"duplicate_overlap": 0.6, "well_apart_overlap": 0.2, "slack_s": 1.0}
    cannot = build_constraints(list(at.values()), scene, **rules).cannot
    assert cannot.tolist() == [[False, True, False], [True, False, False], [False, False, False]]


def one_tracklet(camera: str, number: int) -> Tracklet:
    """Ten seconds of one box."""
    time_s = np.linspace(0, 10, 11)
    box = np.tile([10.0, 10.0, 50.0, 110.0], (11, 1))
    return Tracklet((camera, number), np.arange(11), time_s, box, np.ones(11), np.ones(11, bool))


def test_a_camera_in_which_nobody_was_seen_does_not_matter(scene: FloorScene) -> None:
    a, b = (camera.id for camera in scene.cameras)
    part = cut(scene, {a: (5.0, 50.0), b: (20.0, 80.0)})
    tracked = track(part, settings(), dict.fromkeys(part.start_s, 0.0))
    tracklets = [tracklet for outcome, _ in tracked for tracklet in outcome.tracklets]
    empty = replace(scene.cameras[0], id="empty")
    evidence = align_by_floor(tracklets, Scene((*scene.cameras, empty), "unknown"))
    assert [(one.camera_a, one.camera_b) for one in evidence] == [(a, b)]
