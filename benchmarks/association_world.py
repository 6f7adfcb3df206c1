"""Exact tracklets of the synthetic world, for association alone: who walks where is simulated, nobody is detected.

People walk through the rooms of `synthetic.scenario`; a tracklet is a run of a person's boxes in one camera, sampled at
5 Hz, that ends where he leaves the image, is covered by another by 70 % or more, or both, for over a second. What he
looks like comes from one of two sources:

- `rendered`: pictures of the world itself, 5 a tracklet, at even distances of time; drawn for those instants only;
- a set of `../shared/data/reid`: crops of real people. Cameras of even rooms show a person's first view, cameras of odd
  rooms the second one, so that going from room to room changes view, light and camera as it does in the set.

Times and places are the world's in both.
"""

from __future__ import annotations

import argparse
import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.reid_scenes import Simulation
from benchmarks.reid_scores import score
from benchmarks.reid_vectors import CACHE, embedded
from pipeline.association.associator import AverageLinkageAssociator
from pipeline.association.prior import LabelledCrops
from pipeline.association.topology_report import ways_table
from pipeline.config import AssociationConfig, EmbedderConfig, RuntimeConfig
from pipeline.outputs.topology_picture import topology_svg
from pipeline.types import Camera, Embeddings, Float64, Scene, Tracklet, TrackletKey
from reid import build_embedder
from synthetic import truth as rules
from synthetic.renderer import Renderer, Wardrobe
from synthetic.scenario import Scenario, SceneCamera, build_scenario
from synthetic.sensor import Sensor

FPS = 5.0
CROPS = 5
_HIDDEN = 0.7
_BREAK_S = 1.0
_SHORTEST_S = 1.0


@dataclass(frozen=True)
class WorldScene:
    """Tracklets, their embeddings, what an installer knows, and who is who."""

    tracklets: list[Tracklet]
    embeddings: Embeddings
    scene: Scene
    truth: dict[TrackletKey, int]


def boxes_at(scenario: Scenario, camera: SceneCamera, time_s: float) -> dict[int, Float64]:
    """Boxes (xyxy px, cut to the image) by person, of those who are in the camera's room, in view and not hidden."""
    width, height = camera.pinhole.size_wh
    room = scenario.floor.rooms[camera.room]
    found: list[tuple[float, int, Float64]] = []
    for person, stance in scenario.motion.at(time_s):
        if not (room.low[0] <= stance.x <= room.high[0] and room.low[1] <= stance.y <= room.high[1]):
            continue
        tall = scenario.looks[person].height
        ends, depth = camera.pinhole.project(np.array([[stance.x, stance.y, 0.0], [stance.x, stance.y, tall]]))
        if depth.min() < 0.5:
            continue
        half = camera.pinhole.K[0, 0] * 0.28 / depth.mean()
        whole = np.array([ends[:, 0].min() - half, ends[1, 1], ends[:, 0].max() + half, ends[0, 1]])
        cut = np.clip(whole, 0, [width, height, width, height])
        area = np.prod(cut[2:] - cut[:2]) / max(np.prod(whole[2:] - whole[:2]), 1e-9)
        if area >= rules.MIN_VISIBILITY and cut[3] - cut[1] >= rules.MIN_HEIGHT * height:
            found.append((float(depth.mean()), person, cut))
    found.sort(key=lambda entry: entry[0])
    free: dict[int, Float64] = {}
    for rank, (_, person, box) in enumerate(found):
        nearer = np.array([other for _, _, other in found[:rank]]).reshape(-1, 4)
        common = np.prod(np.clip(np.minimum(nearer[:, 2:], box[2:]) - np.maximum(nearer[:, :2], box[:2]), 0, None), 1)
        if not len(nearer) or common.max() < _HIDDEN * np.prod(box[2:] - box[:2]):
            free[person] = box
    return free


def walk(scenario: Scenario, cameras: tuple[SceneCamera, ...]) -> tuple[list[Tracklet], dict[TrackletKey, int]]:
    """All tracklets, and the person of each."""
    tracklets: list[Tracklet] = []
    truth: dict[TrackletKey, int] = {}
    for camera in cameras:
        seen: dict[int, list[tuple[int, Float64]]] = {}
        for frame in range(round(scenario.duration_s * FPS)):
            for person, box in boxes_at(scenario, camera, camera.start_s + frame / FPS).items():
                seen.setdefault(person, []).append((frame, box))
        for person, boxes in sorted(seen.items()):
            frames = np.array([frame for frame, _ in boxes])
            for run in np.split(np.arange(len(frames)), np.flatnonzero(np.diff(frames) > _BREAK_S * FPS) + 1):
                index = frames[run]
                if index[-1] - index[0] < _SHORTEST_S * FPS:
                    continue
                key = (camera.id, len(truth) + 1)
                xyxy = np.stack([boxes[row][1] for row in run.tolist()])
                count = len(index)
                tracklets.append(
                    Tracklet(key, index, index / FPS, xyxy, np.full(count, 0.9, np.float32), np.ones(count, np.bool_))
                )
                truth[key] = person
    return tracklets, truth


def rendered_crops(
    scenario: Scenario, camera: SceneCamera, tracklets: list[Tracklet], truth: dict[TrackletKey, int]
) -> tuple[list[np.ndarray], list[tuple[TrackletKey, int]]]:
    """Crops of the tracklets of one camera, and `(key, frame)` of each; only the pictures that are needed are drawn."""
    wanted: dict[int, list[TrackletKey]] = {}
    for tracklet in tracklets:
        rows = np.unique(np.linspace(0, len(tracklet) - 1, CROPS + 2).round().astype(int)[1:-1])
        for frame in tracklet.frame_index[rows].tolist():
            wanted.setdefault(frame, []).append(tracklet.key)
    renderer = Renderer(scenario.floor, camera.pinhole, Wardrobe(scenario.looks), camera.light, scenario.seed)
    sensor = Sensor(camera.sensor, camera.pinhole.size_wh, camera.seed)
    rng = np.random.default_rng(camera.seed)
    images, rows_of = [], []
    for frame, keys in sorted(wanted.items()):
        image, people = renderer.draw(scenario.motion.at(camera.start_s + frame / FPS))
        image = sensor(image)
        by_person = {seen.person: seen for seen in people}
        for key in keys:
            seen = by_person.get(truth[key])
            if seen is not None and rules.counts(seen, camera.pinhole.size_wh):
                images.append(rules.crop(image, seen, camera.pinhole.size_wh, rng.normal(0, 0.03, 4)))
                rows_of.append((key, frame))
    return images, rows_of


def make_scene(  # noqa: PLR0917 - one knob each
    appearance: LabelledCrops | tuple[str, str],
    people: int,
    cameras: int,
    duration_s: float,
    difficulty: str,
    seed: int,
    cache: Path,
    *,
    one_a_room: bool = False,
) -> WorldScene:
    """A scene; `appearance` is a set's crops, or `(embedder's name, model)` for rendered ones, kept in `cache`."""
    scenario = build_scenario(seed, people=people, cameras=cameras, duration_s=duration_s, difficulty=difficulty)
    placed = tuple(c for n, c in enumerate(scenario.cameras) if not one_a_room or n % 3 != 1)
    tracklets, truth = walk(scenario, placed)
    if isinstance(appearance, LabelledCrops):
        embeddings = _real(appearance, {c.id: c.room % 2 for c in placed}, tracklets, truth, seed)
    else:
        label = f"{appearance} {people} {cameras} {duration_s} {difficulty} {seed} {one_a_room} 1"
        embeddings = _rendered(scenario, placed, tracklets, truth, appearance, cache / f"world-{_digest(label)}.npz")
    known = scenario.difficulty.clock_spread_s == 0
    names = tuple(Camera(c.id, (Path(f"{c.id}.mp4"),), c.pinhole.size_wh, FPS) for c in placed)
    overlaps = frozenset(frozenset(pair) for pair in scenario.overlapping)
    return WorldScene(tracklets, embeddings, Scene(names, "common" if known else "unknown", overlaps), truth)


def _digest(label: str) -> str:
    return hashlib.sha256(label.encode()).hexdigest()[:16]


def _rendered(  # noqa: PLR0917
    scenario: Scenario,
    placed: tuple[SceneCamera, ...],
    tracklets: list[Tracklet],
    truth: dict[TrackletKey, int],
    appearance: tuple[str, str],
    stored: Path,
) -> Embeddings:
    if not stored.is_file():
        embedder = build_embedder(EmbedderConfig(name=appearance[0], model=appearance[1]), RuntimeConfig())
        vectors, rows = [], []
        for camera in placed:
            images, rows_of = rendered_crops(
                scenario, camera, [t for t in tracklets if t.camera_id == camera.id], truth
            )
            if images:
                vectors.append(embedder.embed(images))
                rows += rows_of
        stored.parent.mkdir(parents=True, exist_ok=True)
        np.savez(
            stored,
            vector=np.concatenate(vectors),
            camera=np.array([key[0] for key, _ in rows]),
            track=np.array([key[1] for key, _ in rows]),
            frame=np.array([frame for _, frame in rows]),
        )
    data = np.load(stored)
    keys = tuple(zip(data["camera"].tolist(), data["track"].tolist(), strict=True))
    return Embeddings(keys, data["frame"], data["vector"], np.ones(len(keys), np.float32))


def _real(
    crops: LabelledCrops, view_of: dict[str, int], tracklets: list[Tracklet], truth: dict[TrackletKey, int], seed: int
) -> Embeddings:
    """Crops of real people with two views: 3 to 8 of a tracklet's view where there are as many."""
    rng = np.random.default_rng(seed)
    rows: dict[int, dict[int, list[int]]] = {}
    for row, (person, camera) in enumerate(zip(crops.person.tolist(), crops.camera.tolist(), strict=True)):
        rows.setdefault(person, {}).setdefault(camera, []).append(row)
    real = [person for person, views in sorted(rows.items()) if len(views) > 1]
    people = sorted(set(truth.values()))
    if len(real) < len(people):
        raise ValueError(f"{len(people)} people walk, the set has {len(real)} with two views")
    looks = dict(zip(people, rng.permutation(real)[: len(people)].tolist(), strict=True))
    keys, frames, taken = [], [], []
    for tracklet in tracklets:
        views = rows[looks[truth[tracklet.key]]]
        pool = views[sorted(views)[view_of[tracklet.camera_id]]]
        chosen = rng.choice(pool, min(len(pool), int(rng.integers(3, 9))), replace=False).tolist()
        frames += tracklet.frame_index[np.linspace(0, len(tracklet) - 1, len(chosen)).round().astype(int)].tolist()
        keys += [tracklet.key] * len(chosen)
        taken += chosen
    return Embeddings(tuple(keys), np.array(frames), crops.vector[taken], np.ones(len(taken), np.float32))


def main() -> None:
    """Link one scene, print its ways, draw its topology: the picture of docs/association.md.

    python -m benchmarks.association_world --data ../shared/data/reid --set cuhk01_671 --picture FILE --model MODEL
    """
    parser = argparse.ArgumentParser(description=main.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of <set>.tar")
    parser.add_argument("--set", default="cuhk01_671")
    parser.add_argument("--model", default="bundled")
    parser.add_argument("--embedder", choices=["mgn", "openvino", "onnx"], default="openvino")
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("--people", type=int, default=30)
    parser.add_argument("--cameras", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=150.0)
    parser.add_argument("--difficulty", default="easy")
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--picture", type=Path)
    args = parser.parse_args()
    crops = embedded(args.data / f"{args.set}.tar", args.model, args.embedder, args.cache)
    made = make_scene(crops, args.people, args.cameras, args.seconds, args.difficulty, args.seed, args.cache)
    result = AverageLinkageAssociator(AssociationConfig()).solve(made.tracklets, made.embeddings, made.scene)
    scores = score(Simulation(made.tracklets, made.embeddings, made.scene, made.truth), result)
    print("\n".join(ways_table(result.report.topology, 12)))
    print(f"pair F1 {100 * scores['pair_f1']:.1f}, IDF1 {100 * scores['idf1']:.1f}, {scores['people']:.0f} people")
    if args.picture:
        sizes_wh = {camera.id: camera.size_wh for camera in made.scene.cameras}
        args.picture.write_text(topology_svg(result.report.topology, sizes_wh), encoding="utf-8")


if __name__ == "__main__":
    main()
