"""What the gate of large scenes lets through, on the made-up stream (crowd_stream.py): candidates against the truth,
and, where all pairs can be compared, against what dense association links.

    python -m benchmarks.association_candidates --sizes 1000 3000 10000 30000 --dense-up-to 3000

Columns: the gate (log-odds that a candidate must reach; the lowest is the one in use); candidates; the share of the
true pairs within the window that are among them; of the pairs of tracklets that dense association (ways and times
learned, as by default) puts in one trajectory, the share that are, of all and of those that are right; cpu seconds of
search and rivals, and of the whole comparison with calibration, both at the gate in use.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from benchmarks.crowd_stream import make, own_prior
from pipeline.association.affinity import usable_embeddings
from pipeline.association.associator import AverageLinkageAssociator
from pipeline.association.crowd_solver import compare_crowd
from pipeline.association.pair_scores import gate_log_odds, score_pairs
from pipeline.config import AssociationConfig


def together(name: np.ndarray) -> np.ndarray:
    """Pairs `(P,)` of rows of one name, as lower * N + higher."""
    order = np.argsort(name, kind="stable")
    found = [np.zeros(0, np.int64)]
    for rows in np.split(order, np.flatnonzero(np.diff(name[order])) + 1):
        one, two = np.triu_indices(len(rows), 1)
        found.append(np.minimum(rows[one], rows[two]) * len(name) + np.maximum(rows[one], rows[two]))
    return np.concatenate(found)


def compared(count: int, seed: int, dense_up_to: int) -> list[str]:
    """Lines of the table for one size."""
    tracklets, embeddings, scene, truth = make(count, seed)
    config, prior = AssociationConfig(), own_prior()
    ordered = sorted(tracklets, key=lambda t: t.key)
    begin = time.process_time()
    scores = compare_crowd(ordered, usable_embeddings(ordered, embeddings), scene, prior, config).scores
    whole = time.process_time() - begin
    begin = time.process_time()
    score_pairs(scores.crowd, scores.calibration, scores.extra, config)
    searched = time.process_time() - begin
    true = together(np.unique([truth[t.key] for t in ordered], return_inverse=True)[1])
    start, end = (np.array([getattr(t, at) for t in ordered]) for at in ("start_s", "end_s"))
    one, two = true // count, true % count
    true = true[np.maximum(start[one], start[two]) - np.minimum(end[one], end[two]) <= config.candidate_window_s]
    linked = None
    if count <= dense_up_to:
        dense = AverageLinkageAssociator(AssociationConfig(dense_up_to=count), prior)
        people = dense.associate(tracklets, embeddings, scene)
        person = {t.key: p.person_id for p in people for t in p.tracklets}
        linked = together(np.array([person[t.key] for t in ordered]))
    lines = []
    lowest = gate_log_odds(config)
    for gate in (lowest + 2, lowest + 1, lowest):
        key = scores.key[scores.candidates.log_odds >= gate]

        def share(wanted: np.ndarray, key: np.ndarray = key) -> str:
            return f"{np.isin(wanted, key).mean():.4f} of {len(wanted):,}"

        told = "" if linked is None else f"{share(linked)} | {share(np.intersect1d(linked, true))}"
        cost = f"{searched:.1f} | {whole:.1f}"
        lines.append(f"| {count:,} | {gate:.0f} | {len(key):,} | {share(true)} | {told or ' | '} | {cost} |")
    return lines


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 3000, 10_000, 30_000])
    parser.add_argument("--seed", type=int, default=0, help="of the stream")
    parser.add_argument(
        "--dense-up-to", type=int, default=3000, help="tracklets up to which all pairs are compared, too"
    )
    arguments = parser.parse_args()
    head = "tracklets | gate | candidates | true pairs | dense links | right dense links | search, cpu s | all, cpu s"
    print(f"| {head} |\n|" + "---|" * (head.count("|") + 1))
    for count in arguments.sizes:
        print("\n".join(compared(count, arguments.seed, arguments.dense_up_to)), flush=True)


if __name__ == "__main__":
    main()
