"""Small worlds whose scores one can work out by hand, slow oracles, and the independent multi-camera evaluator."""

import itertools

import numpy as np
import pytest

from evaluation.ceilings import perfect_ids, perfect_linking
from evaluation.clear import clear
from evaluation.hota import ALPHAS, hota
from evaluation.identity import identity
from evaluation.mot_text import MotRows, read_mot
from evaluation.multi_camera import evaluate_tracking, most_frequent, pair_links
from evaluation.overlaps import find_overlaps, join_cameras, match_boxes
from evaluation.partial import evaluate_partial
from pipeline.geometry import iou


def rows(*entries):
    """(frame, id, left) -> boxes 10 px wide, 20 px high."""
    return MotRows.of([[f, i, left, 0, 10, 20] for f, i, left in entries])


def person(identity, frames, left=0.0):
    return [(f, identity, left) for f in frames]


def test_a_person_renamed_halfway():
    overlaps = find_overlaps(rows(*person(1, range(1, 11))), rows(*person(7, range(1, 6)), *person(8, range(6, 11))))
    counts = clear(overlaps)
    assert (counts.tp, counts.fp, counts.fn, counts.idsw, counts.frag, counts.mt) == (10, 0, 0, 1, 0, 1)
    assert counts.mota == pytest.approx(0.9)
    assert identity(overlaps).idf1 == pytest.approx(0.5)
    result = hota(overlaps)
    assert (result.deta, result.assa, result.loca) == pytest.approx((1.0, 0.5, 1.0))
    assert result.hota == pytest.approx(np.sqrt(0.5))


def test_a_link_missed_between_cameras_costs_half_the_identity():
    truth = {"a": rows(*person(1, range(1, 11))), "b": rows(*person(1, range(1, 11)))}
    linked = evaluate_tracking(truth, {"a": rows(*person(5, range(1, 11))), "b": rows(*person(5, range(1, 11)))})
    parted = evaluate_tracking(truth, {"a": rows(*person(5, range(1, 11))), "b": rows(*person(6, range(1, 11)))})
    assert (linked.total.identity.idf1, linked.total.hota.hota, linked.pairs.f1) == (1.0, 1.0, 1.0)
    assert (parted.total.identity.idf1, parted.pairs.recall) == (0.5, 0.0)
    assert parted.total.hota.assa == pytest.approx(0.5)
    assert all(r.identity.idf1 == 1.0 for r in parted.cameras.values())
    assert parted.total.clear.idsw == 0, "a change of camera is not an identity switch"


def test_two_people_under_one_id_are_a_wrong_pair():
    truth = {"a": rows(*person(1, range(1, 5))), "b": rows(*person(2, range(1, 5)))}
    pairs = evaluate_tracking(truth, {"a": rows(*person(5, range(1, 5))), "b": rows(*person(5, range(1, 5)))}).pairs
    assert (pairs.right, pairs.claimed, pairs.true, pairs.f1) == (0, 1, 0, 0.0)


def test_a_camera_without_truth_is_left_out_and_one_without_prediction_is_empty():
    truth = {"a": rows(*person(1, range(1, 5))), "b": rows(*person(1, range(1, 5)))}
    result = evaluate_tracking(truth, {"a": truth["a"], "c": rows(*person(9, range(1, 5)))})
    assert list(result.cameras) == ["a", "b"]
    assert (result.total.identity.idp, result.total.identity.idr) == (1.0, 0.5)


def test_clear_refuses_several_cameras():
    one = find_overlaps(rows((1, 1, 0)), rows((1, 1, 0)))
    with pytest.raises(ValueError, match="one camera"):
        clear(join_cameras([one, one]))


def test_overlaps_equal_a_dense_iou(sequences, as_rows):
    for case in ("crowd", "noise_20", "no_truth", "no_prediction"):
        truth, predicted = (side["a"] for side in as_rows(sequences.cases()[case]))
        overlaps = find_overlaps(truth, predicted)
        pairs = 0
        for frame in np.union1d(truth.frame, predicted.frame):
            dense = iou(truth.xyxy[truth.frame == frame], predicted.xyxy[predicted.frame == frame])
            k = list(np.union1d(truth.frame, predicted.frame)).index(frame)
            sparse = np.zeros_like(dense)
            at = slice(overlaps.pair_start[k], overlaps.pair_start[k + 1])
            sparse[
                overlaps.pair_truth[at] - overlaps.truth_start[k],
                overlaps.pair_predicted[at] - overlaps.predicted_start[k],
            ] = overlaps.iou[at]
            np.testing.assert_allclose(sparse, dense, atol=1e-12)
            pairs += np.count_nonzero(dense)
        assert len(overlaps.iou) == pairs


def test_blocks_of_pairs_change_nothing(sequences, as_rows, monkeypatch):
    truth, predicted = (side["a"] for side in as_rows(sequences.cases()["crowd"]))
    whole = find_overlaps(truth, predicted)
    monkeypatch.setattr("evaluation.overlaps._PAIRS_AT_ONCE", 37)
    parts = find_overlaps(truth, predicted)
    for name in ("pair_truth", "pair_predicted", "iou", "pair_start"):
        np.testing.assert_array_equal(getattr(parts, name), getattr(whole, name))


@pytest.mark.parametrize("seed", range(4))
def test_identity_is_the_best_of_all_matchings(seed, sequences, as_rows):
    truth, predicted = (side["a"] for side in as_rows({"a": sequences.noise(100 + seed, people=4, tracks=4)}))
    overlaps = find_overlaps(truth, predicted)
    agree = np.zeros((4, 8), int)  # four tracks, and four places for "nobody"
    for frame, who, box in zip(truth.frame, truth.identity, truth.xyxy, strict=True):
        for name in range(4):
            mate = (predicted.frame == frame) & (predicted.identity == name)
            agree[who, name] += (iou(box[None], predicted.xyxy[mate]) >= 0.5).sum()
    best = max(sum(agree[who, name] for who, name in enumerate(names)) for names in itertools.permutations(range(8), 4))
    assert identity(overlaps).idtp == best


def test_hota_follows_the_papers_definition(sequences, as_rows):
    """AssA by its definition: the mean over TPs c of |TPA(c)| / (|TPA(c)| + |FNA(c)| + |FPA(c)|), for one matching."""
    truth, predicted = (side["a"] for side in as_rows({"a": sequences.walk(40, people=5, frames=30, breaks=0.1)}))
    overlaps = find_overlaps(truth, predicted)
    near = match_boxes(overlaps, 0.5)
    pairs = [(overlaps.truth[overlaps.pair_truth[k]], overlaps.predicted[overlaps.pair_predicted[k]]) for k in near]
    scores = []
    for g, p in pairs:
        tpa = sum(pair == (g, p) for pair in pairs)
        fna = sum(overlaps.truth == g) - tpa
        fpa = sum(overlaps.predicted == p) - tpa
        scores.append(tpa / (tpa + fna + fpa))
    deta = len(pairs) / (len(overlaps.truth) + len(overlaps.predicted) - len(pairs))
    at = int(np.argmin(abs(ALPHAS - 0.5)))
    result = hota(overlaps)
    assert result.deta_alpha[at] == pytest.approx(deta)
    assert result.assa_alpha[at] == pytest.approx(np.mean(scores))
    assert result.hota_alpha[at] == pytest.approx(np.sqrt(deta * np.mean(scores)))


def test_most_frequent_takes_the_smaller_on_a_tie():
    got = most_frequent(np.array([0, 0, 0, 2, 2, 2, 2]), np.array([5, 3, 5, 9, 4, 4, 9]), 4)
    assert got.tolist() == [5, -1, 4, -1]


def test_perfect_ids_leave_only_the_detectors_faults():
    truth = {"a": rows(*person(1, range(1, 11)), *person(2, range(1, 11), left=100))}
    broken = [(f, f, 0.0) for f in range(1, 6)] + [(f, 50 + f, 100.0) for f in range(1, 11)] + [(1, 99, 300.0)]
    predicted = {"a": rows(*broken)}
    best = evaluate_tracking(truth, perfect_ids(truth, predicted)).total
    assert (best.identity.idtp, best.identity.idfp, best.identity.idfn) == (15, 1, 5)
    assert evaluate_tracking(truth, predicted).total.identity.idtp == 2


def test_perfect_linking_keeps_tracklets_whole():
    truth = {"a": rows(*person(1, range(1, 11))), "b": rows(*person(1, range(1, 11)))}
    # one fragment that is right, one that runs on over a stranger's place, one of the other camera
    tracklets = {
        "a": rows(*person(1, range(1, 7)), *person(2, range(7, 11)), *person(2, range(11, 14), left=300)),
        "b": rows(*person(1, range(1, 11))),
    }
    linked = perfect_linking(truth, tracklets)
    assert set(linked["a"].identity.tolist()) == set(linked["b"].identity.tolist()) == {1}
    assert evaluate_tracking(truth, linked).total.identity.idtp == 20


def test_perfect_linking_gives_nobody_two_boxes_in_a_frame():
    """Field bug: a tracklet that shared one frame with another one of the same person was nobody's any more."""
    truth = {"a": rows(*person(1, range(1, 11)))}
    tracklets = {"a": rows(*person(1, range(1, 8)), *person(2, range(6, 11), left=1))}
    linked = perfect_linking(truth, tracklets)["a"]
    assert linked.frame.tolist() == list(range(1, 11))
    assert linked.identity.tolist() == [1] * 10
    assert linked.xyxy[:, 0].tolist() == [0] * 7 + [1] * 3, "the better box stands"


def test_perfect_linking_gives_a_tracklet_to_whom_it_adds_more():
    truth = {"a": rows(*person(1, range(1, 11)), *person(2, range(11, 17)))}
    tracklets = {"a": rows(*person(7, range(1, 11)), *person(8, range(3, 17)))}  # 8 covers 1 in 8 frames, 2 in 6
    linked = evaluate_tracking(truth, perfect_linking(truth, tracklets)).total.identity
    assert (linked.idtp, linked.idfn) == (16, 0)


def drawn_tracklets(generator, camera):
    """A camera's tracklets of boxes near its people, one taking over from another a few frames before it ends."""
    truth, tracks = [], [[(frame, 500.0) for frame in range(20, 30)]]
    for number in range(int(generator.integers(1, 5))):
        first, parts = int(generator.integers(1, 40)), int(generator.integers(1, 4))
        edges = first + np.cumsum([0, *generator.integers(25, 40, parts)])
        truth += [(frame, number + 1, 30.0 * number) for frame in range(first, edges[-1])]
        for begin, end in itertools.pairwise(edges.tolist()):
            left, late = 30.0 * number + generator.integers(0, 5), int(generator.integers(0, 6))
            aside = left + generator.choice([8.0, 30.0, -30.0])  # goes astray, perhaps to the person beside
            tracks.append([(frame, left if frame < end else aside) for frame in range(begin, end + late)])
    named = [(frame, 100 + name, left) for name, track in enumerate(tracks) for frame, left in track]
    return {camera: rows(*truth)}, {camera: (rows(*named), generator.random(len(named)))}


def linked_as_written(truth, tracklets, surety):
    """The plain true linking as mot/<camera>.txt has it: of two boxes of a person in a frame the surer one stands."""
    overlaps = find_overlaps(truth, tracklets)
    near = overlaps.iou >= 0.5
    covered = overlaps.predicted_ids[overlaps.predicted[overlaps.pair_predicted[near]]]
    who = overlaps.truth_ids[overlaps.truth[overlaps.pair_truth[near]]]
    ids = tracklets.identity.copy()
    for name in np.unique(covered):
        ids[tracklets.identity == name] = np.bincount(who[covered == name]).argmax()
    order = np.lexsort((-surety, ids, tracklets.frame))
    _, first = np.unique(np.stack([tracklets.frame, ids])[:, order], axis=1, return_index=True)
    return tracklets.with_identity(ids).take(order[first])


def test_no_true_linking_is_above_perfect_linking():
    """Two cameras, with hand-overs that share frames: `make demo` once printed a ceiling below its score."""
    closer = 0
    for seed in range(30):
        generator = np.random.default_rng(seed)
        truth, tracklets = {}, {}
        for camera in ("a", "b"):
            people, parts = drawn_tracklets(generator, camera)
            truth, tracklets = truth | people, tracklets | parts
        written = {c: linked_as_written(truth[c], *part) for c, part in tracklets.items()}
        score = evaluate_tracking(truth, written).total.identity
        best = evaluate_tracking(truth, perfect_linking(truth, {c: part for c, (part, _) in tracklets.items()}))
        assert best.total.identity.idf1 >= score.idf1, f"seed {seed}"
        closer += best.total.identity.idtp == score.idtp
    assert closer < 30, "in none did the surer box or the other person make a difference"


@pytest.mark.parametrize("case", ["two_cameras", "four_cameras", "crowd", "broken_ids"])
def test_ceilings_are_above_the_score(case, sequences, as_rows):
    truth, predicted = as_rows(sequences.cases()[case])
    score = evaluate_tracking(truth, predicted).total.identity.idf1
    linking = evaluate_tracking(truth, perfect_linking(truth, predicted)).total.identity.idf1
    ids = evaluate_tracking(truth, perfect_ids(truth, predicted)).total.identity.idf1
    assert score < linking < ids < 1


def compare(mtmc, truth, predicted, arrays, partial):
    """Ours against mtmc_eval.py on `arrays`: {camera: (truth, predicted)} of frame,id,l,t,w,h rows."""
    want = mtmc.evaluate({c: p[:, :6] for c, (_, p) in arrays.items()}, {c: t[:, :6] for c, (t, _) in arrays.items()},
                         partial_gt=partial)  # fmt: skip
    if partial:
        got = evaluate_partial(truth, predicted)
        idf1, pairs, cameras = got.idf1, got.pairs, got.cameras
    else:
        full = evaluate_tracking(truth, predicted)
        idf1, pairs = full.total.identity.idf1, full.pairs
        cameras = {c: r.identity.idf1 for c, r in full.cameras.items()}
        total = full.total
        assert (total.clear.tp, total.clear.fp, total.clear.fn, total.clear.idsw) == tuple(
            want[k] for k in ("clr_tp", "clr_fp", "clr_fn", "idsw")
        )
        assert (total.hota.hota, total.hota.deta, total.hota.assa) == pytest.approx(
            (want["hota"], want["deta"], want["assa"]), abs=1e-9
        )
        assert total.identity.idp == pytest.approx(want["idp"], abs=1e-12)
    assert idf1 == pytest.approx(want["idf1"], abs=1e-12)
    assert (pairs.right, pairs.claimed, pairs.true) == (want["pair_tp"], want["pair_said"], want["pair_true"])
    assert pairs.f1 == pytest.approx(want["pair_f1"], abs=1e-12)
    assert cameras == pytest.approx({c: r["idf1"] for c, r in want["per_camera"].items()}, abs=1e-12)


@pytest.mark.parametrize("partial", [False, True])
@pytest.mark.parametrize("seed", range(200, 206))
def test_random_cameras_equal_the_second_evaluator(seed, partial, mtmc, sequences, as_rows):
    cameras = {"a": sequences.walk(seed), "b": sequences.walk(seed + 50, miss=0.4), "c": sequences.noise(seed)}
    truth, predicted = as_rows(cameras)
    compare(mtmc, truth, predicted, {c: (t[t[:, 6] != 0], p) for c, (t, p) in cameras.items()}, partial)


def test_tud_equals_the_second_evaluator(mtmc, shared_data):
    names = [p.name for p in sorted((shared_data / "tud").iterdir()) if p.is_dir()]
    files = {n: (shared_data / "tud" / n / "gt.txt", shared_data / "tud" / n / "peer_test.txt") for n in names}
    truth = {n: read_mot(t, truth=True) for n, (t, _) in files.items()}
    predicted = {n: read_mot(p) for n, (_, p) in files.items()}
    compare(
        mtmc, truth, predicted, {n: (mtmc.read_mot(t, True), mtmc.read_mot(p)) for n, (t, p) in files.items()}, False
    )


@pytest.mark.parametrize(("folder", "partial"), [("campus_auditorium", False), ("pets09_s2l1/multiview", True)])
def test_several_real_views_equal_the_second_evaluator(folder, partial, mtmc, shared_data):
    """Real boxes and truth; ids by where a box stands and when (no tracker here), the same number in every view."""
    base = shared_data / folder
    files = {d.name: (d / "gt.txt", d / "det.txt") for d in sorted(base.glob("*/")) if (d / "gt.txt").exists()} or {
        g.stem: (g, base / "det" / g.name) for g in sorted((base / "gt").glob("*.txt"))
    }
    arrays = {}
    for camera, (truth_file, box_file) in files.items():
        truth, boxes = mtmc.read_mot(truth_file, True), mtmc.read_mot(box_file)
        truth, boxes = truth[truth[:, 0] <= 400], boxes[boxes[:, 0] <= 400]
        boxes[:, 1] = 10 * (boxes[:, 2] // 150) + boxes[:, 0] // 60
        _, first = np.unique(boxes[:, :2], axis=0, return_index=True)
        arrays[camera] = (truth, boxes[np.sort(first)])
    assert len(arrays) >= 4
    truth = {c: MotRows.of(t) for c, (t, _) in arrays.items()}
    compare(mtmc, truth, {c: MotRows.of(p) for c, (_, p) in arrays.items()}, arrays, partial)


def test_campus_ceiling_is_the_documented_one(shared_data):
    """data/README.md: box recall .60, perfect ids on these boxes give IDF1 .71 at IoU .5."""
    base = shared_data / "campus_auditorium"
    cameras = sorted(p.name for p in base.iterdir() if p.is_dir())
    truth = {c: read_mot(base / c / "gt.txt", truth=True) for c in cameras}
    arrays = {c: np.loadtxt(base / c / "det.txt", delimiter=",", usecols=range(7)) for c in cameras}
    predicted = {c: MotRows.of(a).with_identity(np.arange(len(a))) for c, a in arrays.items()}
    joined = join_cameras([find_overlaps(truth[c], predicted[c]) for c in cameras])
    assert len(match_boxes(joined)) / len(joined.truth) == pytest.approx(0.60, abs=0.005)
    best = perfect_ids(truth, predicted)
    overlaps = join_cameras([find_overlaps(truth[c], best[c]) for c in cameras])
    assert identity(overlaps).idf1 == pytest.approx(0.71, abs=0.005)
    assert pair_links(overlaps).precision == 1.0
