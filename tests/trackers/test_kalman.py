"""The batch filter equals a loop of filterpy's filter, and stays sane where SORT's area state does not."""

import numpy as np
import pytest
from filterpy.kalman import KalmanFilter

from trackers.kalman import KalmanBatch, MotionModel

MODEL = MotionModel([0.05, 0.06, 0.07, 0.08], [0.7, 0.3, 0.1], [0.3, 0.1, 0.02, 0.004])


def _twin(model: MotionModel, measured: np.ndarray, scale: float) -> KalmanFilter:
    twin = KalmanFilter(dim_x=model.dimension, dim_z=model.measured)
    twin.H, twin.P = model.H.copy(), model.P0 * scale**2
    twin.x = np.concatenate([measured, np.zeros(model.velocities)])[:, None]
    return twin


@pytest.mark.parametrize("seed", range(5))
def test_batch_equals_a_loop_of_filterpy(seed: int) -> None:
    """Random sequences: tracks start and end, updates are missing, dt and scales vary."""
    rng = np.random.default_rng(seed)
    batch, twins = KalmanBatch(MODEL), []
    for _ in range(60):
        dt, scale = float(np.round(rng.uniform(0.01, 0.7), 6)), rng.uniform(5, 300, len(twins))
        batch.predict(dt, scale)
        F, Q = MODEL.at(dt)
        for twin, size in zip(twins, scale, strict=True):
            twin.predict(F=F, Q=Q * size**2)
        seen = np.flatnonzero(rng.random(len(twins)) < 0.6)
        z = rng.normal(0, 50, (len(seen), 4)) + batch.mean[seen, :4]
        noise = rng.uniform(5, 300, (len(seen), 4))
        batch.update(seen, z, noise)
        for row, value, std in zip(seen, z, noise, strict=True):
            twins[row].update(value[:, None], R=MODEL.R * np.outer(std, std))
        if len(twins) > 6 and rng.random() < 0.3:
            stay = rng.random(len(twins)) < 0.7
            batch.keep(stay)
            twins = [twin for twin, kept in zip(twins, stay, strict=True) if kept]
        if rng.random() < 0.4:
            new, sizes = rng.uniform(0, 800, (2, 4)), rng.uniform(5, 300, 2)
            batch.append(new, sizes)
            twins += [_twin(MODEL, row, size) for row, size in zip(new, sizes, strict=True)]
        assert len(batch) == len(twins)
        for row, twin in enumerate(twins):
            np.testing.assert_allclose(batch.mean[row], twin.x[:, 0], rtol=1e-9, atol=1e-9)
            np.testing.assert_allclose(batch.covariance[row], twin.P, rtol=1e-9, atol=1e-9)
    assert len(twins) > 3


def test_process_noise_does_not_depend_on_the_frame_rate() -> None:
    """Ten steps of 0.1 s spread a track as one step of 1 s does."""
    fine, coarse = KalmanBatch(MODEL), KalmanBatch(MODEL)
    for batch in (fine, coarse):
        batch.append(np.array([[10.0, 20.0, 30.0, 90.0]]), np.array([90.0]))
    for _ in range(10):
        fine.predict(0.1, np.array([90.0]))
    coarse.predict(1.0, np.array([90.0]))
    np.testing.assert_allclose(fine.covariance, coarse.covariance, rtol=1e-9)


def test_innovation_variance_is_the_diagonal_of_s() -> None:
    batch = KalmanBatch(MODEL)
    batch.append(np.ones((3, 4)), np.array([10.0, 20.0, 30.0]))
    batch.predict(0.2, np.array([10.0, 20.0, 30.0]))
    for row, scale in enumerate([10.0, 20.0, 30.0]):
        want = np.diag(MODEL.H @ batch.covariance[row] @ MODEL.H.T + MODEL.R * scale**2)
        np.testing.assert_allclose(batch.innovation_variance(np.array([10.0, 20.0, 30.0]))[row], want, rtol=1e-12)


def test_covariance_stays_symmetric_and_positive_over_a_long_run() -> None:
    batch, rng = KalmanBatch(MODEL), np.random.default_rng(3)
    batch.append(np.array([[0.0, 0.0, 1e-3, 1e-3]]), np.array([1.0]))
    for _ in range(2000):
        batch.predict(1 / 30, np.array([1.0]))
        batch.update(np.array([0]), rng.normal(0, 1, (1, 4)), np.full((1, 4), 1.0))
    assert np.linalg.eigvalsh(batch.covariance[0]).min() > 0
    np.testing.assert_allclose(batch.covariance[0], batch.covariance[0].T, atol=1e-9)


def test_a_model_of_the_wrong_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="drifts"):
        MotionModel([1.0, 1.0], [1.0], [1.0])
    with pytest.raises(ValueError, match="velocities"):
        MotionModel([1.0], [1.0, 1.0], [1.0])
