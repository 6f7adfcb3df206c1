"""Tracklets that no crop could be embedded of, but whose place is known: they take part without a look.

Their reliability is 0, so appearance says nothing of them. A pair of them of which nothing else says anything either
has log-odds 0, not those of a pair before it is looked at: absence of evidence shall neither join nor part.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from pipeline.association.evidence import expected_shares, restrict
from pipeline.types import Bool, Float32, Float64, Int64, Tracklet

if TYPE_CHECKING:
    from pipeline.association.affinity import Compared
    from pipeline.association.constraints import Constraints


def with_unseen(
    compared: Compared, alone: Sequence[Int64], ordered: Sequence[Tracklet], every_constraint: Constraints
) -> Compared:
    """`compared` and the rows of `alone` that it lacks; `every_constraint` is among all of `ordered`."""
    wanted = np.unique(np.concatenate([np.zeros(0, np.int64), *alone]))
    new = np.setdiff1d(wanted, compared.rows)
    if not len(new):
        return compared
    rows = np.union1d(compared.rows, new)
    at = np.searchsorted(rows, compared.rows)
    trust = np.zeros(len(rows))
    trust[at] = compared.trust
    distance = np.ones((len(rows), len(rows)), np.float32)
    distance[np.ix_(at, at)] = compared.distance
    names = {name: n for n, name in enumerate(sorted({t.camera_id for t in ordered}))}
    camera = np.array([names[ordered[row].camera_id] for row in rows.tolist()], np.int64)
    constraints = restrict(every_constraint, rows)
    calibration = compared.calibration
    if not len(compared.rows):  # nobody has a look: the shares are guessed from the tracklets' numbers
        within, cross = expected_shares(camera, constraints)
        calibration = replace(calibration, share_within=within, share_cross=cross)
    return replace(
        compared, rows=rows, constraints=constraints, camera=camera, trust=trust, distance=distance,
        calibration=calibration,
    )  # fmt: skip


def nothing_said(trust: Float64, parts: Iterable[Float32]) -> Bool:
    """Pairs `(N, N)` without appearance (reliability 0) and without any of the other evidence `parts (N, N)`."""
    silent = np.outer(trust, trust) == 0.0
    for part in parts:
        silent &= part == 0.0
    return np.asarray(silent, np.bool_)
