"""From a look to a body: meshes of trunk, limbs, head, hair, clothes and bags, bound to thirteen bones.

Proportions are shares of the height, after the segment lengths of Drillis and Contini (1966) as given in Winter,
Biomechanics and Motor Control of Human Movement, fig. 4.1; widths were set by eye.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.types import Float64
from synthetic.appearance import Look
from synthetic.cloth import Kind, cloth, plain
from synthetic.mesh import Bind, Grain, Mesh, rings, smoothstep

PELVIS, CHEST, HEAD = 0, 1, 2
THIGH, SHIN, FOOT, UPPER_ARM, FOREARM = (3, 4), (5, 6), (7, 8), (9, 10), (11, 12)
"""Left, right."""
BONES = 13

HIP_Z, KNEE_Z, ANKLE_Z = 0.520, 0.285, 0.039
WAIST_Z, NECK_Z, SHOULDER_Z, ELBOW_Z, WRIST_Z = 0.600, 0.845, 0.805, 0.630, 0.485
HIP_Y, SHOULDER_Y, ELBOW_Y, WRIST_Y = 0.052, 0.108, 0.126, 0.134
_BARE_LEG_TO = {"trousers": 0.03, "shorts": 0.30, "skirt": 0.60}
_SLEEVE_TO = {"tshirt": 0.68, "vest": 0.79, "dress": 0.70}


@dataclass(frozen=True, slots=True)
class Body:
    """A look as a mesh, with the places of its joints at rest `(bones, 3)` m."""

    mesh: Mesh
    joints: Float64
    look: Look


def joints_of(look: Look) -> Float64:
    """Where each bone turns, `(bones, 3)` m at rest."""
    places = np.zeros((BONES, 3))
    places[[PELVIS, CHEST, HEAD], 2] = HIP_Z, WAIST_Z, NECK_Z
    for side, sign in enumerate((1.0, -1.0)):
        places[THIGH[side]] = 0, sign * HIP_Y * look.hips, HIP_Z
        places[SHIN[side]] = 0, sign * HIP_Y * look.hips, KNEE_Z
        places[FOOT[side]] = 0, sign * HIP_Y * look.hips, ANKLE_Z
        places[UPPER_ARM[side]] = 0, sign * SHOULDER_Y * look.shoulders, SHOULDER_Z
        places[FOREARM[side]] = 0, sign * ELBOW_Y * look.shoulders, ELBOW_Z
    return places * look.height


def build_body(look: Look, grain: Grain) -> Body:
    """The mesh of a person at rest, standing at the origin."""
    maker = _Maker(look, grain)
    parts = [*maker.trunk(), *maker.head()]
    for side in (0, 1):
        parts += [*maker.leg(side), *maker.arm(side)]
    parts += maker.extras()
    return Body(Mesh.join(parts), joints_of(look), look)


def _one(bone: int) -> Bind:
    def bind(vertices: Float64) -> Float64:
        weights = np.zeros((len(vertices), BONES))
        weights[:, bone] = 1.0
        return weights

    return bind


def _between(lower: int, upper: int, low: float, high: float) -> Bind:
    """Bone `lower` below z = `low`, `upper` above `high`, a smooth blend between."""

    def bind(vertices: Float64) -> Float64:
        weights = np.zeros((len(vertices), BONES))
        share = smoothstep(vertices[:, 2], low, high)
        weights[:, lower], weights[:, upper] = 1 - share, share
        return weights

    return bind


class _Maker:
    """Builds the parts of one look; profile rows are shares of the height."""

    def __init__(self, look: Look, grain: Grain) -> None:
        self._look, self._grain, self._h = look, grain, look.height

    def _rings(
        self, rows: Sequence[Sequence[float]], bind: Bind, paint: object, *, widths: float = 1.0, exponent: float = 2.0
    ) -> Mesh:
        table = np.asarray(rows, np.float64) * self._h
        table[:, 3:] *= widths
        return rings(table.tolist(), self._grain, bind, paint, exponent)  # type: ignore[arg-type]

    def trunk(self) -> list[Mesh]:
        """Trunk, neck, and the skirts of a coat or a dress."""
        look, h = self._look, self._h
        g, s, p = look.girth, look.shoulders, look.hips
        loose = {"jacket": 1.09, "coat": 1.12, "hoodie": 1.12}.get(look.top, 1.03)
        belly = 0.5 + 0.5 * g
        rows = [
            (0.465, 0.000, 0, 0.030, 0.050 * p), (0.485, -0.004, 0, 0.058, 0.086 * p),
            (0.520, -0.006, 0, 0.068 * g, 0.102 * p), (0.565, -0.002, 0, 0.065 * g, 0.099 * p),
            (0.620, 0.004 * g, 0, 0.061 * g * belly, 0.088 * g), (0.670, 0.004, 0, 0.064 * g, 0.092 * g),
            (0.725, 0.002, 0, 0.070 * g, 0.103 * s), (0.770, -0.002, 0, 0.067 * g, 0.111 * s),
            (0.800, -0.004, 0, 0.056, 0.112 * s), (0.822, -0.006, 0, 0.044, 0.094 * s),
            (0.840, -0.006, 0, 0.034, 0.052), (0.852, -0.004, 0, 0.028, 0.030),
        ]  # fmt: skip
        hem = 0.535 if look.top not in ("vest",) else 0.56
        paint = cloth(look, h, kind="top", hem=hem * h)
        spine = _between(PELVIS, CHEST, 0.56 * h, 0.68 * h)
        parts = [self._rings(rows, spine, paint, widths=loose, exponent=2.4)]
        neck = [(0.83, -0.002, 0, 0.033, 0.034), (0.885, 0.006, 0, 0.029, 0.031)]
        parts.append(self._rings(neck, _between(CHEST, HEAD, 0.83 * h, 0.88 * h), plain(look.skin, 3, look)))
        length = {"coat": 0.36, "dress": 0.31}.get(look.top, 0.33 if look.bottom == "skirt" else 0.0)
        if length:
            flare = 1.12 if look.top == "coat" else 1.25
            skirt = [
                (length, 0, 0, 0.082 * flare, 0.108 * flare * p), (0.47, 0, 0, 0.079 * g, 0.112 * p),
                (0.55, 0, 0, 0.071 * g, 0.106 * p), (0.62, 0.003, 0, 0.064 * g * belly, 0.092 * g),
            ]  # fmt: skip
            kind: Kind = "top" if look.top in ("coat", "dress") else "bottom"
            parts.append(self._rings(skirt, self._skirt_bind(length * h), cloth(look, h, kind=kind, hem=0.0)))
        return parts

    def _skirt_bind(self, hem: float) -> Bind:
        """Held by the pelvis above, carried along by the thigh of each side below."""
        h = self._h

        def bind(vertices: Float64) -> Float64:
            weights = np.zeros((len(vertices), BONES))
            follow = 0.75 * smoothstep(-vertices[:, 2], -0.52 * h, -hem)
            left = 1 / (1 + np.exp(-vertices[:, 1] / (0.022 * h)))
            weights[:, THIGH[0]], weights[:, THIGH[1]] = follow * left, follow * (1 - left)
            weights[:, PELVIS] = 1 - follow
            return weights

        return bind

    def leg(self, side: int) -> list[Mesh]:
        """Leg in its trouser or bare, and the shoe."""
        look, h = self._look, self._h
        y = (1, -1)[side] * HIP_Y * look.hips
        g = 0.55 + 0.45 * look.girth
        wide = 1.16 if look.bottom == "trousers" else 1.0
        hem = 0.036 if look.bottom == "trousers" else 0.022
        rows = [
            (0.028, -0.006, y, hem, hem * 0.92), (0.06, -0.006, y, hem, hem * 0.92),
            (0.150, -0.010, y, 0.028 * wide, 0.027 * wide), (0.215, -0.010, y, 0.034 * wide, 0.033 * wide),
            (0.285, -0.002, y, 0.035 * wide, 0.034 * wide), (0.380, 0.000, y, 0.045 * wide * g, 0.043 * wide * g),
            (0.470, -0.004, y, 0.054 * g, 0.050 * g), (0.530, -0.006, y, 0.050 * g, 0.044 * g),
        ]  # fmt: skip
        bind = _between(SHIN[side], THIGH[side], 0.25 * h, 0.32 * h)
        to = _BARE_LEG_TO["skirt" if look.top == "dress" else look.bottom]
        paint = cloth(look, h, kind="leg", hem=to * h)
        shoe = [
            (0.000, 0.034, y, 0.078, 0.029), (0.022, 0.034, y, 0.078, 0.029), (0.036, 0.020, y, 0.060, 0.027),
            (0.058, -0.012, y, 0.028, 0.024),
        ]  # fmt: skip
        return [
            self._rings(rows, bind, paint),
            self._rings(shoe, _one(FOOT[side]), plain(look.shoes, 5, look, sole=0.010 * h)),
        ]

    def arm(self, side: int) -> list[Mesh]:
        """Arm in its sleeve, and the hand."""
        look, h = self._look, self._h
        sign = (1, -1)[side] * look.shoulders
        g = 0.6 + 0.4 * look.girth
        sleeve = 1.0 if look.top in _SLEEVE_TO else (1.32 if look.top in ("jacket", "coat", "hoodie") else 1.15)
        y0, y1, y2 = sign * SHOULDER_Y, sign * ELBOW_Y, sign * WRIST_Y
        rows = [
            (0.475, 0.000, y2, 0.017 * sleeve, 0.014 * sleeve), (0.490, 0, y2, 0.017 * sleeve, 0.015 * sleeve),
            (0.580, 0, (y1 + y2) / 2, 0.025 * sleeve, 0.023 * sleeve), (0.630, 0, y1, 0.025 * sleeve, 0.024 * sleeve),
            (0.720, 0, (y0 + y1) / 2, 0.031 * sleeve * g, 0.029 * sleeve * g),
            (0.780, 0, y0 + sign * 0.004, 0.037 * g, 0.031 * g), (0.810, -0.002, y0, 0.033, 0.025),
            (0.825, -0.003, y0 - sign * 0.006, 0.018, 0.012),
        ]  # fmt: skip
        bone = _between(FOREARM[side], UPPER_ARM[side], 0.60 * h, 0.66 * h)

        def bind(vertices: Float64) -> Float64:
            weights = bone(vertices)
            weights[:, CHEST] = 0.6 * smoothstep(vertices[:, 2], 0.79 * h, 0.825 * h)
            weights[:, UPPER_ARM[side]] *= 1 - weights[:, CHEST]
            return weights

        paint = cloth(look, h, kind="sleeve", hem=_SLEEVE_TO.get(look.top, 0.0) * h)
        hand = [
            (0.405, 0.008, y2, 0.012, 0.009), (0.430, 0.008, y2, 0.024, 0.013), (0.455, 0.004, y2, 0.023, 0.014),
            (0.485, 0, y2, 0.014, 0.012),
        ]  # fmt: skip
        return [self._rings(rows, bind, paint), self._rings(hand, _one(FOREARM[side]), plain(look.skin, 7, look))]

    def head(self) -> list[Mesh]:
        """Head with face, hair, hat."""
        look, h = self._look, self._h
        rows = [
            (0.868, 0.018, 0, 0.018, 0.020), (0.880, 0.012, 0, 0.040, 0.033), (0.900, 0.008, 0, 0.050, 0.041),
            (0.930, 0.005, 0, 0.055, 0.045), (0.955, 0.002, 0, 0.057, 0.046), (0.975, -0.002, 0, 0.052, 0.043),
            (0.990, -0.004, 0, 0.038, 0.032), (1.000, -0.006, 0, 0.014, 0.014),
        ]  # fmt: skip
        parts = [self._rings(rows, _one(HEAD), cloth(look, h, kind="head", hem=0.0))]
        nose = [(0.908, 0.056, 0, 0.010, 0.009), (0.914, 0.058, 0, 0.013, 0.010), (0.935, 0.052, 0, 0.009, 0.005)]
        parts.append(self._rings(nose, _one(HEAD), plain(look.skin, 9, look)))
        hair = plain(look.hair_colour, 11, look)
        if look.hair == "long":
            fall = [
                (0.815, -0.036, 0, 0.020, 0.042), (0.860, -0.036, 0, 0.026, 0.048), (0.920, -0.018, 0, 0.044, 0.052),
                (0.965, -0.010, 0, 0.052, 0.052), (1.000, -0.008, 0, 0.034, 0.034), (1.008, -0.008, 0, 0.012, 0.012),
            ]  # fmt: skip
            parts.append(self._rings(fall, _one(HEAD), hair))
        elif look.hair == "bun":
            parts.append(self._rings(_ball(0.985, -0.058, 0.024), _one(HEAD), hair))
        if look.hair in ("short", "bun"):
            crop = [
                (0.905, -0.034, 0, 0.024, 0.038), (0.940, -0.016, 0, 0.044, 0.049), (0.970, -0.008, 0, 0.054, 0.049),
                (0.995, -0.006, 0, 0.042, 0.038), (1.007, -0.006, 0, 0.014, 0.014),
            ]  # fmt: skip
            parts.append(self._rings(crop, _one(HEAD), hair))
        if look.hat != "none":
            low = 0.965 if look.hat == "cap" else 0.950
            dome = [
                (low, -0.001, 0, 0.064, 0.054), (0.990, -0.004, 0, 0.058, 0.050), (1.010, -0.005, 0, 0.038, 0.034),
                (1.018, -0.006, 0, 0.012, 0.012),
            ]  # fmt: skip
            cover = plain(look.hat_colour, 13, look)
            parts.append(self._rings(dome, _one(HEAD), cover))
            if look.hat == "cap":
                brim = [(0.966, 0.060, 0, 0.050, 0.042), (0.972, 0.056, 0, 0.050, 0.042)]
                parts.append(self._rings(brim, _one(HEAD), cover))
        return parts

    def extras(self) -> list[Mesh]:
        """Bags and the hood."""
        look = self._look
        parts = []
        rows: list[tuple[float, ...]]
        paint = plain(look.bag_colour, 15, look)
        if look.bag == "backpack":
            depth = -0.066 * look.girth - 0.040
            rows = [
                (0.590, depth, 0, 0.042, 0.070), (0.640, depth - 0.006, 0, 0.050, 0.082),
                (0.760, depth, 0, 0.042, 0.078), (0.800, depth + 0.008, 0, 0.026, 0.058),
            ]  # fmt: skip
            parts.append(self._rings(rows, _one(CHEST), paint, exponent=4.0))
        elif look.bag == "shoulder":
            y = 0.128 * look.hips
            rows = [(0.440, -0.01, y, 0.075, 0.026), (0.540, -0.01, y, 0.070, 0.022)]
            parts.append(self._rings(rows, _one(PELVIS), paint, exponent=4.0))
        elif look.bag == "handbag":
            y = WRIST_Y * look.shoulders  # the right hand may hold a phone
            rows = [(0.270, 0.01, y, 0.085, 0.028), (0.380, 0.01, y, 0.070, 0.018), (0.410, 0.01, y, 0.018, 0.010)]
            parts.append(self._rings(rows, _one(FOREARM[0]), paint, exponent=4.0))
        if look.top == "hoodie":
            hood = [
                (0.790, -0.060, 0, 0.022, 0.050),
                (0.825, -0.052, 0, 0.034, 0.060),
                (0.860, -0.046, 0, 0.018, 0.045),
            ]
            parts.append(self._rings(hood, _one(CHEST), plain(look.top_colour, 17, look)))
        return parts


def _ball(z: float, x: float, radius: float) -> list[tuple[float, float, float, float, float]]:
    angles = np.linspace(-1.3, 1.3, 7)
    return [
        (z + radius * float(np.sin(a)), x, 0.0, radius * float(np.cos(a)), radius * float(np.cos(a))) for a in angles
    ]
