"""The training loop. A batch is a pure function of settings, data and step, so that a resumed run goes on exactly."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from pipeline.config import RuntimeConfig
from pipeline.errors import UsageError
from pipeline.types import Float32, UInt8
from pipeline.weights import WeightCard, load_card
from reid.augment import augment_placed, augment_posed
from reid.checkpoint import first_model, load_checkpoint, load_heads, save_checkpoint
from reid.datasets import CropTable
from reid.discriminant import can_be_fitted
from reid.distributed import Workers
from reid.embedder import normalise
from reid.export import save_mgn
from reid.finishing import with_discriminant
from reid.mgn import MGN, Mgn
from reid.objective import Batch, Student, all_losses
from reid.pose import part_boxes
from reid.sampler import IdentitySampler
from reid.schedule import build_optimiser, copy_of, float_buffers, learning_rate, update_average
from reid.teacher_blocks import BlockTeacher, begin_like, trunk_blocks
from reid.teacher_maps import Maps, placed_maps
from reid.train_config import TrainConfig
from reid.train_log import COLUMNS, SELDOM, EventLog, append_csv

logger = logging.getLogger(__name__)

Tell = Callable[["Trainer", Mapping[str, float]], None]
"""Called after each step with the parts of its loss."""

AUTOCAST = {"bf16": torch.bfloat16, "f16": torch.float16}


@dataclass(frozen=True, slots=True)
class TrainData:
    """Labelled crops, unlabelled crops (may be None), the teacher's unit vectors `(N, E)` and maps of both; or a
    teacher that is asked about each batch."""

    labelled: CropTable
    teacher: Float32 | None = None
    unlabelled: CropTable | None = None
    unlabelled_teacher: Float32 | None = None
    maps: Maps | None = None
    unlabelled_maps: Maps | None = None
    block_teacher: BlockTeacher | None = None


class Trainer:
    """Runs, checkpoints and resumes one training. `folder` gets log.csv, TensorBoard events and checkpoint.pt."""

    def __init__(
        self,
        config: TrainConfig,
        data: TrainData,
        folder: Path,
        device: str = "cpu",
        workers: Workers = Workers(),  # noqa: B008 - frozen
    ) -> None:
        if config.discriminant is not None and not can_be_fitted(data.labelled.identity):
            raise UsageError("discriminant: wants several people and several crops of one; add crops, or leave it out")
        torch.manual_seed(config.seed)
        self.config, self.data, self.folder, self.workers = config, data, folder, workers
        self.device = torch.device(device)
        model = first_model(config)
        self._seen_before = load_card(Path(config.initial)).training_data if config.initial else ()
        self.classes = int(data.labelled.identity.max()) + 1
        width = 0 if data.teacher is None else data.teacher.shape[1]
        width = width if data.block_teacher is None else data.block_teacher.dimension
        verifies, mapped = config.loss.verification > 0, 0 if data.maps is None else data.maps.shape[3]
        student = Student(model, self.classes, width, neck=config.neck, verifies=verifies, map_dimension=mapped)
        if config.initial and config.initial_heads:
            load_heads(student, config.initial)
        self.student = student.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = copy_of(self.student.model) if config.optimiser.ema else None
        parts = ((student.model, 1.0), (student.heads, config.optimiser.head_factor))
        self.optimiser = build_optimiser(
            config, (*parts, (student.to_teacher, 1.0), (student.verify, 1.0), (student.to_maps, 1.0))
        )
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=config.precision == "f16")
        self.own_identities = workers.share(config.identities)
        self.sampler = IdentitySampler(data.labelled.identity, config.identities, config.crops, config.seed)
        self.total_steps = max(1, round(config.epochs * self.sampler.steps_per_epoch))
        self.step, self.elapsed_s = 0, 0.0
        self._events: EventLog | None = None

    @property
    def progress(self) -> float:
        """0 at the start, 1 at the end."""
        if self.config.max_minutes is not None:
            return min(1.0, self.elapsed_s / (60 * self.config.max_minutes))
        return min(1.0, self.step / self.total_steps)

    @property
    def crops_per_step(self) -> int:
        """Of all processes."""
        own = self.own_identities * self.config.crops + (self.config.unlabelled_crops if self.data.unlabelled else 0)
        return own * self.workers.size

    @property
    def crops_per_s(self) -> float:
        """Mean over the whole run, all processes together, without logging and checkpoints."""
        return self.step * self.crops_per_step / self.elapsed_s if self.elapsed_s else 0.0

    @property
    def best_model(self) -> Mgn:
        """The averaged weights if there are any, else the current ones."""
        return self.average if self.average is not None else self.student.model

    def run(
        self,
        *,
        max_steps: int | None = None,
        checkpoint_s: float = 180.0,
        log_every: int = 20,
        tell: Tell | None = None,
    ) -> None:
        """Train to the end (or `max_steps` more); checkpoints every `checkpoint_s` and at the end."""
        self.folder.mkdir(parents=True, exist_ok=True)
        last_checkpoint = window_start = time.monotonic()
        window: list[dict[str, float]] = []
        crops = 0
        stop = math.inf if max_steps is None else self.step + max_steps
        while self.progress < 1 and self.step < stop:
            started = time.monotonic()
            batch = self.make_batch()
            parts = self.train_step(batch)
            now = time.monotonic()
            self.elapsed_s += now - started
            if self.config.max_minutes is not None:
                self.elapsed_s = self.workers.agree(self.elapsed_s)
            if not self.workers.first:
                continue
            window.append(parts)
            crops += self.crops_per_step
            if tell is not None:
                tell(self, parts)
            if self.step % log_every == 0:
                self._log(window, crops / (now - window_start))
                window, crops, window_start = [], 0, now
            if now - last_checkpoint > checkpoint_s:
                self.save()
                last_checkpoint = now
        if window:  # a short run is told too
            self._log(window, crops / max(1e-9, time.monotonic() - window_start))
        self.save()

    def save(self) -> None:
        """Write the checkpoint now; one process does."""
        if self.workers.first:
            save_checkpoint(self)

    def export(self, path: Path) -> Path:
        """Write the (averaged) network to `path` with a card that says how it was trained."""
        config = self.config
        own = (*self.data.labelled.names, *(self.data.unlabelled.names if self.data.unlabelled else ()))
        settings = {"trunk": config.trunk, "reduced": config.reduced, "training": config.model_dump(mode="json")}
        if config.architecture != MGN:
            settings["architecture"] = config.architecture.model_dump(mode="json")
        card = WeightCard(
            name=path.stem,
            file=path.name,
            sha256="",
            architecture=config.architecture.describe(config.trunk, config.reduced),
            input_size_wh=config.input_size_wh,
            licence="that of the training data",
            training_data=tuple(dict.fromkeys([*own, *self._seen_before])),
            settings=settings,
        )
        model = self.best_model
        if config.discriminant is not None:
            runtime = RuntimeConfig(device=str(self.device), threads=torch.get_num_threads())
            model = with_discriminant(model, self.data.labelled, config.input_size_wh, config.discriminant, runtime)
            card.settings["discriminant"] = model.output_dimension
        save_mgn(model, path, card)
        return path

    def resume(self) -> None:
        """Go on from checkpoint.pt. Raises UsageError when it is missing or of other settings."""
        load_checkpoint(self)

    def make_batch(self) -> Batch:
        """The batch of the current step: this process's share of it."""
        data, config, workers = self.data, self.config, self.workers
        rng = np.random.default_rng((config.seed, 2, self.step, *((workers.rank,) if workers.size > 1 else ())))
        size = config.size_at(self.progress)
        share = self.own_identities * config.crops
        rows = self.sampler.batch(self.step)[workers.rank * share : (workers.rank + 1) * share]
        boxes: Float32 | None = None
        places: list[Float32] = []
        images: list[UInt8]
        if data.labelled.keypoints is None:
            placed = [augment_placed(data.labelled.images[row], size, rng, config.augment) for row in rows]
            images, places = [image for image, _ in placed], [place for _, place in placed]
        else:
            points = data.labelled.keypoints
            posed = [augment_posed(data.labelled.images[r], points[r], size, rng, config.augment) for r in rows]
            images, boxes = [image for image, _ in posed], part_boxes(np.stack([p for _, p in posed]))
        identity = data.labelled.identity[rows]
        teacher = None if data.teacher is None else data.teacher[rows]
        if data.unlabelled is not None and config.unlabelled_crops:
            more = rng.choice(len(data.unlabelled), config.unlabelled_crops, replace=False)
            placed = [augment_placed(data.unlabelled.images[row], size, rng, config.augment) for row in more]
            images += [image for image, _ in placed]
            places += [place for _, place in placed]
            identity = np.concatenate([identity, np.full(len(more), -1, np.int64)])
            if teacher is not None and data.unlabelled_teacher is not None:
                teacher = np.concatenate([teacher, data.unlabelled_teacher[more]])
        maps: Float32 | None = None
        if data.maps is not None:
            cells = [data.maps[row] for row in rows]
            if data.unlabelled_maps is not None:
                cells += [data.unlabelled_maps[row] for row in more]
            maps = placed_maps(np.stack(cells), np.stack(places), (size[0] // 16, size[1] // 16))
        if data.block_teacher is not None:
            words = data.block_teacher(images)
            return Batch(np.stack(images), identity, words.vectors, boxes, None, words)
        return Batch(np.stack(images), identity, teacher, boxes, maps)

    def train_step(self, batch: Batch) -> dict[str, float]:
        """One step of the optimiser; the parts of the loss."""
        config = self.config
        self.student.train()
        if config.teacher_blocks is not None and self.progress >= config.teacher_blocks.apart_until:
            # a batch's own mean and spread are not what the teacher's norms use (measured: the osnet model card)
            self.student.model.shared.eval()
        rate = learning_rate(config, self.step, self.progress)
        for group in self.optimiser.param_groups:
            group["lr"] = rate * group["factor"]
        if self.student.verify is not None:  # dropout's draws too are a function of the step
            torch.manual_seed(config.seed * 1_000_003 + self.step * self.workers.size + self.workers.rank)
        images = torch.from_numpy(normalise(batch.images)).to(self.device)
        boxes = None if batch.boxes is None else torch.from_numpy(batch.boxes).to(self.device)
        dtype = AUTOCAST.get(config.precision)
        with torch.autocast(self.device.type, dtype or torch.bfloat16, enabled=dtype is not None):
            if batch.blocks is not None and self.step == 0 and config.initial is None:
                begin_like(trunk_blocks(self.student.model), batch.blocks)
                self.workers.average(weights.data for weights in self.student.model.shared.parameters())
            parts = all_losses(self.student, (images, boxes), batch, config, self.progress, self.workers)
        loss = torch.stack([weight * part for weight, part in parts.values()]).sum()
        if not bool(torch.isfinite(loss)):
            raise UsageError(
                f"step {self.step}: loss is {float(loss.detach())}; lower optimiser.learning_rate or set clip_norm"
            )
        self.optimiser.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        self.workers.average(p.grad for p in self.student.parameters() if p.grad is not None)
        if config.optimiser.clip_norm:
            self.scaler.unscale_(self.optimiser)
            nn.utils.clip_grad_norm_(self.student.parameters(), config.optimiser.clip_norm)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        if self.workers.size > 1:
            self.workers.average(float_buffers(self.student))
        self.step += 1
        if self.average is not None:
            update_average(self.average, self.student.model, config.optimiser.ema, self.step)
        return {
            "loss": float(loss.detach()),
            **{name: float(part.detach()) for name, (_, part) in parts.items()},
            "rate": rate,
        }

    def _log(self, window: list[dict[str, float]], crops_per_s: float) -> None:
        mean = {name: float(np.mean([row[name] for row in window if name in row])) for name in window[-1]}
        row: dict[str, float | str] = {
            **{name: f"{mean.get(name, 0.0):.4f}" for name in COLUMNS},
            "step": self.step,
            "epoch": f"{self.step / self.sampler.steps_per_epoch:.2f}",
            "minutes": f"{self.elapsed_s / 60:.2f}",
            "learning_rate": f"{mean['rate']:.3e}",
            "crops_per_s": f"{crops_per_s:.1f}",
        }
        append_csv(self.folder / "log.csv", row)
        if self._events is None:
            self._events = EventLog(self.folder)
        scalars = {name: value for name, value in mean.items() if name != "rate"}
        self._events.add(self.step, {**scalars, "learning_rate": mean["rate"], "crops_per_s": crops_per_s})
        told = [name for name in COLUMNS if name not in SELDOM or name in mean]
        logger.info("%3.0f %%  %s", 100 * self.progress, "  ".join(f"{name} {row[name]}" for name in told))


def prepare_torch(threads: int) -> None:
    """Settings of torch for a training process; 0 threads = all cores."""
    if threads:
        torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
