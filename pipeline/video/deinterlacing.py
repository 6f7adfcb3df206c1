"""Interlaced pictures to whole ones: the comb teeth of a walking person are what a detector has never seen.

FFmpeg's bwdif (Martin Weston's filter from BBC R&D White Paper WHP 068 for what moves, the neighbouring fields for what
stands): one picture out for each that comes in. Only pictures that the stream marks as interlaced are changed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

import av
from av.error import FFmpegError

from pipeline.video.decoding import Decoded

_FILTER = ("bwdif", "mode=send_frame:parity=auto:deint=interlaced")


class Deinterlacer:
    """`frames` passes on what it is given, in order and as many; `changed` counts those that were interlaced.

    The filter looks at the picture after: from the first interlaced one on, everything comes one picture later. A
    picture that the filter does not take (under 3 lines) is passed on as it is.
    """

    def __init__(self) -> None:
        self.changed = 0
        self._graph: Any = None
        self._kind: tuple[object, ...] = ()
        self._waiting: deque[Decoded] = deque()

    def frames(self, items: Iterable[Decoded]) -> Iterator[Decoded]:
        """The items of one file, deinterlaced where they are interlaced."""
        for item in items:
            if self._graph is None and not item.frame.interlaced_frame:
                yield item
                continue
            kind = (item.frame.width, item.frame.height, item.frame.format.name, item.frame.rotation)
            if kind != self._kind:
                yield from self._finish()
                self._kind = kind
                self._graph = _graph(item.frame)
            if self._graph is None:
                yield item
                continue
            self.changed += item.frame.interlaced_frame
            self._waiting.append(item)
            try:
                self._graph.vpush(item.frame)
            except FFmpegError:
                yield from self._give_up()
                continue
            yield from self._ready()
        yield from self._finish()

    def _ready(self) -> Iterator[Decoded]:
        while self._waiting:
            try:
                frame = self._graph.vpull()
            except (FFmpegError, BlockingIOError):  # it wants more, or is at its end
                return
            yield self._waiting.popleft()._replace(frame=frame)

    def _finish(self) -> Iterator[Decoded]:
        if self._graph is not None:
            try:
                self._graph.vpush(None)
                yield from self._ready()
            except FFmpegError:
                pass
        yield from self._give_up()

    def _give_up(self) -> Iterator[Decoded]:
        """What the filter still has comes out as it went in."""
        while self._waiting:
            yield self._waiting.popleft()
        self._graph, self._kind = None, ()


def _graph(frame: Any) -> Any:
    """A filter for pictures like `frame`; None where there can be none."""
    graph = av.filter.Graph()
    graph.threads = 1
    try:
        source = graph.add_buffer(
            width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base
        )
        graph.link_nodes(source, graph.add(*_FILTER), graph.add("buffersink")).configure()
    except (FFmpegError, ValueError):
        return None
    return graph
