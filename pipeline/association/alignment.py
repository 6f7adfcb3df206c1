"""Recordings without a common clock put on one: pairs' offsets that were accepted, made consistent over all cameras."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np

from pipeline.association.clock_evidence import ClockEvidence
from pipeline.association.clock_floor import floor_offset
from pipeline.association.clock_travel import Visits, travel_offset
from pipeline.association.floor_tracks import floor_tracks
from pipeline.types import Scene, Tracklet, Trajectory

_SURE = 0.9
"""Probability of a link from which it serves as evidence of a way."""
_LEAST_SIGMA_S = 0.05
_MOST_MISFIT_S = 0.5
"""Offsets around a ring of cameras may miss zero by three sigmas and this."""


@dataclass(frozen=True, slots=True)
class ClockAlignment:
    """`offset_s`: seconds to add to each camera's times, one sigma `sigma_s` against the reference camera, whose are 0.

    `accepted`: every camera in which anybody was seen is on one clock. Else `unaligned` names the cameras that are not
    on the reference's; nothing may be concluded from their times, and without a reference from no camera's.
    """

    accepted: bool
    reference: str | None
    offset_s: dict[str, float]
    sigma_s: dict[str, float]
    unaligned: tuple[str, ...]
    evidence: tuple[ClockEvidence, ...]

    @property
    def on_one_clock(self) -> frozenset[str]:
        """The cameras whose times compare once `offset_s` is added; none without an accepted pair."""
        return frozenset(self.offset_s) if self.reference is not None else frozenset()

    def to_dict(self) -> dict[str, Any]:
        """As JSON, for the report."""
        return asdict(self)

    def lines(self) -> list[str]:
        """What a user wants to know: each offset with its doubt, or what is missing."""
        moved = [
            f"{name} {self.offset_s[name]:+.2f} s (+-{2 * self.sigma_s[name]:.2f})"
            for name in sorted(self.on_one_clock)
            if name != self.reference
        ]
        lines = [f"aligned to {self.reference}: {', '.join(moved)}"] if moved else []
        if self.accepted:
            return lines
        if moved:
            lines.append(f"not aligned: {', '.join(self.unaligned)}; nothing is concluded from their times")
        else:
            lines.append("no alignment was accepted, so nothing is concluded from time across cameras")
        lines += [f"{e.camera_a} and {e.camera_b}: {e.reason}" for e in self.evidence if not e.accepted]
        compared = {name for e in self.evidence for name in (e.camera_a, e.camera_b)}
        lines += [
            f"{name}: nothing to align it by; calibrate it (shared floor), or give cameras.{name}.time_offset_s"
            for name in self.unaligned
            if name not in compared
        ]
        return lines


def align_by_floor(tracklets: Sequence[Tracklet], scene: Scene) -> tuple[ClockEvidence, ...]:
    """Evidence of all pairs of calibrated cameras that share floor."""
    by_camera = _by_camera(tracklets)
    tracks = {name: floor_tracks(own, scene) for name, own in by_camera.items()}
    tracks = {name: one for name, one in tracks.items() if one.placed.any()}
    found = (floor_offset(tracks[a], tracks[b], a, b) for a, b in combinations(sorted(tracks), 2))
    return tuple(one for one in found if one is not None)


def align_by_travel(trajectories: Sequence[Trajectory], pairs: Iterable[tuple[str, str]]) -> tuple[ClockEvidence, ...]:
    """Evidence of `pairs` of cameras from people that association has linked without a clock."""
    visits: dict[tuple[str, str], list[Visits]] = {}
    wanted = {tuple(sorted(pair)) for pair in pairs}
    for person in trajectories:
        sure = _sure_tracklets(person)
        for a, b in combinations(sorted({t.camera_id for t in sure}), 2):
            if (a, b) not in wanted:
                continue
            of_a, of_b = ([t for t in sure if t.camera_id == name] for name in (a, b))
            visits.setdefault((a, b), []).extend(
                Visits((x.start_s, x.end_s), (y.start_s, y.end_s), person.person_id) for x in of_a for y in of_b
            )
    found = (travel_offset(visits[pair], *pair) for pair in sorted(visits))
    return tuple(one for one in found if one is not None)


def _sure_tracklets(person: Trajectory) -> list[Tracklet]:
    return [
        tracklet
        for tracklet, confidence in zip(person.tracklets, person.tracklet_confidence, strict=True)
        if confidence >= _SURE
    ]


def unite(cameras: Sequence[str], evidence: Sequence[ClockEvidence]) -> ClockAlignment:
    """One offset a camera from the pairs accepted: weighted least squares in the group of most cameras.

    A pair that contradicts the others is no longer relied on; the weakest first. The reference is the camera of that
    group that comes first by name.
    """
    names = sorted(cameras)
    pairs = list(evidence)
    while True:
        group = _largest_group(names, [one for one in pairs if one.accepted])
        offset, sigma = _solve(group, [one for one in pairs if one.accepted and one.camera_a in group])
        worst = max(
            (one for one in pairs if one.accepted and one.camera_a in group),
            key=lambda one: _misfit(one, offset), default=None,
        )  # fmt: skip
        if worst is None or _misfit(worst, offset) <= 1.0:
            break
        ring = [one for one in pairs if one.accepted and one.camera_a in group]
        weakest = max(ring, key=lambda one: (_misfit(one, offset) > 1.0, one.sigma_s))
        pairs[pairs.index(weakest)] = replace(weakest, accepted=False, reason="contradicts the other cameras' offsets")
    unaligned = tuple(name for name in names if name not in group)
    accepted = len(group) > 1 and not unaligned
    return ClockAlignment(accepted, group[0] if len(group) > 1 else None, offset, sigma, unaligned, tuple(pairs))


def groups_of(cameras: Sequence[str], evidence: Sequence[ClockEvidence]) -> list[list[str]]:
    """Cameras that accepted pairs connect, each group sorted, by their first name."""
    leader = {name: name for name in cameras}

    def find(name: str) -> str:
        while leader[name] != name:
            name = leader[name]
        return name

    for one in evidence:
        if one.accepted and one.camera_a in leader and one.camera_b in leader:
            a, b = sorted((find(one.camera_a), find(one.camera_b)))
            leader[b] = a
    groups: dict[str, list[str]] = {}
    for name in sorted(cameras):
        groups.setdefault(find(name), []).append(name)
    return list(groups.values())


def shifted(tracklets: Sequence[Tracklet], offset_s: dict[str, float]) -> tuple[Tracklet, ...]:
    """The tracklets on the common clock."""
    return tuple(replace(t, time_s=t.time_s + offset_s.get(t.camera_id, 0.0)) for t in tracklets)


def _by_camera(tracklets: Sequence[Tracklet]) -> dict[str, list[Tracklet]]:
    result: dict[str, list[Tracklet]] = {}
    for tracklet in sorted(tracklets, key=lambda t: t.key):
        result.setdefault(tracklet.camera_id, []).append(tracklet)
    return result


def _largest_group(names: Sequence[str], accepted: Sequence[ClockEvidence]) -> list[str]:
    groups = groups_of(names, accepted)
    return max(groups, key=len, default=[])


def _solve(group: Sequence[str], pairs: Sequence[ClockEvidence]) -> tuple[dict[str, float], dict[str, float]]:
    """Offsets and sigmas against the group's first camera."""
    if len(group) < 2:
        return dict.fromkeys(group, 0.0), dict.fromkeys(group, 0.0)
    index = {name: n for n, name in enumerate(group[1:])}
    rows, wanted = np.zeros((len(pairs), len(index))), np.zeros(len(pairs))
    for n, one in enumerate(pairs):
        weight = 1.0 / max(one.sigma_s, _LEAST_SIGMA_S)
        # b + offset = a: offset_b - offset_a = offset.
        if one.camera_b in index:
            rows[n, index[one.camera_b]] += weight
        if one.camera_a in index:
            rows[n, index[one.camera_a]] -= weight
        wanted[n] = weight * one.offset_s
    offset = np.linalg.lstsq(rows, wanted, rcond=None)[0]
    sigma = np.sqrt(np.diag(np.linalg.pinv(rows.T @ rows)))
    zero = {group[0]: 0.0}
    return (
        zero | {name: float(offset[n]) for name, n in index.items()},
        zero | {name: float(sigma[n]) for name, n in index.items()},
    )


def _misfit(one: ClockEvidence, offset: dict[str, float]) -> float:
    """How far a pair's offset is from the cameras', in what is tolerated."""
    error = abs(offset[one.camera_b] - offset[one.camera_a] - one.offset_s)
    return error / (3.0 * max(one.sigma_s, _LEAST_SIGMA_S) + _MOST_MISFIT_S)
