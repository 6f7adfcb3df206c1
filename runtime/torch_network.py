"""Networks through torch: half precision and channels-last on CUDA."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from pipeline.errors import ResourceError
from pipeline.types import Float32
from runtime.network import InputShape, check_batch

logger = logging.getLogger(__name__)

DTYPES = {"auto": torch.float16, "f16": torch.float16, "bf16": torch.bfloat16, "f32": torch.float32}


class TorchNetwork:
    """A torch module behind the `Network` seam; `device` as torch names it, `precision` of `RuntimeConfig`."""

    def __init__(
        self,
        module: torch.nn.Module,
        input_chw: tuple[int, int, int],
        device: str,
        precision: str,
        *,
        dynamic_batch: bool = True,
    ) -> None:
        self._device = torch.device(device)
        self._dtype = DTYPES[precision]
        self._module = module.eval().to(self._device, self._dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._lock = threading.Lock()
        self._most = 1 << 30
        """Images that fit the memory at once, as far as is known."""
        self._shape: InputShape = (None if dynamic_batch else 1, *input_chw)
        self(torch.zeros(1, *input_chw).numpy())

    @property
    def input_shape(self) -> InputShape:
        """N, C, H, W; None = any."""
        return self._shape

    @property
    def metadata(self) -> Mapping[str, Any]:
        """A module says nothing of itself."""
        return {}

    @property
    def description(self) -> str:
        """For logs and the run report."""
        return f"torch {self._device} {str(self._dtype).removeprefix('torch.')}"

    def __call__(self, batch: Float32) -> list[Float32]:
        """See `Network`."""
        check_batch(batch, self._shape)
        with self._lock, torch.inference_mode():
            parts: list[list[Float32]] = []
            done = 0
            while done < len(batch):
                part = batch[done : done + self._most]
                try:
                    parts.append(self._run(part))
                except torch.OutOfMemoryError as error:
                    self._take_less(len(part), error)
                    continue
                done += len(part)
        return parts[0] if len(parts) == 1 else [np.concatenate(outputs) for outputs in zip(*parts, strict=True)]

    def _run(self, batch: Float32) -> list[Float32]:
        tensor = torch.from_numpy(batch).to(self._device, non_blocking=True)
        outputs = self._module(tensor.to(self._dtype, memory_format=torch.channels_last))
        listed = [outputs] if isinstance(outputs, torch.Tensor) else list(outputs)
        # On a CPU .float().numpy() may be a view of the module's own tensor.
        return [output.float().cpu().numpy().copy() for output in listed]

    def _take_less(self, count: int, error: BaseException) -> None:
        """Halve the batch, from now on. Raises ResourceError where one image is too much."""
        if count == 1:
            raise ResourceError(
                f"{self._device}: not enough memory for a single image ({str(error).splitlines()[0][:100]}); free the "
                "GPU, or --device cpu, then --resume"
            ) from error
        self._most = (count + 1) // 2
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
        logger.warning("%s: out of memory with %d images, going on with %d at once", self._device, count, self._most)
