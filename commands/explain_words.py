"""One person's links as JSON, and that in words."""

from __future__ import annotations

import math
from typing import Any

from commands.relink_words import name_of
from pipeline.outputs.trajectories import TrajectoryFile
from pipeline.types import Link, TrackletKey, Trajectory

_FEW = 0.05
"""Log-odds that say nothing: odds of 1.05."""


def as_json(result: TrajectoryFile, person: Trajectory) -> dict[str, Any]:
    """What is known of a person's links: log-odds by source, the runner-up and whose it is, the margin."""
    owner = {t.key: other.person_id for other in result.trajectories for t in other.tracklets}
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
        "probability": round(_probability(link.log_odds), 4),
        "evidence": dict(link.evidence),
        "people": link.people,
        "rivals": link.rivals,
        "runner_up": link.runner_up,
        "runner_up_tracklet": None if rival is None else name_of(rival),
        "runner_up_person": None if rival is None else owner.get(rival),
        "margin": None if link.runner_up is None else round(link.log_odds - link.runner_up, 4),
    }


def in_words(document: dict[str, Any]) -> str:
    """The same for reading."""
    person, tracklets = document["person_id"], document["tracklets"]
    sure = f", one person with probability {_share(document['link_confidence'])}" if document["links"] else ""
    lines = [f"Person {person}: {_count(len(tracklets), 'tracklet')}{sure}"]
    for t in tracklets:
        doubt = f"   belongs here with probability {_share(t['confidence'])}" if len(tracklets) > 1 else ""
        lines.append(f"  {t['tracklet']:<16}{t['start_s']:9.1f} to {t['end_s']:.1f} s, {t['boxes']} boxes{doubt}")
    if not document["links"]:
        lines.append("It was linked to nothing: no other tracklet was more likely this person than not.")
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
        head += f"; by themselves: probability {_share(link['probability'])}, log-odds {link['log_odds']:+.1f}"
    else:
        sure = f"probability {_share(link['probability'])}, log-odds {link['log_odds']:+.1f}"
        head = f"{one} and {two}: one person with {sure}"
    one_camera = one.rsplit("#", 1)[0] == two.rsplit("#", 1)[0]
    where = "of this camera" if one_camera else "of two cameras"
    share = 1.0 / (1.0 + math.exp(-link["people"]))
    lines = [
        head,
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
    if link["runner_up"] is None:
        return [*lines, f"  runner-up       none: nothing else could be the person of {two}"]
    whose = f"{link['runner_up_tracklet']}, person {link['runner_up_person']}," if link["runner_up_tracklet"] else ""
    return [*lines, f"  runner-up for {two}: {whose} at log-odds {link['runner_up']:+.1f}; margin {link['margin']:.1f}"]


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


def _share(probability: float) -> str:
    if not 0.005 <= probability <= 0.995:
        return "over 0.99" if probability > 0.5 else "below 0.01"
    return f"{probability:.2f}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _probability(log_odds: float) -> float:
    return 1.0 / (1.0 + math.exp(-log_odds))
