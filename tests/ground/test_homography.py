"""Homographies against cameras that are known, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.errors import UsageError
from pipeline.geometry import project
from pipeline.ground.homography import fit_homography, homography_from_pose
from synthetic.camera import PinholeCamera

CAMERA = PinholeCamera.looking((0.5, -1.0, 3.0), (4.0, 4.0, 0.8), (1280, 720), 75.0)
FLOOR = np.array([[1.5, 1.5], [4, 1.5], [3, 3], [1.5, 4.5], [5, 5], [6, 3], [2.5, 6], [4, 7.0]])


def seen(floor):  # type: ignore[no-untyped-def]
    pixels, depth = CAMERA.project(np.column_stack([floor, np.zeros(len(floor))]))
    assert (depth > 0).all()
    return pixels


def same(a, b) -> None:  # type: ignore[no-untyped-def]
    grid = np.array([[x, y] for x in (200, 640, 1100) for y in (400, 550, 700)], np.float64)
    np.testing.assert_allclose(project(grid, a), project(grid, b), atol=1e-5)


@pytest.mark.parametrize("count", [4, 5, 8])
def test_exact_points_give_the_camera_s_own_homography(count: int) -> None:
    fit = fit_homography(seen(FLOOR)[:count], FLOOR[:count])
    same(fit.image_to_ground, CAMERA.image_to_ground)
    assert fit.fits.all()
    assert fit.error_px < 1e-4
    assert (fit.left_out_m is None) == (count < 6), "four points fit exactly, and five tell little"


def test_pose_gives_the_same_homography_in_any_unit() -> None:
    same(homography_from_pose(CAMERA.K, CAMERA.R, CAMERA.t), CAMERA.image_to_ground)


def test_residuals_tell_the_noise_and_the_left_out_error_is_no_flattery() -> None:
    rng = np.random.default_rng(1)
    inside, outside = [], []
    for _ in range(40):
        clicked = seen(FLOOR) + rng.normal(0, 2.0, FLOOR.shape)
        fit = fit_homography(clicked, FLOOR)
        grid = np.array([[2.0, 2.0], [3.5, 3.0], [4.0, 5.0], [2.0, 5.0]])
        inside.append(np.mean(np.square(project(seen(grid), fit.image_to_ground) - grid).sum(axis=1)))
        outside.append(fit.left_out_m**2)  # type: ignore[operator]
        assert 0.3 < fit.error_px < 5.0
    assert np.sqrt(np.mean(inside)) < np.sqrt(np.mean(outside)) < 6 * np.sqrt(np.mean(inside))


@pytest.mark.parametrize("wrong", [0, 3, 7])
def test_a_swapped_pair_is_found_and_left_out(wrong: int) -> None:
    floor = FLOOR.copy()
    floor[wrong] = floor[wrong][::-1] + np.array([0.7, 0.0])
    clicked = seen(FLOOR) + np.random.default_rng(2).normal(0, 1.0, FLOOR.shape)
    fit = fit_homography(clicked, floor)
    assert np.flatnonzero(~fit.fits).tolist() == [wrong]
    assert fit.residual_m[wrong] > 0.5 > fit.error_m


def test_the_order_of_points_does_not_matter() -> None:
    clicked = seen(FLOOR) + np.random.default_rng(3).normal(0, 1.0, FLOOR.shape)
    order = [5, 2, 7, 0, 1, 6, 4, 3]
    same(fit_homography(clicked, FLOOR).image_to_ground, fit_homography(clicked[order], FLOOR[order]).image_to_ground)


def test_what_is_refused_is_told_with_the_points_numbers() -> None:
    pixels = seen(FLOOR)
    with pytest.raises(UsageError, match="3 pairs; a floor needs at least 4"):
        fit_homography(pixels[:3], FLOOR[:3])
    line = np.array([[1.5, 1.5], [2.5, 2.5], [4, 4], [2, 5.0]])
    with pytest.raises(UsageError, match=r"pairs 1, 2, 3 lie on one line"):
        fit_homography(seen(line), line)
    line = np.array([[1.5, 1.5], [2.5, 2.5], [4, 4], [5, 5], [2, 5.0]])
    with pytest.raises(UsageError, match="all but one, lie on one line"):
        fit_homography(seen(line), line)
    twice = np.concatenate([FLOOR, FLOOR[2:3]])
    with pytest.raises(UsageError, match="pairs 3 and 9 are at one place"):
        fit_homography(seen(twice), twice)
    with pytest.raises(UsageError, match=r"pair 2: floor is not finite"):
        fit_homography(pixels, np.where(np.arange(8)[:, None] == 1, np.nan, FLOOR))
    crossed = FLOOR[[0, 1, 4, 3]][[0, 2, 1, 3]]
    with pytest.raises(UsageError, match="horizon"):
        fit_homography(seen(FLOOR[[0, 1, 4, 3]]), crossed)


def test_poses_that_see_no_floor_are_refused() -> None:
    with pytest.raises(UsageError, match="rotation"):
        homography_from_pose(CAMERA.K, 2 * CAMERA.R, CAMERA.t)
    with pytest.raises(UsageError, match="plane z = 0"):
        homography_from_pose(CAMERA.K, CAMERA.R, -CAMERA.R @ np.array([1.0, 2.0, 0.0]))
