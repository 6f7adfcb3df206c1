"""`run.py calibrate`: from points clicked on a frame, or a camera's K, R and t, to the floor in metres."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments; nothing heavy is imported."""
    add = parser.add_argument
    add(
        "files", nargs="*", metavar="[NAME=]FILE",
        help="points or calibrations, YAML or JSON (docs/geometry.md): as the page saves them, or written by hand",
    )  # fmt: skip
    add("--page", action="store_true", help="write a page to click points on, one for each of --videos, into --output")
    add(
        "--videos", nargs="+", default=[], metavar="[NAME=]FILE",
        help="with --page: what to take a frame from; else: the floor's grid is drawn over a frame, beside --output",
    )  # fmt: skip
    add("--at", type=float, default=0.0, metavar="SECONDS", help="take the frame at this time (default: the first)")
    add("--output", type=Path, metavar="PATH", help="the calibration file to write (.yaml); with --page a folder")
    add("--overwrite", action="store_true", help="replace what is there")


def run(args: argparse.Namespace) -> int:
    """Write pages, or fit and report. Returns 0; 3 when points were left out because they contradict the others."""
    from pipeline.errors import UsageError  # noqa: PLC0415 - keep --help light

    if not 0 <= args.at < float("inf"):
        raise UsageError(f"--at {args.at:g}: want a time in seconds from the start, 0 or more")
    if args.page:
        if args.files or not args.videos or args.output is None:
            raise UsageError("calibrate --page wants --videos [NAME=]FILE and --output DIR, and no points")
        from commands.calibrate_page import write_pages  # noqa: PLC0415

        return write_pages(args.videos, args.at, args.output, overwrite=args.overwrite)
    if not args.files:
        raise UsageError(
            "calibrate wants a file of points (calibrate points.json --output site.yaml); "
            "to click them: calibrate --page --videos hall=hall.mp4 --output pages"
        )
    from commands.calibrate_fit import fit_files  # noqa: PLC0415

    return fit_files(args)
