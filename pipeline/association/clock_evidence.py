"""What two cameras' recordings say of the offset between their clocks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class ClockEvidence:
    """One pair of cameras: seconds to add to the times of `camera_b` to come to those of `camera_a`.

    `sigma_s`: one sigma of the offset, from leaving out one person at a time. `people`: how many were compared.
    `strength` against `rival`: how well the best offset explains what was seen, and the next best elsewhere, in the
    method's own units. `seen_by_both`: share of those on common floor whom both cameras see at this offset, beyond
    chance (1 = all, 0 = as at any offset); None without common floor. `accepted`: whether it is relied on; if not,
    `reason` says what is missing.
    """

    camera_a: str
    camera_b: str
    method: Literal["floor", "travel"]
    offset_s: float
    sigma_s: float
    people: int
    strength: float
    rival: float
    accepted: bool
    reason: str
    seen_by_both: float | None = None
