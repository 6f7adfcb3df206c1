"""`run.py evaluate-detector`: average precision and speed of a person detector on a video or on labelled images."""

from __future__ import annotations

import argparse
import json
import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import CameraError, NoCameraError, UsageError

if TYPE_CHECKING:
    from evaluation.detection import DetectionResult, ImageBoxes
    from pipeline.config import Config
    from pipeline.types import Detector, Float64, Frame

log = logging.getLogger(__name__)

Labelled = tuple["Frame", "Float64", "Float64"]
"""A frame, the truth boxes and the boxes to ignore in it, both `(N, 4)` xyxy px."""

LEAST_CONFIDENCE = 0.001
"""Average precision wants the whole curve; ultralytics' validation begins here too."""

PARTIAL = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--video", type=Path, metavar="FILE", help="a video; its truth is --truth")
    source.add_argument(
        "--data", type=Path, metavar="PATH", help="folder or tar of images, each with its YOLO .txt (class 0 = person)"
    )
    parser.add_argument("--truth", type=Path, metavar="GT", help="MOT text of the video's every frame")
    parser.add_argument("--detector", metavar="MODEL", help="bundled, a .pt or .onnx file, or an OpenVINO folder")
    parser.add_argument("--config", type=Path, metavar="YAML", help="settings that differ from the defaults")
    parser.add_argument(
        "--set", action="append", default=[], dest="overrides", metavar="KEY=VALUE", help="one setting, e.g. "
        "detector.image_size_px=1280",
    )  # fmt: skip
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only every Nth frame or image (default 1)")
    parser.add_argument("--json", action="store_true", help="print the scores as JSON on stdout")


def run(args: argparse.Namespace) -> int:
    """Detect, score, print. Raises UsageError; 3 where a video was only partly decoded."""
    from detectors import build_detector  # noqa: PLC0415 - torch and OpenVINO, heavy
    from evaluation.detection import evaluate_by_height, evaluate_detections  # noqa: PLC0415
    from pipeline.config_loading import load_config  # noqa: PLC0415

    if args.every < 1:
        raise UsageError(f"--every {args.every}: wants 1 or more")
    if args.video is not None and args.truth is None:
        raise UsageError("--video needs --truth, the MOT text of its people")
    if args.data is not None and args.truth is not None:
        raise UsageError("--truth goes with --video; --data has its labels beside the images")
    settings = [f"detector.confidence={LEAST_CONFIDENCE}"]
    # Quoted, so that no sign in a file's name is taken for YAML.
    settings += [f"detector.model={json.dumps(args.detector)}"] if args.detector else []
    config = load_config(args.config, [*settings, *args.overrides])
    partly: list[str] = []
    source = _video(args, config, partly) if args.video is not None else _images(args.data, args.every)
    images, ms_per_frame = detect_all(build_detector(config.detector, config.runtime), source, config)
    scores = evaluate_detections(images)
    if scores is None:
        raise UsageError(f"{args.truth or args.data}: holds no person in the {len(images)} images looked at")
    if args.json:
        print(json.dumps(as_json(scores, ms_per_frame), allow_nan=False))
    else:
        _print_table({"all": scores, **evaluate_by_height(images)})
        print(f"{len(images)} images, {ms_per_frame:.1f} ms an image (boxes from confidence "
              f"{config.detector.confidence:g}; fewer take less)")  # fmt: skip
    for cause in partly:
        log.warning("%s", cause)
    return PARTIAL if partly else 0


def as_json(scores: DetectionResult, ms_per_frame: float) -> dict[str, float]:
    """The scores as the JSON of docs/evaluation.md."""
    return {
        "ap50": scores.ap50,
        "ap50_95": scores.ap50_95,
        "recall_at_p90": scores.recall_at_p90,
        "ms_per_frame": ms_per_frame,
    }


def detect_all(detector: Detector, source: Iterable[Labelled], config: Config) -> tuple[list[ImageBoxes], float]:
    """Every image's boxes, and the mean time of `detect` an image in ms; the first batch of a size only warms up."""
    from evaluation.detection import ImageBoxes  # noqa: PLC0415

    images: list[ImageBoxes] = []
    timed: list[tuple[float, int]] = []
    seen: set[tuple[int, ...]] = set()
    for batch in _batches(source, config.detector.batch_frames):
        start = time.perf_counter()
        found = detector.detect([frame for frame, _, _ in batch])
        took = time.perf_counter() - start
        shapes = {frame.image.shape for frame, _, _ in batch}
        if shapes <= seen:
            timed.append((took, len(batch)))
        warm_up = (took, len(batch))
        seen |= shapes
        for (_, truth, ignore), boxes in zip(batch, found, strict=True):
            images.append(ImageBoxes(truth, boxes.xyxy.astype(np.float64), boxes.confidence.astype(np.float64), ignore))
    if not images:
        raise UsageError("nothing to evaluate: no image or frame was read")
    timed = timed or [warm_up]
    return images, 1000 * sum(took for took, _ in timed) / sum(count for _, count in timed)


def _batches(source: Iterable[Labelled], size: int) -> Iterator[Sequence[Labelled]]:
    items = iter(source)
    while batch := list(islice(items, size)):
        yield batch


def _images(path: Path, every: int) -> Iterator[Labelled]:
    from commands.labelled_images import read_labelled_images  # noqa: PLC0415 - OpenCV
    from pipeline.types import Frame  # noqa: PLC0415

    if not path.exists():
        raise UsageError(f"--data {path}: no such file or folder")
    none = np.zeros((0, 4))
    for index, (_, image, xyxy) in enumerate(read_labelled_images(path)):
        if index % every == 0:
            yield Frame("images", index, float(index), image), xyxy.astype(np.float64), none


def _video(args: argparse.Namespace, config: Config, partly: list[str]) -> Iterator[Labelled]:
    """The frames with their truth, cut to the image as detections are; truth of confidence 0 is to be ignored."""
    from evaluation.mot_text import read_mot  # noqa: PLC0415
    from pipeline.video import VideoReader  # noqa: PLC0415 - PyAV

    rows = read_mot(args.truth)
    considered = rows.confidence != 0
    last = -1
    try:
        with VideoReader("video", [args.video], queue_frames=config.video.queue_frames,
                         max_pixels=config.video.max_pixels) as reader:  # fmt: skip
            for frame in reader:
                last = frame.index
                if frame.index % args.every:
                    continue
                height, width = frame.image.shape[:2]
                boxes = rows.xyxy.clip(0, (width, height, width, height))
                here = (rows.frame == frame.index + 1) & (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
                yield frame, boxes[here & considered], boxes[here & ~considered]
            report = reader.report()
    except CameraError as error:
        raise NoCameraError(str(error)) from None
    if report.status == "failed":
        raise NoCameraError(f"{args.video}: not one frame could be decoded: {'; '.join(report.causes)}")
    if report.status == "partial":
        partly.append(f"{args.video}: only partly decoded: {'; '.join(report.causes)}")
    if len(rows) and rows.frame.max() > last + 1:
        beyond = int((rows.frame > last + 1).sum())
        log.warning("%s: %d boxes lie beyond the video's %d frames: not scored", args.truth, beyond, last + 1)


def _print_table(scores: dict[str, DetectionResult | None]) -> None:
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("people", "AP50", "AP50:95", "recall at precision 0.9", "in truth"):
        table.add_column(name, justify="left" if name == "people" else "right")
    for name, row in scores.items():
        if row is None:
            table.add_row(name.replace("_", " "), "-", "-", "-", "0")
            continue
        shares = (f"{100 * share:.2f}" for share in (row.ap50, row.ap50_95, row.recall_at_p90))
        table.add_row(name.replace("_", " "), *shares, str(row.truths))
    Console(markup=False, highlight=False).print(table)
