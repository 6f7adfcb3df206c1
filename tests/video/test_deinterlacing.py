"""Interlaced video: the two fields of a picture are two instants."""

from __future__ import annotations

import numpy as np
import pytest

TEETH = {"options": {"x264-params": "interlaced=1"}}
"""PyAV's frames do not say which field is first, and x264 then takes the bottom one."""


def walking(instant, width=160, height=96):
    """A bright bar that moves 2 px a field."""
    image = np.full((height, width, 3), 60, np.uint8)
    left = 4 + 2 * instant
    image[:, left : left + 24] = 220
    return image


def woven(number):
    image = walking(2 * number + 1)
    image[1::2] = walking(2 * number)[1::2]
    return image


def teeth(image):
    """How much a line differs from the mean of its neighbours: 0 for an upright bar."""
    lines = image.astype(float)
    return np.abs(lines[1:-1] - (lines[:-2] + lines[2:]) / 2).mean()


def test_the_teeth_go_and_nothing_else_changes(tmp_path, encode, read):
    path = encode(tmp_path / "i.mp4", 20, fps=25, picture=woven, **TEETH)
    whole, report = read(path)
    raw, plain = read(path, deinterlace=False)
    assert max(teeth(frame.image) for frame in whole[1:]) < 0.2
    assert min(teeth(frame.image) for frame in raw) > 2
    for number, frame in enumerate(whole[1:], 1):  # the first field of each picture, to the pixel's breadth
        off = [np.abs(frame.image.astype(int) - walking(2 * number + field)).mean() for field in (-1, 0, 1)]
        assert off[1] < 3
        assert min(off[0], off[2]) > 6
    assert [(frame.index, frame.time_s) for frame in whole] == [(frame.index, frame.time_s) for frame in raw]
    assert (report.status, plain.causes) == ("complete", ())
    assert report.causes == ("deinterlaced: i.mp4: 20 pictures (bwdif)",)


def test_whole_pictures_stay_as_they_are(tmp_path, encode, read):
    path = encode(tmp_path / "p.mp4", 12, picture=lambda number: walking(2 * number))
    frames, report = read(path)
    for frame, raw in zip(frames, read(path, deinterlace=False)[0], strict=True):
        assert np.array_equal(frame.image, raw.image)
    assert report.causes == ()


def test_interlaced_only_in_the_middle_and_of_another_size(tmp_path, encode, read, numbers):
    joined = tmp_path / "joined.ts"
    parts = [
        encode(tmp_path / "a.ts", 12),
        encode(tmp_path / "b.ts", 12, **TEETH),
        encode(tmp_path / "c.ts", 12, (320, 240), **TEETH),
        encode(tmp_path / "d.ts", 12),
    ]
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    frames, report = read(joined)
    assert numbers(frames) == [*range(12)] * 4
    assert [frame.index for frame in frames] == list(range(48))
    assert (report.size_changes, report.coverage) == (2, 1.0)
    assert "deinterlaced: joined.ts: 24 pictures (bwdif)" in report.causes


def test_a_rotated_one_and_a_single_picture(tmp_path, encode, read):
    frames, _ = read(encode(tmp_path / "r.mp4", 6, picture=woven, rotation_ccw=90, **TEETH))
    assert [frame.image.shape for frame in frames] == [(160, 96, 3)] * 6
    frames, report = read(encode(tmp_path / "one.mp4", 1, picture=woven, **TEETH))
    assert (len(frames), report.status) == (1, "complete")


@pytest.mark.parametrize("damage", ["zeros", "cut"])
def test_the_account_of_a_damaged_file_is_the_same(tmp_path, encode, read, damage):
    path = encode(tmp_path / "d.ts", 40, picture=woven, noise=20, **TEETH)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    if damage == "zeros":
        data[middle : middle + len(data) // 10] = bytes(len(data) // 10)
    path.write_bytes(data if damage == "zeros" else data[:middle])
    (frames, report), (raw, plain) = read(path), read(path, deinterlace=False)
    facts = [(frame.index, frame.time_s, frame.damaged) for frame in frames]
    assert facts == [(frame.index, frame.time_s, frame.damaged) for frame in raw]
    assert [cause for cause in report.causes if not cause.startswith("deinterlaced")] == list(plain.causes)
    assert (report.gaps, report.coverage) == (plain.gaps, plain.coverage)


@pytest.mark.parametrize("size", [(2, 2), (16, 2), (16, 16)])
def test_pictures_too_small_for_the_filter_are_passed_on(tmp_path, encode, read, size):
    """bwdif wants 3 columns and 4 lines."""
    flat = np.full((size[1], size[0], 3), 60, np.uint8)
    settings = {"codec": "mpeg2video", "options": {"flags": "+ildct+ilme"}, "fps": 25}
    frames, report = read(encode(tmp_path / "tiny.mkv", 3, size, picture=lambda _: flat, **settings))
    assert [frame.image.shape for frame in frames] == [(size[1], size[0], 3)] * 3
    assert report.status == "complete"
    assert bool(report.causes) == (size == (16, 16))
