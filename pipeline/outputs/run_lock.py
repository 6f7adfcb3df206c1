"""The lock of a run directory: one process writes into it at a time."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
from collections.abc import Iterator
from pathlib import Path

from pipeline.errors import UsageError
from pipeline.outputs.atomic import resource_errors

log = logging.getLogger(__name__)

LOCK = ".lock"


@contextlib.contextmanager
def writable(path: Path) -> Iterator[None]:
    """What the file system refuses inside becomes a UsageError that names `path`."""
    try:
        with resource_errors(path):
            yield
    except OSError as error:
        raise UsageError(f"{path}: cannot write here ({error.strerror}); choose another --output") from None


def acquire(root: Path) -> int:
    """The descriptor of the lock file in `root`, which holds the pid. The kernel drops the lock of a dead process.

    Raises UsageError when another process holds it.
    """
    path = root / LOCK
    with writable(path):
        while True:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
            try:
                if _hold(descriptor, root):
                    return descriptor
            except BaseException:  # a full disk, for one
                os.close(descriptor)
                raise
            os.close(descriptor)


def refuse_in_use(root: Path) -> None:
    """Raise UsageError when another process holds the lock of `root`; nothing is written."""
    try:
        descriptor = os.open(root / LOCK, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return  # no lock, or none that could be asked: whoever wants to write is told by acquire
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        raise _in_use(root, descriptor) from None
    except OSError:
        pass
    finally:
        os.close(descriptor)


def _in_use(root: Path, descriptor: int) -> UsageError:
    pid = os.read(descriptor, 32).decode("ascii", "replace").strip() or "unknown"
    return UsageError(f"{root}: in use by another run (pid {pid}); wait for it or choose another --output")


def _hold(descriptor: int, root: Path) -> bool:
    """Lock the file and write the pid into it; False where its last owner has removed it meanwhile."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise _in_use(root, descriptor) from None
    except OSError as error:  # a file system without locks
        log.warning("%s: cannot lock (%s); do not start a second run here", root, error.strerror)
    with contextlib.suppress(FileNotFoundError):
        if (root / LOCK).stat().st_ino == os.fstat(descriptor).st_ino:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
            return True
    return False
