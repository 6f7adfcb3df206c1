"""Re-identification: the Multiple Granularity Network, its training, and embedders behind one call.

To add an embedder: a function `build(config, runtime) -> Embedder` in a module of its own, and one line in `EMBEDDERS`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable

from pipeline.config import EmbedderConfig, RuntimeConfig, choose
from pipeline.types import Embedder

Factory = Callable[[EmbedderConfig, RuntimeConfig], Embedder]


def _when_built(module: str, function: str) -> Factory:
    """A builder whose module is imported when it is called: most of them pull in torch."""

    def build(config: EmbedderConfig, runtime: RuntimeConfig) -> Embedder:
        embedder: Embedder = getattr(importlib.import_module(module), function)(config, runtime)
        return embedder

    return build


EMBEDDERS: dict[str, Factory] = {
    "mgn": _when_built("reid.embedder", "build_mgn"),
    "openvino": _when_built("reid.embedder", "build_file"),
    "onnx": _when_built("reid.embedder", "build_file"),
}


def build_embedder(config: EmbedderConfig, runtime: RuntimeConfig) -> Embedder:
    """The embedder that `config.name` says. Raises UsageError for weights that are missing, damaged or do not fit."""
    return choose("embedder", config.name, EMBEDDERS)(config, runtime)
