"""run.py: fast, one line a fault, the exit codes of the contract."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path

import pytest

import run as front_door
from pipeline.errors import CameraError, NoCameraError, ResourceError, UsageError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[..., int]], None]:
    """Puts a command `probe` in, whose `run` is the function given."""

    def _install(body: Callable[..., int]) -> None:
        module = types.ModuleType("commands.probe_for_test")
        module.add_arguments = lambda parser: parser.add_argument("--colour")  # type: ignore[attr-defined]
        module.run = body  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "commands.probe_for_test", module)
        monkeypatch.setitem(front_door.COMMANDS, "probe", ("commands.probe_for_test", "a probe"))

    return _install


def shell(*arguments: str, **settings: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "run.py", *arguments],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        **settings,
    )


@pytest.mark.parametrize("flag", ["--help", "--version"])
def test_help_and_version_are_quick_and_import_nothing_heavy(flag: str) -> None:
    code = (
        f"import sys, time; start = time.process_time(); import run; code = run.main([{flag!r}]); "
        "took = time.process_time() - start; "
        "heavy = {'torch', 'cv2', 'numpy', 'av', 'openvino', 'pydantic', 'yaml', 'rich'} & set(sys.modules); "
        "print(code, sorted(heavy), took, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=False, capture_output=True, text=True, timeout=60
    )
    assert done.stderr.startswith("0 []"), done.stderr
    assert float(done.stderr.split()[-1]) < 0.5
    best = min(_seconds(flag) for _ in range(3))
    assert best < 0.5


def _seconds(*arguments: str) -> float:
    start = time.perf_counter()
    assert shell(*arguments).returncode == 0
    return time.perf_counter() - start


def test_help_names_every_command() -> None:
    text = shell("--help").stdout
    assert all(f"  {word} " in text for word in front_door.COMMANDS)
    assert text.isascii()


def test_every_built_command_describes_itself_without_torch() -> None:
    built = [
        word for word, (path, _) in front_door.COMMANDS.items() if (ROOT / f"{path.replace('.', '/')}.py").exists()
    ]
    assert {"weights", "doctor"} <= set(built)
    for word in built:
        code = (
            f"import sys, run\ntry: run.main([{word!r}, '--help'])\n"
            "except SystemExit as end: print(end.code, file=sys.stderr)\n"
            "print({'torch', 'openvino'} & set(sys.modules), file=sys.stderr)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, check=False, capture_output=True, text=True, timeout=60
        )
        assert done.stderr.split("\n")[:2] == ["0", "set()"], f"{word}: {done.stderr}"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["search"], "not built yet"),
        (["trak"], "nearest: track"),
        (["cam1.mp4"], "videos go behind --videos"),
        (["weights", "--jsn"], "nearest: --json"),
        (["weights", "--js"], "unrecognized"),
    ],
)
def test_bad_usage_is_one_line_and_exit_2(arguments: list[str], words: str) -> None:
    done = shell(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert words in done.stderr


def test_no_arguments_shows_the_help_and_exits_2() -> None:
    done = shell()
    assert (done.returncode, "--videos" in done.stdout) == (2, True)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("x"), 2),
        (CameraError("empty_file", "x"), 3),
        (NoCameraError("x"), 4),
        (ResourceError("x"), 5),
        (MemoryError(), 5),
        (KeyboardInterrupt(), 130),
        (front_door.Terminated(), 143),
        (OSError(errno.ENOSPC, "No space left on device", "x"), 5),
        (RuntimeError("x"), 1),
    ],
)
def test_errors_become_a_line_and_their_exit_code(
    command: Callable[..., None], capsys: pytest.CaptureFixture[str], error: BaseException, code: int
) -> None:
    def fail(args: object) -> int:
        raise error

    command(fail)
    assert front_door.main(["probe"]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(("error: ",))
    assert err.count("\n") == 1
    assert "Traceback" not in err


def test_debug_shows_the_traceback(command: Callable[..., None], capsys: pytest.CaptureFixture[str]) -> None:
    def fail(args: object) -> int:
        raise UsageError("the cause")

    command(fail)
    assert front_door.main(["probe", "--debug"]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_hostile_text_in_an_error_stays_on_its_line(
    command: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(args: object) -> int:
        raise UsageError("cam\x1b[2J\nINFO all is well\r\u202e\udcff.mp4: gone")

    command(fail)
    front_door.main(["probe"])
    err = capsys.readouterr().err
    assert err == "error: cam\\x1b[2J\\nINFO all is well\\r\\u202e\\udcff.mp4: gone\n"


def test_common_options_reach_the_command_from_both_sides_of_the_word(command: Callable[..., None]) -> None:
    seen: list[tuple[object, ...]] = []

    def note(args: types.SimpleNamespace) -> int:
        seen.append((args.quiet, args.verbose, args.debug, args.json, args.colour))
        return 3

    command(note)
    assert front_door.main(["-v", "--json", "probe", "--colour", "red"]) == 3
    assert front_door.main(["probe", "-q", "-vv"]) == 3
    assert seen == [(False, 1, False, True, "red"), (True, 2, False, False, None)]


def test_arguments_without_a_word_are_for_track(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, list[str]]] = []
    monkeypatch.setattr(front_door, "_guarded", lambda word, rest: seen.append((word, rest)) or 0)
    front_door.main(["--videos", "a", "b"])
    front_door.main(["-v", "--videos", "a"])
    front_door.main(["track", "--videos", "a"])
    assert seen == [("track", ["--videos", "a", "b"]), ("track", ["-v", "--videos", "a"]), ("track", ["--videos", "a"])]


def test_sigterm_interrupts_a_command_and_exits_143() -> None:
    code = (
        "import sys, time, types, run\n"
        "probe = types.ModuleType('probe'); probe.add_arguments = lambda parser: None\n"
        "def work(args):\n"
        "    try:\n"
        "        print('ready', flush=True); time.sleep(60)\n"
        "    except KeyboardInterrupt:\n"
        "        print('checkpoint', flush=True); raise\n"
        "probe.run = work; sys.modules['probe'] = probe; run.COMMANDS['probe'] = ('probe', '')\n"
        "sys.exit(run.main(['probe']))"
    )
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (143, b"checkpoint\n", b"error: terminated\n")


def test_a_reader_that_leaves_early_is_no_fault() -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "run.py", "weights", "--json"],
        cwd=ROOT,
        stdout=write,
        stderr=subprocess.PIPE,
        timeout=60,
        check=False,
    )
    os.close(write)
    assert b"Traceback" not in done.stderr
    assert b"Exception ignored" not in done.stderr
