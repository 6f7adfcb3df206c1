"""How far the foot points of detected boxes lie from the truth's, in shares of the person's height.

    python -m benchmarks.foot_noise --data ../shared/data

Median and 1.48 x median absolute deviation, across and along the image, of boxes that match the truth at IoU 0.5: where
`pipeline.ground.floor.FOOT_NOISE` comes from.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment

from benchmarks.tracking_data import read_rows
from pipeline.geometry import iou

_EVERY = 5
_SETS = {
    "tud/TUD-Campus": "det_sort_frcnn.txt",
    "tud/TUD-Stadtmitte": "det_sort_frcnn.txt",
    **{f"campus_auditorium/{view}": "det.txt" for view in ("HC3", "HC4", "IP2", "IP5")},
}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    args = parser.parse_args()
    print("| set | boxes | across: median | spread | along: median | spread |\n|---|---|---|---|---|---|")
    for name, boxes in _SETS.items():
        found, truth = read_rows(args.data / name / boxes), read_rows(args.data / name / "gt.txt")
        off = []
        for frame in np.unique(truth[:, 0])[::_EVERY]:
            a, b = found[found[:, 0] == frame, 2:6], truth[truth[:, 0] == frame, 2:6]
            if not len(a) or not len(b):
                continue
            overlap = iou(a, b)
            for i, j in zip(*linear_sum_assignment(-overlap), strict=True):
                if overlap[i, j] >= 0.5:
                    middle = (a[i, 0] + a[i, 2] - b[j, 0] - b[j, 2]) / 2
                    off.append(np.array([middle, a[i, 3] - b[j, 3]]) / (b[j, 3] - b[j, 1]))
        table = np.array(off)
        middle = np.median(table, axis=0)
        spread = 1.4826 * np.median(np.abs(table - middle), axis=0)
        numbers = " | ".join(f"{m:+.3f} | {s:.3f}" for m, s in zip(middle, spread, strict=True))
        print(f"| {name} | {len(table)} | {numbers} |")


if __name__ == "__main__":
    main()
