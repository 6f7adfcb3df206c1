"""Our CLEAR, identity and HOTA numbers are TrackEval's, on ordinary and on nasty sequences."""

import numpy as np
import pytest

from evaluation.hota import ALPHAS
from evaluation.multi_camera import evaluate_tracking

CASES = [
    "walk", "crowd", "broken_ids", "mostly_missed", "all_false", "perfect", "no_prediction", "no_truth", "two_cameras",
    "four_cameras", *(f"noise_{n}" for n in range(20, 26)), "noise_cameras",
]  # fmt: skip


def ours(result):
    c, i, h = result.clear, result.identity, result.hota
    clear = {"MOTA": c.mota, "MOTP": c.motp, "CLR_TP": c.tp, "CLR_FP": c.fp, "CLR_FN": c.fn, "IDSW": c.idsw}
    return (
        clear
        | {"Frag": c.frag, "MT": c.mt, "PT": c.pt, "ML": c.ml}
        | {"IDF1": i.idf1, "IDP": i.idp, "IDR": i.idr, "IDTP": i.idtp, "IDFP": i.idfp, "IDFN": i.idfn}
        | {"HOTA": h.hota_alpha, "DetA": h.deta_alpha, "AssA": h.assa_alpha, "LocA": h.loca_alpha}
        | {"DetRe": h.detection_recall, "DetPr": h.detection_precision}
        | {"AssRe": h.association_recall, "AssPr": h.association_precision}
    )


def test_every_golden_case_is_tested(golden):
    assert sorted(golden("trackeval.json")) == sorted(CASES)


@pytest.mark.parametrize("case", CASES)
def test_numbers_equal_trackeval(case, golden, sequences, as_rows):
    want = golden("trackeval.json")[case]
    result = evaluate_tracking(*as_rows(sequences.cases()[case]))
    got = ours(result.total)
    assert got.keys() == want.keys()
    for name, value in want.items():
        np.testing.assert_allclose(got[name], value, rtol=0, atol=1e-9, err_msg=name)
    assert result.total.hota.hota == pytest.approx(np.mean(want["HOTA"]), abs=1e-9)


def test_there_are_nineteen_thresholds():
    np.testing.assert_allclose(ALPHAS, np.linspace(0.05, 0.95, 19))


@pytest.mark.parametrize("case", ["two_cameras", "four_cameras", "noise_cameras"])
def test_order_of_cameras_and_names_of_ids_change_nothing(case, sequences, as_rows):
    cameras = sequences.cases()[case]
    truth, predicted = as_rows(cameras)
    want = evaluate_tracking(truth, predicted)
    renamed = {c: rows.with_identity(10_000 - 3 * rows.identity) for c, rows in reversed(predicted.items())}
    got = evaluate_tracking(dict(reversed(truth.items())), renamed)
    assert got.total.identity == want.total.identity
    assert got.total.clear.mota == want.total.clear.mota
    assert got.total.hota.hota == pytest.approx(want.total.hota.hota, abs=1e-3)  # ties may fall otherwise
