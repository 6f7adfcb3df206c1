"""Clothes decide where boxes alone cannot: who is who after two people crossed."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.config import TrackerConfig
from pipeline.stages.colours import BANDS, band_colours
from pipeline.types import Detections
from trackers.bytetrack import GATE, ByteTrack
from trackers.colours import ColourMemory, ColourScale, clear_share

RED, GREEN, GREY = (45.0, 60.0, 40.0), (50.0, -45.0, 35.0), (50.0, 0.0, 0.0)


def clothes(*colours: tuple[float, float, float]) -> np.ndarray:
    """`(N, BANDS, 3)`: each person in one colour."""
    return np.array([[colour] * BANDS for colour in colours], np.float32)


def meet_and_turn(*, coloured: bool) -> dict[int, set[int]]:
    """Two people walk towards each other, stand as one box for 0.6 s and walk back; whom each track covered."""
    tracker, covered = ByteTrack(TrackerConfig()), dict[int, set[int]]()
    for frame in range(61):
        away = abs(30 - frame) * 6.0 - 18.0
        together = away <= 0
        centres = [300.0] if together else [300.0 - away, 300.0 + away]
        boxes = np.array([[x - 20, 100, x + 20, 200] for x in centres], np.float32)
        colours = clothes(RED, GREEN)[: len(boxes)] if coloured else None
        found = Detections(boxes, np.full(len(boxes), 0.9, np.float32), 0, colours)
        tracked = tracker.update(found, frame / 10)
        for identity, row in zip(tracked.track_id, tracked.detection_row, strict=True):
            if row >= 0 and not together:
                covered.setdefault(int(identity), set()).add(int(row))
    return covered


def test_people_who_meet_and_turn_back_keep_their_numbers_by_their_clothes():
    assert any(len(people) > 1 for people in meet_and_turn(coloured=False).values())
    assert all(len(people) == 1 for people in meet_and_turn(coloured=True).values())


def test_without_colours_nothing_changes():
    """A weight of 0 and boxes without colours are the same tracker."""
    rng = np.random.default_rng(5)
    off = ByteTrack(TrackerConfig(), gate=type(GATE)(colour=0.0))
    plain = ByteTrack(TrackerConfig())
    for frame in range(40):
        left = np.array([50.0, 90, 200]) + 5 * frame + rng.normal(0, 2, 3)
        boxes = np.column_stack([left, np.full(3, 60), left + 30, np.full(3, 150)]).astype(np.float32)
        sure = np.full(3, 0.8, np.float32)
        one = off.update(Detections(boxes, sure, 0, clothes(RED, GREEN, GREY)), frame / 10)
        two = plain.update(Detections(boxes, sure), frame / 10)
        assert (one.track_id == two.track_id).all()
        assert (one.xyxy == two.xyxy).all()


def test_alike_is_cheap_unlike_is_dear_and_the_unknown_is_neutral():
    memory, ids = ColourMemory(ColourScale()), np.array([3, 8])
    memory.learn(ids, np.array([0]), clothes(RED).astype(np.float64), np.ones(1), 0.1)
    cost = memory.cost(ids, clothes(RED, GREEN).astype(np.float64), np.ones(2))
    assert cost[0, 0] == pytest.approx(-ColourScale().neutral)
    assert cost[0, 1] > 1
    assert (cost[1] == 0).all()
    covered = memory.cost(ids, clothes(RED, GREEN).astype(np.float64), np.array([0.0, 0.5]))
    assert covered[0] == pytest.approx(cost[0] * [0, 0.5])


def test_memory_follows_the_ids_and_forgets_who_left():
    memory = ColourMemory(ColourScale())
    memory.learn(np.array([1, 2, 5]), np.array([0, 1, 2]), clothes(GREY, RED, GREEN).astype(float), np.ones(3), 0.1)
    seen = clothes(RED, GREEN).astype(float)
    cost = memory.cost(np.array([2, 5, 9]), seen, np.ones(2))
    assert cost[0, 0] < 0 < cost[0, 1]
    assert cost[1, 1] < 0 < cost[1, 0]
    assert (cost[2] == 0).all()


def test_what_is_covered_is_hardly_learned():
    ids, memory = np.array([1]), ColourMemory(ColourScale())
    memory.learn(ids, np.array([0]), clothes(RED).astype(float), np.ones(1), 0.1)
    for _ in range(20):
        memory.learn(ids, np.array([0]), clothes(GREEN).astype(float), np.array([0.1]), 0.1)
    cost = memory.cost(ids, clothes(RED, GREEN).astype(float), np.ones(2))
    assert cost[0, 0] < 0 < cost[0, 1]
    for _ in range(40):
        memory.learn(ids, np.array([0]), clothes(GREEN).astype(float), np.ones(1), 0.1)
    cost = memory.cost(ids, clothes(RED, GREEN).astype(float), np.ones(2))
    assert cost[0, 1] < 0 < cost[0, 0]


def test_who_stands_lower_covers():
    boxes = np.array([[0, 0, 10, 20], [5, 0, 15, 25], [40, 0, 50, 20]], float)
    assert clear_share(boxes) == pytest.approx([0.5, 1, 1])
    assert clear_share(np.zeros((0, 4))).shape == (0,)


def test_bands_are_read_where_they_are():
    """Red above, blue below; a box over the edge of the image is read at the edge."""
    image = np.zeros((100, 60, 3), np.uint8)
    image[:50], image[50:] = (0, 0, 255), (255, 0, 0)
    colours = band_colours(image, np.array([[10, 0, 40, 100], [-30, -40, 20, 140], [5, 5, 6, 6]], np.float32))
    assert colours.shape == (3, BANDS, 3)
    assert (colours[0, :2, 1] > 60).all() and (colours[0, :2, 2] > 50).all()
    assert (colours[0, -2:, 2] < -80).all()
    assert np.isfinite(colours).all()
    assert band_colours(image, np.zeros((0, 4), np.float32)).shape == (0, BANDS, 3)
