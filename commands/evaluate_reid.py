"""`run.py evaluate-reid --data PATH`: CMC and mAP of an embedder on crops of known people."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from commands.reid_scores import Described, as_json, crops_at, describe, of_camera, score, score_reranked, single_shot
from pipeline.config import EmbedderConfig
from pipeline.errors import UsageError
from reid.embedder import BUNDLED_MODELS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    add(
        "--data",
        type=Path,
        metavar="PATH",
        help="folder or tar of <id>_c<camera>_<n>.<ext>, query and gallery at once; or a published set as released",
    )
    add("--query", type=Path, metavar="PATH", help="queries, if they are a set of their own")
    add("--gallery", type=Path, metavar="PATH", help="gallery, if it is a set of its own")
    add("--query-camera", type=int, metavar="C", help="queries from this camera only")
    add("--gallery-camera", type=int, metavar="C", help="gallery from this camera only")
    add("--split", type=int, default=0, metavar="N", help="random split of a data set without a fixed one (default: 0)")
    add("--hold-out", type=int, metavar="N", help="score only the N identities that training with hold_out keeps back")
    add("--single-shot", type=int, default=0, metavar="N", help="also mean Rank-1 of N draws of one crop a person")
    add("--weights", default="bundled", metavar="W", help="bundled, bundled-osnet, a .safetensors, .xml or .onnx")
    add(
        "--flip",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="average with the mirror image's vector (default: as the settings say)",
    )
    add("--rerank", action="store_true", help="also the scores after k-reciprocal re-ranking, which uses the gallery")
    add("--sheets", type=Path, metavar="DIR", help="write pictures: queries and their first 10, right and wrong framed")
    add("--attention", type=Path, metavar="DIR", help="write pictures: where the branches of our own network look")
    add("--pictures", type=int, default=24, metavar="N", help="queries in the pictures, spread evenly (default: 24)")
    add("--keypoints", type=Path, metavar="JSON", help="joints of the crops of --data, for pose-guided weights")
    add("--config", type=Path, metavar="YAML", help="settings of the embedder and runtime")
    add("--set", action="append", default=[], dest="overrides", metavar="KEY=VALUE", help="one setting")
    add("--json", action="store_true", help="print the scores as JSON")


def run(args: argparse.Namespace) -> int:
    """Describe the crops, rank, print. Raises UsageError."""
    if (args.data is None) == (args.query is None) or (args.query is None) != (args.gallery is None):
        raise UsageError("give either --data, or both --query and --gallery")
    from pipeline.config_loading import load_config  # noqa: PLC0415
    from reid import build_embedder  # noqa: PLC0415
    from reid.datasets import tell_counts  # noqa: PLC0415
    from reid.embedder import weights_of  # noqa: PLC0415
    from reid.posed import PosedEmbedder  # noqa: PLC0415
    from reid.releases import recognise  # noqa: PLC0415

    config = load_config(args.config, overrides(args))
    if args.keypoints is not None and args.data is None:
        raise UsageError("--keypoints goes with --data")
    embedder = (
        build_embedder(config.embedder, config.runtime)
        if args.keypoints is None
        else PosedEmbedder(weights_of(config.embedder), flip=config.embedder.flip)
    )
    query = describe(
        args.query or args.data, embedder, args.hold_out, part="query", split=args.split, keypoints=args.keypoints
    )
    gallery = query
    if args.gallery is not None or recognise(args.data) is not None:
        tell_counts(args.gallery or args.data, args.split)
        gallery = describe(
            args.gallery or args.data, embedder, args.hold_out, split=args.split, keypoints=args.keypoints
        )
    query = of_camera(query, args.query_camera, "--query-camera")
    gallery = of_camera(gallery, args.gallery_camera, "--gallery-camera")
    if args.pictures < 1:
        raise UsageError(f"--pictures {args.pictures}: give 1 or more")
    scores: dict[str, Any] = as_json(score(query, gallery))
    if args.rerank:
        scores["reranked"] = as_json(score_reranked(query, gallery))
    if args.single_shot:
        scores["single_shot_rank1"] = single_shot(query, gallery, args.single_shot)
    if args.json:
        print(json.dumps(scores, allow_nan=False))
    else:
        again = scores.pop("reranked", None)
        print(_line(scores))
        if again is not None:
            print("after k-reciprocal re-ranking (uses the gallery itself; not for an open one):  " + _line(again))
    if args.sheets is not None or args.attention is not None:
        _draw(args, query, gallery, config.embedder)
    return 0


def _line(scores: dict[str, Any]) -> str:
    """In percent; numbers of images as they are."""
    return "  ".join(f"{name} {100 * value:.1f}" if isinstance(value, float) else f"{name} {value}"
                     for name, value in scores.items())  # fmt: skip


def _draw(args: argparse.Namespace, query: Described, gallery: Described, embedder: EmbedderConfig) -> None:
    """Write the pictures that were asked for."""
    from commands.reid_pictures import attention_row, ranked_row, write_sheets  # noqa: PLC0415
    from evaluation.retrieval import Labels, nearest  # noqa: PLC0415

    chosen = query.take(np.unique(np.linspace(0, len(query.identity) - 1, args.pictures).round().astype(np.int64)))
    asked = crops_at(args.query or args.data, chosen.place, "query", args.split)
    written: list[Path] = []
    if args.sheets is not None:
        labels, found = Labels(chosen.identity, chosen.camera), Labels(gallery.identity, gallery.camera)
        hits = nearest(chosen.vector, gallery.vector, labels, found)
        crops = crops_at(args.gallery or args.data, gallery.place[hits[hits >= 0]], "gallery", args.split)
        rows = []
        for number, (place, ranked) in enumerate(zip(chosen.place, hits, strict=True)):
            person = int(chosen.identity[number])
            shown = [
                (
                    crops[int(gallery.place[hit])],
                    bool(gallery.identity[hit] == person),
                    float(chosen.vector[number] @ gallery.vector[hit]),
                )
                for hit in ranked[ranked >= 0]
            ]
            rows.append(ranked_row(asked[int(place)], shown, f"{person} c{int(chosen.camera[number])}"))
        written += write_sheets(args.sheets, rows, "ranked")
    if args.attention is not None:
        from reid.attention import attention_maps  # noqa: PLC0415
        from reid.embedder import weights_of  # noqa: PLC0415

        maps, branches = attention_maps(weights_of(embedder), [asked[int(place)] for place in chosen.place])
        names = [f"part-{branch.local}" if branch.local else "global" for branch in branches]
        rows = [
            attention_row(
                asked[int(place)],
                [(m[number], name, branch.count) for m, name, branch in zip(maps, names, branches, strict=True)],
            )
            for number, place in enumerate(chosen.place)
        ]
        written += write_sheets(args.attention, rows, "attention")
    print("\n".join(map(str, written)), file=sys.stderr)


def overrides(args: argparse.Namespace) -> list[str]:
    """`--set` entries that stand for the other arguments, then those that the user gave (which win)."""
    flip = [] if args.flip is None else [f"embedder.flip={str(args.flip).lower()}"]
    return [*_embedder_settings(args.weights), *flip, *args.overrides]


def _embedder_settings(weights: str) -> list[str]:
    """`--weights` as settings."""
    if weights in BUNDLED_MODELS:
        return [f"embedder.model={weights}"]
    names = {".safetensors": "mgn", ".xml": "openvino", ".onnx": "onnx"}
    suffix = Path(weights).suffix
    if suffix not in names:
        raise UsageError(f"--weights {weights}: bundled, or a .safetensors, .xml or .onnx file")
    return [f"embedder.name={names[suffix]}", f"embedder.model={json.dumps(weights)}"]
