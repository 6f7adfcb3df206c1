"""Views put on one floor by people who are seen at once: found where it is so, refused where nothing tells it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.clocks import tracked
from benchmarks.floor_scenes import FloorScene, synthetic_views, track
from commands.track_outputs import association_report
from pipeline.association.floor_tracks import floor_tracks
from pipeline.association.place import floor_area, place_log_odds, seen_at_once
from pipeline.config import Config
from pipeline.ground import view_matching
from pipeline.ground.floor import to_floor
from pipeline.ground.overlap import overlapping_cameras
from pipeline.ground.self_calibration import calibrate_by_people, with_calibrations
from pipeline.ground.view_feet import Feet, feet_of, partners, score, transfer
from pipeline.ground.view_matching import match_views
from pipeline.stages.floor import on_matched_floor
from pipeline.stages.linking import link_cameras
from pipeline.types import Scene

DRAWS = 10_000
"""For speed: a room full of walkers needs few."""
SHIFT = np.array([[1.0, 0.0, 40.0], [0.0, 1.0, -10.0], [0.0, 0.0, 1.0]])


@pytest.fixture(scope="module")
def scene() -> FloorScene:
    """Three views of one room; what is known of the cameras is kept to check with."""
    return synthetic_views(31, "easy", people=10, views=3, seconds=90.0)


def bare(scene: FloorScene) -> FloorScene:
    return replace(scene, cameras=tuple(replace(camera, calibration=None) for camera in scene.cameras))


def feet(scene: FloorScene, low: int = 0, high: int = 88) -> list[Feet]:
    tracklets = tracked(scene)
    return [
        feet_of([t for t in tracklets if t.camera_id == camera.id], np.arange(low, high), camera.size_wh)
        for camera in scene.cameras
    ]


def test_feet_are_partners_only_when_each_is_the_other_s_nearest() -> None:
    at = np.array([[[100.0, 300.0], [104.0, 302.0], [500.0, 400.0]]])
    one = Feet(at, np.full((1, 3), 100.0), np.array([[0, 1, 2]]), (640, 480))
    two = Feet(at[:, [0, 2]] + SHIFT[:2, 2], np.full((1, 2), 100.0), np.array([[0, 1]]), (640, 480))
    found, other, seen = partners(SHIFT[None], one, two)
    assert found.tolist() == [[[True, False, True]]]
    assert other[0, 0, [0, 2]].tolist() == [0, 1]
    assert seen.tolist() == [5]
    assert score(SHIFT[None], one, two)[1].tolist() == [0.8]
    assert transfer(SHIFT[None], at)[0][0].tolist() == (at + SHIFT[:2, 2]).tolist()


def test_two_views_of_one_room_are_matched_and_of_other_times_are_not(scene: FloorScene) -> None:
    a, b = feet(scene)[:2]
    found = match_views("a", a, "b", b, draws=DRAWS)
    assert found is not None
    assert found.accepted, found
    one, two = scene.cameras[:2]
    assert one.calibration is not None
    assert two.calibration is not None
    known = np.isfinite(a.height)
    here = to_floor(a.at[known], one.calibration, one.size_wh)
    there = to_floor(transfer(found.matrix[None], a.at[known])[0][0], two.calibration, two.size_wh)
    assert np.nanmedian(np.linalg.norm(here - there, axis=1)) < 0.5, "metres by the calibration that was hidden"
    late = b.of((np.arange(88) + 44) % 88)
    wrong = match_views("a", a, "b", late, draws=DRAWS)
    assert wrong is None or not wrong.accepted


def test_strangers_are_not_matched(scene: FloorScene) -> None:
    (one, *_), others = feet(scene), feet(synthetic_views(32, "easy", people=10, views=3, seconds=90.0))
    for other in others[:2]:
        found = match_views("a", one, "b", other, draws=DRAWS)
        assert found is None or not found.accepted, found


def test_cameras_get_a_rough_floor_that_links_people(scene: FloorScene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(view_matching, "_MOST_TRIED", 400)  # for speed
    without, links = bare(scene), {}
    for wanted in (False, True, "auto"):
        config = Config.model_validate({"association": {"match_views": wanted}})
        done = track(without, config, without.start_s)
        linked = link_cameras(done, Scene(without.cameras, "common"), config, None, 4)
        several = [p for p in linked.result.trajectories if len({t.camera_id for t in p.tracklets}) > 1]
        links[wanted] = len(several)
        assert all(outcome.camera.calibration is None for outcome in linked.outcomes), "a rough floor is no result"
        assert (linked.views is not None) == bool(wanted)
        if linked.views is not None:
            assert sorted(linked.views.calibrations) == [camera.id for camera in scene.cameras]
            assert "see one floor" in linked.views.told()
            assert "% by chance" in linked.views.told()
            told = association_report(linked)["matched_views"]
            assert [one["accepted"] for one in told] == [match.accepted for match in linked.views.matches]
    assert links[False] == 0
    assert links[True] == links["auto"] >= 6


def test_what_a_third_camera_sees_and_when_changes_nothing_for_two(
    scene: FloorScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blocks of time that find a homography and that check it were laid by the times of all cameras."""
    monkeypatch.setattr(view_matching, "_MOST_TRIED", 400)  # for speed
    pair, stranger = bare(scene).cameras[:2], replace(bare(scene).cameras[2], id="z")
    own = [t for t in tracked(scene) if t.camera_id in {camera.id for camera in pair}]
    elsewhere = tracked(synthetic_views(33, "easy", people=10, views=1, seconds=90.0))
    other = [replace(t, key=("z", t.key[1]), time_s=t.time_s - 50.0) for t in elsewhere]
    two, three = calibrate_by_people(own, pair), calibrate_by_people([*own, *other], (*pair, stranger))
    assert two.to_dict() == three.to_dict()[:1]
    assert two.told() == three.told()
    for name, calibration in two.calibrations.items():
        assert calibration.image_to_ground.tolist() == three.calibrations[name].image_to_ground.tolist()


def test_a_view_that_ran_for_hours_before_is_matched_by_the_time_that_both_have(
    scene: FloorScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The seconds to look at were spread over the time that any of the two had."""
    monkeypatch.setattr(view_matching, "_MOST_TRIED", 400)  # for speed
    pair = bare(scene).cameras[:2]
    own = [t for t in tracked(scene) if t.camera_id in {camera.id for camera in pair}]
    first = next(t for t in own if t.camera_id == pair[0].id)
    early = replace(first, key=(pair[0].id, 999), time_s=first.time_s - 3 * 3600.0)
    (before,), (after,) = (calibrate_by_people(seen, pair).matches for seen in (own, [early, *own]))
    assert before.accepted and after.accepted
    assert after.feet >= 0.8 * before.feet


def test_nothing_is_matched_without_a_clock_or_beside_a_calibration(
    scene: FloorScene, caplog: pytest.LogCaptureFixture
) -> None:
    done = track(bare(scene), Config(), scene.start_s)
    unknown = Scene(bare(scene).cameras, "unknown")
    assert on_matched_floor(done, unknown, True) == (None, unknown)
    assert "without two cameras on one clock" in caplog.text
    mixed = Scene((scene.cameras[0], *bare(scene).cameras[1:]), "common")
    assert on_matched_floor(done, mixed, True) == (None, mixed)
    assert f"for {scene.cameras[0].id} has a calibration" in caplog.text
    caplog.clear()
    caplog.set_level("INFO")
    many = Scene(tuple(replace(bare(scene).cameras[0], id=f"c{n}") for n in range(7)), "common")
    for case in (unknown, mixed, many):  # unasked it is no fault
        assert on_matched_floor(done, case, "auto") == (None, case)
    assert on_matched_floor(done, Scene(bare(scene).cameras, "common"), False)[0] is None
    assert [record.message for record in caplog.records] == [
        "views are not matched unasked with 7 cameras; association.match_views=true does"
    ]
    on_matched_floor([], Scene(bare(scene).cameras, "common"), True)
    assert "the 45 s that comparing them wants" in caplog.text
    nobody = calibrate_by_people([], bare(scene).cameras)
    assert nobody.calibrations == {}
    assert nobody.told() == "none of 0 pairs of cameras could be put on one floor by people seen at once"


def test_a_view_that_nobody_is_in_at_the_time_is_no_fault() -> None:
    at = np.array([[[100.0, 300.0]]])
    one = Feet(at, np.full((1, 1), 100.0), np.array([[0]]), (640, 480))
    nobody = Feet(at * np.nan, np.full((1, 1), np.nan), np.array([[-1]]), (640, 480))
    assert score(SHIFT[None], one, nobody)[1].tolist() == [0.0]
    assert score(SHIFT[None], nobody, nobody)[1].tolist() == [0.0]


def test_a_share_of_a_few_feet_is_no_evidence() -> None:
    sure = view_matching.ViewMatch("a", "b", np.eye(3), 0.9, 0.05, 0.03, 6)
    assert sure.accepted
    assert not replace(sure, feet=5).accepted
    assert not replace(sure, held_out=0.24).accepted
    assert not replace(sure, by_chance=0.5).accepted


def test_two_rooms_get_a_floor_each_and_their_places_do_not_compare(
    scene: FloorScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both are put where their own surest view has its zero: one upon the other, were they taken for one floor."""
    monkeypatch.setattr(view_matching, "_MOST_TRIED", 400)  # for speed
    rooms = (scene, synthetic_views(33, "easy", people=10, views=2, seconds=90.0))
    tracklets, cameras = [], []
    for number, room in enumerate(rooms):
        cameras += [replace(camera, id=f"{number}{camera.id}") for camera in bare(room).cameras[:2]]
        tracklets += [replace(t, key=(f"{number}{t.camera_id}", t.key[1])) for t in tracked(room)]
    names = [camera.id for camera in cameras]
    tracklets = [t for t in tracklets if t.camera_id in names]
    found = calibrate_by_people(tracklets, cameras)
    assert sorted(found.calibrations) == sorted(names)
    floors = [found.calibrations[name].floor for name in names]
    assert floors[0] == floors[1] != floors[2] == floors[3]
    assert found.told().count("see one floor") == 2
    placed = with_calibrations(cameras, found)
    assert overlapping_cameras(placed) == {frozenset(names[:2]), frozenset(names[2:])}
    on_floor = floor_tracks(tracklets, Scene(placed, "common"))
    one, two = np.indices((len(tracklets),) * 2).reshape(2, -1)
    other = on_floor.floor[one] != on_floor.floor[two]
    log_odds = place_log_odds(on_floor, one, two, floor_area(on_floor), 0.25)
    assert not log_odds[other].any()
    assert not seen_at_once(on_floor, one, two)[other].any()
    assert log_odds[~other].max() > 3
    alone = floor_tracks([t for t in tracklets if t.camera_id in names[:2]], Scene(placed, "common"))
    assert floor_area(on_floor) < 2 * floor_area(alone), "two floors are no larger than one"
