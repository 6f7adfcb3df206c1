"""The trained weights as safetensors in half precision beside their card."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from detectors.training.settings import TrainSettings
from pipeline.weights import WeightCard, save_card, sha256_of

INPUT_PX = 640
LICENCE = "AGPL-3.0-or-later; trained on data sets of research terms"


def export(weights: dict[str, Tensor], path: Path, settings: TrainSettings, metrics: dict[str, float]) -> WeightCard:
    """Write `weights` (names of ultralytics' DetectionModel) as float16 to `path` and the card beside it.

    Raises ValueError for a weight that is not finite in float16.
    """
    half = {k: (v.half() if v.dtype.is_floating_point else v).contiguous() for k, v in weights.items()}
    for name, value in half.items():
        if value.dtype.is_floating_point and not bool(torch.isfinite(value).all()):
            raise ValueError(f"{name} holds values beyond float16; the training diverged")
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    save_file(half, partial)
    partial.chmod(0o644)  # safetensors writes it for the owner alone
    partial.replace(path)
    card = WeightCard(
        name=path.stem,
        file=path.name,
        sha256=sha256_of(path),
        architecture=f"{Path(settings.yaml).stem} (ultralytics), one class: person",
        input_size_wh=(INPUT_PX, INPUT_PX),
        licence=LICENCE,
        training_data=tuple(sorted(settings.sources)),
        settings={
            "yaml": settings.yaml,
            "classes": 1,
            "stride": 32,
            "colour": "RGB 0..1",
            "letterbox_grey": 114,
            "trained_px": [phase.size_px for phase in settings.phases],
        },
        metrics=metrics,
    )
    save_card(card, path)
    return card
