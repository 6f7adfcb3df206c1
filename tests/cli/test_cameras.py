"""--videos: names, segments, duplicates, and every wrong path at once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from commands.cameras import camera_id_from_path, parse_videos, refuse_unknown_cameras
from pipeline.errors import UsageError
from pipeline.outputs.run_directory import CAMERA_ID


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("a.mp4", "b.mp4", "rec/p9.mp4", "rec/p10.mp4", "rec/p1.mp4", "other/a.mp4", "other/A.mp4"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(name.encode())
    return tmp_path


def refusal(*arguments: str) -> str:
    with pytest.raises(UsageError) as caught:
        parse_videos(arguments)
    return str(caught.value)


def paths(*names: str) -> tuple[Path, ...]:
    return tuple(map(Path, names))


def test_names_come_from_the_file_or_the_equals_sign(folder: Path) -> None:
    assert parse_videos(["a.mp4", "hall=b.mp4"]) == [("a", paths("a.mp4")), ("hall", paths("b.mp4"))]


def test_commas_and_globs_are_segments_in_natural_order(folder: Path) -> None:
    assert parse_videos(["lobby=rec/*.mp4", "x=a.mp4,b.mp4"]) == [
        ("lobby", paths("rec/p1.mp4", "rec/p9.mp4", "rec/p10.mp4")),
        ("x", paths("a.mp4", "b.mp4")),
    ]
    assert parse_videos(["a.mp4,b.mp4"]) == [("a", paths("a.mp4", "b.mp4"))]


@pytest.mark.parametrize("name", ["x=y.mp4", "a,b.mp4", "[1].mp4", "%03d.mp4", "-o.mp4", "a b'\"\n%.mp4", "日本.mp4"])
def test_odd_file_names_are_taken_as_they_are(folder: Path, name: str) -> None:
    Path(name).write_bytes(b"odd")
    ((camera_id, files),) = parse_videos([name])
    assert files == (Path(name),)
    assert CAMERA_ID.fullmatch(camera_id)


def test_all_wrong_paths_are_listed_at_once(folder: Path) -> None:
    os.mkfifo(folder / "fifo")
    message = refusal("a.mp4", "gone.mp4", "hall=none/x.mp4", "rec", "fifo", "cam%03d.jpg", "y=rec/*.avi", "nul\0.mp4")
    for words in (
        "gone.mp4: no such file",
        "none/x.mp4: no such file",
        "rec: is a folder",
        "fifo: is not a regular file",
        "cam%03d.jpg: image sequences",
        "rec/*.avi: matches no file",
        "NUL",
    ):
        assert words in message
    assert "\n" not in message


@pytest.mark.parametrize(
    "url", ["rtsp://user:secret@host/x", "http://h/x.mp4", "file:///a.mp4", "concat:a.mp4|b.mp4", "pipe:0"]
)
def test_addresses_are_refused_and_their_password_is_not_repeated(folder: Path, url: str) -> None:
    for argument in (url, f"lobby={url}"):
        message = refusal(argument)
        assert "addresses are not read" in message
        assert "secret" not in message


def test_unnamed_glob_asks_for_a_name(folder: Path) -> None:
    assert "lobby=rec/*.mp4" in refusal("rec/*.mp4")


@pytest.mark.parametrize("arguments", [["a.mp4", "other/a.mp4"], ["a.mp4", "other/A.mp4"], ["x=a.mp4", "X=b.mp4"]])
def test_equal_ids_also_by_case_are_an_error(folder: Path, arguments: list[str]) -> None:
    assert "would both be camera" in refusal(*arguments)


@pytest.mark.parametrize("name", ["..", ".hidden", "hall 1", "x" * 65, "", "ä"])
def test_unsafe_names_are_refused_with_a_safe_one(folder: Path, name: str) -> None:
    message = refusal(f"{name}=a.mp4")
    assert "camera name" in message
    assert CAMERA_ID.fullmatch(message.rsplit("e.g. ", 1)[1])


def test_name_with_a_path_in_it_is_a_path(folder: Path) -> None:
    assert "../../etc/x=a.mp4: no such file" in refusal("../../etc/x=a.mp4")


def test_same_video_twice_is_refused(folder: Path) -> None:
    (folder / "link.mp4").symlink_to("a.mp4")
    (folder / "hard.mp4").hardlink_to("a.mp4")
    (folder / "copy.mp4").write_bytes((folder / "a.mp4").read_bytes())
    (folder / "same_size.mp4").write_bytes(b"A.mp4")
    assert "same file" in refusal("x=a.mp4", "y=a.mp4")
    assert "same file" in refusal("a.mp4", "link.mp4")
    assert "same file" in refusal("a.mp4", "hard.mp4")
    assert "same file" in refusal("x=a.mp4,a.mp4")
    assert "equal content" in refusal("a.mp4", "copy.mp4")
    assert len(parse_videos(["a.mp4", "same_size.mp4"])) == 2
    assert len(parse_videos(["a.mp4", "copy.mp4"], allow_duplicates=True)) == 2


def test_no_video_at_all() -> None:
    assert "no video given" in refusal()


@pytest.mark.parametrize(
    "stem", ["../../etc/passwd", "CON", "nul.1", "...", "", "x" * 300, "\x00\n\x1b[31m", "<script>", "日本"]
)
def test_ids_from_hostile_stems_are_safe(stem: str) -> None:
    camera_id = camera_id_from_path(Path(f"{stem}.mp4"))
    assert CAMERA_ID.fullmatch(camera_id)
    assert camera_id.lower() not in {"con", "nul.1"}


def test_long_and_foreign_stems_stay_apart() -> None:
    assert camera_id_from_path(Path("x" * 99 + "1.mp4")) != camera_id_from_path(Path("x" * 99 + "2.mp4"))
    assert camera_id_from_path(Path("日本.mp4")) != camera_id_from_path(Path("中国.mp4"))
    assert camera_id_from_path(Path("Café 1.mp4")) == "Cafe_1"


def test_configured_camera_without_a_video_is_named() -> None:
    refuse_unknown_cameras(["lobby"], ["lobby", "hall"])
    with pytest.raises(UsageError, match=r"cameras\.loby .*nearest: lobby"):
        refuse_unknown_cameras(["loby"], ["lobby", "hall"])
