"""High dynamic range: PQ and HLG (ITU-R BT.2100) come out as what a BT.709 camera would have recorded."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc

RED_709_IN_2020 = (0.6274, 0.0691, 0.0164)
"""ITU-R BT.2087: the linear light of BT.709's red in BT.2020's primaries."""


def pq(nits):
    """Inverse EOTF of SMPTE ST 2084."""
    y = (np.asarray(nits, float) / 10000) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * y) / (1 + 18.6875 * y)) ** 78.84375


def hlg_nits(signal):
    """BT.2100 table 5 for a display of 1000 cd/m2 and grey."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = signal**2 / 3 if signal <= 0.5 else (np.exp((signal - c) / a) + b) / 12
    return 1000 * scene**1.2


def film(path, colours, trc):
    """A vertical stripe of 32 px for each of `colours` (R, G, B of the transfer curve, 0..1, BT.2020)."""
    red, blue = 0.2627, 0.0593
    with av.open(str(path), "w") as output:
        options = {"preset": "ultrafast", "x265-params": "log-level=none:qp=4"}
        stream = output.add_stream("libx265", rate=10, options=options)
        stream.width, stream.height, stream.pix_fmt = 32 * len(colours), 64, "yuv444p10le"
        context = stream.codec_context
        context.thread_count = 1
        context.colorspace, context.color_range = Colorspace.BT2020, ColorRange.MPEG
        context.color_trc, context.color_primaries = trc, ColorPrimaries.BT2020
        r, g, b = np.repeat(np.array(colours, float), 32, axis=0).T
        luma = red * r + (1 - red - blue) * g + blue * b
        planes = (
            luma * 219 + 16,
            (b - luma) / (2 * (1 - blue)) * 224 + 128,
            (r - luma) / (2 * (1 - red)) * 224 + 128,
        )
        for index in range(2):
            frame = av.VideoFrame(stream.width, 64, "yuv444p10le")
            for plane, row in zip(frame.planes, planes, strict=True):
                line = np.zeros(plane.line_size // 2, "<u2")
                line[: len(row)] = np.round(row * 4)
                plane.update(np.tile(line, 64).tobytes())
            frame.colorspace, frame.color_range = Colorspace.BT2020, ColorRange.MPEG
            frame.color_trc, frame.color_primaries = trc, ColorPrimaries.BT2020
            frame.pts, frame.time_base = index, Fraction(1, 10)
            for packet in stream.encode(frame):
                output.mux(packet)
        for packet in stream.encode(None):
            output.mux(packet)
    return path


def gamma_709(nits):
    """BT.1886: the value that a BT.709 screen shows so bright; 203 cd/m2 (BT.2408) is white."""
    return np.clip(nits / 203, 0, 1) ** (1 / 2.4) * 255


def middles(image):
    return image[32, 16::32].astype(float)


def test_pq_becomes_bt709(tmp_path, read):
    nits = [0.5, 5, 20, 50, 100, 203, 1000]
    frames, report = read(film(tmp_path / "pq.mkv", [[pq(n)] * 3 for n in nits], ColorTrc.SMPTE2084))
    assert middles(frames[0].image) == pytest.approx(np.repeat(gamma_709(np.array(nits))[:, None], 3, 1), abs=5)
    assert report.causes == ("hdr: PQ pictures, converted to BT.709",)
    assert report.status == "complete"


def test_hlg_becomes_bt709(tmp_path, read):
    signals = [0.2, 0.4, 0.5, 0.6, 0.75, 0.9]
    frames, report = read(film(tmp_path / "hlg.mkv", [[s] * 3 for s in signals], ColorTrc.ARIB_STD_B67))
    wanted = gamma_709(np.array([hlg_nits(s) for s in signals]))
    assert middles(frames[0].image) == pytest.approx(np.repeat(wanted[:, None], 3, 1), abs=6)
    assert report.causes == ("hdr: HLG pictures, converted to BT.709",)


def test_a_red_shirt_stays_red(tmp_path, read):
    """Without the change of primaries it is (B, G, R) = (45, 69, 118): dark and pale."""
    colour = [pq(100 * part) for part in RED_709_IN_2020]
    frames, _ = read(film(tmp_path / "red.mkv", [colour], ColorTrc.SMPTE2084))
    blue, green, red = frames[0].image[32, 16].astype(float)
    assert red == pytest.approx(gamma_709(100), abs=6)
    assert max(blue, green) < 30


def test_ten_bits_of_a_plain_curve_are_left_alone(tmp_path, read):
    _, report = read(film(tmp_path / "sdr.mkv", [[0.4] * 3], ColorTrc.BT709))
    assert report.causes == ()
