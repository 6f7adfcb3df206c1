"""Calibration files: every form gives the same floor, faults name file and field."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import UsageError
from pipeline.ground.calibration_file import calibrate, dump_calibrations, for_camera, read_entries
from pipeline.ground.floor import to_floor, to_image
from pipeline.types import Calibration
from synthetic.camera import PinholeCamera

SIZE = (1280, 720)
CAMERA = PinholeCamera.looking((0.5, -1.0, 3.0), (4.0, 4.0, 0.8), SIZE, 75.0)
LENS = [-0.2, 0.05, 0.001, -0.002, 0.0]
TRUE = Calibration(CAMERA.image_to_ground, CAMERA.K, tuple(LENS))
FLOOR = np.array([[1.5, 1.5], [4, 1.5], [3, 3], [1.5, 4.5], [5, 5], [6, 3], [2.5, 6]])
PAIRS = [{"image": p.tolist(), "floor": f.tolist()} for p, f in zip(to_image(FLOOR, TRUE, SIZE), FLOOR, strict=True)]
K, R, T = CAMERA.K.tolist(), CAMERA.R.tolist(), CAMERA.t
FORMS = {
    "points": {"points": PAIRS, "K": K, "distortion": LENS},
    "pose in mm": {"K": K, "R": R, "t": (1000 * T).tolist(), "dist": LENS, "unit": "mm"},
    "pose and homography": {
        "K": K,
        "R": R,
        "t": T.tolist(),
        "distortion": LENS,
        "image_to_ground": CAMERA.image_to_ground.tolist(),
    },
    "homography": {"image_to_ground": CAMERA.image_to_ground.tolist(), "K": K, "distortion": LENS},
}


def written(tmp_path: Path, data: object) -> Path:
    path = tmp_path / "c.json"
    path.write_text(json.dumps(data))
    return path


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_floor_and_survives_the_file(form: str, tmp_path: Path) -> None:
    path = written(tmp_path, {"cameras": {"hall": {"size_wh": list(SIZE), **FORMS[form]}}})
    found = calibrate(read_entries(path)["hall"], "hall")
    pixels = to_image(FLOOR, TRUE, SIZE)
    assert np.abs(to_floor(pixels, found.calibration, SIZE) - FLOOR).max() < 1e-3
    (tmp_path / "again.yaml").write_text(dump_calibrations({"hall": found}))
    again = for_camera(tmp_path / "again.yaml", "hall", SIZE)
    assert again is not None
    assert np.abs(to_floor(pixels, again, SIZE) - FLOOR).max() < 1e-3
    assert for_camera(tmp_path / "again.yaml", "yard", SIZE) is None


def test_an_entry_alone_serves_the_camera_that_asks(tmp_path: Path) -> None:
    assert for_camera(written(tmp_path, FORMS["points"]), "anything", SIZE) is not None
    named = written(tmp_path, {"camera_id": "hall", **FORMS["points"]})
    assert for_camera(named, "hall", SIZE) is not None
    assert for_camera(named, "yard", SIZE) is None


def test_a_smaller_copy_of_the_picture_is_converted_and_another_shape_refused(tmp_path: Path) -> None:
    path = written(tmp_path, {"size_wh": list(SIZE), **FORMS["points"]})
    half = for_camera(path, "hall", (640, 360))
    assert half is not None
    assert np.abs(to_floor(to_image(FLOOR, TRUE, SIZE) / 2, half, (640, 360)) - FLOOR).max() < 1e-3
    with pytest.raises(UsageError, match="calibrated on images of 1280x720, the video has 640x480"):
        for_camera(path, "hall", (640, 480))


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"points": PAIRS[:3]}, "3 pairs; a floor needs at least 4"),
        ({"points": PAIRS, "image_to_ground": K}, "one of points"),
        ({"K": K}, "one of points"),
        ({"K": K, "R": R, "t": (T * 1.01).tolist(), "image_to_ground": CAMERA.image_to_ground.tolist()}, "different"),
        ({"R": R, "t": T.tolist()}, "R needs K and t"),
        ({"points": PAIRS, "distortion": LENS}, "means nothing without K"),
        ({"points": PAIRS, "K": K, "distortion": [0.1]}, "has 1 numbers"),
        ({"image_to_ground": [[1, 0, 0], [0, 0, 0], [0, 0, 1]]}, "invertible"),
        ({"K": [[-1, 0, 0], [0, 1, 0], [0, 0, 1]], "R": R, "t": T.tolist()}, "positive focal"),
        ({"poinst": PAIRS}, "cameras.hall.poinst"),
        ({"points": [{"image": [1, 2], "floor": [1]}]}, r"cameras\.hall\.points\.0\.floor"),
        ({"points": [{"image": [1, 2], "floor": [1, 1e999]}]}, "valid number"),
        ({"K": K, "R": R, "t": T.tolist(), "unit": "feet"}, r"cameras\.hall\.unit"),
    ],
)
def test_faults_are_one_line_with_the_field(entry: dict[str, object], message: str, tmp_path: Path) -> None:
    path = written(tmp_path, {"cameras": {"hall": entry}})
    with pytest.raises(UsageError, match=message) as fault:
        for_camera(path, "hall", SIZE)
    assert str(path) in str(fault.value)
    assert "\n" not in str(fault.value)


def test_files_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_bytes(b"\xff\xfe\x00")
    for path, message in ((tmp_path / "b.yaml", "UTF-8"), (tmp_path / "absent.yaml", "cannot be read")):
        with pytest.raises(UsageError, match=message):
            read_entries(path)
    for data in ([1], {"cameras": {}}, {"cameras": {"a": 1}, "x": 2}):
        with pytest.raises(UsageError):
            read_entries(written(tmp_path, data))
