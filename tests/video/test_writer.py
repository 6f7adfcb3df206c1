"""Videos that are written: playable, in the right colours and times, and never half a file under the final name."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import av
import numpy as np
import pytest

from pipeline.errors import ResourceError, UsageError
from pipeline.video import VideoWriter, probe, writer

ROOT = Path(__file__).resolve().parents[2]


def write(path, pictures, fps=10.0, times=None, **settings):
    height, width = pictures[0].shape[:2]
    with VideoWriter(path, (width, height), fps, **settings) as output:
        for index, image in enumerate(pictures):
            output.write(image, None if times is None else times[index])
    return path


def test_written_pictures_are_read_back(tmp_path, picture, read, numbers):
    path = write(tmp_path / "w.mp4", [picture(index, 160, 96) for index in range(50)])
    frames, report = read(path)
    assert numbers(frames) == list(range(50))
    assert [frame.time_s for frame in frames] == pytest.approx(np.arange(50) / 10)
    assert report.status == "complete"
    assert [entry.name for entry in tmp_path.iterdir()] == ["w.mp4"]


def outer_boxes(path):
    content, position, names = path.read_bytes(), 0, []
    while position < len(content):
        names.append(content[position + 4 : position + 8].decode())
        position += int.from_bytes(content[position : position + 4], "big")
    return names


def test_a_browser_can_play_it(tmp_path, picture):
    """H.264, 8-bit 4:2:0, tagged BT.709 limited range, index in the file (not fragments)."""
    path = write(tmp_path / "w.mp4", [picture(index, 160, 96) for index in range(30)])
    info = probe(path, 10**6)
    assert (info.codec, info.pixel_format, info.frames_expected, info.frames_exact) == ("h264", "yuv420p", 30, True)
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        frame = next(container.decode(video=0))
        assert (frame.colorspace, frame.color_range, frame.color_primaries, frame.color_trc) == (1, 1, 1, 1)
        assert context.profile in ("High", "Main", "Constrained Baseline")
    assert [name for name in outer_boxes(path) if name != "free"] == ["ftyp", "mdat", "moov"]


def test_players_are_told_the_shape_of_pixels(tmp_path, picture):
    path = write(tmp_path / "w.mp4", [picture(0, 160, 96)], pixel_aspect=12 / 11)
    assert probe(path, 10**6).pixel_aspect == pytest.approx(12 / 11)
    assert probe(write(tmp_path / "s.mp4", [picture(0, 160, 96)]), 10**6).pixel_aspect == 1.0


@pytest.mark.parametrize("size", [(160, 96), (1280, 720)])
def test_colours_come_back(tmp_path, read, size):
    colours = [(0, 0, 255), (0, 255, 0), (255, 0, 0), (255, 255, 255), (0, 0, 0), (40, 120, 200), (200, 90, 30)]
    pictures = [np.full((size[1], size[0], 3), colour, np.uint8) for colour in colours]
    frames, _ = read(write(tmp_path / "c.mp4", pictures))
    for frame, colour in zip(frames, colours, strict=True):
        assert np.abs(frame.image[10:-10, 10:-10].astype(int) - colour).max() <= 8


def test_luma_is_that_of_bt709(tmp_path):
    """Pure green: luma 173 in BT.709, 145 in BT.601 (limited range)."""
    path = write(tmp_path / "g.mp4", [np.full((96, 160, 3), (0, 255, 0), np.uint8)] * 3)
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        assert abs(int(np.frombuffer(frame.planes[0], np.uint8)[100]) - 173) <= 2


@pytest.mark.parametrize("size", [(161, 97), (321, 241), (1, 1), (3, 2), (15, 16)])
def test_odd_sizes_are_padded_not_cut(tmp_path, read, size):
    width, height = size
    image = np.full((height, width, 3), 60, np.uint8)
    image[:, -1] = 200
    frames, _ = read(write(tmp_path / "o.mp4", [image] * 3))
    assert frames[0].image.shape == (height + height % 2, width + width % 2, 3)
    assert frames[0].image[height // 2, width - 1].mean() > 130


def test_times_are_kept_and_start_at_zero(tmp_path, picture, read):
    times = [100.0, 100.1, 100.5, 103.0, 103.001]
    frames, _ = read(write(tmp_path / "t.mp4", [picture(index, 160, 96) for index in range(5)], times=times))
    assert [frame.time_s for frame in frames] == pytest.approx([0, 0.1, 0.5, 3.0, 3.001], abs=1e-4)


def test_times_that_do_not_advance_are_moved(tmp_path, picture, read, numbers):
    times = [0.0, 0.1, 0.1, 0.05, 0.3]
    frames, _ = read(write(tmp_path / "t.mp4", [picture(index, 160, 96) for index in range(5)], times=times))
    assert numbers(frames) == list(range(5))
    assert np.all(np.diff([frame.time_s for frame in frames]) > 0)
    assert frames[-1].time_s == pytest.approx(0.3, abs=1e-3)


@pytest.mark.parametrize(("fps", "used"), [(0.0, 1.0), (90_000.0, 120.0), (29.97, 29.97), (float("nan"), 25.0)])
def test_frame_rate_is_clamped(tmp_path, picture, read, fps, used):
    frames, _ = read(write(tmp_path / "f.mp4", [picture(index, 160, 96) for index in range(3)], fps=fps))
    assert frames[1].time_s == pytest.approx(1 / used, rel=0.001)


@pytest.mark.parametrize(
    "image",
    [np.zeros((96, 161, 3), np.uint8), np.zeros((96, 160), np.uint8), np.zeros((96, 160, 3), np.float32)],
)
def test_wrong_pictures_are_refused(tmp_path, image):
    """OpenCV's writer returns False and leaves a file of 258 bytes."""
    with (
        pytest.raises(UsageError, match=r"must be \(96, 160, 3\) uint8"),
        VideoWriter(tmp_path / "x.mp4", (160, 96), 10) as output,
    ):
        output.write(np.zeros((96, 160, 3), np.uint8))
        output.write(image)
    assert list(tmp_path.iterdir()) == []


def test_exception_leaves_nothing_or_what_was_asked_for(tmp_path, picture, read):
    for keep in (False, True):
        with pytest.raises(KeyError), VideoWriter(tmp_path / "x.mp4", (160, 96), 10, keep_partial=keep) as output:
            for index in range(30):
                output.write(picture(index, 160, 96))
            raise KeyError
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".x.mp4.") and left.name.endswith(".part.mp4")
    frames, _ = read(left)
    assert len(frames) == 30


def test_an_older_file_stays_until_the_new_one_is_whole(tmp_path, picture, read):
    path = tmp_path / "x.mp4"
    path.write_bytes(b"old")
    with VideoWriter(path, (160, 96), 10) as output:
        output.write(picture(1, 160, 96))
        assert path.read_bytes() == b"old"
    assert len(read(path)[0]) == 1


def test_nothing_written_is_no_file(tmp_path):
    with VideoWriter(tmp_path / "x.mp4", (160, 96), 10):
        pass
    assert list(tmp_path.iterdir()) == []


def test_missing_folder_and_size_are_usage_errors(tmp_path):
    with pytest.raises(UsageError, match="does not exist"):
        VideoWriter(tmp_path / "no" / "x.mp4", (160, 96), 10)
    with pytest.raises(UsageError, match="at least 1"):
        VideoWriter(tmp_path / "x.mp4", (0, 96), 10)


def test_falls_back_to_another_encoder_and_says_so(tmp_path, *, picture, read, numbers, monkeypatch, caplog):
    monkeypatch.setattr(writer, "ENCODERS", ("no_such_x264", "mpeg4"))
    path = write(tmp_path / "m.mp4", [picture(index, 160, 96) for index in range(10)])
    assert probe(path, 10**6).codec == "mpeg4"
    assert numbers(read(path)[0]) == list(range(10))
    assert "no_such_x264 is not available, writing with mpeg4" in caplog.text


def child(code, *arguments):
    program = textwrap.dedent(code)
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_killed_writer_leaves_a_video_that_plays(tmp_path, read):
    """kill -9 after 300 pictures: an ordinary MP4 is unreadable then (0 frames)."""
    child(
        """
        import os, signal, sys
        from pathlib import Path
        import numpy as np
        from pipeline.video import VideoWriter
        with VideoWriter(Path(sys.argv[1]), (160, 96), 25) as output:
            for index in range(300):
                output.write(np.full((96, 160, 3), index % 200, np.uint8))
            os.kill(os.getpid(), signal.SIGKILL)
        """,
        tmp_path / "k.mp4",
    )
    assert not (tmp_path / "k.mp4").exists()
    (part,) = tmp_path.iterdir()
    frames, report = read(part)
    assert len(frames) >= 200 and np.diff([frame.time_s for frame in frames]) == pytest.approx(1 / 25, abs=1e-3)
    assert report.frames_decoded == len(frames)


def test_full_disk_is_a_resource_error_and_leaves_nothing(tmp_path):
    """OpenCV's write() fails silently part-way. A limit on the file's size stands for the full disk."""
    result = child(
        """
        import resource, sys
        from pathlib import Path
        import numpy as np
        from pipeline.errors import ResourceError
        from pipeline.video import VideoWriter
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
        random = np.random.default_rng(0)
        try:
            with VideoWriter(Path(sys.argv[1]), (320, 240), 25) as output:
                for _ in range(300):
                    output.write(random.integers(0, 255, (240, 320, 3), dtype=np.uint8))
        except ResourceError as error:
            print("ResourceError", error)
        """,
        tmp_path / "full.mp4",
    )
    assert "ResourceError" in result.stdout and "no room left" in result.stdout, result.stderr
    assert list(tmp_path.iterdir()) == []


def test_writer_leaves_no_descriptor(tmp_path, picture):
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        write(tmp_path / "d.mp4", [picture(1, 64, 48)] * 3)
    assert len(list(Path("/proc/self/fd").iterdir())) <= before


def test_unwritable_folder(tmp_path, picture, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(writer.os, "open", refuse)
    with pytest.raises(ResourceError, match="check disk and permissions"):
        write(tmp_path / "p.mp4", [picture(1, 64, 48)])
