"""Frames of rendered sets as a source of labelled images for `run.py train-detector`.

    python run.py synthesize --people 40 --cameras 6 --hours 0.0167 --difficulty light --out sets/s7000
    python -m tools.synthetic_source --sets sets/s7* --every 2 --output DATA/synthetic

Whoever stands in the truth gets a label. Whoever is seen less than the truth asks for is neither person nor background:
the place is filled with its mean colour, unless it lies mostly on somebody who has a label.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections import defaultdict
from pathlib import Path

import av
import cv2
import numpy as np

from detectors.training.dataset import LabelledImage
from detectors.training.teacher import hide
from evaluation.mot_text import read_mot
from pipeline.types import Float32, UInt8

WEBP_QUALITY = 88
BARELY_SEEN = 0.02
"""Below this visibility nothing is there to be hidden."""


def seen_places(path: Path) -> dict[int, dict[int, Float32]]:
    """Frame (from 0) -> id -> the visible box, px, of everybody who is seen at all."""
    places: dict[int, dict[int, Float32]] = defaultdict(dict)
    with path.open(newline="", encoding="utf-8") as handle:
        for row in csv.DictReader(handle):
            if float(row["visibility"]) >= BARELY_SEEN:
                box = np.array([row[f"visible_{side}"] for side in ("x1", "y1", "x2", "y2")], np.float32)
                places[int(row["frame"]) - 1][int(row["id"])] = box
    return places


def yolo_lines(xyxy: Float32, size_wh: tuple[int, int]) -> str:
    """Boxes `(N, 4)` px as lines `0 cx cy w h` in fractions."""
    lines = []
    for x0, y0, x1, y1 in xyxy / np.tile(size_wh, 2):
        lines.append(f"0 {(x0 + x1) / 2:.6f} {(y0 + y1) / 2:.6f} {x1 - x0:.6f} {y1 - y0:.6f}\n")
    return "".join(lines)


def write_camera(directory: Path, camera: str, every: int, output: Path, stem: str) -> int:
    """Write every `every`-th frame of a camera with its labels as `<stem><frame>`; how many."""
    truth = read_mot(directory / "truth" / f"{camera}.txt")
    people = seen_places(directory / "people" / f"{camera}.csv")
    count = 0
    with av.open(str(directory / "videos" / f"{camera}.mp4")) as container:
        for index, frame in enumerate(container.decode(video=0)):
            if index % every:
                continue
            image: UInt8 = frame.to_ndarray(format="bgr24")
            here = truth.frame == index + 1
            known = {int(one) for one in truth.identity[here]}
            labels = truth.xyxy[here].astype(np.float32)
            hidden = [box for one, box in people[index].items() if one not in known]
            item = LabelledImage("synthetic", "", "", image, labels)
            item = hide(item, np.array(hidden, np.float32).reshape(-1, 4))
            name = f"{stem}{index:04d}"
            cv2.imwrite(str(output / f"{name}.webp"), item.image, [cv2.IMWRITE_WEBP_QUALITY, WEBP_QUALITY])
            (output / f"{name}.txt").write_text(yolo_lines(labels, (frame.width, frame.height)), encoding="utf-8")
            count += 1
    return count


def main() -> None:
    """Write one folder from all sets; a set is a group, so that a held-out image shares no room with a trained one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", type=Path, required=True)
    parser.add_argument("--every", type=int, default=1, help="only every Nth frame")
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    for directory in args.sets:
        seed = json.loads((directory / "scene.json").read_text(encoding="utf-8"))["seed"]
        written = 0
        for number, video in enumerate(sorted((directory / "videos").glob("*.mp4"))):
            written += write_camera(directory, video.stem, args.every, args.output, f"g{seed:05d}_{number:02d}")
        print(f"{directory}: {written} images")


if __name__ == "__main__":
    main()
