"""The raw heads of an exported YOLO (v8 and later, with distribution heads) at any square size, as soft targets.

The export ends in decoded boxes and is fixed to one size; what a student learns from are the maps before that.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov

from pipeline.config import RuntimeConfig
from pipeline.errors import UsageError
from pipeline.types import Float32
from runtime.openvino_network import OpenVinoNetwork, model_file, read_model

BINS = 64
"""Four sides of 16 bins each (Generalized Focal Loss, Li et al. 2020; ultralytics' reg_max)."""
_HEAD = re.compile(r"__module\.model\.\d+\.cv([23])\.(\d)\.2/aten::_convolution/Add")
"""The last layers of ultralytics' Detect: cv2 gives box distributions, cv3 class logits, a level each."""


class YoloHeads:
    """Box distributions and class logits of an OpenVINO export; compiled once a shape."""

    def __init__(self, path: Path, row: int, config: RuntimeConfig) -> None:
        """`row`: the class whose logits are wanted. Raises UsageError where `path` is no such export."""
        self._file, self._row, self._config = model_file(path), row, config
        self._networks: dict[tuple[int, ...], OpenVinoNetwork] = {}
        self._build(1, 64)

    def __call__(self, batch: Float32) -> tuple[Float32, Float32]:
        """`(N, 3, S, S)` RGB 0..1 -> box logits `(N, 64, A)`, class logits `(N, 1, A)`, strides 8, 16, 32."""
        if batch.shape not in self._networks:
            model = self._build(len(batch), batch.shape[2])
            self._networks[batch.shape] = OpenVinoNetwork(model, self._config, {})
        boxes, logits = self._networks[batch.shape](batch)
        return boxes, logits

    def _build(self, count: int, side: int) -> Any:
        model = read_model(self._file)
        heads: dict[tuple[str, int], Any] = {}
        for node in model.get_ordered_ops():
            found = _HEAD.fullmatch(node.get_friendly_name())
            if found:
                heads[found.group(1), int(found.group(2))] = node.output(0)
        if len(heads) != 6 or any(heads["2", level].partial_shape[1].get_length() != BINS for level in range(3)):
            raise UsageError(f"{self._file}: no YOLO export with 3 levels of distribution heads; name another teacher")
        _free_attention(model, int(model.input(0).partial_shape[2].get_length()), side)
        # Before a model is made of them: making one checks the shapes.
        model.get_parameters()[0].set_partial_shape(ov.PartialShape([count, 3, side, side]))
        cut = ov.Model([heads[kind, level] for kind in "23" for level in range(3)], model.get_parameters(), "heads")
        cut.validate_nodes_and_infer_types()
        return self._flat(cut, count)

    def _flat(self, model: Any, count: int) -> Any:
        ops = ov.opset13
        outputs = [result.input(0).get_source_output() for result in model.get_results()]
        boxes = [ops.reshape(o, np.array([count, BINS, -1]), special_zero=False) for o in outputs[:3]]
        only = [ops.gather(o, np.array([self._row]), np.array(1)) for o in outputs[3:]]
        logits = [ops.reshape(o, np.array([count, 1, -1]), special_zero=False) for o in only]
        flat = ov.Model([ops.concat(boxes, 2), ops.concat(logits, 2)], model.get_parameters(), "flat heads")
        flat.validate_nodes_and_infer_types()
        return flat


def _free_attention(model: Any, exported: int, side: int) -> None:
    """Let the attention of YOLO11, whose views are exported as constants, take maps of `side` / 32."""
    old, new = exported // 32, side // 32
    for node in model.get_ordered_ops():
        pattern = node.input_value(1).get_node() if node.get_type_name() == "Reshape" else None
        if pattern is None or pattern.get_type_name() != "Constant":
            continue
        wanted = [int(v) for v in pattern.get_data().reshape(-1)]
        if len(wanted) != 4 or wanted[0] != 1:
            continue
        if wanted[2:] == [old, old]:
            wanted[2:] = [new, new]
        elif wanted[3] == old * old:
            wanted[3] = new * new
        else:
            continue
        constant = ov.op.Constant(np.array([-1, *wanted[1:]], np.int64))
        node.input(1).replace_source_output(constant.output(0))
