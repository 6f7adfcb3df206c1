"""`run.py album`: real photos of drawn people, boxes replayed from a file, the bundled embedder."""

from __future__ import annotations

import html
import json
import logging
import re
import stat
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

import cv2
import numpy as np
import pytest

from commands.album_pages import safe_name
from commands.album_people import group
from commands.album_photos import Appearance, Found, photos_in, read_photo
from commands.image_size import MAX_PIXELS, image_size
from pipeline.config import AssociationConfig
from run import main

PERSON_WH = (48, 120)
Album = Callable[..., int]


def person(who: int, shot: int) -> np.ndarray:
    """Clothes by person, noise by shot."""
    colours = [((40, 40, 200), (60, 20, 20)), ((60, 180, 60), (200, 200, 200)), ((200, 90, 30), (30, 30, 30)),
               ((30, 200, 220), (140, 40, 120))]  # fmt: skip
    shirt, trousers = colours[who]
    width, height = PERSON_WH
    image = np.full((height, width, 3), 120.0)
    cv2.circle(image, (width // 2, 12), 9, (150, 170, 210), -1)
    image[22:65, 8:40], image[65:116, 12:36] = shirt, trousers
    image += np.random.default_rng((who, shot)).normal(0, 6, image.shape)
    return np.clip(image, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Photos with 0 to 3 people, one damaged, names that bite; and the boxes."""
    root = tmp_path_factory.mktemp("album")
    folder, boxes = root / "photos", root / "boxes"
    (folder / "<b>holiday & more").mkdir(parents=True)
    boxes.mkdir()
    scenes = {"a.jpg": [0, 1], "b.png": [0], "c.jpg": [1, 2, 0], "d.jpg": [], '<b>holiday & more/e\'s "1".jpg': [2, 1]}
    lines = []
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    names = sorted([*scenes, "broken.jpg"], key=lambda name: folder / name)
    for number, name in enumerate(names):
        if name == "broken.jpg":
            continue
        image = np.full((200, 300, 3), 120, np.uint8)
        for place, who in enumerate(scenes[name]):
            x, y = 20 + 90 * place, 40
            image[y : y + PERSON_WH[1], x : x + PERSON_WH[0]] = person(who, number)
            lines.append(f"{number + 1},-1,{x},{y},{PERSON_WH[0]},{PERSON_WH[1]},0.9,-1,-1,-1")
            lines.append(f"{number + 1},-1,{x},{y},9,9,0.9,-1,-1,-1")  # too small to describe
        image = cv2.imencode(Path(name).suffix, image)[1]
        (folder / name).write_bytes(image.tobytes())
    (boxes / "album.txt").write_text("\n".join(lines) + "\n")
    return folder, boxes


@pytest.fixture
def album(photos: tuple[Path, Path]) -> Album:
    def make(output: Path, *more: object, source: Path | None = None) -> int:
        logging.getLogger().handlers.clear()
        settings = [f"detector.replay_dir={photos[1]}", "detector.name=replay", "runtime.threads=1"]
        words = ["album", source or photos[0], "--output", output, "--device", "cpu", "--offline", *more]
        return main([*map(str, words), *(word for setting in settings for word in ("--set", setting))])

    return make


def test_photos_are_grouped_by_person(album: Album, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "out"
    assert album(output) == 3  # a photo could not be read; all else is there
    assert "1 of the photos could not be read" in capsys.readouterr().out
    result = json.loads((output / "album.json").read_text())
    assert result["photos"] == 6
    assert result["without_people"] == ["d.jpg"]
    assert list(result["unreadable"]) == ["broken.jpg"]
    seen = [{a["photo"] for a in person["appearances"]} for person in result["people"]]
    odd = '<b>holiday & more/e\'s "1".jpg'
    assert sorted(map(sorted, seen)) == sorted(map(sorted, [{"a.jpg", "b.png", "c.jpg"}, {"a.jpg", "c.jpg", odd},
                                                            {"c.jpg", odd}]))  # fmt: skip
    for person_, folder in zip(result["people"], sorted(output.glob("person-*")), strict=True):
        assert len(list(folder.iterdir())) == len({a["photo"] for a in person_["appearances"]})
        for appearance in person_["appearances"]:
            crop = cv2.imread(str(output / appearance["crop"]))
            assert crop is not None and crop.shape[:2] == (120, 48)
    assert stat.S_IMODE(output.stat().st_mode) == 0o700


def test_the_page_escapes_names_and_its_links_lead_to_the_photos(album: Album, tmp_path: Path) -> None:
    album(tmp_path / "out", "--photos", "none")
    page = (tmp_path / "out" / "album.html").read_text()
    assert "<b>holiday" not in page and "&lt;b&gt;holiday &amp; more/e&#x27;s &quot;1&quot;.jpg" in page
    assert "<script" not in page and "default-src 'none'" in page
    assert not list((tmp_path / "out").glob("person-*"))
    links = set(re.findall(r'href="([^"]+)"', page))
    assert len(links) == 4
    for link in links:
        target = unquote(html.unescape(link))
        assert (tmp_path / "out" / target).is_file()


def test_links_lead_to_the_photos_and_an_album_is_replaced_only_when_asked(
    album: Album, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    album(output, "--photos", "link")
    link = next((output / "person-001").iterdir())
    assert link.is_symlink() and link.resolve().is_file()
    assert album(output) == 2
    assert "--overwrite replaces it" in capsys.readouterr().err
    assert album(output, "--overwrite", "--photos", "none", "--json") == 3
    assert json.loads(capsys.readouterr().out)["photos"] == 6


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("absent", "no such folder"),
        ("empty", "holds no photo"),
        ("same", "is the folder of the photos"),
        ("above", "holds the folder of the photos"),
        ("foreign", "is no album"),
        ("link", "is a link"),
        ("dangling", "is a link"),
        ("file", "is a file"),
        ("below", "cannot be written"),
    ],
)
def test_faults_are_told_before_anything_is_written(
    case: str, message: str, album: Album, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    photos, capsys = request.getfixturevalue("photos"), request.getfixturevalue("capsys")
    (tmp_path / "empty").mkdir()
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "diary.txt").write_text("mine")
    source = tmp_path / case if case in ("absent", "empty") else photos[0]
    (tmp_path / "link").symlink_to(tmp_path / "foreign")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    (tmp_path / "file").write_text("mine")
    outputs = {name: tmp_path / name for name in ("foreign", "link", "dangling", "file")}
    outputs |= {"same": photos[0], "above": photos[0].parent, "below": tmp_path / "file" / "out"}
    output = outputs.get(case, tmp_path / "out")
    assert album(output, "--overwrite", source=source) == 2
    assert message in capsys.readouterr().err
    assert (tmp_path / "foreign" / "diary.txt").is_file() and (photos[0] / "a.jpg").is_file()


def test_a_photo_is_turned_upright_as_its_exif_says(tmp_path: Path) -> None:
    image = np.zeros((40, 80, 3), np.uint8)
    image[:, :40] = 255
    data = cv2.imencode(".jpg", image)[1].tobytes()
    # APP1 with one entry: tag 0x0112 (orientation), SHORT, 1 value: 6 = turn by 90 degrees clockwise
    tiff = b"II*\0" + struct.pack("<IHHHIHHI", 8, 1, 0x0112, 3, 1, 6, 0, 0)
    exif = b"Exif\0\0" + tiff
    (tmp_path / "turned.jpg").write_bytes(data[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + data[2:])
    upright = read_photo(tmp_path / "turned.jpg")
    assert not isinstance(upright, str)
    assert upright.shape == (80, 40, 3)
    assert upright[:30].mean() > 200 and upright[50:].mean() < 50


def test_names_of_copies_cannot_lead_elsewhere() -> None:
    assert safe_name(0, Path("a/../../etc/pass wd.JPG")) == "000001-pass_wd.jpg"
    assert safe_name(41, Path("..hidden.png")) == "000042-hidden.png"
    assert safe_name(1, Path("日本.png")) == "000002.png"
    assert len(safe_name(1, Path("x" * 250 + ".png"))) < 80


def test_links_to_folders_are_not_followed_and_the_output_is_not_searched(tmp_path: Path) -> None:
    (tmp_path / "photos" / "out").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    for place in ("photos/a.jpg", "photos/out/b.jpg", "elsewhere/c.jpg"):
        (tmp_path / place).write_bytes(b"x")
    (tmp_path / "photos" / "link").symlink_to(tmp_path / "elsewhere")
    found = photos_in(tmp_path / "photos", tmp_path / "photos" / "out")
    assert [path.name for path in found] == ["a.jpg"]


def test_neither_the_order_of_photos_nor_the_place_in_them_says_who_it_is() -> None:
    """They were taken for tracks of a video: who stands elsewhere in the next photo was likelier somebody else."""
    rng = np.random.default_rng(0)
    people = rng.normal(size=(4, 64))
    vectors = [people[(photo + k) % 4] + rng.normal(0, 0.9, 64) for photo in range(6) for k in range(2)]
    vector = np.array([v / np.linalg.norm(v) for v in vectors], np.float32)

    def grouped(step: int, left: int) -> list[tuple[list[str], list[float]]]:
        appearances = tuple(
            Appearance(photo * step, np.array([left * k, 50, left * k + 60, 250], np.float32), 0.9, 0.8,
                       Path(f"{photo}-{k}.jpg"))
            for photo in range(6) for k in range(2)
        )  # fmt: skip
        found = group(Found(appearances, vector, {}), AssociationConfig(), None)
        return [([a.crop.name for a in p.appearances], [round(c, 6) for c in p.confidence]) for p in found]

    assert grouped(1, 100) == grouped(100, 100) == grouped(1, 400)
    assert len(grouped(1, 100)) == 4


def bomb(width: int, height: int) -> bytes:
    """A PNG of one colour; each row is written once and said to be there `height` times: 8 kB ask for gigabytes."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes(width * 3 + 1)) for _ in range(min(height, 40))) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def test_a_picture_of_too_many_pixels_is_refused_from_its_header(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenCV would take 30,000 x 30,000 and ask for 2.7 GB."""
    (tmp_path / "bomb.png").write_bytes(bomb(30_000, 30_000))

    def refuse(*_: object) -> None:
        raise AssertionError("nothing is decoded")

    monkeypatch.setattr(cv2, "imdecode", refuse)
    assert read_photo(tmp_path / "bomb.png") == f"30000x30000 is more than {MAX_PIXELS} pixels; scale it down"


@pytest.mark.parametrize(("suffix", "more"), [
    (".png", ()), (".jpg", ()), (".jpg", (cv2.IMWRITE_JPEG_PROGRESSIVE, 1)), (".bmp", ()), (".tif", ()),
    (".webp", ()), (".webp", (cv2.IMWRITE_WEBP_QUALITY, 101)),
])  # fmt: skip
@pytest.mark.parametrize("size_wh", [(37, 91), (300, 2), (1000, 777)])
def test_the_header_states_the_size_that_is_decoded(
    tmp_path: Path, suffix: str, more: tuple[int, ...], size_wh: tuple[int, int]
) -> None:
    image = np.random.default_rng(0).integers(0, 256, (size_wh[1], size_wh[0], 3), dtype=np.uint8)
    ok, data = cv2.imencode(suffix, image, list(more))
    assert ok
    assert image_size(data.tobytes()) == size_wh
    (tmp_path / f"a{suffix}").write_bytes(data.tobytes())
    read = read_photo(tmp_path / f"a{suffix}")
    assert not isinstance(read, str) and read.shape == image.shape
    for length in range(0, len(data), max(1, len(data) // 97)):
        assert image_size(data.tobytes()[:length]) in (None, size_wh)


@pytest.mark.parametrize(
    "content", [b"", b"GIF89a" + bytes(40), b"P6\n9 9\n255\n" + bytes(243), b"\xff\xd8\xff", b"BM"]
)
def test_what_states_no_size_is_not_decoded(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.jpg").write_bytes(content)
    assert read_photo(tmp_path / "a.jpg") == "not an image that can be decoded"
