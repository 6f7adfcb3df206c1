"""What a training tells: rows in log.csv, and the same as TensorBoard events.

The events are written by hand (TFRecord frames around two small protobuf messages): the tensorboard package and its
servers are needed to look at them, not to train.
"""

from __future__ import annotations

import csv
import struct
import time
from collections.abc import Mapping
from pathlib import Path

COLUMNS = (
    "step",
    "epoch",
    "minutes",
    "learning_rate",
    "loss",
    "identity",
    "triplet",
    "cosine",
    "relation",
    "crops_per_s",
    "contrastive",
    "verification",
    "maps",
    "blocks",
)
SELDOM = ("contrastive", "verification", "maps", "blocks")
"""Parts of the loss that are told only where there are any."""


def append_csv(path: Path, row: Mapping[str, float | str]) -> None:
    """One more row; a file begun with other columns keeps those."""
    columns: list[str] = list(COLUMNS)
    new = not path.exists()
    if not new:
        with path.open(newline="") as handle:
            columns = next(csv.reader(handle), columns)
    with path.open("a", newline="") as handle:
        writer = csv.DictWriter(handle, columns, extrasaction="ignore")
        if new:
            writer.writeheader()
        writer.writerow(dict(row))


class EventLog:
    """Scalars for TensorBoard in `folder`, one file a process start."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        number = len(list(folder.glob("events.out.tfevents.*")))  # two starts in one second are two files
        self.path = folder / f"events.out.tfevents.{int(time.time())}.passerby.{number}"
        self._write(_double(1, time.time()) + _bytes(3, b"brain.Event:2"))

    def add(self, step: int, scalars: Mapping[str, float]) -> None:
        """The `scalars` of `step`."""
        values = b"".join(
            _bytes(1, _bytes(1, name.encode()) + b"\x15" + struct.pack("<f", value)) for name, value in scalars.items()
        )
        self._write(_double(1, time.time()) + b"\x10" + _varint(step) + _bytes(5, values))

    def _write(self, event: bytes) -> None:
        length = struct.pack("<Q", len(event))
        frame = length + struct.pack("<I", _masked_crc(length)) + event + struct.pack("<I", _masked_crc(event))
        with self.path.open("ab") as handle:
            handle.write(frame)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def _bytes(field: int, content: bytes) -> bytes:
    return bytes([field << 3 | 2]) + _varint(len(content)) + content


def _double(field: int, value: float) -> bytes:
    return bytes([field << 3 | 1]) + struct.pack("<d", value)


def _table() -> tuple[int, ...]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)  # noqa: PLW2901 - Castagnoli's polynomial, reflected
        table.append(value)
    return tuple(table)


_CRC = _table()


def crc32c(data: bytes) -> int:
    """CRC-32C (RFC 3720, appendix B.4)."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC[(crc ^ byte) & 255]
    return crc ^ 0xFFFFFFFF


def _masked_crc(data: bytes) -> int:
    """As TFRecord wants it, rotated and shifted, so that a record of records has no telling checksum."""
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
