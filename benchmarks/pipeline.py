"""Frames a second, in all and by stage, for 1, 2 and 4 cameras; peak memory, also against the length of the video.

    python -m benchmarks.pipeline VIDEO [-- ARGUMENTS OF run.py track]

Every row is a run of `run.py track` in a process of its own. One video stands for every camera: what matters here is
work, not identity. The longer videos are the same file as recorder segments, several times over.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class Measured:
    """One run: the summary of --json, wall-clock seconds by stage, the process's peak memory in MiB and CPU seconds."""

    summary: dict[str, Any]
    seconds: dict[str, float]
    peak_mib: float
    cpu_s: float
    """Of all cores, from start to end: a busy machine hardly changes it."""

    @property
    def frames(self) -> int:
        """Of all cameras."""
        return sum(self.summary["frames"].values())


def measure(videos: Sequence[str], arguments: Sequence[str]) -> Measured:
    """Run `run.py track` and wait for it. Raises RuntimeError when it fails."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(ROOT / "run.py"), "track", "-q", "--json", "--allow-duplicates"]
        command += ["--output", f"{folder}/run", *arguments, "--videos", *videos]
        with (Path(folder) / "out").open("w+b") as out:
            process = subprocess.Popen(command, stdout=out)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode not in {0, 3}:
                raise RuntimeError(f"exit code {process.returncode}: {' '.join(command)}")
            out.seek(0)
            summary = json.loads(out.read())
    return Measured(summary, summary["seconds"], usage.ru_maxrss / 1024, usage.ru_utime + usage.ru_stime)


def row(name: str, run: Measured) -> str:
    """A line of the table: frames a second in all and milliseconds a frame by stage."""
    per_frame = {stage: 1000 * run.seconds.get(stage, 0.0) / run.frames for stage in STAGES}
    everything = sum(per_frame.values())
    rates = f"{1000 / everything:.1f} | {1000 / (everything - per_frame['overlays']):.1f}"
    stages = " | ".join(f"{per_frame[stage]:.1f}" for stage in STAGES)
    cpu = 1000 * run.cpu_s / run.frames
    return f"| {name} | {run.frames} | {rates} | {stages} | {cpu:.0f} | {run.peak_mib:.0f} |"


STAGES = ("decode_wait", "detect", "track", "embed", "associate", "write", "overlays")


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path)
    parser.add_argument("--cameras", type=int, nargs="*", default=[1, 2, 4])
    parser.add_argument("--lengths", type=int, nargs="*", default=[1, 2, 4, 8], help="times the video, one camera")
    args, more = parser.parse_known_args()
    more = [argument for argument in more if argument != "--"]
    stages = " | ".join(f"{stage} ms" for stage in STAGES)
    print(f"| run | frames | frames/s | without overlays | {stages} | CPU ms a frame, start and all | peak MiB |")
    print("|" + "---|" * (len(STAGES) + 6))
    for cameras in args.cameras:
        videos = [f"cam{i + 1}={args.video}" for i in range(cameras)]
        print(row(f"{cameras} cameras" if cameras > 1 else "1 camera", measure(videos, more)), flush=True)
    for times in args.lengths:
        videos = ["cam1=" + ",".join([str(args.video)] * times)]
        run = measure(videos, ["--no-render", *more])
        print(row(f"1 camera, {times} x the length, no overlays", run), flush=True)


if __name__ == "__main__":
    main()
