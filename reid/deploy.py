"""A network of ours as one file for other programs: ONNX or OpenVINO, dynamic batch, normalisation inside."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from pipeline.errors import UsageError
from pipeline.weights import WeightCard, save_card, sha256_of, verify
from reid.embedder import IMAGENET_MEAN, IMAGENET_STD
from reid.export import load_mgn
from reid.mgn import Mgn
from runtime.export import save_onnx, save_openvino

logger = logging.getLogger(__name__)

FORMATS = (".onnx", ".xml")


class Deployed(nn.Module):
    """`crops (N, 3, H, W)`, BGR, 0..255, at the network's size, to the embedding, not normalised.

    Colour order and normalisation lie inside, so that whoever runs the file cannot get them wrong. The vector is left
    as it is because a flip test adds the two vectors before it normalises.
    """

    scale: Tensor
    offset: Tensor

    def __init__(self, model: Mgn) -> None:
        super().__init__()
        self.model = model
        scale = 1 / (255 * torch.tensor(IMAGENET_STD))
        self.register_buffer("scale", scale.view(1, 3, 1, 1))
        self.register_buffer("offset", (torch.tensor(IMAGENET_MEAN) / torch.tensor(IMAGENET_STD)).view(1, 3, 1, 1))

    def forward(self, crops: Tensor) -> Tensor:
        """See the class."""
        rgb = torch.cat([crops[:, 2:3], crops[:, 1:2], crops[:, 0:1]], dim=1)
        result: Tensor = self.model(rgb * self.scale - self.offset)
        return result


def export(weights: Path, output: Path) -> WeightCard:
    """Write `weights` (.safetensors with its card) to `output` (.onnx or .xml) and a card beside it; the card.

    Raises UsageError for weights that are missing, damaged or cannot be exported, and for another suffix.
    """
    if output.suffix not in FORMATS:
        raise UsageError(f"{output}: the suffix says the format: .onnx or .xml (OpenVINO)")
    if weights.suffix != ".safetensors":
        raise UsageError(f"{weights}: only .safetensors weights of ours can be exported")
    card = verify(weights)
    model = load_mgn(weights, card)
    if model.architecture.needs_pose:
        raise UsageError(f"{weights}: pose-guided parts need joints beside the crop; such a network is not exported")
    width, height = card.input_size_wh
    metadata = {
        "passerby": "embedder 1",
        "name": card.name,
        "architecture": card.architecture,
        "input": f"crops: batch x 3 x {height} x {width}, BGR, 0..255; normalisation is inside",
        "output": f"embedding: batch x {model.output_dimension}, not normalised; compare by cosine",
        "licence": card.licence,
        "source_sha256": card.sha256,
    }
    output.parent.mkdir(parents=True, exist_ok=True)
    save = save_onnx if output.suffix == ".onnx" else save_openvino
    save(Deployed(model), (3, height, width), output, metadata)
    settings = {key: value for key, value in card.settings.items() if key != "training"}
    if output.suffix == ".xml":
        settings["bin_sha256"] = sha256_of(output.with_suffix(".bin"))
    card = replace(card, file=output.name, sha256=sha256_of(output), settings=settings)
    save_card(card, output)
    return card
