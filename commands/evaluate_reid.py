"""`run.py evaluate-reid --data PATH`: CMC and mAP of an embedder on crops of known people."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import UsageError
from pipeline.types import Embedder, Float32, Int64

if TYPE_CHECKING:
    from evaluation.retrieval import RetrievalResult

CHUNK = 256
"""Crops held in memory at a time."""


@dataclass(frozen=True, slots=True)
class Described:
    """Crops described: `vector (N, D)`, `identity (N,)`, `camera (N,)`."""

    vector: Float32
    identity: Int64
    camera: Int64

    def take(self, rows: Int64) -> Described:
        """The crops of `rows`."""
        return Described(self.vector[rows], self.identity[rows], self.camera[rows])


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    add(
        "--data", type=Path, metavar="PATH", help="folder or tar of <id>_c<camera>_<n>.<ext>: query and gallery at once"
    )
    add("--query", type=Path, metavar="PATH", help="queries, if they are a set of their own")
    add("--gallery", type=Path, metavar="PATH", help="gallery, if it is a set of its own")
    add("--query-camera", type=int, metavar="C", help="queries from this camera only")
    add("--gallery-camera", type=int, metavar="C", help="gallery from this camera only")
    add("--hold-out", type=int, metavar="N", help="score only the N identities that training with hold_out keeps back")
    add("--single-shot", type=int, default=0, metavar="N", help="also mean Rank-1 of N draws of one crop a person")
    add("--weights", default="bundled", metavar="W", help="bundled, or a .safetensors, .xml or .onnx file")
    add(
        "--flip",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="average with the mirror image's vector (default: as the settings say)",
    )
    add("--config", type=Path, metavar="YAML", help="settings of the embedder and runtime")
    add("--set", action="append", default=[], dest="overrides", metavar="KEY=VALUE", help="one setting")
    add("--json", action="store_true", help="print the scores as JSON")


def run(args: argparse.Namespace) -> int:
    """Describe the crops, rank, print. Raises UsageError."""
    if (args.data is None) == (args.query is None) or (args.query is None) != (args.gallery is None):
        raise UsageError("give either --data, or both --query and --gallery")
    from pipeline.config_loading import load_config  # noqa: PLC0415
    from reid import build_embedder  # noqa: PLC0415

    config = load_config(args.config, overrides(args))
    embedder = build_embedder(config.embedder, config.runtime)
    query = describe(args.query or args.data, embedder, args.hold_out)
    gallery = query if args.gallery is None else describe(args.gallery, embedder, args.hold_out)
    query = _of_camera(query, args.query_camera, "--query-camera")
    gallery = _of_camera(gallery, args.gallery_camera, "--gallery-camera")
    scores: dict[str, float | int] = as_json(score(query, gallery))
    if args.single_shot:
        scores["single_shot_rank1"] = single_shot(query, gallery, args.single_shot)
    if args.json:
        print(json.dumps(scores, allow_nan=False))
    else:
        print("  ".join(f"{name} {value:.4f}" if isinstance(value, float) else f"{name} {value}"
                        for name, value in scores.items()))  # fmt: skip
    return 0


def overrides(args: argparse.Namespace) -> list[str]:
    """`--set` entries that stand for the other arguments, then those that the user gave (which win)."""
    flip = [] if args.flip is None else [f"embedder.flip={str(args.flip).lower()}"]
    return [*_embedder_settings(args.weights), *flip, *args.overrides]


def _embedder_settings(weights: str) -> list[str]:
    """`--weights` as settings."""
    if weights == "bundled":
        return []
    names = {".safetensors": "mgn", ".xml": "openvino", ".onnx": "onnx"}
    suffix = Path(weights).suffix
    if suffix not in names:
        raise UsageError(f"--weights {weights}: bundled, or a .safetensors, .xml or .onnx file")
    return [f"embedder.name={names[suffix]}", f"embedder.model={json.dumps(weights)}"]


def describe(path: Path, embedder: Embedder, hold_out: int | None = None, seed: int = 0) -> Described:
    """All crops of a folder or tar; with `hold_out` only those of the identities drawn by `seed`. Raises UsageError."""
    from reid.datasets import held_out_identities, parse_name  # noqa: PLC0415

    names = [(name, *parse_name(name)) for name, _ in _crops(path)]
    known = np.array([identity for _, identity, _ in names], np.int64)
    chosen = known if hold_out is None else held_out_identities(known, hold_out, seed, path.name)
    keep = np.isin(known, chosen)
    vectors: list[Float32] = []
    chunk: list[np.ndarray[tuple[int, ...], np.dtype[np.uint8]]] = []
    from reid.datasets import decode  # noqa: PLC0415

    for wanted, (name, data) in zip(keep, _crops(path), strict=True):
        if wanted:
            chunk.append(decode(name, data))
        if len(chunk) == CHUNK:
            vectors.append(embedder.embed(chunk))
            _tell(sum(map(len, vectors)), int(keep.sum()))
            chunk = []
    vectors.append(embedder.embed(chunk))
    table = np.concatenate(vectors)
    if broken := int((~np.isfinite(table).all(axis=1)).sum()):
        raise UsageError(
            f"{path}: {broken} of {len(table)} crops gave no finite vector; try --set runtime.precision=f32, or other "
            "weights"
        )
    camera = np.array([camera for _, _, camera in names], np.int64)
    return Described(table, known[keep], camera[keep])


def score(query: Described, gallery: Described) -> RetrievalResult:
    """By the Market-1501 protocol: a person's other crops of the query's own camera are junk; id 0 is somebody."""
    from evaluation.retrieval import Labels, evaluate_retrieval  # noqa: PLC0415

    return evaluate_retrieval(
        query.vector,
        gallery.vector,
        Labels(query.identity, query.camera),
        Labels(gallery.identity, gallery.camera),
        distractor_id=None,
    )


def single_shot(query: Described, gallery: Described, draws: int) -> float:
    """Mean Rank-1 of `draws` draws, seeds 0, 1, ...: one crop of each person in the query and in the gallery."""
    results = []
    for seed in range(draws):
        rng = np.random.default_rng(seed)
        result = score(query.take(_one_each(query.identity, rng)), gallery.take(_one_each(gallery.identity, rng)))
        results.append(result.rank(1))
    return float(np.mean(results))


def as_json(result: RetrievalResult) -> dict[str, float | int]:
    """The scores of the contract, fractions."""
    return {
        "rank1": result.rank(1),
        "rank5": result.rank(5),
        "rank10": result.rank(10),
        "map": result.map,
        "minp": result.minp,
        "queries": result.queries,
        "skipped": result.skipped,
    }


def _one_each(identity: Int64, rng: np.random.Generator) -> Int64:
    return np.array([rng.choice(np.flatnonzero(identity == person)) for person in np.unique(identity)], np.int64)


def _of_camera(crops: Described, camera: int | None, option: str) -> Described:
    if camera is None:
        return crops
    rows = np.flatnonzero(crops.camera == camera)
    if len(rows) == 0:
        there = ", ".join(map(str, np.unique(crops.camera)))
        raise UsageError(f"{option} {camera}: no crop of that camera (there are {there})")
    return crops.take(rows)


def _crops(path: Path) -> Iterator[tuple[str, bytes]]:
    from reid.datasets import read_crops  # noqa: PLC0415

    return read_crops(path)


def _tell(done: int, total: int) -> None:
    if sys.stderr.isatty():
        print(f"\r{done} of {total} crops", end="" if done < total else "\n", file=sys.stderr)
