"""Cameras without a calibration put on one floor for association, by people whom several of them see at once."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from pipeline.ground.overlap import overlapping_cameras
from pipeline.ground.self_calibration import MatchedViews, calibrate_by_people, with_calibrations
from pipeline.stages.scene import CameraOutcome
from pipeline.types import Embeddings, Scene

log = logging.getLogger(__name__)

_MOST_UNASKED = 6
"""Cameras that are compared without being asked for: 15 pairs, half a minute."""


def on_matched_floor(
    tracked: Sequence[tuple[CameraOutcome, Embeddings]], scene: Scene, wanted: Literal["auto"] | bool
) -> tuple[MatchedViews | None, Scene]:
    """What was found, None with nothing to compare, and the scene with it; views of one floor count as overlapping.

    `wanted`: as `association.match_views`.

    Only cameras on one clock are compared. Where any camera has a calibration of its own nothing is done: a rough floor
    must not meet a measured one.
    """
    clocked = [c for c in scene.cameras if scene.clock != "unknown" or c.id in scene.on_one_clock]
    calibrated = [camera.id for camera in scene.cameras if camera.calibration is not None]
    if wanted == "auto" and not calibrated and len(clocked) > _MOST_UNASKED:
        log.info("views are not matched unasked with %d cameras; association.match_views=true does", len(clocked))
    if not wanted or (wanted == "auto" and (calibrated or not 2 <= len(clocked) <= _MOST_UNASKED)):
        return None, scene
    if calibrated:
        log.warning("association.match_views: nothing is matched, for %s has a calibration", calibrated[0])
        return None, scene
    if len(clocked) < 2:
        log.warning("association.match_views: nothing is matched without two cameras on one clock (--clock)")
        return None, scene
    found = calibrate_by_people([tracklet for outcome, _ in tracked for tracklet in outcome.tracklets], clocked)
    if wanted is True and not found.matches:
        log.warning(
            "association.match_views: no two cameras show people at once for the 45 s that comparing them wants"
        )
    cameras = with_calibrations(scene.cameras, found)
    return found, replace(scene, cameras=cameras, overlapping=scene.overlapping | overlapping_cameras(cameras))
