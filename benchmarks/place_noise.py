"""Whether the stated noise of floor positions is right: how far apart one person's positions in two views are.

    python -m benchmarks.place_noise --data ../shared/data

PETS S2.L1, detected boxes that match the truth at IoU 0.5, for each pair of views at each instant that both see a
person: squared Mahalanobis distance by the covariances that association uses (both boxes' noise, and that the two views
see different feet). With right covariances its median is 1.39, that of chi squared with 2 degrees of freedom.
"""

from __future__ import annotations

import argparse
from itertools import combinations
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment

from benchmarks.floor_scenes import FloorScene, pets_scene
from pipeline.association.place import FOOT_SPREAD_M
from pipeline.geometry import iou
from pipeline.ground.floor import floor_positions
from pipeline.types import Camera, Float64

Places = dict[tuple[int, int], tuple[Float64, Float64]]
"""(frame, person) -> position `(2,)` m and its covariance `(2, 2)` m^2."""


def places(scene: FloorScene, camera: Camera) -> Places:
    """Where one view says that each person of the truth was."""
    if camera.calibration is None:
        raise ValueError(f"{camera.id} has no calibration")
    truth, result = scene.truth[camera.id], Places()
    for number, (_, found) in enumerate(scene.frames[camera.id], start=1):
        known = truth.take(truth.frame == number)
        overlap = iou(known.xyxy, found.xyxy)
        at = floor_positions(found.xyxy, camera.calibration, camera.size_wh)
        for i, j in zip(*linear_sum_assignment(-overlap), strict=True):
            if overlap[i, j] >= 0.5 and at.known[j]:
                result[number, int(known.identity[i])] = at.xy[j], at.covariance[j]
    return result


def distances(one: Places, two: Places) -> Float64:
    """Squared Mahalanobis distances of all that both saw."""
    both = sorted(one.keys() & two.keys())
    apart = np.array([one[key][0] - two[key][0] for key in both]).reshape(-1, 2)
    spread = np.array([one[key][1] + two[key][1] for key in both]).reshape(-1, 2, 2) + FOOT_SPREAD_M**2 * np.eye(2)
    return np.asarray(np.einsum("ni,nij,nj->n", apart, np.linalg.inv(spread), apart), np.float64)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    args = parser.parse_args()
    scene = pets_scene(args.data / "pets09_s2l1" / "multiview")
    seen = {camera.id: places(scene, camera) for camera in scene.cameras}
    print("| views | instants | median | 95 % below |\n|---|---|---|---|")
    medians = []
    for one, two in combinations(sorted(seen), 2):
        found = distances(seen[one], seen[two])
        if len(found):
            medians.append(float(np.median(found)))
            print(f"| {one}, {two} | {len(found)} | {medians[-1]:.2f} | {np.percentile(found, 95):.1f} |")
    middle = float(np.median(medians))
    print(f"\n{len(medians)} pairs of views: medians {min(medians):.2f} to {max(medians):.2f}, middle {middle:.2f}")


if __name__ == "__main__":
    main()
