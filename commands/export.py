"""`run.py export --output model.onnx`: a re-identification network as ONNX or OpenVINO."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    add("--weights", default="bundled", metavar="W", help="bundled, bundled-osnet, or a .safetensors file")
    add("--output", type=Path, required=True, metavar="FILE", help="model.onnx, or model.xml for OpenVINO")
    add("--overwrite", action="store_true", help="replace --output")


def run(args: argparse.Namespace) -> int:
    """Export and say what was written. Raises UsageError."""
    from pipeline.errors import UsageError  # noqa: PLC0415
    from reid.deploy import export  # noqa: PLC0415
    from reid.embedder import BUNDLED_MODELS  # noqa: PLC0415

    if args.output.exists() and not args.overwrite:
        raise UsageError(f"{args.output}: is there already; --overwrite replaces it")
    card = export(BUNDLED_MODELS.get(args.weights) or Path(args.weights), args.output)
    if args.json:
        print(json.dumps(asdict(card), allow_nan=False))
    else:
        width, height = card.input_size_wh
        name = "onnx" if args.output.suffix == ".onnx" else "openvino"
        print(f"{args.output}: {card.architecture}; input batch x 3 x {height} x {width}, BGR 0..255; run it with "
              f"--set embedder.name={name} --set embedder.model={args.output}")  # fmt: skip
    return 0
