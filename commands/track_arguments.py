"""The arguments of `run.py track`, and the settings they stand for."""

from __future__ import annotations

import argparse
import json
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments; nothing heavy is imported."""
    add = parser.add_argument
    add(
        "--videos",
        nargs="+",
        required=True,
        metavar="[NAME=]FILE[,FILE...]",
        help="one entry a camera; comma-separated files (or a glob) are one camera recorded in segments",
    )
    add("--output", type=Path, metavar="DIR", help="run directory (default: runs/<date>-NN)")
    add(
        "--config", type=Path, metavar="YAML", help="settings that differ from the defaults, e.g. configs/accurate.yaml"
    )
    add(
        "--set",
        action="append",
        default=[],
        dest="overrides",
        metavar="KEY=VALUE",
        help="one setting, e.g. tracker.max_lost_s=2",
    )
    add(
        "--clock",
        choices=("common", "unknown", "align"),
        help="common: the cameras share a clock; align: find out how far apart they are (default: unknown)",
    )
    add("--calibration", type=Path, metavar="YAML", help="from the image to the floor, as `run.py calibrate` writes it")
    add("--start", type=seconds, metavar="TIME", help="begin at this time of the recording: seconds or [HH:]MM:SS")
    add("--end", type=seconds, metavar="TIME", help="end at this time")
    add(
        "--detector",
        metavar="MODEL",
        help="bundled, a .pt or .onnx file, an OpenVINO folder, or a published name (yolo11m.pt), fetched once",
    )
    add("--embedder", metavar="MODEL", help="bundled, bundled-osnet, or a .safetensors, .onnx or OpenVINO .xml file")
    add(
        "--replay",
        type=Path,
        metavar="DIR",
        help="take the boxes from DIR/<camera>.txt (MOT text) instead of a detector",
    )
    add("--device", metavar="DEVICE", help="auto, cpu, cuda or cuda:N")
    add("--no-render", action="store_true", help="write no overlay videos")
    add(
        "--offline",
        action="store_true",
        help="never use the network, not even for a detector that is given by name, e.g. yolo11m.pt",
    )
    add("--resume", action="store_true", help="go on with an interrupted run in --output")
    add("--overwrite", action="store_true", help="replace the run in --output")
    add("--allow-duplicates", action="store_true", help="accept the same video as two cameras")


def seconds(text: str) -> float:
    """`90`, `1:30` or `0:01:30` as seconds. Raises argparse.ArgumentTypeError."""
    parts = text.split(":")
    try:
        values = [float(part) for part in parts]
    except ValueError:
        values = []
    if not values or len(values) > 3 or any(not 0 <= value < float("inf") for value in values):
        raise argparse.ArgumentTypeError(f"{text!r} is no time: say seconds or [HH:]MM:SS")
    total = 0.0
    for value in values:
        total = total * 60 + value
    return total


def overrides(args: argparse.Namespace) -> list[str]:
    """`--set` entries that stand for the other arguments, then those that the user gave (which win)."""
    stands_for = {
        "clock": args.clock,
        "calibration": args.calibration,
        "detector.model": args.detector,
        "embedder.model": args.embedder,
        "detector.replay_dir": args.replay,
        "runtime.device": args.device,
        "detector.name": "replay" if args.replay else None,
        "embedder.name": _embedder_kind(args.embedder),
    }
    # Quoted, so that no sign in a file's name is taken for YAML.
    quoted = [f"{key}={json.dumps(str(value))}" for key, value in stands_for.items() if value is not None]
    switches = ["output.overlays=false"] * args.no_render + ["runtime.offline=true"] * args.offline
    return [*quoted, *switches, *args.overrides]


def _embedder_kind(model: str | None) -> str | None:
    """How to run an embedder, by its file's ending; None leaves the setting alone."""
    if model is None:
        return None
    return {".xml": "openvino", ".onnx": "onnx"}.get(Path(model).suffix.lower(), "mgn")
