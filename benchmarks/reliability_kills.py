"""`kill -9` at random moments: every `--resume` must go on, and end with the bytes of a run that nobody disturbed.

    python benchmarks/reliability_kills.py --kills 100

Half of the kills come at any time of the run (most of it is starting), half while cameras are tracked, from the moment
the first journal is there. A run is killed, resumed, killed again, until it is let to its end; then the next begins.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.reliability_scene import ROOT, Scene, make_scene

RESULTS = ("trajectories.json", "mot/cam0.txt", "mot/cam1.txt", "tracklets/cam0.txt", "tracklets/cam1.txt")


@dataclass
class Outcome:
    """What the kills met, by where the run was; `faults`: anything that is not as it must be."""

    kills: int = 0
    finished: int = 0
    met: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


_SERVER = """
import json, os, sys
import commands.track_run, detectors.replay, openvino, reid.embedder, run, trackers.bytetrack
for line in sys.stdin:
    asked = json.loads(line)
    pid = os.fork()
    if pid == 0:
        os.dup2(os.open(asked["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
        os._exit(run.main(asked["arguments"]))
    print(pid, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""


class Runs:
    """Starts runs by forking a process that has everything imported: starting costs 0.1 s instead of 2 s."""

    def __init__(self, folder: Path) -> None:
        environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
        self.log = folder / "stderr.txt"
        self._server = subprocess.Popen(
            [sys.executable, "-c", _SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def start(self, scene: Scene, output: Path) -> int:
        """Begin (or resume) a run; a descriptor of its process (a number may be another process soon)."""
        words = [*scene.arguments(), "--output", str(output), "--no-render", "-q", "--resume"]
        self._server.stdin.write(json.dumps({"arguments": words, "log": str(self.log)}) + "\n")  # type: ignore[union-attr]
        self._server.stdin.flush()  # type: ignore[union-attr]
        pid = int(self._server.stdout.readline())  # type: ignore[union-attr]
        return os.pidfd_open(pid)

    def end(self, process: int) -> int:
        """Wait for the run; its exit code, or minus the signal."""
        code = int(self._server.stdout.readline())  # type: ignore[union-attr]
        os.close(process)
        return code

    def kill(self, process: int) -> bool:
        """Kill the run; False: it was done before."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(process, signal.SIGKILL)
        return self.end(process) == -signal.SIGKILL

    def close(self) -> None:
        """End the server."""
        self._server.communicate(timeout=60)


def kill_and_resume(scene: Scene, folder: Path, kills: int, seed: int, *, kills_a_run: int = 5) -> Outcome:
    """Kill runs of `scene` under `folder` and compare each that ends with an undisturbed one."""
    rng, outcome, runs = random.Random(seed), Outcome(), Runs(folder)
    reference = folder / "reference"
    for _ in range(2):  # the first one starts cold
        shutil.rmtree(reference, ignore_errors=True)
        started = time.monotonic()
        if code := runs.end(runs.start(scene, reference)):
            raise SystemExit(f"the undisturbed run ended with {code}: {runs.log.read_text()[-300:]}")
        whole_s = time.monotonic() - started
    number = 0
    while outcome.kills < kills:
        output = folder / f"run{number}"
        number += 1
        for _ in range(min(kills_a_run, kills - outcome.kills)):
            process = runs.start(scene, output)
            _wait(rng, whole_s, output)
            if not runs.kill(process):
                break
            outcome.kills += 1
            _look(output, outcome)
        if code := runs.end(runs.start(scene, output)):
            outcome.faults.append(f"{output.name}: --resume ended with {code}: {runs.log.read_text()[-300:]}")
        else:
            outcome.faults += [
                f"{output.name}: {name} differs"
                for name in RESULTS
                if (output / name).read_bytes() != (reference / name).read_bytes()
            ]
            outcome.faults += [f"{output.name}: left {path.name}" for path in output.rglob("*.part*")]
            outcome.finished += 1
        shutil.rmtree(output, ignore_errors=True)
    runs.close()
    return outcome


def _wait(rng: random.Random, whole_s: float, output: Path) -> None:
    """Until a random moment of a run that has just begun."""
    if rng.random() < 0.5:
        time.sleep(rng.uniform(0, 0.9 * whole_s))
        return
    before = {path: path.stat().st_mtime_ns for path in output.glob("store/*")}
    deadline = time.monotonic() + whole_s
    while time.monotonic() < deadline and not _touched(output, before):
        time.sleep(0.002)
    time.sleep(rng.uniform(0, 0.3 * whole_s))


def _touched(output: Path, before: dict[Path, int]) -> bool:
    for path in output.glob("store/*"):
        try:
            if path.stat().st_mtime_ns != before.get(path):
                return True
        except FileNotFoundError:
            continue
    return False


def _look(output: Path, outcome: Outcome) -> None:
    """What lies there now: nothing under a final name may be broken."""
    journals = [path.stat().st_size for path in output.glob("store/*.journal")]
    checkpoints = list(output.glob("store/*.safetensors"))
    where = "writing" if (output / "trajectories.json").exists() else "tracking" if journals or checkpoints else "start"
    outcome.met[where] += 1
    for name in ("trajectories.json", "run_report.json"):
        if (output / name).exists():
            try:
                json.loads((output / name).read_bytes())
            except ValueError as error:
                outcome.faults.append(f"{output.name}: {name} is broken: {error}")


def main() -> int:
    """Print what was met; 1 when anything was not as it must be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        outcome = kill_and_resume(make_scene(Path(folder) / "scene"), Path(folder), args.kills, args.seed)
    met = ", ".join(f"{count} while {where}" for where, count in sorted(outcome.met.items()))
    print(f"{outcome.kills} kills ({met}), {outcome.finished} runs to their end, {time.monotonic() - started:.0f} s")
    print("\n".join(outcome.faults) or "every result equals the undisturbed run's, byte for byte")
    return bool(outcome.faults)


if __name__ == "__main__":
    sys.exit(main())
