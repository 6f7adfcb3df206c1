"""The optimiser, its learning rate over the run, and the averaged weights."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Sequence

import torch
from torch import nn

from reid.mgn import Mgn
from reid.train_config import TrainConfig


def learning_rate(config: TrainConfig, step: int, progress: float) -> float:
    """The rate of `step`: linear warm-up, then steps or a half cosine down to 0 at progress 1."""
    options = config.optimiser
    if options.schedule == "cosine":
        factor = 0.5 * (1 + math.cos(math.pi * progress))
    else:
        factor = float(0.1 ** sum(progress >= drop for drop in options.drops))
    warm = min(1.0, (step + 1) / options.warm_up_steps) if options.warm_up_steps else 1.0
    return options.learning_rate * factor * warm


def build_optimiser(config: TrainConfig, parts: Iterable[tuple[nn.Module | None, float]]) -> torch.optim.Optimizer:
    """For `parts`: modules, each with a factor on the learning rate."""
    options = config.optimiser
    groups = []
    for module, factor in parts:
        parameters = [] if module is None else list(module.parameters())
        matrices, vectors = [p for p in parameters if p.ndim > 1], [p for p in parameters if p.ndim <= 1]
        # AdamW's decay is meant for matrices; the paper's SGD decays all.
        plain = options.weight_decay if options.name == "sgd" else 0.0
        groups.append({"params": matrices, "weight_decay": options.weight_decay, "factor": factor})
        groups.append({"params": vectors, "weight_decay": plain, "factor": factor})
    groups = [group for group in groups if group["params"]]
    if options.name == "sgd":
        return torch.optim.SGD(groups, options.learning_rate, options.momentum)
    return torch.optim.AdamW(groups, options.learning_rate, fused=True)


def copy_of(model: Mgn) -> Mgn:
    """A copy that is not trained: the start of the averaged weights."""
    return copy.deepcopy(model).eval().requires_grad_(False)


@torch.no_grad()
def update_average(average: nn.Module, model: nn.Module, decay: float, step: int) -> None:
    """Exponential mean of weights and norm statistics; short at first, so that the random start is forgotten."""
    decay = min(decay, (1 + step) / (10 + step))
    for mean, value in zip(average.state_dict().values(), model.state_dict().values(), strict=True):
        if mean.dtype.is_floating_point:
            mean.lerp_(value, 1 - decay)
        else:
            mean.copy_(value)


def float_buffers(model: nn.Module) -> Sequence[torch.Tensor]:
    """Running means and variances of the norms."""
    return [buffer for buffer in model.buffers() if buffer.dtype.is_floating_point]
