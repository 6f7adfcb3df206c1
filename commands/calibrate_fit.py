"""Files of points or poses to one calibration file, with every residual told and the floor drawn over a frame."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from commands.calibrate_frame import frame_of
from commands.cameras import parse_videos
from commands.logging import escape
from pipeline.errors import UsageError
from pipeline.ground.calibration_file import Calibrated, calibrate, dump_calibrations, read_entries, scaled
from pipeline.ground.grid import draw_grid
from pipeline.outputs.atomic import atomic_write


def fit_files(args: argparse.Namespace) -> int:
    """Fit every camera of `args.files`, tell the residuals, write `args.output`. Returns 0; 3 for points left out."""
    found = read_cameras(args.files)
    pictures = _pictures(args, found)
    if args.output is not None:
        for path in (args.output, *pictures):
            if path.exists() and not args.overwrite:
                raise UsageError(f"{path} is there already; --overwrite replaces it")
        if not args.output.parent.is_dir():
            raise UsageError(f"{args.output.parent}: no such folder for --output")
        atomic_write(args.output, dump_calibrations(found))
    for path, picture in pictures.items():
        data = bytes(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 92])[1])
        atomic_write(path, data, 0o600)  # people may be in it
    if args.json:
        print(json.dumps({name: _as_json(one) for name, one in found.items()}, indent=2, allow_nan=False))
    else:
        for name, one in found.items():
            print("\n".join(report(name, one)))
        for line in warnings(found):
            print(f"note: {line}")
        if args.output is not None:
            print(f"wrote {', '.join(map(str, (args.output, *pictures)))}")
            print(f"use it: run.py track --calibration {args.output} --clock common --videos ...")
    return 3 if any(one.fit is not None and not one.fit.fits.all() for one in found.values()) else 0


def read_cameras(files: list[str]) -> dict[str, Calibrated]:
    """Calibrations by camera id. Raises UsageError: a camera twice, an entry without a name."""
    found: dict[str, Calibrated] = {}
    for text in files:
        name, equals, rest = text.partition("=")
        path = Path(rest if equals else text)
        entries = read_entries(path)
        if equals:
            if len(entries) != 1:
                raise UsageError(f"{path} holds {len(entries)} cameras, so it cannot be called {name!r}")
            entries = {name: next(iter(entries.values()))}
        for camera_id, entry in entries.items():
            if not camera_id:
                raise UsageError(f"{path}: which camera is it? say {path.stem}={path}, or add camera_id to the file")
            if camera_id in found:
                raise UsageError(f"{path}: camera {camera_id} was given twice")
            found[camera_id] = calibrate(entry, f"{path}: camera {camera_id}")
    return found


def report(name: str, one: Calibrated) -> list[str]:
    """Lines that tell a camera's calibration: each point's residual in px and m, and what to think of them."""
    place = camera_note(one)
    if one.fit is None:
        return [f"{name}: taken as given, no points to check it against; {place}"]
    fit = one.fit
    lines = [
        f"{name}: {len(fit.fits)} points; {place}",
        "  point      image px          floor m        off px    off m",
    ]
    for n, pair in enumerate(one.points):
        off = f"{fit.residual_m[n]:8.3f}" if np.isfinite(fit.residual_m[n]) else "horizon "
        label = escape(pair.name or "")
        lines.append(
            f"  {n + 1:>3}  {pair.image[0]:8.1f} {pair.image[1]:8.1f}  {pair.floor[0]:9.3f} {pair.floor[1]:9.3f}"
            f"  {fit.residual_px[n]:8.2f} {off} {label}{'' if fit.fits[n] else '  LEFT OUT: contradicts the others'}"
        )
    lines.append(f"  root mean square {fit.error_px:.2f} px, {fit.error_m:.3f} m")
    if len(fit.fits) == 4:
        lines.append("  four points fit any floor exactly: residuals of 0 prove nothing. Add two more to check it.")
    elif fit.left_out_m is not None:
        lines.append(f"  each point told by the others: {fit.left_out_m:.3f} m (the honest figure, kept as error_m)")
    return lines


def camera_note(one: Calibrated) -> str:
    """Whether the floor is seen as from above, or mirrored."""
    matrix = one.calibration.image_to_ground
    width, height = one.size_wh or (0, 0)
    where = one.points[0].image if one.points else (width / 2, float(height))
    weight = float(matrix[2] @ (*where, 1.0))
    # The image's y runs down: a floor seen from above turns the axes' order round (det of the Jacobian: det H / w^3).
    mirrored = np.linalg.det(matrix) * np.sign(weight) > 0
    return "floor axes mirrored (y runs down, as on a plan's picture)" if mirrored else "floor axes as seen from above"


def warnings(found: Mapping[str, Calibrated]) -> list[str]:
    """What looks wrong when all cameras are seen together."""
    notes = {camera_note(one) for one in found.values()}
    if len(notes) > 1:
        return ["some cameras' floors are mirrored and others' are not: their floor points use different axes"]
    return []


def _as_json(one: Calibrated) -> dict[str, Any]:
    fit = one.fit
    result: dict[str, Any] = {"image_to_ground": one.calibration.image_to_ground.tolist()}
    result["error_m"] = one.calibration.error_m
    if fit is not None:
        finite = [float(v) if np.isfinite(v) else None for v in fit.residual_m]
        result |= {
            "points": len(fit.fits),
            "left_out": [n + 1 for n in np.flatnonzero(~fit.fits).tolist()],
            "residual_px": fit.residual_px.tolist(),
            "residual_m": finite,
            "rms_px": fit.error_px,
            "rms_m": fit.error_m,
            "left_out_m": fit.left_out_m,
        }
    return result


def _pictures(args: argparse.Namespace, found: Mapping[str, Calibrated]) -> dict[Path, Any]:
    """Pictures by file name: the floor's grid over a frame of each of `--videos`."""
    if args.videos and args.output is None:
        raise UsageError("--videos draws the floor over a frame of each, beside --output: give one")
    result = {}
    for camera_id, paths in parse_videos(args.videos) if args.videos else []:
        if camera_id not in found:
            raise UsageError(f"--videos: no calibration of camera {camera_id!r}; there are {', '.join(found)}")
        shot = frame_of(paths[0], args.at)
        frame = shot.image
        size_wh = (frame.shape[1], frame.shape[0])
        calibration = scaled(found[camera_id], size_wh, f"camera {camera_id}")
        path = args.output.with_name(f"{args.output.stem}.{camera_id}.jpg")
        picture = draw_grid(frame, calibration, [(p.image, p.floor) for p in found[camera_id].points])
        shown_wh = (round(size_wh[0] * shot.pixel_aspect), size_wh[1])
        result[path] = picture if shown_wh == size_wh else cv2.resize(picture, shown_wh)
    return result
