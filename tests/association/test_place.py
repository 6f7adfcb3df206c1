"""Evidence of place on people who walk through two cameras' views of one floor."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.association.associator import AverageLinkageAssociator
from pipeline.association.floor_tracks import STEP_S, floor_tracks
from pipeline.association.pair_sources import SOURCES
from pipeline.association.place import build_place, floor_area, place_log_odds
from pipeline.config import AssociationConfig
from pipeline.ground.overlap import overlapping_cameras
from pipeline.types import Calibration, Camera, Embeddings, Float64, Scene, Tracklet
from synthetic.camera import PinholeCamera

SIZE = (1280, 720)
VIEWS = {
    "a": PinholeCamera.looking((-1.0, -4.0, 3.5), (4.0, 4.0, 0.5), SIZE, 75.0),
    "b": PinholeCamera.looking((9.0, -4.0, 3.5), (4.0, 4.0, 0.5), SIZE, 75.0),
    "far": PinholeCamera.looking((60.0, 0.0, 3.5), (66.0, 6.0, 0.5), SIZE, 75.0),
}
CAMERAS = tuple(
    Camera(name, (Path(name),), SIZE, 10.0, calibration=Calibration(view.image_to_ground))
    for name, view in VIEWS.items()
)
ALL = frozenset(frozenset(pair) for pair in (("a", "b"), ("a", "far"), ("b", "far")))
SCENE = Scene(CAMERAS, "common", ALL)
Way = Callable[[Float64], Float64]
NOBODY = Embeddings.join([], 8)


def line(start: tuple[float, float], velocity: tuple[float, float]) -> Way:
    return lambda t: np.array(start) + np.outer(t, velocity)


def tracklet(camera: str, number: int, way: Way, times: Float64, noise: float = 0.03, seed: int = 0) -> Tracklet:  # noqa: PLR0917
    """Somebody 1.7 m high on `way`, seen at `times` s."""
    view, rng = VIEWS[camera], np.random.default_rng((seed, number, ord(camera[0])))
    place = way(times)
    feet, depth = view.project(np.column_stack([place, np.zeros(len(place))]))
    head, _ = view.project(np.column_stack([place, np.full(len(place), 1.7)]))
    assert (depth > 0).all()
    height = feet[:, 1] - head[:, 1]
    wobble = noise * height[:, None] * rng.normal(size=(len(place), 2))
    feet = feet + wobble
    boxes = np.column_stack([feet[:, 0] - height / 6, feet[:, 1] - height, feet[:, 0] + height / 6, feet[:, 1]])
    ones = np.ones(len(times))
    return Tracklet((camera, number), np.rint(times * 10).astype(np.int64), times, boxes, ones, ones.astype(bool))


def odds(one: Tracklet, two: Tracklet, scene: Scene = SCENE) -> float:
    evidence = build_place(sorted((one, two), key=lambda t: t.key), scene, AssociationConfig())
    assert evidence is not None
    return float(evidence.log_odds(np.array([0]), np.array([1]))[0])


TIMES = np.arange(0.0, 5.0, 0.1)


def test_one_person_in_two_views_speaks_for_and_two_apart_against() -> None:
    way = line((2.0, 2.0), (0.6, 0.5))
    same = odds(tracklet("a", 1, way, TIMES), tracklet("b", 1, way, TIMES))
    apart = odds(tracklet("a", 1, way, TIMES), tracklet("b", 1, line((5.5, 2.0), (-0.3, 0.8)), TIMES))
    beside = odds(tracklet("a", 1, way, TIMES), tracklet("b", 1, line((2.0, 3.1), (0.6, 0.5)), TIMES))
    assert same > 4.0
    assert apart < -5.0
    assert beside < same - 3.0, "who walks beside is told from who is the same"


def test_it_is_symmetric_says_nothing_without_a_place_and_never_decides_alone() -> None:
    way = line((2.0, 2.0), (0.6, 0.5))
    tracks = floor_tracks([tracklet("a", 1, way, TIMES), tracklet("b", 1, way, TIMES)], SCENE)
    one, two = np.array([0, 1]), np.array([1, 0])
    found = place_log_odds(tracks, one, two, floor_area(tracks), 0.25)
    assert found[0] == found[1]
    assert np.abs(found).max() <= 12.0
    blind = Scene((CAMERAS[0], Camera("b", (Path("b"),), SIZE, 10.0), CAMERAS[2]), "common", ALL)
    lone = floor_tracks([tracklet("a", 1, way, TIMES), tracklet("b", 1, way, TIMES)], blind)
    assert lone.placed.tolist() == [True, False]
    assert place_log_odds(lone, one, two, 100.0, 0.25).tolist() == [0.0, 0.0]


def test_without_a_clock_or_calibration_there_is_no_evidence() -> None:
    pair = [tracklet("a", 1, line((2, 2), (0.6, 0.5)), TIMES), tracklet("b", 1, line((2, 2), (0.6, 0.5)), TIMES)]
    bare = tuple(Camera(c.id, c.sources, c.size_wh, c.fps) for c in CAMERAS)
    assert build_place(pair, Scene(CAMERAS, "unknown"), AssociationConfig()) is None
    assert build_place(pair, Scene(bare, "common"), AssociationConfig()) is None
    assert build_place in SOURCES


def test_a_log_odds_is_what_its_name_says() -> None:
    """Over drawn people, pairs told as e^x to 1 are at least about so: no false certainty in either direction."""
    rng = np.random.default_rng(5)
    told, true = [], []
    for trial in range(60):
        ways = [line(tuple(rng.uniform((1, 1), (6, 6))), tuple(rng.normal(0, 0.6, 2))) for _ in range(3)]
        people = [tracklet(c, n, w, TIMES, 0.05, trial) for c in ("a", "b") for n, w in enumerate(ways)]
        evidence = build_place(people, SCENE, AssociationConfig())
        assert evidence is not None
        left, right = np.array([(i, j) for i in range(3) for j in range(3, 6)]).T
        told += evidence.log_odds(left, right).tolist()
        true += (left == right - 3).tolist()
    x, same = np.array(told), np.array(true)
    assert np.median(x[same]) > 3.0
    assert np.median(x[~same]) < -6.0
    for low, high in ((-12.1, -3.0), (3.0, 12.1)):
        inside = (x > low) & (x < high)
        observed = np.log((same[inside].sum() + 0.5) / 180 / ((~same[inside]).sum() + 0.5) * 360)
        assert observed < -2.0 if high < 0 else observed > 2.0


def test_going_on_after_a_gap_and_nobody_flies() -> None:
    way = line((1.0, 2.0), (1.2, 0.0))
    early, late = TIMES[TIMES < 1.5], TIMES[TIMES >= 2.5]
    assert odds(tracklet("a", 1, way, early), tracklet("b", 1, way, late)) > 1.0
    elsewhere = line((61.0, 2.0), (0.3, 0.3))
    assert odds(tracklet("a", 1, way, early), tracklet("far", 1, elsewhere, late)) == -12.0
    walked = tracklet("far", 1, elsewhere, TIMES + 60.0)
    assert odds(tracklet("a", 1, way, early), walked) == 0.0, "a minute is enough for 60 m"


def test_instants_are_shared_whatever_the_rates_and_offsets_move_them() -> None:
    way = line((2.0, 2.0), (0.6, 0.5))
    slow, fast = np.arange(0.0, 5.0, 0.23), np.arange(0.03, 5.0, 0.04)
    tracks = floor_tracks([tracklet("a", 1, way, slow, 0.0), tracklet("b", 1, way, fast, 0.0)], SCENE)
    instants = [np.arange(s, s + n) for s, n in zip(tracks.start, np.diff(tracks.first), strict=True)]
    for row in (0, 1):
        at = tracks.xy[tracks.first[row] : tracks.first[row + 1]]
        np.testing.assert_allclose(at[1:-1], way(instants[row] * STEP_S)[1:-1], atol=0.02)
    moved = floor_tracks([tracklet("a", 1, way, slow, 0.0)], SCENE, {"a": 10.0})
    assert moved.start[0] == tracks.start[0] + round(10.0 / STEP_S)


def test_people_without_a_look_are_linked_by_their_places_alone() -> None:
    ways = [line((2.0, 2.0), (0.6, 0.5)), line((6.0, 2.0), (-0.5, 0.6)), line((3.0, 6.0), (0.4, -0.5))]
    people = [tracklet(c, n, w, TIMES) for c in ("a", "b") for n, w in enumerate(ways)]
    result = AverageLinkageAssociator(AssociationConfig()).solve(people, NOBODY, SCENE)
    groups = sorted(sorted(t.key for t in person.tracklets) for person in result.trajectories)
    assert groups == [[("a", n), ("b", n)] for n in range(3)]
    link = result.trajectories[0].links[0]
    assert link.evidence["place"] > 3.0
    assert link.evidence["appearance"] == 0.0
    bare = tuple(Camera(c.id, c.sources, c.size_wh, c.fps) for c in CAMERAS)
    alone = AverageLinkageAssociator(AssociationConfig()).solve(people, NOBODY, Scene(bare, "common", ALL))
    assert len(alone.trajectories) == 6


@pytest.mark.parametrize("names", [("a", "b"), ("b", "a")])
def test_calibrated_cameras_know_their_common_floor(names: tuple[str, str]) -> None:
    cameras = [next(c for c in CAMERAS if c.id == name) for name in names] + [CAMERAS[2]]
    assert overlapping_cameras(cameras) == frozenset([frozenset("ab")])
    assert overlapping_cameras([Camera("a", (Path("a"),), SIZE, 10.0), CAMERAS[1]]) == frozenset()
