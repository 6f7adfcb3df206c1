"""P x K batches: P identities with K crops each (Hermans et al. 2017, "In Defense of the Triplet Loss", section 2)."""

from __future__ import annotations

import numpy as np

from pipeline.errors import UsageError
from pipeline.types import Int64


class IdentitySampler:
    """Which rows form batch number `step`: a pure function of `(seed, step)`, so a resumed run goes on exactly.

    In an epoch the identities come in random order, each at most once; the `n mod P` that are left over sit it out.
    An identity with K crops or more gives K different ones; one with fewer gives all of them equally often, and the
    remainder once more.
    Crops of identity -1 are never drawn.
    """

    def __init__(self, identity: Int64, identities: int, crops: int, seed: int = 0) -> None:
        """`identity (N,)`; P = `identities`, K = `crops`. Raises UsageError when fewer than P identities exist."""
        self._rows = {int(i): np.flatnonzero(identity == i) for i in np.unique(identity) if i >= 0}
        if identities < 1 or crops < 1 or len(self._rows) < identities:
            raise UsageError(
                f"batch of {identities} identities x {crops} crops: the set has {len(self._rows)} identities; "
                "set `identities` lower"
            )
        self._known = np.array(sorted(self._rows), np.int64)
        self.identities, self.crops, self._seed = identities, crops, seed

    @property
    def steps_per_epoch(self) -> int:
        """Batches in an epoch."""
        return len(self._known) // self.identities

    def batch(self, step: int) -> Int64:
        """Rows `(P * K,)` of batch `step` (from 0), the K of one identity side by side."""
        epoch, place = divmod(step, self.steps_per_epoch)
        order = np.random.default_rng((self._seed, 0, epoch)).permutation(self._known)
        rng = np.random.default_rng((self._seed, 1, step))
        chosen = order[place * self.identities : (place + 1) * self.identities]
        return np.concatenate([self._draw(int(identity), rng) for identity in chosen])

    def _draw(self, identity: int, rng: np.random.Generator) -> Int64:
        rows = self._rows[identity]
        whole, rest = divmod(self.crops, len(rows))
        return np.concatenate([np.tile(rows, whole), rng.permutation(rows)[:rest]])
