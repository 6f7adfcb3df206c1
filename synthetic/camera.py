"""Pinhole cameras over a floor: K, R, t, projection, and the homography from the image to the floor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.types import Float64


@dataclass(frozen=True, slots=True)
class PinholeCamera:
    """`pixel ~ K (R X + t)`: `K (3, 3)` px, `R (3, 3)` world to camera (x right, y down, z forward), `t (3,)` m."""

    K: Float64
    R: Float64
    t: Float64
    size_wh: tuple[int, int]

    @classmethod
    def looking(
        cls, place: tuple[float, float, float], at: tuple[float, float, float], size_wh: tuple[int, int], fov_deg: float
    ) -> PinholeCamera:
        """A level camera at `place` (m) that looks at a point; `fov_deg` is the horizontal field of view."""
        forward = np.subtract(at, place)
        forward /= np.linalg.norm(forward)
        right = np.cross(forward, (0.0, 0.0, 1.0))
        right /= np.linalg.norm(right)
        R = np.stack([right, np.cross(forward, right), forward])
        focal = size_wh[0] / 2 / np.tan(np.radians(fov_deg) / 2)
        K = np.array([[focal, 0, size_wh[0] / 2], [0, focal, size_wh[1] / 2], [0, 0, 1.0]])
        return cls(K, R, -R @ np.array(place), size_wh)

    @property
    def centre(self) -> Float64:
        """Where the camera is, `(3,)` m."""
        result: Float64 = -self.R.T @ self.t
        return result

    @property
    def image_to_ground(self) -> Float64:
        """Homography `(3, 3)` from pixels to metres on the floor z = 0."""
        ground_to_image = self.K @ np.column_stack([self.R[:, 0], self.R[:, 1], self.t])
        inverse = np.linalg.inv(ground_to_image)
        result: Float64 = inverse / inverse[2, 2]
        return result

    def project(self, points: Float64) -> tuple[Float64, Float64]:
        """Points `(N, 3)` m to pixels `(N, 2)` and depths `(N,)` m; pixels mean nothing where the depth is <= 0."""
        seen = points @ self.R.T + self.t
        depth = seen[:, 2]
        safe = np.where(np.abs(depth) < 1e-6, 1e-6, depth)
        pixels = np.stack(
            [self.K[0, 0] * seen[:, 0] / safe + self.K[0, 2], self.K[1, 1] * seen[:, 1] / safe + self.K[1, 2]], axis=1
        )
        return pixels, depth

    def sees_floor(self, points: Float64) -> Float64:
        """Which floor points `(N, 2)` lie inside the image, as 0 or 1 `(N,)`; walls are not considered."""
        pixels, depth = self.project(np.column_stack([points, np.zeros(len(points))]))
        inside = (depth > 0) & (pixels >= 0).all(axis=1) & (pixels < self.size_wh).all(axis=1)
        result: Float64 = inside.astype(np.float64)
        return result
