"""The settings of one camera."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field, field_validator

from pipeline.config_section import Polygon, Section


class CameraConfig(Section):
    """What is known of one camera, under `cameras: {<camera id>: ...}`."""

    time_offset_s: float = Field(default=0.0, description="Added to the video's times: its start on the common clock.")
    start_time: datetime | None = Field(default=None, description="When it begins, ISO 8601 with a zone.")
    watch: tuple[Polygon, ...] = Field(
        default=(), description="Polygons in fractions of width and height; only people with feet inside count."
    )
    ignore: tuple[Polygon, ...] = Field(default=(), description="The same; people with feet inside do not count.")
    image_to_ground: tuple[tuple[float, float, float], ...] | None = Field(
        default=None, description="Homography from pixels to metres on the floor, 3 rows of 3."
    )
    calibration: str | None = Field(
        default=None, description="A file of this camera's calibration (docs/geometry.md), instead of image_to_ground."
    )
    overlaps: tuple[str, ...] = Field(default=(), description="Cameras that see some of the same floor.")

    @field_validator("watch", "ignore")
    @classmethod
    def _three_corners(cls, polygons: tuple[Polygon, ...]) -> tuple[Polygon, ...]:
        for polygon in polygons:
            if len(polygon) < 3:
                raise ValueError(f"a polygon needs at least 3 corners, got {len(polygon)}")
        return polygons
