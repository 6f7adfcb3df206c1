"""Trackers with other settings on the same boxes from pixels, each camera by itself: what a setting brings.

    for s in 201 202 203; do
        python run.py synthesize --out sets/tracker-$s --people 9 --cameras 3 --seed $s --crops 0; done
    python -m benchmarks.tracker_settings --scenes sets/tracker-20? --settings tracker.clothes=false
    PETS=../shared/data/pets09_s2l1
    python -m benchmarks.tracker_settings --video $PETS/view1.mp4 --truth $PETS/gt.txt --settings tracker.clothes=false

    python -m benchmarks.tracker_settings --boxes ../shared/data --settings tracker.min_observed_share=0

Every frame is detected once; the boxes are given again for each setting, and clothes are read from the pixels as in a
run. Finished tracklets are scored, the mean of a scene's cameras, in percent. `--boxes`: the boxes of TUD and
campus_auditorium, which have no pixels, at their frame rate and at a third (TUD) or quarter of it; the mean of all.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks.skipping import follow, record
from benchmarks.tracking import clips_of
from benchmarks.tracking_data import Clip, finished
from evaluation.mot_text import MotRows, read_mot
from evaluation.multi_camera import MultiCameraResult, evaluate_tracking
from pipeline.config import Config
from pipeline.config_loading import load_config
from pipeline.types import Detections, Float64
from trackers import build_tracker

Recorded = Mapping[Path, Mapping[int, Detections]]
BASE = ("detector.batch_frames=1", "runtime.threads=1", "runtime.device=cpu")
DEFAULT = "default"


def settings_of(words: str, base: Sequence[str] = BASE) -> Config:
    """The configuration of `KEY=VALUE,KEY=VALUE`, or of DEFAULT."""
    return load_config(overrides=[*base, *(words.split(",") if words != DEFAULT else [])])


def thinned(clip: Clip, every: int) -> Clip:
    """Every so many frames of a sequence, numbered anew."""
    truth = clip.truth[clip.truth[:, 0] % every == 0]
    truth[:, 0] //= every
    return Clip(f"{clip.name}/{every}", clip.group, clip.frames[::every], truth)


def as_mot(table: Float64) -> MotRows:
    """Rows 0-based frame, id, x1, y1, x2, y2."""
    return MotRows.of(np.column_stack([table[:, 0] + 1, table[:, 1:4], table[:, 4:6] - table[:, 2:4]]))


def row_of_boxes(clips: Sequence[Clip], words: str) -> str:
    """A line of the table: the mean of the sequences."""
    config = settings_of(words).tracker
    found = {clip.name: as_mot(finished(build_tracker(config), config, clip.frames)[0]) for clip in clips}
    result = evaluate_tracking({clip.name: as_mot(clip.truth) for clip in clips}, found)
    return f"| TUD, campus | {words} | {' | '.join(scores(result))} | {ids(found)} |"


def scores(result: MultiCameraResult) -> list[str]:
    """MOTA, IDF1 and HOTA, the mean of the cameras."""
    measures = [[c.clear.mota, c.identity.idf1, c.hota.hota] for c in result.cameras.values()]
    return [f"{100 * value:.1f}" for value in np.mean(measures, axis=0)]


def ids(found: Mapping[str, MotRows]) -> int:
    """How many tracklets there are."""
    return sum(len(np.unique(own.identity)) for own in found.values())


def rows(
    name: str, boxes: Recorded, truth: Mapping[str, MotRows], settings: Sequence[str], base: Sequence[str] = BASE
) -> Iterator[str]:
    """A line of the table for each setting."""
    for words in settings:
        config = settings_of(words, base)
        found = {video.stem: follow(video, config, dict(own)).rows for video, own in boxes.items()}
        yield f"| {name} | {words} | {' | '.join(scores(evaluate_tracking(truth, found)))} | {ids(found)} |"


def main() -> None:
    """Print a row a scene and setting."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", nargs="+", type=Path, default=[], help="folders of `run.py synthesize`")
    parser.add_argument("--video", type=Path, help="or one video")
    parser.add_argument("--truth", type=Path, help="and its MOT text")
    parser.add_argument("--boxes", type=Path, help="or a folder with tud and campus_auditorium")
    parser.add_argument("--settings", nargs="+", default=[], metavar="KEY=VALUE[,KEY=VALUE]", help="beside the default")
    parser.add_argument("--detector", default="bundled")
    args = parser.parse_args()
    if (args.video is None) != (args.truth is None):
        parser.error("--video and --truth go together")
    base = (*BASE, f"detector.model={args.detector}")
    sources = [(folder.name, sorted((folder / "videos").glob("*.mp4")), folder / "truth") for folder in args.scenes]
    if args.video is not None:
        sources.append((args.video.stem, [args.video], args.truth))
    print("| scene | setting | MOTA | IDF1 | HOTA | tracklets |\n|---|---|---|---|---|---|")
    if args.boxes is not None:
        whole = [clip for name in ("tud", "campus") for clip in clips_of(name, args.boxes)]
        clips = [thinned(clip, n) for clip in whole for n in (1, 3 if clip.group == "tud" else 4)]
        for words in (DEFAULT, *args.settings):
            print(row_of_boxes(clips, words), flush=True)
    for name, videos, truth in sources:
        boxes = {video: record(video, settings_of(DEFAULT, base))[0] for video in videos}
        files = {video.stem: truth if truth.is_file() else truth / f"{video.stem}.txt" for video in videos}
        wanted = {camera: read_mot(file, truth=True) for camera, file in files.items()}
        for line in rows(name, boxes, wanted, [DEFAULT, *args.settings], base):
            print(line, flush=True)


if __name__ == "__main__":
    main()
