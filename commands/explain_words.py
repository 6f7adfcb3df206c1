"""One person's links as JSON, and that in words."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from commands.relink_words import name_of
from pipeline.outputs.trajectories import TrajectoryFile
from pipeline.types import Link, TrackletKey, Trajectory

_FEW = 0.05
"""Log-odds that say nothing: odds of 1.05."""


def owners(result: TrajectoryFile) -> dict[TrackletKey, int]:
    """Whose each tracklet is."""
    return {t.key: other.person_id for other in result.trajectories for t in other.tracklets}


def as_json(result: TrajectoryFile, person: Trajectory) -> dict[str, Any]:
    """What is known of a person's links: log-odds by source, the runner-up and whose it is, the margin."""
    owner = owners(result)
    return {
        "person_id": person.person_id,
        "clock": result.clock,
        "link_confidence": round(person.link_confidence, 4),
        "tracklets": [
            {
                "tracklet": name_of(t.key),
                "start_s": round(t.start_s, 3),
                "end_s": round(t.end_s, 3),
                "boxes": len(t),
                "confidence": round(confidence, 4),
            }
            for t, confidence in zip(person.tracklets, person.tracklet_confidence, strict=True)
        ],
        "links": [_link(link, owner) for link in person.links],
    }


def _link(link: Link, owner: dict[TrackletKey, int]) -> dict[str, Any]:
    rival = link.runner_up_key
    return {
        "from": name_of(link.from_key),
        "to": name_of(link.to_key),
        "by_user": link.by_user,
        "log_odds": round(link.log_odds, 4),
        "probability": round(probability(link.log_odds), 4),
        "evidence": dict(link.evidence),
        "people": link.people,
        "rivals": link.rivals,
        "runner_up": link.runner_up,
        "runner_up_tracklet": None if rival is None else name_of(rival),
        "runner_up_person": None if rival is None else owner.get(rival),
        "margin": None if link.runner_up is None else round(link.log_odds - link.runner_up, 4),
    }


def in_words(document: dict[str, Any]) -> str:
    """The same for reading; `cuts`, where given, of its tracklets."""
    person, tracklets = document["person_id"], document["tracklets"]
    sure = f", one person with probability {in_share(document['link_confidence'])}" if document["links"] else ""
    lines = [f"Person {person}: {_count(len(tracklets), 'tracklet')}{sure}"]
    for t in tracklets:
        doubt = f"   belongs here with probability {in_share(t['confidence'])}" if len(tracklets) > 1 else ""
        lines.append(f"  {t['tracklet']:<16}{t['start_s']:9.1f} to {t['end_s']:.1f} s, {t['boxes']} boxes{doubt}")
    lines += [f"  {cut_in_words(cut)}" for cut in document.get("cuts", ())]
    if not document["links"]:
        lines.append("It was linked to nothing.")
    for link in document["links"]:
        lines += ["", *link_in_words(link, document["clock"])]
    return "\n".join(lines)


def link_in_words(link: dict[str, Any], clock: str) -> list[str]:
    """A link in a few lines."""
    one, two = link["from"], link["to"]
    if link["by_user"]:
        head = f"{one} and {two} are one person because a correction says so"
        if not any(link["evidence"].values()) and link["runner_up"] is None:
            return [head, "  one of them has no crop that could be compared"]
        head += f"; by themselves: probability {in_share(link['probability'])}, log-odds {link['log_odds']:+.1f}"
    else:
        sure = f"probability {in_share(link['probability'])}, log-odds {link['log_odds']:+.1f}"
        head = f"{one} and {two}: one person with {sure}"
    one_camera = one.rsplit("#", 1)[0] == two.rsplit("#", 1)[0]
    lines = [head, *evidence_in_words(link, clock, one_camera=one_camera)]
    if link["runner_up"] is None:
        return [*lines, f"  runner-up       none: nothing else could be the person of {two}"]
    whose = f"{link['runner_up_tracklet']}, person {link['runner_up_person']}," if link["runner_up_tracklet"] else ""
    return [*lines, f"  runner-up for {two}: {whose} at log-odds {link['runner_up']:+.1f}; margin {link['margin']:.1f}"]


def cuts_of(root: Path, person: Trajectory) -> list[dict[str, Any]]:
    """Where the person's tracklets were cut off what the tracker took for one person, or something off them, as
    store/splits.json tells; none where it does not."""
    own = {t.key for t in person.tracklets}
    try:
        splits = json.loads((root / "store" / "splits.json").read_bytes())
        told = [
            {
                "tracklet": name_of((str(s["new_key"][0]), int(s["new_key"][1]))),
                "from": name_of((str(s["key"][0]), int(s["key"][1]))),
                "time_s": round(float(s["time_s"]), 3),
                "log_odds": round(float(s["log_odds"]), 4),
            }
            for s in splits
            if own & {tuple(s["new_key"]), tuple(s["key"])}
        ]
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return []
    return told


def cut_in_words(cut: Mapping[str, Any]) -> str:
    """A cut inside what the tracker took for one person."""
    sure = f"log-odds {cut['log_odds']:+.1f} that both sides are one person"
    return f"{cut['tracklet']} was cut off {cut['from']} at {cut['time_s']:.1f} s: {sure}"


def evidence_in_words(link: Mapping[str, Any], clock: str, *, one_camera: bool) -> list[str]:
    """The sources that add up to a pair's log-odds, a line each."""
    where = "of this camera" if one_camera else "of two cameras"
    share = probability(link["people"])
    return [
        _row("before looking", link["people"], share_in_words(share, where)),
        _row(
            "appearance",
            link["evidence"].get("appearance", 0.0),
            _speaks(link["evidence"].get("appearance", 0.0), "their looks"),
        ),
        _row(
            "time",
            link["evidence"].get("time", 0.0),
            _speaks(link["evidence"].get("time", 0.0), "the time between them", clock),
        ),
        _row(
            "place", link["evidence"].get("place", 0.0), _speaks(link["evidence"].get("place", 0.0), "where they were")
        ),
        _row("rivals", link["rivals"], _rivals(link["rivals"])),
    ]


def _row(name: str, value: float, words: str) -> str:
    return f"  {name:<16}{value:+6.1f}  {words}"


def _speaks(value: float, subject: str, clock: str = "") -> str:
    if clock == "unknown" and value == 0.0:
        return "says nothing: the cameras share no known clock"
    if abs(value) < _FEW:
        return "says nothing here"
    whose = "of one person than of two" if value > 0 else "of two people than of one"
    return f"{subject}: {_times(abs(value))} more likely {whose}"


def _rivals(value: float) -> str:
    if abs(value) < _FEW:
        return "the other candidates change nothing"
    return "nobody else comes near" if value > 0 else "others are candidates, too"


def _times(log_odds: float) -> str:
    odds = math.exp(log_odds)
    return f"{odds:.1f} times" if odds < 10 else f"{float(f'{odds:.2g}'):,.0f} times"


def share_in_words(share: float, where: str) -> str:
    """How many pairs are one person, for the eye."""
    if share > 0.4:
        return f"{'most' if share > 0.6 else 'about half of the'} pairs {where} are one person"
    return f"about 1 in {round(1 / share):,} pairs {where} is one person"


def in_share(share: float) -> str:
    """A probability with two places; the ends as what they are."""
    if not 0.005 <= share <= 0.995:
        return "over 0.99" if share > 0.5 else "below 0.01"
    return f"{share:.2f}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def probability(log_odds: float) -> float:
    """Of one person."""
    return 1.0 / (1.0 + math.exp(-log_odds))
