"""`--videos a.mp4 lobby=b.mp4,c.mp4 hall='rec/*.mp4'` -> cameras: an id and its files, every fault told at once."""

from __future__ import annotations

import difflib
import glob
import hashlib
import os
import re
import stat
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path

from pipeline.errors import UsageError
from pipeline.outputs.run_directory import CAMERA_ID
from pipeline.weights import sha256_of

CameraFiles = tuple[str, tuple[Path, ...]]

_URL = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*://|(?:concat|pipe|data|cache|subfile|crypto|tcp|udp|rtp|fd):)")
_PATTERN = re.compile(r"%[0-9]*d")
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?", re.IGNORECASE)
"""Device names of Windows, where a run directory may be copied to."""


def camera_id_from_path(path: Path) -> str:
    """The stem of a file made safe as an id: `[A-Za-z0-9._-]`, at most 64, nothing hidden, never empty."""
    stem = path.stem
    plain = unicodedata.normalize("NFKD", stem).encode("ascii", "ignore").decode()
    safe = re.sub(r"[^A-Za-z0-9._-]+", "_", plain).strip("._-")
    digest = hashlib.sha256(os.fsencode(unicodedata.normalize("NFC", stem))).hexdigest()[:8]
    if not safe:
        return f"camera-{digest}"
    if _RESERVED.fullmatch(safe):
        safe = f"camera-{safe}"
    # Two long names that differ only at the end stay different.
    return safe if len(safe) <= 64 else f"{safe[:55]}-{digest}"


def parse_videos(arguments: Sequence[str], *, allow_duplicates: bool = False) -> list[CameraFiles]:
    """The cameras of `--videos`, in the order given.

    `name=path` names a camera; commas or a glob behind a name are its segments in order. Raises UsageError (exit 2)
    with all wrong paths at once, and for two equal ids, or one video given twice (unless `allow_duplicates`).
    """
    if not arguments:
        raise UsageError("--videos: no video given; e.g. --videos cam1.mp4 cam2.mp4")
    cameras: list[CameraFiles] = []
    faults: list[str] = []
    for argument in arguments:
        name, text = _split_name(argument)
        paths = _segments(name, text, faults)
        if name is not None and not CAMERA_ID.fullmatch(name):
            hint = camera_id_from_path(Path(f"{name}.x"))
            faults.append(f"camera name {name!r} wants letters, digits, . _ - (at most 64), e.g. {hint}")
        elif paths:
            cameras.append((name or camera_id_from_path(paths[0]), paths))
    if faults:
        raise UsageError(f"--videos: {'; '.join(faults)}")
    _refuse_equal_ids(cameras)
    if not allow_duplicates:
        _refuse_duplicates(cameras)
    return cameras


def refuse_unknown_cameras(configured: Iterable[str], cameras: Iterable[str]) -> None:
    """Raise UsageError when the configuration names a camera that no video was given for."""
    known = list(cameras)
    for camera_id in configured:
        if camera_id not in known:
            close = difflib.get_close_matches(camera_id, known, n=1)
            hint = f"nearest: {close[0]}" if close else f"cameras of this run: {', '.join(known)}"
            raise UsageError(f"configuration: cameras.{camera_id} is not among the videos; {hint}")


def _split_name(argument: str) -> tuple[str | None, str]:
    """`name=path`; a text that is a path as a whole, or has a slash before the =, has no name."""
    name, equals, rest = argument.partition("=")
    if not equals or "/" in name or os.path.lexists(argument) or _URL.match(argument):
        return None, argument
    return name, rest


def _segments(name: str | None, text: str, faults: list[str]) -> tuple[Path, ...]:
    if os.path.lexists(text):
        parts = [text]
    elif _URL.match(text):
        faults.append(f"{_masked(text)}: addresses are not read, only files; record it to a file first")
        return ()
    else:
        parts = text.split(",")
    paths: list[Path] = []
    for part in parts:
        if not os.path.lexists(part) and glob.has_magic(part):
            found = sorted(glob.glob(part), key=_natural)  # noqa: PTH207 - Path.glob takes no absolute patterns
            if name is None:
                faults.append(f"{part}: a pattern is one camera in segments and needs a name, e.g. lobby={part}")
            elif not found:
                faults.append(f"{part}: matches no file")
            paths += [Path(match) for match in found]
        else:
            paths.append(Path(part))
    for path in paths:
        if fault := _fault(path):
            faults.append(f"{path}: {fault}")
    return tuple(paths)


def _fault(path: Path) -> str | None:
    text = str(path)
    if "\x00" in text:
        return "a path cannot hold a NUL character"
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        if _PATTERN.search(text):
            return "image sequences are not read; make a video of them first"
        return "no such file"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    if stat.S_ISDIR(mode):
        return "is a folder; name the files, or a camera in segments as name='folder/*.mp4'"
    return None if stat.S_ISREG(mode) else "is not a regular file"


def _refuse_equal_ids(cameras: Sequence[CameraFiles]) -> None:
    seen: dict[str, CameraFiles] = {}
    for camera in cameras:
        other = seen.setdefault(camera[0].lower(), camera)  # equal by case is equal on many file systems
        if other is not camera:
            raise UsageError(
                f"--videos: {other[1][0]} and {camera[1][0]} would both be camera {camera[0]!r}; "
                f"name them, e.g. {other[0]}-1={other[1][0]} {camera[0]}-2={camera[1][0]}"
            )


def _refuse_duplicates(cameras: Sequence[CameraFiles]) -> None:
    """Equal files, by inode or by size and SHA-256: a video beside itself would link everybody to himself."""
    seen: dict[object, Path] = {}
    sizes: dict[int, list[Path]] = {}
    for path in [path for _, paths in cameras for path in paths]:
        status = path.stat()
        other = seen.setdefault((status.st_dev, status.st_ino), path)
        if other is not path:
            raise UsageError(f"--videos: {other} and {path} are the same file; --allow-duplicates if that is meant")
        if status.st_size:
            sizes.setdefault(status.st_size, []).append(path)
    for equal in (paths for paths in sizes.values() if len(paths) > 1):
        for path in equal:
            other = seen.setdefault(sha256_of(path), path)
            if other is not path:
                raise UsageError(
                    f"--videos: {other} and {path} have equal content; --allow-duplicates if that is meant"
                )


def _natural(text: str) -> list[tuple[int, str]]:
    """Sort key under which part-10 comes after part-9."""
    pieces = re.split(r"([0-9]+)", text)  # every second piece is digits
    return [(int(piece), "") if position % 2 else (0, piece) for position, piece in enumerate(pieces)]


def _masked(url: str) -> str:
    return re.sub(r"//[^/@]*@", "//***@", url)
