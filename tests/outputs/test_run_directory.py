"""The run directory mixes no runs, takes nothing that is not ours, tells trouble early."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.errors import ResourceError, UsageError
from pipeline.outputs.atomic import atomic_file, atomic_write
from pipeline.outputs.run_directory import RunDirectory

ROOT = Path(__file__).parents[2]


def finished(path: Path) -> Path:
    with RunDirectory.create(path) as run:
        atomic_write(run.trajectories, "{}")
        atomic_write(run.path_for("a", "mot"), "1,1\n")
        atomic_write(run.store / "a.safetensors", b"x", 0o600)
    return path


def test_default_runs_are_numbered_and_never_shared(tmp_path: Path) -> None:
    first, second = (RunDirectory.create(runs=tmp_path / "runs") for _ in range(2))
    assert first.root.name.endswith("-01")
    assert second.root.name.endswith("-02")
    assert first.root.name[:-3] == second.root.name[:-3]
    first.close()
    second.close()


def test_an_existing_run_needs_a_word(tmp_path: Path) -> None:
    path = finished(tmp_path / "run")
    with pytest.raises(UsageError, match="--overwrite replaces it, --resume goes on"):
        RunDirectory.create(path)
    assert (path / "trajectories.json").exists()


def test_overwrite_removes_the_old_run_by_name_only(tmp_path: Path) -> None:
    path = finished(tmp_path / "run")
    (path / "my notes.txt").write_text("keep")
    with RunDirectory.create(path, overwrite=True) as run:
        assert not run.resumed
        assert run.trajectories.exists(), "nothing is touched before all that can be refused has been checked"
        run.begin()
        assert not run.trajectories.exists()
        assert not (path / "mot").exists()
        assert list(run.store.iterdir()) == []
    assert (path / "my notes.txt").read_text() == "keep"


def test_resume_keeps_the_store_and_can_drop_the_results(tmp_path: Path) -> None:
    path = finished(tmp_path / "run")
    with RunDirectory.create(path, resume=True) as run:
        assert run.resumed
        assert run.trajectories.exists()
        run.begin()
        assert not run.trajectories.exists()
        assert (run.store / "a.safetensors").exists()
    with RunDirectory.create(tmp_path / "new", resume=True) as run:
        assert not run.resumed


@pytest.mark.parametrize("words", [{}, {"overwrite": True}, {"resume": True}])
def test_a_folder_of_other_things_is_never_taken(tmp_path: Path, words: dict[str, bool]) -> None:
    (tmp_path / "home" / "mot").mkdir(parents=True)
    (tmp_path / "home" / "mot" / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match=r"holds other things .*; choose another --output$"):  # no word would help
        RunDirectory.create(tmp_path / "home", **words)
    assert sorted(path.name for path in (tmp_path / "home").rglob("*")) == ["mot", "thesis.txt"]


@pytest.mark.parametrize("words", [{}, {"overwrite": True}, {"resume": True}])
def test_an_empty_folder_is_used_and_stays_when_nothing_began(tmp_path: Path, words: dict[str, bool]) -> None:
    with RunDirectory.create(tmp_path, **words) as run:
        assert (run.fresh, run.resumed) == (True, False)
        run.abandon()
    assert list(tmp_path.iterdir()) == [], "the user's own folder is there, and empty, as before"
    with RunDirectory.create(tmp_path, **words) as run:
        run.begin()
        atomic_write(run.trajectories, "{}")
    assert (tmp_path / "trajectories.json").exists()


def test_contradicting_or_incomplete_words(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="exclude each other"):
        RunDirectory.create(tmp_path / "x", overwrite=True, resume=True)
    with pytest.raises(UsageError, match="--resume needs --output"):
        RunDirectory.create(resume=True, runs=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("")
    for path in (tmp_path / "x", tmp_path / "x" / "y"):
        with pytest.raises(UsageError):
            RunDirectory.create(path, overwrite=True)


def test_unwritable_place_is_told_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **settings: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr("pipeline.outputs.atomic.tempfile.mkstemp", refuse)  # root may write anywhere, so it is played
    with pytest.raises(UsageError, match="Read-only file system"):
        RunDirectory.create(tmp_path / "run")


def test_second_run_in_the_same_place_is_refused_with_the_pid(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from pipeline.outputs.run_directory import RunDirectory\n"
        "run = RunDirectory.create(Path(sys.argv[1])); print('ready', flush=True); sys.stdin.read()"
    )
    path = tmp_path / "run"
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(path)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"ready\n"
    for words in ({}, {"resume": True}, {"overwrite": True}):  # not: --overwrite replaces it
        with pytest.raises(UsageError, match=rf"in use by another run \(pid {holder.pid}\)"):
            RunDirectory.create(path, **words)
    holder.kill()
    holder.communicate()
    assert (path / ".lock").exists(), "a killed run leaves its lock file"
    with RunDirectory.create(path, resume=True) as run:
        assert (path / ".lock").read_text() == f"{os.getpid()}\n"
        assert run.resumed
    assert not (path / ".lock").exists()


def test_lock_is_given_back_when_creation_fails(tmp_path: Path) -> None:
    path = finished(tmp_path / "run")
    (path / "store").rename(path / "elsewhere")
    (path / "store").symlink_to("elsewhere")
    for _ in range(2):
        with pytest.raises(UsageError, match="symbolic link"):
            RunDirectory.create(path, overwrite=True)


def test_a_lock_that_a_full_disk_refuses_is_given_back(tmp_path: Path) -> None:
    """Its descriptor stayed open: the process that had failed kept itself out."""
    path = finished(tmp_path / "run")
    before, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        with pytest.raises(ResourceError, match="too large"):
            RunDirectory.create(path, resume=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (before, hard))
    with RunDirectory.create(path, resume=True) as run:
        assert run.resumed


@pytest.mark.parametrize("camera_id", ["../x", "/abs", "..", ".", "", "a/b", "a\x00", "x" * 65, "-x", "a\n"])
def test_hostile_camera_ids_get_no_path(tmp_path: Path, camera_id: str) -> None:
    with RunDirectory.create(tmp_path / "run") as run, pytest.raises(UsageError, match="camera id"):
        run.path_for(camera_id, "mot")


def test_planted_symlinks_are_refused(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    with RunDirectory.create(tmp_path / "run") as run:
        (run.root / "mot").symlink_to(victim)
        with pytest.raises(UsageError, match="symbolic link"):
            run.path_for("a", "mot")
        run.trajectories.symlink_to(victim / "x")
        with pytest.raises(UsageError, match="symbolic link"):
            atomic_write(run.trajectories, "{}")
    assert list(victim.iterdir()) == []
    (tmp_path / "link").symlink_to(victim)
    with pytest.raises(UsageError, match="symbolic link"):
        RunDirectory.create(tmp_path / "link", overwrite=True)


def test_store_is_for_the_owner_only(tmp_path: Path) -> None:
    before = os.umask(0o000)
    try:
        with RunDirectory.create(tmp_path / "run") as run:
            atomic_write(run.store / "a", b"", 0o600)
            assert run.store.stat().st_mode & 0o777 == 0o700
            assert (run.store / "a").stat().st_mode & 0o777 == 0o600
            (run.store).chmod(0o777)
            assert run.store.stat().st_mode & 0o777 == 0o700
    finally:
        os.umask(before)


def test_umask_is_honoured(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        atomic_write(tmp_path / "x", "y")
    finally:
        os.umask(before)
    assert (tmp_path / "x").stat().st_mode & 0o777 == 0o640


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "trajectories.json"
    atomic_write(path, "old")
    with pytest.raises(RuntimeError), atomic_file(path) as handle:
        handle.write(b"half")
        handle.flush()
        assert path.read_text() == "old", "a reader sees the old file until the new one is whole"
        raise RuntimeError
    assert [entry.name for entry in tmp_path.iterdir()] == ["trajectories.json"]
    assert path.read_text() == "old"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_full_disk_is_a_resource_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def full(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("pipeline.outputs.atomic.os.fsync", full)
    with pytest.raises(ResourceError, match="--resume") as caught:
        atomic_write(tmp_path / "x", "y")
    assert caught.value.exit_code == 5
    assert list(tmp_path.iterdir()) == []


def test_file_size_limit_is_a_resource_error(tmp_path: Path) -> None:
    """The real thing (RLIMIT_FSIZE), in a process of its own."""
    code = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from pipeline.errors import ResourceError; from pipeline.outputs.atomic import atomic_write\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))\n"
        "try: atomic_write(Path(sys.argv[1]), b'x' * 1_000_000)\n"
        "except ResourceError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "x")],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "the file is too large" in done.stdout, done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_fresh_directory_in_which_nothing_began_goes_away_an_old_one_stays(tmp_path: Path) -> None:
    with RunDirectory.create(tmp_path / "new") as run:
        run.abandon()
    assert not (tmp_path / "new").exists()
    path = finished(tmp_path / "run")
    with RunDirectory.create(path, overwrite=True) as run:
        run.abandon()
    assert (path / "trajectories.json").exists()
