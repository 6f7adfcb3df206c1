"""The folder of one run: made, locked, and the only place that knows the names in it (docs: the run directory)."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import Literal

from pipeline.errors import UsageError
from pipeline.outputs.atomic import atomic_write, refuse_symlink
from pipeline.outputs.run_lock import LOCK, acquire, refuse_in_use, writable

Kind = Literal["mot", "tracklets", "overlay"]

CAMERA_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}")
"""A camera id, safe as a file name: no path, no leading dot or dash, at most 64 characters."""

MARKER = ".passerby-run"
_PER_CAMERA: dict[Kind, tuple[str, str]] = {
    "mot": ("mot", ".txt"),
    "tracklets": ("tracklets", ".txt"),
    "overlay": ("overlays", ".mp4"),
}
_FILES = (
    "trajectories.json",
    "run_report.json",
    "config.resolved.yaml",
    "evaluation.json",
    "online.json",
    "topology.svg",
    "run.log",
    "floor_plan.svg",
    "birds_eye.mp4",
)
_FOLDERS = ("mot", "tracklets", "overlays", "sheets", "store")
_KEPT = "store/corrections.yaml"
"""The user's own work: not even --overwrite takes it away."""


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """An existing run directory that this process holds the lock of. Use as a context manager, or `close()`."""

    root: Path
    resumed: bool = False
    fresh: bool = True
    """It did not exist before, or was empty: there is nothing in it that could be lost."""
    made: bool = True
    """It did not exist before."""
    _lock: int = field(default=-1, repr=False, compare=False)

    @classmethod
    def create(
        cls, path: Path | None = None, *, overwrite: bool = False, resume: bool = False, runs: Path = Path("runs")
    ) -> RunDirectory:
        """Make (or take over) the directory `path`; None: the next free `runs/<date>-NN`.

        Everything that could go wrong with writing is tried here, before any work: raises UsageError when the
        directory exists (without `overwrite` or `resume`), is no run directory, is in use or cannot be written.
        """
        if overwrite and resume:
            raise UsageError("--overwrite and --resume exclude each other: one drops the old run, the other goes on")
        if path is None:
            if resume or overwrite:
                raise UsageError(f"--{'resume' if resume else 'overwrite'} needs --output: which run is meant")
            root, found = _next_free(runs), "nothing"
        else:
            root = path
            found = _take(root, allowed=overwrite or resume)
        lock = acquire(root)
        try:
            _prepare(root)
        except BaseException:
            os.close(lock)
            raise
        old = found == "run"
        return cls(root, resumed=resume and old, fresh=not old, made=found == "nothing", _lock=lock)

    @classmethod
    def open(cls, root: Path) -> RunDirectory:
        """Take over the run in `root`, which must be one, to write into it; nothing is removed.

        Raises UsageError when it is none, is in use or cannot be written.
        """
        if not root.is_dir() or not is_run_directory(root):
            what = "no such run directory" if not root.exists() else "is no run directory"
            raise UsageError(f"{root}: {what}; want the --output of `run.py track`")
        return cls.create(root, resume=True)

    def path_for(self, camera_id: str, kind: Kind) -> Path:
        """`mot/<camera>.txt`, `tracklets/<camera>.txt` or `overlays/<camera>.mp4`; the folder is made."""
        folder, suffix = _PER_CAMERA[kind]
        return camera_file(_folder(self.root / folder), camera_id, suffix)

    @property
    def trajectories(self) -> Path:
        """trajectories.json."""
        return self.root / "trajectories.json"

    @property
    def floor_plan(self) -> Path:
        """floor_plan.svg."""
        return self.root / "floor_plan.svg"

    @property
    def config_before(self) -> Path:
        """store/config.before.yaml: the settings of the run, where `run.py relink --set` has changed them since."""
        return self.store / "config.before.yaml"

    @property
    def birds_eye(self) -> Path:
        """birds_eye.mp4."""
        return self.root / "birds_eye.mp4"

    @property
    def topology(self) -> Path:
        """topology.svg."""
        return self.root / "topology.svg"

    @property
    def report(self) -> Path:
        """run_report.json."""
        return self.root / "run_report.json"

    @property
    def config(self) -> Path:
        """config.resolved.yaml."""
        return self.root / "config.resolved.yaml"

    @property
    def log(self) -> Path:
        """run.log, what the run said; `--resume` goes on with it."""
        return self.root / "run.log"

    @property
    def evaluation(self) -> Path:
        """evaluation.json."""
        return self.root / "evaluation.json"

    @property
    def online(self) -> Path:
        """online.json."""
        return self.root / "online.json"

    @property
    def sheets(self) -> Path:
        """sheets/, readable by the owner only: pictures of people, made on request."""
        return _folder(self.root / "sheets", 0o700)

    @property
    def store(self) -> Path:
        """store/, readable by the owner only."""
        return _folder(self.root / "store", 0o700)

    def begin(self) -> None:
        """Remove what an earlier run left (of one that is resumed store/ and run.log stay): two are never mixed.

        Called when all that can be refused has been checked: until then nothing of the earlier run is touched.
        """
        if not self.fresh:
            _clear(self.root, keep=("store", "run.log") if self.resumed else ())

    def abandon(self) -> None:
        """Take a fresh directory away again: nothing was started in it."""
        if self.fresh:
            (self.root / MARKER).unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                (self.root / LOCK).unlink(missing_ok=True)
                if self.made:
                    self.root.rmdir()

    def close(self) -> None:
        """Give the lock back."""
        if self._lock >= 0:
            with contextlib.suppress(OSError):
                (self.root / LOCK).unlink(missing_ok=True)
                os.close(self._lock)

    def __enter__(self) -> RunDirectory:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


def camera_file(folder: Path, camera_id: str, suffix: str) -> Path:
    """`folder/<camera_id><suffix>`; raises UsageError for an id that is not safe as a name, or a symlink there."""
    if not CAMERA_ID.fullmatch(camera_id):
        raise UsageError(f"camera id {camera_id!r}: wants 1 to 64 of A-Z a-z 0-9 . _ - and no dot or dash in front")
    path = folder / f"{camera_id}{suffix}"
    refuse_symlink(path)
    return path


def is_run_directory(path: Path) -> bool:
    """Whether `path` holds the marker or a result of a run."""
    return (path / MARKER).is_file() or any(
        (path / name).is_file() for name in ("trajectories.json", "run_report.json")
    )


def _next_free(runs: Path) -> Path:
    today = date.today().isoformat()  # the operator's own day names the folder
    with writable(runs):
        runs.mkdir(parents=True, exist_ok=True)
        for number in range(1, 10_000):
            root = runs / f"{today}-{number:02d}"
            try:
                root.mkdir()
            except FileExistsError:
                continue
            return root
    raise UsageError(f"{runs}: more than 9999 runs of {today}; name one with --output")


def _take(root: Path, *, allowed: bool) -> Literal["nothing", "empty", "run"]:
    """Make `root`, or accept the one that is there. Returns what was there."""
    refuse_symlink(root)
    if root.exists():
        if not root.is_dir():
            raise UsageError(f"{root}: is a file; --output wants a folder")
        with writable(root):
            if not any(root.iterdir()):
                return "empty"
        refuse_in_use(root)
        if not is_run_directory(root):
            raise UsageError(f"{root}: holds other things than a run, nothing was touched; choose another --output")
        if not allowed:
            raise UsageError(
                f"{root}: exists; --overwrite replaces it, --resume goes on with it, or choose another --output"
            )
        return "run"
    with writable(root):
        root.mkdir(parents=True)
    return "nothing"


def _prepare(root: Path) -> None:
    """Marker and probe: a full or read-only disk is told now, not after hours."""
    with writable(root):
        atomic_write(root / MARKER, "A run directory of Passerby; docs/outputs.md tells what is in it.\n")
        for name in _FILES:
            refuse_symlink(root / name)
        for name in _FOLDERS:
            refuse_symlink(root / name)


def _clear(root: Path, keep: tuple[str, ...] = ()) -> None:
    """Remove what a run writes, by name; other files in the folder stay."""
    with writable(root):
        for name in _FILES:
            if name not in keep:
                (root / name).unlink(missing_ok=True)
        for name in _FOLDERS:
            target = root / name
            refuse_symlink(target)
            if name not in keep and target.exists():
                _remove(target, root / _KEPT)
        for leftover in (*root.glob(".*.part"), *root.glob("store/.*.part")):
            leftover.unlink()


def _remove(folder: Path, kept: Path) -> None:
    """Remove a folder, but for the file `kept` if it lies in it."""
    if kept.parent != folder or not kept.exists():
        shutil.rmtree(folder)
        return
    for path in folder.iterdir():
        if path == kept:
            continue
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def _folder(path: Path, mode: int = 0o755) -> Path:
    refuse_symlink(path)
    with writable(path):
        path.mkdir(mode=mode, exist_ok=True)
        if mode == 0o700:
            path.chmod(mode)  # a folder of an earlier run, or a copied one, may be wider
    return path
