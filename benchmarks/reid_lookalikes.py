"""How like the people that no training sees are to those it sees: is anybody in a set twice, under two numbers?

    python -m benchmarks.reid_lookalikes --data ../shared/data/reid --model TEACHER.xml

Each person is the mean of its first crops' vectors; of each training set the nearest to anybody held out is told.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from benchmarks.reid_vectors import HELD_OUT, HELD_OUT_SET, embedder_of
from pipeline.config import EmbedderConfig, RuntimeConfig
from pipeline.types import Embedder, Float32, Int64
from reid import build_embedder
from reid.datasets import CropTable, load_crops, split_identities

SETS = (HELD_OUT_SET, "cuhk01_671")
CROPS = 4
"""Of a person."""


def people(table: CropTable, embedder: Embedder) -> tuple[Int64, Float32]:
    """Number and unit mean vector `(P, D)` of each person."""
    numbers = np.unique(table.identity)
    means = []
    for number in numbers:
        rows = np.flatnonzero(table.identity == number)[:CROPS]
        means.append(embedder.embed([table.images[row] for row in rows]).mean(0))
    vectors = np.stack(means)
    return numbers, np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def main() -> None:
    """Print the nearest pairs of each set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", default="bundled")
    parser.add_argument("--sets", nargs="+", default=list(SETS))
    parser.add_argument("--cache", type=Path, default=Path(".cache/reid"))
    args = parser.parse_args()
    config = EmbedderConfig(name=embedder_of(args.model), model=args.model, flip=False)
    embedder = build_embedder(config, RuntimeConfig(device="cpu", threads=1))
    tables = {
        name: load_crops(args.data / f"{name}.tar", (128, 256), args.cache) for name in {HELD_OUT_SET, *args.sets}
    }
    seen, held = split_identities(tables[HELD_OUT_SET], HELD_OUT, seed=0)
    numbers, ours = people(held, embedder)
    for name in args.sets:
        others, theirs = people(seen if name == HELD_OUT_SET else tables[name], embedder)
        cosine = ours @ theirs.T
        best = np.argsort(-cosine.max(1))[:3]
        told = [f"{cosine[row].max():.3f} ({numbers[row]} and {others[cosine[row].argmax()]})" for row in best]
        print(f"{name}, {len(others)} people: nearest of {len(ours)} held out {', '.join(told)}", flush=True)


if __name__ == "__main__":
    main()
