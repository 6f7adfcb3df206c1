"""A page to click floor points on: one HTML file with the frame in it, no server and no network."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import cv2

from commands.calibrate_frame import frame_of
from commands.cameras import parse_videos
from pipeline.errors import UsageError
from pipeline.outputs.atomic import atomic_write
from pipeline.types import UInt8

_TEMPLATE = Path(__file__).with_name("calibrate_page.html")
_SLOT = "/*DATA*/null"


def write_pages(videos: list[str], at_s: float, folder: Path, *, overwrite: bool) -> int:
    """One page a camera in `folder` (made if missing). Returns 0; raises UsageError, also for a page that is there."""
    cameras = parse_videos(videos)
    pages = {camera_id: folder / f"{camera_id}.html" for camera_id, _ in cameras}
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file; --page wants a folder to write a page a camera into")
    for path in pages.values():
        if path.exists() and not overwrite:
            raise UsageError(f"{path} is there already; --overwrite replaces it")
    frames = {camera_id: frame_of(paths[0], at_s) for camera_id, paths in cameras}
    texts = {camera_id: page(camera_id, frame.image, frame.pixel_aspect) for camera_id, frame in frames.items()}
    folder.mkdir(parents=True, exist_ok=True)
    for camera_id, text in texts.items():
        atomic_write(pages[camera_id], text, 0o600)  # it holds a picture of people
        print(f"open {pages[camera_id]} in a browser, click points, save {camera_id}.json")
    names = " ".join(f"{camera_id}.json" for camera_id in pages)
    print(f"then: python run.py calibrate {names} --output site.yaml")
    return 0


def page(camera_id: str, image: UInt8, pixel_aspect: float = 1.0) -> str:
    """The page of a camera for its frame `(H, W, 3)` BGR; a pixel is shown `pixel_aspect` times as wide as high."""
    encoded = base64.b64encode(bytes(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 92])[1])).decode()
    data = {
        "camera_id": camera_id,
        "size_wh": [image.shape[1], image.shape[0]],
        "pixel_aspect": pixel_aspect,
        "image": f"data:image/jpeg;base64,{encoded}",
    }
    # "</" would end the script's element.
    return _TEMPLATE.read_text(encoding="utf-8").replace(_SLOT, json.dumps(data).replace("</", "<\\/"), 1)
