"""`kill -9` at random moments: every `--resume` must go on, and end with the bytes of a run that nobody disturbed.

    python benchmarks/reliability_kills.py --kills 100

Half of the kills come at any time of the run (most of it is starting), half while cameras are tracked, from the moment
the first journal is there. A run is killed, resumed, killed again, until it is let to its end; then the next begins.
"""

from __future__ import annotations

import argparse
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

from benchmarks.reliability_scene import Scene, command, make_scene

RESULTS = ("trajectories.json", "mot/cam0.txt", "mot/cam1.txt", "tracklets/cam0.txt", "tracklets/cam1.txt")
_RUN_TIMEOUT_S = 120


@dataclass
class Outcome:
    """What the kills met, by where the run was; `faults`: anything that is not as it must be."""

    kills: int = 0
    finished: int = 0
    met: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


def kill_and_resume(scene: Scene, folder: Path, kills: int, seed: int, *, kills_a_run: int = 5) -> Outcome:
    """Kill runs of `scene` under `folder` and compare each that ends with an undisturbed one."""
    rng, outcome = random.Random(seed), Outcome()
    reference = folder / "reference"
    started = time.monotonic()
    _check(subprocess.run(command(scene, reference, "--no-render", "-q"), timeout=_RUN_TIMEOUT_S, check=False))
    whole_s = time.monotonic() - started
    number = 0
    while outcome.kills < kills:
        output = folder / f"run{number}"
        number += 1
        for _ in range(min(kills_a_run, kills - outcome.kills)):
            if not _kill(scene, output, rng, whole_s, outcome):
                break
            _look(output, outcome)
        resumed = subprocess.run(
            command(scene, output, "--no-render", "-q", "--resume"),
            timeout=_RUN_TIMEOUT_S, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if resumed.returncode != 0:
            outcome.faults.append(f"{output.name}: --resume ended with {resumed.returncode}: {resumed.stderr[-300:]}")
        else:
            outcome.faults += [
                f"{output.name}: {name} differs"
                for name in RESULTS
                if (output / name).read_bytes() != (reference / name).read_bytes()
            ]
            outcome.faults += [f"{output.name}: left {path.name}" for path in output.rglob("*.part*")]
            outcome.finished += 1
        shutil.rmtree(output, ignore_errors=True)
    return outcome


def _kill(scene: Scene, output: Path, rng: random.Random, whole_s: float, outcome: Outcome) -> bool:
    """Start or resume the run and kill it. False: it was done before."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        command(scene, output, "--no-render", "-q", "--resume"), stderr=subprocess.DEVNULL, env=environment
    )
    if rng.random() < 0.5:
        time.sleep(rng.uniform(0, whole_s))
    else:
        before = {path: path.stat().st_mtime_ns for path in output.glob("store/*")}
        while process.poll() is None and not _touched(output, before):
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 0.15 * whole_s))
    alive = process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    if alive:
        outcome.kills += 1
    return alive


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


def _check(result: subprocess.CompletedProcess[bytes]) -> None:
    if result.returncode:
        raise SystemExit(f"the undisturbed run ended with {result.returncode}")


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
