"""Crops to embedding rows, in batches that run across tracklets and cameras."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.types import Crop, Embedder, Embeddings, Float32, TrackletKey


class EmbeddingQueue:
    """Waits until a batch of crops is full, embeds it, keeps the vectors and lets the pixels go."""

    def __init__(self, embedder: Embedder, batch_crops: int) -> None:
        self._embedder = embedder
        self._batch = batch_crops
        self._waiting: list[Crop] = []
        self._rows: list[tuple[TrackletKey, int, float, Float32]] = []
        self.not_finite = 0
        """Crops whose vector was not finite: dropped and counted."""

    def add(self, crops: Sequence[Crop]) -> None:
        """Queue crops; full batches are embedded at once."""
        self._waiting.extend(crops)
        while len(self._waiting) >= self._batch:
            self._embed(self._waiting[: self._batch])
            self._waiting = self._waiting[self._batch :]

    def _embed(self, crops: list[Crop]) -> None:
        vectors = self._embedder.embed([crop.image for crop in crops])
        for crop, vector in zip(crops, vectors, strict=True):
            if np.isfinite(vector).all():
                self._rows.append((crop.key, crop.frame_index, crop.quality, vector))
            else:
                self.not_finite += 1

    def finish(self) -> Embeddings:
        """Embed what waits and return all rows, by camera, track and frame."""
        if self._waiting:
            self._embed(self._waiting)
            self._waiting = []
        rows = sorted(self._rows, key=lambda row: row[:2])
        return Embeddings(
            tuple(key for key, *_ in rows),
            np.array([frame_index for _, frame_index, *_ in rows], np.int64),
            np.array([vector for *_, vector in rows], np.float32).reshape(len(rows), self._embedder.dimension),
            np.array([quality for _, _, quality, _ in rows], np.float32),
        )
