"""`run.py relink RUN`: correct who is who, or link anew with other settings, without touching a video."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

SAID = "operations"


class _Said(argparse.Action):
    """Keeps what was said in one list, in the order it was said."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option: str | None = None
    ) -> None:
        operations = [*getattr(namespace, SAID), (str(option).removeprefix("--"), values)]
        setattr(namespace, SAID, operations)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments; nothing heavy is imported."""
    add = parser.add_argument
    add("run", type=Path, metavar="RUN", help="run directory")
    parser.set_defaults(**{SAID: []})
    add("--merge", action=_Said, nargs="+", type=int, metavar="PERSON", help="these are one person, e.g. --merge 3 7")
    add(
        "--split",
        action=_Said,
        nargs="+",
        metavar="PERSON@CAMERA:TIME",
        help="from that time on it is somebody else, e.g. 5@cam2:14; 5@cam2#9: tracklet 9 of cam2 is not person 5",
    )
    add("--lock", action=_Said, nargs="+", type=int, metavar="PERSON", help="exactly these tracklets are this person")
    add(
        "--undo",
        nargs="?",
        const="last",
        metavar="N",
        help="take back what was said last, correction N of --list, or all, with the settings of --set",
    )
    add("--list", action="store_true", help="what was said so far, and whether it holds; changes nothing")
    add(
        "--set",
        action="append",
        default=[],
        dest="overrides",
        metavar="KEY=VALUE",
        help="link with another setting, e.g. association.min_link_probability=0.9; kept in config.resolved.yaml",
    )
    add(
        "--online",
        action="store_true",
        help="play the run back as if it were live: who would have been known when, into online.json; else no change",
    )
    add("--render", action="store_true", help="draw the overlays anew, from the videos")


def run(args: argparse.Namespace) -> int:
    """Returns 0, or 3 when an overlay could not be drawn. Raises UsageError; then nothing is changed."""
    from commands.relink_run import list_corrections, relink  # noqa: PLC0415 - keep --help light
    from pipeline.errors import UsageError  # noqa: PLC0415
    from pipeline.outputs.run_directory import RunDirectory, is_run_directory  # noqa: PLC0415

    _refuse_mixture(args)
    if args.list:
        if not is_run_directory(args.run):
            raise UsageError(f"{args.run}: is no run directory; want the --output of `run.py track`")
        return list_corrections(args)
    with RunDirectory.open(args.run) as directory:
        if args.online:
            from commands.relink_online import play_back  # noqa: PLC0415

            return play_back(args, directory)
        return relink(args, directory)


def _refuse_mixture(args: argparse.Namespace) -> None:
    from pipeline.errors import UsageError  # noqa: PLC0415

    said: Sequence[tuple[str, Any]] = getattr(args, SAID)
    if args.list and (said or args.undo or args.overrides or args.render):
        raise UsageError("--list only shows what was said; say the rest without it")
    if args.online and (said or args.undo or args.list or args.render):
        raise UsageError("--online only plays the run back; say the rest without it")
    if args.undo and said:
        raise UsageError("--undo takes back what was said before; say what is new in a second call")
    for kind, values in said:
        if kind == "merge" and len(set(values)) < 2:
            raise UsageError(f"--merge {' '.join(map(str, values))}: wants two people or more, e.g. --merge 3 7")
