"""Does a detector trained on real people see the rendered ones? Recall by visible height and by visibility.

python -m benchmarks.synthetic_detectable --detector ../shared/models/yolo11n_int8_openvino_model
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from detectors import build_detector
from pipeline import geometry
from pipeline.config import DetectorConfig, RuntimeConfig
from pipeline.types import Frame
from synthetic import truth
from synthetic.recording import record
from synthetic.scenario import LADDER, build_scenario

_HEIGHTS = ((0, 60), (60, 100), (100, 180), (180, 10_000))


def main() -> None:
    """Print recall at IoU 0.5 with the whole body cut to the image, and false boxes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--detector", default="bundled")
    parser.add_argument("--confidence", type=float, default=0.25)
    parser.add_argument("--scenes", type=int, default=6)
    parser.add_argument("--rung", choices=list(LADDER), default="easy")
    args = parser.parse_args()
    detector = build_detector(DetectorConfig(model=args.detector, confidence=args.confidence), RuntimeConfig())
    rows: list[tuple[float, float, bool]] = []
    false = pictures = 0
    cpu_s = 0.0
    for seed in range(200, 200 + args.scenes):
        scene = build_scenario(seed, people=10, cameras=3, duration_s=30, fps=1, difficulty=args.rung)
        for camera in scene.cameras:
            size = camera.pinhole.size_wh
            started = time.process_time()
            for shot in record(scene, camera):
                cpu_s += time.process_time() - started if shot.index else 0.0  # the first renders the empty room
                boxes = detector.detect([Frame(camera.id, shot.index, shot.time_s, shot.image)])[0].xyxy
                people = np.array([truth.cut_box(seen, size) for seen in shot.seen]).reshape(-1, 4)
                overlap = geometry.iou(people, boxes.astype(np.float64))
                best = overlap.max(axis=1, initial=0)
                rows += [
                    (seen.visible[3] - seen.visible[1], seen.visibility, bool(iou >= 0.5))
                    for seen, iou in zip(shot.seen, best, strict=True)
                ]
                false += int((overlap.max(axis=0, initial=0) < 0.3).sum())
                pictures += 1
                started = time.process_time()
    table = np.array(rows)
    print(f"{pictures} pictures, {cpu_s / pictures * 1e3:.0f} ms of one core to render one, {false} boxes on nobody")
    for low, high in _HEIGHTS:
        cells = []
        for least, most in ((0.9, 1.01), (0.6, 0.9), (0.3, 0.6)):
            mask = (table[:, 0] >= low) & (table[:, 0] < high) & (table[:, 1] >= least) & (table[:, 1] < most)
            share = f"{100 * table[mask, 2].mean():5.1f} %" if mask.any() else "   -   "
            cells.append(f"{share} of {int(mask.sum()):4d}")
        print(
            f"{low:4d} to {min(high, 999):4d} px   seen >= 90 %: {cells[0]}   60-90 %: {cells[1]}   30-60 %: {cells[2]}"
        )


if __name__ == "__main__":
    main()
