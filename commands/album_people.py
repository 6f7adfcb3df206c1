"""Who is who in an album: appearances in, persons out, by the association of the tracking runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from commands.album_photos import CAMERA, Appearance, Found
from pipeline.association.associator import AverageLinkageAssociator
from pipeline.association.prior import DistancePrior
from pipeline.config import AssociationConfig
from pipeline.types import Camera, Embeddings, Scene, Tracklet

_APART_S = 60.0
"""Between two photos: longer than a track is thought to go on where another one ended (continuity.py, LONGEST_S)."""


@dataclass(frozen=True, slots=True)
class Person:
    """One person: appearances in the order of the photos, and how sure it is that each belongs (0..1)."""

    number: int
    appearances: tuple[Appearance, ...]
    confidence: tuple[float, ...]

    @property
    def photos(self) -> list[int]:
        """Numbers of the photos, ascending, each once."""
        return sorted({appearance.photo for appearance in self.appearances})


def group(found: Found, config: AssociationConfig, prior: DistancePrior | None) -> list[Person]:
    """Persons by how many photos they are in, the most first.

    An album is one camera and a photo one frame of it: two people side by side in a photo are two persons, which also
    serves to learn what a distance means in these photos; between photos looks decide.
    """
    tracklets = [_tracklet(number, appearance) for number, appearance in enumerate(found.appearances)]
    embeddings = Embeddings(
        tuple(tracklet.key for tracklet in tracklets),
        np.array([appearance.photo for appearance in found.appearances], np.int64),
        found.vector,
        np.array([appearance.quality for appearance in found.appearances], np.float32),
    )
    scene = Scene((Camera(CAMERA, (), (1, 1), 1.0),))
    looks_alone = config.model_copy(update={"topology_rounds": 0})  # nobody walks from photo to photo
    trajectories = AverageLinkageAssociator(looks_alone, prior).solve(tracklets, embeddings, scene).trajectories
    members = [
        sorted(
            (
                (found.appearances[tracklet.key[1]], sure)
                for tracklet, sure in zip(trajectory.tracklets, trajectory.tracklet_confidence, strict=True)
            ),
            key=lambda pair: (pair[0].photo, pair[0].crop),
        )
        for trajectory in trajectories
    ]
    members.sort(key=lambda pairs: (-len({a.photo for a, _ in pairs}), pairs[0][0].photo, pairs[0][0].crop))
    return [_person(number, pairs) for number, pairs in enumerate(members, start=1)]


def _person(number: int, pairs: Sequence[tuple[Appearance, float]]) -> Person:
    return Person(number, tuple(a for a, _ in pairs), tuple(sure for _, sure in pairs))


def _tracklet(number: int, appearance: Appearance) -> Tracklet:
    return Tracklet(
        (CAMERA, number),
        np.array([appearance.photo], np.int64),
        np.array([_APART_S * appearance.photo]),
        appearance.xyxy[None],
        np.array([appearance.confidence], np.float32),
        np.ones(1, np.bool_),
    )
