"""Small real models, made by the tests: ONNX and OpenVINO files that answer with known boxes, YOLO networks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import pytest
import yaml

from detectors.safety import import_ultralytics
from pipeline.config import DetectorConfig
from pipeline.types import Frame
from runtime.torchvision_ops import ensure_torchvision_ops

SIDE = 64
NAMES = {0: "dog", 1: "person"}
Writer = Callable[..., Path]


@pytest.fixture
def frame() -> Callable[..., Frame]:
    """A frame of noise of any size."""

    def make(width: int = 64, height: int = 48, camera: str = "cam", index: int = 0) -> Frame:
        image = np.random.default_rng(width * 1000 + height).integers(0, 255, (height, width, 3), np.uint8)
        return Frame(camera, index, index / 10, image)

    return make


def head(people: np.ndarray, dogs: np.ndarray) -> np.ndarray:
    """Rows `cx, cy, w, h, score` px -> a raw YOLO output `(1, 4 + 2, anchors)` with classes dog, person."""
    columns = [[*row[:4], row[4], 0.0] for row in dogs] + [[*row[:4], 0.0, row[4]] for row in people]
    columns += [[0.0] * 6] * 2  # a real head has hundreds of anchors, never 6: (1, 6, 6) could be either form
    return np.array(columns, np.float32).T[None]


def end_to_end(people: np.ndarray, dogs: np.ndarray) -> np.ndarray:
    """The same as `(1, boxes, 6)`: x1, y1, x2, y2, score, class."""
    rows = [(row, 0) for row in dogs] + [(row, 1) for row in people]
    return np.array(
        [
            [row[0] - row[2] / 2, row[1] - row[3] / 2, row[0] + row[2] / 2, row[1] + row[3] / 2, row[4], label]
            for row, label in rows
        ],
        np.float32,
    )[None]


@pytest.fixture
def heads() -> Mapping[str, Callable[[np.ndarray, np.ndarray], np.ndarray]]:
    """Both forms of output, by name."""
    return {"raw": head, "end_to_end": end_to_end}


@pytest.fixture
def openvino_folder(tmp_path: Path) -> Writer:
    """Write an OpenVINO folder, fixed to 1 x 3 x 64 x 64, whose output is `boxes` whatever the image."""

    def write(boxes: np.ndarray, names: Any = NAMES, batch: int = 1, folder: str = "model_openvino") -> Path:
        ops = ov.opset13
        image = ops.parameter([batch, 3, SIDE, SIDE], np.float32, name="x")
        nothing = ops.multiply(ops.reduce_mean(image, [1, 2, 3], keep_dims=False), np.float32(0))
        answer = ops.add(ops.reshape(nothing, [batch, 1, 1], special_zero=False), np.repeat(boxes, batch, axis=0))
        target = tmp_path / folder
        target.mkdir()
        ov.save_model(ov.Model([answer], [image], "known"), target / "known.xml", compress_to_fp16=False)
        (target / "metadata.yaml").write_text(yaml.safe_dump({"names": names, "stride": 32, "imgsz": [SIDE, SIDE]}))
        return target

    return write


def _varint(value: int) -> bytes:
    low, rest = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + _varint(rest) if rest else bytes([low])


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _message(field: int, payload: bytes | str) -> bytes:
    data = payload.encode() if isinstance(payload, str) else payload
    return _varint(field << 3 | 2) + _varint(len(data)) + data


def _value(name: str, shape: tuple[int | str, ...]) -> bytes:
    sides = b"".join(_message(1, _number(1, s) if isinstance(s, int) else _message(2, s)) for s in shape)
    return _message(1, name) + _message(2, _message(1, _number(1, 1) + _message(2, sides)))


def _tensor(name: str, array: np.ndarray) -> bytes:
    code = {"float32": 1, "int64": 7}[array.dtype.name]
    sides = b"".join(_number(1, side) for side in array.shape)
    return sides + _number(2, code) + _message(8, name) + _message(9, array.tobytes())


def _node(operator: str, inputs: list[str], output: str) -> bytes:
    return b"".join(_message(1, name) for name in inputs) + _message(2, output) + _message(4, operator)


@pytest.fixture
def onnx_file(tmp_path: Path) -> Writer:
    """Write an ONNX file (protobuf by hand: the onnx package is not needed to read one) that answers with `boxes`."""

    def write(
        boxes: np.ndarray, names: Any = NAMES, shape: tuple[int | str, ...] = (1, 3, SIDE, SIDE), said: bool = True
    ) -> Path:
        steps = [("GlobalAveragePool", ["x"], "mean"), ("Mul", ["mean", "zero"], "nothing")]
        steps += [("ReduceMax", ["nothing"], "scalar"), ("Reshape", ["scalar", "three"], "flat")]
        steps += [("Add", ["flat", "boxes"], "y")]
        constants = {"zero": np.zeros(1, np.float32), "three": np.ones(3, np.int64), "boxes": boxes}
        graph = b"".join(_message(1, _node(*step)) for step in steps) + _message(2, "known")
        graph += b"".join(_message(5, _tensor(name, array)) for name, array in constants.items())
        graph += _message(11, _value("x", shape)) + _message(12, _value("y", boxes.shape))
        model = _number(1, 8) + _message(8, _message(1, "") + _number(2, 13)) + _message(7, graph)
        if said:
            for key, value in {"names": repr(names), "stride": "32"}.items():
                model += _message(14, _message(1, key) + _message(2, value))
        path = tmp_path / "known.onnx"
        path.write_bytes(model)
        return path

    return write


TINY = {
    "nc": 80,
    "backbone": [
        [-1, 1, "Conv", [8, 3, 2]],
        [-1, 1, "Conv", [16, 3, 2]],
        [-1, 1, "C2f", [16, True]],
        *([[-1, 1, "Conv", [16, 3, 2]]] * 3),
    ],
    "head": [[[3, 4, 5], 1, "Detect", ["nc"]]],
}
"""A YOLO of a few layers, strides 8, 16, 32: it is compiled in a tenth of the time of a real one."""


@pytest.fixture(scope="session")
def tiny_yaml(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The layout TINY as a file."""
    path = tmp_path_factory.mktemp("layout") / "tiny.yaml"
    path.write_text(yaml.safe_dump(TINY))
    return path


@pytest.fixture(scope="session")
def yolo_model(tiny_yaml: Path) -> Callable[..., Any]:
    """A YOLO with random weights that finds something in every picture."""
    import torch  # noqa: PLC0415

    def make(names: Mapping[int, str] = NAMES, layout: str | None = None) -> Any:
        torch.manual_seed(0)
        model = import_ultralytics().DetectionModel(layout or str(tiny_yaml), nc=len(names), verbose=False)
        model.names = dict(names)
        head = model.model[-1]
        head.end2end = hasattr(head, "one2one_cv3")
        for branch in head.one2one_cv3 if head.end2end else head.cv3:
            torch.nn.init.constant_(branch[-1].bias, 0.5)
        return model.eval()

    return make


@pytest.fixture(scope="session")
def save_pt(yolo_model: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Writer:
    """Write a checkpoint as ultralytics does: half precision, the model pickled whole."""
    import torch  # noqa: PLC0415

    def write(**settings: Any) -> Path:
        path = tmp_path_factory.mktemp("weights") / "own.pt"
        model = yolo_model(**settings).half()
        torch.save({"model": model, "ema": None, "epoch": -1, "train_args": {}}, path)
        return path

    return write


@pytest.fixture(scope="session")
def own_pt(save_pt: Writer) -> Path:
    """A checkpoint of the small YOLO."""
    return save_pt()


@pytest.fixture(scope="session")
def torchvision_state() -> Mapping[str, Any]:
    """The state dict of an SSDlite with random weights that takes most of a picture for persons."""
    import torch  # noqa: PLC0415

    ensure_torchvision_ops()
    from torchvision.models import get_model  # noqa: PLC0415

    torch.manual_seed(0)
    model = get_model("ssdlite320_mobilenet_v3_large", weights=None, weights_backbone=None)
    for block in model.head.classification_head.module_list:
        bias = block[-1].bias.data.view(-1, 91)
        bias.zero_()
        bias[:, 1] = 6.0  # label 1 is a person
    state: Mapping[str, Any] = model.state_dict()
    return state


@pytest.fixture(scope="session")
def torchvision_weights(torchvision_state: Mapping[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same in a file."""
    from safetensors.torch import save_file  # noqa: PLC0415

    path = tmp_path_factory.mktemp("weights") / "ssdlite.safetensors"
    save_file(dict(torchvision_state), path)
    return path


@pytest.fixture
def detector_configs(own_pt: Path, torchvision_weights: Path, tmp_path: Path) -> Mapping[str, DetectorConfig]:
    """A working configuration of every detector that there is."""
    boxes = "".join(f"{index},-1,-3,-3,{10 + index},400,0.{index}\n" for index in range(1, 10))
    for camera in ("cam", "other"):
        (tmp_path / f"{camera}.txt").write_text(boxes)
    return {
        "yolo": DetectorConfig(model=str(own_pt), image_size_px=96),
        "torchvision": DetectorConfig(
            name="torchvision", model="ssdlite320_mobilenet_v3_large", weights=str(torchvision_weights), batch_frames=2
        ),
        "replay": DetectorConfig(name="replay", replay_dir=str(tmp_path)),
    }
