"""A decoded frame becomes an upright BGR picture with the right colours, in one conversion."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from av.error import FFmpegError
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

from pipeline.types import UInt8
from pipeline.video.hdr import CURVES, to_bt709
from pipeline.video.orientation import Orientation, of_frame

_UNSPECIFIED = (0, 2, 3)  # AVCOL_SPC_RGB, _UNSPECIFIED, _RESERVED
_HD_HEIGHT = 720
"""Untagged pictures from this height on are BT.709, below BT.601: what browsers and mpv assume."""
_LIMITED_GRAY = np.clip(np.round((np.arange(256) - 16.0) * (255.0 / 219.0)), 0, 255).astype(np.uint8)


class PictureConverter:
    """Converts the frames of one camera to `(H, W, 3)` BGR of `size_wh`, rotated as displayed.

    HDR (PQ, HLG) becomes BT.709; alpha is left away.
    Frames of another size are scaled to it without letterbox: boxes are always in the camera's first size.
    swscale's fast path is used: within 4 of 255 levels of the exact conversion, at twice the speed.
    """

    def __init__(self, size_wh: tuple[int, int]) -> None:
        self.size_wh = size_wh
        self._reformatter = VideoReformatter()
        self._orientations: dict[int, Orientation] = {}
        self.hdr: set[str] = set()
        """Transfer curves that were met and converted: PQ, HLG."""

    def displayed_size(self, frame: Any) -> tuple[int, int]:
        """(width, height) in which `frame` itself would be shown."""
        return self._orientation(frame).size(frame.width, frame.height)

    def convert(self, frame: Any) -> UInt8:
        """BGR picture of a PyAV frame. Raises FFmpegError when swscale can't convert it."""
        orientation = self._orientation(frame)
        width, height = orientation.size(*self.size_wh)
        matrix = Colorspace.ITU709 if frame.height >= _HD_HEIGHT else Colorspace.ITU601
        untagged = not frame.format.is_rgb and frame.colorspace in _UNSPECIFIED
        try:
            bgr = self._reformat(frame, width, height, matrix if untagged else None)
        except FFmpegError:  # a matrix that swscale doesn't know (YCgCo, ICtCp): near colours beat no picture
            bgr = self._reformat(frame, width, height, matrix)
        if frame.format.name.startswith("gray") and frame.color_range == ColorRange.MPEG:
            bgr = np.asarray(cv2.LUT(bgr, _LIMITED_GRAY), dtype=np.uint8)  # swscale takes all gray for full range
        return orientation.apply(bgr)

    def _orientation(self, frame: Any) -> Orientation:
        """Read once an angle: PyAV's `side_data` ties a frame into a reference cycle, which keeps its picture alive
        until the garbage collector happens to run (1.4 GB after 800 frames of 1080p)."""
        if frame.rotation not in self._orientations:
            self._orientations[frame.rotation] = of_frame(frame)
        return self._orientations[frame.rotation]

    def _reformat(self, frame: Any, width: int, height: int, matrix: Colorspace | None) -> UInt8:
        curve = CURVES.get(frame.color_trc)
        converted = self._reformatter.reformat(
            frame,
            width=width,
            height=height,
            format="bgr24" if curve is None else "bgr48le",
            src_colorspace=matrix,
            threads=1,
        ).to_ndarray()
        if curve is None:
            return np.ascontiguousarray(converted)
        self.hdr.add(curve)
        return to_bt709(converted, curve)
