"""Why somebody was linked to nobody: the store is linked once more, and asked for the best candidate."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from commands.explain_words import evidence_in_words, in_share, probability
from commands.relink_words import name_of
from commands.stored_run import load_run
from pipeline.association.corrections import of_these_videos
from pipeline.association.not_taken import NotTaken
from pipeline.errors import UsageError
from pipeline.outputs.memory import read_corrections, read_numbers
from pipeline.stages.linking import Memory, link_cameras
from pipeline.types import TrackletKey

_CANNOT = "was seen at once or where it cannot have been, or a correction keeps the two apart"


def best_candidate(root: Path, key: TrackletKey, owner: Mapping[TrackletKey, int]) -> dict[str, Any]:
    """What is known of the best candidate of the tracklet `key`, which stayed alone; `why` says where nothing is.

    `owner`: person by tracklet, in trajectories.json. Nothing is written.
    """
    try:
        run = load_run(root)
        usable, _ = of_these_videos(read_corrections(root / "store"), run.videos)
        numbers = read_numbers(root / "store")
    except UsageError as fault:
        return {"why": f"what the store holds is not usable ({fault})"}
    memory, config = Memory(usable, numbers), run.config
    many = sum(len(outcome.tracklets) for outcome, _ in run.tracked) > config.association.dense_up_to
    if many:
        return {"why": "not looked for among more than association.dense_up_to tracklets"}
    linked = link_cameras(run.tracked, run.scene, config, run.prior, run.dimension, memory=memory, tell_alone=True)
    if key in linked.result.report.without_embedding:
        return {"why": "no crop of it could be compared"}
    found = linked.result.alone.get(key)
    if found is None or any(other not in owner for other in _named(found)):
        return {"why": "what the store holds gives other people now; `run.py relink` brings trajectories.json up to it"}
    return _as_json(found, owner)


def _named(found: NotTaken) -> list[TrackletKey]:
    """The other tracklets that are told of."""
    candidate = None if found.candidate is None else found.candidate.to_key
    lookalike = None if found.lookalike is None else found.lookalike[0]
    return [key for key in (candidate, lookalike, found.barred_by) if key is not None]


def _as_json(found: NotTaken, owner: Mapping[TrackletKey, int]) -> dict[str, Any]:
    link, alike = found.candidate, found.lookalike
    told: dict[str, Any] = {"floor": round(found.floor, 4)}
    if alike is not None:
        told["lookalike"] = {
            "tracklet": name_of(alike[0]),
            "person": owner.get(alike[0]),
            "appearance": round(alike[1], 4),
        }
    if link is None or found.mean is None:
        return told | {"why": "no other tracklet can be this person, or nothing is known of any"}
    return told | {
        "tracklet": name_of(link.to_key),
        "person": owner.get(link.to_key),
        "one_camera": link.from_key[0] == link.to_key[0],
        "log_odds": round(link.log_odds, 4),
        "probability": round(probability(link.log_odds), 4),
        "evidence": {name: round(value, 4) for name, value in link.evidence.items()},
        "people": round(link.people, 4),
        "rivals": round(link.rivals, 4),
        "mean_log_odds": round(found.mean, 4),
        "why": _why(found, link.log_odds, owner.get(link.to_key)),
    }


def _why(found: NotTaken, log_odds: float, person: int | None) -> str:
    if found.barred_by is not None:
        return f"person {person} has {name_of(found.barred_by)}, which {_CANNOT}"
    if log_odds <= found.floor:
        return f"people are joined above log-odds {found.floor:+.1f}"
    if found.mean is not None and found.mean <= found.floor:
        return f"with all tracklets of person {person} it has log-odds {found.mean:+.1f} on average"
    return "all groups together are more likely without this link"


def candidate_in_words(told: Mapping[str, Any], clock: str) -> list[str]:
    """The same for reading."""
    lines = []
    if "tracklet" not in told:
        lines.append(f"Best candidate: none, {told['why']}")
    else:
        sure = f"probability {in_share(told['probability'])}, log-odds {told['log_odds']:+.1f}"
        lines.append(f"Best candidate: {told['tracklet']}, person {told['person']}: one person with {sure}")
        lines += evidence_in_words(told, clock, one_camera=told["one_camera"])
        lines.append(f"  not taken: {told['why']}")
    if alike := told.get("lookalike"):
        lines.append(
            f"  {alike['tracklet']}, person {alike['person']}, looks more alike (appearance "
            f"{alike['appearance']:+.1f}), but {_CANNOT}"
        )
    return lines
