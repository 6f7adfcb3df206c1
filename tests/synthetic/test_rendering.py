"""Pictures and their truth: what is drawn is where the truth says, and how much of it is seen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from detectors import build_detector
from pipeline import geometry
from pipeline.config import DetectorConfig, RuntimeConfig
from pipeline.types import Frame
from synthetic import truth
from synthetic.appearance import draw_looks
from synthetic.camera import PinholeCamera
from synthetic.floor import Box, Floor, Room
from synthetic.gait import Stance
from synthetic.recording import record
from synthetic.renderer import Renderer, Wardrobe
from synthetic.scenario import build_scenario
from synthetic.sensor import Sensor, SensorModel

SIZE = (320, 180)


@pytest.fixture(scope="module")
def wardrobe() -> Wardrobe:
    return Wardrobe(draw_looks(4, np.random.default_rng(0)))


@pytest.fixture(scope="module")
def camera() -> PinholeCamera:
    return PinholeCamera.looking((0.0, 0.0, 2.6), (8.0, 0.0, 0.9), SIZE, 70)


@pytest.fixture(scope="module")
def renderer(wardrobe, camera) -> Renderer:
    return Renderer(Floor((Room((-2, -8), (14, 8)),), (), (), (), ()), camera, wardrobe)


def test_a_person_is_drawn_where_the_box_says(renderer, camera) -> None:
    empty, _ = renderer.draw([])
    image, (seen,) = renderer.draw([(0, Stance(6.0, 0.5, 2.0, 0.2, 1.3))])
    changed = np.abs(image.astype(int) - empty).max(axis=2) > 40
    rows, columns = np.nonzero(changed)
    x1, y1, x2, y2 = seen.visible
    inside = (columns >= x1 - 1) & (columns <= x2 + 1) & (rows >= y1 - 1) & (rows <= y2 + 1)
    assert len(rows) > 300 and inside.mean() > 0.97  # the rest is shadow on the floor
    assert seen.visibility > 0.97
    np.testing.assert_allclose(seen.visible, seen.whole, atol=1.2)
    feet, _ = camera.project(np.array([[6.0, 0.5, 0.0]]))
    assert (x1 + x2) / 2 == pytest.approx(feet[0, 0], abs=6) and y2 == pytest.approx(feet[0, 1], abs=6)


def test_who_stands_behind_is_hidden_and_the_visible_part_is_exact(renderer) -> None:
    front, back = Stance(4.6, 0.0, 3.1, 0.1, 0.0), Stance(7.5, 0.15, 3.1, 0.1, 0.0)
    _, alone = renderer.draw([(1, back)])
    _, both = renderer.draw([(0, front), (1, back)])
    by_person = {seen.person: seen for seen in both}
    assert by_person[0].visibility > 0.97
    assert by_person[1].visibility < 0.7 < alone[0].visibility
    assert by_person[1].whole == alone[0].whole
    x1, y1, x2, y2 = by_person[1].visible
    wx1, wy1, wx2, wy2 = by_person[1].whole
    assert x1 >= wx1 - 1 and y1 >= wy1 - 1 and x2 <= wx2 + 1 and y2 <= wy2 + 1


def test_a_pillar_hides_people_behind_it_and_not_before_it(wardrobe, camera) -> None:
    pillar = Box((5.0, -0.4), (5.6, 0.4), 3.2, "pillar")
    renderer = Renderer(Floor((Room((-2, -8), (14, 8)),), (), (), (), (pillar,)), camera, wardrobe)
    _, behind = renderer.draw([(0, Stance(8.0, 0.0, 0.0, 0.0, 0.0))])
    _, before = renderer.draw([(0, Stance(4.0, 0.0, 0.0, 0.0, 0.0))])
    assert not behind or behind[0].visibility < 0.1
    assert before[0].visibility > 0.97


def test_at_the_edge_the_box_goes_on_and_counts_as_hidden(renderer) -> None:
    _, seen = renderer.draw([(0, Stance(5.0, 3.4, 0.0, 0.0, 0.0))])
    assert seen[0].whole[0] < 0
    assert seen[0].visibility < 0.9
    assert truth.cut_box(seen[0], SIZE)[0] == 0


def test_truth_lists_those_who_can_be_seen(renderer) -> None:
    _, seen = renderer.draw([(0, Stance(4.0, 0.0, 3.1, 0.1, 0.0)), (1, Stance(9.0, 0.0, 3.1, 0.1, 0.0))])
    hidden = [replace(one, visibility=0.1) if one.person == 1 else one for one in seen]
    rows = truth.mot_rows(4, hidden, SIZE).splitlines()
    assert len(rows) == 1 and rows[0].startswith("5,1,")
    assert len(truth.table_rows(4, hidden).splitlines()) == 2
    left, top, width, height = map(float, rows[0].split(",")[2:6])
    np.testing.assert_allclose([left, top, left + width, top + height], truth.cut_box(seen[-1], SIZE), atol=0.011)


def test_rendering_twice_gives_equal_pictures() -> None:
    scene = build_scenario(4, people=3, cameras=1, duration_s=0.5, size_wh=(160, 96), fps=6)
    first, second = (list(record(scene, scene.cameras[0])) for _ in range(2))
    assert len(first) == 3
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a.image, b.image)
        assert a.seen == b.seen
    assert any(np.any(first[0].image != shot.image) for shot in first[1:])


def test_the_sensor_changes_what_its_model_says() -> None:
    image = np.full((64, 96, 3), (40, 120, 200), np.uint8)
    clean = SensorModel(blur_px=0, noise=0)
    np.testing.assert_array_equal(Sensor(clean, (96, 64), 1)(image), image)
    darker = Sensor(replace(clean, exposure=0.5), (96, 64), 1)(image)
    np.testing.assert_allclose(darker.mean(axis=(0, 1)), (20, 60, 100), atol=1)
    noisy = Sensor(replace(clean, noise=5.0), (96, 64), 1)(image)
    assert 2 < (noisy.astype(float) - image).std() < 9
    grey = Sensor(replace(clean, infrared=True), (96, 64), 1)(image)
    assert (grey[..., 0] == grey[..., 2]).all()
    blocks = Sensor(replace(clean, jpeg=10), (96, 64), 1)(noisy)
    assert blocks.shape == image.shape and np.any(blocks != noisy)


def test_a_detector_trained_on_real_people_sees_them() -> None:
    """The bar: at least 70 % of unoccluded people of 60 px or more at confidence 0.25."""
    model = Path(__file__).resolve().parents[2].parent / "shared" / "models" / "yolo11n_int8_openvino_model"
    if not model.is_dir():
        pytest.skip("../shared/models is not here")
    detector = build_detector(DetectorConfig(model=str(model)), RuntimeConfig(threads=1))
    found = people = 0
    for seed in (11,):
        scene = build_scenario(seed, people=10, cameras=1, duration_s=8, size_wh=(640, 360), fps=1)
        for shot in record(scene, scene.cameras[0]):
            boxes = detector.detect([Frame("cam1", shot.index, shot.time_s, shot.image)])[0].xyxy
            for seen in shot.seen:
                if seen.visibility > 0.9 and seen.visible[3] - seen.visible[1] >= 60:
                    people += 1
                    box = truth.cut_box(seen, (640, 360))[None]
                    found += bool(geometry.iou(box, boxes.astype(np.float64)).max(initial=0) >= 0.5)
    assert people >= 30
    assert found / people >= 0.7
