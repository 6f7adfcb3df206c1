"""A day of video through the stages of a run: a clip in a loop, as fast as it goes; prints how memory grows.

    python benchmarks/reliability_long.py --hours 24
    python benchmarks/reliability_long.py --hours 24 --fps 2

Decoding, journal, tracking, crops and embedding are the product's; the boxes are given. The slope is a straight line
through the process's memory after the first tenth. What a run has to keep until it links the cameras (tracklets: 37
bytes a box; embeddings: 4 bytes x dimension a crop) is counted apart. A day of fewer frames a second is done sooner;
the growth is printed by frames as well, so that it can be compared.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.reliability_scene import FPS, Scene, make_scene
from detectors import build_detector
from pipeline.config import Config
from pipeline.config_loading import load_config
from pipeline.outputs.fingerprint import Fingerprint
from pipeline.outputs.journal import DetectionJournal, JournaledDetector
from pipeline.stages.camera_run import CameraJob, CameraRun
from pipeline.stages.embedding import EmbeddingQueue
from pipeline.types import Camera, Detections, Detector, Frame
from pipeline.video.probe import probe
from pipeline.video.reader import VideoReader
from reid import build_embedder
from trackers import build_tracker

LIMIT_MB_PER_HOUR = 5.0
_BOX_BYTES = 37
_BATCH = 4


@dataclass(frozen=True, slots=True)
class Growth:
    """Of memory over simulated hours: in all, and of what has to be kept; MB/h."""

    frames: int
    tracklets: int
    total_mb_per_hour: float
    kept_mb_per_hour: float
    descriptors: tuple[int, int]
    """Open at the first and at the last look."""
    frames_per_s: float


class LoopedBoxes:
    """The boxes of the clip, whatever the round."""

    def __init__(self, boxes: Detector, length: int) -> None:
        self._boxes, self._length = boxes, length

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """See `pipeline.types.Detector`."""
        return self._boxes.detect([replace(frame, index=frame.index % self._length) for frame in frames])


def looped(camera: Camera, length: int, hours: float, fps: float) -> Iterator[Frame]:
    """The clip's frames again and again, `fps` of them a second, numbers and times going on."""
    last = round(hours * 3600 * fps)
    done = 0
    while done < last:
        with VideoReader(camera.id, camera.sources) as reader:
            for frame in reader:
                yield replace(frame, index=done + frame.index, time_s=(done + frame.index) / fps)
        done += length


def run(scene: Scene, store: Path, hours: float, *, fps: float = FPS, verbose: bool = False) -> Growth:
    """Follow the first camera of `scene` for so many hours of video at `fps` frames a second."""
    config = load_config(
        None,
        [f"detector.replay_dir={scene.boxes}", "detector.name=replay", f"embedder.model={scene.embedder}",
         "embedder.name=openvino", "runtime.device=cpu", "runtime.threads=1"],
    )  # fmt: skip
    info = probe(scene.videos[0], config.video.max_pixels)
    camera = Camera("cam0", (scene.videos[0],), info.size_wh, info.fps)
    length = info.frames_expected or 0
    detector = LoopedBoxes(build_detector(config.detector, config.runtime), length)
    started = time.monotonic()
    made_with = Fingerprint("", "", "")
    looks: list[tuple[float, float, float]] = []
    with JournaledDetector(detector, lambda c: DetectionJournal(store, c, made_with, resume=False)) as journaled:
        follower, queue, descriptors = _follow(config, camera), _queue(config), 0
        batch: list[Frame] = []
        told = 0
        for frame in looped(camera, length, hours, fps):
            batch.append(frame)
            if len(batch) == _BATCH:
                for each, found in zip(batch, journaled.detect(batch), strict=True):
                    queue.add(follower.feed(each, found))
                batch = []
            if frame.index % 1000 == 999:
                looks.append((frame.time_s / 3600, _rss_mb(), _kept_mb(follower, queue)))
                descriptors = descriptors or _descriptors()
                if verbose and int(looks[-1][0]) > told:
                    told = int(looks[-1][0])
                    print(
                        f"{looks[-1][0]:6.2f} h {looks[-1][1]:8.1f} MB, to be kept {looks[-1][2]:7.1f} MB", flush=True
                    )
    after = np.array(looks[len(looks) // 10 :])
    total, results = (float(np.polyfit(after[:, 0], after[:, column], 1)[0]) for column in (1, 2))
    return Growth(
        follower.frames,
        len(follower.tracklets),
        total,
        results,
        (descriptors, _descriptors()),
        follower.frames / (time.monotonic() - started),
    )


def _follow(config: Config, camera: Camera) -> CameraRun:
    def never() -> VideoReader:
        raise NotImplementedError

    return CameraRun(CameraJob(camera, never, lambda: build_tracker(config.tracker)), config.tracker, config.crops)


def _queue(config: Config) -> EmbeddingQueue:
    return EmbeddingQueue(build_embedder(config.embedder, config.runtime), config.embedder.batch_crops)


def _kept_mb(follower: CameraRun, queue: EmbeddingQueue) -> float:
    boxes = sum(len(tracklet) for tracklet in follower.tracklets)
    return (boxes * _BOX_BYTES + sum(vector.nbytes for *_, vector in queue._rows)) / 1e6


def _rss_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def main() -> int:
    """Print the slope; 1 when it is above the limit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--fps", type=float, default=FPS, help="frames a second of the simulated camera (default: 10)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        growth = run(make_scene(Path(name) / "scene"), Path(name), args.hours, fps=args.fps, verbose=True)
    print(f"{growth.frames} frames, {growth.tracklets} tracklets, {growth.frames_per_s:.0f} frames/s")
    print(f"memory {growth.total_mb_per_hour:+.2f} MB/h, of which results {growth.kept_mb_per_hour:+.2f} MB/h")
    per_frames = 36_000 / (3600 * args.fps)
    print(f"by 36,000 frames (an hour at 10/s): {per_frames * growth.total_mb_per_hour:+.2f} MB")
    print("descriptors {} -> {}".format(*growth.descriptors))
    return int(growth.total_mb_per_hour > LIMIT_MB_PER_HOUR)


if __name__ == "__main__":
    sys.exit(main())
