"""`run.py explain RUN PERSON`: why these tracklets are one person, in words, numbers and, on request, pictures."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments; nothing heavy is imported."""
    add = parser.add_argument
    add("run", type=Path, metavar="RUN", help="run directory")
    add("person", type=int, metavar="PERSON", help="number of a person in its trajectories.json")
    add(
        "--sheet",
        nargs="?",
        type=Path,
        const=Path(),
        metavar="HTML",
        help="cut the crops that were compared out of the videos again, and show both sides of each link on a page "
        "(default: RUN/sheets/person-<N>.html, readable by the owner only)",
    )


def run(args: argparse.Namespace) -> int:
    """Print, and write the sheet if asked. Returns 0, or 3 when a camera's pictures are missing on the sheet.

    Raises UsageError where there is no such run or person.
    """
    import json  # noqa: PLC0415 - keep --help light

    from commands.explain_words import as_json, cuts_of, in_words, owners  # noqa: PLC0415
    from commands.relink_words import known  # noqa: PLC0415
    from pipeline.errors import UsageError  # noqa: PLC0415
    from pipeline.outputs.run_directory import is_run_directory  # noqa: PLC0415
    from pipeline.outputs.trajectories import read_trajectories  # noqa: PLC0415

    if not args.run.is_dir() or not is_run_directory(args.run):
        what = "is no run directory" if args.run.exists() else "no such run directory"
        raise UsageError(f"{args.run}: {what}; want the --output of `run.py track`")
    result = read_trajectories(args.run / "trajectories.json")
    people = {person.person_id: person for person in result.trajectories}
    if args.person not in people:
        raise UsageError(f"{args.run}: there is no person {args.person}; {known(people)}")
    code = 0
    if args.sheet is not None:
        from commands.explain_sheet import write_sheet  # noqa: PLC0415 - reads video

        code = write_sheet(args, result, people[args.person])
    person = people[args.person]
    document = as_json(result, person) | {"cuts": cuts_of(args.run, person)}
    words: list[str] = []
    if not person.links:
        from commands.explain_alone import best_candidate, candidate_in_words  # noqa: PLC0415 - links once more

        document["best_candidate"] = best_candidate(args.run, person.tracklets[0].key, owners(result))
        words = ["", *candidate_in_words(document["best_candidate"], result.clock)]
    print(json.dumps(document, allow_nan=False) if args.json else "\n".join([in_words(document), *words]))
    return code
