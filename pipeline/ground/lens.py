"""Lens distortion: pixels as the camera took them to pixels of an ideal pinhole camera.

The model is Brown's (Photogrammetric Engineering 32, 1966) in the order of coefficients that OpenCV's documentation
gives: k1, k2, p1, p2[, k3[, k4, k5, k6]].
"""

from __future__ import annotations

import cv2
import numpy as np

from pipeline.types import Calibration, Float64

DISTORTION_LENGTHS = (0, 4, 5, 8)

_ROUND_TRIP_PX = 0.5
"""A pixel that undistorted and distorted again lands farther off lies where the lens model folds: it means nothing."""


def undistort(points: Float64, camera_matrix: Float64, distortion: tuple[float, ...]) -> Float64:
    """Ideal pixels `(N, 2)` of the pixels `points (N, 2)`; NaN where the lens model has no answer."""
    if not distortion or not len(points):
        return np.array(points, np.float64)
    source = np.ascontiguousarray(points, np.float64).reshape(-1, 1, 2)
    coefficients = np.array(distortion, np.float64)
    criteria = (cv2.TERM_CRITERIA_COUNT + cv2.TERM_CRITERIA_EPS, 100, 1e-10)
    finite = np.asarray(np.isfinite(source).all(axis=(1, 2)), np.bool_)
    source = np.where(finite[:, None, None], source, 0.0)
    with np.errstate(all="ignore"):
        ideal = cv2.undistortPoints(source, camera_matrix, coefficients, R=None, P=camera_matrix, criteria=criteria)
        back = distort(ideal.reshape(-1, 2), camera_matrix, distortion)
        error = np.linalg.norm(back - source.reshape(-1, 2), axis=1)
    result: Float64 = ideal.reshape(-1, 2).astype(np.float64)
    result[~((error <= _ROUND_TRIP_PX) & finite)] = np.nan
    return result


def distort(points: Float64, camera_matrix: Float64, distortion: tuple[float, ...]) -> Float64:
    """The pixels `(N, 2)` at which the camera shows the ideal pixels `points (N, 2)`."""
    if not distortion or not len(points):
        return np.array(points, np.float64)
    rays = np.concatenate([points, np.ones((len(points), 1))], axis=1) @ np.linalg.inv(camera_matrix).T
    shown, _ = cv2.projectPoints(
        np.ascontiguousarray(rays), np.zeros(3), np.zeros(3), camera_matrix, np.array(distortion, np.float64)
    )
    result: Float64 = np.asarray(shown, np.float64).reshape(-1, 2)
    return result


def ideal_pixels(points: Float64, calibration: Calibration) -> Float64:
    """`points (N, 2)` px of the image as the homography of `calibration` wants them."""
    if calibration.camera_matrix is None:
        return np.array(points, np.float64)
    return undistort(points, calibration.camera_matrix, calibration.distortion)


def image_pixels(points: Float64, calibration: Calibration) -> Float64:
    """Inverse of `ideal_pixels`."""
    if calibration.camera_matrix is None:
        return np.array(points, np.float64)
    return distort(points, calibration.camera_matrix, calibration.distortion)
