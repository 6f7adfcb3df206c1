"""What is done to a network once it is trained: its discriminant map is fitted."""

from __future__ import annotations

import copy
import logging

import numpy as np

from pipeline.config import EmbedderConfig, RuntimeConfig
from reid.datasets import CropTable
from reid.discriminant import fit_discriminant
from reid.embedder import NetworkEmbedder, normalise
from reid.mgn import Mgn
from reid.train_config import DiscriminantConfig
from runtime.network import compile_module

logger = logging.getLogger(__name__)

CHUNK = 256


def with_discriminant(
    model: Mgn, table: CropTable, size_wh: tuple[int, int], config: DiscriminantConfig, runtime: RuntimeConfig
) -> Mgn:
    """A copy of `model` with a map fitted on the labelled crops of `table`, described at `size_wh` px."""
    network = compile_module(copy.deepcopy(model), (3, size_wh[1], size_wh[0]), runtime)
    embedder = NetworkEmbedder(network, size_wh, normalise, EmbedderConfig(), "trained")
    blocks = [range(begin, min(begin + CHUNK, len(table))) for begin in range(0, len(table), CHUNK)]
    vectors = np.concatenate([embedder.embed([table.images[row] for row in block]) for block in blocks])
    usable = np.isfinite(vectors).all(axis=1)
    result = copy.deepcopy(model).cpu()
    result.discriminant = fit_discriminant(vectors[usable], table.identity[usable], config.dimension, config.shrinkage)
    logger.info("discriminant map: %d to %d", vectors.shape[1], result.output_dimension)
    return result
