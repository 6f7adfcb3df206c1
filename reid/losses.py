"""Losses: identity (softmax), batch-hard triplet, and distillation from a teacher's embedding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
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


def batch_hard_triplet(
    vectors: Tensor, identity: Tensor, margin: float | None, positives: Positives = "hardest"
) -> Tensor:
    """Mean of max(0, margin + d(anchor, positive) - d(anchor, nearest negative)).

    `margin` None is the soft margin, log(1 + exp(difference)) (Hermans et al. 2017, section 2).
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
        return _hinge(farthest[usable] - negative[usable], margin).mean()
    pairs = _hinge(distance - torch.where(usable, negative, 0.0)[:, None], margin)
    return pairs[positive & usable[:, None]].mean()


def _hinge(difference: Tensor, margin: float | None) -> Tensor:
    return functional.softplus(difference) if margin is None else functional.relu(margin + difference)


def contrastive_loss(vectors: Tensor, identity: Tensor, margin: float) -> Tensor:
    """d^2 for a pair of one person, max(0, margin - d)^2 for a pair of two; the two kinds weigh the same.

    `vectors (N, D)` are made unit, so d lies in 0..2; all pairs of the batch (Hadsell et al., CVPR 2006, equation 4).
    """
    distance = distances(functional.normalize(vectors.float(), dim=1))
    same, first = _pairs(identity)
    pulled, pushed = distance.square(), functional.relu(margin - distance).square()
    kinds = [part[mask].mean() for part, mask in ((pulled, same), (pushed, first & ~same)) if bool(mask.any())]
    return torch.stack(kinds).mean() if kinds else distance.sum() * 0.0


def verification_loss(head: nn.Module, vectors: Tensor, identity: Tensor) -> Tensor:
    """Cross entropy of "same or different" from the squared difference of two vectors, the kinds weighing the same.

    `head` maps `(M, D)` to `(M, 2)` logits (different, same); all pairs of the batch (Zheng et al., "A Discriminatively
    Learned CNN Embedding for Person Re-identification", TOMM 2017, section 3.3).
    """
    same, first = _pairs(identity)
    kinds = []
    for mask, label in ((same, 1), (first & ~same, 0)):
        rows, columns = mask.nonzero(as_tuple=True)
        if len(rows):
            logits = head((vectors[rows] - vectors[columns]).square()).float()
            kinds.append(functional.cross_entropy(logits, torch.full_like(rows, label)))
    return torch.stack(kinds).mean() if kinds else vectors.sum() * 0.0


def _pairs(identity: Tensor) -> tuple[Tensor, Tensor]:
    """`(N, N)` masks of the pairs i < j of one identity, and of all pairs i < j."""
    first = torch.ones(len(identity), len(identity), dtype=torch.bool, device=identity.device).triu(1)
    return (identity[:, None] == identity[None, :]) & first, first


def cosine_distillation(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean of 1 - cosine between the rows of `student (N, D)` and `teacher (N, D)`."""
    return (1 - functional.cosine_similarity(student.float(), teacher.float(), dim=1)).mean()


def map_distillation(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean of 1 - cosine between `student (N, C, h, w)` and `teacher (N, C, h, w)`, place by place.

    What a teacher's last map says of each place teaches more a crop than its one vector (after Romero et al.,
    "FitNets: Hints for Thin Deep Nets", ICLR 2015, section 2.2).
    """
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
