"""How sure the joining of two groups is, from the mean log-odds of the pairs between them.

Log-odds of pairs answer for a pair of which nothing else is known. When two groups are joined more is known, and the
mean understates it twice:

- Best pairs come first, so both groups have by then been joined with whoever is theirs. That neither belongs anywhere
  else is evidence: two people would both have nobody else (probability c each, and independently), one person has
  nobody else but once. The odds grow by c / c^2. c is learned (seen_again.py).
- A mean of several pairs is less a matter of chance than one pair. Vectors are a person and a view, with s the cosine
  of one person in two views; the cosine of two people over m x n views then varies by the factor
  (s + (1 - s) / m) (s + (1 - s) / n) of that of one view each: the square of what `reliability` (similarity.py) says of
  crops. Log-odds are nearly linear in cosines, and those of a mean are its value over its variance. The smaller group
  counts for both: its few views are in every pair, and a larger number on the other side does not mend them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from pipeline.types import Float64


@dataclass(frozen=True, slots=True)
class Joining:
    """`lift`: -log c, 0 or more; `alike`: s, 0..1. By default the mean is the log-odds."""

    lift: float = 0.0
    alike: float = 1.0

    def log_odds(self, mean: Float64, one: ArrayLike, two: ArrayLike) -> Float64:
        """Of joining groups of `one` and `two` rows whose pairs have `mean` log-odds; shapes broadcast."""
        smaller = np.minimum(np.asarray(one, dtype=np.float64), two)
        result: Float64 = self.lift + mean / np.square(self.alike + (1.0 - self.alike) / smaller)
        return result

    def least_mean(self, floor: float) -> float:
        """The mean at or below which no two groups reach log-odds above `floor`, whatever their sizes."""
        return min(floor - self.lift, (floor - self.lift) * self.alike**2)
