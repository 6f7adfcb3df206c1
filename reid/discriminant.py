"""A linear map after the network: what tells people apart is stretched, what changes within one person is shrunk.

Linear discriminant analysis (Fisher 1936; Fukunaga, "Introduction to Statistical Pattern Recognition", 2nd ed., section
10.2) on the embeddings of labelled crops, solved in closed form once the network is trained. It is no part of MGN.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.types import Float32, Int64


class DiscriminantMap(nn.Module):
    """`(N, D)` embeddings of any length to `(N, K)`: made unit, less `mean (D,)`, times `matrix (D, K)`."""

    mean: Tensor
    matrix: Tensor

    def __init__(self, dimension: int, reduced: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(dimension))
        self.register_buffer("matrix", torch.zeros(dimension, reduced))

    @property
    def reduced(self) -> int:
        """K."""
        return self.matrix.shape[1]

    def forward(self, embedding: Tensor) -> Tensor:
        """See the class; not normalised."""
        return (functional.normalize(embedding, dim=1) - self.mean) @ self.matrix


def can_be_fitted(identity: Int64) -> bool:
    """Whether crops of people `identity (N,)` are of several people and there are several of one."""
    count = np.unique(identity, return_counts=True)[1]
    return len(count) > 1 and bool(count.max() > 1)


def fit_discriminant(vectors: Float32, identity: Int64, dimension: int, shrinkage: float) -> DiscriminantMap:
    """The map of unit `vectors (N, D)` of people `identity (N,)` to `dimension` numbers, or one fewer than people.

    Each crop weighs the same in the scatter within people, each person the same in the scatter between them.
    `shrinkage` is added to the variance within people in every direction; the variances of unit vectors sum to 1 at
    most.
    Raises ValueError where no person has two crops, or where there is one person only.
    """
    if not can_be_fitted(identity):
        raise ValueError("a discriminant map wants several people, and several crops of one")
    people, row, count = np.unique(identity, return_inverse=True, return_counts=True)
    vectors = vectors.astype(np.float64)
    means = np.zeros((len(people), vectors.shape[1]))
    np.add.at(means, row, vectors)
    means /= count[:, None]
    within = vectors - means[row]
    variance, axes = np.linalg.eigh(within.T @ within / len(vectors))
    whiten = axes / np.sqrt(variance.clip(0.0) + shrinkage)
    between = (means - means.mean(axis=0)) @ whiten
    _, axes = np.linalg.eigh(between.T @ between)
    kept = min(dimension, len(people) - 1, vectors.shape[1])
    matrix = whiten @ axes[:, ::-1][:, :kept]
    result = DiscriminantMap(vectors.shape[1], kept)
    result.mean.copy_(torch.from_numpy(means.mean(axis=0)))
    result.matrix.copy_(torch.from_numpy(matrix * np.sqrt(shrinkage)))  # entries below 1, for half precision
    return result
