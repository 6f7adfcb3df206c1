"""The recipe of the detector's training as pydantic models; `configs/detector_n.yaml` holds the one that was used."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from pipeline.config import Fraction, Section


class SourceSettings(Section):
    """One set of labelled images below the data folder: `<name>.tar` or a folder `<name>`."""

    weight: float = Field(gt=0, description="Share of the pictures drawn from it, relative to the other sources.")
    stretch: tuple[float, float] = Field(
        default=(0.8, 1.25), description="Range of the factor on the width; above 1 where a set was squeezed square."
    )
    partial: bool = Field(default=False, description="Partly labelled: the teacher fills in the rest first.")


class Phase(Section):
    """A stretch of the training with one picture size."""

    until: Fraction = Field(description="Progress at which it ends.")
    size_px: int = Field(ge=64, le=1280, multiple_of=32)
    batch: int = Field(ge=1, le=1024)
    mosaic: Fraction = Field(default=0.6, description="Probability of a picture of 4 or 9 images.")


class TrainSettings(Section):
    """A whole training."""

    yaml: str = Field(default="yolov8n.yaml", description="Architecture as ultralytics names it; one class is put in.")
    seed: int = Field(default=0, ge=0)
    minutes: float | None = Field(default=None, gt=0, description="Length by the clock; else by `pictures`.")
    pictures: int = Field(default=600_000, ge=1, description="Length in pictures shown, when `minutes` is not given.")
    validation: Fraction = Field(default=0.1, description="Share of the groups held out, by hash.")
    sources: dict[str, SourceSettings]
    left_out: tuple[str, ...] = Field(default=(), description="Sources never trained on: the cross-domain measure.")
    phases: tuple[Phase, ...]
    initial: Path | None = Field(
        default=None, description="Weights to begin with (.safetensors of this architecture); random ones without."
    )
    soft_targets: float = Field(
        default=0.0, ge=0, description="Weight of what the teachers of --soft-targets say beside the labels; 0 = none."
    )
    learning_rate: float = Field(default=0.002, gt=0)
    weight_decay: float = Field(default=0.02, ge=0)
    warm_up_steps: int = Field(default=300, ge=1)
    ema_decay: float = Field(default=0.998, gt=0, lt=1)
    compile: bool = Field(default=False, description="torch.compile; minutes at the start of each phase.")
    checkpoint_minutes: float = Field(default=4.0, gt=0)
    validate_minutes: float = Field(default=10.0, gt=0)
    validate_images: int = Field(default=200, ge=1)
