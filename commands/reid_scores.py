"""Describing sets of crops and scoring the descriptions: what the re-identification commands have in common."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import UsageError
from pipeline.types import Embedder, Float32, Int64, UInt8

if TYPE_CHECKING:
    from evaluation.retrieval import RetrievalResult
    from reid.posed import PosedEmbedder
    from reid.releases import PartName

CHUNK = 256
"""Crops held in memory at a time."""


@dataclass(frozen=True, slots=True)
class Described:
    """Crops described: `vector (N, D)`, `identity (N,)`, `camera (N,)`; `place (N,)` among the images of their set."""

    vector: Float32
    identity: Int64
    camera: Int64
    place: Int64

    def take(self, rows: Int64) -> Described:
        """The crops of `rows`."""
        return Described(self.vector[rows], self.identity[rows], self.camera[rows], self.place[rows])


def describe(
    path: Path,
    embedder: Embedder | PosedEmbedder,
    hold_out: int | None = None,
    *,
    part: PartName = "gallery",
    split: int = 0,
    keypoints: Path | None = None,
) -> Described:
    """All crops of a folder or tar; with `hold_out` only those of the identities that training holds back (seed 0).

    Of a published data set those of `part`, in its random `split`. `keypoints`: the file of their joints, for a
    PosedEmbedder. Raises UsageError.
    """
    from reid.datasets import decode, held_out_identities, labelled_crops  # noqa: PLC0415

    labels = [(crop.name, crop.identity, crop.camera) for crop in labelled_crops(path, part, split)]
    known = np.array([identity for _, identity, _ in labels], np.int64)
    chosen = known if hold_out is None else held_out_identities(known, hold_out, 0, path.name)
    places = np.flatnonzero(np.isin(known, chosen))
    embed = _embed_with(embedder, keypoints, [labels[place][0] for place in places])
    vectors: list[Float32] = []
    waiting: list[UInt8] = []
    done, wanted = 0, set(places.tolist())
    for place, crop in enumerate(labelled_crops(path, part, split)):
        if place in wanted:
            waiting.append(decode(crop.name, crop.data))
        if len(waiting) == CHUNK:
            vectors.append(embed(waiting, done))
            done += len(waiting)
            waiting = []
            _tell(done, len(places))
    vectors.append(embed(waiting, done))
    table = np.concatenate(vectors)
    if broken := int((~np.isfinite(table).all(axis=1)).sum()):
        raise UsageError(
            f"{path}: {broken} of {len(table)} crops gave no finite vector; try --set runtime.precision=f32, or other "
            "weights"
        )
    camera = np.array([camera for _, _, camera in labels], np.int64)
    return Described(table, known[places], camera[places], places)


def _embed_with(
    embedder: Embedder | PosedEmbedder, keypoints: Path | None, names: Sequence[str]
) -> Callable[[list[UInt8], int], Float32]:
    """What describes a chunk of crops, given how many came before."""
    from reid.posed import PosedEmbedder  # noqa: PLC0415

    if not isinstance(embedder, PosedEmbedder):
        return lambda crops, _: embedder.embed(crops)
    from reid.pose import load_keypoints  # noqa: PLC0415

    if keypoints is None:
        raise UsageError("pose-guided parts need the joints of the crops: --keypoints JSON")
    points = load_keypoints(keypoints, names)
    return lambda crops, before: embedder.embed(crops, points[before : before + len(crops)])


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


def score_reranked(query: Described, gallery: Described) -> RetrievalResult:
    """`score` after k-reciprocal re-ranking."""
    from evaluation.retrieval import Labels, evaluate_blocks  # noqa: PLC0415
    from pipeline.rerank import rerank  # noqa: PLC0415

    return evaluate_blocks(
        rerank(query.vector, gallery.vector),
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


def of_camera(crops: Described, camera: int | None, option: str) -> Described:
    """The crops of one camera, all where none is named; `option` names it in a fault. Raises UsageError."""
    if camera is None:
        return crops
    rows = np.flatnonzero(crops.camera == camera)
    if len(rows) == 0:
        there = ", ".join(map(str, np.unique(crops.camera)))
        raise UsageError(f"{option} {camera}: no crop of that camera (there are {there})")
    return crops.take(rows)


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


def crops_at(path: Path, places: Int64, part: PartName = "gallery", split: int = 0) -> dict[int, UInt8]:
    """The decoded crops at `places` of a set."""
    from reid.datasets import decode, labelled_crops  # noqa: PLC0415

    wanted = set(places.tolist())
    return {
        place: decode(crop.name, crop.data)
        for place, crop in enumerate(labelled_crops(path, part, split))
        if place in wanted
    }


def _tell(done: int, total: int) -> None:
    if sys.stderr.isatty():
        print(f"\r{done} of {total} crops", end="" if done < total else "\n", file=sys.stderr)
