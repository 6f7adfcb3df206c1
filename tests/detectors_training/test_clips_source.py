"""Frames of an unlabelled video become images of one group with empty labels, whole and in parts."""

from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np

from tools.clips_source import parts, write_video


def test_parts_cover_the_picture_and_keep_its_pixels() -> None:
    image = np.random.default_rng(0).integers(0, 256, (90, 160, 3), np.uint8)
    whole, *rest = parts(image)
    assert whole is image
    assert [part.shape for part in rest] == [(50, 80, 3)] * 6
    np.testing.assert_array_equal(rest[0], image[:50, :80])
    np.testing.assert_array_equal(rest[5], image[40:, 80:])


def test_every_third_frame_of_a_video_is_written_with_empty_labels(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 160, 90, "yuv420p"
        for grey in range(0, 210, 30):
            frame = av.VideoFrame.from_ndarray(np.full((90, 160, 3), grey, np.uint8), format="bgr24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    output = tmp_path / "out"
    output.mkdir()
    assert write_video(path, 3, output, 4) == 21
    assert {p.stem for p in output.glob("*.webp")} == {p.stem for p in output.glob("*.txt")}
    assert all(p.stem.startswith("g00004_") and not p.read_bytes() for p in output.glob("*.txt"))
    brightness = [cv2.imread(str(output / f"g00004_{n:05d}.webp")).mean() for n in (0, 7, 14)]
    np.testing.assert_allclose(brightness, (0, 90, 180), atol=6)
