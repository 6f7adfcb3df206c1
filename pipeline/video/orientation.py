"""How a decoded picture has to be turned to be shown upright: the container's display matrix."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from av.sidedata.sidedata import Type as SideDataType

from pipeline.types import UInt8

_ROTATIONS = {  # (transpose, flip_x, flip_y) -> degrees clockwise, OpenCV's code
    (False, True, True): (180, cv2.ROTATE_180),
    (True, True, False): (90, cv2.ROTATE_90_CLOCKWISE),
    (True, False, True): (270, cv2.ROTATE_90_COUNTERCLOCKWISE),
}


@dataclass(frozen=True, slots=True)
class Orientation:
    """First transpose, then mirror left-right (`flip_x`) and upside-down (`flip_y`)."""

    transpose: bool = False
    flip_x: bool = False
    flip_y: bool = False

    @property
    def rotation_deg(self) -> int:
        """Clockwise turn, 0, 90, 180 or 270; 0 (90 if transposed) where the picture is mirrored as well."""
        key = (self.transpose, self.flip_x, self.flip_y)
        return _ROTATIONS[key][0] if key in _ROTATIONS else 90 * self.transpose

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Displayed (width, height) of a coded one, and the other way round."""
        return (height, width) if self.transpose else (width, height)

    def apply(self, image: UInt8) -> UInt8:
        """The upright picture, `(H, W, 3)`; the same array when nothing is to be done."""
        key = (self.transpose, self.flip_x, self.flip_y)
        if not any(key):
            return image
        if key in _ROTATIONS:
            return np.asarray(cv2.rotate(image, _ROTATIONS[key][1]), dtype=np.uint8)
        turned = cv2.transpose(image) if self.transpose else image
        if self.flip_x or self.flip_y:
            turned = cv2.flip(turned, -1 if self.flip_x and self.flip_y else int(self.flip_x))
        return np.asarray(turned, dtype=np.uint8)


UPRIGHT = Orientation()


def of_frame(frame: Any) -> Orientation:
    """Orientation of a PyAV frame, from its display matrix; turns between right angles go to the nearest one.

    The matrix maps a coded point (x, y) to (a x + c y, b x + d y), ISO/IEC 14496-12 section 6.2.2.
    """
    data = frame.side_data.get(SideDataType.DISPLAYMATRIX)
    if data is None:
        return UPRIGHT
    a, b, _, c, d = struct.unpack_from("=5i", bytes(data))
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return Orientation(False, a < 0, d < 0)
    return Orientation(True, c < 0, b < 0)
