"""Peak memory and CPU time of scoring a large gallery: random vectors, those of one person at a cosine of 0.5.

    python -m benchmarks.retrieval_memory --queries 20000 --gallery 100000 --dimension 2048
    python -m benchmarks.retrieval_memory --queries 3000 --gallery 20000 --rerank

The vectors are made first; their own size is in the peak, as it is in `run.py evaluate-reid`.
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np

from evaluation.retrieval import Labels, evaluate_blocks, evaluate_retrieval
from pipeline.rerank import rerank
from pipeline.types import Float32


def vectors(of: Labels, dimension: int, seed: int) -> Float32:
    """`(N, dimension)` unit rows, made in place: a direction of the person's and as much noise."""
    people = np.random.default_rng(2).standard_normal((int(of.ids.max()) + 1, dimension), np.float32)
    made = np.random.default_rng(seed).standard_normal((len(of), dimension), np.float32)
    for begin in range(0, len(of), 4096):
        part = made[begin : begin + 4096]
        part += people[of.ids[begin : begin + 4096]]
        part /= np.linalg.norm(part, axis=1, keepdims=True)
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
    of_query, of_gallery = labels(args.queries, args.people, 1), labels(args.gallery, args.people, 2)
    query, gallery = vectors(of_query, args.dimension, 0), vectors(of_gallery, args.dimension, 1)
    before = resource.getrusage(resource.RUSAGE_SELF)
    started = time.perf_counter()
    if args.rerank:
        result = evaluate_blocks(rerank(query, gallery), of_query, of_gallery)
    else:
        result = evaluate_retrieval(query, gallery, of_query, of_gallery)
    after = resource.getrusage(resource.RUSAGE_SELF)
    size = (query.nbytes + gallery.nbytes) / 2**20
    print(f"{result.queries} queries, {args.gallery} images of {args.dimension} numbers{', re-ranked' * args.rerank}")
    print(f"mAP {100 * result.map:.1f}, Rank-1 {100 * result.rank(1):.1f}")
    print(f"vectors {size:.0f} MiB, peak memory of the process {after.ru_maxrss / 1024:.0f} MiB")
    print(f"{after.ru_utime - before.ru_utime:.0f} s of CPU time, {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
