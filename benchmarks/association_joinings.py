"""Why a joining in a large scene is surer than the mean of its pairs, shown on the made-up stream (crowd_stream.py).

    python -m benchmarks.association_joinings --size 10000 --seed 1

First table: candidates by their own log-odds, and the joinings of two single tracklets at such log-odds, made best
first down to -4: how many join one person. Second: joinings as they are made, by printed probability. Third: groups by
the mean alone, with what being left over says, and with what sizes say.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from benchmarks.crowd_stream import make, own_prior, pairs
from pipeline.association.affinity import usable_embeddings
from pipeline.association.confidence import sigmoid
from pipeline.association.crowd_solver import compare_crowd
from pipeline.association.joining import Joining
from pipeline.association.linkage import PLAIN, Merge
from pipeline.association.pair_scores import PairScores
from pipeline.association.sparse_linkage import Edges, sparse_average_linkage
from pipeline.config import AssociationConfig

ODDS = (-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, np.inf)
PROBABILITIES = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 1.0)
LOWEST = -4.0


def grouped(scores: PairScores, odds: np.ndarray, joining: Joining, floor: float) -> tuple[np.ndarray, list[Merge]]:
    """Labels and joinings by `joining`; `odds (P,)` of the candidates."""
    edges = Edges(scores.candidates.left, scores.candidates.right, odds)
    given = np.arange(len(scores.crowd))
    labels, merges = sparse_average_linkage(edges, floor, scores.log_odds, given, joining=joining)
    return labels, list(merges)


def right(merges: Sequence[Merge], who: np.ndarray) -> np.ndarray:
    """Which join groups most of whose tracklets are one person `(M,)`; ties to the lowest number."""

    def most(rows: tuple[int, ...]) -> int:
        name, number = np.unique(who[list(rows)], return_counts=True)
        return int(name[number.argmax()])

    return np.array([most(merge.left) == most(merge.right) for merge in merges])


def share(chosen: np.ndarray, true: np.ndarray) -> str:
    """How many are chosen, and the share that is true of them."""
    return f"{chosen.sum():,} | {true[chosen].mean():.3f}" if chosen.any() else "0 | "


def main() -> None:
    """Print the three tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0, help="of the stream")
    arguments = parser.parse_args()
    tracklets, embeddings, scene, truth = make(arguments.size, arguments.seed)
    ordered = sorted(tracklets, key=lambda t: t.key)
    usable = usable_embeddings(ordered, embeddings)
    affinity = compare_crowd(ordered, usable, scene, own_prior(), AssociationConfig())
    scores, joining = affinity.scores, affinity.joining
    who = np.unique([truth[t.key] for t in ordered], return_inverse=True)[1]
    candidates = scores.candidates
    odds = scores.of_candidates(np.arange(len(candidates.left)))
    same = who[candidates.left] == who[candidates.right]
    print(f"seen once: {np.exp(-joining.lift):.3f} of the tracklets; truth {np.mean(np.bincount(who)[who] == 1):.3f}\n")

    _, merges = grouped(scores, odds, PLAIN, LOWEST)
    single = np.array([len(m.left) == 1 == len(m.right) for m in merges])
    score, good = np.array([m.score for m in merges]), right(merges, who)
    print("| log-odds | candidates | one person | two left over | one person |\n|---|---|---|---|---|")
    for low, high in pairwise(ODDS):
        every = share((odds >= low) & (odds < high), same)
        print(f"| {low:.0f} to {high:.0f} | {every} | {share((score >= low) & (score < high) & single, good)} |")

    _, merges = grouped(scores, odds, joining, 0.0)
    printed, good = sigmoid(np.array([m.score for m in merges])), right(merges, who)
    print("\n| printed | joinings | right | mean printed |\n|---|---|---|---|")
    for low, high in pairwise(PROBABILITIES):
        chosen = (printed > low) & (printed <= high)
        print(f"| {low} to {high} | {share(chosen, good)} | {printed[chosen].mean() if chosen.any() else 0:.3f} |")

    print(
        "\n| log-odds of a joining | pair precision | recall | F1 | wrong joinings (printed) |\n|---|---|---|---|---|"
    )
    steps = {"mean of pairs": PLAIN, "+ left over": Joining(joining.lift, 1.0), "+ sizes": joining}
    for name, how in steps.items():
        labels, merges = grouped(scores, odds, how, 0.0)
        hits, found, real = pairs(who * (labels.max() + 1) + labels), pairs(labels), pairs(who)
        wrong = 1.0 - right(merges, who).mean()
        told = 1.0 - sigmoid(np.array([m.score for m in merges])).mean()
        f1 = 2 * hits / (found + real)
        cells = " | ".join(f"{100 * value:.1f}" for value in (hits / found, hits / real, f1))
        print(f"| {name} | {cells} | {wrong:.4f} ({told:.4f}) |")


if __name__ == "__main__":
    main()
