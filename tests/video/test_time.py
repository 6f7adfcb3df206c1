"""Time is the container's: variable rates, re-ordering, offsets, broken stamps, segments and cuts."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from pipeline.errors import CameraError, UsageError
from pipeline.video import VideoReader
from pipeline.video.timeline import Timeline


def times(frames):
    return [frame.time_s for frame in frames]


@pytest.mark.parametrize("name", ["v.mp4", "v.mkv", "v.ts", "v.webm"])
def test_variable_frame_rate(tmp_path, encode, read, numbers, name):
    pts = [0, 1, 2, 5, 6, 20, 21, 23, 40, 90, 91, 95]
    codec = "libvpx-vp9" if name.endswith("webm") else "libx264"
    options = {"bf": "2"} if codec == "libx264" else {}
    path = encode(tmp_path / name, len(pts), fps=30, pts=pts, codec=codec, options=options)
    frames, report = read(path)
    assert numbers(frames) == list(range(len(pts)))
    assert times(frames) == pytest.approx([value / 30 for value in pts], abs=0.001)
    assert report.status == "complete" and report.timestamp_repairs == 0


@pytest.mark.parametrize("name", ["b.mp4", "b.mkv", "b.ts", "b.avi"])
def test_b_frames_come_in_display_order(tmp_path, encode, read, numbers, name):
    options = {"preset": "medium", "bf": "3", "b_strategy": "0", "g": "12"}
    frames, report = read(encode(tmp_path / name, 40, options=options))
    assert numbers(frames) == list(range(40))
    assert times(frames) == pytest.approx(np.arange(40) / 30, abs=0.0011)
    assert (report.frames_expected, report.timestamp_repairs) == (40, 0)


@pytest.mark.parametrize("name", ["o.mp4", "o.mkv", "o.ts"])
def test_stamps_that_start_late_start_at_zero(tmp_path, encode, read, name):
    path = encode(tmp_path / name, 20, pts=[300 + index for index in range(20)])
    frames, report = read(path, time_offset_s=5.5)
    assert times(frames) == pytest.approx(5.5 + np.arange(20) / 30, abs=0.0011)
    assert report.first_time_s == times(frames)[0] and report.last_time_s == times(frames)[-1]
    assert report.status == "complete"


def test_broadcast_rate_does_not_drift(tmp_path, encode, read):
    """29.97 taken for 30 is 3.6 s an hour."""
    path = encode(tmp_path / "n.mp4", 60, (64, 48), fps=Fraction(30000, 1001), pts=None, prepare=None)
    frames, _ = read(path)
    assert len(frames) == 60 and times(frames)[-1] == pytest.approx(59 * 1001 / 30000, abs=0.002)


def test_timestamp_reset_in_the_middle_goes_on(tmp_path, encode, read, numbers):
    """Two recordings joined: OpenCV's clock goes backwards there, silently."""
    first = encode(tmp_path / "a.ts", 60, pts=[3000 + index for index in range(60)])
    second = encode(tmp_path / "b.ts", 60)
    joined = tmp_path / "joined.ts"
    joined.write_bytes(first.read_bytes() + second.read_bytes())
    frames, report = read(joined)
    assert numbers(frames) == [*range(60), *range(60)]
    assert report.timestamp_resets == 1
    assert any(cause.startswith("timestamp_reset:") for cause in report.causes)
    assert np.diff(times(frames)) == pytest.approx(1 / 30, abs=0.002)


def test_long_jump_forward_is_a_gap(tmp_path, encode, read):
    pts = [*range(20), *range(600, 620)]
    frames, report = read(encode(tmp_path / "g.mp4", 40, pts=pts))
    assert times(frames) == pytest.approx([value / 30 for value in pts], abs=1e-3)
    assert report.gaps == ((pytest.approx(19 / 30), pytest.approx(20.0)),)
    assert report.status == "complete"  # the MP4's index counts 40 frames: a pause, not a loss


def stamps(timeline, values):
    return [timeline.stamp(value) for value in values]


def test_broken_stamps_become_strictly_increasing_and_are_counted():
    timeline = Timeline()
    timeline.begin_file(0.0, 10.0, 0.04)
    out = stamps(timeline, [10.0, 10.04, 10.04, 10.12, 10.08, None, 10.24])
    assert out == pytest.approx([0.0, 0.04, 0.041, 0.12, 0.121, 0.161, 0.24])
    assert (timeline.repairs, timeline.resets) == (3, 0)


def test_stuck_stamps_fall_back_to_the_mean_rate():
    timeline = Timeline()
    timeline.begin_file(0.0, 0.0, 0.04)
    out = stamps(timeline, [0.0] * 50)
    assert np.all(np.diff(out) > 0) and timeline.repairs + timeline.resets == 49
    assert out[-1] == pytest.approx(49 * 0.04, abs=0.15)


def test_no_stamps_at_all_are_spaced_by_the_rate():
    timeline = Timeline()
    timeline.begin_file(2.0, 0.0, 0.1)
    assert stamps(timeline, [None] * 4) == pytest.approx([2.0, 2.1, 2.2, 2.3])


def test_reset_continues_after_the_last_frame():
    timeline = Timeline()
    timeline.begin_file(0.0, 100.0, 0.04)
    out = stamps(timeline, [100.0, 100.04, 3.0, 3.04, 90_000.0, 90_000.04])
    assert out == pytest.approx([0.0, 0.04, 0.08, 0.12, 0.16, 0.20])
    assert (timeline.resets, timeline.repairs) == (2, 0)


def looked_ahead(timeline, values):
    """As the reader does: the stamp after a jump is known."""
    return [
        timeline.stamp(value, after if timeline.in_doubt(value) else None)
        for value, after in zip(values, [*values[1:], None], strict=True)
    ]


@pytest.mark.parametrize("corrupt", [3600.0, 90_000.0, -500.0, 5.0])
def test_one_corrupt_stamp_moves_nothing_else(corrupt):
    """0.08, 3600, 0.16 gave an hour's gap, and 3600.04 for the rest of the camera."""
    timeline = Timeline()
    timeline.begin_file(0.0, 0.0, 0.04)
    out = looked_ahead(timeline, [0.0, 0.04, 0.08, corrupt, 0.16, 0.20, 30.0, 30.04])
    assert out == pytest.approx([0.0, 0.04, 0.08, 0.12, 0.16, 0.20, 30.0, 30.04])
    assert (timeline.repairs, timeline.resets) == (1, 0)


def test_a_reset_is_no_corrupt_stamp():
    timeline = Timeline()
    timeline.begin_file(0.0, 100.0, 0.04)
    out = looked_ahead(timeline, [100.0, 100.04, 3.0, 3.04, 90_000.0, 90_000.04, None])
    assert out == pytest.approx([0.0, 0.04, 0.08, 0.12, 0.16, 0.20, 0.24])
    assert (timeline.resets, timeline.repairs) == (2, 1)


@pytest.mark.parametrize("end_s", [None, 1.5])
def test_a_corrupt_stamp_in_a_file(tmp_path, encode, read, numbers, end_s):
    """Frame 12's block says 30 s instead of 0.4 s: no gap, no shift, and no end of a cut."""
    path = encode(tmp_path / "c.mkv", 60)
    blocks = path.read_bytes()
    at = [blocks.find(b"\x81" + (400).to_bytes(2, "big") + flags) for flags in (b"\x00", b"\x80")]
    position = max(at) + 1
    assert sum(found >= 0 for found in at) == 1
    path.write_bytes(blocks[:position] + (30_000).to_bytes(2, "big") + blocks[position + 2 :])
    frames, report = read(path, end_s=end_s)
    count = 60 if end_s is None else 45
    assert numbers(frames) == list(range(count))
    assert times(frames) == pytest.approx(np.arange(count) / 30, abs=0.0011)
    assert (report.status, report.gaps, report.timestamp_repairs, report.timestamp_resets) == ("complete", (), 1, 0)


def segment(encode, path, start=None, **settings):
    metadata = {"creation_time": start} if start else {}
    return encode(path, 15, fps=15, metadata=metadata, **settings)


def test_segments_are_one_camera_without_start_times(tmp_path, encode, read, numbers):
    parts = [segment(encode, tmp_path / f"{index}.mp4", pts=range(30 * index, 30 * index + 15)) for index in range(3)]
    frames, report = read(*parts)
    assert [frame.index for frame in frames] == list(range(45))
    assert numbers(frames) == [*range(15)] * 3
    assert times(frames) == pytest.approx(np.arange(45) / 15, abs=1e-6)
    assert (report.status, report.frames_expected, report.gaps) == ("complete", 45, ())


def test_segments_lie_where_their_start_times_say(tmp_path, encode, read):
    parts = [
        segment(encode, tmp_path / "a.mp4", "2024-01-01T10:00:00Z"),
        segment(encode, tmp_path / "b.mp4", "2024-01-01T10:00:02Z"),  # 1 s late: the tag's resolution
        segment(encode, tmp_path / "c.mp4", "2024-01-01T10:01:00Z"),
    ]
    frames, report = read(*parts)
    expected = [*np.arange(30) / 15, *(60 + np.arange(15) / 15)]
    assert times(frames) == pytest.approx(expected, abs=1e-6)
    assert report.gaps == ((pytest.approx(29 / 15), pytest.approx(60.0)),)
    assert report.status == "complete"


def test_start_times_that_overlap_are_not_believed(tmp_path, encode, read):
    """An export writes the hour of the export into every part."""
    first = encode(tmp_path / "a.mp4", 80, fps=10, metadata={"creation_time": "2024-01-01T10:00:00Z"})
    second = encode(tmp_path / "b.mp4", 10, fps=10, metadata={"creation_time": "2024-01-01T10:00:00Z"})
    frames, report = read(first, second)
    assert times(frames) == pytest.approx(np.arange(90) / 10, abs=1e-6)
    assert report.status == "complete" and any("start_time_ignored" in cause for cause in report.causes)


def test_a_broken_segment_costs_only_itself(tmp_path, encode, read):
    parts = [segment(encode, tmp_path / f"{index}.mp4") for index in range(3)]
    parts[1].write_bytes(parts[1].read_bytes()[:1000])
    frames, report = read(*parts)
    assert len(frames) == 30 and [frame.index for frame in frames] == list(range(30))
    assert report.status == "partial"
    assert any(cause.startswith("truncated_no_index") and "1.mp4" in cause for cause in report.causes)


def test_first_segment_broken_the_next_one_is_the_camera(tmp_path, encode, read):
    parts = [segment(encode, tmp_path / f"{index}.mp4") for index in range(2)]
    parts[0].write_bytes(b"")
    frames, report = read(*parts)
    assert len(frames) == 15 and report.status == "partial"


def test_all_segments_broken_is_a_fault(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"")
    with pytest.raises(CameraError) as caught:
        VideoReader("cam", [tmp_path / "a.mp4", tmp_path / "b.mp4"])
    assert caught.value.code == "empty_file"


@pytest.mark.parametrize("bounds", [(0.5, None), (None, 1.0), (0.5, 1.0), (0.51, 0.99), (0.0, 99.0)])
@pytest.mark.parametrize("name", ["c.mp4", "c.mkv", "c.ts"])
def test_cut_gives_the_same_frames_as_the_whole(tmp_path, *, encode, read, numbers, name, bounds):
    """The frame numbers of a cut are those of the whole video: ground truth still fits."""
    path = encode(tmp_path / name, 45, options={"bf": "2", "g": "10"})
    whole, _ = read(path)
    low, high = bounds[0] or 0.0, bounds[1] or 1e9
    cut, report = read(path, start_s=bounds[0], end_s=bounds[1])
    wanted = [frame for frame in whole if low <= frame.time_s < high]
    assert [(frame.index, frame.time_s) for frame in cut] == [(frame.index, frame.time_s) for frame in wanted]
    assert numbers(cut) == [frame.index for frame in wanted]
    assert all(np.array_equal(a.image, b.image) for a, b in zip(cut, wanted, strict=True))
    assert (report.status, report.coverage, report.frames_expected) == ("complete", 1.0, len(wanted))


def test_cut_is_on_the_shared_clock_and_over_segments(tmp_path, encode, read):
    parts = [segment(encode, tmp_path / f"{index}.mp4") for index in range(3)]
    frames, report = read(*parts, time_offset_s=100.0, start_s=100.8, end_s=102.2)
    assert [frame.index for frame in frames] == list(range(12, 33))
    assert frames[0].time_s == pytest.approx(100.8) and report.status == "complete"


def test_cut_beside_the_video_says_so(tmp_path, encode, read):
    frames, report = read(encode(tmp_path / "a.mp4", 10), start_s=50.0)
    assert frames == [] and report.status == "failed"
    assert any("no_frames" in cause for cause in report.causes)


def test_wrong_settings_are_usage_errors(tmp_path, encode):
    path = encode(tmp_path / "a.mp4", 3)
    nan = float("nan")
    for settings in ({"start_s": 2.0, "end_s": 1.0}, {"queue_frames": 0}, {"threads": -1}, {"time_offset_s": nan}):
        with pytest.raises(UsageError):
            VideoReader("cam", [path], **settings)
    with pytest.raises(UsageError):
        VideoReader("cam", [])
