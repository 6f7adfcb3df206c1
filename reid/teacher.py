"""What a teacher says of each training crop, computed once and kept."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipeline.config import EmbedderConfig, RuntimeConfig
from pipeline.errors import UsageError
from pipeline.types import Embedder, Float32
from pipeline.weights import sha256_of
from reid.datasets import CropTable
from reid.embedder import weights_of

logger = logging.getLogger(__name__)

CHUNK = 256


def teacher_vectors(table: CropTable, teacher: Embedder, key: str, cache: Path) -> Float32:
    """Unit vectors `(N, E)` of all crops of `table`; `key` stands for the teacher (`teacher_key`).

    Raises UsageError.
    """
    path = cache_path(table, key, cache, "teacher")
    if path.is_file():
        return np.asarray(np.load(path), np.float32)
    logger.info("%s: asking the teacher about %d crops", "+".join(table.names), len(table))
    vectors = np.concatenate(
        [
            teacher.embed([table.images[row] for row in range(begin, min(begin + CHUNK, len(table)))])
            for begin in range(0, len(table), CHUNK)
        ]
    )
    if not np.isfinite(vectors).all():
        broken = int((~np.isfinite(vectors).all(axis=1)).sum())
        raise UsageError(
            f"teacher: {broken} of {len(vectors)} crops gave no finite vector; nothing can be learnt of that"
        )
    cache.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part.npy")
    np.save(part, vectors)
    part.replace(path)
    return vectors


def side_by_side(vectors: Sequence[Float32]) -> Float32:
    """Unit vectors `(N, E1 + E2 + ...)` of several teachers' `(N, Ei)`: two rows' cosine is the mean of theirs."""
    return np.concatenate(vectors, axis=1) / np.float32(np.sqrt(len(vectors)))


def teacher_key(config: EmbedderConfig, runtime: RuntimeConfig) -> str:
    """Stands for a teacher's graph, weights and settings: all files that it is read from."""
    model = weights_of(config)
    files = [model, model.with_suffix(".bin"), model.with_suffix(".json"), model.with_name(model.name + ".data")]
    if model.is_dir():
        files = sorted(model.iterdir())  # OpenVINO's, as it is exported
    content = "-".join(sha256_of(file) for file in files if file.is_file()) or config.model
    return f"{content}-{config.model_dump_json(exclude={'model', 'batch_crops'})}-{runtime.precision}"


def cache_path(table: CropTable, key: str, cache: Path, kind: str) -> Path:
    """Where what the teacher `key` says of `table` is kept."""
    return cache / f"{'+'.join(table.names)}-{_digest(table, key)}.{kind}.npy"


def _digest(table: CropTable, key: str) -> str:
    digest = hashlib.sha256(key.encode())
    digest.update(table.identity.tobytes())
    for row in range(0, len(table), 97):  # enough to tell sets apart
        digest.update(np.ascontiguousarray(table.images[row]).tobytes())
    return digest.hexdigest()[:16]
