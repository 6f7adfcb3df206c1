"""Block by block: what a teacher's inner operations give for the very crops of a batch is what a trunk's blocks learn.

A network that is to give a teacher's last vector has to find out by itself what happens on the way to it. Here every
block is told: at first each is fed with what the teacher's block before it gave, so that all are learnt at once and
apart from each other; then they are chained, and learn to make up for each other's faults (after Romero et al.,
"FitNets: Hints for Thin Deep Nets", ICLR 2015, section 2.2, and Li et al., "Blockwisely Supervised Neural Architecture
Search with Knowledge Distillation", CVPR 2020, section 3.2). The teacher sees every crop as it was changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.config import EmbedderConfig, RuntimeConfig
from pipeline.errors import UsageError
from pipeline.types import Float32, UInt8
from reid.embedder import open_file, resize
from reid.mgn import Mgn
from reid.osnet import Block, OmniScaleBlock, Stem, Transition
from reid.train_config import TeacherBlocksConfig

ACTIVATED, BEFORE = 0.7, 0.3
"""Weights of a block's output and of the same before its activation, which speaks where the output is silent."""
FLOOR = 0.05
"""Of the mean variance, added to a channel's own: one that hardly varies is not learnt to the last digit."""


@dataclass(frozen=True, slots=True)
class BlockWords:
    """What a teacher says of a batch: `vectors (B, E)`, and for each block its output before and after activation,
    `(B, C, h, w)`."""

    vectors: Float32
    before: tuple[Float32, ...]
    after: tuple[Float32, ...]


class BlockTeacher:
    """A teacher that is asked about each batch. Raises UsageError for a file that is no OpenVINO or ONNX model, or has
    no such operations."""

    def __init__(self, embedder: EmbedderConfig, settings: TeacherBlocksConfig, runtime: RuntimeConfig) -> None:
        operations = [name for pair in settings.operations for name in pair]
        self._network, self._size_wh, self._prepare = open_file(embedder, runtime, operations)
        self.dimension = self([np.zeros((*self._size_wh[::-1], 3), np.uint8)]).vectors.shape[1]

    def __call__(self, images: Sequence[UInt8]) -> BlockWords:
        """`images`: B x `(h, w, 3)` BGR."""
        resized = np.stack([resize(image, self._size_wh) for image in images])
        prepared = np.ascontiguousarray(self._prepare(resized))
        size = self._network.input_shape[0] or len(images)
        parts = []
        for begin in range(0, len(images), size):
            rows = [min(row, len(images) - 1) for row in range(begin, begin + size)]  # a fixed batch is filled up
            parts.append(self._network(prepared[rows]))
        outputs = [np.concatenate(output)[: len(images)] for output in zip(*parts, strict=True)]
        if not all(np.isfinite(output).all() for output in outputs):
            raise UsageError("teacher_blocks: the teacher gave numbers that are not finite; nothing is learnt of those")
        vectors = outputs[0].reshape(len(images), -1)
        return BlockWords(vectors, tuple(outputs[1::2]), tuple(outputs[2::2]))


def trunk_blocks(model: Mgn) -> list[Block]:
    """The blocks of the shared trunk, first to last. Raises UsageError for a trunk that is not made of such."""
    children = list(model.shared.children())
    blocks = [child for child in children if isinstance(child, (Stem, OmniScaleBlock, Transition))]
    if not blocks or len(blocks) != len(children):
        raise UsageError(f"teacher_blocks: trunk {model.trunk} is not made of blocks that can be taught; use osnet")
    return blocks


def begin_like(blocks: Sequence[Block], words: BlockWords) -> None:
    """Give the last norm of each block the mean and spread of what the teacher's gives before its activation.

    A block that begins at another scale spends its first hundreds of steps on that alone. Raises UsageError where a
    block and the operation that it is to learn differ in channels or their number differs.
    """
    _check(len(blocks) == len(words.after), f"{len(words.after)} pairs of operations for {len(blocks)} blocks")
    fed: Float32 | None = None
    for number, (block, before, after) in enumerate(zip(blocks, words.before, words.after, strict=True)):
        norm, kept = _last_norm(block)
        _check(norm.bias.numel() == before.shape[1], f"block {number} has another width than its operation")
        own = before - fed if kept and fed is not None else before
        spread = torch.from_numpy(own.std((0, 2, 3)))
        with torch.no_grad():
            if isinstance(block, OmniScaleBlock) and not kept:  # two paths of alike weight add up to one spread
                spread = spread / np.sqrt(2)
                block.shortcut[1].weight.copy_(spread)  # type: ignore[index,operator]
            norm.weight.copy_(spread)
            norm.bias.copy_(torch.from_numpy(own.mean((0, 2, 3))))
        fed = after


def _last_norm(block: Block) -> tuple[nn.BatchNorm2d | nn.GroupNorm, bool]:
    """The norm that ends a block, and whether its input is added as it is."""
    if isinstance(block, Stem):
        return block.norm, False
    norm = (block.expand if isinstance(block, OmniScaleBlock) else block.convolution)[1]
    assert isinstance(norm, nn.BatchNorm2d)  # noqa: S101 - as they are built
    return norm, isinstance(block, OmniScaleBlock) and isinstance(block.shortcut, nn.Identity)


def taught(blocks: Sequence[Block], images: Tensor, words: BlockWords, *, apart: bool) -> tuple[Tensor, Tensor]:
    """The trunk's output for `images (B, 3, H, W)`, and the loss of its blocks (mean of theirs).

    `apart`: each block is fed with what the teacher's block before it gave. Raises UsageError for maps of another size
    than the teacher's.
    """
    x, losses = images, []
    for number, (block, before, after) in enumerate(zip(blocks, words.before, words.after, strict=True)):
        theirs = [torch.from_numpy(part).to(images.device) for part in (before, after)]
        ours = block.before_activation(x)
        x = block.activated(ours)
        _check(x.shape == theirs[1].shape, f"block {number} gives {_size(x)}, its operation {_size(theirs[1])}")
        _check(ours.shape == theirs[0].shape, f"block {number} has {_size(ours)}, its operation {_size(theirs[0])}")
        losses.append(block_distillation(ours, theirs[0], x, theirs[1]))
        if apart:
            x = theirs[1].contiguous(memory_format=torch.channels_last)
    return x, torch.stack(losses).mean()


def block_distillation(before: Tensor, their_before: Tensor, after: Tensor, their_after: Tensor) -> Tensor:
    """Mean squared difference over the channel's variance in the teacher's output, mean over channels; all
    `(B, C, h, w)`, before and after activation."""
    variance = their_after.var((0, 2, 3), correction=0)
    scale = (variance + FLOOR * variance.mean()).clamp_min(1e-12)
    parts = [
        weight * ((ours.float() - theirs).square().mean((0, 2, 3)) / scale).mean()
        for weight, ours, theirs in ((ACTIVATED, after, their_after), (BEFORE, before, their_before))
    ]
    return torch.stack(parts).sum()


def _check(right: bool, fault: str) -> None:
    if not right:
        raise UsageError(f"teacher_blocks.operations: {fault}; name one pair for each block, and crops of its size")


def _size(map_: Tensor) -> str:
    return " x ".join(str(side) for side in map_.shape[1:])
