"""`run.py keypoints --data SET --model POSE`: the joints of the people in crops, for pose-guided parts."""

from __future__ import annotations

import argparse
from pathlib import Path

from pipeline.config import RuntimeConfig

CHUNK = 256


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    add("--data", type=Path, required=True, metavar="PATH", help="folder or tar of crops")
    add("--model", type=Path, required=True, metavar="M", help="ultralytics pose model: .pt, .onnx, .xml or a folder")
    add("--output", type=Path, required=True, metavar="JSON", help="e.g. KEYPOINTS/<set>.json")
    add("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    add("--threads", type=int, default=0, metavar="N", help="CPU threads (default: all cores)")


def run(args: argparse.Namespace) -> int:
    """Find the joints of each crop and write them. Raises UsageError."""
    import numpy as np  # noqa: PLC0415

    from commands.progress import FrameProgress  # noqa: PLC0415
    from detectors.pose import build_pose_estimator  # noqa: PLC0415
    from pipeline.types import Float32, UInt8  # noqa: PLC0415
    from reid.datasets import decode, read_crops  # noqa: PLC0415
    from reid.pose import MIN_CONFIDENCE, save_keypoints  # noqa: PLC0415

    estimator = build_pose_estimator(args.model, RuntimeConfig(device=args.device, threads=args.threads))
    names: list[str] = []
    found: list[Float32] = []
    waiting: list[UInt8] = []
    with FrameProgress("joints of", {args.data.name: None}) as tell:
        for name, data in read_crops(args.data):
            names.append(Path(name).name)
            waiting.append(decode(name, data))
            if len(waiting) == CHUNK:
                found.append(estimator.keypoints(waiting))
                waiting = []
                tell(args.data.name, len(names))
        found.append(estimator.keypoints(waiting))
    table = np.concatenate(found)
    args.output.parent.mkdir(parents=True, exist_ok=True)
    save_keypoints(args.output, names, table)
    seen = float((table[..., 2] >= MIN_CONFIDENCE).sum(1).mean())
    print(f"{args.output}: joints of {len(names)} crops, {seen:.1f} of 17 seen on average")
    return 0
