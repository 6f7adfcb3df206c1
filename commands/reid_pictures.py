"""Pictures of a re-identification evaluation: ranked results, and where the branches of a network look."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from pipeline.types import Float32, UInt8

CELL_WH = (64, 128)
GAP, FRAME, CAPTION = 8, 4, 16
RIGHT, WRONG, PLAIN = (115, 158, 0), (0, 94, 213), (90, 90, 90)
"""BGR; green and vermilion of Okabe and Ito's palette, which colour-blind people tell apart too."""
ROWS_A_SHEET = 12


def ranked_row(query: UInt8, hits: Sequence[tuple[UInt8, bool, float]], caption: str) -> UInt8:
    """A query and its hits (crop, right or wrong, cosine) side by side; wrong ones are crossed as well as framed."""
    cells = [_cell(query, PLAIN, caption)]
    cells += [
        _cell(image, RIGHT if right else WRONG, f"{similarity:.2f}", crossed=not right)
        for image, right, similarity in hits
    ]
    return np.concatenate(cells, axis=1)


def attention_row(crop: UInt8, maps: Sequence[tuple[Float32, str, int]]) -> UInt8:
    """A crop, then one overlay a branch from (map `(h, w)` 0..1, its name, its stripes), stripes parted by lines."""
    cells = [_cell(crop, PLAIN, "crop")]
    width, height = CELL_WH
    small = cv2.resize(crop, CELL_WH, interpolation=cv2.INTER_AREA)
    for values, name, stripes in maps:
        grown = cv2.resize(np.asarray(values, np.float32), CELL_WH, interpolation=cv2.INTER_CUBIC)
        heat = cv2.applyColorMap((255 * np.clip(grown, 0, 1)).astype(np.uint8), cv2.COLORMAP_VIRIDIS)
        mixed = cv2.addWeighted(small, 0.4, heat, 0.6, 0)
        for stripe in range(1, stripes):
            cv2.line(mixed, (0, height * stripe // stripes), (width, height * stripe // stripes), (255, 255, 255), 1)
        cells.append(_cell(np.asarray(mixed, np.uint8), PLAIN, name))
    return np.concatenate(cells, axis=1)


def write_sheets(folder: Path, rows: Sequence[UInt8], stem: str) -> list[Path]:
    """The `rows` as PNG files of up to 12 rows: `<stem>-01.png`, ..."""
    folder.mkdir(parents=True, exist_ok=True)
    width = max(row.shape[1] for row in rows)
    padded = [np.pad(row, ((0, 0), (0, width - row.shape[1]), (0, 0)), constant_values=255) for row in rows]
    paths = []
    for number, begin in enumerate(range(0, len(padded), ROWS_A_SHEET), start=1):
        path = folder / f"{stem}-{number:02d}.png"
        ok, data = cv2.imencode(".png", np.concatenate(padded[begin : begin + ROWS_A_SHEET], axis=0))
        if not ok:
            raise OSError(f"{path}: could not be encoded")
        path.write_bytes(data.tobytes())
        paths.append(path)
    return paths


def _cell(image: UInt8, colour: tuple[int, int, int], caption: str, *, crossed: bool = False) -> UInt8:
    width, height = CELL_WH
    outer = np.full((height + 2 * FRAME + CAPTION + GAP, width + 2 * FRAME + GAP, 3), 255, np.uint8)
    cv2.rectangle(outer, (0, 0), (width + 2 * FRAME - 1, height + 2 * FRAME - 1), colour, -1)
    inner = cv2.resize(image, CELL_WH, interpolation=cv2.INTER_AREA if image.shape[0] > height else cv2.INTER_LINEAR)
    outer[FRAME : FRAME + height, FRAME : FRAME + width] = inner
    if crossed:
        corner = FRAME + width
        cv2.rectangle(outer, (corner - 13, FRAME), (corner, FRAME + 13), colour, -1)
        cv2.line(outer, (corner - 10, FRAME + 3), (corner - 3, FRAME + 10), (255, 255, 255), 2, cv2.LINE_AA)
        cv2.line(outer, (corner - 3, FRAME + 3), (corner - 10, FRAME + 10), (255, 255, 255), 2, cv2.LINE_AA)
    place = (2, height + 2 * FRAME + CAPTION - 4)
    cv2.putText(outer, caption[:11], place, cv2.FONT_HERSHEY_SIMPLEX, 0.36, (40, 40, 40), 1, cv2.LINE_AA)
    return outer
