"""Crops, their names and their joining; the P x K sampler."""

from __future__ import annotations

import tarfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import UsageError
from reid import datasets
from reid.augment import augment, colour_matrix
from reid.sampler import IdentitySampler
from reid.train_config import AugmentConfig

SIZE = (16, 32)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("0012_c2_003.webp", (12, 2)),
        ("set/7_c10_1.png", (7, 10)),
        ("-1_c3s2_000451_03.jpg", (-1, 3)),
        ("0001_c2_f0046182.jpg", (1, 2)),
    ],
)
def test_names(name: str, expected: tuple[int, int]) -> None:
    assert datasets.parse_name(name) == expected


@pytest.mark.parametrize("name", ["person.jpg", "12_3_4.jpg", "0012_c_003.jpg", "a12_c1_2.jpg"])
def test_a_name_of_another_form_is_refused_by_name(name: str) -> None:
    with pytest.raises(UsageError, match=name):
        datasets.parse_name(name)


def test_folder_and_tar_give_the_same_crops(tmp_path: Path, make_set: Callable[..., Path]) -> None:
    folder = make_set(tmp_path / "people")
    with tarfile.open(tmp_path / "people.tar", "w") as archive:
        archive.add(folder, "people")
    tables = [datasets.load_crops(path, SIZE, tmp_path / "cache") for path in (folder, tmp_path / "people.tar")]
    assert len(tables[0]) == 6 * 2 * 2
    for name in ("identity", "camera"):
        np.testing.assert_array_equal(getattr(tables[0], name), getattr(tables[1], name))
    np.testing.assert_array_equal(np.asarray(tables[0].images), np.asarray(tables[1].images))
    assert tables[0].images[0].shape == (32, 16, 3)


def test_the_cache_is_used_until_the_set_changes(tmp_path: Path, make_set: Callable[..., Path]) -> None:
    folder, cache = make_set(tmp_path / "people", identities=2), tmp_path / "cache"
    datasets.load_crops(folder, SIZE, cache)
    before = {file: file.stat().st_mtime_ns for file in cache.iterdir()}
    datasets.load_crops(folder, SIZE, cache)
    assert {file: file.stat().st_mtime_ns for file in cache.iterdir()} == before
    make_set(folder, identities=1, first=5)
    assert len(datasets.load_crops(folder, SIZE, cache)) == 3 * 4


def test_faults_of_a_set_are_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such folder or tar"):
        datasets.load_crops(tmp_path / "absent", SIZE, tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="holds no image"):
        datasets.load_crops(tmp_path / "empty", SIZE, tmp_path)
    (tmp_path / "text.tar").write_text("no tar")
    with pytest.raises(UsageError, match="not a readable tar"):
        datasets.load_crops(tmp_path / "text.tar", SIZE, tmp_path)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "0001_c1_000.jpg").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(UsageError, match="not an image that can be decoded"):
        datasets.load_crops(tmp_path / "broken", SIZE, tmp_path)


def test_joined_sets_keep_equal_numbers_apart(tmp_path: Path, make_set: Callable[..., Path]) -> None:
    sets = [make_set(tmp_path / name, identities=3) for name in ("a", "b")]
    tables = [datasets.load_crops(path, SIZE, tmp_path / "cache") for path in sets]
    joined = datasets.join(tables)
    assert sorted(np.unique(joined.identity)) == [0, 1, 2, 3, 4, 5]
    assert joined.names == ("a", "b")
    np.testing.assert_array_equal(joined.identity[joined.source == 1], tables[1].identity + 3)
    for row in (0, 11, 12, 23):
        np.testing.assert_array_equal(joined.images[row], tables[row // 12].images[row % 12])


def test_held_out_identities_are_in_one_part_only(tmp_path: Path, make_set: Callable[..., Path]) -> None:
    table = datasets.load_crops(make_set(tmp_path / "people"), SIZE, tmp_path / "cache")
    kept, held = datasets.split_identities(table, 2, seed=0)
    assert len(np.unique(held.identity)) == 2
    assert not set(held.identity) & set(kept.identity)
    assert len(kept) + len(held) == len(table)
    again = datasets.split_identities(table, 2, seed=0)[1]
    np.testing.assert_array_equal(held.identity, again.identity)
    with pytest.raises(UsageError, match="only 6 there"):
        datasets.split_identities(table, 7, seed=0)


def test_unlabelled_persons_are_cut_out_of_boxes(tmp_path: Path, make_boxes: Callable[[Path], Path]) -> None:
    table = datasets.load_unlabelled(make_boxes(tmp_path / "boxes.tar"), SIZE, tmp_path / "cache")
    assert table.identity.tolist() == [-1]  # the lying one is left out
    assert np.abs(np.asarray(table.images[0], int) - (10, 200, 30)).max() <= 2


def test_batches_hold_p_identities_with_k_crops_each() -> None:
    identity = np.repeat(np.arange(10), 6)
    sampler = IdentitySampler(identity, identities=4, crops=3, seed=5)
    assert sampler.steps_per_epoch == 2
    for step in range(6):
        rows = sampler.batch(step)
        assert sorted(Counter(identity[rows]).values()) == [3, 3, 3, 3]
        assert len(set(rows)) == 12
    seen = np.concatenate([identity[sampler.batch(step)] for step in range(2)])
    assert len(np.unique(seen)) == 8  # nobody twice in an epoch


@pytest.mark.parametrize(("crops", "expected"), [(1, [4]), (2, [2, 2]), (3, [1, 1, 2]), (4, [1, 1, 1, 1])])
def test_small_identities_are_drawn_evenly(crops: int, expected: list[int]) -> None:
    """The remainder of K over n is spread over different crops: no crop twice oftener than another."""
    identity = np.array([0] * crops + [1] * 9 + [-1] * 5)
    sampler = IdentitySampler(identity, identities=2, crops=4)
    for step in range(5):
        rows = sampler.batch(step)
        assert (identity[rows] >= 0).all()
        assert sorted(Counter(rows[identity[rows] == 0].tolist()).values()) == expected


def test_batches_depend_on_seed_and_step_alone() -> None:
    identity = np.repeat(np.arange(8), 5)
    first, second = (IdentitySampler(identity, 3, 4, seed=1) for _ in range(2))
    first.batch(0)
    np.testing.assert_array_equal(first.batch(7), second.batch(7))
    assert not np.array_equal(first.batch(7), IdentitySampler(identity, 3, 4, seed=2).batch(7))


def test_too_few_identities_are_refused() -> None:
    with pytest.raises(UsageError, match="the set has 2 identities"):
        IdentitySampler(np.array([0, 0, 1]), identities=3, crops=2)


def test_no_change_asked_gives_the_crop_itself() -> None:
    image = np.random.default_rng(0).integers(0, 255, (32, 16, 3), np.uint8)
    same = augment(image, SIZE, np.random.default_rng(1), AugmentConfig(flip=False))
    np.testing.assert_array_equal(same, image)


def test_a_flip_is_the_mirror_image() -> None:
    image = np.random.default_rng(0).integers(0, 255, (32, 16, 3), np.uint8)
    results = [augment(image, SIZE, np.random.default_rng(seed), AugmentConfig()) for seed in range(20)]
    mirrored = [np.array_equal(result, image[:, ::-1]) for result in results]
    assert all(flag or np.array_equal(result, image) for flag, result in zip(mirrored, results, strict=True))
    assert 0 < sum(mirrored) < 20


def test_grey_takes_all_colour_out() -> None:
    config = AugmentConfig(grey_probability=1.0, cast=0.0)
    matrix = colour_matrix(np.random.default_rng(0), config)
    assert np.allclose(matrix[0], matrix[1]) and np.allclose(matrix[1], matrix[2])
