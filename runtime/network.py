"""One way to run a network: torch on CUDA, OpenVINO on the CPU, the same call for both."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from pipeline.config import RuntimeConfig
from pipeline.errors import UsageError
from pipeline.types import Float32

if TYPE_CHECKING:
    import torch

logger = logging.getLogger(__name__)

InputShape = tuple[int | None, int, int | None, int | None]
"""N, C, H, W of a network's input; None = any."""


class Network(Protocol):
    """A compiled network, warmed up. Calls are thread-safe (one at a time)."""

    @property
    def input_shape(self) -> InputShape:
        """N, C, H, W; None = any. A fixed N takes batches of exactly N."""
        ...

    @property
    def metadata(self) -> Mapping[str, Any]:
        """What the model file says of itself (`names`, `imgsz`, ...); empty for a module."""
        ...

    @property
    def description(self) -> str:
        """Where and how it runs, for logs and the run report, e.g. `OpenVINO CPU bf16`."""
        ...

    def __call__(self, batch: Float32) -> list[Float32]:
        """Run `(N, C, H, W) float32`; the outputs in the model's order, float32, copies that stay as they are.

        Raises ValueError when the batch does not fit `input_shape`.
        """
        ...


def check_batch(batch: Float32, shape: InputShape) -> None:
    """Raise ValueError unless `batch` is float32 of `shape`."""
    fits = batch.ndim == 4 and all(want in (None, have) for want, have in zip(shape, batch.shape, strict=True))
    if not fits or batch.dtype != np.float32 or not len(batch):
        raise ValueError(f"batch must be float32 {shape} (None = any), got {batch.dtype} {batch.shape}")


def choose_device(wanted: str) -> str:
    """`auto`, `cpu`, `cuda` or `cuda:N` -> `cpu` or `cuda:N`. Raises UsageError for a GPU that is not there."""
    if wanted == "cpu":
        return "cpu"
    import torch  # noqa: PLC0415 - a CPU run needs no look at CUDA

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if wanted == "auto":
        why = _unusable("cuda:0") if count else "no usable CUDA GPU"
        logger.info("device auto: %s", f"cpu ({why})" if why else "cuda:0")
        return "cpu" if why else "cuda:0"
    index = int(wanted.partition(":")[2] or 0)
    if index >= count:
        raise UsageError(
            f"--device {wanted}: no such GPU (torch {torch.__version__} sees {count}); use --device cpu or auto"
        )
    if why := _unusable(f"cuda:{index}"):
        raise UsageError(f"--device {wanted}: {why}; update the driver, or use --device cpu or auto")
    return f"cuda:{index}"


def _unusable(device: str) -> str:
    """Why a GPU that torch lists can't compute (it or its driver is too old, its memory is full); "" if it can."""
    import torch  # noqa: PLC0415

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns of an unsupported architecture and then fails
            right = float((torch.ones(1, device=device) + 1).sum()) == 2.0
    except (RuntimeError, AssertionError) as error:
        return f"{device} cannot be used ({str(error).strip().splitlines()[0][:120]})"
    return "" if right else f"{device} cannot be used (1 + 1 is not 2 there)"


def compile_module(
    module: torch.nn.Module,
    input_chw: tuple[int, int, int],
    config: RuntimeConfig,
    *,
    dynamic_batch: bool = True,
) -> Network:
    """A torch module that takes one `(N, C, H, W)` tensor and returns a tensor or a flat list of tensors.

    `input_chw` is the size it is traced and runs at; with `dynamic_batch=False` N is 1. The module is put into eval
    mode and may be moved.
    """
    return module_compiler(module, input_chw, config, dynamic_batch=dynamic_batch)(input_chw)


def module_compiler(
    module: torch.nn.Module, trace_chw: tuple[int, int, int], config: RuntimeConfig, *, dynamic_batch: bool = True
) -> Callable[[tuple[int, int, int]], Network]:
    """Compile one fully convolutional module for several input sizes; it is traced once, at `trace_chw`.

    The call that comes back takes `(C, H, W)`. Else as `compile_module`.
    """
    device = choose_device(config.device)
    if device == "cpu":
        from runtime.openvino_network import from_module  # noqa: PLC0415 - heavy, and only one of the two is needed

        return from_module(module, trace_chw, config, dynamic_batch=dynamic_batch)
    from runtime.torch_network import TorchNetwork  # noqa: PLC0415

    return lambda input_chw: TorchNetwork(module, input_chw, device, config.precision, dynamic_batch=dynamic_batch)


def compile_file(
    path: Path,
    config: RuntimeConfig,
    *,
    input_chw: tuple[int, int, int] | None = None,
    dynamic_batch: bool = True,
    also: Sequence[str] = (),
) -> Network:
    """An OpenVINO `.xml`, an `.onnx`, or a folder that holds one `.xml`; runs on the CPU whatever the device.

    `input_chw` fixes the free sides of a model whose file leaves them open; a model fixed to another size keeps its
    own (read `input_shape`). `also` names operations inside, whose outputs come after the model's own.
    Raises UsageError when the file is missing or unreadable, or has no such operation.
    """
    from runtime.openvino_network import from_file  # noqa: PLC0415

    if config.device != "cpu" and choose_device(config.device) != "cpu":
        logger.warning("%s: runs on the CPU; only torch weights run on the GPU", path.name)
    return from_file(path, config, input_chw=input_chw, dynamic_batch=dynamic_batch, also=also)
