"""Tracklets of all cameras in, one trajectory a person out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pipeline.association.affinity import Affinity, Compared, compare, usable_embeddings, weigh
from pipeline.association.against_rivals import learn_against_rivals
from pipeline.association.centring import centre
from pipeline.association.confidence import judge
from pipeline.association.constraints import Constraints, build_constraints, times_comparable
from pipeline.association.crowd_solver import compare_crowd, group_crowd, link_floor
from pipeline.association.journeys import Journeys
from pipeline.association.known import NOTHING, Known, chains
from pipeline.association.missed import missed_joinings
from pipeline.association.must_links import numbered_by_lowest_row
from pipeline.association.not_taken import not_taken
from pipeline.association.overlap import Overlap, discover_overlaps
from pipeline.association.pair_sources import gather_pair_evidence
from pipeline.association.prior import DistancePrior
from pipeline.association.report import AssociationResult, build_report
from pipeline.association.solver import solve
from pipeline.association.sparse_links import best_links
from pipeline.association.topology import learn_topology, pairs_to_learn_from
from pipeline.association.topology_report import report_topology
from pipeline.association.trajectories import Solution, assemble, build_trajectories
from pipeline.association.zones import find_zones
from pipeline.config import AssociationConfig
from pipeline.types import Embeddings, Int64, Scene, Tracklet, Trajectory

_BELOW = 1e-3
"""By as much a pair that nothing is known of lies below the log-odds from which groups are joined, or at 0."""


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

    def solve(
        self,
        tracklets: Sequence[Tracklet],
        embeddings: Embeddings,
        scene: Scene,
        known: Known = NOTHING,
        *,
        tell_alone: bool = False,
    ) -> AssociationResult:
        """The trajectories, and what they rest on; `known`: who is who by the user's word. `tell_alone`: tell of the
        best candidates of who stayed alone, too, up to `association.dense_up_to` tracklets.

        Raises ValueError when two tracklets have one key.
        """
        ordered = sorted(tracklets, key=lambda t: t.key)
        twice = [key for key, n in Counter(t.key for t in ordered).items() if n > 1]
        if twice:
            raise ValueError(f"{len(twice)} tracklet keys occur more than once, first {twice[0]}; ids must be unique")
        comparable = times_comparable(scene)
        usable = usable_embeddings(ordered, embeddings)
        if len(ordered) > self._config.dense_up_to:
            return self._solve_crowd(ordered, usable, scene, known, len(embeddings) - len(usable))
        given = known.groups(ordered)
        constraints = self._constraints(ordered, scene, known)
        extra = gather_pair_evidence(ordered, scene, self._config)
        alone = [part.alone for part in extra]
        compared = self._compare(ordered, usable, constraints, alone, centred=False)
        overlaps: list[Overlap] = []
        if (comparable or scene.on_one_clock) and self._config.discover_overlaps:
            overlaps = discover_overlaps(ordered, compared, scene, self._config.clock_slack_s)
            shared = frozenset(frozenset(overlap.cameras) for overlap in overlaps if overlap.found)
            if shared:  # nobody of these cameras is barred any more by being seen in both
                scene = replace(scene, overlapping=scene.overlapping | shared)
                constraints = self._constraints(ordered, scene, known)
                compared = self._compare(ordered, usable, constraints, alone, centred=False)
        affinity = weigh(compared, extra, centred=False)
        solution = self._group(affinity, given)
        if len(np.unique(solution.labels)) >= self._config.centre_min_people:
            # Who is who need only be roughly known for the cameras' means: one vote a person instead of one a tracklet.
            keys = [ordered[row].key for row in affinity.rows.tolist()]
            person = dict(zip(keys, solution.labels.tolist(), strict=True))
            centred = usable_embeddings(ordered, centre(usable, person))
            if len(centred):  # none is left of a black video, whose embeddings are all one
                compared = self._compare(ordered, centred, constraints, alone, centred=True)
                affinity = weigh(compared, extra, centred=True)
                solution = self._group(affinity, given)
        zones = find_zones(ordered, scene)
        journeys = Journeys.of(ordered, zones, comparable=comparable)
        tells = affinity.calibration.separable and np.count_nonzero(affinity.seen) > 1
        for _ in range(self._config.topology_rounds if tells else 0):  # likely pairs teach, even where none is sure
            topology = learn_topology(journeys, *pairs_to_learn_from(affinity))
            learned = (topology.time_evidence(), topology.place_evidence())
            affinity = weigh(compared, extra, centred=affinity.centred, learned=learned)
            solution = self._group(affinity, given)
        trajectories = build_trajectories(ordered, affinity, solution, comparable, given)
        report = build_report(
            ordered=ordered,
            affinity=affinity,
            solution=solution,
            config=self._config,
            prior=self._prior,
            people=len(trajectories),
            comparable=comparable,
            dropped_embeddings=len(embeddings) - len(usable),
            topology=report_topology(ordered, zones, trajectories, overlaps, comparable=comparable),
        )
        told = not_taken(ordered, affinity, solution.labels, link_floor(self._config)) if tell_alone else {}
        return AssociationResult(trajectories, report, told)

    def _compare(
        self,
        ordered: Sequence[Tracklet],
        embeddings: Embeddings,
        constraints: Constraints,
        alone: Sequence[Int64],
        *,
        centred: bool,
    ) -> Compared:
        again = self._config.rerank
        compared = compare(ordered, embeddings, constraints, self._prior, centred=centred, alone=alone, rerank=again)
        return learn_against_rivals(compared)

    def _constraints(self, ordered: Sequence[Tracklet], scene: Scene, known: Known) -> Constraints:
        constraints = build_constraints(
            ordered,
            scene,
            duplicate_overlap=self._config.duplicate_overlap,
            well_apart_overlap=self._config.well_apart_overlap,
            slack_s=self._config.clock_slack_s,
        )
        return replace(constraints, cannot=known.bar(ordered, constraints.cannot))

    def _group(self, affinity: Affinity, given: Int64) -> Solution:
        probability = self._config.link_probability
        label = given[affinity.rows]
        one_by_word = label[:, None] == label[None, :]  # no inferred veto stands against it
        floor = float(np.log(probability) - np.log1p(-probability))
        # Whoever prefers recall joins from below 0 on: what nothing is known of must not pass for a likely pair.
        known = np.where(affinity.silent, min(0.0, floor - _BELOW), affinity.log_odds)
        cannot = affinity.constraints.cannot
        grouping = solve(
            np.where(cannot & ~one_by_word, -np.inf, known), floor, self._config.solver, together=chains(label)
        )
        doubt = judge(affinity.log_odds, grouping.labels, grouping.merges)
        single = np.array([len(m.left) == len(m.right) == 1 for m in grouping.merges], dtype=np.bool_)
        missed = missed_joinings(
            affinity.suspected(), cannot, grouping.labels, affinity.camera, doubt.merge, of_two=single
        )
        return Solution(grouping.labels, grouping.merges, replace(doubt, missed=missed), grouping.solved)

    def _solve_crowd(
        self, ordered: Sequence[Tracklet], usable: Embeddings, scene: Scene, known: Known, dropped: int
    ) -> AssociationResult:
        """The same for too many tracklets to compare all pairs (crowd_solver.py)."""
        extra = gather_pair_evidence(ordered, scene, self._config)
        affinity = compare_crowd(
            ordered, usable, scene, self._prior, self._config, extra=extra, veto=known.veto(ordered)
        )
        given = known.groups(ordered)
        zones = find_zones(ordered, scene)
        own = numbered_by_lowest_row(given[affinity.rows])
        solution = group_crowd(affinity, link_floor(self._config), own, self._config.solver)
        links = best_links(affinity.scores, solution.labels, solution.merges)
        comparable = times_comparable(scene)
        trajectories = assemble(ordered, affinity.rows, solution, links, comparable=comparable, given=given)
        report = build_report(
            ordered=ordered,
            affinity=affinity,
            solution=solution,
            config=self._config,
            prior=self._prior,
            people=len(trajectories),
            comparable=comparable,
            dropped_embeddings=dropped,
            topology=report_topology(ordered, zones, trajectories, affinity.overlaps, comparable=comparable),
        )
        return AssociationResult(trajectories, report)
