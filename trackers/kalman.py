"""Constant-velocity Kalman filter of all tracks of a camera as one NumPy batch (structure of arrays).

filterpy gives the model (F, H, Q, R, P0); `KalmanBatch` runs the same algebra as `filterpy.kalman.KalmanFilter`
(Joseph form of the covariance update) for N tracks at once, with a time step in seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from filterpy.common import Q_continuous_white_noise
from filterpy.kalman import KalmanFilter
from numpy.typing import NDArray

from pipeline.types import Float64

_DT_DIGITS = 6  # time steps are held to a microsecond, finer than any container's time base, so that F, Q are reused


class MotionModel:
    """x = m measured values, then the velocities of the first v of them; H reads the first m.

    `measurement_std (m,)`, `initial_velocity_std (v,)` 1/s, `drift (m,)`: for values with a velocity the spectral
    density of the white acceleration, unit^2/s^3, for the others that of a random walk, unit^2/s (both independent
    of the frame rate: Bar-Shalom et al., Estimation with Applications to Tracking, 2001, section 6.2).
    """

    def __init__(
        self, measurement_std: Sequence[float], initial_velocity_std: Sequence[float], drift: Sequence[float]
    ) -> None:
        m, v = len(measurement_std), len(initial_velocity_std)
        if v > m or len(drift) != m:
            raise ValueError(f"need at most {m} velocities and {m} drifts, got {v} and {len(drift)}")
        self.measured, self.velocities, self.dimension = m, v, m + v
        self._drift = tuple(float(value) for value in drift)
        base = KalmanFilter(dim_x=m + v, dim_z=m)
        base.H[:, :m] = np.eye(m)
        base.R = np.diag(np.square(np.asarray(measurement_std, np.float64)))
        base.P = np.diag(np.square(np.concatenate([measurement_std, initial_velocity_std]).astype(np.float64)))
        self.H: Float64 = base.H
        self.R: Float64 = base.R
        self.P0: Float64 = base.P
        self._at = lru_cache(maxsize=256)(self._build)

    def at(self, dt_s: float) -> tuple[Float64, Float64]:
        """F and Q of a step of `dt_s` seconds."""
        return self._at(round(dt_s, _DT_DIGITS))

    def _build(self, dt_s: float) -> tuple[Float64, Float64]:
        m = self.measured
        F, Q = np.eye(self.dimension), np.zeros((self.dimension, self.dimension))
        for axis in range(m):
            if axis < self.velocities:
                pair = np.ix_([axis, m + axis], [axis, m + axis])
                F[axis, m + axis] = dt_s
                Q[pair] = Q_continuous_white_noise(dim=2, dt=dt_s, spectral_density=self._drift[axis])
            else:
                Q[axis, axis] = self._drift[axis] * dt_s
        return F, Q


class KalmanBatch:
    """State of N tracks: `mean (N, D)`, `covariance (N, D, D)`, and a `scale (N,)` that multiplies every noise's std.

    The scale (a person's height in px) lets one model hold for near and far people; 1 gives the plain filter.
    """

    def __init__(self, model: MotionModel) -> None:
        self.model = model
        self.mean: Float64 = np.zeros((0, model.dimension))
        self.covariance: Float64 = np.zeros((0, model.dimension, model.dimension))

    def __len__(self) -> int:
        return len(self.mean)

    def append(self, measured: Float64, scale: Float64) -> None:
        """Start tracks at `measured (K, m)` with velocity 0 and covariance P0 times scale^2."""
        mean = np.zeros((len(measured), self.model.dimension))
        mean[:, : self.model.measured] = measured
        self.mean = np.concatenate([self.mean, mean])
        self.covariance = np.concatenate([self.covariance, self.model.P0 * np.square(scale)[:, None, None]])

    def keep(self, rows: NDArray[np.generic]) -> None:
        """Keep the tracks of `rows` (mask or indices)."""
        self.mean, self.covariance = self.mean[rows], self.covariance[rows]

    def predict(self, dt_s: float, scale: Float64) -> None:
        """Move all tracks `dt_s` seconds on."""
        F, Q = self.model.at(dt_s)
        self.mean = self.mean @ F.T
        self.covariance = F @ self.covariance @ F.T + Q * np.square(scale)[:, None, None]

    def innovation_variance(self, scale: Float64) -> Float64:
        """Diagonal `(N, m)` of S = H P H' + R (H reads the first m values)."""
        m = self.model.measured
        inner = np.diagonal(self.covariance, axis1=1, axis2=2)[:, :m]
        result: Float64 = inner + np.diagonal(self.model.R) * np.square(scale)[:, None]
        return result

    def update(self, rows: NDArray[np.generic], measured: Float64, noise: Float64) -> None:
        """Correct the tracks of `rows (K,)` by `measured (K, m)`; `noise (K, m)` multiplies the std of R."""
        if not len(rows):
            return
        H, mean, P = self.model.H, self.mean[rows], self.covariance[rows]
        R = self.model.R * noise[:, :, None] * noise[:, None, :]
        cross = P @ H.T
        gain = cross @ np.linalg.inv(H @ cross + R)
        mean = mean + (gain @ (measured - mean @ H.T)[:, :, None])[:, :, 0]
        rest = np.eye(self.model.dimension) - gain @ H
        turned = gain.transpose(0, 2, 1)
        self.mean[rows] = mean
        self.covariance[rows] = rest @ P @ rest.transpose(0, 2, 1) + gain @ R @ turned
