"""What a crop costs the re-identification networks: milliseconds of CPU time, one thread, in bfloat16 where it can.

    python -m benchmarks.reid_speed

CPU time, so that other work on the machine counts little; the least of some rounds. Weights are random: they do not
change the time.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from pipeline.config import RuntimeConfig
from reid.mgn import Mgn
from runtime.network import compile_module
from runtime.openvino_network import cpu_precision

ROUNDS = 6


def least_ms(work: Callable[[], object], crops: int) -> float:
    """The least CPU time of `ROUNDS` calls after one to warm up, a crop."""
    spent = []
    for _ in range(ROUNDS + 1):
        start = time.process_time()
        work()
        spent.append(time.process_time() - start)
    return 1e3 * min(spent[1:]) / crops


def described(model: Mgn, size_wh: tuple[int, int], batch: int = 16) -> float:
    """An MGN describes crops, as in a tracking run without flip."""
    chw = (3, size_wh[1], size_wh[0])
    network = compile_module(model.eval(), chw, RuntimeConfig(device="cpu", threads=1))
    images = np.random.default_rng(0).random((batch, *chw), np.float32)
    return least_ms(lambda: network(images), batch)


def learnt(module: nn.Module, chw: tuple[int, int, int], batch: int = 32) -> float:
    """Forward and back through `module` in training."""
    module = module.train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    images = torch.rand(batch, *chw).to(memory_format=torch.channels_last).requires_grad_()

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=cpu_precision("auto") == "bf16"):
            module(images).float().sum().backward()

    return least_ms(step, batch)


def main() -> None:
    """Print a row each."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    print(f"CPU ms a crop, one thread, {cpu_precision('auto')}")
    print(f"{described(Mgn('light'), (96, 192)):8.2f}  MGN light, 96 x 192, describes", flush=True)
    print(f"{described(Mgn('light'), (128, 256)):8.2f}  MGN light, 128 x 256, describes", flush=True)
    print(f"{described(Mgn('osnet'), (128, 256)):8.2f}  MGN osnet, 128 x 256, describes", flush=True)
    print(f"{described(Mgn('resnet50'), (128, 384)):8.2f}  MGN resnet50, 128 x 384, describes", flush=True)
    print(f"{learnt(Mgn('light'), (3, 128, 64)):8.2f}  MGN light, 64 x 128, forward and back", flush=True)
    print(f"{learnt(Mgn('osnet'), (3, 256, 128), 8):8.2f}  MGN osnet, 128 x 256, forward and back", flush=True)
    for channels, height, width in ((64, 64, 32), (256, 16, 8)):
        for kind, groups in (("dense", 1), ("depthwise", channels)):
            convolution = nn.Conv2d(channels, channels, 3, padding=1, groups=groups, bias=False)
            took = learnt(convolution, (channels, height, width))
            print(f"{took:8.2f}  3x3 {kind}, {channels} channels of {width} x {height}, forward and back", flush=True)


if __name__ == "__main__":
    main()
