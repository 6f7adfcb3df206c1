"""Adds up what the files of one camera held, gave and lost: the ReadReport grows here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from pipeline.video.decoding import DecodeCounts
from pipeline.video.holes import HoleFinder
from pipeline.video.probe import VideoInfo
from pipeline.video.report import ReadReport

_TAIL_INTERVALS = 2.5
_TAIL_SHARE = 0.01
"""A file may end this much (frame intervals, share of its length) before its stated end: rounding of headers."""
_PICTURE_SHARE = 0.75
"""An end that is early by so much of a frame's time, or more, is remarked."""
_FOREIGN_TAIL_S = 1.0
"""... or this, where the stated length may be that of the sound."""


@dataclass(slots=True)
class FileAccount:
    """One file while it is read. `delivered` frames went to the consumer; times are Frame.time_s."""

    info: VideoInfo
    holes: HoleFinder
    whole: bool = True
    """Neither start_s nor end_s cut anything off."""
    delivered: int = 0
    damaged: int = 0
    unconvertible: int = 0
    errors_before: int = 0
    """Decode errors before the first delivered frame of a cut."""
    start_s: float = 0.0
    end_s: float | None = None
    """Time behind which frames were not wanted."""
    first_s: float | None = None
    last_s: float | None = None

    def missing_head(self, dropped: int) -> int:
        """Frames before the first one that came, beyond the `dropped` that came before a keyframe: the stream states
        an earlier start than its first frame has."""
        if self.first_s is None or not self.whole:
            return 0
        missing = round((self.first_s - self.start_s) / self.holes.interval_s) - dropped
        return missing if missing > _TAIL_INTERVALS else 0

    def missing_by_index(self, counts: DecodeCounts, index_frames: int | None) -> int | None:
        """Frames that the file's own index counts and that did not come; None where no index can tell.

        An index may have lost its end: at a steady rate one last picture is not shown for so long as it then states.
        """
        if index_frames is None or not self.whole:
            return None
        unseen = counts.dropped_before_keyframe + counts.discarded + counts.empty
        missing = max(index_frames - unseen - self.delivered, 0)
        cut = not missing and self.missing_tail() is not None and self.info.duration_own and self.holes.is_regular
        return None if cut else missing

    def missing_by_time(self, dropped: int) -> int:
        """About how many frames the holes, the head and the tail would have held."""
        missing, tail = self.holes.missing_frames() + self.missing_head(dropped), self.missing_tail()
        if tail is not None:
            missing += max(round((tail[1] - tail[0]) / self.holes.interval_s) - 1, 1)
        return missing

    def missing_tail(self) -> tuple[float, float] | None:
        """(last frame, stated end) when the file stops before the end it states."""
        if self.info.duration_s is None or self.last_s is None:
            return None
        interval_s = self.holes.interval_s
        end_s = self.start_s + self.info.duration_s
        if self.end_s is not None:
            end_s = min(end_s, self.end_s)
        slack_s = max(_TAIL_INTERVALS * interval_s, _TAIL_SHARE * self.info.duration_s)
        if not self.info.duration_own:
            slack_s = max(slack_s, _FOREIGN_TAIL_S)
        return (self.last_s, end_s) if end_s - (self.last_s + interval_s) > slack_s else None

    def early_end_s(self) -> float:
        """How long before the stated end the last picture ends, if a picture or more and no loss by the tolerance of
        `missing_tail`; 0 where nothing is to be remarked. At an irregular rate a last picture may stay for a second."""
        if self.info.duration_s is None or self.last_s is None or not self.whole or self.missing_tail() is not None:
            return 0.0
        early_s = self.start_s + self.info.duration_s - (self.last_s + self.holes.interval_s)
        least_s = _PICTURE_SHARE * self.holes.interval_s if self.holes.is_regular else _FOREIGN_TAIL_S
        return early_s if early_s > least_s else 0.0


@dataclass(slots=True)
class Account:
    """All files of a camera. Written by the decoding thread only; `report` may be called from any."""

    delivered: int = 0
    failed: int = 0
    expected: int = 0
    damaged: int = 0
    dropped: int = 0
    size_changes: int = 0
    repairs: int = 0
    resets: int = 0
    first_s: float | None = None
    last_s: float | None = None
    lost: bool = False
    finished: bool = False
    gaps: list[tuple[float, float]] = field(default_factory=list)
    causes: list[str] = field(default_factory=list)

    def lose(self, cause: str) -> None:
        """Something of the recording is not delivered."""
        self.lost = True
        self.causes.append(cause)

    def close_file(self, file: FileAccount, counts: DecodeCounts, index_frames: int | None) -> None:
        """Book a file that was read to its end (or to end_s). `index_frames`: what its own index counts, if it does."""
        name, info, holes = file.info.path.name, file.info, file.holes
        if not counts.frames:  # no picture at all: then no packet was merely early
            counts.dropped_before_keyframe = 0
        dropped = counts.dropped_before_keyframe
        failed = counts.frames_failed(info.codec) if file.whole else max(counts.errors - file.errors_before, 0)
        failed += file.unconvertible
        tail = file.missing_tail()
        lacking = file.missing_by_index(counts, index_frames)
        known = lacking is not None
        missing = max(failed, file.missing_by_time(dropped) if lacking is None else lacking)
        unnumbered = max(counts.unnumbered, 0) if file.whole else 0
        if file.first_s is not None and not known and file.missing_head(dropped):
            self.gaps.append((file.start_s, file.first_s))
        if missing or not known:
            self.gaps += holes.gaps()
            if tail is not None and (missing or not known):
                self.gaps.append(tail)
        self.gaps += [pause for pause in holes.pauses() if pause not in self.gaps]
        self.failed += failed
        self.expected += file.delivered + max(missing, failed + unnumbered)
        self.dropped += dropped
        if failed:
            self.lose(f"decode_errors: {name}: {failed} pictures could not be decoded")
        if missing > failed or unnumbered:
            number = str(missing) if known else f"about {missing if missing > failed else unnumbered}"
            self.lose(f"missing_frames: {name}: {number} frames are not in the file though they should be")
        if file.damaged:
            self.lose(f"damaged_frames: {name}: {file.damaged} pictures are patched or broken")
        if info.truncated and file.end_s is None:
            self.lose(f"truncated: {name}: the file ends, or its parts no longer join, before its last part does")
        for cause in counts.causes:
            self.lose(f"{cause} ({name})")
        if not known and not missing:
            self._remark(name, file)

    def _remark(self, name: str, file: FileAccount) -> None:
        """Tell of what is no loss by the tolerances above, and may be one."""
        steps, longest_s = file.holes.uneven()
        if steps:
            self.causes.append(
                f"uneven_times: {name}: {steps} steps between pictures are longer than a frame's time, up to "
                f"{longest_s:.2f} s: the camera skipped there, or pictures are lost"
            )
        early_s = file.early_end_s()
        if early_s:
            self.causes.append(
                f"early_end: {name}: its pictures end {early_s:.2f} s before the file states its end: its sound is "
                "longer, or pictures are lost"
            )

    def report(self) -> ReadReport:
        """The account so far."""
        causes = tuple(self.causes) if self.finished else (*self.causes, "not_finished: reading goes on")
        status: Literal["complete", "partial", "failed"] = "partial" if self.lost or not self.finished else "complete"
        if self.finished and not self.delivered:
            status = "failed"
        expected = max(self.expected, self.delivered)
        return ReadReport(
            status=status,
            frames_decoded=self.delivered,
            frames_failed=self.failed,
            frames_expected=expected if self.finished else None,
            coverage=self.delivered / expected if expected else 0.0,
            first_time_s=self.first_s,
            last_time_s=self.last_s,
            gaps=tuple(sorted(self.gaps)),
            size_changes=self.size_changes,
            timestamp_repairs=self.repairs,
            damaged_frames=self.damaged,
            dropped_before_keyframe=self.dropped,
            causes=causes,
            timestamp_resets=self.resets,
        )
