"""What `detector.every_n` costs and saves: HOTA, DetA, AssA and frames/s against n, each camera by itself, with a plot.

    python run.py synthesize --out sets/skip --people 9 --cameras 3 --seed 201 --crops 0
    python -m benchmarks.skipping --videos sets/skip/videos/*.mp4 --truth sets/skip/truth --plot skipping.png
    PETS=../shared/data/pets09_s2l1
    python -m benchmarks.skipping --videos $PETS/view1.mp4 --truth $PETS/gt.txt

Every frame is detected once, timed, and the boxes are given again for each n: the runs differ in nothing else. Frames/s
counts CPU time, one thread: decoding and tracking as measured for each n, detection by the frames that were looked at.
Embedding and drawing are not in it. `max_blind_s` is lifted unless --blind sets it, to show what it guards against.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from detectors import build_detector
from evaluation.mot_text import MotRows, read_mot
from evaluation.multi_camera import evaluate_tracking
from pipeline.config import Config
from pipeline.stages.camera_run import CameraJob
from pipeline.stages.scene import Parts, track_cameras
from pipeline.stages.timing import Stopwatch
from pipeline.types import Camera, Detections, Float32, Frame, Tracklet, UInt8
from pipeline.video import VideoReader, probe
from trackers import build_tracker


class Recorded:
    """Boxes that were found before; counts the frames that are asked for."""

    def __init__(self, boxes: dict[int, Detections]) -> None:
        self._boxes, self.asked = boxes, 0

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """See `pipeline.types.Detector`."""
        self.asked += len(frames)
        return [self._boxes[frame.index] for frame in frames]


class Alike:
    """An embedder that costs nothing."""

    dimension = 2

    def embed(self, crops: Sequence[UInt8]) -> Float32:
        """See `pipeline.types.Embedder`."""
        return np.tile(np.array([[1, 0]], np.float32), (len(crops), 1))


@dataclass(frozen=True, slots=True)
class Outcome:
    """One camera at one n: tracklets, seconds of CPU time without detection, frames looked at and in all."""

    rows: MotRows
    spent_s: float
    asked: int
    frames: int


def record(video: Path, config: Config) -> tuple[dict[int, Detections], float]:
    """The boxes of every frame, and seconds of CPU time a frame."""
    detector = build_detector(config.detector, config.runtime)
    boxes, spent, count = {}, 0.0, 0
    with VideoReader(video.stem, [video]) as reader:
        for frame in reader:
            start = time.process_time()
            boxes[frame.index] = detector.detect([frame])[0]
            if count:  # the first one compiles
                spent += time.process_time() - start
            count += 1
    return boxes, spent / max(count - 1, 1)


def follow(video: Path, config: Config, boxes: dict[int, Detections]) -> Outcome:
    """Track one camera as a run does."""
    info = probe(video, config.video.max_pixels)
    camera, detector = Camera(video.stem, (video,), info.size_wh, info.fps), Recorded(boxes)
    job = CameraJob(camera, lambda: VideoReader(camera.id, [video]), lambda: build_tracker(config.tracker))
    start = time.process_time()
    ((outcome, _),) = track_cameras([job], Parts(detector, Alike(), config, Stopwatch()))
    return Outcome(rows_of(outcome.tracklets), time.process_time() - start, detector.asked, outcome.frames)


def rows_of(tracklets: Sequence[Tracklet]) -> MotRows:
    """Tracklets as MOT rows, the track's id as the person's."""
    parts = []
    for tracklet in tracklets:
        size = tracklet.xyxy[:, 2:] - tracklet.xyxy[:, :2]
        identity = np.full(len(tracklet), tracklet.key[1])
        parts.append(np.column_stack([tracklet.frame_index + 1, identity, tracklet.xyxy[:, :2], size]))
    return MotRows.of(np.concatenate(parts) if parts else [])


def plot(table: list[dict[str, float]], path: Path) -> None:
    """HOTA and frames/s against n; one colour a measure, the motion-aware variant dashed."""
    import matplotlib as mpl  # noqa: PLC0415

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    figure, left = plt.subplots(figsize=(6.4, 3.6))
    right = left.twinx()
    for motion, style in ((False, "-"), (True, "--")):
        chosen = [row for row in table if bool(row["motion"]) == motion]
        if not chosen:
            continue
        n, name = [row["n"] for row in chosen], " (motion-aware)" if motion else ""
        left.plot(n, [row["hota"] for row in chosen], style, marker="o", color="tab:blue", label=f"HOTA{name}")
        right.plot(n, [row["fps"] for row in chosen], style, marker="s", color="tab:orange", label=f"frames/s{name}")
    left.set(xlabel="detector.every_n", ylabel="HOTA, %", ylim=(0, 100))
    right.set(ylabel="frames/s of one core", ylim=(0, None))
    handles = [line for axis in (left, right) for line in axis.get_lines()]
    labels = [str(line.get_label()) for line in handles]
    left.legend(handles, labels, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncol=2, fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def main() -> None:
    """Print a row for each n."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", nargs="+", type=Path, required=True)
    parser.add_argument(
        "--truth", type=Path, required=True, help="MOT text of the one video, or a folder of <video>.txt"
    )
    parser.add_argument("--n", nargs="+", type=int, default=[1, 2, 3, 4, 6, 8])
    parser.add_argument("--motion", nargs="*", type=float, default=[0.005], help="motion_share of further rows")
    parser.add_argument("--blind", type=float, default=100.0, help="detector.max_blind_s")
    parser.add_argument("--detector", default="bundled")
    parser.add_argument("--plot", type=Path, metavar="PNG")
    args = parser.parse_args()
    base = {"model": args.detector, "batch_frames": 1, "max_blind_s": args.blind}
    plain = Config.model_validate_json(json.dumps({"detector": base, "runtime": {"threads": 1, "device": "cpu"}}))
    recorded = {video: record(video, plain) for video in args.videos}
    files = {v: args.truth if args.truth.is_file() else args.truth / f"{v.stem}.txt" for v in args.videos}
    truth = {video.stem: read_mot(file, truth=True) for video, file in files.items()}
    print(f"detection: {1e3 * np.mean([spent for _, spent in recorded.values()]):.1f} ms of CPU time a frame\n")
    print("| every_n | motion_share | frames looked at | HOTA | DetA | AssA | IDF1 | MOTA | frames/s |")
    print("|---|---|---|---|---|---|---|---|---|")
    table = []
    for motion in (0.0, *args.motion):
        for n in [each for each in args.n if each > 1 or not motion]:
            chosen = {"detector": {**base, "every_n": n, "motion_share": motion}}
            config = Config.model_validate_json(json.dumps(chosen))
            done = {video: follow(video, config, boxes) for video, (boxes, _) in recorded.items()}
            result = evaluate_tracking(truth, {video.stem: each.rows for video, each in done.items()})
            cameras = list(result.cameras.values())
            frames = sum(each.frames for each in done.values())
            spent = sum(each.spent_s + each.asked * recorded[video][1] for video, each in done.items())
            looked = sum(each.asked for each in done.values()) / frames
            values = {
                name: 100 * float(np.mean(parts))
                for name, parts in {
                    "hota": [c.hota.hota for c in cameras],
                    "deta": [c.hota.deta for c in cameras],
                    "assa": [c.hota.assa for c in cameras],
                    "idf1": [c.identity.idf1 for c in cameras],
                    "mota": [c.clear.mota for c in cameras],
                }.items()
            }
            table.append({"n": n, "motion": motion, "looked": looked, "fps": frames / spent, **values})
            cells = " | ".join(f"{value:.1f}" for value in values.values())
            print(f"| {n} | {motion:g} | {100 * looked:.0f} % | {cells} | {frames / spent:.0f} |", flush=True)
    if args.plot:
        plot(table, args.plot)


if __name__ == "__main__":
    main()
