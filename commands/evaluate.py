"""`run.py evaluate RUN --truth DIR`: score what a run found against truth, with the ceilings beside it."""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import UsageError

if TYPE_CHECKING:
    from evaluation.mot_text import MotRows
    from evaluation.multi_camera import MultiCameraResult, TrackingResult
    from evaluation.partial import PartialResult

log = logging.getLogger(__name__)

_TRUTH_FORMS = "<camera>.txt, <camera>/gt.txt or <camera>/gt/gt.txt"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("run", type=Path, metavar="RUN", help="run directory, or any folder of <camera>.txt (MOT text)")
    parser.add_argument(
        "--truth",
        type=Path,
        required=True,
        metavar="DIR",
        help=f"folder of {_TRUTH_FORMS}, MOT text, ids that hold across cameras; or the file of the only camera",
    )
    parser.add_argument(
        "--partial-truth",
        action="store_true",
        help="the truth annotates only some people or frames: predictions far from it are ignored",
    )
    parser.add_argument(
        "--duplicates",
        choices=("error", "first"),
        default="error",
        help="an id twice in one frame of a prediction: refuse (default), or keep the first box",
    )
    parser.add_argument("--json", action="store_true", help="print the scores as JSON on stdout")


def run(args: argparse.Namespace) -> int:
    """Score, write RUN/evaluation.json where RUN is a run directory, print. Raises UsageError."""
    from commands.evaluation_span import within_run  # noqa: PLC0415
    from evaluation.multi_camera import evaluate_tracking  # noqa: PLC0415 - SciPy: --help stays quick without it
    from evaluation.partial import evaluate_partial  # noqa: PLC0415

    root: Path = args.run
    mot = root / "mot"
    predicted = _read(_prediction_files(mot if mot.is_dir() else root), duplicates=args.duplicates)
    truth = _read_truth(args.truth, predicted)
    _tell_unpaired(truth, predicted)
    truth = within_run(root, truth, predicted)
    scores: MultiCameraResult | PartialResult
    scores = evaluate_partial(truth, predicted) if args.partial_truth else evaluate_tracking(truth, predicted)
    content = json.dumps(as_json(scores), indent=1, allow_nan=False)
    if mot.is_dir():
        from pipeline.outputs.atomic import atomic_write  # noqa: PLC0415 - only a run directory is written to

        try:
            atomic_write(root / "evaluation.json", content + "\n")
        except OSError as error:
            raise UsageError(f"{root / 'evaluation.json'}: cannot write ({error.strerror})") from None
    if args.json:
        print(content)
        return 0
    from commands.evaluation_table import print_tables  # noqa: PLC0415 - rich, not needed for JSON

    tracklets = _read(_text_files(root / "tracklets"), duplicates="first") if mot.is_dir() else {}
    print_tables(truth, predicted, tracklets, scores)
    return 0


def as_json(scores: MultiCameraResult | PartialResult) -> dict[str, object]:
    """The scores as the JSON of docs/evaluation.md: fractions, 0..1."""
    from evaluation.partial import PartialResult  # noqa: PLC0415

    if isinstance(scores, PartialResult):
        return {
            "multi_camera": {"idf1": scores.idf1, "pair_f1": scores.pairs.f1},
            "per_camera": {camera: {"idf1": idf1} for camera, idf1 in scores.cameras.items()},
        }
    return {
        "multi_camera": _fractions(scores.total),
        "per_camera": {camera: _fractions(result) for camera, result in scores.cameras.items()},
    }


def _fractions(result: TrackingResult) -> dict[str, float]:
    return {
        "idf1": result.identity.idf1,
        "idp": result.identity.idp,
        "idr": result.identity.idr,
        "hota": result.hota.hota,
        "deta": result.hota.deta,
        "assa": result.hota.assa,
        "mota": result.clear.mota,
    }


def _text_files(folder: Path) -> dict[str, Path]:
    return {path.stem: path for path in sorted(folder.glob("*.txt")) if path.is_file()}


def _prediction_files(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder; want a run directory or a folder of <camera>.txt")
    files = _text_files(folder)
    if not files:
        raise UsageError(f"{folder}: holds no <camera>.txt; want a run directory or a folder of MOT text files")
    return files


def _read(files: Mapping[str, Path], *, duplicates: str) -> dict[str, MotRows]:
    from evaluation.mot_text import read_mot  # noqa: PLC0415

    return {c: read_mot(path, duplicates="first" if duplicates == "first" else "error") for c, path in files.items()}


def _read_truth(path: Path, predicted: Mapping[str, MotRows]) -> dict[str, MotRows]:
    """Truth by camera from a folder, or from a file where there is one camera."""
    from evaluation.mot_text import read_mot  # noqa: PLC0415

    if path.is_file():
        if len(predicted) != 1:
            names = ", ".join(predicted)
            raise UsageError(
                f"--truth {path}: one file, but there are {len(predicted)} cameras ({names}); give a folder"
            )
        return {next(iter(predicted)): read_mot(path, truth=True)}
    if not path.is_dir():
        raise UsageError(f"--truth {path}: no such folder")
    found: dict[str, Path] = _text_files(path)
    for file in sorted([*path.glob("*/gt.txt"), *path.glob("*/gt/gt.txt")]):
        camera = file.relative_to(path).parts[0]
        if camera in found:
            raise UsageError(f"--truth: both {found[camera]} and {file} are of camera {camera}; remove one")
        found[camera] = file
    if not found:
        raise UsageError(f"--truth {path}: holds no {_TRUTH_FORMS}")
    if not set(found) & set(predicted):
        raise UsageError(
            f"--truth {path}: none of its cameras ({_some(found)}) is among the predicted ones ({_some(predicted)}); "
            "name the files alike"
        )
    return {camera: read_mot(file, truth=True) for camera, file in found.items()}


def _tell_unpaired(truth: Mapping[str, MotRows], predicted: Mapping[str, MotRows]) -> None:
    if empty := sorted(set(truth) - set(predicted)):
        log.warning("no prediction for %s: counted as nobody found", ", ".join(empty))
    if unscored := sorted(set(predicted) - set(truth)):
        log.warning("no truth for %s: not scored", ", ".join(unscored))


def _some(names: Sequence[str] | Mapping[str, object]) -> str:
    listed = sorted(names)
    return ", ".join(listed[:8]) + (", ..." if len(listed) > 8 else "")
