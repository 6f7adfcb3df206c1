"""Recordings without a common clock: found offsets, and the cameras' times moved by them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import combinations, product

from pipeline.association.alignment import ClockAlignment, align_by_floor, align_by_travel, groups_of, shifted, unite
from pipeline.stages.scene import CameraOutcome
from pipeline.types import Camera, Embeddings, Scene, Tracklet, Trajectory


def find_alignment(
    tracklets: Sequence[Tracklet], scene: Scene, link: Callable[[], Sequence[Trajectory]]
) -> ClockAlignment:
    """Offsets from people on common floor, and, for what that leaves apart, from people who went to and fro.

    `link` groups the tracklets by person without any clock; it is called only where it is needed. Cameras in which
    nobody was seen are left out: they have no times to compare.
    """
    cameras = sorted({tracklet.camera_id for tracklet in tracklets})
    evidence = align_by_floor(tracklets, scene)
    groups = groups_of(cameras, evidence)
    if len(groups) > 1:
        apart = [pair for one, two in combinations(groups, 2) for pair in product(one, two)]
        evidence += align_by_travel(link(), apart)
    return unite(cameras, evidence)


def on_one_clock(
    tracked: Sequence[tuple[CameraOutcome, Embeddings]], scene: Scene, alignment: ClockAlignment
) -> tuple[list[tuple[CameraOutcome, Embeddings]], Scene]:
    """The cameras and their tracklets with the accepted offsets added; the scene's clock is aligned if all have one."""
    moved = []
    for outcome, embeddings in tracked:
        tracklets = shifted(outcome.tracklets, alignment.offset_s)
        moved.append((replace(outcome, camera=_moved(outcome.camera, alignment), tracklets=tracklets), embeddings))
    cameras = tuple(_moved(c, alignment) for c in scene.cameras)
    if alignment.accepted:
        return moved, replace(scene, cameras=cameras, clock="aligned")
    return moved, replace(scene, cameras=cameras, on_one_clock=alignment.on_one_clock)


def _moved(camera: Camera, alignment: ClockAlignment) -> Camera:
    return replace(camera, time_offset_s=camera.time_offset_s + alignment.offset_s.get(camera.id, 0.0))
