"""`run.py reid-matrix --weights A B --data X Y`: how networks trained on some sets do on others."""

from __future__ import annotations

import argparse
import json
import logging
from pathlib import Path
from typing import Any

from commands.evaluate_reid import overrides
from commands.reid_scores import as_json, describe, of_camera, score
from pipeline.errors import UsageError

logger = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    add("--weights", nargs="+", required=True, metavar="W", help="bundled, bundled-osnet, or files: the rows")
    add("--data", nargs="+", required=True, type=Path, metavar="SET", help="folders or tars of crops: the columns")
    add("--hold-out", type=int, metavar="N", help="of every set only the N identities that `hold_out: N` keeps back")
    add("--query-camera", type=int, metavar="C", help="queries from this camera only")
    add("--gallery-camera", type=int, metavar="C", help="gallery from this camera only")
    add("--flip", action=argparse.BooleanOptionalAction, default=None, help="average with the mirror image's vector")
    add("--config", type=Path, metavar="YAML", help="settings of the embedder and runtime")
    add("--set", action="append", default=[], dest="overrides", metavar="KEY=VALUE", help="one setting, for all rows")


def run(args: argparse.Namespace) -> int:
    """Score every network on every set, print a table. Raises UsageError."""
    from pipeline.config_loading import load_config  # noqa: PLC0415
    from reid import build_embedder  # noqa: PLC0415
    from reid.embedder import card_of  # noqa: PLC0415

    names = [path.stem for path in args.data]
    if len(set(names)) < len(names):
        raise UsageError(f"--data: two sets are called {max(names, key=names.count)}; rename one")
    rows: list[dict[str, Any]] = []
    for weights in args.weights:
        config = load_config(args.config, overrides(argparse.Namespace(**{**vars(args), "weights": weights})))
        embedder, card = build_embedder(config.embedder, config.runtime), card_of(config.embedder)
        training = card.settings.get("training") if card is not None else None
        kept_back = training.get("hold_out", {}) if isinstance(training, dict) else {}
        learnt = [Path(name).stem for name in training.get("data", ())] if isinstance(training, dict) else []
        scores = {}
        for path in args.data:
            count = args.hold_out if args.hold_out is not None else kept_back.get(path.stem)
            crops = describe(path, embedder, count)
            query = of_camera(crops, args.query_camera, "--query-camera")
            gallery = of_camera(crops, args.gallery_camera, "--gallery-camera")
            seen = path.stem in learnt and (count is None or count > kept_back.get(path.stem, 0))
            found = as_json(score(query, gallery))
            scores[path.stem] = {**found, "held_out": count, "trained_on": seen}
            logger.info("%s on %s: Rank-1 %.1f", weights, path.stem, 100 * found["rank1"])
        rows.append({"weights": weights, "scores": scores})
    if args.json:
        print(json.dumps({"matrix": rows}, allow_nan=False))
    else:
        print("\n".join(table(rows, names)))
    return 0


def table(rows: list[dict[str, Any]], names: list[str]) -> list[str]:
    """Markdown: Rank-1 / mAP in percent; a score on people that the network was trained on is marked."""
    lines = ["| trained weights | " + " | ".join(names) + " |", "|---" * (1 + len(names)) + "|"]
    marked = False
    for row in rows:
        cells = []
        for name in names:
            scores = row["scores"][name]
            marked |= scores["trained_on"]
            mark = " *" if scores["trained_on"] else ""
            cells.append(f"{100 * scores['rank1']:.1f} / {100 * scores['map']:.1f}{mark}")
        lines.append(f"| {row['weights']} | " + " | ".join(cells) + " |")
    return [*lines, *(["", "Rank-1 / mAP. * scored on people it was trained on."] if marked else [])]
