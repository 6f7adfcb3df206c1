"""How many true joinings were not made: those that were doubtful, and those that nobody could have suspected.

Doubtful ones are counted by their probability, over all pairs of groups left apart; the many improbable ones add up.
But log-odds know only people who look as the fitted distribution of one person says, and a few do not look like
themselves at all: turned round, hidden, in other light. Of all joinings a share `UNLIKE` is taken to be such, yet no
more than could still be made: whoever has his counterpart already has no other in that camera.

Where everybody has a counterpart nothing is left to be joined, and links are missed all the same: two people who were
taken for each other. So a wrong joining of two single tracklets is a missed one, too, where they have others of their
own, which a tracklet has with a probability of twice the joinings over the tracklets. The joinings that are missed so
are among these: of w wrong ones and j others that are true, of n tracklets, m = 2 w (j + m) / n are missed, w at most.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array

from pipeline.association.confidence import sigmoid
from pipeline.types import Bool, Float32, Float64, Int64

UNLIKE = 0.01
"""Share of the joinings of one person that no distance suggests. Tuned on cuhk01, pku-reid and 3dpes."""


def missed_joinings(
    log_odds: Float32, cannot: Bool, labels: Int64, camera: Int64, made: Float64, *, of_two: Bool
) -> float:
    """Expected number beside those `made (M,)`, probabilities, from log-odds `(N, N)` and groups `labels (N,)`.

    `cannot (N, N)`: pairs that are no pair of one person; groups that hold one are not counted. `camera (N,)` numbers;
    `of_two (M,)`: the joinings of two single tracklets.
    """
    groups = int(labels.max(initial=-1)) + 1
    if groups < 2:  # nor can one be mistaken for another
        return 0.0
    member = csr_array((np.ones(len(labels)), (labels, np.arange(len(labels)))), shape=(groups, len(labels)))
    size = np.bincount(labels, minlength=groups).astype(np.float64)
    mean = (member @ (member @ log_odds.astype(np.float64)).T) / np.outer(size, size)
    barred = (member @ (member @ cannot.astype(np.float32)).T) > 0
    doubtful = float(sigmoid(mean[np.triu(~barred, 1)]).sum())
    joinings = float(made.sum()) + doubtful
    unsuspected = UNLIKE / (1.0 - UNLIKE) * joinings
    taken = mistaken(made[of_two], joinings, len(labels))
    return doubtful + min(unsuspected, max(_still_possible(labels, camera, groups) - doubtful, 0.0)) + taken


def mistaken(made: Float64, joinings: float, tracklets: int) -> float:
    """Expected number of joinings that are missed as two people were taken for each other: `made (M,)`, probabilities
    of joinings of two single tracklets; `joinings`: the expected number of true ones of all other kinds."""
    wrong = float((1.0 - made).sum())
    return min(wrong, 2.0 * wrong * joinings / max(tracklets - 2.0 * wrong, 1e-9))


def _still_possible(labels: Int64, camera: Int64, groups: int) -> float:
    """Joinings across two cameras, over all pairs of cameras: no more than groups seen in the one and not the other."""
    seen = np.zeros((groups, int(camera.max()) + 1))
    seen[labels, camera] = 1.0
    only: Float64 = seen.T @ (1.0 - seen)
    return float(np.triu(np.minimum(only, only.T), 1).sum())
