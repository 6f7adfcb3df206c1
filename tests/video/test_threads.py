"""Decoding runs ahead in a thread: bounded, lossless, and gone when the reader is closed."""

from __future__ import annotations

import gc
import threading
import time
from pathlib import Path

import av
import numpy as np
import pytest

from pipeline.video import VideoReader
from pipeline.video import reader as reader_module
from pipeline.video.channel import Channel, StalledError
from pipeline.video.deadline import within
from pipeline.video.picture import PictureConverter


def decode_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith(("decode-", "video-open"))]


def open_files(path):
    links = (link for link in Path("/proc/self/fd").iterdir() if link.is_symlink())
    return [str(link) for link in links if link.exists() and link.resolve() == path.resolve()]


@pytest.fixture(name="long_video")
def _long_video(tmp_path, encode):
    return encode(tmp_path / "long.mp4", 240, (64, 48), options={"g": "24"})


def test_queue_is_bounded_and_nothing_is_lost(long_video, numbers):
    with VideoReader("cam", [long_video], queue_frames=3) as reader:
        frames = [next(reader)]
        time.sleep(0.3)  # the decoder could be through by now
        assert len(reader._channel._items) <= 3
        frames += list(reader)
    assert reader._channel.most_waiting == 3
    assert [frame.index for frame in frames] == list(range(240))


def test_large_pictures_wait_in_smaller_numbers(tmp_path, encode, monkeypatch):
    """8K at 8 frames a camera would be 800 MB."""
    monkeypatch.setattr("pipeline.video.reader.WAITING_BYTES", 3 * 160 * 96 * 3)
    with VideoReader("cam", [encode(tmp_path / "a.mp4", 30)], queue_frames=8) as reader:
        next(reader)
        time.sleep(0.3)
        assert len(list(reader)) == 29
    assert reader._channel.most_waiting == 3


def test_slow_consumer_gets_every_frame(tmp_path, encode, read, numbers):
    path = encode(tmp_path / "s.mp4", 20)
    seen = []
    with VideoReader("cam", [path], queue_frames=1) as reader:
        for frame in reader:
            time.sleep(0.005)
            seen.append(frame)
    assert numbers(seen) == list(range(20))


@pytest.mark.parametrize("read_first", [0, 1, 50])
def test_closing_early_stops_the_thread_and_the_file_at_once(long_video, read_first):
    reader = VideoReader("cam", [long_video], queue_frames=2)
    for _ in range(read_first):
        next(reader)
    started = time.monotonic()
    reader.close()
    assert time.monotonic() - started < 1.0
    assert not decode_threads() and not open_files(long_video)
    with pytest.raises(StopIteration):
        next(reader)
    if read_first:
        report = reader.report()
        assert report.status == "partial" and any(cause.startswith("closed_early") for cause in report.causes)


def test_leaving_the_with_by_an_exception_closes(long_video):
    with pytest.raises(KeyError), VideoReader("cam", [long_video]) as reader:
        next(reader)
        raise KeyError
    assert not decode_threads() and not open_files(long_video)


def test_a_forgotten_reader_does_not_keep_its_thread(long_video):
    reader = VideoReader("cam", [long_video], queue_frames=1)
    next(reader)
    assert decode_threads()
    del reader
    gc.collect()
    limit = time.monotonic() + 3
    while decode_threads() and time.monotonic() < limit:
        time.sleep(0.01)
    assert not decode_threads() and not open_files(long_video)


def test_many_readers_leave_no_thread_and_no_descriptor(tmp_path, encode):
    path = encode(tmp_path / "m.mp4", 6, (64, 48))
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video" * 100)
    count = lambda: len(list(Path("/proc/self/fd").iterdir()))  # noqa: E731
    before = count()
    for turn in range(60):
        with VideoReader("cam", [path]) as reader:
            next(reader)
            if turn % 2:
                list(reader)
        with pytest.raises(Exception, match="not a video"):
            VideoReader("cam", [broken])
    assert count() <= before and not decode_threads()


def test_an_exception_in_the_thread_reaches_the_consumer(long_video, monkeypatch):
    calls = []

    def fail(self, frame):
        calls.append(frame)
        if len(calls) > 5:
            raise MemoryError("no room for a picture")
        return np.zeros((48, 64, 3), np.uint8)

    monkeypatch.setattr(PictureConverter, "convert", fail)
    delivered = []
    with VideoReader("cam", [long_video]) as reader, pytest.raises(MemoryError, match="no room"):
        delivered.extend(reader)
    with VideoReader("cam", [long_video]) as reader:
        calls.clear()
        got = []
        with pytest.raises(MemoryError):
            got.extend(iter(reader.__next__, None))
    assert reader.report().status == "partial" and not decode_threads()
    assert any(cause.startswith("error: MemoryError") for cause in reader.report().causes)


def test_a_stalled_disk_ends_the_reading(long_video, monkeypatch):
    release = threading.Event()
    real = PictureConverter.convert
    calls = []

    def hang(self, frame):
        calls.append(1)
        if len(calls) == 10:
            release.wait(20)
        return real(self, frame)

    monkeypatch.setattr(PictureConverter, "convert", hang)
    monkeypatch.setattr(reader_module, "STALL_S", 0.3)
    with VideoReader("cam", [long_video]) as reader:
        frames = list(reader)
        report = reader.report()
    release.set()
    assert len(frames) == 9 and report.status == "partial"
    assert report.causes[-1].startswith("stalled")
    limit = time.monotonic() + 5
    while decode_threads() and time.monotonic() < limit:
        time.sleep(0.01)
    assert not decode_threads()


def test_report_before_the_end_is_not_complete(long_video):
    with VideoReader("cam", [long_video], queue_frames=2) as reader:
        next(reader)
        assert reader.report().status == "partial"
        list(reader)
        assert reader.report().status == "complete"


def test_frame_threads_give_the_same_pictures(long_video, read):
    (one, report_one), (many, report_many) = read(long_video), read(long_video, threads=3)
    assert report_one == report_many
    assert all(np.array_equal(a.image, b.image) for a, b in zip(one, many, strict=True))


def test_no_decoded_picture_outlives_its_frame(long_video):
    """`frame.side_data` ties a PyAV frame into a cycle: 800 frames of 1080p held 1.4 GB until the collector ran."""
    gc.collect()
    gc.disable()
    try:
        with VideoReader("cam", [long_video], queue_frames=2) as reader:
            assert sum(1 for _ in reader) == 240
        alive = sum(type(thing) is av.VideoFrame for thing in gc.get_objects())  # isinstance wakes lazy modules
    finally:
        gc.enable()
    assert alive < 10


def test_channel_reports_a_silent_producer():
    channel = Channel(2, 0.05)
    with pytest.raises(StalledError):
        channel.get()


def test_channel_gives_waiting_items_before_the_error():
    channel = Channel(2, 1.0)
    assert channel.put(1)
    channel.finish(ValueError("late"))
    assert channel.get() == 1
    with pytest.raises(ValueError, match="late"):
        channel.get()
    assert channel.get() is None


def test_within_has_an_end():
    release = threading.Event()
    with pytest.raises(TimeoutError):
        within(0.05, lambda: release.wait(10))
    release.set()
    assert within(1.0, lambda: 7) == 7
    with pytest.raises(KeyError):
        within(1.0, lambda: {}["x"])
