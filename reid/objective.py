"""The loss of a batch, from the parts that the settings ask for."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pipeline.types import Float32, Int64, UInt8
from reid import losses
from reid.distributed import Workers
from reid.mgn import IdentityHeads, Mgn, MgnFeatures
from reid.teacher_blocks import BlockWords, taught, trunk_blocks
from reid.train_config import LossConfig, TrainConfig

DROPOUT = 0.9
"""Before the two-class softmax of pairs (Zheng et al., TOMM 2017, section 4.2)."""


@dataclass(frozen=True, slots=True)
class Batch:
    """`images (B, h, w, 3) uint8 BGR`; `identity (B,)`, -1 for unlabelled; `teacher (B, E)` or None; `boxes (B, 6, 4)`
    of body parts in fractions, or None; `maps (B, C, h / 16, w / 16)`, the teacher's word on each place, or None;
    `blocks`, what it says of the trunk's blocks, or None."""

    images: UInt8
    identity: Int64
    teacher: Float32 | None
    boxes: Float32 | None = None
    maps: Float32 | None = None
    blocks: BlockWords | None = None


class Student(nn.Module):
    """The network with what is thrown away after training: classifiers and the map to the teacher's space."""

    def __init__(
        self,
        model: Mgn,
        classes: int,
        teacher_dimension: int,
        *,
        neck: bool = False,
        verifies: bool = False,
        map_dimension: int = 0,
    ) -> None:
        super().__init__()
        self.model = model
        self.heads = IdentityHeads(model.width, model.reduced, classes, neck=neck, architecture=model.architecture)
        self.to_teacher = nn.Linear(model.dimension, teacher_dimension) if teacher_dimension else None
        self.to_maps: nn.ModuleList | None = None
        if map_dimension:
            self.to_maps = nn.ModuleList(nn.Conv2d(width, map_dimension, 1) for width in model.map_widths)
        self.verify = nn.Sequential(nn.Dropout(DROPOUT), nn.Linear(model.dimension, 2)) if verifies else None


def all_losses(  # noqa: PLR0917
    student: Student,
    inputs: tuple[Tensor, Tensor | None],
    batch: Batch,
    config: TrainConfig,
    progress: float,
    workers: Workers,
) -> dict[str, tuple[float, Tensor]]:
    """Weight and value of each part of the loss for `inputs`, the crops `(B, 3, H, W)` and boxes of body parts.

    Where a trunk is learnt block by block, that comes alone at first.
    """
    images, boxes = inputs
    model, settings = student.model, config.teacher_blocks
    if settings is None or batch.blocks is None:
        return objective(student, model.features(images, boxes), batch, config.loss, workers)
    common, value = taught(trunk_blocks(model), images, batch.blocks, apart=progress < settings.apart_until)
    blocks = {"blocks": (settings.weight, value)}
    if progress < settings.alone_until:
        return blocks
    return {**objective(student, model.features_of(common), batch, config.loss, workers), **blocks}


def objective(
    student: Student, features: MgnFeatures, batch: Batch, weights: LossConfig, workers: Workers
) -> dict[str, tuple[float, Tensor]]:
    """Weight and value of each part of the loss; triplets and contrasts are looked for among all processes' crops."""
    device = features.described[0].device
    known = int((batch.identity >= 0).sum())  # labelled rows come first
    identity = torch.from_numpy(batch.identity[:known]).to(device)
    labelled = MgnFeatures(*(tuple(vector[:known] for vector in group) for group in features[:4]))
    parts: dict[str, tuple[float, Tensor]] = {}
    if weights.identity:
        logits = student.heads(labelled)
        parts["identity"] = weights.identity, losses.identity_loss(logits, identity, weights.label_smoothing)
    everybody = workers.gather(identity)
    if weights.triplet:
        margin = None if weights.soft_margin else weights.margin
        each = [
            losses.batch_hard_triplet(workers.gather(vector), everybody, margin, weights.positives)
            for vector in labelled.reduced_global
        ]
        parts["triplet"] = weights.triplet, _of_all(torch.stack(each).mean(), workers)
    if weights.contrastive:
        ours = workers.gather(labelled.embedding())
        value = losses.contrastive_loss(ours, everybody, weights.contrastive_margin)
        parts["contrastive"] = weights.contrastive, _of_all(value, workers)
    if student.verify is not None:  # its layer learns, so each process takes the pairs of its own share
        value = losses.verification_loss(student.verify, labelled.embedding(), identity)
        parts["verification"] = weights.verification, value
    if batch.teacher is not None and student.to_teacher is not None:
        teacher = torch.from_numpy(batch.teacher).to(device)
        ours = features.embedding()
        if weights.distil_cosine:
            mapped = student.to_teacher(ours)
            parts["cosine"] = weights.distil_cosine, losses.cosine_distillation(mapped, teacher)
        if weights.distil_relation:
            parts["relation"] = weights.distil_relation, losses.relational_distillation(ours, teacher)
    if batch.maps is not None and student.to_maps is not None:
        wanted = torch.from_numpy(batch.maps).to(device)
        each = [
            losses.map_distillation(layer(ours), wanted)
            for layer, ours in zip(student.to_maps, features.maps, strict=True)
        ]
        parts["maps"] = weights.distil_maps, torch.stack(each).mean()
    return parts


def _of_all(value: Tensor, workers: Workers) -> Tensor:
    """`value` of the whole batch, differentiated by this process's vectors alone: its gradient times the number of
    processes, by which averaging will divide it once too often."""
    return value if workers.size == 1 else value + (workers.size - 1) * (value - value.detach())
