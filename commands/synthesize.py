"""`run.py synthesize`: people who never lived, on cameras that never were, with the exact truth beside the videos."""

from __future__ import annotations

import argparse
import json
import logging
import math
import time
from pathlib import Path

log = logging.getLogger(__name__)

DIFFICULTIES = ("easy", "crowd", "uniforms", "light", "infrared", "clocks", "all", "hard")
_MARKER = "scene.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments; nothing heavy is imported."""
    add = parser.add_argument
    add("--out", type=Path, required=True, metavar="DIR", help="folder to write to")
    add("--people", type=int, default=8, metavar="N", help="how many people (default 8)")
    add("--cameras", type=int, default=3, metavar="N", help="how many cameras (default 3; 3 are 2 rooms)")
    add("--hours", type=float, default=1 / 120, metavar="H", help="length of the recordings (default 30 seconds)")
    add("--difficulty", choices=DIFFICULTIES, default="easy", help="what is hard about it (hard = all; default easy)")
    add("--seed", type=int, default=0, help="another number makes another scene (default 0)")
    add("--size", type=size, default=(960, 540), metavar="WxH", help="of the images (default 960x540)")
    add("--fps", type=float, default=10.0, help="frames a second (default 10)")
    add("--crops", type=int, default=12, metavar="N", help="crops of each person in each camera; 0 = none (default 12)")
    add("--processes", type=int, default=0, metavar="N", help="cameras rendered at once (default: one a core)")
    add("--overwrite", action="store_true", help="replace the set in --out")


def size(text: str) -> tuple[int, int]:
    """`960x540` as width and height. Raises argparse.ArgumentTypeError."""
    width, _, height = text.lower().partition("x")
    if not (width.isdigit() and height.isdigit() and int(width) and int(height)):
        raise argparse.ArgumentTypeError(f"{text!r} is no size: say WIDTHxHEIGHT, e.g. 960x540")
    return int(width), int(height)


def run(args: argparse.Namespace) -> int:
    """Render the set. Returns 0; raises UsageError for numbers that make no scene, or a folder that is in use."""
    from commands.synthetic_set import SceneRequest, write_set  # noqa: PLC0415 - keep --help light
    from pipeline.errors import UsageError  # noqa: PLC0415

    if not (math.isfinite(args.hours) and args.hours > 0):
        raise UsageError(f"--hours {args.hours}: want a length above 0")
    if args.seed < 0 or args.crops < 0 or args.processes < 0:
        raise UsageError("--seed, --crops and --processes want 0 or more")
    difficulty = "all" if args.difficulty == "hard" else args.difficulty
    request = SceneRequest(args.seed, args.people, args.cameras, args.hours * 3600, difficulty, args.size, args.fps)
    prepare_folder(args.out, overwrite=args.overwrite)
    started = time.monotonic()
    result = write_set(request, args.out, crops=args.crops, processes=args.processes)
    took = time.monotonic() - started
    frames = sum(camera["frames"] for camera in json.loads((args.out / _MARKER).read_text())["cameras"])
    log.info("%d frames of %d cameras in %.0f s", frames, len(result.videos), took)
    if args.json:
        print(json.dumps({"output": str(args.out), "frames": frames, "seconds": round(took, 1)}))
    else:
        videos = " ".join(str(path) for path in result.videos.values())
        print(f"track it:  python run.py track --videos {videos} --config {result.config} --output RUN")
        print(f"score it:  python run.py evaluate RUN --truth {result.truth}")
    return 0


def prepare_folder(root: Path, *, overwrite: bool) -> None:
    """Make `root`, or empty the set that is there. Raises UsageError where something else stands, or may not be."""
    import shutil  # noqa: PLC0415

    from pipeline.errors import UsageError  # noqa: PLC0415

    if root.is_symlink() or (root.exists() and not root.is_dir()):
        raise UsageError(f"--out {root}: is no folder; name another")
    if root.is_dir() and any(root.iterdir()):
        if not (root / _MARKER).is_file():
            raise UsageError(f"--out {root}: holds something that is no synthetic set; name another folder")
        if not overwrite:
            raise UsageError(f"--out {root}: holds a synthetic set already; --overwrite replaces it")
        for name in ("videos", "truth", "people", "calibration", "crops"):
            shutil.rmtree(root / name, ignore_errors=True)
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--out {root}: cannot be made ({error.strerror})") from None
