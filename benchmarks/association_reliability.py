"""How true the printed probabilities are: a reliability plot of links, and printed against true rates of a table.

    python -m benchmarks.association_reliability --data ../shared/data/reid \
        --model ../shared/models/person-reidentification-retail-0277/person-reidentification-retail-0277.xml \
        --sets cuhk03_pair1_labeled viper prid2011 --picture docs/images/association_reliability.svg

Every link of every scene is one point: the probability that was printed for it (of its joining), and whether its two
tracklets are one person. The picture and the table give, for bins of the printed probability, the share that is right.
"""

from __future__ import annotations

import argparse
from itertools import pairwise
from pathlib import Path

import numpy as np

from benchmarks.association_reid import SCENES
from benchmarks.reid_scenes import simulate
from benchmarks.reid_vectors import CACHE, embedded, own_prior
from pipeline.association.associator import AverageLinkageAssociator
from pipeline.config import AssociationConfig

_EDGES = np.array([0.2, 0.35, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 1.0])
_SIDE, _MARGIN = 420.0, 60.0


def main() -> None:
    """Print the table, draw the plot."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", default="bundled")
    parser.add_argument("--embedder", choices=["mgn", "openvino", "onnx"], default="openvino")
    parser.add_argument("--prior", choices=["own", "generic"], default="own")
    parser.add_argument("--sets", nargs="+", default=["cuhk03_pair1_labeled", "viper", "prid2011"])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("--picture", type=Path)
    args = parser.parse_args()

    def load(name: str):  # type: ignore[no-untyped-def]
        return embedded(args.data / f"{name}.tar", args.model, args.embedder, args.cache)

    prior = None
    if args.prior == "own":
        prior = own_prior(args.data, args.model, args.embedder, args.cache)
    printed: list[float] = []
    right: list[bool] = []
    for name, people, passers_by, broken in SCENES:
        if name not in args.sets:
            continue
        crops = load(name)
        for seed in range(args.seeds if people < 200 else 1):
            scene = simulate(crops, people, passers_by, seed, fragments=broken)
            # prefer: recall, so that doubtful links are there to be looked at
            solver = AverageLinkageAssociator(AssociationConfig(prefer="recall"), prior)
            for person in solver.solve(scene.tracklets, scene.embeddings, scene.scene).trajectories:
                for link in person.links:
                    printed.append(1.0 / (1.0 + np.exp(-link.log_odds)))
                    right.append(scene.truth[link.from_key] == scene.truth[link.to_key])
    probability, truth = np.array(printed), np.array(right)
    print("| printed probability | links | mean printed | right |\n|---|---|---|---|")
    points = []
    for low, high in pairwise(_EDGES.tolist()):
        inside = (probability > low) & (probability <= high)
        if inside.sum():
            points.append((float(probability[inside].mean()), float(truth[inside].mean()), int(inside.sum())))
            print(f"| {low:.2f} to {high:.2f} | {points[-1][2]} | {points[-1][0]:.3f} | {points[-1][1]:.3f} |")
    if args.picture:
        args.picture.write_text(plot(points), encoding="utf-8")


def plot(points: list[tuple[float, float, int]]) -> str:
    """Printed probability across, share of right links up, with two binomial standard errors; the diagonal is ideal."""

    def at(x: float, y: float) -> tuple[float, float]:
        return _MARGIN + x * _SIDE, _MARGIN + (1 - y) * _SIDE

    size = _SIDE + 2 * _MARGIN
    (x0, y0), (x1, y1) = at(0, 0), at(1, 1)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size:.0f} {size:.0f}" font-family="sans-serif" '
        'font-size="13"><rect width="100%" height="100%" fill="#fff"/>',
        f'<rect x="{x0}" y="{y1}" width="{_SIDE}" height="{_SIDE}" fill="#f6f8fa" stroke="#9aa5b1"/>',
        f'<line x1="{x0}" y1="{y0}" x2="{x1}" y2="{y1}" stroke="#9aa5b1" stroke-dasharray="5 5"/>',
    ]
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        (x, _), (_, y) = at(tick, 0), at(0, tick)
        parts.append(f'<text x="{x}" y="{y0 + 18}" text-anchor="middle">{tick:g}</text>')
        parts.append(f'<text x="{x0 - 8}" y="{y + 4}" text-anchor="end">{tick:g}</text>')
    for mean, share, count in points:
        error = 2 * np.sqrt(max(share * (1 - share), 0.25 / count) / count)
        (x, y), (_, low), (_, high) = at(mean, share), at(mean, max(share - error, 0)), at(mean, min(share + error, 1))
        parts.append(f'<line x1="{x:.1f}" y1="{low:.1f}" x2="{x:.1f}" y2="{high:.1f}" stroke="#2a7f9e"/>')
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="#2a7f9e"><title>{count} links</title></circle>')
    parts.append(f'<text x="{size / 2}" y="{size - 16}" text-anchor="middle">printed probability of a link</text>')
    parts.append(
        f'<text x="{x0}" y="{y1 - 14}">share of these links that join one person, and two standard errors</text>'
    )
    return "\n".join([*parts, "</svg>"]) + "\n"


if __name__ == "__main__":
    main()
