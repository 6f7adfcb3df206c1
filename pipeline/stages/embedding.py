"""Crops to embedding rows, in batches that run across tracklets and cameras."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from pipeline.types import Crop, Embedder, Embeddings, Float32, TrackletKey


class EmbeddingQueue:
    """Waits until a batch of crops is full, embeds it, keeps the vectors and lets the pixels go."""

    def __init__(self, embedder: Embedder, batch_crops: int, hurry: Callable[[], bool] = lambda: False) -> None:
        """`hurry` true: crops are dropped and counted instead."""
        self._embedder = embedder
        self._batch = batch_crops
        self._waiting: list[Crop] = []
        self._rows: list[tuple[TrackletKey, int, float, Float32]] = []
        self._hurry = hurry
        self._dropped: dict[str, int] = {}

    def add(self, crops: Sequence[Crop]) -> None:
        """Queue crops; full batches are embedded at once."""
        self._waiting.extend(crops)
        while len(self._waiting) >= self._batch:
            self._embed(self._waiting[: self._batch])
            self._waiting = self._waiting[self._batch :]

    def _embed(self, crops: list[Crop]) -> None:
        hurry = self._hurry()
        vectors = [None] * len(crops) if hurry else self._embedder.embed([crop.image for crop in crops])
        for crop, vector in zip(crops, vectors, strict=True):
            if vector is not None and np.isfinite(vector).all():
                self._rows.append((crop.key, crop.frame_index, crop.quality, vector))
            else:
                self._dropped[crop.key[0]] = self._dropped.get(crop.key[0], 0) + 1

    def take(self, camera_id: str) -> Embeddings:
        """Embed what waits; give out, and forget, the rows of one camera by track and frame."""
        if self._waiting:
            self._embed(self._waiting)
            self._waiting = []
        rows = sorted((row for row in self._rows if row[0][0] == camera_id), key=lambda row: row[:2])
        self._rows = [row for row in self._rows if row[0][0] != camera_id]
        return Embeddings(
            tuple(key for key, *_ in rows),
            np.array([frame_index for _, frame_index, *_ in rows], np.int64),
            np.array([vector for *_, vector in rows], np.float32).reshape(len(rows), self._embedder.dimension),
            np.array([quality for _, _, quality, _ in rows], np.float32),
        )

    def dropped(self, camera_id: str) -> int:
        """Crops of a camera whose vector was not finite, or that came in a hurry."""
        return self._dropped.get(camera_id, 0)
