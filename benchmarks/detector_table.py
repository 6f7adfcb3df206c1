"""Detectors side by side on labelled images and a video: AP50, AP50:95, recall at precision .9, by height; CPU time.

    M=../shared/models; D=../shared/data
    python -m benchmarks.detector_table --keep runs/detector-table \
        --images held_out=runs/train-detector/held_out/*:2 left_out=$D/person_boxes/clinic_cctv.tar:4 \
        --video pets=$D/pets09_s2l1/view1.mp4:4 --truth $D/pets09_s2l1/gt.txt \
        --models bundled@640 bundled@640x384/int8=runs/int8 $M/yolo11n_int8_openvino_model yolox:$M/yolox_nano.onnx

A set is NAME=PATH:N, every N-th image; a name that comes twice is one set. A model is WHAT@SIZE, what evaluate-detector
takes; `yolox:` and `adas:` are reference models of others. What was found is kept in --keep, so that a model is asked
once. CPU ms: one thread, the least of five rounds in which the models take turns; a busy machine's clock says little.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from benchmarks.detectors import read_every
from benchmarks.reference_detectors import build_reference
from commands.labelled_images import read_labelled_images
from detectors import build_detector
from detectors.yolo import BUNDLED
from evaluation.detection import DetectionResult, ImageBoxes, evaluate_by_height, evaluate_detections
from evaluation.mot_text import read_mot
from pipeline.config import DetectorConfig, RuntimeConfig
from pipeline.types import Detector, Float64, Frame

LEAST_CONFIDENCE = 0.001
ROUNDS, TIMED_FRAMES = 5, 12


@dataclass(frozen=True, slots=True)
class Images:
    """A set: its frames and the truth `(G, 4)` of each."""

    frames: list[Frame]
    truth: list[Float64]
    key: str


def labelled(path: Path, every: int) -> list[tuple[Frame, Float64]]:
    """Every `every`-th image of a folder or tar."""
    found = []
    for index, (_, image, xyxy) in enumerate(read_labelled_images(path)):
        if index % every == 0:
            found.append((Frame(path.stem, index, float(index), image), xyxy.astype(np.float64)))
    return found


def filmed(path: Path, every: int, truth: Path) -> list[tuple[Frame, Float64]]:
    """Every `every`-th frame of a video; truth is cut to the image as detections are."""
    rows, found = read_mot(truth, truth=True), []
    for frame in read_every(path, every):
        height, width = frame.image.shape[:2]
        boxes = rows.xyxy.clip(0, (width, height, width, height))
        here = (rows.frame == frame.index + 1) & (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
        found.append((frame, boxes[here]))
    return found


def read_sets(args: argparse.Namespace) -> dict[str, Images]:
    """The sets of the command line, in its order."""
    parts: dict[str, list[str]] = defaultdict(list)
    for word in [*args.images, *args.video]:
        name, _, what = word.partition("=")
        parts[name].append(what)
    sets = {}
    for name, words in parts.items():
        pairs = []
        for word in words:
            path, _, every = word.rpartition(":")
            video = f"{name}={word}" in args.video
            read = filmed(Path(path), int(every), args.truth) if video else labelled(Path(path), int(every))
            pairs += read
        sets[name] = Images([frame for frame, _ in pairs], [truth for _, truth in pairs], ",".join(words))
    return sets


@cache
def build(word: str) -> Detector:
    """The detector of a word of --models, on one thread."""
    what, _, size = word.partition("@")
    kind, _, path = what.rpartition(":")
    size, _, precision = (size or "640").partition("/")
    config = DetectorConfig(model=path, confidence=LEAST_CONFIDENCE, image_size_px=int(size), batch_frames=1)
    runtime = RuntimeConfig.model_validate({"device": "cpu", "threads": 1, "precision": precision or "auto"})
    return build_reference(kind, path, config, runtime) if kind else build_detector(config, runtime)


def digest(word: str) -> str:
    """Of a word of --models and the files behind it."""
    path = word.partition("@")[0].rpartition(":")[2]
    file = BUNDLED if path == "bundled" else Path(path)
    files = sorted(file.glob("*.bin")) if file.is_dir() else [file]
    return hashlib.sha256(word.encode() + b"".join(each.read_bytes() for each in files)).hexdigest()[:16]


def detected(word: str, images: Images, keep: Path) -> list[ImageBoxes]:
    """What a model finds in a set, from --keep where it was asked before."""
    path = keep / f"{digest(word)}-{hashlib.sha256(images.key.encode()).hexdigest()[:16]}.npz"
    if not path.exists():
        found = [build(word).detect([frame])[0] for frame in images.frames]
        rows = np.concatenate([np.full(len(each), number) for number, each in enumerate(found)])
        xyxy, confidence = np.concatenate([f.xyxy for f in found]), np.concatenate([f.confidence for f in found])
        np.savez(path, row=rows, xyxy=xyxy, confidence=confidence)
    with np.load(path) as kept:
        row, xyxy, confidence = kept["row"], kept["xyxy"], kept["confidence"]
    return [
        ImageBoxes(truth, xyxy[row == k].astype(np.float64), confidence[row == k].astype(np.float64))
        for k, truth in enumerate(images.truth)
    ]


def cpu_ms(words: list[str], frames: list[Frame]) -> dict[str, float]:
    """CPU time of `detect` a frame, with one thread, batch 1: the least round of each, the models taking turns."""
    detectors = {word: build(word) for word in words}
    best = dict.fromkeys(words, float("inf"))
    for _ in range(ROUNDS):
        for word, detector in detectors.items():
            detector.detect(frames[:1])
            start = time.process_time()
            for frame in frames[:TIMED_FRAMES]:
                detector.detect([frame])
            best[word] = min(best[word], (time.process_time() - start) / len(frames[:TIMED_FRAMES]) * 1e3)
    return best


def cells(result: DetectionResult | None) -> list[str]:
    """AP50, AP50:95 and recall at precision .9 for a table, in percent."""
    if result is None:
        return ["-"] * 3
    return [f"{100 * value:.1f}" for value in (result.ap50, result.ap50_95, result.recall_at_p90)]


def main() -> None:
    """Print one table a set, and the times."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", nargs="+", default=[], metavar="NAME=PATH:N")
    parser.add_argument("--video", nargs="+", default=[], metavar="NAME=PATH:N")
    parser.add_argument("--truth", type=Path)
    parser.add_argument("--models", nargs="+", required=True, metavar="MODEL@SIZE[/PRECISION]")
    parser.add_argument("--keep", type=Path, required=True, metavar="DIR")
    parser.add_argument("--time", action="store_true", help="measure CPU time too, on the frames of the last set")
    args = parser.parse_args()
    args.keep.mkdir(parents=True, exist_ok=True)
    sets, rows = read_sets(args), []
    for name, images in sets.items():
        people = sum(len(truth) for truth in images.truth)
        print(f"\n{name}: {len(images.frames)} images, {people} people\n")
        print("| model | AP50 | AP50:95 | recall at precision .9 | AP50 < 50 px | 50 to 100 px | from 100 px |")
        print("|---|---|---|---|---|---|---|")
        for word in args.models:
            boxes = detected(word, images, args.keep)
            whole, heights = evaluate_detections(boxes), evaluate_by_height(boxes)
            row = [*cells(whole), *(cells(heights[key])[0] for key in ("below_50px", "50_100px", "from_100px"))]
            print(f"| {Path(word.partition('@')[0]).name}@{word.partition('@')[2]} | {' | '.join(row)} |", flush=True)
            rows.append({"set": name, "model": word, "row": row})
    if args.time:
        print("\n| model | CPU ms a frame, one thread |\n|---|---|")
        for word, took in cpu_ms(args.models, list(sets.values())[-1].frames).items():
            print(f"| {word} | {took:.1f} |")
            rows.append({"model": word, "cpu_ms": round(took, 1)})
    (args.keep / "table.json").write_text(json.dumps(rows, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
