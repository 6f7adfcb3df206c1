"""Scores of association on scenes of real appearance, and how near the printed rates come to the true ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.stats import beta

from benchmarks.reid_scenes import Simulation, simulate
from pipeline.association.associator import AverageLinkageAssociator
from pipeline.association.prior import DistancePrior, LabelledCrops
from pipeline.association.report import AssociationResult
from pipeline.config import AssociationConfig


def score(simulation: Simulation, result: AssociationResult) -> dict[str, float]:
    """Pair precision, recall and F1 of tracklets, IDF1 of boxes, and the false-link rate beside its estimate."""
    truth = simulation.truth
    person = {t.key: trajectory.person_id for trajectory in result.trajectories for t in trajectory.tracklets}
    keys = sorted(truth)
    real = np.array([truth[k] for k in keys])
    found = np.array([person[k] for k in keys])
    weight = {t.key: len(t) for t in simulation.tracklets}
    length = np.array([weight[k] for k in keys], dtype=np.float64)
    upper = np.triu_indices(len(keys), 1)
    same_real = (real[:, None] == real)[upper]
    same_found = (found[:, None] == found)[upper]
    hits = float((same_real & same_found).sum())
    _, real_index = np.unique(real, return_inverse=True)
    _, found_index = np.unique(found, return_inverse=True)
    common = np.zeros((real_index.max() + 1, found_index.max() + 1))
    np.add.at(common, (real_index, found_index), length)
    matched = linear_sum_assignment(-common)
    links = [(link, truth[link.from_key] != truth[link.to_key]) for t in result.trajectories for link in t.links]
    return {
        "pair_precision": hits / max(float(same_found.sum()), 1.0),
        "pair_recall": hits / max(float(same_real.sum()), 1.0),
        "pair_f1": 2 * hits / max(float(same_real.sum() + same_found.sum()), 1.0),
        "idf1": float(common[matched].sum() / length.sum()),
        "links": float(len(links)),
        "false_links": float(sum(wrong for _, wrong in links)),
        "expected_false_links": len(links) * (result.report.estimated_false_link_rate or 0.0),
        "true_links": float(len(truth) - len(set(truth.values()))),
        "missed_links": float(len(truth) - len(set(truth.values())) - sum(not wrong for _, wrong in links)),
        "expected_missed_rate": result.report.estimated_missed_link_rate or 0.0,
        "people": float(len(result.trajectories)),
        "true_people": float(len(set(truth.values()))),
        "share_cross": result.report.share_cross,
        "same": result.report.same.mean,
        "different": result.report.different_cross.mean,
    }


_COUNTS = ("links", "false_links", "true_links", "missed_links")


def measure(  # noqa: PLR0917 - one knob each
    crops: LabelledCrops,
    prior: DistancePrior | None,
    scene: tuple[int, int, float],
    seeds: int,
    config: AssociationConfig,
    clock: str = "unknown",
) -> dict[str, float]:
    """Mean scores over `seeds` scenes of (people, passers-by, share of broken visits); links are counted over all."""
    people, passers_by, broken = scene
    rows = []
    for seed in range(seeds):
        simulation = simulate(crops, people, passers_by, seed, clock=clock, fragments=broken)
        solver = AverageLinkageAssociator(config, prior)
        rows.append(score(simulation, solver.solve(simulation.tracklets, simulation.embeddings, simulation.scene)))
    mean = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
    return {
        **mean,
        **{name: sum(row[name] for row in rows) for name in _COUNTS},
        "estimated_false_link_rate": mean["expected_false_links"] / max(mean["links"], 1e-9),
    }


@dataclass(frozen=True)
class Printed:
    """A rate that was printed, and what it stands for: `wrong` of `all` links."""

    rate: float
    wrong: int
    all: int

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the true rate (Clopper and Pearson, Biometrika 26, 1934)."""
        low = float(beta.ppf(0.025, self.wrong, self.all - self.wrong + 1)) if self.wrong else 0.0
        high = float(beta.ppf(0.975, self.wrong + 1, self.all - self.wrong)) if self.wrong < self.all else 1.0
        return low, high

    def near(self, factor: float) -> bool:
        """Within `factor` of the counted rate; where nothing is wrong, only 0 is."""
        true = self.wrong / max(self.all, 1)
        return true / factor <= self.rate <= true * factor

    def may_be_near(self, factor: float) -> bool:
        """Within `factor` of a rate in the interval."""
        low, high = self.interval
        return low / factor <= self.rate <= high * factor

    def __str__(self) -> str:
        return f"{self.wrong} of {self.all}: {self.wrong / max(self.all, 1):.3f} ({self.rate:.3f})"


def false_rate(row: dict[str, float]) -> Printed:
    """Of the links made, those of two people."""
    return Printed(row["estimated_false_link_rate"], int(row["false_links"]), int(row["links"]))


def missed_rate(row: dict[str, float]) -> Printed:
    """Of the links there are to make, those not made."""
    return Printed(row["expected_missed_rate"], int(row["missed_links"]), int(row["true_links"]))


def agreement(what: str, rates: Sequence[Printed]) -> str:
    """In how many rows the printed rate is near the true one, as a row of a table."""
    rates = [rate for rate in rates if rate.all]
    count = len(rates)
    cells = [
        f"{sum(rate.near(2.0) for rate in rates)} of {count}",
        f"{sum(rate.near(3.0) for rate in rates)} of {count}",
        f"{sum(rate.may_be_near(2.0) for rate in rates)} of {count}",
        f"{sum(rate.may_be_near(1.0) for rate in rates)} of {count}",
        str(sum(rate.wrong == 0 for rate in rates)),
    ]
    return f"| {what} | " + " | ".join(cells) + " |"


AGREEMENT_HEAD = (
    "| rate | within a factor 2 | within a factor 3 | within a factor 2 of a rate in the 95 % interval | "
    "in the interval | rows without an error |\n|---|---|---|---|---|---|"
)
