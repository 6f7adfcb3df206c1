"""`run.py calibrate` on a rendered frame: points in, calibration, residuals and picture out; the page to click on."""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from commands.calibrate_fit import fit_files
from commands.calibrate_page import page
from pipeline.ground.calibration_file import for_camera
from pipeline.ground.floor import to_floor
from synthetic.camera import PinholeCamera

ROOT = Path(__file__).resolve().parents[2]
SIZE = (640, 360)
CAMERA = PinholeCamera.looking((0.5, -1.0, 3.0), (4.0, 4.0, 0.8), SIZE, 75.0)
FLOOR = np.array([[1.5, 1.5], [4, 1.5], [3, 3], [1.5, 4.5], [5, 5], [6, 3], [2.5, 6]])


def passerby(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "run.py"), "calibrate", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def entry(noise_px: float = 0.0) -> dict[str, object]:
    pixels, _ = CAMERA.project(np.column_stack([FLOOR, np.zeros(len(FLOOR))]))
    pixels = pixels + np.random.default_rng(0).normal(0, noise_px, pixels.shape)
    pairs = zip(pixels.tolist(), FLOOR.tolist(), strict=True)
    points = [{"image": image, "floor": floor} for image, floor in pairs]
    return {"camera_id": "hall", "size_wh": list(SIZE), "points": points}


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "hall.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=5)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        for grey in (60, 90):
            for packet in stream.encode(av.VideoFrame.from_ndarray(np.full((360, 640, 3), grey, np.uint8), "bgr24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path


def test_points_become_a_calibration_that_track_reads_with_its_grid_drawn(tmp_path: Path, video: Path) -> None:
    (tmp_path / "hall.json").write_text(json.dumps(entry(0.5)))
    site = tmp_path / "site.yaml"
    result = passerby(tmp_path / "hall.json", "--output", site, "--videos", f"hall={video}")
    assert result.returncode == 0, result.stderr
    assert re.search(r"root mean square 0\.\d+ px, 0\.0\d+ m", result.stdout)
    assert "each point told by the others" in result.stdout
    found = for_camera(site, "hall", SIZE)
    assert found is not None
    assert 0 < found.error_m < 0.2
    pixels, _ = CAMERA.project(np.column_stack([FLOOR, np.zeros(len(FLOOR))]))
    assert np.abs(to_floor(pixels, found, SIZE) - FLOOR).max() < 0.1
    picture = cv2.imread(str(tmp_path / "site.hall.jpg"))
    assert picture.shape == (360, 640, 3)
    assert (tmp_path / "site.hall.jpg").stat().st_mode & 0o077 == 0, "people may be in it"
    # A line of the grid runs through the floor's (3, 3): it stands out from the grey frame.
    (x, y), _ = CAMERA.project(np.array([[3.0, 2.5, 0.0]]))[0][0], 0
    assert np.ptp(picture[int(y) - 3 : int(y) + 4, int(x) - 3 : int(x) + 4].astype(int)) > 60
    again = passerby(tmp_path / "hall.json", "--output", site)
    assert again.returncode == 2
    assert "--overwrite" in again.stderr


def test_the_picture_shows_pixels_that_are_not_square_as_they_are(tmp_path: Path, video: Path) -> None:
    wide = tmp_path / "wide.mp4"
    with av.open(str(video)) as source, av.open(str(wide), "w") as container:
        stream = container.add_stream_from_template(source.streams.video[0])
        stream.sample_aspect_ratio = 2  # written to the container
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                container.mux(packet)
    (tmp_path / "hall.json").write_text(json.dumps(entry()))
    arguments = argparse.Namespace(
        files=[str(tmp_path / "hall.json")], videos=[f"hall={wide}"], at=0.0,
        output=tmp_path / "s.yaml", overwrite=False, json=False,
    )  # fmt: skip
    assert fit_files(arguments) == 0
    assert cv2.imread(str(tmp_path / "s.hall.jpg")).shape == (360, 1280, 3)


def test_a_wrong_point_is_told_and_exit_code_3(tmp_path: Path) -> None:
    wrong = entry(0.5)
    wrong["points"][2]["floor"] = [5.0, 1.0]  # type: ignore[index]
    (tmp_path / "hall.json").write_text(json.dumps(wrong))
    result = passerby(tmp_path / "hall.json", "--json")
    assert result.returncode == 3
    assert json.loads(result.stdout)["hall"]["left_out"] == [3]


def test_faults_are_one_line_and_nothing_is_written(tmp_path: Path) -> None:
    nameless = entry()
    del nameless["camera_id"]
    (tmp_path / "hall.json").write_text(json.dumps(nameless))
    for arguments, word in (
        ((), "wants a file of points"),
        ((tmp_path / "hall.json",), "which camera"),
        ((f"a={tmp_path / 'hall.json'}", f"a={tmp_path / 'hall.json'}"), "given twice"),
        (("--page", "--output", tmp_path / "p"), "--page wants"),
        ((tmp_path / "none.json",), "cannot be read"),
    ):
        result = passerby(*arguments, "--output", tmp_path / "s.yaml") if "--page" not in arguments else passerby(
            *arguments
        )  # fmt: skip
        assert result.returncode == 2
        assert word in result.stderr
        assert len(result.stderr.strip().splitlines()) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["hall.json"]


def test_the_page_holds_the_frame_asks_nobody_and_is_private(tmp_path: Path, video: Path) -> None:
    result = passerby("--page", "--videos", f"hall={video}", "--output", tmp_path / "pages")
    assert result.returncode == 0, result.stderr
    made = tmp_path / "pages" / "hall.html"
    text = made.read_text()
    assert made.stat().st_mode & 0o077 == 0
    assert "data:image/jpeg;base64," in text
    assert not re.search(r"https?://", text)
    assert "default-src 'none'" in text


def test_a_name_cannot_leave_the_page_s_script() -> None:
    text = page("</script><script>alert(1)", np.zeros((8, 8, 3), np.uint8))
    assert text.count("</script>") == 1


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium to open the page with")
def test_the_page_fits_what_the_command_fits(tmp_path: Path) -> None:
    """The page's own fit is told from the same points: residuals near 0, and the save button opens."""
    text = page("hall", np.zeros((SIZE[1], SIZE[0], 3), np.uint8))
    given = [(*pair["image"], *pair["floor"]) for pair in entry()["points"]]  # type: ignore[attr-defined]
    points = [dict(zip(("x", "y", "fx", "fy"), numbers, strict=True)) for numbers in given]
    path = tmp_path / "hall.html"
    script = f"points = {json.dumps(points)}; draw();</script>"
    path.write_text(text.replace("</script>", script))
    command = [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=3000", "--dump-dom"]
    shown = subprocess.run([*command, path.as_uri()], capture_output=True, text=True, timeout=60, check=True).stdout
    assert "0.0 px, 0.00 m root mean square" in shown
    assert '<button class="go" id="save">' in shown, "not disabled any more"
