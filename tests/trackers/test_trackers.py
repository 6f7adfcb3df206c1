"""Every tracker through the same contract, then what each is for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config import TrackerConfig
from pipeline.types import Detections, TrackedBoxes, Tracker
from trackers import TRACKERS, build_tracker
from trackers.sort import Sort

NAMES = sorted(TRACKERS)


def people(*boxes: tuple[float, float, float, float], confidence: float = 0.9) -> Detections:
    """Persons given as x centre, foot y, width, height."""
    xyxy = [(x - w / 2, y - h, x + w / 2, y) for x, y, w, h in boxes]
    return Detections(np.array(xyxy, np.float32).reshape(-1, 4), np.full(len(boxes), confidence, np.float32))


def make(name: str = "bytetrack", **settings_: float) -> Tracker:
    return build_tracker(TrackerConfig(name=name, **settings_))  # type: ignore[arg-type]


def ids_of(tracked: TrackedBoxes) -> list[int]:
    """Ids of the matched rows in the order of the detections."""
    seen = np.flatnonzero(tracked.detection_row >= 0)
    return tracked.track_id[seen[np.argsort(tracked.detection_row[seen])]].tolist()


@pytest.mark.parametrize("name", NAMES)
def test_is_a_tracker_and_counts_ids_from_one_in_each_instance(name: str) -> None:
    """A class-level counter gave the second camera the first one's numbers."""
    first, second = make(name), make(name)
    assert isinstance(first, Tracker)
    for tracker in (first, second):
        tracked = tracker.update(people((100, 300, 40, 100), (400, 300, 40, 100)), 0.0)
        assert sorted(tracked.track_id.tolist()) == [1, 2]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("fps", [7.0, 30.0])
def test_two_people_cross_and_keep_their_ids(name: str, fps: float) -> None:
    """The same walk at 7 and 30 frames/s: 60 px/s toward each other, 30 px apart in depth."""
    tracker, seen = make(name), []
    for k in range(int(5 * fps)):
        t = k / fps
        tracked = tracker.update(people((100 + 60 * t, 300, 40, 100), (400 - 60 * t, 330, 44, 110)), t)
        if len(ids_of(tracked)) == 2:
            seen.append(tuple(ids_of(tracked)))
    assert len(seen) > 4 * fps
    assert set(seen) == {(1, 2)}


@pytest.mark.parametrize("name", NAMES)
def test_time_must_advance_and_be_finite(name: str) -> None:
    tracker = make(name)
    tracker.update(people((100, 300, 40, 100)), 1.0)
    with pytest.raises(ValueError, match="order of time"):
        tracker.update(people((100, 300, 40, 100)), 1.0)
    with pytest.raises(ValueError, match="finite"):
        tracker.update(Detections.empty(), float("nan"))


@pytest.mark.parametrize("name", NAMES)
def test_broken_boxes_are_left_out(name: str) -> None:
    """NaN, infinite, inside-out, empty and one-pixel-thin boxes beside one good person."""
    bad = [[np.nan, 0, 10, 10], [0, 0, np.inf, 10], [50, 50, 20, 20], [5, 5, 5, 5], [0, 0, 0.2, 90]]
    tracker = make(name)
    for k in range(6):
        xyxy = np.array([*bad, [80 + k, 200, 120 + k, 300]], np.float32)
        confidence = np.array([0.9] * 6, np.float32)
        confidence[0] = 0.99
        tracked = tracker.update(Detections(xyxy, confidence), k / 10)
        assert set(tracked.track_id.tolist()) == {1}
        assert np.isfinite(tracked.xyxy).all()
    assert tracker.update(Detections(xyxy[:1], np.array([np.nan], np.float32)), 1.0).detection_row.tolist() in (
        [-1],
        [],
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_shrinking_person_never_turns_inside_out(name: str) -> None:
    """SORT's area falls below zero when a box shrinks fast and is then lost: square roots of it gave NaN boxes."""
    tracker = make(name, max_lost_s=60.0)
    for k in range(8):
        size = 100.0 * 0.6**k + 2
        tracker.update(people((200, 300, size / 2, size)), k / 10)
    for k in range(8, 300):
        tracked = tracker.update(Detections.empty(), k / 10)
        assert np.isfinite(tracked.xyxy).all()
        assert (tracked.xyxy[:, 2:] > tracked.xyxy[:, :2]).all()


@st.composite
def _videos(draw: st.DrawFn) -> list[tuple[float, Detections]]:
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    frames, time_s = [], 0.0
    for _ in range(draw(st.integers(1, 12))):
        time_s += draw(st.floats(0.01, 3.0))
        count = draw(st.integers(0, 8))
        corner = rng.uniform(-20, 300, (count, 2))
        xyxy = np.concatenate([corner, corner + rng.uniform(-5, 120, (count, 2))], axis=1)
        frames.append((time_s, Detections(xyxy, rng.random(count))))
    return frames


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=40, deadline=None)
@given(frames=_videos())
def test_contract_on_any_video(name: str, frames: list[tuple[float, Detections]]) -> None:
    """Each detection is used at most once, ids are unique in a frame, never come back, boxes are whole."""
    tracker, live, ended = make(name), set(), set()
    for time_s, detections in frames:
        tracked = tracker.update(detections, time_s)
        rows = tracked.detection_row[tracked.detection_row >= 0]
        assert len(set(rows.tolist())) == len(rows)
        assert (rows < len(detections)).all()
        now = set(tracked.track_id.tolist())
        assert len(now) == len(tracked)
        ended |= live - now
        assert not now & ended
        live = now
        assert np.isfinite(tracked.xyxy).all()
        assert (tracked.xyxy[:, 2:] > tracked.xyxy[:, :2]).all()


@pytest.mark.parametrize("name", ["bytetrack", "sort"])
@pytest.mark.parametrize("fps", [5.0, 30.0])
def test_a_lost_person_stays_listed_and_is_found_again_within_the_age(name: str, fps: float) -> None:
    """The age is in seconds: the same at 5 and at 30 frames/s."""
    tracker, frame = make(name, max_lost_s=1.5), 0
    for frame in range(int(2 * fps)):
        tracker.update(people((200, 300, 40, 100)), frame / fps)
    hidden = int(1.2 * fps)
    for _ in range(hidden):
        frame += 1
        tracked = tracker.update(Detections.empty(), frame / fps)
        assert tracked.track_id.tolist() == [1]
        assert tracked.detection_row.tolist() == [-1]
    assert ids_of(tracker.update(people((200, 300, 40, 100)), (frame + 1) / fps)) == [1]


@pytest.mark.parametrize("name", ["bytetrack", "sort"])
def test_an_id_ends_after_the_age_and_never_comes_back(name: str) -> None:
    tracker = make(name, max_lost_s=1.0)
    for k in range(10):
        tracker.update(people((200, 300, 40, 100)), k / 10)
    assert len(tracker.update(Detections.empty(), 2.5)) == 0
    assert ids_of(tracker.update(people((200, 300, 40, 100)), 2.6)) == [2]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("pause_s", [3.5, 15.0, 28_800.0])
def test_a_pause_of_the_recording_ends_all_ids(name: str, pause_s: float) -> None:
    """A motion-triggered recorder's segments: who stands there after the pause is somebody else."""
    for frames in (1, 10):
        tracker = make(name, max_lost_s=3.0)
        for k in range(frames):
            tracker.update(people((200, 300, 40, 100)), k / 10)
        for k in range(5):
            tracked = tracker.update(people((200, 300, 40, 100)), frames / 10 + pause_s + k / 10)
            assert 1 not in tracked.track_id.tolist()
        assert ids_of(tracked) == [2]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("max_lost_s", "fps"), [(0.0, 10.0), (0.05, 7.0), (3.0, 0.2)])
def test_an_age_below_the_frame_interval_ends_nobody_who_is_there(name: str, max_lost_s: float, fps: float) -> None:
    tracker = make(name, max_lost_s=max_lost_s)
    seen = [ids_of(tracker.update(people((200, 300, 40, 100)), k / fps)) for k in range(20)]
    assert seen[-1] != []
    assert seen[6:] == [seen[-1]] * 14
    if name != "sort_paper":  # lists nobody new before his fourth box
        assert tracker.update(Detections.empty(), 20 / fps).track_id.tolist() == []


@pytest.mark.parametrize("fps", [0.4, 1.0, 25.0])
def test_paper_sort_waits_one_frame_whatever_the_rate(fps: float) -> None:
    tracker = make("sort_paper", max_lost_s=3.0)
    walker = people((200, 300, 40, 100))
    for k in range(8):
        tracked = tracker.update(walker, k / fps)
    (person,) = ids_of(tracked)
    tracker.update(Detections.empty(), 8 / fps)
    assert ids_of(tracker.update(walker, 9 / fps)) == [person]


@pytest.mark.parametrize("name", ["bytetrack", "sort"])
def test_dropped_frames_do_not_break_a_walk(name: str) -> None:
    """Two of three frames are lost now and then; the step is the PTS, so the prediction is where the person is."""
    rng, tracker, seen = np.random.default_rng(0), make(name), set()
    for k in range(120):
        if k > 20 and rng.random() < 0.6:
            continue
        seen |= set(tracker.update(people((100 + 3.0 * k, 300, 40, 100)), k / 25).track_id.tolist())
    assert seen == {1}


def test_a_weak_box_continues_a_track_but_never_starts_one() -> None:
    """ByteTrack's second association: confidence falls to 0.2 while the person is half hidden."""
    tracker = make()
    for k in range(10):
        tracker.update(people((100 + 5 * k, 300, 40, 100)), k / 10)
    for k in range(10, 20):
        tracked = tracker.update(people((100 + 5 * k, 300, 40, 100), confidence=0.2), k / 10)
        assert ids_of(tracked) == [1]
    fresh = make()
    for k in range(10):
        assert len(fresh.update(people((100, 300, 40, 100), confidence=0.2), k / 10)) == 0
    plain = make("sort")
    plain.update(people((100, 300, 40, 100)), 0.0)
    assert ids_of(plain.update(people((100, 300, 40, 100), confidence=0.2), 0.1)) == []


def test_a_strong_box_is_served_before_a_weak_one() -> None:
    """A weak second box on the person must not take the track from the strong one."""
    tracker = make()
    for k in range(5):
        tracker.update(people((100, 300, 40, 100)), k / 10)
    both = Detections(
        np.array([[79, 200, 121, 302], [80, 200, 120, 300]], np.float32), np.array([0.9, 0.2], np.float32)
    )
    tracked = tracker.update(both, 0.5)
    assert tracked.detection_row.tolist() == [0]


def test_a_second_box_on_a_matched_person_starts_no_track() -> None:
    tracker = make()
    for k in range(5):
        nested = Detections(
            np.array([[80, 200, 120, 300], [85, 205, 115, 260]], np.float32), np.array([0.9, 0.8], np.float32)
        )
        ids = set(tracker.update(nested, k / 10).track_id.tolist()) if k else set()
        if k == 0:
            tracker.update(people((100, 300, 40, 100)), -0.1)
            continue
        assert ids == {1}


def test_a_far_box_is_beyond_the_gate() -> None:
    for name in NAMES:
        tracker = make(name)
        for k in range(5):
            tracker.update(people((100, 300, 40, 100)), k / 10)
        assert 1 not in ids_of(tracker.update(people((600, 300, 40, 100)), 0.5))


def test_a_track_seen_once_is_given_up_sooner() -> None:
    tracker = make(max_lost_s=5.0)
    for k in range(10):
        boxes = [(100, 300, 40, 100)] + ([(500, 300, 40, 100)] if k == 9 else [])
        tracker.update(people(*boxes), k / 10)
    assert tracker.update(Detections.empty(), 3.0).track_id.tolist() == [1]


def test_paper_sort_lists_after_three_matches_and_ends_at_the_second_missed_frame() -> None:
    """Bewley et al. 2016: probation, then T_Lost = 1 whatever the frame rate; the first frames list all."""
    tracker, walker, late = Sort(TrackerConfig(), paper=True), (100, 300, 40, 100), (400, 300, 40, 100)
    listed = []
    for k in range(9):
        boxes = [walker] + ([late] if k >= 4 else [])
        listed.append(ids_of(tracker.update(people(*boxes), k * 1.0)))
    assert listed == [[1], [1], [1], [1], [1], [1], [1], [1, 2], [1, 2]]
    assert tracker.update(people(walker), 9.0).track_id.tolist() == [1, 2]
    assert tracker.update(people(walker), 10.0).track_id.tolist() == [1]


def test_five_hundred_people_in_every_frame_stay_bounded() -> None:
    """As many tracks as people, not one a box: memory is bounded by who is there."""
    rng = np.random.default_rng(0)
    grid = np.stack(np.meshgrid(np.arange(25) * 70.0, np.arange(20) * 130.0), axis=-1).reshape(-1, 2)
    for name in NAMES:
        tracker = make(name)
        for k in range(12):
            at = grid + rng.normal(0, 1.5, grid.shape) + 2.0 * k
            tracked = tracker.update(people(*[(x, y, 40, 100) for x, y in at]), k / 10)
        assert len(tracked) == 500
        assert (tracked.detection_row >= 0).all()
        assert tracked.track_id.max() == 500
