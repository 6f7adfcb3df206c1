"""`run.py evaluate` from the argument line to the files it writes."""

import json

import numpy as np
import pytest

import run as front_door
from evaluation.multi_camera import evaluate_tracking

FULL = {"idf1", "idp", "idr", "hota", "deta", "assa", "mota"}


@pytest.fixture
def cameras(sequences):
    return {"lobby": sequences.walk(301), "hall[1]": sequences.walk(302)}


@pytest.fixture
def run_directory(tmp_path, cameras, write_mot):
    for camera, (_, predicted) in cameras.items():
        write_mot(tmp_path / "run" / "mot" / f"{camera}.txt", predicted)
        write_mot(tmp_path / "run" / "tracklets" / f"{camera}.txt", predicted)
    return tmp_path / "run"


@pytest.fixture
def truth_folder(tmp_path, cameras, write_mot):
    for camera, (truth, _) in cameras.items():
        write_mot(tmp_path / "truth" / f"{camera}.txt", truth)
    return tmp_path / "truth"


def evaluate(*arguments):
    return front_door.main(["evaluate", *map(str, arguments)])


def test_json_is_the_contracts(run_directory, truth_folder, cameras, as_rows, capsys):
    assert evaluate(run_directory, "--truth", truth_folder, "--json") == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((run_directory / "evaluation.json").read_text())
    assert printed.keys() == {"multi_camera", "per_camera"}
    assert printed["multi_camera"].keys() == FULL
    assert {camera: set(row) for camera, row in printed["per_camera"].items()} == dict.fromkeys(cameras, FULL)
    want = evaluate_tracking(*as_rows(cameras))
    assert printed["multi_camera"]["idf1"] == pytest.approx(want.total.identity.idf1)
    assert printed["per_camera"]["lobby"]["hota"] == pytest.approx(want.cameras["lobby"].hota.hota)
    assert [p.name for p in run_directory.iterdir() if "evaluation" in p.name] == ["evaluation.json"]


def test_table_shows_scores_and_ceilings(run_directory, truth_folder, cameras, as_rows, capsys):
    assert evaluate(run_directory, "--truth", truth_folder) == 0
    out = capsys.readouterr().out
    want = evaluate_tracking(*as_rows(cameras))
    assert f"{100 * want.total.identity.idf1:.2f}" in out
    assert f"{100 * want.cameras['hall[1]'].clear.mota:.2f}" in out
    for words in ("hall[1]", "all cameras", "perfect linking", "perfect ids", "IDSW", "links between cameras: F1"):
        assert words in out


@pytest.mark.parametrize("form", ["{}/gt.txt", "{}/gt/gt.txt"])
def test_truth_may_stand_in_folders(*, form, run_directory, cameras, tmp_path, write_mot, capsys):
    for camera, (truth, _) in cameras.items():
        write_mot(tmp_path / "nested" / form.format(camera), truth)
    assert evaluate(run_directory, "--truth", tmp_path / "nested", "--json") == 0
    assert json.loads(capsys.readouterr().out)["per_camera"].keys() == cameras.keys()


def test_a_folder_of_text_files_is_scored_and_not_written_to(run_directory, truth_folder, capsys):
    folder = run_directory / "mot"
    before = sorted(folder.iterdir())
    assert evaluate(folder, "--truth", truth_folder) == 0
    assert sorted(folder.iterdir()) == before
    out = capsys.readouterr().out
    assert "perfect ids" in out
    assert "perfect linking" not in out, "no tracklets, no such ceiling"


def test_truth_may_be_the_file_of_the_only_camera(tmp_path, truth_folder, cameras, write_mot, capsys):
    write_mot(tmp_path / "one" / "view1.txt", cameras["lobby"][1])
    assert evaluate(tmp_path / "one", "--truth", truth_folder / "lobby.txt", "--json") == 0
    assert list(json.loads(capsys.readouterr().out)["per_camera"]) == ["view1"]


def test_no_score_of_links_where_there_can_be_none(  # noqa: PLR0917
    tmp_path, truth_folder, run_directory, cameras, write_mot, capsys
):
    write_mot(tmp_path / "one" / "view1.txt", cameras["lobby"][1])
    assert evaluate(tmp_path / "one", "--truth", truth_folder / "lobby.txt") == 0
    out = capsys.readouterr().out
    assert "links between cameras: not scored, that needs the truth of two cameras" in out
    assert "F1 0.00" not in out
    others = cameras["hall[1]"][0] + np.eye(cameras["hall[1]"][0].shape[1])[1] * 1000
    write_mot(truth_folder / "hall[1].txt", others)
    assert evaluate(run_directory, "--truth", truth_folder, "--partial-truth") == 0
    assert "none true: nobody of the truth is in two cameras" in capsys.readouterr().out


def test_one_sided_cameras_are_named(run_directory, truth_folder, capsys):
    (run_directory / "mot" / "lobby.txt").rename(run_directory / "mot" / "garage.txt")
    assert evaluate(run_directory, "--truth", truth_folder, "--json") == 0
    out, err = capsys.readouterr()
    scores = json.loads(out)["per_camera"]
    assert scores.keys() == {"lobby", "hall[1]"}
    assert scores["lobby"]["idf1"] == 0.0
    assert "no prediction for lobby" in err
    assert "no truth for garage" in err


def test_partial_truth_reports_identity_and_pairs_only(run_directory, truth_folder, write_mot, cameras, capsys):
    truth = cameras["lobby"][0]
    write_mot(truth_folder / "lobby.txt", truth[truth[:, 1] <= 2])
    assert evaluate(run_directory, "--truth", truth_folder, "--partial-truth", "--json") == 0
    part = json.loads(capsys.readouterr().out)
    assert part["multi_camera"].keys() == {"idf1", "pair_f1"}
    assert part["per_camera"]["lobby"].keys() == {"idf1"}
    assert evaluate(run_directory, "--truth", truth_folder, "--json") == 0
    whole = json.loads(capsys.readouterr().out)
    assert part["per_camera"]["lobby"]["idf1"] > whole["per_camera"]["lobby"]["idf1"]
    assert evaluate(run_directory, "--truth", truth_folder, "--partial-truth") == 0
    out = capsys.readouterr().out
    assert "MOTA" not in out
    assert "perfect linking" in out


@pytest.fixture
def write_report(run_directory):
    """run_report.json of cameras as (id, status, first time, frames, coverage), 10 frames a second."""

    def write(*cameras, start=None, end=None):
        entries = [
            {"camera_id": camera_id, "status": status, "coverage": coverage, "fps": 10.0, "frames_decoded": frames,
             "reading": {"first_time_s": first_s}}
            for camera_id, status, first_s, frames, coverage in cameras
        ]  # fmt: skip
        report = {"arguments": {"start": start, "end": end}, "cameras": entries}
        (run_directory / "run_report.json").write_text(json.dumps(report))

    return write


def cut(run_directory, cameras, write_mot, first, last):
    """As a run cut to these frames writes it."""
    for camera, (_, predicted) in cameras.items():
        rows = predicted[(predicted[:, 0] >= first) & (predicted[:, 0] <= last)]
        write_mot(run_directory / "mot" / f"{camera}.txt", rows)


@pytest.mark.parametrize(
    ("offset_s", "pause_s", "boxes"),
    [(0.0, 0.0, False), (100.0, 0.0, False), (100.0, 3600.0, True)],  # across a pause only a box tells the frame
)
def test_a_cut_run_is_scored_within_the_cut(  # noqa: PLR0917
    run_directory, truth_folder, cameras, write_mot, write_report, as_rows, capsys, offset_s, pause_s, boxes
):
    cut(run_directory, cameras, write_mot, 21, 40)
    first_s = offset_s + pause_s + 2.0
    write_report(*((name, "complete", first_s, 20, 1.0) for name in cameras), start=first_s, end=first_s + 2)
    tracklets = [{"camera_id": name, "time_s": [first_s + 0.3], "frame": [23]} for name in cameras] if boxes else []
    document = {
        "cameras": [{"camera_id": name, "time_offset_s": offset_s} for name in cameras],
        "trajectories": [{"tracklets": tracklets}],
    }
    (run_directory / "trajectories.json").write_text(json.dumps(document))
    assert evaluate(run_directory, "--truth", truth_folder, "--json") == 0
    out, err = capsys.readouterr()
    inside = {
        camera: tuple(rows[(rows[:, 0] >= 21) & (rows[:, 0] <= 40)] for rows in pair)
        for camera, pair in cameras.items()
    }
    want = evaluate_tracking(*as_rows(inside))
    assert json.loads(out)["multi_camera"]["mota"] == pytest.approx(want.total.clear.mota)
    for name in cameras:
        assert f"camera {name}: the run was cut to frames 21 to 40" in err


def test_a_run_that_only_ends_early_begins_with_frame_1(  # noqa: PLR0917
    run_directory, truth_folder, cameras, write_mot, write_report, as_rows, capsys
):
    cut(run_directory, cameras, write_mot, 1, 40)
    write_report(*((name, "complete", 7.0, 40, 1.0) for name in cameras), end=11.0)
    assert evaluate(run_directory, "--truth", truth_folder, "--json") == 0
    out, err = capsys.readouterr()
    want = evaluate_tracking(*as_rows({c: tuple(rows[rows[:, 0] <= 40] for rows in p) for c, p in cameras.items()}))
    assert json.loads(out)["multi_camera"]["idf1"] == pytest.approx(want.total.identity.idf1)
    assert "frames 1 to 40" in err


def test_a_camera_that_was_not_read_whole_is_named(  # noqa: PLR0917
    run_directory, truth_folder, cameras, write_report, as_rows, capsys
):
    write_report(("lobby", "partial", 0.0, 38, 0.633), ("hall[1]", "complete", 0.0, 60, 1.0))
    assert evaluate(run_directory, "--truth", truth_folder, "--json") == 0
    out, err = capsys.readouterr()
    assert "camera lobby: partial, coverage 63.3 %" in err
    assert "hall[1]" not in err
    want = evaluate_tracking(*as_rows(cameras))
    assert json.loads(out)["multi_camera"]["mota"] == pytest.approx(want.total.clear.mota), "all of it counts"
    write_report(("lobby", "failed", None, 0, 0.0), start=5.0)
    assert evaluate(run_directory, "--truth", truth_folder, "--json") == 0
    out, err = capsys.readouterr()
    assert "camera lobby: failed, coverage 0.0 %" in err
    assert "all of its truth is scored" in err
    (run_directory / "run_report.json").write_text('{"came')
    assert evaluate(run_directory, "--truth", truth_folder, "--json") == 0
    assert "what the run was given is not known" in capsys.readouterr().err


def one_error(capsys):
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    return err


def test_bad_usage_is_exit_2_and_one_line(run_directory, truth_folder, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    for arguments, told in [
        ((tmp_path / "absent", "--truth", truth_folder), "no such folder"),
        ((tmp_path / "empty", "--truth", truth_folder), "holds no <camera>.txt"),
        ((run_directory, "--truth", tmp_path / "absent"), "no such folder"),
        ((run_directory, "--truth", tmp_path / "empty"), "holds no <camera>.txt, <camera>/gt.txt"),
        ((run_directory, "--truth", truth_folder / "lobby.txt"), "give a folder"),
        ((run_directory,), "--truth"),
    ]:
        try:
            code = evaluate(*arguments)
        except SystemExit as end:
            code = end.code
        assert code == 2
        assert told in one_error(capsys)
    assert not (run_directory / "evaluation.json").exists()


def test_a_bad_row_is_exit_2_and_names_file_and_line(run_directory, truth_folder, capsys):
    with (truth_folder / "lobby.txt").open("a") as file:
        file.write("9,1,nan,0,0,0\n")
    lines = len((truth_folder / "lobby.txt").read_text().splitlines())
    assert evaluate(run_directory, "--truth", truth_folder) == 2
    assert f"lobby.txt:{lines}: nan" in one_error(capsys)


def test_other_names_are_told_side_by_side(run_directory, tmp_path, cameras, write_mot, capsys):
    write_mot(tmp_path / "other" / "view9.txt", cameras["lobby"][0])
    assert evaluate(run_directory, "--truth", tmp_path / "other") == 2
    error = one_error(capsys)
    assert "view9" in error
    assert "lobby" in error


def test_two_truths_of_one_camera_are_refused(run_directory, truth_folder, cameras, write_mot, capsys):
    write_mot(truth_folder / "lobby" / "gt.txt", cameras["lobby"][0])
    assert evaluate(run_directory, "--truth", truth_folder) == 2
    assert "both" in one_error(capsys)


def test_an_id_twice_in_a_frame_is_refused_or_first_kept(run_directory, truth_folder, capsys):
    path = run_directory / "mot" / "lobby.txt"
    first = path.read_text().splitlines()[0]
    path.write_text(path.read_text() + first + "\n")
    assert evaluate(run_directory, "--truth", truth_folder) == 2
    assert "stands twice" in one_error(capsys)
    assert evaluate(run_directory, "--truth", truth_folder, "--duplicates", "first", "--json") == 0
    assert np.isfinite(json.loads(capsys.readouterr().out)["multi_camera"]["mota"])
