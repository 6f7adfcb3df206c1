"""How many true joinings were not made: those that were doubtful, and those that nobody could have suspected.

Doubtful ones are counted by their probability, over all pairs of groups left apart; the many improbable ones add up.
But log-odds know only people who look as the fitted distribution of one person says, and a few do not look like
themselves at all: turned round, hidden, in other light. Of all joinings a share `UNLIKE` is taken to be such, yet no
more than could still be made: whoever has his counterpart already has no other in that camera.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array

from pipeline.types import Bool, Float32, Float64, Int64

UNLIKE = 0.03
"""Share of the joinings of one person that no distance suggests. Tuned on cuhk01, pku-reid and 3dpes."""


def missed_joinings(log_odds: Float32, cannot: Bool, labels: Int64, camera: Int64, made: float) -> float:
    """Expected number beside the `made` ones, from log-odds `(N, N)` and groups `labels (N,)` of tracklets.

    `cannot (N, N)`: pairs that are no pair of one person; groups that hold one are not counted. `camera (N,)` numbers.
    """
    groups = int(labels.max(initial=-1)) + 1
    if groups < 2:
        return 0.0
    member = csr_array((np.ones(len(labels)), (labels, np.arange(len(labels)))), shape=(groups, len(labels)))
    size = np.bincount(labels, minlength=groups).astype(np.float64)
    mean = (member @ (member @ log_odds.astype(np.float64)).T) / np.outer(size, size)
    barred = (member @ (member @ cannot.astype(np.float32)).T) > 0
    doubtful = float((1.0 / (1.0 + np.exp(-mean[np.triu(~barred, 1)]))).sum())
    unsuspected = UNLIKE / (1.0 - UNLIKE) * (made + doubtful)
    return doubtful + min(unsuspected, max(_still_possible(labels, camera, groups) - doubtful, 0.0))


def _still_possible(labels: Int64, camera: Int64, groups: int) -> float:
    """Joinings across two cameras, over all pairs of cameras: no more than groups seen in the one and not the other."""
    seen = np.zeros((groups, int(camera.max()) + 1))
    seen[labels, camera] = 1.0
    only: Float64 = seen.T @ (1.0 - seen)
    return float(np.triu(np.minimum(only, only.T), 1).sum())
