"""`run.py weights`: the weight files that are here, each checked against its card."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from commands import ROOT
from pipeline.errors import UsageError
from pipeline.weights import WeightCard, verify

FOLDERS = ("detectors/weights", "reid/weights")


@dataclass(frozen=True, slots=True)
class Verdict:
    """One weight file: its card when all is well, else the fault."""

    path: Path
    card: WeightCard | None
    fault: str | None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="weight files (default: the bundled ones)")


def run(args: argparse.Namespace) -> int:
    """List and verify; 2 when a file is missing, damaged or replaced."""
    verdicts = check(args.files or bundled())
    if args.json:
        print(json.dumps([_as_json(verdict) for verdict in verdicts], indent=2, allow_nan=False))
    else:
        for verdict in verdicts:
            print("\n      ".join(_lines(verdict)))
        if not verdicts:
            print("no weight files here; a checkout brings them in detectors/weights and reid/weights")
    return 2 if not verdicts or any(verdict.fault for verdict in verdicts) else 0


def bundled(root: Path = ROOT) -> list[Path]:
    """The weight files that come with the checkout; also those whose card is here and whose file is gone."""
    found = {path.with_suffix(".safetensors") for folder in FOLDERS for path in (root / folder).glob("*.safetensors")}
    found |= {path.with_suffix(".safetensors") for folder in FOLDERS for path in (root / folder).glob("*.json")}
    return sorted(found)


def check(paths: Sequence[Path]) -> list[Verdict]:
    """Verify each file; nothing is loaded."""
    verdicts = []
    for path in paths:
        try:
            verdicts.append(Verdict(path, verify(path), None))
        except UsageError as error:
            verdicts.append(Verdict(path, None, str(error)))
    return verdicts


def _lines(verdict: Verdict) -> list[str]:
    card = verdict.card
    if card is None:
        return [f"fail  {verdict.fault}"]
    width, height = card.input_size_wh
    size = verdict.path.stat().st_size / 1e6
    metrics = ", ".join(f"{name} {value:g}" for name, value in card.metrics.items())
    return [
        f"ok    {card.name}: {card.architecture}, {width}x{height}, {size:.1f} MB, sha256 {card.sha256[:12]}",
        f"licence: {card.licence}",
        f"trained on {', '.join(card.training_data)}",
        *([f"measured: {metrics}"] if metrics else []),
    ]


def _as_json(verdict: Verdict) -> dict[str, Any]:
    card = asdict(verdict.card) if verdict.card else None
    return {"path": str(verdict.path), "ok": verdict.fault is None, "fault": verdict.fault, "card": card}
