"""Boxes with ids to tracklets: interpolation, what is dropped, when a tracklet is out."""

import numpy as np
import pytest

from pipeline.config import TrackerConfig
from pipeline.stages.camera import Closed, TrackletBuilder
from pipeline.types import Detections, TrackedBoxes, Tracklet

PLAIN = TrackerConfig(min_observations=3, min_track_s=0.2, smooth_s=0.0)


def feed(
    builder: TrackletBuilder, frame: int, time_s: float, rows: dict[int, tuple[float, bool]], confidence: float = 0.8
) -> Closed:
    """One frame: id -> (x of the box, observed)."""
    boxes = np.array([[x, 10, x + 40, 110] for x, _ in rows.values()], np.float32).reshape(-1, 4)
    seen = [observed for _, observed in rows.values()]
    index = np.where(seen, np.cumsum(seen) - 1, -1)
    detections = Detections(boxes[seen], np.full(sum(seen), confidence))
    return builder.add(frame, time_s, TrackedBoxes(list(rows), boxes, index), detections)


def one(closed: Closed) -> Tracklet:
    assert len(closed.tracklets) == 1
    return closed.tracklets[0]


def test_gaps_are_interpolated_in_time_and_the_tail_is_cut() -> None:
    """Uneven times: the box of a gap lies by PTS, not by frame number; predictions after the last box go."""
    builder = TrackletBuilder("lobby", PLAIN)
    for frame, time_s, x, observed in [
        (0, 0.0, 0.0, True),
        (1, 0.1, 10.0, True),
        (2, 0.4, 999.0, False),
        (5, 0.5, 50.0, True),
        (6, 0.6, 60.0, True),
        (7, 0.7, 777.0, False),
        (8, 0.8, 888.0, False),
    ]:
        assert feed(builder, frame, time_s, {7: (x, observed)}) == Closed()
    tracklet = one(builder.finish())
    assert tracklet.key == ("lobby", 7)
    assert tracklet.frame_index.tolist() == [0, 1, 2, 5, 6]
    np.testing.assert_allclose(tracklet.xyxy[:, 0], [0, 10, 40, 50, 60], atol=1e-4)
    assert tracklet.observed.tolist() == [True, True, False, True, True]
    np.testing.assert_allclose(tracklet.confidence, [0.8, 0.8, 0.0, 0.8, 0.8])
    assert builder.finish() == Closed()


def test_a_tracklet_is_out_when_its_id_is_no_longer_listed() -> None:
    builder = TrackletBuilder("a", PLAIN)
    for k in range(5):
        feed(builder, k, k / 10, {1: (k, True), 2: (k + 100, True)})
    closed = feed(builder, 5, 0.5, {2: (105.0, True)})
    assert one(closed).key == ("a", 1)
    assert closed.dropped_ids == ()
    assert one(builder.finish()).frame_index.tolist() == [0, 1, 2, 3, 4, 5]


def test_tentative_tracks_are_dropped_and_named() -> None:
    """Two boxes are too few; three within 0.1 s are too short; a confirmed one keeps its first box."""
    builder = TrackletBuilder("a", PLAIN)
    for k in range(30):
        rows = {1: (float(k), True)}
        if k < 2:
            rows[2] = (200.0, True)
        if 10 <= k < 13:
            rows[3] = (300.0, True)
        closed = feed(builder, k, k / 30, rows)
        assert closed.tracklets == ()
        assert closed.dropped_ids == ({2: (2,), 13: (3,)}.get(k, ()))
    assert one(builder.finish()).frame_index[0] == 0


def test_observations_count_not_the_frames_listed() -> None:
    builder = TrackletBuilder("a", PLAIN)
    for k in range(20):
        feed(builder, k, k / 10, {1: (0.0, k in (0, 15))})
    assert builder.finish() == Closed(dropped_ids=(1,))


@pytest.mark.parametrize("frames", [1, 2])
def test_the_people_of_a_video_shorter_than_the_rule_are_kept(frames: int) -> None:
    """A photo as a video must not come out empty."""
    builder = TrackletBuilder("a", PLAIN)
    for k in range(frames):
        feed(builder, k, k / 30, {1: (0.0, True), 2: (100.0, k == 0)})
    closed = builder.finish()
    assert [t.key[1] for t in closed.tracklets] == ([1, 2] if frames == 1 else [1])


def test_smoothing_keeps_a_straight_walk_and_calms_jitter() -> None:
    config = TrackerConfig(min_observations=3, min_track_s=0.2, smooth_s=0.15)
    rng = np.random.default_rng(0)
    straight, shaky = TrackletBuilder("a", config), TrackletBuilder("a", config)
    noise = rng.normal(0, 3, 60)
    for k in range(60):
        feed(straight, k, k / 30, {1: (2.0 * k, True)})
        feed(shaky, k, k / 30, {1: (2.0 * k + noise[k], True)})
    walk = 2.0 * np.arange(60)
    np.testing.assert_allclose(one(straight.finish()).xyxy[:, 0], walk, atol=1e-3)
    assert np.std(one(shaky.finish()).xyxy[:, 0] - walk) < 0.5 * np.std(noise)


def test_smoothing_does_not_mix_what_lies_before_and_after_a_gap() -> None:
    """Two people 60 px apart, 0.65 s between them: the boxes at the gap's edges stood 11 px off."""
    builder = TrackletBuilder("a", TrackerConfig(min_observations=3, min_track_s=0.2))
    for k in range(40):
        feed(builder, k, k / 20, {1: (100.0 if k < 20 else 160.0, not 15 <= k < 27)})
    tracklet = one(builder.finish())
    np.testing.assert_allclose(tracklet.xyxy[:15, 0], 100.0, atol=1e-3)
    np.testing.assert_allclose(tracklet.xyxy[27:, 0], 160.0, atol=1e-3)
    assert (np.diff(tracklet.xyxy[14:28, 0]) > 0).all(), "between them it is interpolated as before"


def test_frames_must_come_in_order() -> None:
    builder = TrackletBuilder("a", PLAIN)
    feed(builder, 0, 1.0, {})
    with pytest.raises(ValueError, match="order of time"):
        feed(builder, 1, 1.0, {})


def test_an_empty_video_gives_nothing() -> None:
    assert TrackletBuilder("a", PLAIN).finish() == Closed()
