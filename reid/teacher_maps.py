"""What teachers' last maps say of each place of a training crop, computed once and kept.

The channels of all teachers are put side by side and reduced to their principal components, so that the maps of a
whole training set fit in memory. What all crops have in common at a place (a head above, feet below) is taken out
first: it is nine tenths of what such maps hold, and tells no person from another.

A patch that random erasing takes out of the student's crop keeps its word: it is to be told from what is around it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from pipeline.config import EmbedderConfig, RuntimeConfig
from pipeline.errors import UsageError
from pipeline.types import Float32
from reid.datasets import CropTable
from reid.embedder import open_file, resize
from reid.teacher import cache_path, teacher_key

logger = logging.getLogger(__name__)

Maps = NDArray[np.float16]
"""`(N, h, w, C)`: of N crops."""

CHUNK = 32
LARGEST = float(np.finfo(np.float16).max)
SAMPLE = 8000
"""Crops that the components are found on."""


@dataclass(frozen=True, slots=True)
class MapTeacher:
    """A teacher, the operation in it that gives its map, and the cells that it is averaged to."""

    embedder: EmbedderConfig
    layer: str
    grid_wh: tuple[int, int]


def raw_maps(table: CropTable, teacher: MapTeacher, runtime: RuntimeConfig, cache: Path) -> Maps:
    """`(N, h, w, C)` of all crops of `table`, memory-mapped: what the teacher's operation gives, averaged to its grid.

    Raises UsageError for a teacher that is no OpenVINO or ONNX file, and for an operation that gives no such map.
    """
    key = f"{teacher_key(teacher.embedder, runtime)}-{teacher.layer}-{teacher.grid_wh}"
    path = cache_path(table, key, cache, "maps")
    if not path.is_file():
        name = Path(teacher.embedder.model).stem
        logger.info("%s: asking %s for maps of %d crops", "+".join(table.names), name, len(table))
        cache.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part.npy")
        try:
            _ask(table, teacher, runtime, part)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    maps: Maps = np.load(path, mmap_mode="r")
    return maps


def _ask(table: CropTable, teacher: MapTeacher, runtime: RuntimeConfig, path: Path) -> None:
    """Write the maps to `path` as they come: those of a large set do not fit in memory twice."""
    network, size_wh, prepare = open_file(teacher.embedder, runtime, (teacher.layer,))
    batch = network.input_shape[0] or CHUNK
    maps: Maps | None = None
    for begin in range(0, len(table), batch):
        rows = [min(row, len(table) - 1) for row in range(begin, begin + batch)]  # a fixed batch is filled up
        images = np.stack([resize(table.images[row], size_wh) for row in rows])
        cells = _cells(network(np.ascontiguousarray(prepare(images)))[-1], teacher)[: len(table) - begin]
        if not (np.abs(cells) <= LARGEST).all():
            raise UsageError(f"teacher_maps.layers {teacher.layer}: gives numbers that are not finite or too large")
        if maps is None:
            maps = np.lib.format.open_memmap(path, "w+", np.float16, (len(table), *cells.shape[1:]))
        maps[begin : begin + len(cells)] = cells


def _cells(output: Float32, teacher: MapTeacher) -> Float32:
    """`(N, C, H, W)` averaged to `(N, h, w, C)`."""
    width, height = teacher.grid_wh
    if output.ndim != 4 or output.shape[2] % height or output.shape[3] % width:
        raise UsageError(
            f"teacher_maps.layers {teacher.layer}: gives {output.shape[1:]}, no cells for a grid of {width} x {height}"
        )
    count, channels, rows, columns = output.shape
    cells = output.reshape(count, channels, height, rows // height, width, columns // width).mean((3, 5))
    return np.asarray(cells.transpose(0, 2, 3, 1), np.float32)


@dataclass(frozen=True, slots=True)
class Components:
    """`mean (h, w, C)` of each place, and `matrix (C, K)` from what deviates from it to K numbers."""

    mean: Float32
    matrix: Float32

    def reduced(self, maps: Sequence[Maps]) -> Maps:
        """`(N, h, w, K)` of several teachers' `(N, h, w, Ci)`."""
        parts = []
        for begin in range(0, len(maps[0]), 1024):
            chunk = np.concatenate([part[begin : begin + 1024].astype(np.float32) for part in maps], axis=3)
            parts.append(((chunk - self.mean) @ self.matrix).astype(np.float16))
        return np.concatenate(parts)


def components(maps: Sequence[Sequence[Maps]], dimension: int) -> Components:
    """Principal components of several tables' maps (each a list of teachers'), every channel scaled to one spread.

    The k-th is divided by the fourth root of its variance: half-way to whitening, so that the few large ones do not
    drown the rest; its largest entry is positive. Raises UsageError for more components than channels.
    """
    total = sum(len(table[0]) for table in maps)
    every = max(1, -(-total // SAMPLE))
    sample = np.concatenate(
        [np.concatenate([part[::every].astype(np.float32) for part in table], axis=3) for table in maps]
    )
    if dimension > sample.shape[3]:
        raise UsageError(f"teacher_maps.dimension {dimension}: the maps have {sample.shape[3]} channels; ask for fewer")
    mean = sample.mean(0)
    sample -= mean  # in place: SAMPLE crops take a gigabyte with a thousand channels
    deviation = sample.reshape(-1, sample.shape[3])
    spread = deviation.std(0)
    spread += 0.1 * float(np.median(spread)) + 1e-6
    deviation /= spread
    variance, directions = np.linalg.eigh((deviation.T @ deviation / len(deviation)).astype(np.float64))
    variance, directions = np.maximum(variance[::-1][:dimension], 1e-9), directions[:, ::-1][:, :dimension]
    largest = np.abs(directions).argmax(0)
    directions = directions * np.sign(directions[largest, range(dimension)])  # not left to the machine's LAPACK
    matrix = directions / variance**0.25 / spread[:, None]
    return Components(mean, np.asarray(matrix / np.sqrt(np.sqrt(variance).mean()), np.float32))


def placed_maps(maps: Maps, places: Float32, grid_wh: tuple[int, int]) -> Float32:
    """`(B, C, h, w)` on `grid_wh` cells of the changed crops, from `maps (B, H, W, C)` of the crops as they are.

    `places (B, 2, 3)` says where they lie (`reid.augment.augment_placed`); beyond a crop's edge its last cell goes on.
    """
    scale = places[:, [0, 1], [0, 1]]
    back = np.zeros((len(maps), 2, 3), np.float32)  # from -1..1 of the changed crop to -1..1 of the crop
    back[:, [0, 1], [0, 1]] = 1 / scale
    back[:, :, 2] = (1 - 2 * places[:, :, 2]) / scale - 1
    cells = torch.from_numpy(maps.astype(np.float32)).permute(0, 3, 1, 2)
    grid = functional.affine_grid(
        torch.from_numpy(back), [len(maps), cells.shape[1], *grid_wh[::-1]], align_corners=False
    )
    result = functional.grid_sample(cells, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return np.asarray(result.numpy(), np.float32)
