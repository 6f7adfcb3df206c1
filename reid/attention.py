"""Where each branch of a network looks: attention maps, for pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
import torch

from pipeline.errors import UsageError
from pipeline.types import Float32, UInt8
from pipeline.weights import verify
from reid.architecture import BranchConfig
from reid.embedder import normalise, resize
from reid.export import load_mgn
from reid.mgn import Branch


def attention_maps(weights: Path, crops: Sequence[UInt8]) -> tuple[list[Float32], tuple[BranchConfig, ...]]:
    """One `(K, h, w)` array a branch, 0..1 for each crop, for K crops `(H, W, 3)` BGR; and the branches.

    A map is the sum over channels of the squared activations of the branch's last layer (Zagoruyko and Komodakis,
    "Paying More Attention to Attention", ICLR 2017, section 3.1), divided by its largest value. MGN: global 6 x 3,
    part-2 and part-3 12 x 6 cells at 96 x 192. Raises UsageError for weights that are not ours.
    """
    if weights.suffix != ".safetensors":
        raise UsageError(f"{weights}: attention maps need the network itself, a .safetensors file of ours")
    card = verify(weights)
    model = load_mgn(weights, card)
    images = np.stack([resize(crop, card.input_size_wh) for crop in crops])
    maps = []
    with torch.inference_mode():
        common = model.shared(torch.from_numpy(normalise(images)))
        for branch in model.branches:
            energy = cast(Branch, branch).rest(common).square().sum(1)
            maps.append((energy / energy.amax((1, 2), keepdim=True).clamp_min(1e-12)).numpy())
    return maps, model.architecture.branches
