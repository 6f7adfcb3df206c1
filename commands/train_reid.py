"""`run.py train-reid --config configs/reid_light.yaml --data PATH`: train a re-identification network."""

from __future__ import annotations

import argparse
import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from commands import ROOT
from commands.progress import TrainProgress
from pipeline import yaml_strict
from pipeline.config import RuntimeConfig
from pipeline.config_words import nearest
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from reid.datasets import CropTable
    from reid.distributed import Workers
    from reid.teacher_maps import Maps
    from reid.train import TrainData
    from reid.train_config import TrainConfig

logger = logging.getLogger(__name__)

CACHE = ROOT / ".cache" / "reid"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    add("--config", type=Path, required=True, metavar="YAML", help="e.g. configs/reid_light.yaml")
    add("--data", type=Path, required=True, metavar="PATH", help="a folder or tar of crops, or a folder of such sets")
    add("--output", type=Path, default=Path("runs/train-reid"), metavar="DIR", help="checkpoint, log and weights")
    add("--resume", action="store_true", help="go on from the checkpoint in --output")
    add("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    add("--threads", type=int, default=0, metavar="N", help="CPU threads (default: all cores)")
    add("--steps", type=int, metavar="N", help="stop after N more steps, resumable")
    add("--max-minutes", type=float, metavar="M", help="anneal over M minutes instead of the epochs of --config")


def run(args: argparse.Namespace) -> int:
    """Train, then write weights and card to --output. Raises UsageError."""
    config = load_train_config(args.config)
    if args.max_minutes is not None:
        config = config.model_copy(update={"max_minutes": args.max_minutes})
    if (args.output / "checkpoint.pt").exists() and not args.resume:
        raise UsageError(f"{args.output}: holds a training already; add --resume, or name another --output")
    if config.precision == "f16" and args.device == "cpu":
        raise UsageError("precision f16 is for GPUs; use bf16 or f32 on a CPU")
    from reid.distributed import join_workers, leave_workers  # noqa: PLC0415 - torch
    from runtime.network import choose_device  # noqa: PLC0415

    workers, device = join_workers(choose_device(args.device))
    try:
        return _train(args, config, workers, device)
    finally:
        leave_workers(workers)


def _train(args: argparse.Namespace, config: TrainConfig, workers: Workers, device: str) -> int:
    runtime = RuntimeConfig(threads=args.threads)
    if not workers.first:
        logging.getLogger("reid").setLevel(logging.WARNING)
    data = workers.first_ahead(lambda: load_data(config, args.data, runtime, CACHE))  # it fills the cache for all

    from reid.train import Trainer, prepare_torch  # noqa: PLC0415 - torch, after all that can fail without it

    prepare_torch(args.threads)
    trainer = Trainer(config, data, args.output, device, workers)
    if args.resume:
        trainer.resume()
    if workers.first:
        logger.info(
            "%d crops, %d identities, %d process(es) on %s, batches of %d",
            len(data.labelled), trainer.classes, workers.size, trainer.device, trainer.crops_per_step,
        )  # fmt: skip
    try:
        with TrainProgress(trainer.total_steps) as tell:
            trainer.run(max_steps=args.steps, tell=tell if workers.first else None)
    except KeyboardInterrupt:
        trainer.save()
        raise
    if not workers.first:
        return 0
    each = f", {trainer.crops_per_s / workers.size:.0f} each of {workers.size} processes" if workers.size > 1 else ""
    speed = f"{trainer.crops_per_s:.0f} crops/s on {trainer.device}{each}"
    if trainer.progress >= 1:
        path = trainer.export(args.output / "weights.safetensors")
        print(f"{path}: {trainer.step} steps, {speed}; `run.py evaluate-reid --weights {path}` scores it")
    else:
        print(f"{args.output}: stopped at step {trainer.step}, {speed}; --resume goes on")
    return 0


def load_train_config(path: Path) -> TrainConfig:
    """The settings of a YAML file. Raises UsageError that names the first fault."""
    from reid.train_config import TrainConfig  # noqa: PLC0415 - keep --help light

    try:
        data = yaml_strict.parse(path.read_text(encoding="utf-8")).data or {}
        return TrainConfig.model_validate_json(json.dumps(data))
    except (OSError, UnicodeDecodeError, yaml_strict.StrictYamlError) as error:
        raise UsageError(f"{path}: cannot read the training settings ({error})") from None
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in fault["loc"])
        unknown = fault["type"] == "extra_forbidden"
        hint = nearest(fault["loc"], TrainConfig.model_json_schema()) if unknown else f": {fault['msg']}"
        raise UsageError(f"{path}: {key or 'settings'}{' is not a setting' if unknown else ''}{hint}") from None


def load_data(config: TrainConfig, root: Path, runtime: RuntimeConfig, cache: Path) -> TrainData:
    """Decode the sets, hold back identities, ask the teacher. Paths of the sets are relative to `root`."""
    import numpy as np  # noqa: PLC0415

    from reid import build_embedder, datasets  # noqa: PLC0415
    from reid.teacher import side_by_side, teacher_key, teacher_vectors  # noqa: PLC0415
    from reid.train import TrainData  # noqa: PLC0415

    stored = config.stored_size_wh
    paths = [root / name if name else root for name in config.data or ("",)]
    for path in paths:
        if config.data and not path.exists():
            raise UsageError(
                f"{path}: no such folder or tar of crops; the sets of `data` are looked for in --data {root}"
            )
        datasets.tell_counts(path, config.split)
    tables = [datasets.load_crops(path, stored, cache, config.split) for path in paths]
    if config.keypoints is not None:
        folder = root / config.keypoints
        tables = [
            datasets.with_keypoints(table, path, folder / f"{path.stem}.json")
            for table, path in zip(tables, paths, strict=True)
        ]
    unknown = sorted(set(config.hold_out) - {table.names[0] for table in tables})
    if unknown:
        raise UsageError(f"hold_out names {unknown[0]}, which is none of {', '.join(t.names[0] for t in tables)}")
    tables = [
        datasets.split_identities(table, config.hold_out[table.names[0]], seed=0)[0]
        if table.names[0] in config.hold_out
        else table
        for table in tables
    ]
    loose = [datasets.load_unlabelled(root / name, stored, cache) for name in config.unlabelled]
    labelled = datasets.join(tables)
    unlabelled = datasets.join(loose) if loose else None
    if not config.teachers:
        return TrainData(labelled, None, unlabelled, None)
    if config.teacher_blocks is not None:
        from reid.teacher_blocks import BlockTeacher  # noqa: PLC0415

        teacher = BlockTeacher(config.teachers[0], config.teacher_blocks, runtime)
        return TrainData(labelled, None, unlabelled, block_teacher=teacher)
    embedders = [(build_embedder(teacher, runtime), teacher_key(teacher, runtime)) for teacher in config.teachers]
    vectors = [
        [side_by_side([teacher_vectors(table, *one, cache) for one in embedders]) for table in part]
        for part in (tables, loose)
    ]
    maps: list[Maps | None] = [None, None]
    if config.teacher_maps is not None:
        maps = _teacher_maps(config, tables, loose, runtime, cache)
    unlabelled_vectors = np.concatenate(vectors[1]) if loose else None
    return TrainData(labelled, np.concatenate(vectors[0]), unlabelled, unlabelled_vectors, maps[0], maps[1])


def _teacher_maps(
    config: TrainConfig, tables: list[CropTable], loose: list[CropTable], runtime: RuntimeConfig, cache: Path
) -> list[Maps | None]:
    """The reduced maps of the labelled and of the unlabelled crops."""
    import numpy as np  # noqa: PLC0415

    from reid.teacher_maps import MapTeacher, components, raw_maps  # noqa: PLC0415

    settings = config.teacher_maps
    assert settings is not None  # noqa: S101 - its caller asked
    teachers = [MapTeacher(*pair, settings.grid_wh) for pair in zip(config.teachers, settings.layers, strict=True)]
    raw = [
        [[raw_maps(table, teacher, runtime, cache) for teacher in teachers] for table in part]
        for part in (tables, loose)
    ]
    basis = components([*raw[0], *raw[1]], settings.dimension)
    return [np.concatenate([basis.reduced(table) for table in part]) if part else None for part in raw]
