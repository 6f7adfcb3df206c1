"""Score detectors on a video with MOT truth: AP50, recall at precision .9, ms a frame, boxes suppressed as nested.

    PETS=../shared/data/pets09_s2l1
    python -m benchmarks.detectors --video $PETS/view1.mp4 --truth $PETS/gt.txt --every 4 \
        --models bundled ../shared/models/yolo11n_int8_openvino_model --nested 0.85 1

`yolox:FILE.onnx` and `adas:FOLDER` are reference models of others (benchmarks/reference_detectors.py).
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import av
import numpy as np

from benchmarks.reference_detectors import build_reference
from detectors import build_detector
from detectors.replay import read_mot
from evaluation.detection import ImageBoxes, evaluate_detections
from pipeline.config import DetectorConfig, RuntimeConfig
from pipeline.types import Frame


def read_every(video: Path, step: int) -> list[Frame]:
    """Every `step`-th frame."""
    with av.open(str(video)) as container:
        return [
            Frame("video", index, float(image.time or 0), image.to_ndarray(format="bgr24"))
            for index, image in enumerate(container.decode(video=0))
            if index % step == 0
        ]


def main() -> None:
    """Print one row a model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--video", type=Path, required=True)
    parser.add_argument("--truth", type=Path, required=True)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--models", nargs="+", default=["bundled"])
    parser.add_argument("--confidence", type=float, default=0.01)
    parser.add_argument("--size", type=int, default=640)
    parser.add_argument("--precision", nargs="+", default=["auto"])
    parser.add_argument("--nested", type=float, nargs="+", default=[0.85])
    args = parser.parse_args()
    frames = read_every(args.video, args.every)
    boxes = read_mot(args.truth)
    nothing = np.zeros((0, 4), np.float32), np.zeros(0, np.float32)
    truth = [boxes.get(frame.index, nothing)[0] for frame in frames]
    print(f"{len(frames)} frames, {sum(map(len, truth))} persons")
    scores = f"{'AP50':>6} {'AP50:95':>8} {'R@P.9':>6}"
    print(f"{'model':40} {'precision':>9} {'nested':>6} {scores} {'ms/frame':>8} {'boxes>.25':>9}")
    for model in args.models:
        for precision in args.precision:
            for nested in args.nested:
                config = DetectorConfig(
                    model=model, confidence=args.confidence, image_size_px=args.size, nested_overlap=nested
                )
                runtime = RuntimeConfig(precision=precision)
                reference, _, path = model.partition(":")
                if path:
                    detector = build_reference(reference, path, config, runtime)
                else:
                    detector = build_detector(config, runtime)
                detector.detect(frames[:1])
                start = time.perf_counter()
                found = detector.detect(frames)
                spent = (time.perf_counter() - start) / len(frames) * 1e3
                pairs = zip(truth, found, strict=True)
                result = evaluate_detections(
                    [ImageBoxes(t.astype(float), d.xyxy.astype(float), d.confidence.astype(float)) for t, d in pairs]
                )
                if result is None:
                    raise SystemExit(f"{args.truth}: no truth in the frames that were read")
                many = sum(int((d.confidence >= 0.25).sum()) for d in found)
                scores = f"{result.ap50:6.3f} {result.ap50_95:8.3f} {result.recall_at_p90:6.3f}"
                print(f"{Path(model).name:40} {precision:>9} {nested:6.2f} {scores} {spent:8.1f} {many:9d}", flush=True)


if __name__ == "__main__":
    main()
