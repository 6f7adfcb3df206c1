"""The work of the decoding thread: the files of one camera, one after the other, into a channel of Frames."""

from __future__ import annotations

from dataclasses import dataclass

from av.error import FFmpegError

from pipeline.errors import CameraError
from pipeline.types import Frame
from pipeline.video.account import Account, FileAccount
from pipeline.video.channel import Channel
from pipeline.video.decoding import Decoded, FileDecoder
from pipeline.video.deinterlacing import Deinterlacer
from pipeline.video.file_end import END, HOLES, end_is_stated, holes_remark
from pipeline.video.holes import PAUSE_S, HoleFinder
from pipeline.video.picture import PictureConverter
from pipeline.video.probe import VideoInfo, frames_stated
from pipeline.video.segments import start_of
from pipeline.video.source import OpenSource, open_source
from pipeline.video.timeline import Timeline


@dataclass(frozen=True, slots=True)
class ReadPlan:
    """What to read: usable files in order, the wanted span on the shared clock, and limits."""

    camera_id: str
    infos: tuple[VideoInfo, ...]
    time_offset_s: float
    start_s: float | None
    end_s: float | None
    max_pixels: int
    threads: int
    deinterlace: bool = True


class _ConsumerLeftError(Exception):
    """The consumer has closed the channel."""


class CameraReading:
    """One pass over a camera's files; `run` is the thread's body."""

    def __init__(self, plan: ReadPlan, account: Account, channel: Channel[Frame]) -> None:
        self._plan, self._account, self._channel = plan, account, channel
        self._timeline = Timeline()
        self._converter = PictureConverter(plan.infos[0].size_wh)
        self._shown_size = plan.infos[0].size_wh
        self._pixel_aspect = plan.infos[0].pixel_aspect
        self._index = 0
        self._wanted = True
        self._believe_tags = True
        self._endless: list[str] = []
        self._raw: dict[str, list[str]] = {}

    def run(self) -> None:
        """Read all; faults of files go to the account, other exceptions to the consumer."""
        account = self._account
        error: BaseException | None = None
        try:
            for number in range(len(self._plan.infos)):
                if self._wanted:
                    self._read_file(number)
            if not account.delivered and not account.causes:
                cut = self._plan.start_s is not None or self._plan.end_s is not None
                account.lose("no_frames: " + ("none lies in the asked span of time" if cut else "there is none"))
        except _ConsumerLeftError:
            account.lose("closed_early: reading was stopped before the end")
        except BaseException as caught:
            account.lose(f"error: {caught!r}")
            error = caught
        account.repairs, account.resets = self._timeline.repairs, self._timeline.resets
        if self._pixel_aspect != 1.0:
            account.causes.append(f"pixel_shape: a pixel is shown {self._pixel_aspect:.4g} times as wide as high")
        if self._converter.hdr:
            account.causes.append(f"hdr: {' and '.join(sorted(self._converter.hdr))} pictures, converted to BT.709")
        if account.resets:
            account.causes.append(
                f"timestamp_reset: the clock started anew {account.resets} times; the frames after follow on"
            )
        if self._endless:
            account.causes.append(
                f"{END}: {_names(self._endless)}: states neither its length nor how many pictures it holds; "
                "if its end was cut off, nothing shows it"
            )
        account.causes += [f"{HOLES}: {_names(names)}: {remark}" for remark, names in self._raw.items()]
        account.finished = True
        self._channel.finish(error)

    def _read_file(self, number: int) -> None:
        info = self._plan.infos[number]
        try:
            with open_source(info.path, self._plan.max_pixels) as source:
                self._read_source(number, source)
        except CameraError as error:  # vanished or changed since it was probed
            self._account.lose(f"{error.code}: {error}")

    def _read_source(self, number: int, source: OpenSource) -> None:
        info, account = self._plan.infos[number], self._account
        start_s = self._file_start(number)
        offset_s = self._plan.time_offset_s
        file = FileAccount(info, HoleFinder(1.0 / info.fps), start_s=start_s + offset_s, end_s=self._plan.end_s)
        decoder = FileDecoder(source.container, source.stream, self._plan.threads, self._sign_of_life)
        time_base = float(source.stream.time_base)
        if self._plan.end_s is not None and self._plan.end_s >= file.start_s + (info.duration_s or float("inf")):
            file.end_s = None  # the cut lies behind this file
        begun = False
        deinterlacer, decoded = Deinterlacer(), decoder.frames()
        frames = deinterlacer.frames(decoded) if self._plan.deinterlace else decoded
        item = next(frames, None)
        while item is not None and self._wanted:
            pts_s = _seconds(item, time_base)
            if not begun:
                begun = True
                self._timeline.begin_file(start_s, _origin(info, decoder, pts_s), 1.0 / info.fps)
            ahead = next(frames, None) if self._timeline.in_doubt(pts_s) else None
            self._take(item, self._timeline.stamp(pts_s, _seconds(ahead, time_base)) + offset_s, file, decoder)
            item = next(frames, None) if ahead is None and self._wanted else ahead
        decoded.close()
        stated, exact = frames_stated(source)
        if source.layout.kind == "mp4" and info.truncated:  # a fragment's table tells what the cut took away
            stated, exact = len(source.stream.index_entries), True
        if decoder.counts.dropped_before_keyframe and decoder.counts.frames:
            dropped = decoder.counts.dropped_before_keyframe
            account.causes.append(
                f"starts_without_keyframe: {info.path.name}: {dropped} pictures depend on ones before the file"
            )
        if deinterlacer.changed:
            account.causes.append(f"deinterlaced: {info.path.name}: {deinterlacer.changed} pictures (bwdif)")
        account.close_file(file, decoder.counts, stated if exact else None)
        if self._wanted and not info.truncated:
            if not end_is_stated(source, exact_count=exact, duration_s=info.duration_s):
                self._endless.append(info.path.name)
            if remark := holes_remark(source.container.format.name):
                self._raw.setdefault(remark, []).append(info.path.name)
        if info.path.stat().st_size != info.file_bytes:
            account.lose(f"growing_file: {info.path.name}: changed its size while it was read; read it again later")

    def _take(self, item: Decoded, time_s: float, file: FileAccount, decoder: FileDecoder) -> None:
        plan, account = self._plan, self._account
        index, self._index = self._index, self._index + 1
        if plan.start_s is not None and time_s < plan.start_s:
            file.whole = False
            file.errors_before = decoder.counts.errors
            return
        if plan.end_s is not None and time_s >= plan.end_s:
            file.whole = self._wanted = False
            return
        file.holes.add(time_s, item.loss_before)
        file.first_s = time_s if file.first_s is None else file.first_s
        file.last_s = time_s
        self._note_size(item, file)
        try:
            image = self._converter.convert(item.frame)
        except FFmpegError:
            file.unconvertible += 1
            return
        if not self._channel.put(Frame(plan.camera_id, index, time_s, image, item.damaged, self._pixel_aspect)):
            raise _ConsumerLeftError
        file.delivered += 1
        account.delivered += 1
        file.damaged += item.damaged
        account.damaged += item.damaged
        account.first_s = time_s if account.first_s is None else account.first_s
        account.last_s = time_s

    def _note_size(self, item: Decoded, file: FileAccount) -> None:
        size = self._converter.displayed_size(item.frame)
        if size != self._shown_size:
            self._shown_size = size
            self._account.size_changes += 1
            first = self._converter.size_wh
            self._account.causes.append(
                f"size_change: {file.info.path.name}: {size[0]}x{size[1]} from frame {self._index - 1} on, "
                f"delivered as {first[0]}x{first[1]}"
            )

    def _file_start(self, number: int) -> float:
        end_s = self._timeline.next_s
        start_s, believed = start_of(self._plan.infos, number, end_s)
        if not believed and self._believe_tags:
            self._believe_tags = False
            name = self._plan.infos[number].path.name
            self._account.causes.append(f"start_time_ignored: {name}: its recorded start overlaps the file before it")
        if self._timeline.last_s is not None and start_s - self._timeline.last_s > PAUSE_S:
            offset_s = self._plan.time_offset_s
            self._account.gaps.append((self._timeline.last_s + offset_s, start_s + offset_s))
        return start_s

    def _sign_of_life(self) -> None:
        if self._channel.closed:
            raise _ConsumerLeftError
        self._channel.alive()


def _names(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"


def _seconds(item: Decoded | None, time_base: float) -> float | None:
    return None if item is None or item.pts is None else item.pts * time_base


def _origin(info: VideoInfo, decoder: FileDecoder, first_pts_s: float | None) -> float:
    """The stamp that becomes the file's start: its first frame's, or the stated start if frames before it are lost."""
    if first_pts_s is None:
        return 0.0
    counts = decoder.counts
    if counts.dropped_before_keyframe or counts.errors or counts.read_errors:
        return min(info.start_pts_s, first_pts_s)
    return first_pts_s
