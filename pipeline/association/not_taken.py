"""Whom a tracklet that stayed alone came nearest to, and why the two were not joined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.association.affinity import Affinity
from pipeline.association.trajectories import tell_pair
from pipeline.types import Int64, Link, Tracklet, TrackletKey


@dataclass(frozen=True, slots=True)
class NotTaken:
    """The best candidate of one tracklet that stayed alone; all log-odds are natural logarithms."""

    candidate: Link | None
    """From the lone tracklet to the one most likely the same person of those that can be; None where none can, or
    nothing is known of any."""
    floor: float
    """Groups are joined from these log-odds on."""
    mean: float | None
    """Mean log-odds with the tracklets of the candidate's person: groups are joined by it. None without candidate."""
    barred_by: TrackletKey | None
    """A tracklet of the candidate's person that cannot be the lone one."""
    lookalike: tuple[TrackletKey, float] | None
    """Who cannot be the lone one, yet looks more alike than the candidate, and the log-likelihood ratio of looks."""


def not_taken(
    ordered: Sequence[Tracklet], affinity: Affinity, labels: Int64, floor: float
) -> dict[TrackletKey, NotTaken]:
    """For each tracklet that could be compared and is alone in its group; `ordered`: all tracklets sorted by key."""
    alone = np.flatnonzero(np.bincount(labels)[labels] == 1) if len(labels) else labels
    return {
        ordered[int(affinity.rows[row])].key: _of_row(ordered, affinity, labels, row, floor) for row in alone.tolist()
    }


def _of_row(ordered: Sequence[Tracklet], affinity: Affinity, labels: Int64, row: int, floor: float) -> NotTaken:
    cannot = affinity.constraints.cannot[row]
    possible = ~cannot & ~affinity.silent[row]
    possible[row] = False
    looks = affinity.appearance[row]
    candidate, mean, barred_by, least = None, None, None, 0.0
    if possible.any():
        best = int(np.where(possible, affinity.log_odds[row], -np.inf).argmax())
        candidate = tell_pair(ordered, affinity, row, best)
        group = np.flatnonzero(labels == labels[best])
        mean = float(affinity.log_odds[row, group].mean())
        barred = group[cannot[group]]
        barred_by = ordered[int(affinity.rows[barred[0]])].key if len(barred) else None
        least = max(float(looks[best]), 0.0)
    alike = np.where(cannot & affinity.seen & affinity.seen[row], looks, -np.inf)
    nearest = int(alike.argmax())
    lookalike = (ordered[int(affinity.rows[nearest])].key, float(alike[nearest])) if alike[nearest] > least else None
    return NotTaken(candidate, floor, mean, barred_by, lookalike)
