"""store/<camera>.journal: what the detector found, frame by frame, so that `--resume` detects nothing twice.

Append-only. A head (what it was made with), then one record a frame: frame index, time, boxes and confidences as the
detector gave them (float32, bit for bit), each with a CRC-32. A record is handed to the kernel before the next batch is
detected, so `kill -9` costs one batch; a power cut may damage the tail, which is cut off and detected anew. The rest
of a run is cheap beside detection and is computed again, from the same boxes to the same result.

Size: 32 bytes a frame and 20 a box; 24 h at 25 1/s with 20 people are 0.9 GB. Memory: one record.
"""

from __future__ import annotations

import json
import logging
import os
import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np

from pipeline.errors import UsageError
from pipeline.outputs.atomic import resource_errors
from pipeline.outputs.fingerprint import Fingerprint
from pipeline.outputs.run_directory import camera_file
from pipeline.types import Detections, Detector, Frame

log = logging.getLogger(__name__)

SUFFIX = ".journal"
MAGIC = b"PASSERBY-JOURNAL-1\n"
_HEAD = struct.Struct("<II")
"""Length and CRC-32 of the JSON that follows."""
_RECORD = struct.Struct("<IIIqd")
"""CRC-32 of the rest, boxes, boxes dropped by the detector, frame index, time in s."""
_MOST_BOXES = 100_000
_MOST_HEAD_BYTES = 100_000


class DetectionJournal:
    """The journal of one camera: first what an earlier attempt left is given back in order, then it grows.

    That it fits the run is asked before, by `refuse_foreign_journal`. Raises ResourceError on a full disk.
    """

    def __init__(self, store: Path, camera_id: str, fingerprint: Fingerprint, *, resume: bool) -> None:
        self.path = camera_file(store, camera_id, SUFFIX)
        self.camera_id = camera_id
        self.recalled = 0
        """Frames that were not detected again."""
        head = json.dumps({"camera_id": camera_id, "fingerprint": asdict(fingerprint)}, sort_keys=True).encode()
        with resource_errors(self.path):
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_APPEND
            self._write = os.open(self.path, flags, 0o600)
        self._read = open(self.path, "rb")  # noqa: SIM115, PTH123 - closed by close()
        self._waiting = bytearray()
        self._recalling = resume and self._head_fits()
        if not self._recalling:
            self._cut(0)
            self._waiting += MAGIC + _HEAD.pack(len(head), zlib.crc32(head)) + head
            self.flush()
        self._good = os.fstat(self._write).st_size if not self._recalling else self._read.tell()

    def _head_fits(self) -> bool:
        """Whether the file begins with a head of ours; False for an empty or a damaged one, which is told."""
        made_with = _made_with(self._read, self.camera_id)
        if isinstance(made_with, str):
            log.warning("camera %s: %s is not usable (%s): detected anew", self.camera_id, self.path, made_with)
        return isinstance(made_with, Fingerprint)

    def recall(self, frame: Frame) -> Detections | None:
        """What was found in `frame` before; None when that is not known. Ask for the frames in order."""
        if not self._recalling:
            return None
        found = self._next(frame)
        if found is None:
            self._recalling = False
            lost = os.fstat(self._write).st_size - self._good
            if lost:
                log.warning(
                    "camera %s: the last %d bytes of %s are damaged or do not fit the video; detected anew from "
                    "frame %d on", self.camera_id, lost, self.path, frame.index,
                )  # fmt: skip
            self._cut(self._good)
            log.info("camera %s: detections of %d frames taken from the journal", self.camera_id, self.recalled)
            return None
        self._good = self._read.tell()
        self.recalled += 1
        return found

    def _next(self, frame: Frame) -> Detections | None:
        start = self._read.read(_RECORD.size)
        if len(start) < _RECORD.size:
            return None
        checksum, count, dropped, index, time_s = _RECORD.unpack(start)
        if count > _MOST_BOXES:
            return None
        values = self._read.read(20 * count)
        if len(values) < 20 * count or zlib.crc32(values, zlib.crc32(start[4:])) != checksum:
            return None
        if (index, time_s) != (frame.index, frame.time_s):
            return None
        numbers = np.frombuffer(values, "<f4")
        return Detections(numbers[: 4 * count].reshape(count, 4), numbers[4 * count :], dropped)

    def append(self, frame: Frame, detections: Detections) -> None:
        """Queue the record of a frame that `recall` did not know; `flush` writes it."""
        boxes, confidence = detections.xyxy.astype("<f4").tobytes(), detections.confidence.astype("<f4").tobytes()
        start = _RECORD.pack(0, len(detections), detections.dropped, frame.index, frame.time_s)
        checksum = zlib.crc32(boxes + confidence, zlib.crc32(start[4:]))
        self._waiting += struct.pack("<I", checksum) + start[4:] + boxes + confidence

    def flush(self) -> None:
        """Hand what waits to the kernel: from here on a kill costs nothing of it. Raises ResourceError."""
        with resource_errors(self.path):
            while self._waiting:
                del self._waiting[: os.write(self._write, self._waiting)]

    def remove(self) -> None:
        """The camera is done and has its checkpoint."""
        self.close()
        self.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the file; it stays for `--resume`."""
        if self._write >= 0:
            os.close(self._write)
            self._write = -1
            self._read.close()

    def _cut(self, size: int) -> None:
        with resource_errors(self.path):
            os.ftruncate(self._write, size)


def _made_with(handle: BinaryIO, camera_id: str) -> Fingerprint | str | None:
    """What the journal was made with, read from its head; None when it is empty, else what is wrong with it."""
    start = handle.read(len(MAGIC) + _HEAD.size)
    if not start:
        return None
    try:
        if not start.startswith(MAGIC):
            return "it does not begin as a journal"
        length, checksum = _HEAD.unpack(start[len(MAGIC) :])
        text = handle.read(min(length, _MOST_HEAD_BYTES))
        if len(text) != length or zlib.crc32(text) != checksum:
            return "its head is damaged"
        head = json.loads(text)
        made_with = Fingerprint(**head["fingerprint"])
        return made_with if head["camera_id"] == camera_id else f"it is of camera {head['camera_id']!r}"
    except (ValueError, KeyError, TypeError, struct.error) as error:
        return str(error)


def refuse_foreign_journal(store: Path, camera_id: str, fingerprint: Fingerprint) -> None:
    """Raise UsageError when the camera has a journal that was made with something else; nothing is changed."""
    path = camera_file(store, camera_id, SUFFIX)
    if path.exists():
        with path.open("rb") as handle:
            made_with = _made_with(handle, camera_id)
        if isinstance(made_with, Fingerprint) and (changed := made_with.difference(fingerprint)):
            raise UsageError(
                f"{path}: made with another {changed}; --resume wants the same: restore it, "
                "or start anew with --overwrite"
            )


class JournaledDetector:
    """A detector that asks the journals first, and is itself asked for the frames they do not know.

    What is found in a frame must not depend on the frames beside it in a batch (docs/reliability.md). Context manager:
    closes the journals, which stay for `--resume`.
    """

    def __init__(self, detector: Detector, open_journal: Callable[[str], DetectionJournal]) -> None:
        self._detector = detector
        self._open_journal = open_journal
        self._journals: dict[str, DetectionJournal] = {}

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """See `pipeline.types.Detector`. Raises ResourceError when the journal cannot grow."""
        known = [self._journal(frame.camera_id).recall(frame) for frame in frames]
        new = [frame for frame, found in zip(frames, known, strict=True) if found is None]
        fresh = self._detector.detect(new) if new else []
        for frame, found in zip(new, fresh, strict=True):
            self._journals[frame.camera_id].append(frame, found)
        for camera_id in {frame.camera_id for frame in new}:
            self._journals[camera_id].flush()
        rest = iter(fresh)
        return [next(rest) if found is None else found for found in known]

    def _journal(self, camera_id: str) -> DetectionJournal:
        if camera_id not in self._journals:
            self._journals[camera_id] = self._open_journal(camera_id)
        return self._journals[camera_id]

    def end(self, camera_id: str, *, remove: bool) -> None:
        """No more frames of this camera. `remove`: it has its checkpoint."""
        journal = self._journals.pop(camera_id, None)
        if journal is None and remove:
            journal = self._open_journal(camera_id)  # left by an earlier attempt
        if journal is not None:
            journal.remove() if remove else journal.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for journal in self._journals.values():
            journal.close()
