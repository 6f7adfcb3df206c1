"""A torch module as an ONNX or OpenVINO file with a free batch."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path

import torch

OPSET = 17
"""Read by ONNX Runtime from 1.12 (2022) on and by OpenVINO."""


def save_onnx(
    module: torch.nn.Module, input_chw: tuple[int, int, int], path: Path, metadata: Mapping[str, str]
) -> None:
    """Write `module`, which maps `crops (N, C, H, W)` to `embedding (N, D)`, as ONNX; `metadata` as its properties."""
    import onnx  # noqa: PLC0415 - wanted for this alone

    part = path.with_name(path.name + ".part")
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracing exporter is called old; the new one wants a package more
        torch.onnx.export(
            module.eval(),
            (torch.zeros(1, *input_chw),),
            part,
            dynamo=False,
            input_names=["crops"],
            output_names=["embedding"],
            dynamic_axes={"crops": {0: "batch"}, "embedding": {0: "batch"}},
            opset_version=OPSET,
        )
    model = onnx.load(part)
    onnx.helper.set_model_props(model, dict(metadata))
    onnx.checker.check_model(model)
    onnx.save(model, part)
    part.replace(path)


def save_openvino(
    module: torch.nn.Module, input_chw: tuple[int, int, int], path: Path, metadata: Mapping[str, str]
) -> None:
    """The same as an OpenVINO `.xml` with its `.bin`; weights in half precision, `metadata` as its runtime info."""
    from runtime.openvino_network import save_module  # noqa: PLC0415 - the only importer of openvino

    save_module(module, input_chw, path, metadata)
