"""A file whose end, or whose missing pictures, nothing would show is never passed over in silence."""

from __future__ import annotations

import re

import av
import pytest

RAW = "holes_not_stated"
END = "end_not_stated"


def codes(report):
    return [cause.split(":")[0] for cause in report.causes]


def cut_before_picture(path, number):
    """Cut a file between two pictures, at the byte where a packet begins."""
    with av.open(str(path)) as container:
        positions = [packet.pos for packet in container.demux(video=0) if packet.size]
    data = path.read_bytes()
    at = positions[number]
    if path.suffix == ".mp4":  # between two fragments
        at = data.rfind(b"moof", 0, at) - 4
    path.write_bytes(data[:at])


FRAGMENTS = {"options": {"g": "10"}, "container_options": {"movflags": "frag_keyframe+empty_moov"}}


@pytest.mark.parametrize(
    ("name", "settings", "remarks"),
    [
        ("a.h264", {"options": {"bf": "2"}}, [END, RAW]),
        ("a.hevc", {"codec": "libx265"}, [END, RAW]),
        ("a.m2v", {"codec": "mpeg2video"}, [END, RAW]),
        ("a.obu", {"codec": "libsvtav1"}, [END, RAW]),
        ("a.ts", {}, [END]),
        ("a.nut", {}, [END]),
        ("live.mkv", {"container_options": {"live": "1"}}, [END]),
        ("a.mkv", {}, []),
        ("a.mp4", {}, []),
        ("fragments.mp4", FRAGMENTS, []),
        ("a.avi", {"codec": "mpeg4"}, []),
        ("a.flv", {}, []),
        ("a.ivf", {"codec": "libvpx-vp9"}, []),
    ],
)
def test_a_cut_between_two_pictures_is_noticed_or_said_to_be_unnoticeable(
    tmp_path, *, encode, read, name, settings, remarks
):
    path = encode(tmp_path / name, 60, **settings)
    frames, report = read(path)
    assert (len(frames), report.status, codes(report)) == (60, "complete", remarks)
    if name == "a.mp4":  # its index stands behind the pictures: row 4
        return
    cut_before_picture(path, 40)
    frames, report = read(path)
    assert len(frames) <= 40
    assert report.status == "partial" or END in codes(report), "a loss may be unseen, never unsaid"


def test_a_closing_mark_states_the_end(tmp_path, encode, read):
    """ITU-T H.264 7.4.1: the end of the stream is a unit of its own (type 11); few writers set it."""
    path = encode(tmp_path / "a.h264", 20)
    path.write_bytes(path.read_bytes() + b"\0\0\0\1\x0b")
    frames, report = read(path)
    assert (len(frames), report.status, codes(report)) == (20, "complete", [RAW])


def test_a_live_recording_in_flv_states_no_length(tmp_path, encode, read):
    path = encode(tmp_path / "a.flv", 20)
    data = bytearray(path.read_bytes())
    at = data.index(b"\0\x08duration\0") + 11
    data[at : at + 8] = bytes(8)
    path.write_bytes(data)
    assert codes(read(path)[1]) == [END]


def test_one_line_for_all_files_of_a_camera(tmp_path, encode, read):
    paths = [encode(tmp_path / f"{number}.ts", 10) for number in range(3)]
    _, report = read(*paths)
    assert [cause for cause in report.causes if cause.startswith(END)] == [
        "end_not_stated: 0.ts and 2 more: states neither its length nor how many pictures it holds; "
        "if its end was cut off, nothing shows it"
    ]


def test_who_asks_for_a_part_is_not_told_of_the_end(tmp_path, encode, read):
    assert read(encode(tmp_path / "a.ts", 30), end_s=0.5)[1].causes == ()


HEVC = "log-level=none:"
HOLES = [
    ("a.h264", {"options": {"bf": "0"}}),
    ("a.h264", {"options": {"bf": "3", "preset": "medium"}}),
    ("a.h264", {"options": {"bf": "8", "preset": "medium", "x264-params": "b-pyramid=normal:b-adapt=2"}}),
    ("a.hevc", {"codec": "libx265", "options": {"x265-params": HEVC + "bframes=0"}}),
    ("a.hevc", {"codec": "libx265", "options": {"x265-params": HEVC + "bframes=4:b-adapt=2"}}),
    ("a.hevc", {"codec": "libx265", "options": {"x265-params": HEVC + "keyint=20:open-gop=1:bframes=3:b-adapt=0"}}),
    ("a.hevc", {"codec": "libx265", "options": {"x265-params": HEVC + "keyint=20:open-gop=0:bframes=3"}}),
]


@pytest.mark.parametrize(("name", "settings"), HOLES)
@pytest.mark.parametrize("gone", [(41,), (31, 32, 33, 34, 35, 36)])
def test_pictures_lost_from_a_raw_stream_are_counted(tmp_path, *, encode, read, name, settings, gone):
    """Also those that no other refers to: their place in display order is empty."""
    path = encode(tmp_path / name, 90, **settings)
    frames, report = read(path)
    assert (len(frames), report.status) == (90, "complete")
    with av.open(str(path)) as container:
        packets = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    assert not any(packets[number][4] >> 1 & 63 in {19, 20} for number in gone), "not a keyframe: those carry a header"
    path.write_bytes(b"".join(packet for number, packet in enumerate(packets) if number not in gone))
    frames, report = read(path)
    assert report.status == "partial"
    assert report.frames_expected == 90
    assert f"missing_frames: {name}: about {len(gone)} frames" in " ".join(report.causes)


def test_a_step_that_may_be_a_loss_is_remarked(tmp_path, encode, read):
    """Cameras skip a picture now and then, so it is no loss; but it may be one, and nothing else tells."""
    pts = [number for number in range(80) if number not in {30, 31}]
    _, report = read(encode(tmp_path / "a.mkv", len(pts), pts=pts))
    assert report.status == "complete" and codes(report) == ["uneven_times"]
    assert "1 steps" in report.causes[0] and "0.10 s" in report.causes[0]
    _, report = read(encode(tmp_path / "a.mp4", len(pts), pts=pts))
    assert report.causes == (), "its index counts the pictures: none is missing"


def test_an_end_that_may_be_cut_is_remarked(tmp_path, encode, read):
    """Two pictures early is within what headers round."""
    path = encode(tmp_path / "a.mkv", 30)
    data = path.read_bytes()
    assert data.count(b"00:00:01.000000000") == 1
    path.write_bytes(data.replace(b"00:00:01.000000000", b"00:00:01.070000000"))
    _, report = read(path)
    assert report.status == "complete" and codes(report) == ["early_end"]


def test_fragments_that_no_longer_join_are_a_loss(tmp_path, encode, read):
    """FFmpeg stops there and states the length of what it found; the closing table is in its place."""
    path = encode(tmp_path / "a.mp4", 60, **FRAGMENTS)
    data = path.read_bytes()
    third = [match.start() for match in re.finditer(b"moof", data)][2]
    path.write_bytes(data[: third + 300] + data[third + 340 :])
    frames, report = read(path)
    assert len(frames) < 60
    assert report.status == "partial" and any(cause.startswith("truncated") for cause in report.causes)


def test_zeros_behind_the_last_fragment_are_no_loss(tmp_path, encode, read):
    """Recorders reserve room in advance."""
    path = encode(tmp_path / "a.mp4", 60, **FRAGMENTS)
    path.write_bytes(path.read_bytes() + bytes(512))
    frames, report = read(path)
    assert (len(frames), report.status) == (60, "complete")
