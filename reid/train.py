"""The training loop. A batch is a pure function of settings, data and step, so that a resumed run goes on exactly."""

from __future__ import annotations

import copy
import csv
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.errors import UsageError
from pipeline.types import Float32, Int64, UInt8
from pipeline.weights import WeightCard
from reid import losses
from reid.augment import augment
from reid.checkpoint import first_model, load_checkpoint, save_checkpoint
from reid.datasets import CropTable
from reid.embedder import normalise
from reid.export import save_mgn
from reid.mgn import IdentityHeads, Mgn, MgnFeatures
from reid.sampler import IdentitySampler
from reid.train_config import TrainConfig

logger = logging.getLogger(__name__)

COLUMNS = (
    "step",
    "epoch",
    "minutes",
    "learning_rate",
    "loss",
    "identity",
    "triplet",
    "cosine",
    "relation",
    "crops_per_s",
)


@dataclass(frozen=True, slots=True)
class TrainData:
    """Labelled crops, unlabelled crops (may be None) and the teacher's unit vectors `(N, E)` of both."""

    labelled: CropTable
    teacher: Float32 | None = None
    unlabelled: CropTable | None = None
    unlabelled_teacher: Float32 | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """`images (B, h, w, 3) uint8 BGR`; `identity (B,)`, -1 for unlabelled; `teacher (B, E)` or None."""

    images: UInt8
    identity: Int64
    teacher: Float32 | None


class Student(nn.Module):
    """The network with what is thrown away after training: classifiers and the map to the teacher's space."""

    def __init__(self, model: Mgn, classes: int, teacher_dimension: int, *, neck: bool = False) -> None:
        super().__init__()
        self.model = model
        self.heads = IdentityHeads(model.width, model.reduced, classes, neck=neck)
        self.to_teacher = nn.Linear(model.dimension, teacher_dimension) if teacher_dimension else None


class Trainer:
    """Runs, checkpoints and resumes one training. `folder` gets log.csv and checkpoint.pt."""

    def __init__(self, config: TrainConfig, data: TrainData, folder: Path, device: str = "cpu") -> None:
        torch.manual_seed(config.seed)
        self.config, self.data, self.folder = config, data, folder
        self.device = torch.device(device)
        model = first_model(config)
        self.classes = int(data.labelled.identity.max()) + 1
        width = 0 if data.teacher is None else data.teacher.shape[1]
        layout = torch.channels_last
        self.student = Student(model, self.classes, width, neck=config.neck).to(self.device, memory_format=layout)  # type: ignore[call-overload]
        self.average = _copy_of(self.student.model) if config.optimiser.ema else None
        self.optimiser = _optimiser(config, self.student)
        self.sampler = IdentitySampler(data.labelled.identity, config.identities, config.crops, config.seed)
        self.total_steps = max(1, round(config.epochs * self.sampler.steps_per_epoch))
        self.step, self.elapsed_s = 0, 0.0

    @property
    def progress(self) -> float:
        """0 at the start, 1 at the end."""
        if self.config.max_minutes is not None:
            return min(1.0, self.elapsed_s / (60 * self.config.max_minutes))
        return min(1.0, self.step / self.total_steps)

    @property
    def best_model(self) -> Mgn:
        """The averaged weights if there are any, else the current ones."""
        return self.average if self.average is not None else self.student.model

    def run(
        self,
        *,
        max_steps: int | None = None,
        checkpoint_s: float = 180.0,
        evaluate_s: float = 600.0,
        evaluate: Callable[[Mgn], str] | None = None,
        log_every: int = 20,
    ) -> None:
        """Train to the end (or `max_steps` more); checkpoints every `checkpoint_s` and at the end."""
        self.folder.mkdir(parents=True, exist_ok=True)
        last_checkpoint = last_evaluation = window_start = time.monotonic()
        window: list[dict[str, float]] = []
        crops = 0
        stop = math.inf if max_steps is None else self.step + max_steps
        while self.progress < 1 and self.step < stop:
            started = time.monotonic()
            batch = self.make_batch()
            window.append(self.train_step(batch))
            crops += len(batch.identity)
            now = time.monotonic()
            self.elapsed_s += now - started
            if self.step % log_every == 0:
                self._log(window, crops / (now - window_start))
                window, crops, window_start = [], 0, now
            if now - last_checkpoint > checkpoint_s:
                save_checkpoint(self)
                last_checkpoint = now
            if evaluate is not None and now - last_evaluation > evaluate_s:
                logger.info("step %d: %s", self.step, evaluate(self.best_model))
                last_evaluation = window_start = time.monotonic()
                window, crops = [], 0
        save_checkpoint(self)
        if evaluate is not None:
            logger.info("step %d: %s", self.step, evaluate(self.best_model))

    def save(self) -> None:
        """Write the checkpoint now."""
        save_checkpoint(self)

    def export(self, path: Path) -> Path:
        """Write the (averaged) network to `path` with a card that says how it was trained."""
        config = self.config
        card = WeightCard(
            name=path.stem,
            file=path.name,
            sha256="",
            architecture=f"MGN, {config.trunk} trunk, 8 x {config.reduced}",
            input_size_wh=config.input_size_wh,
            licence="that of the training data",
            training_data=(*self.data.labelled.names, *(self.data.unlabelled.names if self.data.unlabelled else ())),
            settings={"trunk": config.trunk, "reduced": config.reduced, "training": config.model_dump(mode="json")},
        )
        save_mgn(self.best_model, path, card)
        return path

    def resume(self) -> None:
        """Go on from checkpoint.pt. Raises UsageError when it is missing or of other settings."""
        load_checkpoint(self)

    def make_batch(self) -> Batch:
        """The batch of the current step."""
        data, config = self.data, self.config
        rng = np.random.default_rng((config.seed, 2, self.step))
        size = config.size_at(self.progress)
        rows = self.sampler.batch(self.step)
        images = [augment(data.labelled.images[row], size, rng, config.augment) for row in rows]
        identity = data.labelled.identity[rows]
        teacher = None if data.teacher is None else data.teacher[rows]
        if data.unlabelled is not None and data.unlabelled_teacher is not None and teacher is not None:
            more = rng.choice(len(data.unlabelled), config.unlabelled_crops, replace=False)
            images += [augment(data.unlabelled.images[row], size, rng, config.augment) for row in more]
            identity = np.concatenate([identity, np.full(len(more), -1, np.int64)])
            teacher = np.concatenate([teacher, data.unlabelled_teacher[more]])
        return Batch(np.stack(images), identity, teacher)

    def train_step(self, batch: Batch) -> dict[str, float]:
        """One step of the optimiser; the parts of the loss."""
        self.student.train()
        rate = learning_rate(self.config, self.step, self.progress)
        for group in self.optimiser.param_groups:
            group["lr"] = rate * group["factor"]
        images = torch.from_numpy(normalise(batch.images)).to(self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.precision == "bf16"):
            features = self.student.model.features(images)
            parts = self._losses(features, batch)
        loss = torch.stack([weight * part for weight, part in parts.values()]).sum()
        if not bool(torch.isfinite(loss)):
            raise UsageError(
                f"step {self.step}: loss is {float(loss.detach())}; lower optimiser.learning_rate or set clip_norm"
            )
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if self.config.optimiser.clip_norm:
            nn.utils.clip_grad_norm_(self.student.parameters(), self.config.optimiser.clip_norm)
        self.optimiser.step()
        self.step += 1
        if self.average is not None:
            _update_average(self.average, self.student.model, self.config.optimiser.ema, self.step)
        return {
            "loss": float(loss.detach()),
            **{name: float(part.detach()) for name, (_, part) in parts.items()},
            "rate": rate,
        }

    def _losses(self, features: MgnFeatures, batch: Batch) -> dict[str, tuple[float, Tensor]]:
        weights = self.config.loss
        known = int((batch.identity >= 0).sum())  # labelled rows come first
        identity = torch.from_numpy(batch.identity[:known]).to(self.device)
        labelled = MgnFeatures(*(tuple(vector[:known] for vector in group) for group in features))
        parts: dict[str, tuple[float, Tensor]] = {}
        if weights.identity:
            logits = self.student.heads(labelled)
            parts["identity"] = weights.identity, losses.identity_loss(logits, identity, weights.label_smoothing)
        if weights.triplet:
            each = [
                losses.batch_hard_triplet(vector, identity, weights.margin, weights.positives)
                for vector in labelled.reduced_global
            ]
            parts["triplet"] = weights.triplet, torch.stack(each).mean()
        if batch.teacher is not None and self.student.to_teacher is not None:
            teacher = torch.from_numpy(batch.teacher).to(self.device)
            ours = features.embedding()
            if weights.distil_cosine:
                mapped = self.student.to_teacher(ours)
                parts["cosine"] = weights.distil_cosine, losses.cosine_distillation(mapped, teacher)
            if weights.distil_relation:
                parts["relation"] = weights.distil_relation, losses.relational_distillation(ours, teacher)
        return parts

    def _log(self, window: list[dict[str, float]], crops_per_s: float) -> None:
        mean = {name: float(np.mean([row[name] for row in window])) for name in window[-1]}
        row = {
            **{name: f"{mean.get(name, 0.0):.4f}" for name in COLUMNS},
            "step": self.step,
            "epoch": f"{self.step / self.sampler.steps_per_epoch:.2f}",
            "minutes": f"{self.elapsed_s / 60:.2f}",
            "learning_rate": f"{mean['rate']:.3e}",
            "crops_per_s": f"{crops_per_s:.1f}",
        }
        path = self.folder / "log.csv"
        new = not path.exists()
        with path.open("a", newline="") as handle:
            writer = csv.DictWriter(handle, COLUMNS)
            if new:
                writer.writeheader()
            writer.writerow(row)
        logger.info("%3.0f %%  %s", 100 * self.progress, "  ".join(f"{name} {row[name]}" for name in COLUMNS))


def prepare_torch(threads: int) -> None:
    """Settings of torch for a training process; 0 threads = all cores."""
    if threads:
        torch.set_num_threads(threads)
    torch.set_flush_denormal(True)


def learning_rate(config: TrainConfig, step: int, progress: float) -> float:
    """The rate of `step`: linear warm-up, then steps or a half cosine down to 0 at progress 1."""
    options = config.optimiser
    if options.schedule == "cosine":
        factor = 0.5 * (1 + math.cos(math.pi * progress))
    else:
        factor = float(0.1 ** sum(progress >= drop for drop in options.drops))
    warm = min(1.0, (step + 1) / options.warm_up_steps) if options.warm_up_steps else 1.0
    return options.learning_rate * factor * warm


def _optimiser(config: TrainConfig, student: Student) -> torch.optim.Optimizer:
    options = config.optimiser
    groups = []
    for module, factor in ((student.model, 1.0), (student.heads, options.head_factor), (student.to_teacher, 1.0)):
        parameters = [] if module is None else list(module.parameters())
        matrices, vectors = [p for p in parameters if p.ndim > 1], [p for p in parameters if p.ndim <= 1]
        # AdamW's decay is meant for matrices; the paper's SGD decays all.
        plain = options.weight_decay if options.name == "sgd" else 0.0
        groups.append({"params": matrices, "weight_decay": options.weight_decay, "factor": factor})
        groups.append({"params": vectors, "weight_decay": plain, "factor": factor})
    groups = [group for group in groups if group["params"]]
    if options.name == "sgd":
        return torch.optim.SGD(groups, options.learning_rate, options.momentum)
    return torch.optim.AdamW(groups, options.learning_rate, fused=True)


def _copy_of(model: Mgn) -> Mgn:
    return copy.deepcopy(model).eval().requires_grad_(False)


@torch.no_grad()
def _update_average(average: nn.Module, model: nn.Module, decay: float, step: int) -> None:
    """Exponential mean of weights and norm statistics; short at first, so that the random start is forgotten."""
    decay = min(decay, (1 + step) / (10 + step))
    for mean, value in zip(average.state_dict().values(), model.state_dict().values(), strict=True):
        if mean.dtype.is_floating_point:
            mean.lerp_(value, 1 - decay)
        else:
            mean.copy_(value)
