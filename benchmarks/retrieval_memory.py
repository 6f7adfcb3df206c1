"""Peak memory and CPU time of scoring a large gallery: random unit vectors of as many people.

    python -m benchmarks.retrieval_memory --queries 20000 --gallery 100000 --dimension 2048
    python -m benchmarks.retrieval_memory --queries 3000 --gallery 20000 --rerank

The vectors are made first; their own size is in the peak, as it is in `run.py evaluate-reid`.
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np

from evaluation.rerank import rerank
from evaluation.retrieval import Labels, evaluate_blocks, evaluate_retrieval
from pipeline.types import Float32


def vectors(rows: int, dimension: int, seed: int) -> Float32:
    """`(rows, dimension)` unit rows, made in place."""
    made = np.random.default_rng(seed).standard_normal((rows, dimension), np.float32)
    made /= np.linalg.norm(made, axis=1, keepdims=True)
    return made


def labels(rows: int, people: int, camera: int) -> Labels:
    """Each of `people` in turn."""
    return Labels(np.arange(rows) % people + 1, np.full(rows, camera))


def main() -> None:
    """Score once and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--queries", type=int, default=20_000)
    parser.add_argument("--gallery", type=int, default=100_000)
    parser.add_argument("--dimension", type=int, default=2048)
    parser.add_argument("--people", type=int, default=1500)
    parser.add_argument("--rerank", action="store_true")
    args = parser.parse_args()
    query, gallery = vectors(args.queries, args.dimension, 0), vectors(args.gallery, args.dimension, 1)
    of_query, of_gallery = labels(args.queries, args.people, 1), labels(args.gallery, args.people, 2)
    before = resource.getrusage(resource.RUSAGE_SELF)
    started = time.perf_counter()
    if args.rerank:
        result = evaluate_blocks(rerank(query, gallery), of_query, of_gallery)
    else:
        result = evaluate_retrieval(query, gallery, of_query, of_gallery)
    after = resource.getrusage(resource.RUSAGE_SELF)
    size = (query.nbytes + gallery.nbytes) / 2**20
    print(f"{result.queries} queries, {args.gallery} images of {args.dimension} numbers{', re-ranked' * args.rerank}")
    print(f"vectors {size:.0f} MiB, peak memory of the process {after.ru_maxrss / 1024:.0f} MiB")
    print(f"{after.ru_utime - before.ru_utime:.0f} s of CPU time, {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
