"""Positions on the floor, their uncertainty against drawn noise, lens and horizon."""

from __future__ import annotations

import numpy as np

from pipeline.ground.floor import floor_positions, to_floor, to_image
from pipeline.ground.lens import distort, undistort
from pipeline.types import Calibration
from synthetic.camera import PinholeCamera

SIZE = (1280, 720)
CAMERA = PinholeCamera.looking((0.5, -1.0, 3.0), (4.0, 4.0, 0.8), SIZE, 75.0)
LENS = (-0.25, 0.08, 0.001, -0.002, 0.0)
PLAIN = Calibration(CAMERA.image_to_ground)
CURVED = Calibration(CAMERA.image_to_ground, CAMERA.K, LENS)
FLOOR = np.array([[3.0, 2.5], [4.0, 5.0], [7.0, 9.0]])


def boxes(calibration: Calibration):  # type: ignore[no-untyped-def]
    feet = to_image(FLOOR, calibration, SIZE)
    height = 900 / np.linalg.norm(FLOOR - CAMERA.centre[:2], axis=1)
    return np.column_stack([feet[:, 0] - height / 6, feet[:, 1] - height, feet[:, 0] + height / 6, feet[:, 1]])


def test_there_and_back_with_and_without_lens() -> None:
    for calibration in (PLAIN, CURVED):
        assert np.abs(to_floor(to_image(FLOOR, calibration, SIZE), calibration, SIZE) - FLOOR).max() < 1e-4
    bent = to_image(FLOOR, CURVED, SIZE) - to_image(FLOOR, PLAIN, SIZE)
    assert np.linalg.norm(bent, axis=1).max() > 3.0, "the lens must matter for the test to mean anything"


def test_undistorting_is_distorting_backwards_and_folds_are_unknown() -> None:
    grid = np.array([[x, y] for x in (0, 400, 1279) for y in (0, 300, 719)], np.float64)
    back = undistort(distort(grid, CAMERA.K, LENS), CAMERA.K, LENS)
    assert np.abs(back - grid).max() < 1e-3
    folding = (-0.5, 0.0, 0.0, 0.0)  # r (1 - 0.5 r^2) turns round at r = 0.82: no ray shows beyond 0.54
    assert np.isnan(undistort(np.array([[0.0, 0.0], [640.0, 360.0]]), CAMERA.K, folding)).tolist() == [
        [True, True],
        [False, False],
    ]


def test_covariance_is_what_drawn_noise_gives() -> None:
    rng = np.random.default_rng(0)
    for calibration in (PLAIN, CURVED):
        one = boxes(calibration)
        told = floor_positions(one.astype(np.float32), calibration, SIZE, foot_noise=0.02)
        height = one[:, 3] - one[:, 1]
        for n in range(len(one)):
            feet = rng.normal([(one[n, 0] + one[n, 2]) / 2, one[n, 3]], 0.02 * height[n], (4000, 2))
            drawn = np.cov(to_floor(feet, calibration, SIZE).T)
            np.testing.assert_allclose(told.covariance[n], drawn, rtol=0.15, atol=0.1 * np.trace(drawn))
    far = np.trace(told.covariance, axis1=1, axis2=2)
    assert far[2] > far[1] > far[0], "the farther, the less certain"


def test_the_calibration_s_own_error_is_added() -> None:
    sure = floor_positions(boxes(PLAIN).astype(np.float32), PLAIN, SIZE)
    rough = floor_positions(boxes(PLAIN).astype(np.float32), Calibration(PLAIN.image_to_ground, error_m=0.3), SIZE)
    np.testing.assert_allclose(rough.covariance - sure.covariance, np.broadcast_to(0.09 * np.eye(2), (3, 2, 2)))


def test_beyond_the_horizon_behind_the_camera_and_cut_off_feet_are_unknown() -> None:
    assert np.isnan(to_floor(np.array([[640.0, 0.0]]), PLAIN, SIZE)).all()
    assert np.isnan(to_image(np.array([[-5.0, -8.0]]), PLAIN, SIZE)).all()
    cut = np.array([[600, 300, 700, 720], [600, 300, 700, 700]], np.float32)
    assert floor_positions(cut, PLAIN, SIZE).known.tolist() == [False, True]


def test_a_homography_of_either_sign_means_the_same() -> None:
    turned = Calibration(-3.0 * CAMERA.image_to_ground)
    np.testing.assert_allclose(to_floor(boxes(PLAIN)[:, 2:], turned, SIZE), to_floor(boxes(PLAIN)[:, 2:], PLAIN, SIZE))
    np.testing.assert_allclose(to_image(FLOOR, turned, SIZE), to_image(FLOOR, PLAIN, SIZE))
