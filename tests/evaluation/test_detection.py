import numpy as np
import pytest

from evaluation.detection import ImageBoxes, evaluate_by_height, evaluate_detections

PERSON = [10.0, 10, 30, 70]
FAR = [200.0, 200, 220, 260]


def image(truth, detected, confidence, ignore=()):
    return ImageBoxes(np.array(truth), np.array(detected), np.array(confidence), np.array(ignore))


@pytest.mark.parametrize(
    ("case", "seed", "ignore", "height"),
    [
        ("plain", 50, False, (0, np.inf)),
        ("ignore", 51, True, (0, np.inf)),
        ("small", 50, False, (0, 60)),
        ("large", 51, True, (60, np.inf)),
    ],
)
def test_average_precision_equals_pycocotools(*, case, seed, ignore, height, golden, sequences):
    want = golden("pycocotools.json")[case]
    got = evaluate_detections([ImageBoxes(*arrays) for arrays in sequences.detections(seed, ignore=ignore)], height)
    assert (got.ap50, got.ap50_95) == pytest.approx((want["ap50"], want["ap50_95"]), abs=1e-9)


def test_perfect_boxes():
    result = evaluate_detections([image([PERSON, FAR], [FAR, PERSON], [0.9, 0.8])])
    assert (result.ap50, result.ap50_95, result.recall_at_p90) == pytest.approx((1, 1, 1))
    assert (result.truths, result.detections) == (2, 2)


def test_ap_by_hand():
    """Hit, false alarm, hit of 4 people: precision 1 up to recall 1/4, 2/3 up to 1/2, then 0; read at 101 recalls."""
    truth = [[x, 0.0, x + 10, 50] for x in (0, 100, 200, 300)]
    result = evaluate_detections([image(truth, [truth[0], FAR, truth[1]], [0.9, 0.8, 0.7])])
    assert result.ap50 == pytest.approx((26 * 1 + 25 * 2 / 3) / 101)
    assert result.recall_at_p90 == pytest.approx(1 / 4)


def test_recall_at_p90_takes_the_best_threshold_not_the_first_failure():
    """A false alarm among the first doesn't end it: 1 wrong of 11 is a precision of 0.909 again."""
    truth = [[20.0 * k, 0, 20 * k + 10, 50] for k in range(20)]
    detected = [truth[0], FAR, *truth[1:10]]
    result = evaluate_detections([image(truth, detected, np.linspace(0.9, 0.5, 11))])
    assert result.recall_at_p90 == pytest.approx(10 / 20)
    assert evaluate_detections([image(truth, [FAR, truth[0]], [0.9, 0.8])]).recall_at_p90 == 0.0


def test_a_second_box_on_one_person_is_wrong():
    result = evaluate_detections([image([PERSON, FAR], [PERSON, PERSON, FAR], [0.9, 0.8, 0.7])])
    assert result.ap50 == pytest.approx((51 + 50 * 2 / 3) / 101)


def test_confidence_ranks_over_all_images():
    """The sure false alarm of one image stands before the unsure hit of another."""
    sure_wrong = image(np.zeros((0, 4)), [FAR], [0.9])
    unsure_right = image([PERSON], [PERSON], [0.2])
    assert evaluate_detections([unsure_right, sure_wrong]).ap50 == pytest.approx(0.5)
    assert evaluate_detections([unsure_right, image(np.zeros((0, 4)), [FAR], [0.1])]).ap50 == pytest.approx(1.0)


def test_a_detection_in_an_ignore_region_is_neither_right_nor_wrong():
    region = [[190.0, 190, 300, 300]]
    assert evaluate_detections([image([PERSON], [FAR, PERSON], [0.9, 0.8], region)]).ap50 == pytest.approx(1.0)
    assert evaluate_detections([image([PERSON], [FAR, PERSON], [0.9, 0.8])]).ap50 == pytest.approx(0.5)


def test_truth_inside_an_ignore_region_is_still_found():
    result = evaluate_detections([image([FAR], [FAR], [0.9], [[190.0, 190, 300, 300]])])
    assert (result.ap50, result.detections) == (pytest.approx(1.0), 1)


def test_nobody_to_find_is_told_apart_from_nobody_found():
    assert evaluate_detections([image(np.zeros((0, 4)), [FAR], [0.9])]) is None
    assert evaluate_detections([]) is None
    nobody_found = evaluate_detections([image([PERSON], np.zeros((0, 4)), np.zeros(0))])
    assert (nobody_found.ap50, nobody_found.recall_at_p90, nobody_found.truths) == (0.0, 0.0, 1)


def test_heights_are_scored_apart():
    small, large = [0.0, 0, 20, 49], [300.0, 0, 340, 200]
    result = evaluate_by_height([image([small, large], [large], [0.9])])
    assert result["from_100px"].ap50 == pytest.approx(1.0)
    assert result["below_50px"].ap50 == 0.0
    assert result["50_100px"] is None
    assert sum(r.truths for r in result.values() if r) == 2


def test_not_finite_boxes_and_missing_confidences_are_refused():
    with pytest.raises(ValueError, match="detected boxes"):
        image([PERSON], [[0, 0, np.nan, 1]], [0.5])
    with pytest.raises(ValueError, match="1 finite confidences"):
        image([PERSON], [PERSON], [0.5, 0.4])
    with pytest.raises(ValueError, match="1 finite confidences"):
        image([PERSON], [PERSON], [np.nan])
