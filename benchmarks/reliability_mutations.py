"""Fuzzing: seeded mutations of small clips, read by the product's reader in a child process with limits.

    python benchmarks/reliability_mutations.py --mutations 1000

A fault is: the child dies, hangs (20 s a file), runs out of 3 GB, raises anything but CameraError, leaves a descriptor
or a thread, or its memory grows. The seed of a mutation makes it again: `--only SEED --keep FOLDER`.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
FRAMES = 40
FORMATS = {
    "h264.mp4": ("libx264", {}),
    "fragmented.mp4": ("libx264", {"movflags": "frag_keyframe+empty_moov+default_base_moof"}),
    "h264.mkv": ("libx264", {}),
    "h264.ts": ("libx264", {}),
    "mpeg4.avi": ("mpeg4", {}),
    "vp9.webm": ("libvpx-vp9", {}),
}
_QUIET = {"libx264": {"preset": "ultrafast", "g": "12"}, "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8"}}
_PER_FILE_S = 20.0

_CHILD = """
import json, os, resource, sys, threading, time
import av
from pathlib import Path
from pipeline.errors import CameraError
from pipeline.video import VideoReader
av.logging.set_level(None)
resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
print("ready", flush=True)
for line in sys.stdin:
    started = time.monotonic()
    try:
        with VideoReader("cam", [Path(json.loads(line))], max_pixels=1920 * 1080) as reader:
            times = [frame.time_s for frame in reader]
        report = reader.report()
        told = {"status": report.status, "frames": report.frames_decoded, "causes": len(report.causes)}
        if any(b <= a for a, b in zip(times, times[1:])):
            told["fault"] = "times do not increase"
        if len(times) != report.frames_decoded or not 0 <= report.coverage <= 1:
            told["fault"] = f"the account does not fit: {report}"
    except CameraError as error:
        told = {"status": error.code, "frames": 0, "causes": 1}
        if "\\n" in str(error):
            told["fault"] = f"not one line: {error!r}"
    except BaseException as error:
        told = {"status": "fault", "frames": 0, "causes": 0, "fault": repr(error)[:300]}
    with open("/proc/self/statm") as statm:
        told["rss"] = int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    told["descriptors"] = len(os.listdir("/proc/self/fd"))
    told["threads"] = threading.active_count()
    told["seconds"] = time.monotonic() - started
    print(json.dumps(told), flush=True)
"""


@dataclass
class Outcome:
    """What the mutations met."""

    read: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    silent: list[str] = field(default_factory=list)
    """Fewer frames than the clip had, and the reader says `complete` without a word."""
    rss: list[int] = field(default_factory=list)
    slowest_s: float = 0.0


def make_clips(folder: Path) -> list[Path]:
    """One small clip of moving noise for each container."""
    folder.mkdir(parents=True, exist_ok=True)
    clips = []
    for name, (codec, options) in FORMATS.items():
        rng = np.random.default_rng(0)
        path = folder / name
        with av.open(str(path), "w", container_options=options) as output:
            stream = output.add_stream(codec, rate=20, options=_QUIET.get(codec, {"g": "12"}))
            stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
            stream.codec_context.thread_count = 1
            for index in range(FRAMES):
                image = np.roll(rng.integers(60, 190, (64, 96, 3), dtype=np.uint8) // 4 + 90, index, axis=1)
                frame = av.VideoFrame.from_ndarray(image, format="bgr24").reformat(format="yuv420p")
                frame.pts, frame.time_base = index, Fraction(1, 20)
                output.mux(stream.encode(frame))
            output.mux(stream.encode(None))
        clips.append(path)
    return clips


def mutate(data: bytes, seed: int) -> bytes:
    """One to three random changes, half of them in the first or last 2 kB, where headers and indexes are."""
    rng = np.random.default_rng(seed)
    out = bytearray(data)
    for _ in range(int(rng.integers(1, 4))):
        size = len(out)
        if size < 64:
            break
        where = int(rng.integers(size))
        if rng.random() < 0.5:
            where = int(rng.integers(min(2048, size)))
            where = where if rng.random() < 0.5 else size - 1 - where
        length = min(2 ** int(rng.integers(0, 11)), size - where)
        kind = rng.integers(8)
        if kind == 0:
            out[where] ^= 1 << int(rng.integers(8))
        elif kind == 1:
            out[where : where + length] = rng.integers(0, 256, length, dtype=np.uint8).tobytes()
        elif kind == 2:
            out[where : where + length] = bytes(length)
        elif kind == 3:
            del out[where : where + length]
        elif kind == 4:
            out[where:where] = rng.integers(0, 256, length, dtype=np.uint8).tobytes()
        elif kind == 5:
            out[where:where] = out[where : where + length]
        elif kind == 6:
            word = [b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x80\0\0\0", b"\0\0\0\0", b"\0\0\0\1"][rng.integers(5)]
            out[where : where + 4] = word
        else:
            del out[max(where, 64) :]
    return bytes(out)


class Child:
    """A process that reads files with the product's reader; started again when it dies."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _CHILD],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        )
        self._line(60.0)

    def read(self, path: Path) -> dict[str, object] | str:
        """What the reader told of a file; a text when the child did not come back."""
        self._process.stdin.write(json.dumps(str(path)).encode() + b"\n")  # type: ignore[union-attr]
        self._process.stdin.flush()  # type: ignore[union-attr]
        line = self._line(_PER_FILE_S)
        if line:
            told: dict[str, object] = json.loads(line)
            return told
        code = self._process.poll()
        self.close()
        return "hang" if code is None else f"crash, exit code {code}"

    def _line(self, limit_s: float) -> bytes:
        output = self._process.stdout
        if output is None:
            raise RuntimeError("the child was started without a pipe")
        ready, _, _ = select.select([output], [], [], limit_s)
        line = output.readline() if ready else b""
        if ready and not line:
            self._process.wait(10)
        return line

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()


def fuzz(folder: Path, seeds: Sequence[int], clips: Sequence[Path]) -> Outcome:
    """Read the mutation of each seed."""
    originals = [clip.read_bytes() for clip in clips]
    outcome, child = Outcome(), Child()
    resources: set[tuple[object, object]] = set()
    for clip in clips:  # warm: every demuxer and decoder once
        whole = child.read(clip)
        if isinstance(whole, str) or (whole["status"], whole["frames"]) != ("complete", FRAMES):
            raise SystemExit(f"{clip.name} is not read whole: {whole}")
        resources.add((whole["descriptors"], whole["threads"]))
    for seed in seeds:
        clip = clips[seed % len(clips)]
        path = folder / f"{seed}.{clip.name}"
        path.write_bytes(mutate(originals[seed % len(clips)], seed))
        told = child.read(path)
        path.unlink()
        outcome.read += 1
        name = f"seed {seed} ({clip.name})"
        if isinstance(told, str):
            outcome.faults.append(f"{name}: {told}")
            child = Child()
            continue
        outcome.statuses[str(told["status"])] += 1
        if "fault" in told:
            outcome.faults.append(f"{name}: {told['fault']}")
        if told["status"] == "complete" and not told["causes"] and int(told["frames"]) < FRAMES:  # type: ignore[call-overload]
            outcome.silent.append(f"{name}: {told['frames']} of {FRAMES} frames")
        if (told["descriptors"], told["threads"]) not in resources:
            outcome.faults.append(f"{name}: {told['descriptors']} descriptors, {told['threads']} threads are left")
        outcome.rss.append(int(told["rss"]))  # type: ignore[call-overload]
        outcome.slowest_s = max(outcome.slowest_s, float(told["seconds"]))  # type: ignore[arg-type]
    child.close()
    return outcome


def growth_mb(rss: Sequence[int]) -> float:
    """Median of the last quarter over that of the second quarter, MB: what is not given back."""
    quarter = max(len(rss) // 4, 1)
    return float(np.median(rss[-quarter:]) - np.median(rss[quarter : 2 * quarter])) / 1e6


def main() -> int:
    """Print what was met; 1 when anything was not as it must be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mutations", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--only", type=int, help="one seed")
    parser.add_argument("--keep", type=Path, help="write the mutation of --only here instead of reading it")
    args = parser.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clips = make_clips(folder / "clips")
        if args.keep is not None and args.only is not None:
            clip = clips[args.only % len(clips)]
            (args.keep / f"{args.only}.{clip.name}").write_bytes(mutate(clip.read_bytes(), args.only))
            return 0
        seeds = [args.only] if args.only is not None else range(args.first, args.first + args.mutations)
        outcome = fuzz(folder, seeds, clips)
    print(f"{outcome.read} mutations in {time.monotonic() - started:.0f} s, slowest file {outcome.slowest_s:.2f} s")
    print(", ".join(f"{count} {status}" for status, count in outcome.statuses.most_common()))
    print(f"memory: {growth_mb(outcome.rss):+.1f} MB over the run")
    print(
        f"{len(outcome.silent)} shorter than the clip, called complete without a word", *outcome.silent[:20], sep="\n  "
    )
    print("\n".join(outcome.faults) or "no crash, no hang, no leak")
    return bool(outcome.faults)


if __name__ == "__main__":
    sys.exit(main())
