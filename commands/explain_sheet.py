"""A page with the crops on both sides of each link, cut out of the videos again: the very ones that were compared."""

from __future__ import annotations

import argparse
import base64
import html
import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from commands.explain_words import as_json, in_words, link_in_words
from commands.relink_run import open_video
from commands.relink_words import name_of
from commands.stored_run import StoredRun, load_run
from pipeline.association.corrections import of_these_videos
from pipeline.errors import CameraError, UsageError
from pipeline.outputs.atomic import atomic_write
from pipeline.outputs.memory import read_corrections
from pipeline.outputs.run_directory import RunDirectory
from pipeline.outputs.trajectories import TrajectoryFile
from pipeline.stages.linking import make_fit
from pipeline.types import Float32, Frame, Tracklet, TrackletKey, Trajectory, UInt8

log = logging.getLogger(__name__)

_HEIGHT_PX, _WIDEST_PX = 192, 960
_MARGIN = 0.1
"""Of the box on each side: a crop shows a little of what is around."""

Pictures = dict[TrackletKey, list[tuple[float, str]]]
"""Time in s and JPEG, base64, by tracklet."""

_STYLE = """
body { font: 15px/1.5 sans-serif; margin: 2rem; max-width: 75rem; color: #222; }
h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; } pre { background: #f5f5f5; padding: .8rem; white-space: pre-wrap; }
figure { display: inline-block; margin: 0 .5rem .5rem 0; } figcaption { font-size: .8rem; color: #555; }
.side { margin: .3rem 0; } .name { font-weight: 600; } .gone { color: #a00; }
"""


def write_sheet(args: argparse.Namespace, result: TrajectoryFile, person: Trajectory) -> int:
    """Write the page. Returns 0, or 3 when the video of a camera is gone or another: its crops are missing then.

    Raises UsageError where the run keeps no store or the page can't be written.
    """
    run = load_run(args.run)
    tracklets = {t.key: t for t in person.tracklets}
    pictures: Pictures = {}
    gone: dict[str, str] = {}
    for camera_id, wanted in _wanted(run, args.run, tracklets).items():
        try:
            _cut_out(run, camera_id, wanted, pictures)
        except CameraError as error:
            gone[camera_id] = f"camera {camera_id}: no pictures, {error}"
            log.error("%s", gone[camera_id])
    page = _page(as_json(result, person), person, pictures, gone)
    if args.sheet == Path():
        with RunDirectory.open(args.run) as directory:
            path = directory.sheets / f"person-{person.person_id}.html"
            atomic_write(path, page, 0o600)
    else:
        path = args.sheet
        try:
            atomic_write(path, page, 0o600)
        except OSError as error:
            raise UsageError(f"--sheet {path}: cannot be written ({error.strerror})") from None
    log.info("sheet with pictures of a person: %s", path)
    return 3 if gone else 0


Wanted = dict[int, list[Tracklet]]


def _wanted(run: StoredRun, root: Path, tracklets: Mapping[TrackletKey, Tracklet]) -> dict[str, Wanted]:
    """By camera and frame, the tracklets a crop of which was embedded there."""
    usable, _ = of_these_videos(read_corrections(root / "store"), run.videos)
    _, corrected = make_fit(run.tracked, run.scene, run.config, run.prior, run.dimension, corrections=usable)
    embeddings = corrected.embeddings
    wanted: dict[str, Wanted] = {key[0]: {} for key in tracklets}
    bare = set(tracklets)
    for key, frame in zip(embeddings.keys, embeddings.frame_index.tolist(), strict=True):
        if key in tracklets and frame in tracklets[key].frame_index:
            wanted[key[0]].setdefault(frame, []).append(tracklets[key])
            bare.discard(key)
    for key in bare:  # no crop of it could be compared: its middle shows at least whom it is about
        middle = int(tracklets[key].frame_index[len(tracklets[key]) // 2])
        wanted[key[0]].setdefault(middle, []).append(tracklets[key])
    return wanted


def _cut_out(run: StoredRun, camera_id: str, wanted: Wanted, pictures: Pictures) -> None:
    camera = next(camera for camera in run.scene.cameras if camera.id == camera_id)
    last = max(wanted)
    with open_video(run, camera) as frames:
        for frame in frames:
            for tracklet in wanted.get(frame.index, ()):
                row = int(np.searchsorted(tracklet.frame_index, frame.index))
                picture = float(tracklet.time_s[row]), _crop(frame, tracklet.xyxy[row])
                pictures.setdefault(tracklet.key, []).append(picture)
            if frame.index >= last:
                break


def _crop(frame: Frame, xyxy: Float32) -> str:
    """The box of the frame, as JPEG in base64, its pixels made square."""
    x1, y1, x2, y2 = xyxy.tolist()
    margin_x, margin_y = _MARGIN * (x2 - x1), _MARGIN * (y2 - y1)
    height, width = frame.image.shape[:2]
    # A filtered box may lie outside the image: a pixel of its edge is shown then.
    left, top = int(np.clip(x1 - margin_x, 0, width - 1)), int(np.clip(y1 - margin_y, 0, height - 1))
    right, bottom = min(max(int(x2 + margin_x), left) + 1, width), min(max(int(y2 + margin_y), top) + 1, height)
    image: UInt8 = frame.image[top:bottom, left:right]
    scale = _HEIGHT_PX / image.shape[0]
    size = (min(max(round(image.shape[1] * frame.pixel_aspect * scale), 1), _WIDEST_PX), _HEIGHT_PX)
    _, data = cv2.imencode(
        ".jpg", cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    )
    return base64.b64encode(data.tobytes()).decode()


def _page(document: dict[str, Any], person: Trajectory, pictures: Pictures, gone: Mapping[str, str]) -> str:
    title = f"Person {document['person_id']}"
    parts = (
        [f"<pre>{html.escape(in_words(document | {'links': []}).splitlines()[0])}</pre>"] if not person.links else []
    )
    parts += [f'<p class="gone">{html.escape(line)}</p>' for line in gone.values()]
    times = {name_of(t.key): t for t in person.tracklets}
    if not person.links:
        parts += [_side(times[name_of(t.key)], pictures) for t in person.tracklets]
    for link in document["links"]:
        parts.append(f"<h2>{html.escape(link['from'])} and {html.escape(link['to'])}</h2>")
        parts += [_side(times[link[end]], pictures) for end in ("from", "to")]
        parts.append(f"<pre>{html.escape(chr(10).join(link_in_words(link, document['clock'])))}</pre>")
    return _document(title, parts)


def _document(title: str, parts: Iterable[str]) -> str:
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    head = (
        f'<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{policy}">'
        f"<title>{title}</title><style>{_STYLE}</style>"
    )
    body = "\n".join([f"<h1>{title}</h1>", *parts])
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{body}</body></html>\n'


def _side(tracklet: Tracklet, pictures: Pictures) -> str:
    name = html.escape(name_of(tracklet.key))
    figures = [
        f'<figure><img alt="{name} at {time_s:.1f} s" src="data:image/jpeg;base64,{data}">'
        f"<figcaption>{time_s:.1f} s</figcaption></figure>"
        for time_s, data in pictures.get(tracklet.key, [])
    ]
    when = f"{tracklet.start_s:.1f} to {tracklet.end_s:.1f} s"
    return f'<div class="side"><div><span class="name">{name}</span> {when}</div>{"".join(figures)}</div>'
