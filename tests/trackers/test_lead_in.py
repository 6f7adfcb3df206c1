"""Weak boxes before a track's first sure one: taken where they lead to it, and left where they do not."""

import numpy as np
import pytest

from pipeline.config import TrackerConfig
from pipeline.stages.camera import TrackletBuilder
from pipeline.types import Detections, Tracklet
from trackers import build_tracker

STEP_S = 0.1
FIRST_SURE = 6


def follow(weak: dict[int, float], lead_in_s: float = 1.0, low_confidence: float = 0.1) -> list[Tracklet]:
    """One walks right by 5 px a frame, sure from frame 6 on; `weak`: frame -> x of a box of confidence 0.3."""
    config = TrackerConfig(smooth_s=0.0, lead_in_s=lead_in_s, low_confidence=low_confidence)
    tracker, builder = build_tracker(config), TrackletBuilder("a", config)
    for frame in range(20):
        boxes = [(5.0 * frame, 0.9)] if frame >= FIRST_SURE else []
        boxes += [(weak[frame], 0.3)] if frame in weak else []
        xyxy = np.array([[x, 10, x + 40, 110] for x, _ in boxes], np.float32).reshape(-1, 4)
        detections = Detections(xyxy, np.array([confidence for _, confidence in boxes], np.float32))
        builder.add(frame, frame * STEP_S, tracker.update(detections, frame * STEP_S), detections)
    return list(builder.finish().tracklets)


def test_weak_boxes_on_the_way_lead_to_the_first_sure_one() -> None:
    """A frame without a box between them is interpolated and marked as not observed."""
    (tracklet,) = follow({2: 10.0, 3: 15.0, 5: 25.0})
    assert tracklet.frame_index.tolist() == list(range(2, 20))
    assert tracklet.observed.tolist() == [True, True, False, *[True] * 15]
    np.testing.assert_allclose(tracklet.confidence[:5], [0.3, 0.3, 0, 0.3, 0.9], atol=1e-6)
    np.testing.assert_allclose(tracklet.xyxy[:, 0], 5.0 * np.arange(2, 20), atol=2.0)


@pytest.mark.parametrize(
    ("weak", "lead_in_s", "low_confidence"),
    [
        ({4: 20.0, 5: 25.0}, 0.0, 0.1),
        ({4: 120.0, 5: 125.0}, 1.0, 0.1),
        ({1: 5.0}, 1.0, 0.1),
        ({4: 20.0, 5: 25.0}, 1.0, 0.35),
    ],
    ids=["turned off", "elsewhere", "too long before", "weaker than a box that continues a track"],
)
def test_other_boxes_are_left(weak: dict[int, float], lead_in_s: float, low_confidence: float) -> None:
    (tracklet,) = follow(weak, lead_in_s, low_confidence)
    assert tracklet.frame_index[0] == FIRST_SURE


def test_who_was_never_sure_is_no_track() -> None:
    """Weak boxes lengthen tracks; they make none, and they do not count for what a tracklet wants."""
    config = TrackerConfig(min_observations=4)
    tracker, builder = build_tracker(config), TrackletBuilder("a", config)
    for frame in range(12):
        confidence = 0.9 if frame in (6, 7) else 0.3 if frame < 6 else 0.0
        boxes = np.array([[5.0 * frame, 10, 5.0 * frame + 40, 110]], np.float32)[: int(confidence > 0)]
        detections = Detections(boxes, np.full(len(boxes), confidence, np.float32))
        builder.add(frame, frame * STEP_S, tracker.update(detections, frame * STEP_S), detections)
    assert builder.finish().tracklets == ()


@pytest.mark.parametrize("every_n", [1, 4, 10])
def test_a_detector_that_looks_at_every_nth_frame_is_led_back_too(every_n: int) -> None:
    """A look every 0.3 s or more was as long as a track may be unseen, which was reckoned from all frames."""
    config = TrackerConfig(smooth_s=0.0)
    tracker, builder = build_tracker(config), TrackletBuilder("a", config)
    for frame in range(200):
        if frame % every_n:
            builder.pass_over(frame, frame / 25)
            continue
        boxes = np.array([[frame, 10, frame + 40, 110]], np.float32)[: int(frame >= 20)]
        detections = Detections(boxes, np.full(len(boxes), 0.9 if frame >= 40 else 0.3, np.float32))
        builder.add(frame, frame / 25, tracker.update(detections, frame / 25), detections)
    (tracklet,) = builder.finish().tracklets
    assert tracklet.frame_index.tolist() == list(range(20, tracklet.frame_index[-1] + 1))
    assert tracklet.observed[:20].sum() == 20 // every_n
