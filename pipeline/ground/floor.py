"""Where people stand: boxes to positions on the floor, each with its uncertainty.

A box's foot point is noisy by a share of the box's height; far away, where a pixel is metres, so is the position.
The noise is carried through the lens and the homography by their Jacobian (Hartley and Zisserman, Multiple View
Geometry, 2nd ed., sec. 5.2.3 and result 5.6).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.geometry import feet, project
from pipeline.ground.lens import ideal_pixels, image_pixels
from pipeline.types import Bool, Calibration, Float32, Float64

FOOT_NOISE = 0.05
"""One sigma of a detected box's foot point, share of its height, across and along: detections of YOLOv8n and Faster
R-CNN against the truth of campus_auditorium and TUD, 1.48 x median absolute deviation, lie at .027 to .101 across and
.031 to .075 along, middle .046 (`python -m benchmarks.foot_noise --data ../shared/data`)."""
_HORIZON = 1e-6
"""Share of the weight at the image's lower edge below which a point counts as on or beyond the horizon."""


@dataclass(frozen=True, slots=True)
class FloorPositions:
    """`xy (N, 2)` m and `covariance (N, 2, 2)` m^2 of positions on the floor; NaN where the feet are not on it."""

    xy: Float64
    covariance: Float64

    @property
    def known(self) -> Bool:
        """Which positions are known, `(N,)`."""
        return np.asarray(np.isfinite(self.xy).all(axis=1) & np.isfinite(self.covariance).all(axis=(1, 2)), np.bool_)


def to_floor(points: Float64, calibration: Calibration, size_wh: tuple[int, int]) -> Float64:
    """Floor positions `(N, 2)` m of pixels `(N, 2)`; NaN on or beyond the horizon, or where the lens has no answer.

    The horizon is where the homogeneous weight changes its sign; the middle of the image's lower edge shows floor.
    """
    matrix = calibration.image_to_ground
    floor = _weight_below(calibration, size_wh)
    ideal = ideal_pixels(points, calibration)
    weight = (ideal @ matrix[2, :2] + matrix[2, 2]) * np.sign(floor)
    with np.errstate(divide="ignore", invalid="ignore"):
        ground: Float64 = project(ideal, matrix)
        ground[~(weight > _HORIZON * abs(floor))] = np.nan
    return ground


def to_image(ground: Float64, calibration: Calibration, size_wh: tuple[int, int]) -> Float64:
    """Pixels `(N, 2)`, perhaps outside of the image, of floor positions `(N, 2)` m; NaN behind the camera."""
    inverse = np.linalg.inv(calibration.image_to_ground)
    homogeneous = np.concatenate([ground, np.ones((len(ground), 1))], axis=1) @ inverse.T
    # H (p, 1) = w (X, 1), so the inverse gives X the weight 1 / w: its sign tells the same.
    before = homogeneous[:, 2] * np.sign(_weight_below(calibration, size_wh)) > 0
    result = np.full((len(ground), 2), np.nan)
    if before.any():
        result[before] = image_pixels(homogeneous[before, :2] / homogeneous[before, 2:], calibration)
    return result


def _weight_below(calibration: Calibration, size_wh: tuple[int, int]) -> float:
    """Homogeneous weight of the middle of the image's lower edge, where floor is seen."""
    edge = ideal_pixels(np.array([[size_wh[0] / 2, float(size_wh[1])]]), calibration)[0]
    if not np.isfinite(edge).all():  # the lens model folds before the edge: the middle of the image must do
        edge = ideal_pixels(np.array([[size_wh[0] / 2, size_wh[1] / 2]]), calibration)[0]
    return float(calibration.image_to_ground[2] @ (*edge, 1.0))


def floor_positions(
    xyxy: Float32, calibration: Calibration, size_wh: tuple[int, int], foot_noise: float = FOOT_NOISE
) -> FloorPositions:
    """Where the people of boxes `(N, 4)` px stand. `foot_noise`: one sigma of the foot point, share of the height.

    Feet on the image's lower edge are cut off: their position is not known. The calibration's own error
    (`calibration.error_m`) is added to the covariance.
    """
    boxes = xyxy.astype(np.float64)
    points = np.asarray(feet(boxes), np.float64)
    xy = to_floor(points, calibration, size_wh)
    xy[boxes[:, 3] >= size_wh[1] - 1.0] = np.nan
    step = 0.5
    offsets = np.array([[step, 0.0], [-step, 0.0], [0.0, step], [0.0, -step]])
    around = to_floor((points[:, None] + offsets).reshape(-1, 2), calibration, size_wh).reshape(-1, 4, 2)
    jacobian = np.stack([around[:, 0] - around[:, 1], around[:, 2] - around[:, 3]], axis=2) / (2 * step)
    variance = (foot_noise * (boxes[:, 3] - boxes[:, 1])) ** 2
    covariance = variance[:, None, None] * (jacobian @ jacobian.transpose(0, 2, 1))
    covariance += calibration.error_m**2 * np.eye(2)
    return FloorPositions(xy, covariance)
