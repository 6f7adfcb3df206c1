"""Files of calibrations and of point pairs, YAML or JSON.

One form for both: `cameras: {<camera id>: {...}}`, or one camera's entry alone. An entry is one of
- `points: [{image: [x, y], floor: [X, Y]}, ...]`, px and m, and perhaps `K` and `distortion` of the lens;
- `K`, `R`, `t` with `pixel ~ K (R X + t)`, and perhaps `distortion` (also `dist`) and `unit: mm`;
- `image_to_ground`, the homography itself, of ideal pixels where `K` and `distortion` are given. It may stand beside
  `K`, `R`, `t`, as in the files of `run.py synthesize`, and must then say the same.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline import yaml_strict
from pipeline.errors import UsageError
from pipeline.ground.homography import HomographyFit, fit_homography, homography_from_pose
from pipeline.ground.lens import DISTORTION_LENGTHS, undistort
from pipeline.types import Calibration, Float64

MAX_BYTES = 1_000_000
UNITS_M = {"m": 1.0, "cm": 0.01, "mm": 0.001}

Row = tuple[float, float, float]
Matrix = tuple[Row, Row, Row]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class PointPair(_Strict):
    """One pair: `image` px, `floor` in the entry's unit."""

    image: tuple[float, float]
    floor: tuple[float, float]
    name: str | None = None


class CalibrationEntry(_Strict):
    """What is known of one camera; see the module's docstring."""

    camera_id: str | None = None
    size_wh: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]] | None = None
    points: tuple[PointPair, ...] | None = None
    K: Matrix | None = None
    R: Matrix | None = None
    t: Row | None = None
    distortion: tuple[float, ...] = ()
    unit: Literal["m", "cm", "mm"] = "m"
    image_to_ground: Matrix | None = None
    error_m: Annotated[float, Field(ge=0.0)] = 0.0


@dataclass(frozen=True, slots=True)
class Calibrated:
    """A camera's calibration, the image size it holds for (None = not told) and, from points (px, m), their fit."""

    calibration: Calibration
    size_wh: tuple[int, int] | None
    fit: HomographyFit | None
    points: tuple[PointPair, ...] = ()


def read_entries(path: Path) -> dict[str, CalibrationEntry]:
    """Camera id (or "" for an entry alone that names none) to entry. Raises UsageError that names file and field."""
    data = _read(path)
    if not isinstance(data, dict):
        raise UsageError(f"{path}: wants `cameras: {{<camera id>: {{points: ...}}}}` or one camera's entry")
    if "cameras" in data:
        unknown = sorted(set(data) - {"cameras", "schema_version"})
        if unknown or not isinstance(data["cameras"], dict) or not data["cameras"]:
            raise UsageError(f"{path}: {unknown[0]!r} is no key here; wants `cameras: {{<camera id>: ...}}`"
                             if unknown else f"{path}: `cameras` holds no camera")  # fmt: skip
        return {str(name): _entry(path, f"cameras.{name}", entry) for name, entry in data["cameras"].items()}
    if data and all(isinstance(value, dict) and "K" in value for value in data.values()):  # one camera's K, R, t a name
        return {str(name): _entry(path, str(name), entry) for name, entry in data.items()}
    entry = _entry(path, "", data)
    return {entry.camera_id or "": entry}


def calibrate(entry: CalibrationEntry, where: str) -> Calibrated:
    """The calibration of an entry. `where` leads the message of the UsageError that a bad one raises."""
    try:
        return _calibrate(entry)
    except UsageError as fault:
        raise UsageError(f"{where}: {fault}") from None
    except np.linalg.LinAlgError:
        raise UsageError(f"{where}: the matrix cannot be inverted") from None


def dump_calibrations(found: Mapping[str, Calibrated]) -> str:
    """The YAML text that `read_entries` reads back."""
    cameras = {}
    for name, one in found.items():
        c = one.calibration
        entry: dict[str, Any] = {} if one.size_wh is None else {"size_wh": list(one.size_wh)}
        entry["image_to_ground"] = c.image_to_ground.tolist()
        if c.camera_matrix is not None and c.distortion:
            entry |= {"K": c.camera_matrix.tolist(), "distortion": list(c.distortion)}
        cameras[name] = entry | {"error_m": round(c.error_m, 4)}
    return yaml_strict.dump({"cameras": cameras})


def for_camera(path: Path, camera_id: str, size_wh: tuple[int, int]) -> Calibration | None:
    """The calibration of a camera from a file, None if the file holds none of it; an entry alone fits any camera.

    Raises UsageError, also when the file's image size has another shape than `size_wh`; another scale is converted.
    """
    entries = read_entries(path)
    entry = entries.get(camera_id) or (entries.get("") if len(entries) == 1 else None)
    if entry is None:
        return None
    return scaled(calibrate(entry, f"{path}: camera {camera_id}"), size_wh, f"{path}: camera {camera_id}")


def scaled(found: Calibrated, size_wh: tuple[int, int], where: str) -> Calibration:
    """The calibration for an image of `size_wh`: as it is, or scaled when the same picture is stored smaller."""
    calibration = found.calibration
    if found.size_wh is None or found.size_wh == size_wh:
        return calibration
    sx, sy = size_wh[0] / found.size_wh[0], size_wh[1] / found.size_wh[1]
    if abs(sx / sy - 1.0) > 0.01:
        was, now = (f"{w}x{h}" for w, h in (found.size_wh, size_wh))
        raise UsageError(f"{where}: calibrated on images of {was}, the video has {now}: calibrate it on its own frames")
    scale = np.diag([sx, sy, 1.0])
    camera_matrix = None if calibration.camera_matrix is None else scale @ calibration.camera_matrix
    return Calibration(
        calibration.image_to_ground @ np.linalg.inv(scale), camera_matrix, calibration.distortion, calibration.error_m
    )


def _calibrate(entry: CalibrationEntry) -> Calibrated:
    given = [name for name in ("points", "image_to_ground", "R") if getattr(entry, name) is not None]
    if len(given) != 1 and given != ["image_to_ground", "R"]:
        raise UsageError("wants one of points, image_to_ground, or K with R and t"
                         + (f"; got {' and '.join(given)}" if given else ""))  # fmt: skip
    if len(entry.distortion) not in DISTORTION_LENGTHS:
        raise UsageError(f"distortion has {len(entry.distortion)} numbers; wants k1, k2, p1, p2[, k3[, k4, k5, k6]]")
    if entry.distortion and entry.K is None:
        raise UsageError("distortion means nothing without K")
    unit = UNITS_M[entry.unit]
    camera_matrix = None if entry.K is None else _camera_matrix(entry.K)
    lens = camera_matrix if entry.distortion else None
    fit = None
    error_m = entry.error_m
    if entry.points is not None:
        image = np.array([pair.image for pair in entry.points], np.float64).reshape(-1, 2)
        floor = np.array([pair.floor for pair in entry.points], np.float64).reshape(-1, 2) * unit
        ideal = image if lens is None else undistort(image, lens, entry.distortion)
        if not np.isfinite(ideal).all():
            bad = int(np.flatnonzero(~np.isfinite(ideal).all(axis=1))[0]) + 1
            raise UsageError(
                f"points: pair {bad} lies where the lens model folds; are K and distortion of this camera?"
            )
        fit = fit_homography(ideal, floor)
        matrix = fit.image_to_ground
        error_m = fit.left_out_m if fit.left_out_m is not None else fit.error_m
    elif entry.R is None:
        matrix = _given_matrix(entry)
    else:
        if camera_matrix is None or entry.t is None:
            raise UsageError("R needs K and t beside it: pixel ~ K (R X + t)")
        matrix = homography_from_pose(
            camera_matrix, np.array(entry.R, np.float64), np.array(entry.t, np.float64) * unit
        )
        if entry.image_to_ground is not None and not _alike(matrix, _given_matrix(entry)):
            raise UsageError("image_to_ground and K, R, t say different things; leave one of them out")
    return Calibrated(Calibration(matrix, lens, entry.distortion, error_m), entry.size_wh, fit, _in_metres(entry))


def _given_matrix(entry: CalibrationEntry) -> Float64:
    matrix = np.array(entry.image_to_ground, np.float64)
    if abs(np.linalg.det(matrix)) < 1e-15 * np.linalg.norm(matrix) ** 3:
        raise UsageError("image_to_ground must be an invertible 3x3 matrix")
    unit = UNITS_M[entry.unit]
    return np.diag([unit, unit, 1.0]) @ matrix


def _alike(one: Float64, two: Float64) -> bool:
    """Whether two homographies to the floor (m) are one but for their scale and the digits that a file rounds to."""
    there_and_back = one @ np.linalg.inv(two)
    return bool(np.allclose(there_and_back, there_and_back[2, 2] * np.eye(3), atol=1e-3 * abs(there_and_back[2, 2])))


def _in_metres(entry: CalibrationEntry) -> tuple[PointPair, ...]:
    unit = UNITS_M[entry.unit]
    return tuple(
        PointPair(image=pair.image, floor=(pair.floor[0] * unit, pair.floor[1] * unit), name=pair.name)
        for pair in entry.points or ()
    )


def _camera_matrix(rows: Matrix) -> Float64:
    matrix = np.array(rows, np.float64)
    if matrix[0, 0] <= 0 or matrix[1, 1] <= 0 or not np.allclose(matrix[2], (0, 0, 1)):
        raise UsageError("K must be [[fx, s, cx], [0, fy, cy], [0, 0, 1]] with positive focal lengths, px")
    return matrix


def _entry(path: Path, where: str, data: Any) -> CalibrationEntry:
    if isinstance(data, dict) and "dist" in data and "distortion" not in data:
        data = {("distortion" if key == "dist" else key): value for key, value in data.items()}
    try:
        return CalibrationEntry.model_validate_json(json.dumps(data))
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join([where, *map(str, first["loc"])]).strip(".")
        raise UsageError(f"{path}: {field}: {first['msg'].removeprefix('Value error, ')}") from None


def _read(path: Path) -> Any:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UsageError(f"{path}: more than {MAX_BYTES} bytes: not a calibration file")
        return yaml_strict.parse(path.read_bytes().decode("utf-8-sig")).data
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror}); want a calibration or points file") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path}: not UTF-8 text; want a calibration or points file (YAML or JSON)") from None
    except yaml_strict.StrictYamlError as error:
        raise UsageError(f"{path}: line {error.line}: {error}") from None
