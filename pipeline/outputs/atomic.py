"""A final file name exists only when the file is complete: write beside it, fsync, rename."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from pipeline.errors import ResourceError, UsageError

_FULL = {errno.ENOSPC: "the disk is full", errno.EDQUOT: "the quota is used up", errno.EFBIG: "the file is too large"}


@contextlib.contextmanager
def resource_errors(path: Path) -> Iterator[None]:
    """Tell a full disk, quota or file-size limit as ResourceError (exit 5)."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise ResourceError(
                f"{path}: {_FULL[error.errno]}; what was finished is kept: free some space and run again with --resume"
            ) from error
        raise


def refuse_symlink(path: Path) -> None:
    """Raise UsageError where a symbolic link stands in the place of an output (it could lead the write elsewhere)."""
    if path.is_symlink():
        raise UsageError(f"{path}: a symbolic link stands where an output goes; remove it or choose another --output")


@contextlib.contextmanager
def atomic_file(path: Path, mode: int = 0o644) -> Iterator[BinaryIO]:
    """A binary file that becomes `path` when the block ends without an error, and else leaves nothing behind.

    `mode` is cut by the process's umask. Raises ResourceError when the disk is full, UsageError on a symlink.
    """
    refuse_symlink(path)
    with resource_errors(path):
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name[:100]}.", suffix=".part", dir=path.parent)
        temporary = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as handle:
                os.fchmod(handle.fileno(), mode & ~_umask())
                yield handle
                handle.flush()
                os.fsync(handle.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


def atomic_write(path: Path, data: bytes | str, mode: int = 0o644) -> None:
    """Write `data` (text as UTF-8) to `path`, wholly or not at all."""
    with atomic_file(path, mode) as handle:
        handle.write(data.encode() if isinstance(data, str) else data)


def sync_folder(folder: Path) -> None:
    """Make renames in `folder` survive a power cut, where the file system can."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # some network file systems cannot sync a folder
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _umask() -> int:
    # Reading the mask means setting it; nothing else of this process makes files between the two calls' microseconds.
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
