"""`run.py relink`: the run is linked anew from its store, as the user says."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from benchmarks.reliability_scene import Scene
from pipeline.outputs.memory import read_corrections
from pipeline.outputs.validation import validate

FIRST = {1: ["cam0#1", "cam1#4"], 2: ["cam1#1", "cam0#2"], 3: ["cam1#2", "cam0#3"], 4: ["cam1#3"]}


def files(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


def test_nothing_said_gives_the_same_bytes_without_the_videos(  # type: ignore[no-untyped-def]
    work, tracked, passerby, people, small_scene: Scene
) -> None:
    assert people(tracked) == FIRST
    moved = [video.rename(video.with_suffix(".away")) for video in small_scene.videos]
    try:
        code, out, _ = passerby("relink", work, "--json")
    finally:
        for video in moved:
            video.rename(video.with_suffix(".mp4"))
    assert code == 0
    assert json.loads(out)["changed"] == {}
    before, after = files(tracked), files(work)
    assert set(before) == set(after)
    assert [name for name in before if before[name] != after[name]] == ["run_report.json"]


def test_merged_people_are_one_in_every_output_and_undo_brings_the_same_bytes_back(  # type: ignore[no-untyped-def]
    work, tracked, passerby, people
) -> None:
    code, out, err = passerby("relink", work, "--merge", 3, 4, "--json")
    assert code == 0, err
    assert people(work) == {1: FIRST[1], 2: FIRST[2], 3: [*FIRST[3], *FIRST[4]]}
    assert json.loads(out)["changed"] == {"3": [*FIRST[3], *FIRST[4]], "4": []}
    document = json.loads((work / "trajectories.json").read_text())
    validate(document)
    links = document["trajectories"][2]["links"]
    assert [link.get("by_user", False) for link in links] == [True, True]
    ids = {line.split(",")[1] for line in (work / "mot" / "cam1.txt").read_text().splitlines()}
    assert ids == {"1", "2", "3"}
    report = json.loads((work / "run_report.json").read_text())
    assert (report["people"], report["association"]["people"]) == (3, 3)
    assert (work / "store" / "corrections.yaml").stat().st_mode & 0o077 == 0
    assert passerby("relink", work, "--undo")[0] == 0
    assert (work / "trajectories.json").read_bytes() == (tracked / "trajectories.json").read_bytes()
    assert not (work / "store" / "corrections.yaml").exists()


def test_split_inside_a_tracklet_cuts_it_there(work, passerby, people) -> None:  # type: ignore[no-untyped-def]
    track = json.loads((work / "trajectories.json").read_text())["trajectories"][0]["tracklets"][1]
    time_s = (track["start_s"] + track["end_s"]) / 2
    assert passerby("relink", work, "--split", f"1@cam1:{time_s:.2f}")[0] == 0
    after = people(work)
    person = {name: number for number, names in after.items() for name in names}
    assert person["cam1#4"] != person["cam1#5"]
    assert {tuple(names) for names in after.values()} >= {tuple(FIRST[n]) for n in (2, 3, 4)}, "nobody else moves"
    parts = {
        t["track_id"]: t
        for person in json.loads((work / "trajectories.json").read_text())["trajectories"]
        for t in person["tracklets"]
        if t["camera_id"] == "cam1"
    }
    assert parts[4]["end_s"] < time_s <= parts[5]["start_s"]
    assert parts[4]["frame"] + parts[5]["frame"] == track["frame"]
    pieces = {person[name] for name in ("cam0#1", "cam1#4", "cam1#5")}  # nothing tells which of the two cam0#1 is
    assert passerby("relink", work, "--merge", *sorted(pieces))[0] == 0
    assert people(work)[1] == ["cam0#1", "cam1#4", "cam1#5"], "they may be one person after all"


def test_split_takes_a_tracklet_out(work, passerby, people) -> None:  # type: ignore[no-untyped-def]
    assert passerby("relink", work, "--split", "2@cam1#1")[0] == 0
    assert people(work) == FIRST | {2: ["cam0#2"], 5: ["cam1#1"]}
    assert passerby("relink", work, "--merge", 5, 4)[0] == 0
    assert people(work) == {1: FIRST[1], 2: ["cam0#2"], 3: FIRST[3], 4: ["cam1#1", "cam1#3"]}


def test_a_locked_person_takes_nobody_in(work, passerby, people) -> None:  # type: ignore[no-untyped-def]
    """Without the lock a floor of 0 % would put everybody together who was never seen at one time."""
    assert passerby("relink", work, "--lock", 2, "--set", "association.min_link_probability=1e-6")[0] == 0
    locked = people(work)
    assert locked[2] == FIRST[2]
    assert passerby("relink", work, "--undo")[0] == 0
    assert not any(tracklets == FIRST[2] for tracklets in people(work).values()), "the setting stays, the lock went"
    assert passerby("relink", work, "--undo", "all")[0] == 0
    assert people(work) == FIRST


def test_everything_taken_back_brings_the_settings_back(work, passerby, people) -> None:  # type: ignore[no-untyped-def]
    """Twice --set: what counts is what the run was made with, not what stood there in between."""
    settings, result = (work / "config.resolved.yaml").read_text(), (work / "trajectories.json").read_bytes()
    for probability in ("1e-6", "0.999"):
        entry = f"association.min_link_probability={probability}"
        assert passerby("relink", work, "--set", entry)[0] == 0
        assert (work / "config.resolved.yaml").read_text() != settings
    assert passerby("relink", work, "--undo", "all")[0] == 0
    assert (work / "config.resolved.yaml").read_text() == settings
    assert (work / "trajectories.json").read_bytes() == result
    assert people(work) == FIRST
    assert not (work / "store" / "config.before.yaml").exists()


def test_all_at_once_and_listed(work, passerby, people) -> None:  # type: ignore[no-untyped-def]
    code, _, err = passerby("relink", work, "--merge", 3, 4, "--split", "2@cam1#1", "--lock", 3, 1)
    assert code == 0, err
    assert people(work) == {1: FIRST[1], 2: ["cam0#2"], 3: [*FIRST[3], *FIRST[4]], 5: ["cam1#1"]}
    code, out, _ = passerby("relink", work, "--list")
    assert (code, out.split("\n")) == (
        0,
        ["  1  --merge 3 4", "  2  --split 2@cam1#1", "  3  --lock 3", "  4  --lock 1", ""],
    )
    assert passerby("relink", work, "--undo", 2)[0] == 0
    assert people(work)[2] == FIRST[2]
    assert [c.said for c in read_corrections(work / "store")] == ["--merge 3 4", "--lock 3", "--lock 1"]
    assert passerby("relink", work, "--undo")[0] == 0, "what was said in one call is taken back in one"
    assert people(work) == FIRST


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--merge", "1", "9"], "there is no person 9; there are 1, 2, 3, 4"),
        (["--merge", "1", "1"], "wants two people or more"),
        (["--split", "1@cam1:999"], "person 1 is there at"),
        (["--split", "4@cam0:3"], "person 4 is not in camera cam0, but in cam1"),
        (["--split", "4@cam1#3"], "cam1#3 is all there is of person 4"),
        (["--split", "1@cam1#2"], "has no such tracklet there, but cam1#4"),
        (["--split", "1@cam1:soon"], "is no time"),
        (["--split", "1cam1"], "wants PERSON@CAMERA:TIME"),
        (["--split", "1@cam1:21.5", "--lock", "1"], "in a second"),
        (["--undo"], "nothing was said yet"),
        (["--undo", "--merge", "1", "2"], "in a second call"),
        (["--list", "--lock", "1"], "only shows"),
        (["--set", "crops.per_tracklet=2"], "differs from how camera cam0 was tracked"),
        (["--set", "association.solvr=1"], "association.solvr is not a setting"),
    ],
)
def test_what_cannot_be_is_exit_2_in_one_line_and_changes_nothing(  # type: ignore[no-untyped-def]
    work, passerby, arguments, word
) -> None:
    before = files(work)
    code, _, err = passerby("relink", work, *arguments)
    assert code == 2
    lines = [line for line in err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    assert word in lines[0]
    assert files(work) == before


def test_no_run_is_exit_2(tmp_path: Path, passerby) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "note.txt").write_text("mine")
    for folder in ("nowhere", "other"):
        for more in (["--merge", 1, 2], ["--list"]):
            code, _, err = passerby("relink", tmp_path / folder, *more)
            assert (code, err.count("error: ")) == (2, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["other"]


def test_a_damaged_store_is_told(work, passerby) -> None:  # type: ignore[no-untyped-def]
    (work / "store" / "corrections.yaml").write_text("corrections: [\n")
    code, _, err = passerby("relink", work)
    assert code == 2
    assert "corrections.yaml" in err
    (work / "store" / "corrections.yaml").unlink()
    (work / "store" / "cam1.safetensors").write_bytes(b"noise")
    code, _, err = passerby("relink", work)
    assert code == 2
    assert "cam1" in err
    (work / "store" / "scene.json").unlink()
    code, _, err = passerby("relink", work)
    assert code == 2
    assert "scene.json is not there" in err


def test_a_person_in_two_cameras_at_once_is_remarked(work, passerby, people) -> None:  # type: ignore[no-untyped-def]
    """With a common clock, cam0#1 and cam1#1 walk at one time."""
    code, _, err = passerby("relink", work, "--merge", 1, 2, "--set", "clock=common")
    assert code == 0
    assert "correction 1 (--merge 1 2): cam0#1 and cam1#1 were seen at once (0.0 to 2.9 s)" in err
    assert any({"cam0#1", "cam1#1"} <= set(tracklets) for tracklets in people(work).values())


def test_corrections_survive_a_run_made_anew(work, passerby, people, small_scene: Scene, tmp_path) -> None:  # type: ignore[no-untyped-def]
    assert passerby("relink", work, "--merge", 3, 4, "--split", "2@cam1#1")[0] == 0
    corrected = (work / "trajectories.json").read_bytes()
    again = [*small_scene.arguments(), "--output", work, "--no-render", "-q"]
    assert passerby("track", *again, "--resume")[0] == 0
    assert (work / "trajectories.json").read_bytes() == corrected
    assert passerby("track", *again, "--overwrite", "--set", "tracker.min_observations=3")[0] == 0
    groups = {frozenset(tracklets) for tracklets in people(work).values()}
    assert frozenset({"cam0#3", "cam1#2", "cam1#3"}) in groups
    assert frozenset({"cam0#2"}) in groups
    other = tmp_path / "other"
    other.mkdir()
    swapped = [shutil.copy(small_scene.videos[1], other / "cam0.mp4"), small_scene.videos[1]]
    boxes = other / "boxes"
    boxes.mkdir()
    for name in ("cam0", "cam1"):
        shutil.copy(small_scene.boxes / "cam1.txt", boxes / f"{name}.txt")
    code, _, err = passerby(
        "track", "--videos", *swapped, "--replay", boxes, "--embedder", small_scene.embedder, "--output", work,
        "--no-render", "--overwrite", "--allow-duplicates",
    )  # fmt: skip
    assert code == 0, err
    notices = json.loads((work / "run_report.json").read_text())["notices"]
    assert notices == [
        f"correction {n} ({said}) does not hold: camera cam0 has another video now"
        for n, said in ((1, "--merge 3 4"), (2, "--split 2@cam1#1"))
    ]


def test_a_camera_added_later_leaves_the_numbers_as_they_are(  # type: ignore[no-untyped-def]
    tmp_path, passerby, people, small_scene: Scene
) -> None:
    one = small_scene.arguments()
    only = ["--videos", str(small_scene.videos[1]), *one[3:]]
    assert passerby("track", *only, "--output", tmp_path / "run", "--no-render", "-q")[0] == 0
    before = people(tmp_path / "run")
    assert passerby("track", *one, "--output", tmp_path / "run", "--no-render", "-q", "--resume")[0] == 0
    after = people(tmp_path / "run")
    for number, tracklets in before.items():
        assert set(tracklets) <= set(after[number])


def test_overlays_are_told_to_be_stale_until_they_are_drawn(work, passerby, small_scene: Scene) -> None:  # type: ignore[no-untyped-def]
    assert passerby("relink", work, "--render")[0] == 0
    drawn = (work / "overlays" / "cam1.mp4").read_bytes()
    for name in ("evaluation.json", "online.json"):
        (work / name).write_text("{}")
    assert json.loads(passerby("relink", work, "--json")[1])["overlays_stale"] is False
    assert (work / "evaluation.json").exists()
    assert json.loads(passerby("relink", work, "--merge", 3, 4, "--json")[1])["overlays_stale"] is True
    assert not (work / "evaluation.json").exists(), "it told of other people"
    assert not (work / "online.json").exists()
    assert json.loads(passerby("relink", work, "--json")[1])["overlays_stale"] is True
    assert "overlays/" in json.loads((work / "run_report.json").read_text())["notices"][0]
    assert json.loads(passerby("relink", work, "--undo", "all", "--json")[1])["overlays_stale"] is False, "agree again"
    assert json.loads((work / "run_report.json").read_text())["notices"] == []
    assert json.loads(passerby("relink", work, "--merge", 3, 4, "--json")[1])["overlays_stale"] is True
    assert passerby("relink", work, "--render")[0] == 0
    assert json.loads((work / "run_report.json").read_text())["notices"] == []
    assert (work / "overlays" / "cam1.mp4").read_bytes() != drawn
    assert json.loads(passerby("relink", work, "--undo", "all", "--json")[1])["overlays_stale"] is True, "drawn merged"
    assert passerby("relink", work, "--merge", 3, 4)[0] == 0
    video = small_scene.videos[1]
    kept = video.read_bytes()
    try:
        video.write_bytes(small_scene.videos[0].read_bytes())
        code, out, err = passerby("relink", work, "--render", "--json")
    finally:
        video.write_bytes(kept)
    assert code == 3
    assert "is not the video that was tracked" in err
    assert json.loads(out)["overlays_stale"] is True, "one camera's is the old one"
    assert json.loads(passerby("relink", work, "--json")[1])["overlays_stale"] is True
    assert passerby("relink", work, "--render")[0] == 0
    assert json.loads(passerby("relink", work, "--json")[1])["overlays_stale"] is False


def test_played_back_as_if_live(work, tracked, passerby) -> None:  # type: ignore[no-untyped-def]
    code, out, err = passerby("relink", work, "--online", "--json")
    assert code == 0, err
    summary = json.loads(out)
    document = json.loads((work / "online.json").read_text())
    assert summary["tracklets"] == len({event["tracklet"] for event in document["events"]}) == 7
    assert summary["people"] == 4
    assert summary["idf1_with_offline"] == summary["pair_f1_with_offline"] == 1.0
    first = [event for event in document["events"] if event["before"] is None]
    assert len(first) == 7
    assert first == sorted(first, key=lambda event: event["time_s"])
    assert {name for name in files(work) if files(work)[name] != files(tracked).get(name)} == {"online.json"}
    assert passerby("relink", work, "--online", "--merge", 1, 2)[0] == 2
    assert passerby("relink", work, "--online", "--set", "crops.per_tracklet=2")[0] == 2


def test_from_another_folder_the_calibration_is_found_where_it_was_named(  # type: ignore[no-untyped-def]
    small_scene: Scene, tmp_path: Path, passerby, people, monkeypatch: pytest.MonkeyPatch
) -> None:
    there, elsewhere = tmp_path / "there", tmp_path / "elsewhere"
    there.mkdir()
    elsewhere.mkdir()
    floor = "{image_to_ground: [[0.05, 0, 0], [0, -0.05, 8], [0, 0, 1]]}"
    (there / "site.yaml").write_text(f"cameras: {{cam0: {floor}, cam1: {floor}}}\n")
    monkeypatch.chdir(there)
    arguments = [*small_scene.arguments(), "--calibration", "site.yaml", "--output", tmp_path / "run", "--no-render"]
    assert passerby("track", *arguments, "-q")[0] == 0
    before = (tmp_path / "run" / "trajectories.json").read_bytes()
    assert b"ground_xy" in before
    monkeypatch.chdir(elsewhere)
    code, _, err = passerby("relink", tmp_path / "run")
    assert code == 0, err
    assert (tmp_path / "run" / "trajectories.json").read_bytes() == before


def test_a_renamed_camera_is_done_anew_and_the_old_names_store_is_told(
    work, passerby, people, small_scene: Scene
) -> None:  # type: ignore[no-untyped-def]
    """Field bug: the store of the former name lay there for ever, and nothing said so."""
    one = small_scene.arguments()
    (small_scene.boxes / "gate.txt").write_bytes((small_scene.boxes / "cam1.txt").read_bytes())
    renamed = ["--videos", one[1], f"gate={one[2]}", *one[3:], "--output", work, "--no-render", "--resume"]
    kept = (work / "store" / "cam1.safetensors").read_bytes()
    code, _, err = passerby("track", *renamed)
    assert code == 0, err
    (line,) = [line for line in err.splitlines() if "cam1" in line]
    assert f"cam1.safetensors in {work / 'store'}: not used, of a camera that is not in this run" in line
    assert {name.split("#")[0] for tracklets in people(work).values() for name in tracklets} == {"cam0", "gate"}
    assert sorted(path.name for path in (work / "mot").iterdir()) == ["cam0.txt", "gate.txt"]
    assert passerby("relink", work, "--list")[0] == 0, "nor does what comes later read it"
    assert (work / "store" / "cam1.safetensors").read_bytes() == kept, "what may be somebody's only copy stays"
    code, _, err = passerby("track", *one, "--output", work, "--no-render", "--resume")
    assert code == 0
    assert "camera cam1: done before" in err
    assert "gate.safetensors in" in err
