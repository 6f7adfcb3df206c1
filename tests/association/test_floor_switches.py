"""A tracklet that other views of the floor show to be two people is split; one that they do not is left alone."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.association.floor_switches import find_floor_cuts
from pipeline.association.purity import purify
from pipeline.config import AssociationConfig
from pipeline.types import Calibration, Camera, Embeddings, Scene, Tracklet, TrackletKey
from synthetic.camera import PinholeCamera
from tests.association.test_place import CAMERAS, NOBODY, SIZE, Way, line, tracklet

CONFIG = AssociationConfig()
CORNER = PinholeCamera.looking((4.0, 12.0, 3.5), (4.0, 3.0, 0.5), SIZE, 75.0)
THIRD = Camera("c", (Path("c"),), SIZE, 10.0, calibration=Calibration(CORNER.image_to_ground))
TWO = Scene(CAMERAS[:2], "common", frozenset([frozenset("ab")]))
THREE = Scene((*CAMERAS[:2], THIRD), "common", frozenset(frozenset(pair) for pair in ("ab", "ac", "bc")))
TIMES = np.arange(0.0, 16.0, 0.1)
ONE, OTHER = line((1.0, 2.0), (0.4, 0.1)), line((7.0, 2.0), (-0.4, 0.3))
"""They meet after 7 s or so, and are 0.9 m apart then."""


@pytest.fixture(autouse=True)
def third_view(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(tracklet.__globals__["VIEWS"], "c", CORNER)


def swapped(first: Way, then: Way, at: float) -> Way:
    return lambda t: np.where(t[:, None] < at, first(t), then(t))


def people(cameras: str, confused: str, noise: float = 0.03, seed: int = 0) -> list[Tracklet]:
    """Both seen all along by all `cameras`; those `confused` take the one for the other after 7.5 s."""
    found = []
    for camera in cameras:
        ways = (ONE, OTHER)
        if camera in confused:
            ways = (swapped(ONE, OTHER, 7.5), swapped(OTHER, ONE, 7.5))
        found += [tracklet(camera, n, way, TIMES, noise, seed) for n, way in enumerate(ways)]
    return sorted(found, key=lambda t: t.key)


def cut_at(tracklets: list[Tracklet], scene: Scene, looks: float = 0.0) -> dict[tuple[str, int], list[float]]:
    cuts = find_floor_cuts(tracklets, scene, CONFIG, lambda *_: looks)
    return {t.key: [float(t.time_s[c.row]) for c in own] for t, own in zip(tracklets, cuts, strict=True) if own}


@pytest.mark.parametrize("seed", range(5))
def test_the_view_that_took_one_for_the_other_is_cut_and_the_two_that_did_not_are_left(seed: int) -> None:
    found = cut_at(people("abc", "c", 0.05, seed), THREE)
    assert sorted(found) == [("c", 0), ("c", 1)]
    assert [len(times) for times in found.values()] == [1, 1]
    assert [times[0] for times in found.values()] == pytest.approx([7.5, 7.5], abs=1.5)


def test_of_two_views_one_is_cut_and_the_parts_are_one_person_each() -> None:
    tracklets = people("ab", "b")
    found = cut_at(tracklets, TWO)
    assert {key[0] for key in found} in ({"a"}, {"b"}), "which of the two was wrong cannot be known; not both were"
    assert [len(times) for times in found.values()] == [1, 1]


@pytest.mark.parametrize("seed", range(5))
def test_nobody_is_cut_where_nobody_was_confused(seed: int) -> None:
    assert cut_at(people("abc", "", 0.06, seed), THREE) == {}
    assert cut_at(people("ab", "", 0.06, seed), TWO) == {}


def test_a_view_that_shows_somebody_in_pieces_cuts_nobody() -> None:
    whole = [t for t in people("ab", "") if t.camera_id == "a"]
    pieces = [
        tracklet("b", 2 * n + late, way, TIMES[TIMES >= 8.0] if late else TIMES[TIMES < 7.0])
        for n, way in enumerate((ONE, OTHER))
        for late in (False, True)
    ]
    assert cut_at(whole + pieces, TWO) == {}


def test_a_track_that_goes_over_to_somebody_who_stays_is_cut_though_the_other_ones_leave() -> None:
    """The one is lost to view c at 8 s, where his track goes on with the other; the others see both on."""
    seen = [tracklet(c, n, w, TIMES) for c in "ab" for n, w in enumerate((ONE, OTHER))]
    assert list(cut_at([*seen, tracklet("c", 0, swapped(ONE, OTHER, 8.0), TIMES)], THREE)) == [("c", 0)]


def test_looks_can_speak_against_a_cut() -> None:
    tracklets = people("abc", "c")
    assert cut_at(tracklets, THREE)
    assert cut_at(tracklets, THREE, looks=40.0) == {}


def test_without_a_clock_a_calibration_or_a_common_view_there_is_no_cut() -> None:
    tracklets = people("abc", "c")
    assert cut_at(tracklets, replace(THREE, clock="unknown")) == {}
    assert cut_at(tracklets, replace(THREE, overlapping=frozenset())) == {}
    assert cut_at(tracklets, replace(THREE, cameras=tuple(replace(c, calibration=None) for c in THREE.cameras))) == {}


def test_purify_makes_the_cuts_and_names_them_though_nobody_has_a_look() -> None:
    result = purify(people("abc", "c"), NOBODY, THREE, CONFIG)
    assert [(split.key, split.new_key) for split in result.splits] == [(("c", 0), ("c", 2)), (("c", 1), ("c", 3))]
    assert all(split.log_odds < 0 for split in result.splits)
    assert len(result.tracklets) == 8
    assert sum(len(t) for t in result.tracklets) == 6 * len(TIMES)


def _key(one: Tracklet) -> TrackletKey:
    return one.key


def crops(looks: dict[tuple[str, int], list[tuple[int, int]]]) -> Embeddings:
    """By tracklet: frames, and the number of the person who is seen in them."""
    rng = np.random.default_rng(0)
    people = np.linalg.qr(rng.normal(size=(64, 4)))[0].T
    rows = [(key, frame, people[who]) for key in sorted(looks) for frame, who in looks[key]]
    vectors = np.array([look + rng.normal(0.0, 0.05, 64) for _, _, look in rows], np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Embeddings(tuple(row[0] for row in rows), np.array([r[1] for r in rows]), vectors, np.ones(len(rows)))


SURE = {(camera, n): [(frame, n) for frame in (10, 50, 90, 130)] for camera in "ab" for n in (0, 1)}


def test_a_part_is_judged_by_its_own_looks() -> None:
    """A part that shows one person in all its crops was cut again, because the crops before it showed another."""
    ways = (swapped(swapped(ONE, OTHER, 3.5), ONE, 9.5), swapped(swapped(OTHER, ONE, 3.5), OTHER, 9.5))
    tracklets = sorted([*people("ab", ""), *(tracklet("c", n, way, TIMES) for n, way in enumerate(ways))], key=_key)
    looks = crops(SURE | {("c", n): [(20, n), (80, 1 - n), (140, n)] for n in (0, 1)})
    splits = purify(tracklets, looks, THREE, CONFIG).splits
    assert [split.key for split in splits] == [("c", 0), ("c", 0), ("c", 1), ("c", 1)]
    assert [split.time_s for split in splits] == pytest.approx([3.5, 9.5, 3.5, 9.5], abs=1.5)


def test_no_key_is_given_twice_though_a_part_was_dropped() -> None:
    """The part after a gap, with another look, was dropped; the next part of another tracklet got its key."""
    frame = np.arange(73)
    other = tracklet("c", 2, line((4.0, 5.0), (0.0, 0.0)), TIMES[frame])
    other = replace(other, observed=(frame < 30) | (frame >= 70))
    tracklets = sorted([*people("abc", "c"), other], key=_key)
    looks = crops(SURE | {("c", n): [(20, n), (140, 1 - n)] for n in (0, 1)} | {("c", 2): [(5, 2), (15, 2), (71, 3)]})
    splits = purify(tracklets, looks, THREE, CONFIG).splits
    assert [split.dropped for split in splits] == [(("c", 3),), (), ()]
    assert [split.new_key for split in splits] == [("c", 3), ("c", 4), ("c", 5)]


def test_who_stays_while_many_pass_by_takes_little_memory() -> None:
    """All who passed in a quarter of an hour were compared with one another at each moment: 0.5 GB, 3 GB for twice."""
    times = np.arange(0.0, 720.0, 0.2)
    stays = tracklet("a", 0, line((4.0, 3.0), (0.0, 0.0)), times)
    pass_by = [
        tracklet("b", n, line((1.0 - 0.4 * begin, 1.0 + n % 4), (0.4, 0.0)), np.arange(begin, begin + 15.0, 0.2))
        for n, begin in enumerate(np.arange(0.0, 700.0, 6.0).tolist())
    ]
    tracemalloc.start()
    assert cut_at([stays, *pass_by], TWO) == {}
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50e6
