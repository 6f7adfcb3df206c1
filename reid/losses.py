"""Losses: identity (softmax), batch-hard triplet, and distillation from a teacher's embedding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

Positives = Literal["hardest", "each"]
"""`hardest`: each anchor with its farthest positive (Hermans et al. 2017, equation 5; the MGN paper's run).
`each`: every anchor-positive pair with the anchor's nearest negative (the wording of the article in docs/reid.md)."""


def identity_loss(logits: Sequence[Tensor], identity: Tensor, smoothing: float = 0.0) -> Tensor:
    """Mean cross entropy over the heads: `logits` H x `(N, C)`, `identity (N,)` int64."""
    losses = [functional.cross_entropy(head.float(), identity, label_smoothing=smoothing) for head in logits]
    return torch.stack(losses).mean()


def distances(vectors: Tensor) -> Tensor:
    """Euclidean distances `(N, N)` of the rows of `(N, D)`, with a finite gradient where two rows are equal."""
    vectors = vectors.float()
    squared = vectors.square().sum(1)
    return (squared[:, None] + squared[None, :] - 2 * vectors @ vectors.T).clamp_min(1e-12).sqrt()


def batch_hard_triplet(vectors: Tensor, identity: Tensor, margin: float, positives: Positives = "hardest") -> Tensor:
    """Mean of max(0, margin + d(anchor, positive) - d(anchor, nearest negative)).

    `vectors (N, D)`, `identity (N,)`. Anchors without another crop of their identity, or without a negative, do not
    count; 0 when none is left.
    """
    distance = distances(vectors)
    same = identity[:, None] == identity[None, :]
    positive = same & ~torch.eye(len(identity), dtype=torch.bool, device=same.device)
    usable = positive.any(1) & (~same).any(1)
    if not bool(usable.any()):
        return distance.sum() * 0.0
    negative = distance.masked_fill(same, torch.inf).amin(1)
    if positives == "hardest":
        farthest = distance.masked_fill(~positive, -torch.inf).amax(1)
        return functional.relu(margin + farthest - negative)[usable].mean()
    pairs = functional.relu(margin + distance - negative[:, None])
    return pairs[positive & usable[:, None]].mean()


def cosine_distillation(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean of 1 - cosine between the rows of `student (N, D)` and `teacher (N, D)`."""
    return (1 - functional.cosine_similarity(student.float(), teacher.float(), dim=1)).mean()


def relational_distillation(student: Tensor, teacher: Tensor) -> Tensor:
    """1 - the correlation between the two's cosine similarities over all pairs of the batch.

    `student (N, D)`, `teacher (N, E)`: D and E may differ, and neither the level nor the spread of the student's
    similarities is prescribed (after Park et al., "Relational Knowledge Distillation", CVPR 2019).
    """
    upper = torch.triu_indices(len(student), len(student), offset=1, device=student.device)
    ours, theirs = (_similarities(vectors)[upper[0], upper[1]] for vectors in (student, teacher))
    ours, theirs = ours - ours.mean(), theirs - theirs.mean()
    return 1 - functional.cosine_similarity(ours, theirs, dim=0)


def _similarities(vectors: Tensor) -> Tensor:
    unit = functional.normalize(vectors.float(), dim=1)
    return unit @ unit.T
