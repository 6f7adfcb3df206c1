"""The training loop: resumable, bf16, AdamW with a moving average of the weights and a cosine to the end.

A picture depends on (seed, its number) alone, so that a resumed training sees the pictures it would have seen.
"""

from __future__ import annotations

import copy
import logging
import math
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from detectors.training.augment import AugmentSettings, compose, photometric
from detectors.training.dataset import PackedImages
from detectors.training.network import DetectionLoss, PersonNetwork, load_initial, to_tensors
from detectors.training.settings import Phase, TrainSettings
from detectors.training.soft_targets import Teacher, soft_loss
from pipeline.types import Float32, Int64, UInt8

logger = logging.getLogger(__name__)

Weights = dict[str, Tensor]
Validate = Callable[[Weights], str]
"""Weights in, a line for the log out."""
MOSAIC_GRIDS = ((2, 0.75), (3, 0.25))
"""Cells a side of a mosaic, and how often: 3 x 3 brings people of 20 px."""


@dataclass(slots=True)
class State:
    """Where the training stands."""

    step: int = 0
    pictures: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Picture:
    """`image (S, S, 3)` BGR with `boxes (N, 4)` xyxy px; `clean` is the image before its light was changed."""

    image: UInt8
    boxes: Float32
    clean: UInt8


@dataclass(frozen=True, slots=True)
class Batch:
    """`images (N, 3, S, S)` uint8 RGB, `targets (M, 5)` (see `DetectionLoss`), and `clean` for the teachers."""

    images: Tensor
    targets: Tensor
    clean: Tensor


class PictureSource:
    """Draws pictures: source by weight, image at random, one image or a mosaic."""

    def __init__(self, data: PackedImages, settings: TrainSettings, augment: AugmentSettings) -> None:
        rows = data.rows(validation=False, fraction=settings.validation)
        self._data, self._settings, self._augment = data, settings, augment
        self._names = [name for name in settings.sources if any(data.source[row] == name for row in rows)]
        self._rows: dict[str, Int64] = {
            name: np.array([row for row in rows if data.source[row] == name], np.int64) for name in self._names
        }
        weights = np.array([settings.sources[name].weight for name in self._names])
        self._share = weights / weights.sum()

    def picture(self, number: int, phase: Phase) -> Picture:
        """The picture `(S, S, 3)` BGR with this number."""
        rng = np.random.default_rng((self._settings.seed, number))
        grid = 1
        if rng.random() < phase.mosaic:
            grid = int(rng.choice([g for g, _ in MOSAIC_GRIDS], p=[p for _, p in MOSAIC_GRIDS]))
        picks = []
        for _ in range(grid * grid):
            name = self._names[int(rng.choice(len(self._names), p=self._share))]
            row = int(rng.choice(self._rows[name]))
            picks.append((self._data.image(row), self._data.boxes(row), self._settings.sources[name].stretch))
        image, boxes = compose(picks, phase.size_px, self._augment, rng)
        return Picture(photometric(image, self._augment, rng), boxes, image)

    def batch(self, first: int, phase: Phase) -> Batch:
        """Pictures `first` to `first + phase.batch` as tensors; see `to_tensors` (images still uint8)."""
        made = [self.picture(first + k, phase) for k in range(phase.batch)]
        images, targets = to_tensors([picture.image for picture in made], [picture.boxes for picture in made])
        clean = to_tensors([picture.clean for picture in made], [])[0] if self._settings.soft_targets else images
        return Batch(images, targets, clean)


def phase_at(settings: TrainSettings, progress: float) -> Phase:
    """The phase at `progress` 0..1."""
    return next((phase for phase in settings.phases if progress < phase.until), settings.phases[-1])


def learning_rate(settings: TrainSettings, step: int, progress: float) -> float:
    """Linear warm-up, then a cosine to 1 % at the end."""
    cosine = 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))
    return settings.learning_rate * cosine * min(1.0, (step + 1) / settings.warm_up_steps)


class _Ahead:
    """Makes the next batches in a thread while the network works on this one."""

    def __init__(self, source: PictureSource, first: int, phase: Phase) -> None:
        self.phase = phase
        self._queue: queue.Queue[Batch | BaseException] = queue.Queue(maxsize=3)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, args=(source, first), daemon=True)
        self._thread.start()

    def _work(self, source: PictureSource, first: int) -> None:
        number = first
        while not self._stop.is_set():
            item: Batch | BaseException
            try:
                item = source.batch(number, self.phase)
            except Exception as error:  # handed to the training thread, which raises it
                item = error
            number += self.phase.batch
            while not self._stop.is_set():
                try:
                    self._queue.put(item, timeout=0.2)
                    break
                except queue.Full:
                    continue

    def next(self) -> Batch:
        item = self._queue.get()
        if isinstance(item, BaseException):
            raise item
        return item

    def close(self) -> None:
        self._stop.set()
        self._thread.join()


class Trainer:
    """Owns the network, its moving average and the optimiser; `run` trains to the end or to `stop_after` steps."""

    def __init__(
        self,
        settings: TrainSettings,
        data: PackedImages,
        directory: Path,
        device: str,
        teachers: Sequence[Teacher] = (),
    ) -> None:
        torch.manual_seed(settings.seed)
        self.settings, self.directory = settings, directory
        self.device = torch.device(device)
        network = PersonNetwork(settings.yaml)
        if settings.initial is not None:
            load_initial(network, settings.initial)
        self.network = network.to(self.device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
        self.average = copy.deepcopy(self.network).eval()
        self.loss = DetectionLoss(self.network)
        self.teachers = tuple(teachers)
        self.pictures = PictureSource(data, settings, AugmentSettings())
        decayed = [p for p in self.network.parameters() if p.ndim > 1 and p.requires_grad]
        plain = [p for p in self.network.parameters() if p.ndim <= 1 and p.requires_grad]
        groups = [{"params": decayed, "weight_decay": settings.weight_decay}, {"params": plain, "weight_decay": 0.0}]
        self.optimiser = torch.optim.AdamW(groups, lr=settings.learning_rate, betas=(0.9, 0.99), fused=True)
        self.state = State()
        self._forward: Any = torch.compile(self.network) if settings.compile else self.network

    @property
    def progress(self) -> float:
        """0 at the start, 1 or a little more at the end."""
        if self.settings.minutes is not None:
            return self.state.seconds / (60 * self.settings.minutes)
        return self.state.pictures / self.settings.pictures

    @property
    def checkpoint_path(self) -> Path:
        """Where the training can be resumed from."""
        return self.directory / "checkpoint.pt"

    def weights(self) -> dict[str, Tensor]:
        """The averaged weights under the names of ultralytics' DetectionModel, float32."""
        return {k: v.detach().cpu().clone() for k, v in self.average.detection.state_dict().items()}

    def save(self) -> None:
        """Write the checkpoint beside the old one, then put it in its place."""
        self.directory.mkdir(parents=True, exist_ok=True)
        partial = self.checkpoint_path.with_suffix(".partial")
        torch.save(
            {
                "network": self.network.state_dict(),
                "average": self.average.state_dict(),
                "optimiser": self.optimiser.state_dict(),
                "state": {"step": self.state.step, "pictures": self.state.pictures, "seconds": self.state.seconds},
            },
            partial,
        )
        partial.replace(self.checkpoint_path)

    def resume(self) -> None:
        """Go on from the checkpoint."""
        saved = torch.load(self.checkpoint_path, map_location=self.device, weights_only=True)
        self.network.load_state_dict(saved["network"])
        self.average.load_state_dict(saved["average"])
        self.optimiser.load_state_dict(saved["optimiser"])
        self.state = State(**saved["state"])

    def run(self, validate: Validate | None = None, stop_after: int | None = None) -> None:
        """Train to the end of the schedule (or until `stop_after` steps in all were made), saving on the way."""
        ahead: _Ahead | None = None
        saved = validated = shown = self.state.seconds
        recent = torch.zeros(4)
        since = self.state.step
        try:
            while (progress := self.progress) < 1:
                if stop_after is not None and self.state.step >= stop_after:
                    break
                started = time.monotonic()
                phase = phase_at(self.settings, progress)
                if ahead is None or ahead.phase != phase:
                    if ahead is not None:
                        ahead.close()
                    ahead = _Ahead(self.pictures, self.state.pictures, phase)
                recent += self.step(ahead.next(), progress) / phase.batch
                self.state.pictures += phase.batch
                self.state.seconds += time.monotonic() - started
                if self.state.seconds - shown > 30:
                    terms = " ".join(f"{v:.3f}" for v in recent / (self.state.step - since))
                    logger.info("step %d pictures %d progress %.3f size %d loss box/cls/dfl/soft %s",
                                self.state.step, self.state.pictures, progress, phase.size_px, terms)  # fmt: skip
                    shown, since, recent = self.state.seconds, self.state.step, torch.zeros(4)
                if self.state.seconds - saved > 60 * self.settings.checkpoint_minutes:
                    self.save()
                    saved = self.state.seconds
                if validate is not None and self.state.seconds - validated > 60 * self.settings.validate_minutes:
                    logger.info("step %d %s", self.state.step, validate(self.weights()))
                    validated = self.state.seconds
        finally:
            if ahead is not None:
                ahead.close()
        self.save()

    def step(self, batch: Batch, progress: float) -> Tensor:
        """One update; the loss terms `(4,)` summed over the batch: three of the labels, one of the teachers."""
        images, targets = batch.images, batch.targets
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.settings, self.state.step, progress)
        inputs = images.to(self.device).float().div_(255)
        with torch.autocast(self.device.type, torch.bfloat16):
            boxes, scores = self._forward(inputs)
        terms = self.loss(boxes, scores, targets, (images.shape[2], images.shape[3]))
        soft = terms.new_zeros(1)
        if self.teachers and self.settings.soft_targets:
            # They take turns: an ensemble for the time of one.
            teacher = self.teachers[self.state.step % len(self.teachers)]
            wanted = teacher(batch.clean.float().div_(255).contiguous().numpy())
            soft = self.settings.soft_targets * len(images) * soft_loss(boxes, scores, *wanted)
        terms = torch.cat([terms, soft.reshape(1)])
        self.optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(terms.sum() / len(images))
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 10.0)
        self.optimiser.step()
        self.state.step += 1
        self._update_average()
        return terms.detach().cpu()

    @torch.no_grad()
    def _update_average(self) -> None:
        # Short memory at first, as in ultralytics' ModelEMA (ramp of 2000 updates there; shorter trainings here).
        decay = self.settings.ema_decay * (1 - math.exp(-self.state.step / 500))
        means, values = self.average.state_dict().values(), self.network.state_dict().values()
        pairs = list(zip(means, values, strict=True))
        floats = [pair for pair in pairs if pair[0].dtype.is_floating_point]
        torch._foreach_lerp_([mean for mean, _ in floats], [value for _, value in floats], 1 - decay)
        for mean, value in pairs:
            if not mean.dtype.is_floating_point:
                mean.copy_(value)


def limit_threads(threads: int) -> None:
    """Let torch use `threads` threads; 0 leaves it as it is."""
    if threads:
        torch.set_num_threads(threads)
