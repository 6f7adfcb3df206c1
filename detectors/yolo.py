"""YOLO detectors: the bundled weights, a trained `.pt`, an ONNX file, an OpenVINO folder."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from detectors.download import fetch, refuse_missing
from detectors.letterbox import fit, input_size, to_batch
from detectors.suppression import suppress
from pipeline.config import DetectorConfig, RuntimeConfig
from pipeline.errors import UsageError
from pipeline.types import Detections, Float32, Frame
from runtime.network import Network, compile_file, compile_module, module_compiler

logger = logging.getLogger(__name__)

BUNDLED = Path(__file__).parent / "weights" / "passerby_person_n.safetensors"
MAX_NETWORKS = 4
"""Input sizes kept compiled at once; cameras seldom have more shapes than this."""
END_TO_END_BOXES = 300
"""Boxes of an end-to-end head, as those are trained with (YOLOv10, 2024, section 3.1; ultralytics max_det)."""


@dataclass(frozen=True, slots=True)
class Source:
    """A YOLO model: how to compile it for an input of (height, width), and what its file says."""

    label: str
    compile: Callable[[tuple[int, int]], Network]
    person: int
    classes: int
    fixed_hw: tuple[int, int] | None = None
    stride: int = 32


class YoloDetector:
    """Persons by a YOLO network; frames of like shape, of whatever camera, share one network call."""

    def __init__(self, source: Source, config: DetectorConfig) -> None:
        self._source = source
        self._config = config
        self._networks: OrderedDict[tuple[int, int], Network] = OrderedDict()
        if source.fixed_hw:
            self._run(np.zeros((1, 3, *source.fixed_hw), np.float32))

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """See `pipeline.types.Detector`."""
        groups: dict[tuple[int, int], list[int]] = {}
        for row, frame in enumerate(frames):
            height, width = frame.image.shape[:2]
            wanted = self._source.fixed_hw or input_size(
                (width, height), self._config.image_size_px, self._source.stride, frame.pixel_aspect
            )
            groups.setdefault(wanted, []).append(row)
        found: dict[int, Detections] = {}
        for input_hw, rows in groups.items():
            for start in range(0, len(rows), self._config.batch_frames):
                chunk = rows[start : start + self._config.batch_frames]
                found.update(zip(chunk, self._detect_batch([frames[row] for row in chunk], input_hw), strict=True))
        return [found[row] for row in range(len(frames))]

    def _detect_batch(self, frames: list[Frame], input_hw: tuple[int, int]) -> list[Detections]:
        sizes = [(frame.image.shape[1], frame.image.shape[0]) for frame in frames]
        boxes = [fit(size, input_hw, frame.pixel_aspect) for size, frame in zip(sizes, frames, strict=True)]
        batch = to_batch([box.apply(frame.image) for box, frame in zip(boxes, frames, strict=True)])
        results = []
        for output, box, size in zip(self._run(batch), boxes, sizes, strict=True):
            xyxy, confidence = decode(output, self._source.person, self._config.confidence)
            results.append(suppress(box.to_frame(xyxy), confidence, size, self._config))
        return results

    def _run(self, batch: Float32) -> Float32:
        network = self._network((batch.shape[2], batch.shape[3]))
        fixed = network.input_shape[0]
        if fixed is None or fixed == len(batch):
            output = network(batch)[0]
        elif fixed == 1:
            output = np.concatenate([network(batch[row : row + 1])[0] for row in range(len(batch))])
        else:
            raise UsageError(f"{self._source.label}: wants batches of {fixed}; export it with batch 1 or dynamic")
        check_head(output.shape, self._source)
        return output

    def _network(self, input_hw: tuple[int, int]) -> Network:
        if input_hw not in self._networks:
            self._networks[input_hw] = network = self._source.compile(input_hw)
            logger.info("detector %s: %s, input %dx%d", self._source.label, network.description, *input_hw[::-1])
            if len(self._networks) > MAX_NETWORKS:
                self._networks.popitem(last=False)
        self._networks.move_to_end(input_hw)
        return self._networks[input_hw]


def check_head(shape: tuple[int, ...], source: Source) -> None:
    """Raise UsageError unless an output of `shape` is one of the two heads that `decode` reads."""
    end_to_end = len(shape) == 3 and shape[2] == 6
    if not end_to_end and (len(shape) != 3 or shape[1] != 4 + source.classes):
        raise UsageError(
            f"{source.label}: output {shape} is neither (N, {4 + source.classes}, anchors) nor (N, boxes, 6); "
            "use a YOLO detection model (task=detect)"
        )


def decode(output: Float32, person: int, min_confidence: float) -> tuple[Float32, Float32]:
    """Boxes `(K, 4)` xyxy px of the input and confidences `(K,)` of persons, from one image's output.

    `(4 + classes, anchors)`: centre x, y, width, height and a score a class for every anchor (YOLOv8, YOLO11);
    `(boxes, 6)`: xyxy, score, class of an end-to-end head (YOLOv10, YOLO26).
    """
    if output.shape[1] == 6:
        rows = (output[:, 5].astype(np.int64) == person) & (output[:, 4] >= min_confidence)
        return output[rows, :4], output[rows, 4]
    scores = output[4 + person]
    # As with other YOLO code a box counts for its best class only: a dog that is a bit of a person is a dog.
    rows = (scores >= min_confidence) & (scores >= output[4:].max(axis=0))
    centre, half = output[:2, rows].T, output[2:4, rows].T / 2
    return np.concatenate([centre - half, centre + half], axis=1), scores[rows]


def build(config: DetectorConfig, runtime: RuntimeConfig) -> YoloDetector:
    """The YOLO detector of `config.model`. Raises UsageError for one that is missing, refused or finds no persons."""
    if config.model == "bundled":
        return YoloDetector(_bundled(runtime), config)
    path = Path(config.model)
    refuse_missing(config.model, offline=runtime.offline)
    if not path.exists():
        from detectors.safety import cache_directory  # noqa: PLC0415 - it brings torch

        path = fetch(config.model, cache_directory() / "weights")
    if path.suffix == ".pt":
        return YoloDetector(_checkpoint(path, runtime), config)
    if path.is_dir() or path.suffix in (".xml", ".onnx"):
        return YoloDetector(_exported(path, runtime), config)
    raise UsageError(f"{path}: not a detector that is known here; want .pt, .onnx, .xml or an OpenVINO folder")


def _bundled(runtime: RuntimeConfig) -> Source:
    name, model = _bundled_network()
    return _from_module(name, model, {0: "person"}, runtime)


def bundled_module() -> tuple[str, Any]:
    """Name of the bundled weights and their network, fused and ready to be traced: one output, any size of input."""
    name, model = _bundled_network()
    return name, _traceable(model)


def _bundled_network() -> tuple[str, Any]:
    from safetensors.torch import load_file  # noqa: PLC0415

    from detectors.safety import import_ultralytics  # noqa: PLC0415
    from pipeline.weights import verify  # noqa: PLC0415

    card = verify(BUNDLED)
    tasks = import_ultralytics()
    layout = str(card.settings.get("yaml", "yolo11n.yaml"))
    model = tasks.DetectionModel(layout, nc=1, verbose=False)
    try:
        model.load_state_dict(load_file(BUNDLED), strict=True)
    except RuntimeError as error:
        raise UsageError(f"{BUNDLED}: does not fit {layout} ({' '.join(str(error).split())[:200]})") from None
    return card.name, model


def _checkpoint(path: Path, runtime: RuntimeConfig) -> Source:
    from detectors.safety import load_checkpoint  # noqa: PLC0415

    model = load_checkpoint(path)
    return _from_module(path.name, model, model.names, runtime)


def _traceable(model: Any) -> Any:
    model = model.eval().fuse(verbose=False)
    head = model.model[-1]
    head.export, head.dynamic = True, True  # one output tensor; the anchors follow the size of the input
    return model


def _from_module(label: str, model: Any, names: Mapping[int, str], runtime: RuntimeConfig) -> Source:
    model = _traceable(model)
    head = model.model[-1]
    compiler = None if head.end2end else module_compiler(model, (3, 64, 64), runtime)

    def compile_at(input_hw: tuple[int, int]) -> Network:
        if compiler is not None:
            return compiler((3, *input_hw))
        # An end-to-end head takes its best `max_det` anchors; the trace fixes the count, and a small input has few.
        anchors = sum(int(input_hw[0] // step) * int(input_hw[1] // step) for step in head.stride.tolist())
        head.max_det = min(END_TO_END_BOXES, anchors)
        return compile_module(model, (3, *input_hw), runtime)

    return Source(label, compile_at, person_class(names, label), len(names), stride=int(max(model.stride)))


def _exported(path: Path, runtime: RuntimeConfig) -> Source:
    probe = compile_file(path, runtime)
    names = probe.metadata.get("names")
    if not isinstance(names, Mapping | Sequence) or isinstance(names, str):
        raise UsageError(f"{path}: does not say its class names; export it with ultralytics, which writes them")
    listed = dict(names) if isinstance(names, Mapping) else dict(enumerate(names))
    height, width = probe.input_shape[2:]
    fixed = (height, width) if height and width else None

    def compile_at(input_hw: tuple[int, int]) -> Network:
        return probe if fixed else compile_file(path, runtime, input_chw=(3, *input_hw))

    stride = int(probe.metadata.get("stride", 32))
    return Source(path.name, compile_at, person_class(listed, path.name), len(listed), fixed, stride)


def person_class(names: Mapping[int, str], label: str) -> int:
    """The index of the class called person. Raises UsageError when there is none."""
    for index, name in names.items():
        if str(name).strip().lower() == "person":
            return int(index)
    shown = ", ".join(str(name) for name in list(names.values())[:5])
    raise UsageError(f"{label}: has no class `person` (classes: {shown}...); use a model that finds people")
