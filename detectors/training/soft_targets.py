"""What teachers say of every place of a picture, as targets beside the labels.

Labels say where people are; a teacher also says how sure one can be and what looks like a person without being one, at
every anchor (distillation: Hinton et al. 2015; of box distributions: Zheng et al., Localization Distillation, 2022).
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, log_softmax

from detectors.training.network import GAINS
from pipeline.types import Float32

LEAST_SURE = 0.05
"""A teacher's boxes count where it is this sure of a person; below, they mean nothing. Chosen, not tuned."""


class Teacher(Protocol):
    """`(N, 3, S, S)` RGB 0..1 -> box logits `(N, 64, A)` and person logits `(N, 1, A)` (runtime.openvino_heads)."""

    def __call__(self, batch: Float32) -> tuple[Float32, Float32]:
        """See the class."""
        ...


def soft_loss(boxes: Tensor, scores: Tensor, teacher_boxes: Float32, teacher_scores: Float32) -> Tensor:
    """How far the student's `(N, 64, A)` and `(N, 1, A)` are from the teacher's: a scalar, 0 where they agree.

    Both terms are divergences, scaled as the labels' own terms are: by the sum of the scores and the same gains.
    """
    sure = torch.from_numpy(teacher_scores).to(scores.device).sigmoid()
    total = sure.sum().clamp(min=1.0)
    entropy = torch.special.entr(sure) + torch.special.entr(1 - sure)
    kind = (binary_cross_entropy_with_logits(scores.float(), sure, reduction="none") - entropy).sum() / total
    row, place = torch.nonzero(sure[:, 0] >= LEAST_SURE, as_tuple=True)
    weight = sure[row, 0, place]
    wanted = torch.from_numpy(teacher_boxes).to(boxes.device)[row, :, place].reshape(-1, 4, 16)
    have = log_softmax(boxes.float()[row, :, place].reshape(-1, 4, 16), dim=-1)
    log_wanted = log_softmax(wanted, dim=-1)
    distance = (log_wanted.exp() * (log_wanted - have)).sum(-1).mean(-1)
    result: Tensor = GAINS["cls"] * kind + GAINS["dfl"] * (distance * weight).sum() / total
    return result
