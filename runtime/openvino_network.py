"""Networks on the CPU through OpenVINO (the only importer of openvino)."""

from __future__ import annotations

import ast
import logging
import sys
import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from pipeline.config import RuntimeConfig
from pipeline.errors import UsageError
from pipeline.types import Float32
from runtime.network import InputShape, check_batch

# openvino's tools report each import to a statistics server and write ~/intel; without this package they use a stub.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
import openvino as ov  # noqa: E402

if TYPE_CHECKING:
    import torch

logger = logging.getLogger(__name__)

_core = ov.Core()


def cpu_precision(wanted: str) -> str:
    """`auto` -> `bf16` where the CPU multiplies in bfloat16, else `f32`. Raises UsageError for what it cannot do."""
    able = {"f32": "FP32", "bf16": "BF16", "f16": "FP16"}
    capabilities = _core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    if wanted == "auto":
        return "bf16" if "BF16" in capabilities else "f32"
    if able[wanted] not in capabilities:
        raise UsageError(f"runtime.precision {wanted}: this CPU has no {able[wanted]}; use auto or f32")
    return wanted


class OpenVinoNetwork:
    """A compiled OpenVINO model behind the `Network` seam."""

    def __init__(self, model: Any, config: RuntimeConfig, metadata: Mapping[str, Any]) -> None:
        precision = cpu_precision(config.precision)
        options: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": precision,
            "PERFORMANCE_HINT": "LATENCY",
            "ENABLE_CPU_PINNING": False,  # two processes pinned to the same cores halve each other
        }
        if config.threads:
            options["INFERENCE_NUM_THREADS"] = config.threads
        self._compiled = _core.compile_model(model, "CPU", options)
        self._request = self._compiled.create_infer_request()
        self._lock = threading.Lock()
        self._shape = _input_shape(model)
        self._metadata = dict(metadata)
        self._precision = precision
        if None not in self._shape[2:]:
            self(np.zeros([side or 1 for side in self._shape], np.float32))

    @property
    def input_shape(self) -> InputShape:
        """N, C, H, W; None = any."""
        return self._shape

    @property
    def metadata(self) -> Mapping[str, Any]:
        """What the model file says of itself."""
        return self._metadata

    @property
    def description(self) -> str:
        """For logs and the run report."""
        return f"OpenVINO CPU {self._precision}"

    def __call__(self, batch: Float32) -> list[Float32]:
        """See `Network`."""
        check_batch(batch, self._shape)
        with self._lock:
            self._request.infer([np.ascontiguousarray(batch)], share_inputs=True)
            # The tensors are views that the next inference overwrites: kept as they are, they would all be the last.
            return [np.array(tensor.data, dtype=np.float32) for tensor in self._request.output_tensors]


def from_module(
    module: torch.nn.Module, trace_chw: tuple[int, int, int], config: RuntimeConfig, *, dynamic_batch: bool
) -> Callable[[tuple[int, int, int]], OpenVinoNetwork]:
    """Trace `module` and hand back what compiles it for a size; see `runtime.network.module_compiler`."""
    model = _converted(module, trace_chw)

    def compile_at(input_chw: tuple[int, int, int]) -> OpenVinoNetwork:
        sized = model.clone()
        sized.reshape([-1 if dynamic_batch else 1, *input_chw])
        return OpenVinoNetwork(sized, config, {})

    return compile_at


def _converted(module: torch.nn.Module, trace_chw: tuple[int, int, int]) -> Any:
    import torch  # noqa: PLC0415 - models from files need no torch

    module = module.eval().float().cpu()
    example = torch.zeros(1, *trace_chw)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracer warnings about Python branches, and torch's own about jit
        traced = torch.jit.trace(module, example, strict=False, check_trace=False)  # type: ignore[no-untyped-call]
        return ov.convert_model(traced, example_input=example)


def save_module(
    module: torch.nn.Module, input_chw: tuple[int, int, int], path: Path, metadata: Mapping[str, str]
) -> None:
    """Write `module` as `.xml` and `.bin` with a free batch; see `runtime.export.save_openvino`."""
    model = _converted(module, input_chw)
    model.reshape([-1, *input_chw])
    model.input(0).get_tensor().set_names({"crops"})
    model.output(0).get_tensor().set_names({"embedding"})
    for key, value in metadata.items():
        model.set_rt_info(value, ["framework", key])
    ov.save_model(model, path, compress_to_fp16=True)


def from_file(
    path: Path,
    config: RuntimeConfig,
    *,
    input_chw: tuple[int, int, int] | None,
    dynamic_batch: bool,
    also: Sequence[str] = (),
) -> OpenVinoNetwork:
    """Read and compile a model file or folder; see `runtime.network.compile_file`."""
    file = model_file(path)
    model = read_model(file)
    if len(model.inputs) != 1 or len(model.input(0).partial_shape) != 4:
        raise UsageError(f"{file}: want one input (N, C, H, W), got {[str(i.partial_shape) for i in model.inputs]}")
    inside = {operation.get_friendly_name(): operation for operation in model.get_ops()} if also else {}
    for name in also:
        if name not in inside:
            raise UsageError(f"{file}: has no operation called {name}; a viewer of OpenVINO models lists their names")
        model.add_outputs([inside[name].output(0)])
    sides = _input_shape(model)
    if None in sides:
        wanted = (None if dynamic_batch else 1, *(input_chw or (None, None, None)))
        model.reshape([_first_known(have, want) for have, want in zip(sides, wanted, strict=True)])
    return OpenVinoNetwork(model, config, _metadata(file, model))


def _first_known(have: int | None, want: int | None) -> int:
    return next((side for side in (have, want) if side is not None), -1)


def _input_shape(model: Any) -> InputShape:
    sides = [int(side.get_length()) if side.is_static else None for side in model.input(0).partial_shape]
    return (sides[0], sides[1] or 3, sides[2], sides[3])


def read_model(file: Path) -> Any:
    """The model of a file. Raises UsageError."""
    try:
        return _core.read_model(file)
    except RuntimeError as error:
        raise UsageError(f"{file}: not a readable model ({str(error).splitlines()[-1]}); export it again") from None


def model_file(path: Path) -> Path:
    """The `.xml` in an OpenVINO folder, else `path`. Raises UsageError where it, or its `.bin`, is missing."""
    if path.is_dir():
        found = sorted(path.glob("*.xml"))
        if len(found) != 1:
            raise UsageError(f"{path}: an OpenVINO folder holds one .xml, found {len(found)}; name the .xml itself")
        path = found[0]
    if not path.is_file():
        raise UsageError(f"{path}: no such model file; give a path to .xml, .onnx or an OpenVINO folder")
    if path.suffix == ".xml" and not path.with_suffix(".bin").is_file():
        raise UsageError(f"{path}: {path.stem}.bin is missing beside it; copy both files")
    return path


def _metadata(file: Path, model: Any) -> dict[str, Any]:
    beside = file.parent / "metadata.yaml"
    if beside.is_file():
        try:
            loaded = yaml.safe_load(beside.read_text(encoding="utf-8"))
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise UsageError(f"{beside}: not readable ({error}); export the model again") from None
        return dict(loaded) if isinstance(loaded, dict) else {}
    if "framework" not in model.rt_info:
        return {}
    # OpenVINO keeps the metadata_props of an ONNX file here, and we put ours there in an .xml too; ultralytics writes
    # Python literals into them.
    properties = model.rt_info["framework"]
    if file.suffix != ".onnx" and "passerby" not in properties:
        return {}
    return {str(key): _literal(str(properties[key].astype(str))) for key in properties}


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return text
