"""What a training writes beside its weights: rows, and TensorBoard events that hold what was logged."""

from __future__ import annotations

import csv
import struct
from pathlib import Path

import pytest

from reid.train_log import EventLog, append_csv, crc32c


@pytest.mark.parametrize(
    ("data", "expected"),
    [(bytes(32), 0x8A9136AA), (b"\xff" * 32, 0x62A8AB43), (bytes(range(32)), 0x46DD794E), (b"123456789", 0xE3069283)],
)
def test_checksums_of_rfc_3720(data: bytes, expected: int) -> None:
    """Appendix B.4, and the check value of the catalogue of CRCs."""
    assert crc32c(data) == expected


def test_events_are_framed_records_with_the_scalars(tmp_path: Path) -> None:
    log = EventLog(tmp_path)
    log.add(300, {"loss": 1.5, "crops_per_s": 80.0})
    log.add(301, {"loss": 1.25})
    data, records = log.path.read_bytes(), []
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        for content, crc in ((data[:8], data[8:12]), (data[12 : 12 + length], data[12 + length : 16 + length])):
            plain = crc32c(content)
            assert struct.unpack("<I", crc)[0] == ((plain >> 15 | plain << 17 & 0xFFFFFFFF) + 0xA282EAD8) % 2**32
        records.append(data[12 : 12 + length])
        data = data[16 + length :]
    assert len(records) == 3 and b"brain.Event:2" in records[0]
    assert b"\x10\xac\x02" in records[1]  # step 300 as a varint
    assert b"loss\x15" + struct.pack("<f", 1.5) in records[1]
    assert b"crops_per_s\x15" + struct.pack("<f", 80.0) in records[1]
    assert EventLog(tmp_path).path != log.path


def test_a_log_that_was_begun_with_fewer_columns_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("step,loss\n1,2.0\n")
    append_csv(path, {"step": 2, "loss": "1.0", "verification": "0.1"})
    with path.open() as handle:
        assert list(csv.reader(handle)) == [["step", "loss"], ["1", "2.0"], ["2", "1.0"]]
