"""Videos without labels as a source for `run.py train-detector` (`partial: true`: a teacher's boxes become the labels).

    C=../shared/data/clips
    python -m tools.clips_source --videos $C/campus_crowd_cam1.webm $C/campus_crowd_cam2.webm $C/samihormi_Double1.mp4 \
        --every 5 --output DATA/clips

Of each frame taken come the whole picture and six parts of half its width, in which a teacher of fixed input size sees
small people twice as large. A video is a group: it is held out as a whole or not at all.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import av
import cv2

from pipeline.types import UInt8

WEBP_QUALITY = 92


def parts(image: UInt8) -> list[UInt8]:
    """`image (H, W, 3)` and six overlapping parts of W/2 x 5/9 H."""
    height, width = image.shape[:2]
    part_w, part_h = width // 2, height * 5 // 9
    places = [(x, y) for y in (0, height - part_h) for x in (0, (width - part_w) // 2, width - part_w)]
    return [image, *(image[y : y + part_h, x : x + part_w] for x, y in places)]


def write_video(path: Path, every: int, output: Path, group: int) -> int:
    """Write every `every`-th frame of `path` and its parts with empty labels; how many images."""
    count = 0
    with av.open(str(path)) as container:
        for index, frame in enumerate(container.decode(video=0)):
            if index % every:
                continue
            for part in parts(frame.to_ndarray(format="bgr24")):
                name = output / f"g{group:05d}_{count:05d}.webp"
                cv2.imwrite(str(name), part, [cv2.IMWRITE_WEBP_QUALITY, WEBP_QUALITY])
                name.with_suffix(".txt").touch()
                count += 1
    return count


def main() -> None:
    """Write the source."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=Path, nargs="+", required=True)
    parser.add_argument("--every", type=int, default=5, metavar="N", help="every N-th frame (default 5)")
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    for group, path in enumerate(args.videos):
        print(f"{path}: {write_video(path, args.every, args.output, group)} images", flush=True)


if __name__ == "__main__":
    main()
