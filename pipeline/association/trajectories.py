"""Groups of tracklets as trajectories: numbered by first appearance, with the links that hold them together.

A trajectory of n tracklets has n - 1 links, one for each joining the solver made, told by the best pair between the two
groups joined. A link's log-odds are the sum of its evidence (appearance, time, place) plus what the number of people
and the rivals of both sides say (calibration.py, competition.py); a kind of evidence that says nothing is 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pipeline.association.affinity import Affinity
from pipeline.association.confidence import Doubt
from pipeline.association.linkage import Merge
from pipeline.association.pair_evidence import EvidenceName
from pipeline.association.solver import Solved
from pipeline.types import Int64, Link, Tracklet, Trajectory


@dataclass(frozen=True, slots=True)
class Solution:
    """The solver's labels `(N,)` and joinings, how sure they are, and how they were found."""

    labels: Int64
    merges: Sequence[Merge]
    doubt: Doubt
    solved: Solved


def appearance_order(tracklet: Tracklet, comparable: bool) -> tuple[float, str, float, int]:
    """First seen first; cameras whose times do not compare follow one another by id."""
    return (tracklet.start_s if comparable else 0.0, tracklet.camera_id, tracklet.start_s, tracklet.key[1])


def build_trajectories(
    ordered: Sequence[Tracklet], affinity: Affinity, solution: Solution, comparable: bool, given: Int64 | None = None
) -> tuple[Trajectory, ...]:
    """One trajectory a group and one for each tracklet without embedding, but for what the user says.

    `ordered`: all tracklets sorted by key. `comparable`: whether times compare across cameras; without, people are
    numbered by the order of camera ids, then time. Neither depends on the order in which cameras were given. `given
    (len(ordered),)`: groups that are one person each by the user's word; they bring in tracklets without embedding.
    """
    links = [_link(ordered, affinity, solution.labels, merge, comparable) for merge in solution.merges]
    return assemble(ordered, affinity.rows, solution, links, comparable=comparable, given=given)


def assemble(
    ordered: Sequence[Tracklet],
    compared: Int64,
    solution: Solution,
    told_links: Sequence[Link],
    *,
    comparable: bool,
    given: Int64 | None,
) -> tuple[Trajectory, ...]:
    """`build_trajectories` from the links of the solution's merges; `compared (N,)` of `ordered` were solved."""
    label_of = dict(zip(compared.tolist(), solution.labels.tolist(), strict=True))
    told = [] if given is None else _bring_in(ordered, given, label_of, comparable)
    groups: dict[int, list[int]] = {}
    for row in range(len(ordered)):
        groups.setdefault(label_of.get(row, -1 - row), []).append(row)
    people = sorted(groups.items(), key=lambda g: min(appearance_order(ordered[r], comparable) for r in g[1]))
    sure = dict(zip(compared.tolist(), solution.doubt.row.tolist(), strict=True))
    links: dict[int, list[tuple[Link, float]]] = {}
    for merge, link, probability in zip(solution.merges, told_links, solution.doubt.merge.tolist(), strict=True):
        links.setdefault(int(solution.labels[merge.left[0]]), []).append((link, probability))
    for label, link in told:
        links.setdefault(label, []).append((link, 1.0))
    result = []
    for person_id, (label, rows) in enumerate(people, start=1):
        members = sorted(rows, key=lambda r: (ordered[r].start_s, ordered[r].key))
        place = {ordered[r].key: n for n, r in enumerate(members)}
        own = sorted(links.get(label, []), key=lambda entry: (place[entry[0].to_key], place[entry[0].from_key]))
        result.append(
            Trajectory(
                person_id=person_id,
                tracklets=tuple(ordered[r] for r in members),
                link_confidence=float(np.prod([probability for _, probability in own])),
                tracklet_confidence=tuple(sure.get(r, 1.0) for r in members),
                links=tuple(link for link, _ in own),
            )
        )
    return tuple(result)


def _bring_in(
    ordered: Sequence[Tracklet], given: Int64, label_of: dict[int, int], comparable: bool
) -> list[tuple[int, Link]]:
    """Give tracklets without embedding the label of their group, in place; the links for it, with their label."""
    told: list[tuple[int, Link]] = []
    nothing = {"appearance": 0.0, "time": 0.0, "place": 0.0}
    for number in np.flatnonzero(np.bincount(given) > 1).tolist():
        rows = np.flatnonzero(given == number).tolist()
        anchor = next((row for row in rows if row in label_of), rows[0])  # the solver joined those with embeddings
        label = label_of.setdefault(anchor, -1 - anchor)
        for row in rows:
            if row not in label_of:
                label_of[row] = label
                pair = sorted((ordered[anchor], ordered[row]), key=lambda t: appearance_order(t, comparable))
                told.append((label, Link(pair[0].key, pair[1].key, 0.0, None, nothing, by_user=True)))
    return told


def _link(ordered: Sequence[Tracklet], affinity: Affinity, labels: Int64, merge: Merge, comparable: bool) -> Link:
    """The best pair between the two groups that were joined, told from the earlier to the later tracklet."""
    between = affinity.log_odds[np.ix_(merge.left, merge.right)]
    left, right = np.unravel_index(int(between.argmax()), between.shape)
    pair = [merge.left[int(left)], merge.right[int(right)]]
    tracklet = {r: ordered[int(affinity.rows[r])] for r in pair}
    pair.sort(key=lambda r: appearance_order(tracklet[r], comparable))
    first, second = pair
    outside = np.flatnonzero((labels != labels[second]) & ~affinity.constraints.cannot[second])
    rival = int(outside[affinity.log_odds[second, outside].argmax()]) if len(outside) else None
    told = tell_pair(ordered, affinity, first, second)
    return replace(
        told,
        runner_up=None if rival is None else float(affinity.log_odds[second, rival]),
        runner_up_key=None if rival is None else ordered[int(affinity.rows[rival])].key,
        by_user=merge.given,
    )


def tell_pair(ordered: Sequence[Tracklet], affinity: Affinity, first: int, second: int) -> Link:
    """What is thought of the tracklets `first` and `second` of the affinity, by source; no runner-up is named."""
    one, two = (ordered[int(affinity.rows[row])] for row in (first, second))
    evidence = {
        "appearance": float(affinity.appearance[first, second]),
        "time": _part(affinity, "time", first, second),
        "place": _part(affinity, "place", first, second),
    }
    log_odds = float(affinity.log_odds[first, second])
    people = affinity.prior_log_odds(first, second, "within" if one.camera_id == two.camera_id else "cross")
    rivals = log_odds - people - sum(evidence.values())
    return Link(one.key, two.key, log_odds, None, evidence, people, rivals)


def _part(affinity: Affinity, name: EvidenceName, first: int, second: int) -> float:
    return float(affinity.extra[name][first, second]) if name in affinity.extra else 0.0
