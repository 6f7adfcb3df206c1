"""`run.py train-detector --config configs/detector_n.yaml --data PATH`: train a person detector from random weights."""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from pipeline import yaml_strict
from pipeline.config import DetectorConfig, RuntimeConfig
from pipeline.config_words import nearest
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from detectors.training.dataset import Complete, PackedImages
    from detectors.training.loop import Weights
    from detectors.training.settings import TrainSettings
    from evaluation.detection import DetectionResult
    from runtime.openvino_heads import YoloHeads

log = logging.getLogger(__name__)

WEIGHTS = "passerby_person_n.safetensors"
LEAST_CONFIDENCE = 0.01
"""For scores on the way; `evaluate-detector` begins lower."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    add("--config", type=Path, required=True, metavar="YAML", help="e.g. configs/detector_n.yaml")
    add(
        "--data", type=Path, required=True, metavar="DIR", help="folder with the sources of --config as tars or folders"
    )
    add("--output", type=Path, default=Path("runs/train-detector"), metavar="DIR", help="data, checkpoint and weights")
    add(
        "--teacher",
        metavar="MODEL",
        help="detector that fills in partly labelled sources (.pt, .onnx, OpenVINO folder)",
    )
    add(
        "--soft-targets",
        nargs="+",
        type=Path,
        default=[],
        metavar="MODEL",
        help="OpenVINO folders of YOLO exports whose heads teach beside the labels, in turns",
    )
    add("--resume", action="store_true", help="go on from the checkpoint in --output")
    add("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    add("--threads", type=int, default=0, metavar="N", help="CPU threads (default: all cores)")
    add("--steps", type=int, metavar="N", help="stop when N steps were made in all, resumable")
    add("--minutes", type=float, metavar="M", help="anneal over M minutes instead of the length in --config")


def run(args: argparse.Namespace) -> int:
    """Build the data, train, write weights, card and the held-out images to --output. Raises UsageError."""
    settings = load_settings(args.config)
    if args.minutes is not None:
        settings = settings.model_copy(update={"minutes": args.minutes})
    if (args.output / "checkpoint.pt").exists() and not args.resume:
        raise UsageError(f"{args.output}: holds a training already; add --resume, or name another --output")
    runtime = RuntimeConfig(device="cpu", threads=args.threads)
    data = build_data(settings, args.data, args.output, args.teacher, runtime)

    import cv2  # noqa: PLC0415 - heavy, after all that can fail without it

    from detectors.training.export import export  # noqa: PLC0415
    from detectors.training.loop import Trainer, limit_threads  # noqa: PLC0415
    from runtime.network import choose_device  # noqa: PLC0415

    limit_threads(args.threads)
    cv2.setNumThreads(1)  # pictures are small: threads of its own cost more than they give
    trainer = Trainer(settings, data, args.output, choose_device(args.device), load_teachers(args, settings, runtime))
    if args.resume:
        trainer.resume()
    log.info("%d images, %d held out, %s", len(data), len(data.rows(True, settings.validation)), trainer.device)
    score = make_score(settings, data)
    try:
        trainer.run(lambda weights: f"held out: {score(weights)}", stop_after=args.steps)
    except KeyboardInterrupt:
        trainer.save()
        raise
    if trainer.progress < 1:
        print(f"{args.output}: stopped at step {trainer.state.step}; --resume goes on")
        return 0
    path = args.output / WEIGHTS
    result = score(trainer.weights())
    metrics = {} if result is None else {f"held_out_{settings.phases[-1].size_px}/ap50": round(result.ap50, 4)}
    export(trainer.weights(), path, settings, metrics)
    print(f"{path}: card in {path.with_suffix('.json').name}; {result}")
    return 0


def load_teachers(args: argparse.Namespace, settings: TrainSettings, runtime: RuntimeConfig) -> list[YoloHeads]:
    """The heads of --soft-targets. Raises UsageError where the settings want some and none is given."""
    if settings.soft_targets and not args.soft_targets:
        raise UsageError(f"{args.config}: soft_targets is {settings.soft_targets:g}: name models with --soft-targets")
    if not args.soft_targets:
        return []
    from runtime.openvino_heads import YoloHeads  # noqa: PLC0415 - OpenVINO

    return [YoloHeads(path, 0, runtime) for path in args.soft_targets]


def load_settings(path: Path) -> TrainSettings:
    """The settings of a YAML file. Raises UsageError that names the first fault."""
    from detectors.training.settings import TrainSettings  # noqa: PLC0415 - keep --help light

    try:
        data = yaml_strict.parse(path.read_text(encoding="utf-8")).data or {}
        return TrainSettings.model_validate_json(json.dumps(data))
    except (OSError, UnicodeDecodeError, yaml_strict.StrictYamlError) as error:
        raise UsageError(f"{path}: cannot read the training settings ({error})") from None
    except ValidationError as error:
        faults = error.errors(include_url=False)  # a misspelt key also reads as a missing one: tell the former
        fault = next((each for each in faults if each["type"] == "extra_forbidden"), faults[0])
        key = ".".join(str(part) for part in fault["loc"])
        unknown = fault["type"] == "extra_forbidden"
        hint = nearest(fault["loc"], TrainSettings.model_json_schema()) if unknown else f": {fault['msg']}"
        raise UsageError(f"{path}: {key or 'settings'}{' is not a setting' if unknown else ''}{hint}") from None


def build_data(
    settings: TrainSettings, root: Path, output: Path, teacher: str | None, runtime: RuntimeConfig
) -> PackedImages:
    """Pack the sources below `root` into `output`/data, partly labelled ones completed by `teacher`."""
    from detectors.training.dataset import find_source, pack, write_held_out  # noqa: PLC0415

    sources = {name: find_source(root, name) for name in settings.sources}
    partial = [name for name, source in settings.sources.items() if source.partial]
    if partial and teacher is None:
        raise UsageError(f"{', '.join(partial)}: partly labelled, so --teacher MODEL has to fill in the rest")
    complete: dict[str, Complete] = {}
    if teacher is not None:
        from detectors import build_detector  # noqa: PLC0415
        from detectors.training.teacher import DOUBTFUL, fill_with  # noqa: PLC0415

        config = DetectorConfig(model=teacher, confidence=DOUBTFUL, batch_frames=1)
        complete = dict.fromkeys(partial, fill_with(build_detector(config, runtime)))
    whole = {name: path for name, path in sources.items() if name not in partial}
    write_held_out(whole, settings.validation, output / "held_out")
    return pack(sources, output / "data", complete)


def make_score(settings: TrainSettings, data: PackedImages) -> Callable[[Weights], DetectionResult | None]:
    """Scores weights on a fixed sample of the held-out images that are fully labelled, at the last phase's size."""
    import numpy as np  # noqa: PLC0415

    from detectors.training.predict import network_from, predict  # noqa: PLC0415
    from evaluation.detection import ImageBoxes, evaluate_detections  # noqa: PLC0415

    held_out = data.rows(validation=True, fraction=settings.validation)
    rows = [int(row) for row in held_out if not settings.sources[data.source[row]].partial]
    rows = [int(row) for row in np.random.default_rng(0).permutation(rows)[: settings.validate_images]]
    config = DetectorConfig(confidence=LEAST_CONFIDENCE)

    def score(weights: Weights) -> DetectionResult | None:
        network = network_from(weights, settings.yaml)
        found = predict(network, [data.image(row) for row in rows], settings.phases[-1].size_px, config)
        pairs = zip(rows, found, strict=True)
        return evaluate_detections(
            [
                ImageBoxes(*(a.astype(np.float64) for a in (data.boxes(row), boxes.xyxy, boxes.confidence)))
                for row, boxes in pairs
            ]
        )

    return score
