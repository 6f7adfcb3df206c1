"""Published data sets: folders of their form are recognised, parted and counted."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from pipeline.errors import UsageError
from reid import datasets, releases
from reid.cuhk03 import read_cuhk03
from reid.releases import Item, Layout, Parts, check_counts, read_release, recognise

PIXEL = cv2.imencode(".png", np.full((8, 4, 3), 90, np.uint8))[1].tobytes()


def fill(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(PIXEL)


def read(folder: Path, split: int = 0) -> tuple[str, Parts]:
    layout = recognise(folder)
    assert layout is not None
    return layout.name, read_release(folder, layout, split)[0]


def people(items: Any) -> set[int]:
    return {item.identity for item in items}


def test_three_folders_of_market_and_duke(tmp_path: Path) -> None:
    fill(
        tmp_path,
        "bounding_box_train/0002_c1s1_000451_03.jpg",
        "bounding_box_train/0007_c3_f0046182.jpg",
        "query/0001_c1s1_001051_00.jpg",
        "bounding_box_test/-1_c2s1_000001_00.jpg",
        "bounding_box_test/0000_c4s1_000001_00.jpg",
        "bounding_box_test/0001_c2s1_000301_00.jpg",
    )
    name, parts = read(tmp_path)
    assert name == "three folders"
    assert [(i.identity, i.camera) for i in parts["train"]] == [(2, 1), (7, 3)]
    assert [(i.identity, i.camera) for i in parts["gallery"]] == [(-1, 2), (0, 4), (1, 2)]
    table = datasets.load_crops(tmp_path, (4, 8), tmp_path / "cache")
    assert table.identity.tolist() == [2, 7]  # of a whole release the part to train on


def test_msmt17_goes_by_its_lists(tmp_path: Path) -> None:
    lists = {
        "train": "0000/0000_000_01_0303morning_0008_0.jpg 0",
        "val": "0001/0001_002_15_0303noon_0030_1.jpg 1",
        "query": "0004/0004_000_02_0303morning_0011_0.jpg 4",
        "gallery": "0004/0004_001_09_0303noon_0011_0.jpg 4",
    }
    for part, line in lists.items():
        (tmp_path / f"list_{part}.txt").write_text(line + "\n")
        fill(tmp_path, ("train/" if part in ("train", "val") else "test/") + line.split()[0])
    name, parts = read(tmp_path)
    assert name == "MSMT17"
    assert [(i.identity, i.camera) for i in parts["train"]] == [(0, 1), (1, 15)]
    assert [(i.identity, i.camera) for i in parts["gallery"]] == [(4, 9)]
    assert all(item.path.is_file() for items in parts.values() for item in items)
    (tmp_path / "list_query.txt").write_text("rubbish\n")
    with pytest.raises(UsageError, match="no line of an MSMT17 list"):
        read(tmp_path)


def test_viper_is_halved_by_people(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, *(f"cam_{c}/{n:03d}_{45 * k}.bmp" for k, c in enumerate("ab") for n in range(400)))
    name, parts = read(tmp_path)
    assert name == "VIPeR"
    assert len(parts["query"]) == len(parts["gallery"]) == 316 and len(parts["train"]) == 2 * 84
    assert people(parts["query"]) == people(parts["gallery"])
    assert not people(parts["query"]) & people(parts["train"])
    assert people(read(tmp_path, 1)[1]["query"]) != people(parts["query"])
    assert people(read(tmp_path, 0)[1]["query"]) == people(parts["query"])


def test_prid2011_keeps_those_of_one_camera_in_the_gallery(tmp_path: Path) -> None:
    fill(
        tmp_path / "single_shot",
        *(f"cam_a/person_{n:04d}.png" for n in range(1, 9)),
        *(f"cam_b/person_{n:04d}.png" for n in (1, 2, 3, 4, 9, 10)),
    )
    name, parts = read(tmp_path)
    assert name == "PRID2011"
    assert len(parts["train"]) == 4 and len(parts["query"]) == 2 and len(parts["gallery"]) == 4
    assert people(parts["query"]) < people(parts["gallery"]) and {10, 11} < people(parts["gallery"])


def test_grid_keeps_its_distractors(tmp_path: Path) -> None:
    fill(
        tmp_path,
        *(f"probe/{n:04d}_1_25004_107_32_106_221.jpeg" for n in range(1, 5)),
        *(f"gallery/{n:04d}_5_25023_116_134_128_330.jpeg" for n in range(1, 5)),
        "gallery/0000_3_1_2_3_4_5.jpeg",
    )
    name, parts = read(tmp_path)
    assert name == "GRID"
    assert sorted(people(parts["gallery"])) == [0, *sorted(people(parts["query"]))]
    assert {item.camera for item in parts["query"]} == {1} and len(parts["train"]) == 4


def test_caviar_and_3dpes(tmp_path: Path) -> None:
    caviar, pes = tmp_path / "CAVIARa", tmp_path / "3DPeS"
    fill(caviar, *(f"{n:04d}{k:03d}.jpg" for n in (1, 2, 3, 4, 60) for k in ((1, 2, 11, 12) if n < 50 else (1, 2))))
    name, parts = read(caviar)
    assert name == "CAVIAR4REID"
    assert {i.camera for i in parts["query"]} == {1} and {i.camera for i in parts["gallery"]} == {2}
    assert len(people(parts["query"])) == 2 == len(people(parts["train"]))
    fill(pes / "RGB", *(f"{n}_{c}_FRAME_{f}_RGB.bmp" for n in range(1, 5) for c in (1, 16) for f in (5, 30)))
    name, parts = read(pes)
    assert name == "3DPeS" and len(parts["train"]) == len(parts["query"]) == 8


def fake(sizes: Mapping[str, tuple[int, int]]) -> Parts:
    """Parts of so many images and people."""
    return {part: [Item(Path("x"), 1 + n % ids, 1) for n in range(images)] for part, (images, ids) in sizes.items()}  # type: ignore[misc]


def test_counts_name_the_release_or_what_is_missing() -> None:
    three = releases.LAYOUTS[0]
    for name, counts in three.counts.items():
        assert check_counts(fake(counts), three)[0].startswith(f"{name}: ")
    short = dict(three.counts["Market-1501-v15.09.15"]) | {"train": (12930, 751)}
    (told,) = check_counts(fake(short), three)
    assert told.startswith("not quite Market-1501-v15.09.15: train has 12930 images instead of 12936 (nor is it ")
    assert "going on" in told
    unknown = Layout("Own", lambda _: True, lambda *_: fake({}), {})
    assert "no counts are known" in check_counts(fake(short), unknown)[0]


def test_plain_folders_are_nobody_s_release_and_broken_ones_are_told(tmp_path: Path) -> None:
    fill(tmp_path / "mine", "0012_c2_003.png")
    assert recognise(tmp_path / "mine") is None and recognise(tmp_path / "absent") is None
    fill(tmp_path / "odd", "bounding_box_train/me.png", "query/0001_c1_1.png", "bounding_box_test/0001_c1_1.png")
    with pytest.raises(UsageError, match=r"me\.png: not the name of an image"):
        read(tmp_path / "odd")
    fill(tmp_path / "thin", "query/0001_c1_1.png", "bounding_box_test/0001_c1_1.png")
    (tmp_path / "thin" / "bounding_box_train").mkdir()
    with pytest.raises(UsageError, match="has no image for train"):
        read(tmp_path / "thin")


def test_cuhk03_in_both_protocols(tmp_path: Path) -> None:
    """A file of the release's form: 2 pairs of 3 people, 10 images each, one of them missing."""
    h5py = pytest.importorskip("h5py", reason="the MATLAB release of CUHK03 is read with h5py")
    from scipy.io import savemat  # noqa: PLC0415

    with h5py.File(tmp_path / "cuhk-03.mat", "w") as release:
        kept = release.create_group("#refs#")
        for kind in ("labeled", "detected"):
            pairs = []
            for pair in range(2):
                table = np.empty((10, 3), object)
                for place in range(10):
                    for person in range(3):
                        gone = (pair, person, place) == (0, 0, 0)
                        pixels = np.zeros((2,), np.uint64) if gone else np.full((3, 4, 8), 10 * place, np.uint8)
                        if not gone:
                            pixels[0] = 200  # red
                        name = f"{kind}{pair}_{person}_{place}"
                        table[place, person] = kept.create_dataset(name, data=pixels).ref
                people_ = kept.create_dataset(f"{kind}{pair}", (10, 3), h5py.ref_dtype)
                people_[...] = table.astype(h5py.ref_dtype)
                pairs.append(people_.ref)
            release.create_dataset(kind, (1, 2), h5py.ref_dtype)[0] = np.array(pairs, h5py.ref_dtype)
        tests = kept.create_dataset("t0", data=np.array([[1, 2], [2, 3]], float))  # pair 1 person 2; pair 2 person 3
        sets = np.array([tests.ref] * 20, h5py.ref_dtype)
        release.create_dataset("testsets", (1, 20), h5py.ref_dtype)[0] = sets
    parts = read_cuhk03(tmp_path, "labeled", "classic")
    assert len(parts["train"]) == 39 and len(parts["query"]) == len(parts["gallery"]) == 10
    assert {i.camera for i in parts["query"]} == {1} and len(people(parts["query"])) == 2
    image = cv2.imread(str(parts["query"][0].path))
    assert image is not None and image.shape == (8, 4, 3) and image[0, 0, 2] == 200
    names = sorted(path.name for path in (tmp_path / "images_labeled").iterdir())
    cells = np.empty((len(names), 1), object)
    cells[:, 0] = names
    labels = np.array([[1 + int(name.split("_")[1])] for name in names])
    savemat(
        tmp_path / "cuhk03_new_protocol_config_labeled.mat",
        {"filelist": cells, "labels": labels, "train_idx": [[1, 2]], "query_idx": [[3]], "gallery_idx": [[4, 5]]},
    )
    name, new = read(tmp_path / "labeled-new")
    assert name == "CUHK03 labeled, new protocol"
    assert [item.path.name for item in new["gallery"]] == names[3:5]
    with pytest.raises(UsageError, match="splits 0 to 19"):
        read_cuhk03(tmp_path, "labeled", "classic", 20)
    with pytest.raises(UsageError, match="not readable as the 767/700 split"):
        read_cuhk03(tmp_path, "detected", "new")
