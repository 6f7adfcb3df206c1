"""Damaged files: what can be read is read, what is lost is counted, and nothing broken passes for complete."""

from __future__ import annotations

import re

import av
import numpy as np
import pytest

from pipeline.video import VideoReader

COUNT = 60
GOP = {"g": "12", "bf": "0"}


@pytest.fixture(name="video")
def _video(tmp_path, encode):
    """60 numbered pictures at 30/s, a keyframe every 12, of a few kB each."""

    def make(name, **settings):
        options = {**GOP, **settings.pop("options", {})}
        return encode(tmp_path / name, COUNT, options=options, noise=14, **settings)

    return make


def packet_places(path):
    """(position, size, is a keyframe) of each video packet in the file."""
    with av.open(str(path)) as container:
        return [(p.pos, p.size, p.is_keyframe) for p in container.demux(container.streams.video[0]) if p.size]


def overwrite(path, start, data):
    content = bytearray(path.read_bytes())
    content[start : start + len(data)] = data
    path.write_bytes(content)


def available(path):
    """Numbers of the pictures that FFmpeg's decoder can give when no error stops it."""
    found = []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_type = "NONE"
        for packet in container.demux(stream):
            try:
                found += [round(frame.pts * stream.time_base * 30) for frame in packet.decode()]
            except av.error.InvalidDataError:
                continue
    return found


def test_zeroed_packets_are_read_past(video, read):
    """OpenCV's read() returns False at the first bad packet: a loop stops at 20 of 60."""
    path = video("z.mp4")
    for position, size, _ in packet_places(path)[20:27]:
        overwrite(path, position, bytes(size))
    frames, report = read(path)
    seen = [round(frame.time_s * 30) for frame in frames]
    assert seen == available(path)
    assert seen[:20] == list(range(20)) and seen[-24:] == list(range(36, 60)) and 44 <= len(seen) <= 53
    assert (report.frames_decoded, report.frames_failed, report.frames_expected) == (len(seen), 60 - len(seen), 60)
    assert report.coverage == pytest.approx(len(seen) / 60) and report.status == "partial"
    assert report.gaps == ((pytest.approx(19 / 30), pytest.approx(seen[20] / 30)),)
    patched = [number for number in seen if 20 <= number < 36]  # from missing pictures, until the next keyframe
    assert [round(frame.time_s * 30) for frame in frames if frame.damaged] == patched
    assert report.damaged_frames == len(patched) > 0


def test_one_lost_packet_keeps_times_and_spoils_only_up_to_the_next_keyframe(video, read):
    path = video("one.mp4")
    position, size, _ = packet_places(path)[30]
    overwrite(path, position, bytes(size))
    frames, report = read(path)
    assert [round(frame.time_s * 30) for frame in frames] == [index for index in range(60) if index != 30]
    assert [frame.index for frame in frames] == list(range(59))
    assert (report.frames_failed, report.status) == (1, "partial")
    assert [round(frame.time_s * 30) for frame in frames if frame.damaged] == [31, 32, 33, 34, 35]


@pytest.mark.parametrize(
    ("name", "settings", "at_least"),
    [
        ("s.mp4", {}, 60),
        ("s.mkv", {}, 55),
        ("s.ts", {}, 55),
        ("s.avi", {"codec": "mpeg4", "options": {"bf": "0", "b": "4000000"}}, 55),
        ("s_hevc.mp4", {"codec": "libx265"}, 40),
        ("s_mjpeg.avi", {"codec": "mjpeg", "pixel_format": "yuvj420p"}, 55),
    ],
)
def test_scattered_bit_errors(video, read, name, settings, at_least):
    path = video(name, **settings)
    content = bytearray(path.read_bytes())
    random = np.random.default_rng(1)
    places = packet_places(path)
    for number in random.choice(np.arange(15, 50), 12, replace=False):
        position, size, _ = places[number]
        content[position + size // 2] ^= int(random.integers(1, 255))
    path.write_bytes(content)
    frames, report = read(path)
    assert len(frames) >= at_least and len(frames) == report.frames_decoded
    assert report.damaged_frames == sum(frame.damaged for frame in frames)
    assert report.status == "partial" and report.causes
    assert report.damaged_frames + report.frames_failed > 0
    assert np.all(np.diff([frame.time_s for frame in frames]) > 0)


@pytest.mark.parametrize("name", ["h.mkv", "h.ts", "h.webm"])
def test_a_hole_is_noticed_without_any_error(video, read, name):
    """A destroyed Matroska cluster: FFmpeg goes on at the next one and reports nothing."""
    codec = {"codec": "libvpx-vp9", "options": {"b": "2000000"}} if name.endswith("webm") else {}
    path = video(name, container_options={"cluster_time_limit": "300"} if name != "h.ts" else {}, **codec)
    size = path.stat().st_size
    overwrite(path, size * 4 // 10, bytes(size // 5))
    frames, report = read(path)
    assert 30 <= len(frames) < 58
    assert report.status == "partial" and report.gaps
    (start, end), *_ = sorted(report.gaps, key=lambda gap: gap[0] - gap[1])
    assert 0.4 < start < end < 1.6 and end - start > 0.2
    assert report.frames_expected == pytest.approx(60, abs=2)
    assert report.coverage == pytest.approx(len(frames) / 60, abs=0.05)


def test_destroyed_from_the_second_frame_on_is_loud(video, read):
    """Measured with OpenCV: 1 frame of 60, count still 60, no error at all."""
    path = video("d.mkv")
    places = packet_places(path)
    overwrite(path, places[1][0], bytes(path.stat().st_size - places[1][0]))
    frames, report = read(path)
    assert 1 <= len(frames) <= 2
    assert report.status == "partial" and report.coverage <= 2 / 60
    assert report.gaps[-1][1] == pytest.approx(2.0, abs=0.05)


@pytest.mark.parametrize("name", ["c.mkv", "c.ts", "c.avi", "c.webm"])
def test_a_cut_file_is_never_complete(video, read, numbers, name):
    codec = {"avi": {"codec": "mpeg4", "options": {"bf": "0", "b": "4000000"}}, "webm": {"codec": "libvpx-vp9"}}.get(
        name.split(".")[1], {}
    )
    path = video(name, **codec)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2 + 1])
    frames, report = read(path)
    assert 15 <= len(frames) <= 45
    assert numbers(frames)[:15] == list(range(15))
    assert report.status == "partial"
    assert any(cause.startswith("truncated") for cause in report.causes)
    if name != "c.ts":  # a transport stream doesn't state its length
        assert report.frames_expected == 60 and report.coverage == pytest.approx(len(frames) / 60, abs=0.02)


def test_a_transport_stream_that_ends_in_zeros_is_cut(video, read):
    """Space set aside on the disk and never written: the stream's length is guessed from what is there."""
    path = video("zeros.ts")
    half = path.stat().st_size // 376 * 188
    path.write_bytes(path.read_bytes()[:half] + bytes(path.stat().st_size - half))
    frames, report = read(path)
    assert 15 <= len(frames) <= 45
    assert report.status == "partial" and any(cause.startswith("truncated") for cause in report.causes)


def test_damaged_lengths_that_ask_for_gigabytes_are_faults_of_the_file(video, read):
    """FFmpeg answers a sample of 2 GB in a fragment's table with "out of memory": that must not end the run."""
    path = video("table.mp4", container_options={"movflags": "frag_keyframe+empty_moov+default_base_moof"})
    content = bytearray(path.read_bytes())
    second_table = content.index(b"trun", content.index(b"trun") + 4)
    content[second_table + 20 : second_table + 24] = b"\x7f\xff\xff\x00"  # size of its first sample
    path.write_bytes(content)
    frames, report = read(path)
    assert len(frames) == 12 and report.status == "partial"
    assert any(cause.startswith("read_error") for cause in report.causes)


def test_cut_mp4_with_its_index_in_front(video, read):
    path = video("front.mp4", container_options={"movflags": "faststart"})
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    frames, report = read(path)
    assert 20 <= len(frames) <= 40
    assert (report.status, report.frames_expected) == ("partial", 60)
    assert report.coverage == pytest.approx(len(frames) / 60)


def test_cut_fragmented_mp4(video, read):
    """What a killed recorder leaves."""
    path = video("frag.mp4", container_options={"movflags": "frag_keyframe+empty_moov+default_base_moof"})
    whole, complete = read(path)
    assert len(whole) == 60 and complete.status == "complete"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    frames, report = read(path)
    assert 20 <= len(frames) < 40
    assert report.status == "partial" and report.coverage < 1.0
    assert report.last_time_s == pytest.approx((len(frames) - 1) / 30, abs=0.001)


def test_start_without_a_keyframe_is_dropped_and_counted(video, read, numbers):
    path = video("k.ts")
    places = packet_places(path)
    packets = path.read_bytes()
    start = places[5][0] // 188 * 188
    path.write_bytes(packets[: 188 * 3] + packets[start:])  # tables, then the sixth picture
    frames, report = read(path)
    assert numbers(frames) == list(range(12, 60))
    assert 5 <= report.dropped_before_keyframe <= 7
    assert frames[0].time_s == pytest.approx(report.dropped_before_keyframe / 30, abs=0.05)


def test_no_decodable_frame_is_failed_not_empty(video, read):
    """An encrypted stream: a flood of errors, and no picture."""
    path = video("e.mp4")
    random = np.random.default_rng(0)
    for position, size, _ in packet_places(path):
        overwrite(path, position, random.bytes(size))
    frames, report = read(path)
    assert frames == [] and report.status == "failed"
    assert report.frames_failed == 60 and report.coverage == 0.0 and report.causes


def test_flood_of_errors_ends(tmp_path, encode, read):
    path = encode(tmp_path / "flood.mp4", 700, (64, 48), options={"g": "12"})
    content = bytearray(path.read_bytes())
    for position, size, _ in packet_places(path):
        content[position : position + size] = bytes(size)
    path.write_bytes(content)
    frames, report = read(path)
    assert frames == [] and report.status == "failed"
    assert any(cause.startswith("no_decodable_frames: the first 300") for cause in report.causes)


def test_growing_file_is_partial(tmp_path, encode, read):
    path = encode(tmp_path / "grow.ts", 30)
    with VideoReader("cam", [path]) as reader:
        next(reader)
        with path.open("ab") as file:
            file.write(bytes(188))
        rest = list(reader)
        report = reader.report()
    assert len(rest) == 29
    assert report.status == "partial" and any(cause.startswith("growing_file") for cause in report.causes)


def test_reading_a_damaged_file_twice_gives_the_same(video, read):
    path = video("same.mp4", options={"bf": "2"})
    content = bytearray(path.read_bytes())
    random = np.random.default_rng(2)
    for position in random.integers(len(content) // 5, len(content) * 4 // 5, 40):
        content[position] ^= 0x55
    path.write_bytes(content)
    (first, report_a), (second, report_b) = read(path), read(path)
    assert report_a == report_b and report_a.status == "partial"
    assert all(np.array_equal(a.image, b.image) and a.damaged == b.damaged for a, b in zip(first, second, strict=True))


def access_units(path):
    """Of a raw H.264 stream: parameters and pictures, by their start codes."""
    data = path.read_bytes()
    starts = [match.start() for match in re.finditer(b"\0\0\0\1", data)]
    units = [data[begin:end] for begin, end in zip(starts, [*starts[1:], len(data)], strict=True)]
    return units, [row for row, unit in enumerate(units) if unit[4] & 31 in (1, 5)]


@pytest.mark.parametrize("options", [{"bf": "0"}, {"bf": "2"}, {"bf": "0", "refs": "4", "preset": "medium"}])
def test_a_hole_in_a_raw_stream_is_noticed_by_its_own_numbers(tmp_path, *, encode, read, options):
    """No time and no count tells; FFmpeg patches the pictures after it and says nothing."""
    path = encode(tmp_path / "a.h264", 60, options=options)
    frames, report = read(path)
    assert (len(frames), report.status) == (60, "complete")
    units, pictures = access_units(path)
    gone = set(pictures[20:26])
    path.write_bytes(b"".join(unit for row, unit in enumerate(units) if row not in gone))
    frames, report = read(path)
    assert (len(frames), report.status) == (54, "partial")
    assert any(cause.startswith("missing_frames") for cause in report.causes)
    assert report.coverage == pytest.approx(54 / 60)
    assert sum(frame.damaged for frame in frames) > 20, "what refers to the hole is not embedded"
