"""How the benchmark counts rows in which a printed rate is near the true one, and keeps vectors."""

from __future__ import annotations

import tarfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks import reid_vectors
from benchmarks.reid_scores import Printed, agreement


def test_a_rate_is_near_within_a_factor_or_within_what_the_count_allows() -> None:
    few = Printed(rate=0.09, wrong=1, all=40)  # .025 counted; 95 %: .0006 to .132
    assert few.interval == pytest.approx((0.00063, 0.1316), abs=1e-4)
    assert not few.near(2.0)
    assert not few.near(3.0)
    assert few.may_be_near(1.0)
    many = Printed(rate=0.09, wrong=100, all=4000)
    assert not many.may_be_near(2.0)
    assert Printed(rate=0.049, wrong=100, all=4000).near(2.0)


def test_where_nothing_is_wrong_the_count_still_allows_a_little() -> None:
    none = Printed(rate=0.05, wrong=0, all=19)
    assert none.interval == pytest.approx((0.0, 1 - 0.025 ** (1 / 19)))
    assert not none.near(2.0)
    assert none.may_be_near(1.0)
    assert str(none) == "0 of 19: 0.000 (0.050)"
    assert Printed(rate=0.0, wrong=0, all=19).near(2.0)
    assert Printed(rate=1.0, wrong=19, all=19).interval[1] == 1.0


def test_a_table_tells_how_many_rows_are_near() -> None:
    rates = [
        Printed(0.1, 10, 100),
        Printed(0.25, 10, 100),
        Printed(0.5, 10, 100),
        Printed(0.01, 0, 20),
        Printed(0, 0, 0),
    ]
    assert agreement("false", rates) == "| false | 1 of 4 | 2 of 4 | 3 of 4 | 2 of 4 | 1 |"


class CountingEmbedder:
    """Says a crop's mean colour, and how often it was asked."""

    asked = 0

    def embed(self, crops: list[np.ndarray]) -> np.ndarray:
        CountingEmbedder.asked += 1
        return np.stack([crop.mean((0, 1)) for crop in crops]).astype(np.float32)


def test_vectors_are_kept_by_what_is_in_the_weight_file(tmp_path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    """Weights were trained anew under their old name, and the table was made of the old vectors."""
    monkeypatch.setattr(reid_vectors, "build_embedder", lambda *_: CountingEmbedder())
    monkeypatch.setattr(CountingEmbedder, "asked", 0)
    with tarfile.open(tmp_path / "set.tar", "w") as archive:
        for name, grey in (("7_c1_0", 10), ("7_c2_0", 200)):
            picture = tmp_path / f"{name}.png"
            cv2.imwrite(str(picture), np.full((8, 4, 3), grey, np.uint8))
            archive.add(picture, picture.name)
    weights, moved = tmp_path / "weights.onnx", tmp_path / "moved" / "weights.onnx"
    moved.parent.mkdir()
    for file in (weights, moved):
        file.write_bytes(b"first training")

    def vectors(file: Path) -> np.ndarray:
        return reid_vectors.embedded(tmp_path / "set.tar", str(file), "onnx", tmp_path / "cache").vector

    first = vectors(weights)
    assert first[:, 0].tolist() == [10, 200]
    assert (vectors(moved) == first).all()
    assert CountingEmbedder.asked == 1
    weights.write_bytes(b"second training")
    vectors(weights)
    assert CountingEmbedder.asked == 2
