"""Where the files of a recorder lie on the camera's clock."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.video.probe import VideoInfo

_TAG_RESOLUTION_S = 2.0
"""Start tags are whole seconds, often written late: within this the next file simply follows on."""
_LONGEST_PAUSE_S = 7 * 86_400.0
"""A start tag further on is not believed."""


def start_of(infos: Sequence[VideoInfo], number: int, end_of_last_s: float) -> tuple[float, bool]:
    """(start in s, believed) of file `number`, the first starting at 0 and the last read one ending at `end_of_last_s`.

    The recorded start times decide if both files have one and they leave room for what lies between; otherwise the
    file follows on without a pause. `believed` is False when there was a start time that could not be right.
    """
    first, this = infos[0].start_time, infos[number].start_time
    if number == 0 or first is None or this is None:
        return end_of_last_s, True
    stated_s = (this - first).total_seconds()
    if abs(stated_s - end_of_last_s) <= _TAG_RESOLUTION_S:
        return end_of_last_s, True
    if end_of_last_s < stated_s <= end_of_last_s + _LONGEST_PAUSE_S:
        return stated_s, True
    return end_of_last_s, False
