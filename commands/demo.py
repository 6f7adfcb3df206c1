"""`run.py demo`: render three cameras, track them as `run.py track` does, score the result, show it in one video."""

from __future__ import annotations

import argparse
import logging
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

from commands.synthesize import size

if TYPE_CHECKING:
    from commands.synthetic_set import SyntheticSet
    from pipeline.config import Config
    from pipeline.outputs.run_directory import RunDirectory

log = logging.getLogger(__name__)

PEOPLE, CAMERAS, SECONDS, SIZE_WH, FPS = 9, 3, 30.0, (960, 540), 10.0
SEED = 7
_SCENE, _MOSAIC = "scene", "mosaic.mp4"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments; nothing heavy is imported."""
    add = parser.add_argument
    add("--output", type=Path, default=Path("runs/demo"), metavar="DIR", help="run directory, replaced (runs/demo)")
    add("--seed", type=int, default=SEED, help=f"another number makes another scene (default {SEED})")
    add("--people", type=int, default=PEOPLE, metavar="N", help=f"how many people (default {PEOPLE})")
    add("--seconds", type=float, default=SECONDS, metavar="S", help=f"length of the videos (default {SECONDS:g})")
    add("--size", type=size, default=SIZE_WH, metavar="WxH", help=f"of the images (default {SIZE_WH[0]}x{SIZE_WH[1]})")
    add("--difficulty", default="easy", metavar="RUNG", help="a rung of docs/synthetic.md (default easy)")
    add("--set", action="append", default=[], dest="overrides", metavar="KEY=VALUE", help="one setting of the tracking")
    add("--device", metavar="DEVICE", help="auto, cpu, cuda or cuda:N")
    add("--no-render", action="store_true", help="write no overlays and no mosaic")


def run(args: argparse.Namespace) -> int:
    """Render, track, evaluate, tile. Returns what tracking returned. The truth is read by the evaluation alone."""
    from commands import evaluate, track_arguments  # noqa: PLC0415 - keep --help light
    from commands.model_files import refuse_missing_models  # noqa: PLC0415
    from commands.synthetic_set import SceneRequest, write_set  # noqa: PLC0415
    from commands.track_run import track  # noqa: PLC0415
    from pipeline.config_loading import load_config  # noqa: PLC0415
    from pipeline.errors import UsageError  # noqa: PLC0415
    from pipeline.outputs.run_directory import RunDirectory  # noqa: PLC0415

    if args.seed < 0:
        raise UsageError(f"--seed {args.seed}: want 0 or more")
    refuse_missing_models(load_config(None, [*args.overrides, "runtime.offline=true"]))  # not after the rendering
    root: Path = args.output
    request = SceneRequest(args.seed, args.people, CAMERAS, args.seconds, args.difficulty, args.size, FPS)
    started = time.monotonic()
    with RunDirectory.create(root, overwrite=root.exists()) as directory:
        _remove_old(root)
        log.info("1 of 4  rendering %d cameras, %d people, %g s", CAMERAS, args.people, args.seconds)
        scene = write_set(request, root / _SCENE)
        log.info("2 of 4  tracking them, with the bundled detector and embedder")
        tracking = _tracking_arguments(args, scene)
        code = track(
            tracking, _files(scene), _config(tracking, track_arguments.overrides(tracking)), directory, resumable=False
        )
        if code not in (0, 3):
            return code
        log.info("3 of 4  scoring against the truth, which nothing has read before")
        parser = argparse.ArgumentParser()
        evaluate.add_arguments(parser)
        words = [str(root), "--truth", str(scene.truth), *(["--json"] if args.json else [])]
        evaluate.run(parser.parse_args(words))
        if not args.no_render:
            log.info("4 of 4  putting all cameras side by side")
            _mosaic(directory, scene, tracking)
    log.info("the demo took %.0f s", time.monotonic() - started)
    if not args.json:
        print(_last_line(root, rendered=not args.no_render))
    return code


def _last_line(root: Path, *, rendered: bool) -> str:
    if rendered:
        return f"Open {root / _MOSAIC}: all cameras side by side, one colour a person. Results: {root}"
    return f"Open {root / 'trajectories.json'}: who was where, in every camera. Results: {root}"


def _remove_old(root: Path) -> None:
    """What an earlier demo left beside the run's own files (those are cleared by the run directory)."""
    scene = root / _SCENE
    if scene.is_dir() and not scene.is_symlink():
        shutil.rmtree(scene)
    for name in (_MOSAIC, "store/corrections.yaml"):
        (root / name).unlink(missing_ok=True)


def _tracking_arguments(args: argparse.Namespace, scene: SyntheticSet) -> argparse.Namespace:
    """The arguments of the `run.py track` that this is."""
    from commands import track_arguments  # noqa: PLC0415

    parser = argparse.ArgumentParser()
    track_arguments.add_arguments(parser)
    words = ["--videos", *(f"{name}={path}" for name, path in scene.videos.items())]
    words += ["--config", str(scene.config), "--offline"]
    words += [word for override in args.overrides for word in ("--set", override)]
    words += ["--device", args.device] if args.device else []
    words += ["--no-render"] if args.no_render else []
    parsed = parser.parse_args(words)
    parsed.json = False
    return parsed


def _files(scene: SyntheticSet) -> list[tuple[str, tuple[Path, ...]]]:
    return [(name, (path,)) for name, path in scene.videos.items()]


def _config(tracking: argparse.Namespace, overrides: list[str]) -> Config:
    from pipeline.config_loading import load_config  # noqa: PLC0415

    return load_config(tracking.config, overrides)


def _mosaic(directory: RunDirectory, scene: SyntheticSet, tracking: argparse.Namespace) -> None:
    from commands.mosaic import write_mosaic  # noqa: PLC0415
    from commands.progress import FrameProgress  # noqa: PLC0415

    overlays = {name: directory.path_for(name, "overlay") for name in scene.videos}
    overlays = {name: path for name, path in overlays.items() if path.is_file()}
    known = _config(tracking, []).cameras
    offsets = {name: known[name].time_offset_s for name in overlays if name in known}
    with FrameProgress("mosaic", {"all": None}) as progress:
        write_mosaic(
            overlays, directory.trajectories, directory.root / _MOSAIC, FPS, offsets_s=offsets,
            on_frame=lambda count: progress("all", count),
        )  # fmt: skip
