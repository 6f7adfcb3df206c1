"""Makes trackeval.json and pycocotools.json with the reference programs, in an environment of their own:

    python3 -m venv ../reference && ../reference/bin/pip install trackeval==1.3.0 pycocotools==2.0.11
    ../reference/bin/python tests/evaluation/golden/make_golden.py
    ../reference/bin/python tests/evaluation/golden/make_golden.py PREDICTED TRUTH    # score two folders instead

(trackeval 1.3.0 on the index is Luiten's TrackEval packaged by A. Koval, who keeps its metrics and fixes its NumPy 2
faults.) MOT text goes through TrackEval's own MotChallenge2DBox loader, without MOT17's distractor classes. Numbers of
several cameras: frames laid end to end under global ids for HOTA and Identity; combine_sequences for CLEAR.
"""

import importlib.metadata
import json
import platform
import sys
import tempfile
from pathlib import Path

import numpy as np
import trackeval
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
import sequences  # noqa: E402

CLEAR = ("MOTA", "MOTP", "CLR_TP", "CLR_FP", "CLR_FN", "IDSW", "Frag", "MT", "PT", "ML")
IDENTITY = ("IDF1", "IDP", "IDR", "IDTP", "IDFP", "IDFN")
HOTA = ("HOTA", "DetA", "AssA", "LocA", "DetRe", "DetPr", "AssRe", "AssPr")


def text(rows):
    return "".join(",".join(f"{v:.10g}" for v in row) + ",-1,-1,-1\n" for row in rows)


def load(camera, truth, predicted):
    """TrackEval's data of one camera, from text files in its folder layout."""
    frames = int(max([r[0] for r in (*truth, *predicted)], default=1))
    with tempfile.TemporaryDirectory() as folder:
        gt, results = Path(folder) / "gt" / camera / "gt", Path(folder) / "results" / "ours" / "data"
        gt.mkdir(parents=True)
        results.mkdir(parents=True)
        (gt / "gt.txt").write_text(text(truth))
        (results / f"{camera}.txt").write_text(text(predicted))
        dataset = trackeval.datasets.MotChallenge2DBox(
            {
                "GT_FOLDER": f"{folder}/gt",
                "TRACKERS_FOLDER": f"{folder}/results",
                "SKIP_SPLIT_FOL": True,
                "SEQ_INFO": {camera: frames},
                "BENCHMARK": "MOT15",
                "DO_PREPROC": False,
                "PRINT_CONFIG": False,
            }
        )
        return dataset.get_preprocessed_seq_data(dataset.get_raw_seq_data("ours", camera), "pedestrian"), frames


def joined(cameras):
    """The cameras of a case laid end to end as one sequence: ids are global."""
    rows, offset = ([], []), 0
    for truth, predicted in cameras.values():
        for out, part in zip(rows, (truth, predicted), strict=True):
            out.append(part + np.array([offset, 0, 0, 0, 0, 0, 0.0]))
        offset += int(max([r[0] for r in (*truth, *predicted)], default=1))
    return [np.concatenate(r) for r in rows]


def numbers(result, names):
    return {n: np.asarray(result[n], float).tolist() for n in names}


def score(cameras):
    """TrackEval's numbers of one case: {camera: (truth, predicted)}."""
    metrics = trackeval.metrics
    clear, identity = metrics.CLEAR({"PRINT_CONFIG": False}), metrics.Identity({"PRINT_CONFIG": False})
    per_camera = {c: clear.eval_sequence(load(c, *pair)[0]) for c, pair in cameras.items()}
    whole, _ = load("joined", *joined(cameras))
    single = next(iter(per_camera.values()))
    return {
        **numbers(clear.combine_sequences(per_camera) if len(cameras) > 1 else single, CLEAR),
        **numbers(identity.eval_sequence(whole), IDENTITY),
        **numbers(metrics.HOTA().eval_sequence(whole), HOTA),
    }


def score_folders(predicted, truth):
    """Two folders of <camera>.txt; a camera without prediction is empty, a row without confidence has 1."""

    def rows(file):
        if not file.exists():
            return np.zeros((0, 7))
        lines = [line.split(",")[:7] for line in file.read_text().split()]
        return np.array([[*line, "1"][:7] for line in lines], float).reshape(-1, 7)

    return score({f.stem: (rows(f), rows(Path(predicted) / f.name)) for f in sorted(Path(truth).glob("*.txt"))})


def detection(images, heights=(0, 1e5)):
    truth, results = [], []
    for number, (boxes, detected, confidence, ignore) in enumerate(images, 1):
        for kind, group in enumerate((boxes, ignore)):
            for x1, y1, x2, y2 in group.tolist():
                # COCO ranges are of areas; the height squared stands in for the area so that they are of heights
                size = (y2 - y1) ** 2 if not kind else 1e9
                truth.append(
                    {
                        "id": len(truth) + 1,
                        "image_id": number,
                        "category_id": 1,
                        "bbox": [x1, y1, x2 - x1, y2 - y1],
                        "area": size,
                        "iscrowd": kind,
                    }
                )
        for (x1, y1, x2, y2), score in zip(detected.tolist(), confidence.tolist(), strict=True):
            results.append(
                {
                    "id": len(results) + 1,
                    "image_id": number,
                    "category_id": 1,
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "area": (y2 - y1) ** 2,
                    "score": score,
                    "iscrowd": 0,
                }
            )
    images_of = [{"id": n} for n in range(1, len(images) + 1)]
    coco, found = COCO(), COCO()
    coco.dataset = {"images": images_of, "annotations": truth, "categories": [{"id": 1}]}
    found.dataset = {"images": images_of, "annotations": results, "categories": [{"id": 1}]}
    coco.createIndex()
    found.createIndex()
    run = COCOeval(coco, found, "bbox")
    run.params.maxDets = [10**6]
    run.params.areaRng = [[heights[0] ** 2, heights[1] ** 2]]
    run.params.areaRngLbl = ["all"]
    run.evaluate()
    run.accumulate()
    precision = run.eval["precision"][:, :, 0, 0, 0]
    return {"ap50": float(precision[0].mean()), "ap50_95": float(precision.mean())}


def main():
    made_with = {p: importlib.metadata.version(p) for p in ("trackeval", "pycocotools", "numpy", "scipy")}
    made_with |= {"python": platform.python_version(), "sequences_sha256": sequences.digest()}
    tracking = {case: score(cameras) for case, cameras in sequences.cases().items()}
    (HERE / "trackeval.json").write_text(json.dumps({"made_with": made_with, "cases": tracking}) + "\n")
    cases = {
        "plain": detection(sequences.detections(50, ignore=False)),
        "ignore": detection(sequences.detections(51)),
        "small": detection(sequences.detections(50, ignore=False), (0, 60)),
        "large": detection(sequences.detections(51), (60, 1e5)),
    }
    (HERE / "pycocotools.json").write_text(json.dumps({"made_with": made_with, "cases": cases}, indent=1) + "\n")


if __name__ == "__main__":
    if len(sys.argv) == 3:
        sys.stdout.write(json.dumps(score_folders(*sys.argv[1:])) + "\n")
    else:
        main()
