"""The scores of an evaluation as tables for the terminal; fractions are shown in percent."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping

from rich.console import Console
from rich.table import Table
from rich.text import Text

from evaluation.ceilings import perfect_ids, perfect_linking
from evaluation.mot_text import MotRows
from evaluation.multi_camera import MultiCameraResult, PairResult, TrackingResult, evaluate_tracking
from evaluation.partial import PartialResult, evaluate_partial

_PLAIN_WIDTH = 110
_ALL = "all cameras"

Rows = Mapping[str, MotRows]


def print_tables(truth: Rows, predicted: Rows, tracklets: Rows, scores: MultiCameraResult | PartialResult) -> None:
    """Print `scores` and, beside each identity score, its ceilings; `tracklets` may be empty: then one is left out."""
    console = Console(width=None if sys.stdout.isatty() else _PLAIN_WIDTH, markup=False, highlight=False)
    others = {"perfect ids": perfect_ids(truth, predicted)}
    if tracklets:
        others = {"perfect linking": perfect_linking(truth, tracklets)} | others
    if isinstance(scores, PartialResult):
        _print_partial(console, scores, {name: evaluate_partial(truth, best) for name, best in others.items()})
    else:
        _print_full(console, scores, {name: evaluate_tracking(truth, best) for name, best in others.items()})
    console.print(_links(scores.pairs, len(truth)))
    _print_legend(console, list(others))


def _print_full(console: Console, scores: MultiCameraResult, ceilings: Mapping[str, MultiCameraResult]) -> None:
    main = _table("", "HOTA", *ceilings, "IDF1", *ceilings, "MOTA", "DetA", "AssA")
    parts = _table("", "IDP", "IDR", "LocA", "MOTP", "FP", "FN", "IDSW", "frag", "MT", "PT", "ML")
    for camera in [_ALL, *scores.cameras]:
        result = _of(scores, camera)
        best = [_of(ceiling, camera) for ceiling in ceilings.values()]
        h, i, c = result.hota, result.identity, result.clear
        hotas, idf1s = [h.hota, *(b.hota.hota for b in best)], [i.idf1, *(b.identity.idf1 for b in best)]
        _add(main, camera, [_percent(v) for v in (*hotas, *idf1s, c.mota, h.deta, h.assa)])
        shares = [_percent(v) for v in (i.idp, i.idr, h.loca, c.motp)]
        _add(parts, camera, [*shares, *(str(v) for v in (c.fp, c.fn, c.idsw, c.frag, c.mt, c.pt, c.ml))])
    console.print(main)
    console.print(parts)


def _print_partial(console: Console, scores: PartialResult, ceilings: Mapping[str, PartialResult]) -> None:
    table = _table("partial truth", "IDF1", *ceilings)
    _add(table, _ALL, [_percent(v) for v in (scores.idf1, *(best.idf1 for best in ceilings.values()))])
    for camera, idf1 in scores.cameras.items():
        _add(table, camera, [_percent(v) for v in (idf1, *(best.cameras[camera] for best in ceilings.values()))])
    console.print(table)


def _links(pairs: PairResult, cameras: int) -> str:
    if cameras < 2:
        return "links between cameras: not scored, that needs the truth of two cameras"
    if pairs.true == 0:
        return f"links between cameras: {pairs.claimed} claimed, none true: nobody of the truth is in two cameras"
    return (
        f"links between cameras: F1 {_percent(pairs.f1)}  precision {_percent(pairs.precision)}  "
        f"recall {_percent(pairs.recall)}  ({pairs.right} right of {pairs.claimed} claimed, {pairs.true} true)"
    )


def _print_legend(console: Console, ceilings: list[str]) -> None:
    if "perfect linking" in ceilings:
        console.print("perfect linking: ceiling of the score beside it, the same tracklets linked without a fault")
    console.print("perfect ids: ceiling of the score beside it, the same boxes under perfect ids")


def _of(scores: MultiCameraResult, camera: str) -> TrackingResult:
    return scores.total if camera == _ALL else scores.cameras[camera]


def _table(first: str, *columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(first)
    for name in columns:
        table.add_column(name, justify="right", style="dim" if name.startswith("perfect") else "")
    return table


def _add(table: Table, name: str, cells: Iterable[str]) -> None:
    table.add_row(Text(name), *cells)


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.2f}"
