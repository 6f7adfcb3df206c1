"""`run.py album PHOTOS`: a folder of photos, grouped by person."""

from __future__ import annotations

import argparse
import json
import logging
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import UsageError

if TYPE_CHECKING:
    from commands.album_people import Person

logger = logging.getLogger(__name__)

MARK = ".passerby-album"
"""A folder with this file in it is an album, whole or begun, that --overwrite may replace."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    add("photos", type=Path, metavar="PHOTOS", help="folder of photos, searched with the folders in it")
    add("--output", type=Path, default=Path("runs/album"), metavar="DIR", help="default: runs/album")
    add("--overwrite", action="store_true", help="replace the album that is in --output")
    add("--photos", dest="put", choices=("copy", "link", "none"), default="copy",
        help="what a person's folder gets: copies of the photos (default), links to them, or no folder")  # fmt: skip
    add("--min-confidence", type=float, default=0.5, metavar="C", help="of a person found (default: 0.5)")
    add("--config", type=Path, metavar="YAML", help="settings of detector, embedder and association")
    add("--set", action="append", default=[], dest="overrides", metavar="KEY=VALUE", help="one setting")
    add("--device", metavar="D", help="auto, cpu, cuda or cuda:N")
    add("--offline", action="store_true", help="never use the network")


def run(args: argparse.Namespace) -> int:
    """Find, describe, group, write; 3 when photos could not be read. Raises UsageError."""
    from commands.album_people import group  # noqa: PLC0415
    from commands.album_photos import CAMERA, find_people, photos_in  # noqa: PLC0415
    from commands.progress import FrameProgress  # noqa: PLC0415
    from commands.track_parts import build_networks  # noqa: PLC0415
    from pipeline.config_loading import load_config  # noqa: PLC0415

    source, output = args.photos, args.output
    if not source.is_dir():
        raise UsageError(f"{source}: no such folder; give the folder that holds the photos")
    if not 0 <= args.min_confidence <= 1:
        raise UsageError(f"--min-confidence {args.min_confidence}: give a fraction 0..1")
    photos = photos_in(source, output)
    if not photos:
        raise UsageError(f"{source}: holds no photo (.jpg, .png, .webp, .bmp, .tif; HEIC has to be converted first)")
    settings = [*([f"runtime.device={args.device}"] if args.device else []),
                *(["runtime.offline=true"] if args.offline else []), *args.overrides]  # fmt: skip
    config = load_config(args.config, settings)
    _check_output(source, output, overwrite=args.overwrite)
    networks = build_networks(config, [CAMERA])
    _make_room(output)
    logger.info("%s: gets a picture of every person found; only you can read the folder", output)
    with FrameProgress("album", {"photos": len(photos)}) as tell:
        found = find_people(
            photos,
            networks.detector,
            networks.embedder,
            crops=config.crops,
            folder=output / "crops",
            min_confidence=args.min_confidence,
            tell=tell,
        )
    people = group(found, config.association, networks.distance_prior)
    return _write(args, photos, people, found.unreadable)


def _write(args: argparse.Namespace, photos: list[Path], people: list[Person], unreadable: dict[Path, str]) -> int:
    from commands.album_pages import as_json, page, put_photos, write_json, write_text  # noqa: PLC0415

    result = as_json(people, photos, unreadable, args.photos)
    if args.put != "none":
        put_photos(people, photos, args.output, args.put)
    write_json(args.output / "album.json", result)
    write_text(args.output / "album.html", page(result, photos, args.photos, args.output))
    several = sum(len(person.photos) > 1 for person in people)
    if args.json:
        print(json.dumps(result, allow_nan=False))
    else:
        lost = f"; {len(unreadable)} of the photos could not be read" if unreadable else ""
        print(f"{args.output}/album.html: {len(people)} people in {len(photos)} photos, {several} of them in more "
              f"than one{lost}")  # fmt: skip
    return 3 if unreadable else 0


def _check_output(source: Path, output: Path, *, overwrite: bool) -> None:
    if output.resolve() == source.resolve():
        raise UsageError(f"--output {output}: is the folder of the photos; name another")
    if source.resolve().is_relative_to(output.resolve()):
        raise UsageError(f"--output {output}: holds the folder of the photos; name another")
    if output.is_symlink():
        raise UsageError(f"--output {output}: is a link; name the folder itself")
    if not output.exists():
        return
    if not output.is_dir():
        raise UsageError(f"--output {output}: is a file; name a folder")
    if not overwrite:
        raise UsageError(f"{output}: is there already; --overwrite replaces it, or name another --output")
    if not (output / MARK).is_file() and any(output.iterdir()):
        raise UsageError(f"{output}: is no album (no {MARK} in it), so it is not replaced; name another --output")


def _make_room(output: Path) -> None:
    try:
        if output.exists():
            shutil.rmtree(output)
        output.mkdir(parents=True, mode=0o700)
        (output / MARK).touch()
        (output / "crops").mkdir()
    except OSError as error:
        raise UsageError(f"--output {output}: cannot be written ({error.strerror}); name another") from error
