"""Takes out of each embedding what all people of a camera have in common: its light, its angle, its colours.

Whatever a camera adds to every vector makes its people look alike and unlike those of other cameras. With the camera's
mean person subtracted, different people lie at a cosine distance near 1 for any embedder and camera, so that distances
mean nearly the same everywhere: one person in two cameras lies at 0.31 and 0.33 for two embedders that are at 0.29 and
0.16 without (docs/association.md).

Every person has one vote in a camera's mean, however long or often seen: else somebody who stays all day would be taken
out of himself. A camera with few people leans on the mean of all.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from pipeline.association.similarity import unit
from pipeline.types import Embeddings, Float64, TrackletKey

_LEAN = 5.0
"""People in a camera that weigh as much as the mean of all cameras."""
_BLOCK_ROWS = 65_536
_NOTHING_LEFT = 1e-4
"""Length below which a centred row is rounding, not a person."""


def centre(embeddings: Embeddings, person: Mapping[TrackletKey, int]) -> Embeddings:
    """The same rows with their camera's mean person taken out, made unit again.

    `person`: who each tracklet is thought to be; rows of other tracklets are left out. Rows must be finite. A row that
    is its camera's mean becomes zero: nothing is left to tell it by.
    """
    return shift(embeddings, camera_offsets(embeddings, person), person)


def shift(
    embeddings: Embeddings, offset: Mapping[str, Float64], kept_keys: Collection[TrackletKey] | None = None
) -> Embeddings:
    """The rows of `kept_keys` (None: all) with the offset `(D,)` of their camera taken out, made unit again."""
    kept = [r for r, key in enumerate(embeddings.keys) if kept_keys is None or key in kept_keys]
    taken = Embeddings(
        tuple(embeddings.keys[r] for r in kept),
        embeddings.frame_index[kept],
        embeddings.vector[kept],
        embeddings.quality[kept],
    )
    if not kept:
        return taken
    names = sorted({key[0] for key in taken.keys})
    number = {name: n for n, name in enumerate(names)}
    usual = np.mean(list(offset.values()), axis=0)  # for a camera nobody was seen in when offsets were made
    every = np.stack([offset.get(name, usual) for name in names])
    camera = np.array([number[key[0]] for key in taken.keys])
    vector = np.empty_like(taken.vector)
    for start in range(0, len(vector), _BLOCK_ROWS):
        rows = slice(start, start + _BLOCK_ROWS)
        shifted = unit(taken.vector[rows].astype(np.float64)) - every[camera[rows]]
        shifted[np.linalg.norm(shifted, axis=1) < _NOTHING_LEFT] = 0.0
        vector[rows] = unit(shifted)
    return Embeddings(taken.keys, taken.frame_index, vector, taken.quality)


def camera_offsets(embeddings: Embeddings, person: Mapping[TrackletKey, int]) -> dict[str, Float64]:
    """The mean person `(D,)` of each camera that has a tracklet in `person`."""
    kept = [r for r, key in enumerate(embeddings.keys) if key in person]
    embeddings = Embeddings(
        tuple(embeddings.keys[r] for r in kept),
        embeddings.frame_index[kept],
        embeddings.vector[kept],
        embeddings.quality[kept],
    )
    if not kept:
        return {}
    votes = sorted({(key[0], person[key]) for key in embeddings.keys})
    index = {vote: n for n, vote in enumerate(votes)}
    row_vote = np.array([index[key[0], person[key]] for key in embeddings.keys])
    vector = unit(embeddings.vector.astype(np.float64))
    total = np.zeros((len(votes), vector.shape[1]))
    order = np.lexsort(
        (embeddings.quality, embeddings.frame_index, row_vote)
    )  # sums in one order, whatever the input's
    np.add.at(total, row_vote[order], vector[order])
    mean_person = unit(total)
    vote_camera = np.array([camera for camera, _ in votes])
    everywhere = mean_person.mean(axis=0)
    offset: dict[str, Float64] = {}
    for camera in sorted(set(vote_camera.tolist())):
        seen = mean_person[vote_camera == camera]
        offset[camera] = (seen.sum(axis=0) + _LEAN * everywhere) / (len(seen) + _LEAN)
    return offset
