"""The pixels that come out: codecs, sizes, rotation and colours."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest
from av.video.reformatter import ColorRange, Colorspace

from pipeline.video import VideoReader
from pipeline.video.orientation import Orientation

MATRICES = {  # luma weights of red and blue: ITU-R BT.601, BT.709
    "601": (0.299, 0.114, Colorspace.ITU601),
    "709": (0.2126, 0.0722, Colorspace.ITU709),
}


NOT_STATED = {"h264_422.ts": ["end_not_stated"], "raw.h264": ["end_not_stated", "holes_not_stated"]}
"""What the report says that a file of this kind cannot show."""


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("h264.mp4", {"codec": "libx264", "options": {"bf": "2"}}),
        ("h264_10bit.mkv", {"codec": "libx264", "pixel_format": "yuv420p10le"}),
        ("h264_422.ts", {"codec": "libx264", "pixel_format": "yuv422p"}),
        ("h264_gray.mp4", {"codec": "libx264", "pixel_format": "gray"}),
        ("hevc.mp4", {"codec": "libx265"}),
        ("hevc_10bit.mp4", {"codec": "libx265", "pixel_format": "yuv420p10le"}),
        ("hevc_gray10.mkv", {"codec": "libx265", "pixel_format": "gray10le"}),
        ("av1.mp4", {"codec": "libsvtav1"}),
        ("av1_10bit.webm", {"codec": "libsvtav1", "pixel_format": "yuv420p10le"}),
        ("vp9.webm", {"codec": "libvpx-vp9"}),
        ("mjpeg.avi", {"codec": "mjpeg", "pixel_format": "yuvj420p"}),
        ("mpeg4.avi", {"codec": "mpeg4"}),
        ("h264.avi", {"codec": "libx264", "options": {"bf": "2"}}),
        ("h264.flv", {"codec": "libx264"}),
        ("raw.h264", {"codec": "libx264", "options": {"bf": "2"}}),
        ("lossless.mkv", {"codec": "ffv1", "pixel_format": "yuva420p"}),
    ],
)
def test_each_codec_gives_every_picture_once_and_in_order(tmp_path, *, encode, read, numbers, name, settings):
    frames, report = read(encode(tmp_path / name, 24, **settings))
    assert numbers(frames) == list(range(24))
    assert [frame.index for frame in frames] == list(range(24))
    assert np.diff([frame.time_s for frame in frames]) == pytest.approx(1 / 30, abs=0.0015)
    assert (report.status, report.coverage) == ("complete", 1.0)
    assert [cause.split(":")[0] for cause in report.causes] == NOT_STATED.get(name, [])
    assert all(frame.image.shape == (96, 160, 3) and frame.image.dtype == np.uint8 for frame in frames)
    assert all(frame.image.flags.c_contiguous and not frame.damaged for frame in frames)


@pytest.mark.parametrize(("codec", "size"), [("libx264", (161, 97)), ("libvpx-vp9", (163, 99)), ("libx264", (64, 33))])
def test_odd_sizes_keep_their_last_column_and_row(tmp_path, encode, read, codec, size):
    """OpenCV's writer cut 321 to 320; the chroma of the last column has no right neighbour."""
    width, height = size

    def corner(_):
        image = np.full((height, width, 3), 60, np.uint8)
        image[-1], image[:, -1] = 200, 200
        return image

    prepare = None if codec != "libx264" else lambda stream: setattr(stream.codec_context, "pix_fmt", "yuv444p")
    settings = {"codec": codec, "picture": corner, "pixel_format": "yuv444p", "prepare": prepare}
    frames, _ = read(encode(tmp_path / "odd.mkv", 3, size, **settings))
    image = frames[0].image
    assert image.shape == (height, width, 3)
    assert image[:-2, :-2].mean() == pytest.approx(60, abs=6)
    assert image[-1].mean() > 150 and image[:, -1].mean() > 150


@pytest.mark.parametrize("size", [(2, 2), (16, 16), (18, 4)])
def test_tiny_pictures(tmp_path, encode, read, size):
    flat = np.full((size[1], size[0], 3), 90, np.uint8)
    frames, report = read(encode(tmp_path / "tiny.mp4", 4, size, picture=lambda _: flat))
    assert [frame.image.shape for frame in frames] == [(size[1], size[0], 3)] * 4
    assert report.status == "complete"
    assert abs(frames[0].image.astype(int) - 90).max() <= 5


def test_one_frame(tmp_path, encode, read):
    frames, report = read(encode(tmp_path / "one.mp4", 1))
    assert len(frames) == 1 and frames[0].time_s == 0.0
    assert (report.status, report.coverage, report.gaps) == ("complete", 1.0, ())


def four_corners(_):
    """Upright: red top left, green top right, blue bottom left, white bottom right."""
    image = np.zeros((96, 160, 3), np.uint8)
    image[:48, :80], image[:48, 80:], image[48:, :80], image[48:, 80:] = (0, 0, 255), (0, 255, 0), (255, 0, 0), 255
    return image


def corners_of(image):
    height, width = image.shape[:2]
    names = {(0, 0, 1): "red", (0, 1, 0): "green", (1, 0, 0): "blue", (1, 1, 1): "white"}
    points = [(y, x) for y in (height // 4, 3 * height // 4) for x in (width // 4, 3 * width // 4)]
    return [names[tuple(int(value > 128) for value in image[point])] for point in points]


@pytest.mark.parametrize("name", ["turned.mp4", "turned.mkv"])
@pytest.mark.parametrize(
    ("rotation_ccw", "size", "degrees", "corners"),
    [
        (0, (160, 96), 0, ["red", "green", "blue", "white"]),
        (-90, (96, 160), 90, ["blue", "red", "white", "green"]),
        (90, (96, 160), 270, ["green", "white", "red", "blue"]),
        (180, (160, 96), 180, ["white", "blue", "green", "red"]),
    ],
)
def test_rotation_is_applied_exactly_once(tmp_path, *, encode, name, rotation_ccw, size, degrees, corners):
    """PyAV tells the rotation and does not apply it; OpenCV 4.6 applied it the wrong way round."""
    path = encode(tmp_path / name, 4, picture=four_corners, rotation_ccw=rotation_ccw)
    with VideoReader("cam", [path]) as reader:
        assert (reader.info.size_wh, reader.info.coded_size_wh) == (size, (160, 96))
        assert reader.info.rotation_deg == degrees
        images = [frame.image for frame in reader]
    assert len(images) == 4
    for image in images:
        assert image.shape == (size[1], size[0], 3) and image.flags.c_contiguous
        assert corners_of(image) == corners


@pytest.mark.parametrize(
    ("stated", "rotation_ccw", "wanted"), [("12/11", 0, 12 / 11), ("1/2", 90, 2.0), ("1/1", 0, 1.0), ("1/100", 0, 1.0)]
)
def test_the_shape_of_pixels_is_told_and_the_picture_left_alone(
    tmp_path, *, encode, read, stated, rotation_ccw, wanted
):
    def squeeze(stream):
        stream.codec_context.sample_aspect_ratio = Fraction(stated)

    frames, report = read(encode(tmp_path / "a.mp4", 3, rotation_ccw=rotation_ccw, prepare=squeeze))
    assert [frame.pixel_aspect for frame in frames] == pytest.approx([wanted] * 3)
    assert frames[0].image.shape == ((160, 96, 3) if rotation_ccw else (96, 160, 3))
    assert (len(report.causes), report.status) == (int(wanted != 1.0), "complete")


def test_mirrored_pictures_are_mirrored_back(tmp_path, encode, read):
    mirror = lambda stream: stream.set_display_rotation(0, hflip=True)  # noqa: E731
    frames, _ = read(encode(tmp_path / "mirror.mp4", 2, picture=four_corners, prepare=mirror))
    assert corners_of(frames[0].image) == ["green", "red", "white", "blue"]


@pytest.mark.parametrize("transpose", [False, True])
@pytest.mark.parametrize("flip_x", [False, True])
@pytest.mark.parametrize("flip_y", [False, True])
def test_orientation_equals_its_definition(transpose, flip_x, flip_y):
    image = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    expected = image.transpose(1, 0, 2) if transpose else image
    expected = expected[:, ::-1] if flip_x else expected
    expected = expected[::-1] if flip_y else expected
    orientation = Orientation(transpose, flip_x, flip_y)
    assert np.array_equal(orientation.apply(image), expected)
    assert orientation.size(6, 4) == expected.shape[1::-1]


def exact_bgr(y, u, v, matrix, full):
    """ITU-R BT.601 / BT.709 (limited range: luma 16..235, chroma 16..240)."""
    red, blue, _ = MATRICES[matrix]
    luma = y / 255 if full else (y - 16) / 219
    cb, cr = ((value - 128) / (255 if full else 224) for value in (u, v))
    r, b = luma + 2 * (1 - red) * cr, luma + 2 * (1 - blue) * cb
    g = (luma - red * r - blue * b) / (1 - red - blue)
    return np.clip(255 * np.array([b, g, r]), 0, 255)


def flat_video(path, yuv, size, *, colorspace=None, color_range=None, pixel_format="yuv420p"):
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=10, options={"preset": "ultrafast", "qp": "1"})
        stream.width, stream.height = size
        stream.pix_fmt = pixel_format
        if colorspace is not None:
            stream.codec_context.colorspace = colorspace
        if color_range is not None:
            stream.codec_context.color_range = color_range
        for index in range(2):
            frame = av.VideoFrame(*size, pixel_format)
            for plane, value in zip(frame.planes, yuv, strict=False):
                plane.update(bytes([value]) * plane.buffer_size)
            frame.pts = index
            if color_range is not None:
                frame.color_range = color_range
            for packet in stream.encode(frame):
                output.mux(packet)
        for packet in stream.encode(None):
            output.mux(packet)
    return path


@pytest.mark.parametrize("matrix", ["601", "709"])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("yuv", [(100, 90, 170), (180, 110, 120), (60, 160, 110)])
def test_tagged_colours_are_converted_by_their_matrix_and_range(tmp_path, read, matrix, full, yuv):
    color_range = ColorRange.JPEG if full else ColorRange.MPEG
    path = flat_video(tmp_path / "c.mp4", yuv, (64, 48), colorspace=MATRICES[matrix][2], color_range=color_range)
    frames, _ = read(path)
    assert np.abs(frames[0].image[20, 20] - exact_bgr(*yuv, matrix, full)).max() <= 5


@pytest.mark.parametrize(("size", "matrix"), [((320, 240), "601"), ((1280, 720), "709")])
def test_untagged_colours_follow_the_size(tmp_path, read, size, matrix):
    frames, _ = read(flat_video(tmp_path / "c.mp4", (100, 90, 170), size))
    wanted, other = (exact_bgr(100, 90, 170, name, False) for name in (matrix, "709" if matrix == "601" else "601"))
    pixel = frames[0].image[20, 20]
    assert np.abs(pixel - wanted).max() <= 5 < np.abs(pixel - other).max()


def test_jpeg_range_of_mjpeg(tmp_path, encode, read):
    frames, _ = read(encode(tmp_path / "m.avi", 2, codec="mjpeg", pixel_format="yuvj420p", picture=four_corners))
    assert corners_of(frames[0].image) == ["red", "green", "blue", "white"]
    assert frames[0].image[70, 120].min() > 245


def test_limited_gray_reaches_black_and_white(tmp_path, read):
    for luma, want in ((16, 0), (235, 255)):
        path = flat_video(tmp_path / "g.mp4", (luma,), (64, 48), color_range=ColorRange.MPEG, pixel_format="gray")
        frames, _ = read(path)
        assert np.abs(frames[0].image.astype(int) - want).max() <= 3


def test_a_change_of_size_is_scaled_to_the_first_and_told(tmp_path, encode, read, numbers):
    """Two recordings of different size joined in one stream: OpenCV scaled the second silently."""
    small = encode(tmp_path / "a.ts", 12, (160, 96)).read_bytes()
    large = encode(tmp_path / "b.ts", 12, (320, 240)).read_bytes()
    joined = tmp_path / "joined.ts"
    joined.write_bytes(small + large)
    frames, report = read(joined)
    assert {frame.image.shape for frame in frames} == {(96, 160, 3)}
    assert numbers(frames) == [*range(12), *range(12)]
    assert report.size_changes == 1
    assert any("size_change" in cause and "320x240" in cause and "160x96" in cause for cause in report.causes)


def test_a_picture_that_grows_beyond_the_limit_is_not_decoded(tmp_path, encode, read, numbers):
    small = encode(tmp_path / "a.ts", 12, (160, 96)).read_bytes()
    large = encode(tmp_path / "b.ts", 12, (640, 480)).read_bytes()
    joined = tmp_path / "joined.ts"
    joined.write_bytes(small + large)
    frames, report = read(joined, max_pixels=320 * 240)
    assert numbers(frames) == list(range(12))
    assert report.status == "partial" and report.frames_failed >= 10
