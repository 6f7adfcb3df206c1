"""A tracklet that went on with somebody else is split; one that did not is left alone."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from pipeline.association import affinity
from pipeline.association.affinity import build_affinity, compare, usable_embeddings
from pipeline.association.constraints import build_constraints
from pipeline.association.corrections import Correction, TrackletRef
from pipeline.association.purity import Purified, best_crops, purify
from pipeline.association.switches import Cut, agree
from pipeline.config import AssociationConfig, Config, TrackerConfig
from pipeline.stages.linking import make_fit
from pipeline.stages.scene import CameraOutcome
from pipeline.types import Camera, Embeddings, Scene, Tracklet, TrackletKey

SCENE = Scene((Camera("hall", (), (640, 480), 10.0),))
DIMENSION = 64


def tracklet(track_id: int, start: int, seen: list[tuple[int, int]]) -> Tracklet:
    """Boxes from the first to the last frame of `seen` (first, one past the last), observed inside those ranges."""
    frames = np.arange(seen[0][0], seen[-1][1]) + start
    observed = np.zeros(len(frames), bool)
    for first, last in seen:
        observed[first - seen[0][0] : last - seen[0][0]] = True
    left = 40.0 * track_id
    boxes = np.tile(np.array([[left, 100, left + 30, 200]], np.float32), (len(frames), 1))
    return Tracklet(("hall", track_id), frames, frames / 10.0, boxes, observed.astype(np.float32), observed)


def crops(rng: np.random.Generator, key: TrackletKey, frames: list[int], looks: np.ndarray):  # type: ignore[no-untyped-def]
    noisy = looks + rng.normal(0, 0.05, (len(frames), DIMENSION))
    return [(key, frame, row / np.linalg.norm(row)) for frame, row in zip(frames, noisy, strict=True)]


def join(rows) -> Embeddings:  # type: ignore[no-untyped-def]
    keys, frames, vectors = zip(*rows, strict=True)
    return Embeddings(keys, np.array(frames), np.array(vectors, np.float32), np.full(len(keys), 0.5, np.float32))


def scene_with_gap(same_person: bool) -> tuple[list[Tracklet], Embeddings]:
    """Six people alive together; the track of the first has a gap of 2 s."""
    rng = np.random.default_rng(3)
    people = rng.normal(size=(7, DIMENSION))
    people /= np.linalg.norm(people, axis=1, keepdims=True)
    tracklets = [tracklet(1, 0, [(0, 30), (50, 80)])] + [tracklet(n, 0, [(0, 80)]) for n in range(2, 7)]
    rows = crops(rng, ("hall", 1), [3, 12, 25], people[1])
    rows += crops(rng, ("hall", 1), [55, 63, 77], people[1] if same_person else people[0])
    for n in range(2, 7):
        rows += crops(rng, ("hall", n), [3, 20, 40, 60], people[n])
    return tracklets, join(rows)


def purified(same_person: bool) -> tuple[Purified, list[Tracklet], Embeddings]:
    tracklets, embeddings = scene_with_gap(same_person)
    return purify(tracklets, embeddings, SCENE, AssociationConfig()), tracklets, embeddings


def test_another_person_after_the_gap_gets_a_tracklet_of_his_own() -> None:
    result, before, embeddings = purified(same_person=False)
    (split,) = result.splits
    assert (split.key, split.new_key, split.time_s) == (("hall", 1), ("hall", 7), 5.0)
    assert split.log_odds < 0
    by_key = {t.key: t for t in result.tracklets}
    assert len(by_key) == len(before) + 1
    first, second = by_key["hall", 1], by_key["hall", 7]
    assert (first.frame_index[0], first.frame_index[-1]) == (0, 29), (
        "the interpolated boxes of the gap belong to nobody"
    )
    assert (second.frame_index[0], second.frame_index[-1]) == (50, 79)
    assert first.observed.all()
    assert second.observed.all()
    renamed = [
        key for key, frame in zip(result.embeddings.keys, embeddings.frame_index, strict=True) if frame in {55, 63, 77}
    ]
    assert renamed == [("hall", 7)] * 3
    assert len(result.embeddings) == len(embeddings)


def test_the_same_person_after_the_gap_stays_one_tracklet() -> None:
    result, before, embeddings = purified(same_person=True)
    assert result.splits == ()
    assert len(result.tracklets) == len(before)
    assert all(ours is theirs for ours, theirs in zip(result.tracklets, before, strict=True))
    assert result.embeddings is embeddings


@pytest.mark.parametrize(
    ("seen", "crops_at", "kept", "dropped"),
    [
        ([(0, 3), (50, 80)], ([2], [55, 63, 77]), [7], [("hall", 1)]),  # 3 boxes before the gap
        ([(0, 30), (77, 80)], ([3, 12, 25], [77]), [1], [("hall", 7)]),  # 3 boxes after it
        ([(0, 30), (76, 80)], ([3, 12, 25], [77]), [1], [("hall", 7)]),  # 4 boxes in 0.3 s
        ([(0, 30), (50, 51), (54, 55), (58, 59), (62, 63)], ([3, 12, 25], [50]), [1], [("hall", 7)]),  # flicker
        ([(0, 6), (74, 80)], ([3], [77]), [1, 7], []),  # 6 boxes in 0.5 s on both sides
    ],
)
def test_a_part_too_short_for_a_tracklet_is_dropped_and_named(seen, crops_at, kept, dropped) -> None:  # type: ignore[no-untyped-def]
    tracklets, embeddings = scene_with_gap(same_person=False)
    rng = np.random.default_rng(4)
    looks = rng.normal(size=(2, DIMENSION)) / np.sqrt(DIMENSION)
    rows = [
        (key, int(frame), row)
        for key, frame, row in zip(embeddings.keys, embeddings.frame_index, embeddings.vector, strict=True)
        if key != ("hall", 1)
    ]
    for person, frames in zip(looks, crops_at, strict=True):
        rows += crops(rng, ("hall", 1), frames, person)
    result = purify([tracklet(1, 0, seen), *tracklets[1:]], join(rows), SCENE, AssociationConfig())
    (split,) = result.splits
    assert list(split.dropped) == dropped
    assert sorted({t.key[1] for t in result.tracklets} - {2, 3, 4, 5, 6}) == kept
    assert {key[1] for key in result.embeddings.keys} == {2, 3, 4, 5, 6, *kept}
    lenient = TrackerConfig(min_observations=1, min_track_s=0.0, min_observed_share=0.0)
    everyone = purify([tracklet(1, 0, seen), *tracklets[1:]], join(rows), SCENE, AssociationConfig(), keep=lenient)
    assert {1, 7} <= {t.key[1] for t in everyone.tracklets}
    assert everyone.splits[0].dropped == ()


def test_a_cut_of_the_user_does_not_get_the_number_of_a_part_that_was_dropped() -> None:
    """hall#7 was the short end of hall#1, dropped; a cut of hall#2 was then called hall#7 too."""
    tracklets, embeddings = scene_with_gap(same_person=False)
    first = tracklet(1, 0, [(0, 30), (77, 80)])
    rows = [n for n, (key, frame) in enumerate(zip(embeddings.keys, embeddings.frame_index, strict=True))
            if key != ("hall", 1) or frame < 30 or frame == 77]  # fmt: skip
    keys = tuple(embeddings.keys[n] for n in rows)
    kept = Embeddings(keys, embeddings.frame_index[rows], embeddings.vector[rows], embeddings.quality[rows])
    outcome = CameraOutcome(SCENE.cameras[0], (first, *tracklets[1:]), 80, None)
    said = Correction(1, "cut", "cut hall#2", (TrackletRef.of(tracklets[1]),), (), 40)
    purified, corrected = make_fit([(outcome, kept)], SCENE, Config(), None, DIMENSION, corrections=[said])
    assert purified.splits[0].dropped == (("hall", 7),)
    assert [(cut.key, cut.new_key) for cut in corrected.cuts] == [(("hall", 2), ("hall", 8))]
    assert {key[1] for key in corrected.embeddings.keys} == {1, 2, 3, 4, 5, 6, 8}


def test_without_a_crop_on_one_side_nothing_is_split() -> None:
    tracklets, embeddings = scene_with_gap(same_person=False)
    rows = [n for n, key in enumerate(embeddings.keys) if key != ("hall", 1) or embeddings.frame_index[n] < 40]
    kept = Embeddings(
        tuple(embeddings.keys[n] for n in rows),
        embeddings.frame_index[rows],
        embeddings.vector[rows],
        embeddings.quality[rows],
    )
    assert purify(tracklets, kept, SCENE, AssociationConfig()).splits == ()
    none = Embeddings((), np.zeros(0, np.int64), np.zeros((0, DIMENSION), np.float32), np.zeros(0, np.float32))
    assert len(purify(tracklets, none, SCENE, AssociationConfig()).tracklets) == len(tracklets)
    assert purify([], none, SCENE, AssociationConfig()).tracklets == ()


def test_only_calibration_is_computed_and_it_is_the_solvers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Splitting weighed all pairs against all rivals, O(n^3), and then looked at the calibration alone."""
    tracklets, embeddings = scene_with_gap(same_person=False)
    ordered, usable = sorted(tracklets, key=lambda t: t.key), usable_embeddings(tracklets, embeddings)
    constraints = build_constraints(ordered, SCENE, duplicate_overlap=0.6, well_apart_overlap=0.2, slack_s=1.0)
    whole = build_affinity(ordered, usable, constraints, None, centred=False)
    alone = compare(ordered, usable, constraints, None, centred=False)
    assert (alone.calibration, alone.crop_similarity) == (whole.calibration, whole.crop_similarity)
    before = purify(tracklets, embeddings, SCENE, AssociationConfig()).splits

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("no pair is judged when tracklets are split")

    monkeypatch.setattr(affinity, "weigh_rivals", refuse)
    monkeypatch.setattr(affinity, "pairwise_log_odds", refuse)
    assert purify(tracklets, embeddings, SCENE, AssociationConfig()).splits == before
    assert len(before) == 1


def walk(track_id: int, x: np.ndarray, start: int = 0) -> Tracklet:
    """Somebody 30 px wide who is at `x` px in each frame."""
    frames = np.arange(len(x)) + start
    boxes = np.stack([x, np.full(len(x), 100.0), x + 30, np.full(len(x), 200.0)], axis=1)
    return Tracklet(("hall", track_id), frames, frames / 10.0, boxes, np.ones(len(x)), np.ones(len(x), bool))


def scene_with_meeting(*, swapped: bool, others: int = 5) -> tuple[list[Tracklet], Embeddings]:
    """Two people walk towards each other, meet in frame 40 and go back; their tracks swap them, or do not."""
    rng = np.random.default_rng(5)
    people = rng.normal(size=(others + 3, DIMENSION))
    people /= np.linalg.norm(people, axis=1, keepdims=True)
    away = np.abs(np.arange(80) - 40) * 4.0
    tracklets = [walk(1, 300 - away), walk(2, 300 + away)]
    rows = []
    for track, before, after in ((1, 1, 2), (2, 2, 1)):
        rows += crops(rng, ("hall", track), [2, 12, 22, 30], people[before])
        rows += crops(rng, ("hall", track), [50, 60, 70, 78], people[after if swapped else before])
    for n in range(3, 3 + others):
        tracklets.append(walk(n, np.full(80, 40.0 * n - 120)))
        rows += crops(rng, ("hall", n), [3, 13, 23, 33, 43, 53], people[n])
    return tracklets, join(rows)


def test_two_people_swapped_where_they_met_are_parted_there_in_one_frame() -> None:
    tracklets, embeddings = scene_with_meeting(swapped=True)
    result = purify(tracklets, embeddings, SCENE, AssociationConfig())
    assert [(split.key, split.new_key) for split in result.splits] == [
        (("hall", 1), ("hall", 8)),
        (("hall", 2), ("hall", 9)),
    ]
    first, second = (split.time_s for split in result.splits)
    assert first == second == pytest.approx(4.0, abs=0.3)
    by_key = {t.key: t for t in result.tracklets}
    assert sum(len(by_key["hall", n]) for n in (1, 2, 8, 9)) == 160, "no box is lost"
    assert by_key["hall", 1].end_s < by_key["hall", 9].start_s, "the parts of one person are not seen at once"
    late = {key for key, frame in zip(result.embeddings.keys, result.embeddings.frame_index, strict=True) if frame > 55}
    assert late == {("hall", 8), ("hall", 9)}


def test_two_people_who_met_and_were_not_swapped_stay_whole() -> None:
    tracklets, embeddings = scene_with_meeting(swapped=False)
    assert purify(tracklets, embeddings, SCENE, AssociationConfig()).splits == ()


def test_one_odd_crop_parts_nobody() -> None:
    """Somebody who stands before the person for a moment."""
    tracklets, embeddings = scene_with_meeting(swapped=False)
    vector = embeddings.vector.copy()
    row = embeddings.keys.index(("hall", 1)) + 7
    vector[row] = embeddings.vector[embeddings.keys.index(("hall", 4))]
    odd = Embeddings(embeddings.keys, embeddings.frame_index, vector, embeddings.quality)
    assert purify(tracklets, odd, SCENE, AssociationConfig()).splits == ()


def test_who_changes_bit_by_bit_is_one_person() -> None:
    """Somebody who walks away from the camera looks like another at the end, but at no moment does he become one."""
    tracklets, embeddings = scene_with_meeting(swapped=False)
    others = [n for n, key in enumerate(embeddings.keys) if key != ("hall", 1)]
    start, end = (embeddings.vector[embeddings.keys.index(("hall", n))].astype(float) for n in (1, 5))
    turned = [np.cos(angle) * start + np.sin(angle) * end for angle in np.linspace(0, 0.9 * np.pi, 20)]
    gradual = join(
        [(embeddings.keys[n], int(embeddings.frame_index[n]), embeddings.vector[n]) for n in others]
        + [(("hall", 1), 2 + 4 * n, row / np.linalg.norm(row)) for n, row in enumerate(turned)]
    )
    assert purify(tracklets, gradual, SCENE, AssociationConfig()).splits == ()


def test_where_everybody_looks_alike_nobody_is_parted() -> None:
    tracklets, embeddings = scene_with_meeting(swapped=True)
    rng = np.random.default_rng(6)
    alike = rng.normal(size=DIMENSION) + rng.normal(0, 0.3, embeddings.vector.shape)
    vector = (alike / np.linalg.norm(alike, axis=1, keepdims=True)).astype(np.float32)
    same = Embeddings(embeddings.keys, embeddings.frame_index, vector, embeddings.quality)
    assert purify(tracklets, same, SCENE, AssociationConfig()).splits == ()


def test_a_person_is_described_by_the_best_crops() -> None:
    keys: tuple[TrackletKey, ...] = (("hall", 1),) * 4 + (("hall", 2),)
    quality = np.array([0.2, 0.9, 0.1, 0.5, 0.05], np.float32)
    every = Embeddings(keys, np.array([1, 2, 3, 4, 1]), np.eye(5, dtype=np.float32), quality)
    best = best_crops(every, 2)
    assert (best.keys, best.frame_index.tolist()) == ((("hall", 1), ("hall", 1), ("hall", 2)), [2, 4, 1])
    assert best_crops(every, 4) is every


def test_gaps_are_found_by_time_not_by_frames() -> None:
    short = tracklet(1, 0, [(0, 10), (13, 20), (40, 50)])
    assert short.gaps(0.5) == [(19, 40)]
    assert short.gaps(0.2) == [(9, 13), (19, 40)]
    assert short.gaps(10.0) == []
    frames = np.arange(4)
    slow = Tracklet(("hall", 1), frames, frames * 2.0, np.tile([[0, 0, 9, 9]], (4, 1)), np.ones(4), np.ones(4, bool))
    assert slow.gaps(0.5) == [], "a camera of one frame in two seconds has no gap between its frames"


def test_many_tracklets_are_split_by_a_sample() -> None:
    """No matrix of all pairs is made beyond association.dense_up_to."""
    tracklets, embeddings = scene_with_gap(same_person=False)
    usual = purify(tracklets, embeddings, SCENE, AssociationConfig()).splits
    sampled = purify(tracklets, embeddings, SCENE, AssociationConfig(dense_up_to=0)).splits
    assert [(s.key, s.new_key, s.time_s) for s in sampled] == [(s.key, s.new_key, s.time_s) for s in usual]
    assert len(usual) == 1


def test_cuts_that_are_brought_together_leave_no_part_without_a_box() -> None:
    """Two cuts of one track a second apart, unseen between, and a meeting in that second: both moved there once."""
    track = tracklet(1, 0, [(0, 30), (40, 80)])
    other = walk(2, np.full(80, 45.0))
    cuts = agree([track, other], [[Cut(30, -1.0, gap=False), Cut(41, -1.0, gap=False)], [Cut(36, -1.0, gap=False)]])
    for whole, own in zip((track, other), cuts, strict=True):
        bounds = [0, *(cut.row for cut in own), len(whole)]
        assert all(whole.observed[a:b].any() for a, b in itertools.pairwise(bounds)), own
