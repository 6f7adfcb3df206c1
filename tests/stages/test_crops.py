"""The crops chosen of a tracklet: best, spread in time, bounded."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.config import CropConfig
from pipeline.stages.crops import CropSampler, box_quality, sharpness
from pipeline.types import Detections, Frame, TrackedBoxes


def frame(index: int, *, fps: float = 10.0, blur: bool = False, size: tuple[int, int] = (240, 320)) -> Frame:
    """A frame of noise (sharp), or of flat grey (no detail at all)."""
    rng = np.random.default_rng(index)
    image = np.full((*size, 3), 127, np.uint8) if blur else rng.integers(0, 256, (*size, 3), dtype=np.uint8)
    return Frame("cam", index, index / fps, image)


def one(box: tuple[float, float, float, float], confidence: float = 0.9) -> tuple[TrackedBoxes, Detections]:
    detections = Detections(np.array([box], np.float32), np.array([confidence], np.float32))
    return TrackedBoxes(np.array([1]), detections.xyxy, np.array([0])), detections


BOX = (100.0, 50.0, 140.0, 150.0)


def test_memory_is_bounded_and_crops_are_spread_over_the_whole_tracklet() -> None:
    sampler = CropSampler("cam", CropConfig(per_tracklet=5, spread=10))
    for index in range(3000):
        sampler.offer(frame(index), *one(BOX))
        assert sampler.waiting <= 10
    crops = sampler.take(1)
    assert 5 < len(crops) <= 10
    times = [crop.time_s for crop in crops]
    assert times == sorted(times)
    slot_s = 0.4 * 2**7
    assert [int(t // slot_s) for t in times] == list(range(len(times))), "every part of the 300 s has its crop"
    assert sampler.waiting == 0
    assert sampler.take(1) == []


def test_sharp_crops_win_over_blurred_ones_of_the_same_slot() -> None:
    sampler = CropSampler("cam", CropConfig(per_tracklet=1, spread=1, slot_s=100.0))
    for index in range(9):
        sampler.offer(frame(index, blur=index != 4), *one(BOX))
    (crop,) = sampler.take(1)
    assert crop.frame_index == 4
    assert crop.image.shape == (100, 40, 3)


def test_damaged_frames_predicted_boxes_and_tiny_people_give_no_crop() -> None:
    sampler = CropSampler("cam", CropConfig())
    tracked, detections = one(BOX)
    whole = frame(0)
    sampler.offer(Frame("cam", 0, 0.0, whole.image, damaged=True), tracked, detections)
    predicted = TrackedBoxes(tracked.track_id, tracked.xyxy, np.array([-1]))
    sampler.offer(frame(1), predicted, detections)
    sampler.offer(frame(2), *one((100.0, 50.0, 108.0, 70.0)))
    assert sampler.take(1) == []


def test_a_tall_crop_is_kept_at_the_height_the_network_wants() -> None:
    sampler = CropSampler("cam", CropConfig(max_height_px=128))
    sampler.offer(frame(0, size=(600, 400)), *one((100.0, 50.0, 300.0, 562.0)))
    (crop,) = sampler.take(1)
    assert crop.image.shape == (128, 50, 3)


def test_forgotten_tracks_give_nothing() -> None:
    sampler = CropSampler("cam", CropConfig())
    sampler.offer(frame(0), *one(BOX))
    sampler.forget(1)
    assert sampler.take(1) == []


def test_quality_falls_with_cover_and_at_the_image_edge() -> None:
    boxes = np.array([[100, 50, 140, 150], [110, 60, 150, 165], [0, 50, 40, 150], [220, 50, 260, 150]], np.float32)
    covered, in_front, cut, free = box_quality(Detections(boxes, np.full(4, 0.9, np.float32)), (320, 240))
    assert covered < in_front < free
    assert cut == pytest.approx(0.4 * free)
    assert len(box_quality(Detections.empty(), (320, 240))) == 0


def test_the_shape_of_a_person_is_that_which_is_shown() -> None:
    """40 x 100 stored px that are shown half as wide are a person of 1 to 5: a part, or a pole."""
    person = one((100, 50, 140, 150))[1]
    shown = [float(box_quality(person, (320, 240), aspect)[0]) for aspect in (1.0, 0.5, 2.0)]
    assert shown[1] == pytest.approx(shown[0] * 4.5 / 5)
    assert shown[2] == pytest.approx(shown[0] * 1.25 / 1.4)


def test_sharpness_orders_noise_above_its_own_blur() -> None:
    import cv2  # noqa: PLC0415

    noise = frame(0).image
    assert (
        0.0 <= sharpness(np.full_like(noise, 90)) < sharpness(cv2.GaussianBlur(noise, (9, 9), 4)) < sharpness(noise) < 1
    )


def test_at_least_the_crops_that_describe_a_person_are_kept() -> None:
    assert CropSampler("cam", CropConfig(per_tracklet=9, spread=4)).most == 9
