"""Tracklets of all cameras in, one trajectory a person out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from pipeline.association.affinity import build_affinity
from pipeline.association.confidence import judge
from pipeline.association.constraints import times_comparable
from pipeline.association.prior import DistancePrior
from pipeline.association.report import AssociationResult, build_report
from pipeline.association.solver import average_linkage
from pipeline.association.trajectories import Solution, build_trajectories
from pipeline.config import AssociationConfig
from pipeline.types import Embeddings, Scene, Tracklet, Trajectory


class AverageLinkageAssociator:
    """Links by calibrated log-odds of appearance under hard constraints; the order of its input does not matter.

    `prior` is the embedder's own (`card.settings["distance_prior"]`); without one, a generic prior is scaled to the
    footage.
    """

    def __init__(self, config: AssociationConfig, prior: DistancePrior | None = None) -> None:
        self._config = config
        self._prior = prior

    def associate(self, tracklets: Sequence[Tracklet], embeddings: Embeddings, scene: Scene) -> list[Trajectory]:
        """Group the tracklets by person; each tracklet stands in exactly one trajectory."""
        return list(self.solve(tracklets, embeddings, scene).trajectories)

    def solve(self, tracklets: Sequence[Tracklet], embeddings: Embeddings, scene: Scene) -> AssociationResult:
        """The trajectories, and what they rest on. Raises ValueError when two tracklets have one key."""
        ordered = sorted(tracklets, key=lambda t: t.key)
        twice = [key for key, n in Counter(t.key for t in ordered).items() if n > 1]
        if twice:
            raise ValueError(f"{len(twice)} tracklet keys occur more than once, first {twice[0]}; ids must be unique")
        affinity = build_affinity(ordered, embeddings, scene, self._config, self._prior)
        probability = self._config.min_link_probability
        floor = float(np.log(probability) - np.log1p(-probability))
        score = np.where(affinity.constraints.cannot, -np.inf, affinity.log_odds)
        labels, merges = average_linkage(score, floor)
        solution = Solution(labels, merges, judge(affinity.log_odds, labels, merges))
        comparable = times_comparable(scene)
        trajectories = build_trajectories(ordered, affinity, solution, comparable)
        report = build_report(
            ordered, affinity, solution, self._config, people=len(trajectories), comparable=comparable
        )
        return AssociationResult(trajectories, report)
