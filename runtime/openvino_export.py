"""A torch module as an OpenVINO folder of any input size, in half precision or quantised to INT8 (with nncf)."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import yaml

from pipeline.errors import UsageError
from pipeline.types import Float32


def convert(module: Any, trace_chw: tuple[int, int, int]) -> Any:
    """`module` (one `(N, C, H, W)` tensor in) as an OpenVINO model whose N, H and W are free."""
    import torch  # noqa: PLC0415 - heavy

    example = torch.zeros(1, *trace_chw)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracer warnings about Python branches, and torch's own about jit
        traced = torch.jit.trace(module.eval().float().cpu(), example, strict=False, check_trace=False)  # type: ignore[no-untyped-call]
        model = ov.convert_model(traced, example_input=example)
    model.reshape([-1, trace_chw[0], -1, -1])
    return model


def quantise(model: Any, batches: Iterable[Float32], keep: str) -> Any:
    """INT8 weights and activations, calibrated on `batches (N, C, H, W)`; nodes whose name matches `keep` stay float.

    Post-training quantisation of NNCF, mixed preset: activations of SiLU are not symmetric. Raises UsageError where the
    extra is not installed.
    """
    try:
        import nncf  # noqa: PLC0415 - an extra
    except ImportError:
        raise UsageError("INT8 needs nncf, which is not installed; pip install nncf") from None
    return nncf.quantize(
        model,
        nncf.Dataset([np.ascontiguousarray(batch) for batch in batches]),
        preset=nncf.QuantizationPreset.MIXED,
        ignored_scope=nncf.IgnoredScope(patterns=[keep], validate=False),
    )


def save(model: Any, folder: Path, metadata: Mapping[str, Any]) -> None:
    """`model.xml`, `model.bin` (float weights in half precision) and `metadata.yaml` in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    ov.save_model(model, folder / "model.xml", compress_to_fp16=True)
    (folder / "metadata.yaml").write_text(yaml.safe_dump(dict(metadata), sort_keys=True), encoding="utf-8")
