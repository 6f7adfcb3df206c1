"""Where a training run begins, and its checkpoints: written whole or not at all, read without unpickling code."""

from __future__ import annotations

import hashlib
import json
import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from pipeline.errors import UsageError
from pipeline.weights import verify
from reid.export import load_mgn
from reid.mgn import Mgn
from reid.train_config import TrainConfig

if TYPE_CHECKING:
    from reid.objective import Student
    from reid.train import Trainer

NAME = "checkpoint.pt"
MAPS = "to_maps."
ADDED = {
    "": ("architecture", "keypoints", "split", "initial_heads", "teacher_maps", "teacher_blocks"),
    "loss": ("soft_margin", "contrastive", "contrastive_margin", "verification", "distil_maps"),
}
"""Settings younger than the first checkpoints, by section: left at their defaults they do not count."""


def fingerprint(config: TrainConfig) -> str:
    """Hash of the settings that a resumed run may not change: all but its length and precision."""
    settings = config.model_dump(mode="json", exclude={"epochs", "max_minutes", "precision", "sizes"})
    defaults = TrainConfig().model_dump(mode="json")
    for section, names in ADDED.items():
        own, usual = (settings[section], defaults[section]) if section else (settings, defaults)
        for name in names:
            if own[name] == usual[name]:
                del own[name]
    return hashlib.sha256(json.dumps(settings, separators=(",", ":")).encode()).hexdigest()


def save_checkpoint(trainer: Trainer) -> None:
    """Write the state of `trainer` into its folder."""
    state = {
        "fingerprint": fingerprint(trainer.config),
        "step": trainer.step,
        "elapsed_s": trainer.elapsed_s,
        "student": trainer.student.state_dict(),
        "average": None if trainer.average is None else trainer.average.state_dict(),
        "optimiser": trainer.optimiser.state_dict(),
        "scaler": trainer.scaler.state_dict(),
    }
    trainer.folder.mkdir(parents=True, exist_ok=True)
    part = trainer.folder / (NAME + ".part")
    torch.save(state, part)
    part.replace(trainer.folder / NAME)


def load_checkpoint(trainer: Trainer) -> None:
    """Put the saved state into `trainer`. Raises UsageError when there is none or its settings differ."""
    path = trainer.folder / NAME
    if not path.is_file():
        raise UsageError(f"{path}: nothing to resume; start without --resume")
    state = _read(path, trainer.device)
    if state.get("fingerprint") != fingerprint(trainer.config):
        raise UsageError(f"{path}: made with other settings; resume with those, or start in a new folder")
    trainer.student.load_state_dict(state["student"])
    if trainer.average is not None:
        trainer.average.load_state_dict(state["average"])
    trainer.optimiser.load_state_dict(state["optimiser"])
    if state.get("scaler"):  # empty where nothing is scaled
        trainer.scaler.load_state_dict(state["scaler"])
    trainer.step, trainer.elapsed_s = int(state["step"]), float(state["elapsed_s"])


def first_model(config: TrainConfig) -> Mgn:
    """The network a training begins with: random, from ImageNet, or from weights of ours (`initial`).

    Raises UsageError for weights that are missing, not what their card says, or of another network.
    """
    if config.initial is None:
        imagenet = Path(config.imagenet) if config.imagenet else None
        return Mgn(config.trunk, config.reduced, imagenet, config.architecture)
    path = Path(config.initial)
    model = load_mgn(path, verify(path)).requires_grad_(True)
    theirs = model.architecture.describe(model.trunk, model.reduced)
    wanted = config.architecture.describe(config.trunk, config.reduced)
    if (model.architecture, theirs) != (config.architecture, wanted):
        raise UsageError(f"initial {path}: {theirs}, the settings ask for {wanted}; name weights of the same network")
    model.discriminant = None  # it is fitted anew at the end
    return model


def load_heads(student: Student, initial: str) -> None:
    """Put classifiers and the maps to the teacher into `student`, from the checkpoint.pt beside the weights `initial`.

    A checkpoint older than `teacher_maps` leaves the layers that map to those as they are: they are learned anew.
    Raises UsageError where there is none, or one of other people or another teacher.
    """
    path = Path(initial).with_name(NAME)
    if not path.is_file():
        raise UsageError(f"{path}: `initial_heads` wants the checkpoint of the training that made {initial}")
    heads = {key: value for key, value in _read(path, "cpu")["student"].items() if not key.startswith("model.")}
    wanted = {key: value.shape for key, value in student.state_dict().items() if not key.startswith("model.")}
    if not any(key.startswith(MAPS) for key in heads):
        wanted = {key: shape for key, shape in wanted.items() if not key.startswith(MAPS)}
    if {key: value.shape for key, value in heads.items()} != wanted:
        raise UsageError(f"{path}: heads for other people or another teacher; leave out `initial_heads`")
    student.load_state_dict(heads, strict=False)


def _read(path: Path, device: str | torch.device) -> dict[str, Any]:
    """What `save_checkpoint` wrote. Raises UsageError for a file that is damaged or something else."""
    try:
        state = torch.load(path, map_location=device, weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError) as error:
        reason = str(error).strip().split("\n")[0][:120]
        raise UsageError(f"{path}: damaged or no checkpoint ({reason}); start without it") from None
    if not isinstance(state, dict) or not isinstance(state.get("student"), dict):
        raise UsageError(f"{path}: no checkpoint of a training; start without it")
    return state
