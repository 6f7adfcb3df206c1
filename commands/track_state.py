"""What is known of a run while it goes on, so that its report can be written whenever it ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from commands.cameras import CameraFiles
from commands.track_cameras import OpenedCameras
from commands.track_parts import Networks
from pipeline.association.corrections import Correction
from pipeline.config import Config
from pipeline.outputs.fingerprint import Fingerprint
from pipeline.stages.linking import Linked
from pipeline.stages.scene import CameraOutcome
from pipeline.stages.timing import Stopwatch


@dataclass(frozen=True, slots=True)
class Cut:
    """The part of the recording that was asked for, s on the shared clock; None = from its start, to its end."""

    start: float | None
    end: float | None

    @property
    def length_s(self) -> float | None:
        """How much is left at most; None = all."""
        return None if self.end is None else self.end - (self.start or 0.0)


@dataclass(slots=True)
class RunState:
    """Filled in as the run goes on; what it has not come to is empty or None."""

    files: Sequence[CameraFiles]
    config: Config
    cut: Cut
    resumed: bool
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    stopwatch: Stopwatch = field(default_factory=Stopwatch)
    opened: OpenedCameras = field(default_factory=lambda: OpenedCameras((), {}, {}))
    networks: Networks | None = None
    fingerprints: dict[str, Fingerprint] = field(default_factory=dict)
    outcomes: dict[str, CameraOutcome] = field(default_factory=dict)
    corrections: tuple[Correction, ...] = ()
    linked: Linked | None = None
    notices: tuple[str, ...] = ()
    """What is missing of the result."""
    remarks: tuple[str, ...] = ()
    """What the report is to tell besides."""
    exit_code: int = 1
    fault: str | None = None

    def fail(self, exit_code: int, fault: str) -> None:
        """The run ends early."""
        self.exit_code, self.fault = exit_code, fault

    def end(self, interrupted: int) -> None:
        """The run came to its end, or to a clean stop with the exit code `interrupted`."""
        outcomes = self.linked.outcomes if self.linked else ()
        reports = [outcome.report for outcome in outcomes]
        whole = not self.opened.faults and not self.notices and len(outcomes) == len(self.opened.cameras)
        whole &= all(report is not None and report.status == "complete" for report in reports)
        whole &= all(outcome.fault is None for outcome in outcomes)
        nothing = all(report is None or report.status == "failed" for report in reports)
        self.exit_code = interrupted or (4 if nothing else 0 if whole else 3)
        if self.exit_code == 4:
            self.fault = "no camera gave a single frame"
