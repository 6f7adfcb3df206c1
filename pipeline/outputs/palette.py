"""One steady colour per person id, far from the colours of the ids before it, also for colour-blind eyes.

Colours are chosen in OKLab (B. Ottosson, "A perceptual color space for image processing", 2020), where distance is
close to seen difference: greedily, each as far as can be from those before it under normal sight, protanopia and
deuteranopia (matrices of Machado, Oliveira and Fernandes, IEEE TVCG 15(6), 2009, severity 1.0).
"""

from __future__ import annotations

from functools import cache

import numpy as np

from pipeline.types import Float64

Bgr = tuple[int, int, int]

COLOURS = 24
"""Ids further on take the colours again; more than this are not told apart by eye anyway."""

_MACHADO_PROTAN = np.array(
    [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
)
_MACHADO_DEUTAN = np.array(
    [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
)
_RGB_TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_LMS_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def colour(person_id: int) -> Bgr:
    """The colour of a person, `(blue, green, red)` 0..255."""
    return palette()[(person_id - 1) % COLOURS]


def text_on(background: Bgr) -> Bgr:
    """Black or white, whichever reads better on `background` (relative luminance of WCAG 2.1)."""
    blue, green, red = _linear(np.array(background, np.float64) / 255)
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    # Equal contrast against black and white lies at sqrt(1.05 * 0.05) - 0.05.
    return (0, 0, 0) if luminance > 0.179 else (255, 255, 255)


@cache
def palette() -> tuple[Bgr, ...]:
    """The `COLOURS` colours in the order of ids."""
    rgb = _candidates()
    sights = [_oklab(np.clip(rgb @ matrix.T, 0, 1)) for matrix in (np.eye(3), _MACHADO_PROTAN, _MACHADO_DEUTAN)]
    chosen = [int(np.argmin(np.linalg.norm(sights[0] - _oklab(np.array([[1.0, 0.12, 0.02]])), axis=1)))]  # orange-red
    nearest = np.full(len(rgb), np.inf)
    while len(chosen) < COLOURS:
        for weight, lab in zip((1.0, 2.0, 2.0), sights, strict=True):
            nearest = np.minimum(nearest, weight * np.linalg.norm(lab - lab[chosen[-1]], axis=1))
        chosen.append(int(np.argmax(nearest)))
    display = np.round(_gamma(rgb[chosen]) * 255).astype(int)
    return tuple((int(blue), int(green), int(red)) for red, green, blue in display)


def _candidates() -> Float64:
    """Linear RGB `(N, 3)` of strong colours: lightness that shows on dark and light video, chroma as far as it goes."""
    hue = np.deg2rad(np.arange(0, 360, 7.5))
    rows = []
    for lightness in (0.60, 0.70, 0.80, 0.88):
        for strength in (1.0, 0.7):
            for angle in hue:
                chroma = strength * min(_largest_chroma(lightness, float(angle)), 0.2)  # beyond it glares
                if chroma >= 0.09:
                    rows.append((lightness, chroma * np.cos(angle), chroma * np.sin(angle)))
    return np.clip(_linear_rgb(np.array(rows)), 0, 1)


def _largest_chroma(lightness: float, angle: float) -> float:
    chroma = np.linspace(0.0, 0.3, 61)
    lab = np.stack([np.full_like(chroma, lightness), chroma * np.cos(angle), chroma * np.sin(angle)], axis=1)
    rgb = _linear_rgb(lab)
    inside = ((rgb >= 0) & (rgb <= 1)).all(axis=1)
    return float(chroma[np.argmin(inside) - 1]) if not inside.all() else float(chroma[-1])


def _oklab(rgb: Float64) -> Float64:
    result: Float64 = np.cbrt(rgb @ _RGB_TO_LMS.T) @ _LMS_TO_LAB.T
    return result


def _linear_rgb(lab: Float64) -> Float64:
    result: Float64 = (lab @ np.linalg.inv(_LMS_TO_LAB).T) ** 3 @ np.linalg.inv(_RGB_TO_LMS).T
    return result


def _linear(display: Float64) -> Float64:
    result: Float64 = np.where(display <= 0.04045, display / 12.92, ((display + 0.055) / 1.055) ** 2.4)
    return result


def _gamma(linear: Float64) -> Float64:
    result: Float64 = np.where(
        linear <= 0.0031308, linear * 12.92, 1.055 * np.maximum(linear, 1e-9) ** (1 / 2.4) - 0.055
    )
    return result
