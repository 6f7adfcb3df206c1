"""Homographies from the image to the floor: from point pairs, or from a camera's K, R and t.

Points: the normalised direct linear transform (Hartley and Zisserman, Multiple View Geometry, 2nd ed., alg. 4.2), over
all quadruples or a fixed sample of them when there are more than four points (least median of squares: Rousseeuw, J.
Am. Stat. Assoc. 79, 1984), then the pixels' residuals made smallest over the points that fit (ibid., sec. 4.5).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np
from scipy.optimize import least_squares

from pipeline.errors import UsageError
from pipeline.geometry import project
from pipeline.types import Bool, Float64, Int64

MIN_POINTS = 4
_MAX_QUADRUPLES = 500
"""Tried when there are more: with a third of the points wrong, one of 500 is free of them with 1 - 1e-13."""
_FLAT = 0.02
"""Smallest height of a triangle of three points, share of the spread of all, below which they count as collinear."""
_OUTLIER_SIGMAS = 3.0
_MIN_SIGMA_PX = 1.5
"""Nobody clicks better than this, so no point is called wrong for less than three times as much."""


@dataclass(frozen=True, slots=True)
class HomographyFit:
    """A fitted homography and how well it fits.

    `error_m`, `left_out_m`: root mean square over the points that fit; `left_out_m`, where each point is told by the
    others, is the honest one and None with fewer than six points.
    """

    image_to_ground: Float64
    """`(3, 3)`, ideal pixels to m."""
    residual_px: Float64
    """`(N,)` distance of each clicked point from where its floor point is seen."""
    residual_m: Float64
    """`(N,)` distance of each floor point from where its clicked point lies; NaN beyond the horizon."""
    fits: Bool
    """`(N,)`: False = contradicts the others and was left out."""
    error_px: float
    error_m: float
    left_out_m: float | None


def fit_homography(image: Float64, floor: Float64) -> HomographyFit:
    """The homography from ideal pixels `image (N, 2)` to `floor (N, 2)` m, N >= 4.

    Raises UsageError, with the points' numbers from 1: fewer than four points, not finite, two at one place, too
    nearly on a line to tell anything, or a horizon between the points.
    """
    _refuse_bad_points(image, floor)
    count = len(image)
    fits = np.ones(count, np.bool_)
    if count > MIN_POINTS:
        fits = _consensus(image, floor)
    matrix = _refine(_direct(image[fits], floor[fits]), image[fits], floor[fits])
    _refuse_horizon(matrix, image, fits)
    residual_px, residual_m = _residuals(matrix, image, floor)
    good = np.flatnonzero(fits)
    left_out = None
    if len(good) >= MIN_POINTS + 2:
        left_out = _rms(np.array([_told_by_others(image, floor, good, n) for n in good.tolist()]))
    return HomographyFit(
        matrix, residual_px, residual_m, fits, _rms(residual_px[fits]), _rms(residual_m[fits]), left_out
    )


def homography_from_pose(camera_matrix: Float64, rotation: Float64, translation: Float64) -> Float64:
    """Ideal pixels to the plane z = 0 of a camera `pixel ~ K (R X + t)`, `(3, 3)`; units are those of t.

    Raises UsageError when the matrices make no camera that sees the plane.
    """
    if camera_matrix.shape != (3, 3) or rotation.shape != (3, 3) or translation.shape != (3,):
        raise UsageError("K and R must be 3x3 matrices and t three numbers")
    if np.abs(rotation @ rotation.T - np.eye(3)).max() > 1e-3 or np.linalg.det(rotation) < 0:
        raise UsageError(
            "R must be a rotation (orthogonal, determinant 1): world to camera, x right, y down, z forward"
        )
    ground_to_image = camera_matrix @ np.column_stack([rotation[:, 0], rotation[:, 1], translation])
    height = float((-rotation.T @ translation)[2])
    if abs(height) < 1e-9 * max(1.0, float(np.abs(translation).max())):
        raise UsageError(
            "the camera lies in the plane z = 0, so it cannot see the floor; is t = -R C with C in the world?"
        )
    inverse = np.linalg.inv(ground_to_image)
    return np.asarray(inverse / inverse[2, 2] if abs(inverse[2, 2]) > 1e-12 else inverse, np.float64)


def _refuse_bad_points(image: Float64, floor: Float64) -> None:
    if image.shape != floor.shape or image.ndim != 2 or image.shape[1] != 2:
        raise UsageError(f"points: want pairs of two numbers, got shapes {image.shape} and {floor.shape}")
    if len(image) < MIN_POINTS:
        raise UsageError(
            f"points: {len(image)} pairs; a floor needs at least {MIN_POINTS}, better 6 or more, well spread"
        )
    for name, points in (("image", image), ("floor", floor)):
        if not np.isfinite(points).all():
            bad = np.flatnonzero(~np.isfinite(points).all(axis=1))
            raise UsageError(f"points: pair {int(bad[0]) + 1}: {name} is not finite")
        gap = np.linalg.norm(points[:, None] - points[None], axis=2)
        near = np.triu(gap <= 1e-6 * max(float(gap.max()), 1e-12), 1)
        if near.any():
            one, two = (int(v) + 1 for v in np.argwhere(near)[0])
            raise UsageError(f"points: pairs {one} and {two} are at one place ({name}); remove one or correct it")
        if len(points) == MIN_POINTS and (flat := _flattest(points))[1] < _FLAT:
            names = ", ".join(str(n + 1) for n in flat[0])
            raise UsageError(
                f"points: pairs {names} lie on one line ({name}); of four points no three may: move one or add a fifth"
            )
        # All but one point on a line leave the homography open.
        if len(points) > MIN_POINTS and _line_but_one(points):
            raise UsageError(f"points: all, or all but one, lie on one line ({name}); add points off that line")


def _flattest(points: Float64) -> tuple[tuple[int, ...], float]:
    """The three points nearest to a line, and the triangle's height over the spread of all."""
    spread = float(np.linalg.norm(points - points.mean(axis=0), axis=1).max())
    found = [(_height(points[list(three)]) / spread, three) for three in combinations(range(len(points)), 3)]
    height, three = min(found)
    return three, height


def _height(triangle: Float64) -> float:
    a, b = triangle[1] - triangle[0], triangle[2] - triangle[0]
    longest = max(np.linalg.norm(a), np.linalg.norm(b), np.linalg.norm(b - a))
    return float(abs(a[0] * b[1] - a[1] * b[0]) / longest)


def _line_but_one(points: Float64) -> bool:
    """Whether all points, or all but one, lie within _FLAT of the spread from a line."""
    for left_out in range(-1, len(points)):
        rest = np.delete(points, left_out, axis=0) if left_out >= 0 else points
        singular = np.linalg.svd(rest - rest.mean(axis=0), compute_uv=False)
        if singular[1] < _FLAT * singular[0]:
            return True
    return False


def _normaliser(points: Float64) -> Float64:
    """Centroid to 0 and mean distance to sqrt(2), `(3, 3)` (ibid., sec. 4.4.4)."""
    centre = points.mean(axis=0)
    scale = np.sqrt(2.0) / np.linalg.norm(points - centre, axis=1).mean()
    return np.array([[scale, 0, -scale * centre[0]], [0, scale, -scale * centre[1]], [0, 0, 1.0]])


def _direct(image: Float64, floor: Float64) -> Float64:
    """Direct linear transform on normalised points, `(3, 3)` of Frobenius norm 1."""
    from_image, from_floor = _normaliser(image), _normaliser(floor)
    a, b = project(image, from_image), project(floor, from_floor)
    one, zero = np.ones(len(a)), np.zeros((len(a), 3))
    p = np.column_stack([a, one])
    rows = np.concatenate([np.hstack([p, zero, -b[:, :1] * p]), np.hstack([zero, p, -b[:, 1:] * p])])
    h = np.linalg.svd(rows)[2][-1].reshape(3, 3)
    matrix = np.linalg.inv(from_floor) @ h @ from_image
    result: Float64 = matrix / np.linalg.norm(matrix)
    return result


def _to_pixels(matrix: Float64, floor: Float64) -> Float64:
    with np.errstate(divide="ignore", invalid="ignore"):
        return project(floor, np.asarray(np.linalg.inv(matrix), np.float64))


def _consensus(image: Float64, floor: Float64) -> Bool:
    """Which points agree: least median of squares over quadruples, in pixels."""
    best, score = None, np.inf
    for rows in _quadruples(len(image)):
        if _flattest(image[rows])[1] < _FLAT or _flattest(floor[rows])[1] < _FLAT:
            continue
        try:
            error = np.linalg.norm(_to_pixels(_direct(image[rows], floor[rows]), floor) - image, axis=1)
        except np.linalg.LinAlgError:
            continue
        # With four points of n exact, the median of the other n - 4 is what tells.
        told = np.sort(np.nan_to_num(error, nan=np.inf))[MIN_POINTS:]
        value = float(np.median(told))
        if value < score:
            best, score = error, value
    if best is None:
        return np.ones(len(image), np.bool_)
    sigma = max(1.4826 * (1 + 5 / max(len(image) - MIN_POINTS, 1)) * score, _MIN_SIGMA_PX)
    fits: Bool = best <= _OUTLIER_SIGMAS * sigma
    # One point more than needed cannot tell which of five is wrong.
    return fits if fits.sum() > MIN_POINTS else np.ones(len(image), np.bool_)


def _quadruples(count: int) -> list[Int64]:
    if comb(count, MIN_POINTS) <= _MAX_QUADRUPLES:
        return [np.array(rows, np.int64) for rows in combinations(range(count), MIN_POINTS)]
    rng = np.random.default_rng(0)  # a fixed sample: the same points give the same floor
    return [np.sort(rng.choice(count, MIN_POINTS, replace=False)) for _ in range(_MAX_QUADRUPLES)]


def _refine(matrix: Float64, image: Float64, floor: Float64) -> Float64:
    """Pixel residuals made smallest (clicks err in the image, measured floor points hardly do)."""
    from_image, from_floor = _normaliser(image), _normaliser(floor)
    start = from_image @ np.linalg.inv(matrix) @ np.linalg.inv(from_floor)
    start /= np.linalg.norm(start)
    wanted, given = project(image, from_image), project(floor, from_floor)

    def residuals(h: Float64) -> Float64:
        with np.errstate(divide="ignore", invalid="ignore"):
            error = (project(given, h.reshape(3, 3)) - wanted).ravel()
        return np.clip(np.nan_to_num(error, nan=1e3), -1e3, 1e3)

    if len(image) > MIN_POINTS:
        found = least_squares(residuals, start.ravel(), method="trf", x_scale=1.0)
        start = found.x.reshape(3, 3)
    result = np.linalg.inv(np.linalg.inv(from_image) @ start @ from_floor)
    scale = result[2, 2] if abs(result[2, 2]) > 1e-9 * np.abs(result).max() else np.linalg.norm(result)
    final: Float64 = result / scale
    return final


def _refuse_horizon(matrix: Float64, image: Float64, fits: Bool) -> None:
    weight = image[fits] @ matrix[2, :2] + matrix[2, 2]
    if (weight > 0).all() or (weight < 0).all():
        return
    fewer = (weight > 0) if (weight > 0).sum() * 2 <= len(weight) else (weight < 0)
    names = ", ".join(str(int(n) + 1) for n in np.flatnonzero(fits)[fewer])
    raise UsageError(
        f"points: the horizon would run between the points (pair {names} on the other side); "
        "a floor point's numbers are probably swapped, mirrored or given to another click"
    )


def _residuals(matrix: Float64, image: Float64, floor: Float64) -> tuple[Float64, Float64]:
    pixels = np.linalg.norm(_to_pixels(matrix, floor) - image, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        metres = np.linalg.norm(project(image, matrix) - floor, axis=1)
    return pixels, metres


def _told_by_others(image: Float64, floor: Float64, good: Int64, left_out: int) -> float:
    """How far, m, a point lies from where the fit of the others puts it."""
    rest = good[good != left_out]
    matrix = _refine(_direct(image[rest], floor[rest]), image[rest], floor[rest])
    return float(_residuals(matrix, image[[left_out]], floor[[left_out]])[1][0])


def _rms(values: Float64) -> float:
    return float(np.sqrt(np.mean(np.square(values)))) if len(values) else 0.0
