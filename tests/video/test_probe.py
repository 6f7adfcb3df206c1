"""What a file says of itself, and one clear line for each file that can't be used."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition

from pipeline.errors import CameraError
from pipeline.video import VideoReader, probe
from pipeline.video.probe import recorded_start

MAX_PIXELS = 3840 * 2160


def code_of(path: Path, max_pixels: int = MAX_PIXELS) -> str:
    with pytest.raises(CameraError) as caught:
        probe(path, max_pixels)
    message = str(caught.value)
    assert "\n" not in message and str(path)[:20] in message and ";" in message, message
    return caught.value.code


def audio_only(path: Path) -> Path:
    with av.open(str(path), "w") as output:
        stream = output.add_stream("aac", rate=16000)
        for index in range(20):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 16000, index * 1024
            for packet in stream.encode(frame):
                output.mux(packet)
        for packet in stream.encode(None):
            output.mux(packet)
    return path


def test_header_of_an_ordinary_file(tmp_path, encode):
    path = encode(tmp_path / "a.mp4", 45, metadata={"creation_time": "2024-05-06T07:08:09.000000Z"})
    info = probe(path, MAX_PIXELS)
    assert (info.size_wh, info.coded_size_wh, info.rotation_deg) == ((160, 96), (160, 96), 0)
    assert (info.fps, info.frames_expected, info.frames_exact) == (30.0, 45, True)
    assert info.duration_s == pytest.approx(1.5)
    assert (info.codec, info.pixel_format, info.sample_aspect_ratio) == ("h264", "yuv420p", 1.0)
    assert info.start_time == datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
    assert (info.stream_index, info.stream_reason, info.truncated) == (0, "", False)
    assert info.file_bytes == path.stat().st_size


def test_broadcast_rate_stays_a_fraction(tmp_path, encode):
    info = probe(encode(tmp_path / "a.mp4", 10, fps=Fraction(30000, 1001), pts=range(10)), MAX_PIXELS)
    assert info.fps == pytest.approx(30.0, abs=0.1) and info.fps != 30


def test_pixel_shape_is_told(tmp_path, encode):
    def squeeze(stream):
        stream.codec_context.sample_aspect_ratio = Fraction(16, 11)

    info = probe(encode(tmp_path / "a.mp4", 5, prepare=squeeze), MAX_PIXELS)
    assert info.sample_aspect_ratio == pytest.approx(16 / 11)


def test_each_unusable_file_has_its_code(tmp_path, encode):
    good = encode(tmp_path / "good.mp4").read_bytes()
    files = {
        "empty_file": ("empty.mp4", b""),
        "not_a_video": ("text.mp4", b"this is not a video, whatever its name says\n" * 50),
        "truncated_no_index": ("cut.mp4", good[: len(good) // 2]),
    }
    for code, (name, data) in files.items():
        (tmp_path / name).write_bytes(data)
        assert code_of(tmp_path / name) == code
    assert code_of(tmp_path / "nowhere.mp4") == "not_found"
    assert code_of(tmp_path / "good.mp4" / "inside.mp4") == "not_found"
    assert code_of(audio_only(tmp_path / "sound.mp4")) == "no_video_stream"


def test_random_bytes_are_no_video(tmp_path):
    path = tmp_path / "noise.mp4"
    path.write_bytes(np.random.default_rng(0).bytes(100_000))
    assert code_of(path) == "not_a_video"


def test_only_regular_files_are_opened(tmp_path):
    """A FIFO without a writer blocks its reader for ever."""
    os.mkfifo(tmp_path / "pipe.mp4")
    assert code_of(tmp_path / "pipe.mp4") == "not_a_regular_file"
    assert code_of(tmp_path) == "not_a_regular_file"
    assert code_of(Path("/dev/zero")) == "not_a_regular_file"


@pytest.mark.parametrize(
    "text",
    [
        "#EXTM3U\n#EXTINF:1,\nother.mp4\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile other.mp4\n",
        "file 'other.mp4'\n",
        '<?xml version="1.0"?><MPD></MPD>',
    ],
)
@pytest.mark.parametrize("name", ["list.m3u8", "list.mp4"])
def test_playlists_are_refused_under_any_name(tmp_path, encode, text, name):
    """A playlist opens further files and addresses: none is followed."""
    encode(tmp_path / "other.mp4")
    (tmp_path / name).write_text(text)
    assert code_of(tmp_path / name) == "playlist_refused"


@pytest.mark.parametrize("extension", ["jpg", "png", "webp", "mp4"])
def test_pictures_are_refused(tmp_path, picture, extension):
    cv2 = pytest.importorskip("cv2")
    kind = {"mp4": "jpg"}.get(extension, extension)
    path = tmp_path / f"picture.{extension}"
    path.write_bytes(cv2.imencode(f".{kind}", picture(5, 160, 96))[1].tobytes())
    assert code_of(path) == "not_a_video"


def test_picture_sequence_pattern_is_only_a_name(tmp_path, picture):
    cv2 = pytest.importorskip("cv2")
    for index in range(3):
        cv2.imwrite(str(tmp_path / f"seq_{index:03d}.jpg"), picture(index, 160, 96))
    assert code_of(tmp_path / "seq_%03d.jpg") == "not_found"


def test_too_many_pixels_are_refused_from_the_header(tmp_path, encode):
    path = encode(tmp_path / "a.mp4", 3)
    assert code_of(path, 160 * 96 - 1) == "too_many_pixels"
    assert probe(path, 160 * 96).size_wh == (160, 96)


def test_no_permission(tmp_path, encode):
    path = encode(tmp_path / "a.mp4", 3)
    path.chmod(0)
    if os.geteuid() != 0:
        assert code_of(path) == "permission_denied"
        return
    tmp_path.chmod(0o755)
    os.seteuid(65534)  # root may read everything
    try:
        code = code_of(path)
    finally:
        os.seteuid(0)
    assert code == "permission_denied"


@pytest.mark.parametrize("name", ["-i.mp4", "a b'c\"d.mp4", "100%d.mp4", "concat:x.mp4", "ü🎥\nx.mp4", "http:x.mp4"])
def test_any_file_name_is_only_a_name(tmp_path, encode, monkeypatch, name):
    source = encode(tmp_path / "a.mp4", 3)
    source.rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert probe(Path(name), MAX_PIXELS).frames_expected == 3


def test_the_largest_of_several_streams_is_taken_and_cover_art_is_not(tmp_path, picture):
    path = tmp_path / "two.mp4"
    with av.open(str(path), "w") as output:
        small = output.add_stream("libx264", rate=10, options={"preset": "ultrafast"})
        large = output.add_stream("libx264", rate=10, options={"preset": "ultrafast"})
        cover = output.add_stream("mjpeg", rate=10)
        for stream, (width, height) in ((small, (64, 48)), (large, (160, 96)), (cover, (640, 480))):
            stream.width, stream.height = width, height
            stream.pix_fmt = "yuvj420p" if stream is cover else "yuv420p"
        cover.disposition = Disposition.attached_pic
        output.start_encoding()
        for stream in (small, large, cover):
            for index in range(1 if stream is cover else 5):
                image = picture(index, stream.width, stream.height)
                frame = av.VideoFrame.from_ndarray(image, format="bgr24")
                frame.pts = index
                for packet in stream.encode(frame):
                    output.mux(packet)
            for packet in stream.encode(None):
                output.mux(packet)
    info = probe(path, MAX_PIXELS)
    assert info.size_wh == (160, 96) and info.stream_index == 1
    assert "largest" in info.stream_reason


def test_start_time_tags():
    assert recorded_start({"creation_time": "2024-01-01T10:00:00.000000Z"}) == datetime(2024, 1, 1, 10, tzinfo=UTC)
    apple = {"com.apple.quicktime.creationdate": "2024-01-01T12:00:00+0200", "creation_time": "2024-01-01T09:00:00Z"}
    assert recorded_start(apple) == datetime(2024, 1, 1, 10, tzinfo=UTC)
    assert recorded_start({"creation_time": "1970-01-01T00:00:01Z"}) is None
    assert recorded_start({"creation_time": "1904-01-01T00:00:00Z"}) is None
    assert recorded_start({"date": "2024"}) is None
    assert recorded_start({"timecode": "10:00:00:00"}) is None
    assert recorded_start({"creation_time": "yesterday"}) is None


def test_reader_names_the_camera_in_the_fault(tmp_path):
    with pytest.raises(CameraError, match=r"camera lobby: .*no such file") as caught:
        VideoReader("lobby", [tmp_path / "x.mp4"])
    assert caught.value.code == "not_found"
