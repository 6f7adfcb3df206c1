"""How a body moves: the transforms of its bones at a moment of walking or standing.

The curves of hip, knee and ankle follow the shape of normal walking (Winter, Biomechanics and Motor Control of Human
Movement, ch. 5; degrees read off by eye): the knee bends a little when the foot takes weight, and 58 degrees in swing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.types import Float64
from synthetic import body
from synthetic.body import Body

_HIP_SWING = 0.42
"""Half of the hip's range at usual speed, rad."""
_USUAL_SPEED = 1.3


@dataclass(frozen=True, slots=True)
class Stance:
    """One person at one moment. `x`, `y` m on the floor; `heading` rad (0 = +x); `phase` strides walked;
    `speed` m/s; `look` rad, where the head turns to; `phone`: holds one up to the chest."""

    x: float
    y: float
    heading: float
    phase: float
    speed: float
    look: float = 0.0
    phone: bool = False


def stride_length(speed: float, height: float, share: float) -> float:
    """Two steps in m: they grow with the root of the speed (Grieve 1968), about 1.4 m at 1.3 m/s for 1.75 m."""
    return max(0.8 * height * share * float(np.sqrt(max(speed, 0.05) / _USUAL_SPEED)), 0.2)


def bones(person: Body, stance: Stance) -> Float64:
    """Transforms `(bones, 3, 4)` from rest to the world."""
    look, rest = person.look, person.joints
    vigour = float(np.clip(stance.speed / _USUAL_SPEED, 0.0, 1.25))
    effort = float(np.sqrt(vigour)) * look.stride if vigour > 0.03 else 0.0
    turn = 2 * np.pi * stance.phase
    swing = np.cos(turn)
    transforms = np.zeros((body.BONES, 3, 4))
    sway = 0.016 * effort * np.sin(turn) + (0.012 * np.sin(0.9 * turn + 2) if effort == 0 else 0.0)
    pelvis = _about(rest[body.PELVIS], _z(0.09 * effort * swing) @ _x(-0.03 * effort * np.sin(turn)))
    pelvis[1, 3] += sway
    transforms[body.PELVIS] = pelvis
    lean = look.lean + 0.03 * effort + (0.06 if stance.phone else 0.0)
    chest = _then(pelvis, _about(rest[body.CHEST], _z(-0.20 * effort * swing) @ _y(lean)))
    transforms[body.CHEST] = chest
    nod = (0.35 if stance.phone else 0.0) - lean * 0.6
    transforms[body.HEAD] = _then(chest, _about(rest[body.HEAD], _z(0.11 * effort * swing + stance.look) @ _y(nod)))
    for side, phase in enumerate((stance.phase, stance.phase + 0.5)):
        hip, knee, ankle = _leg(phase % 1.0, effort)
        spread = _x((0.03, -0.03)[side] * (1 - min(effort, 1.0)))
        thigh = _then(pelvis, _about(rest[body.THIGH[side]], _y(-hip) @ spread))
        shin = _then(thigh, _about(rest[body.SHIN[side]], _y(knee)))
        transforms[body.THIGH[side]], transforms[body.SHIN[side]] = thigh, shin
        transforms[body.FOOT[side]] = _then(shin, _about(rest[body.FOOT[side]], _y(ankle)))
        reach = -np.cos(2 * np.pi * phase) * 0.40 * effort * look.arm_swing
        elbow = 0.22 + 0.30 * effort * max(float(-np.cos(2 * np.pi * phase)), 0.0)
        if stance.phone and side == 1:
            reach, elbow = 0.35, 1.75
        out = _x((0.03, -0.03)[side])
        upper = _then(chest, _about(rest[body.UPPER_ARM[side]], _y(-reach) @ out))
        transforms[body.UPPER_ARM[side]] = upper
        transforms[body.FOREARM[side]] = _then(upper, _about(rest[body.FOREARM[side]], _y(-elbow)))
    return _placed(transforms, person, stance)


def posed(person: Body, transforms: Float64) -> Float64:
    """Vertices `(V, 3)` m in the world under `transforms (bones, 3, 4)`."""
    blended = (person.mesh.weights @ transforms.reshape(body.BONES, 12)).reshape(-1, 3, 4)
    vertices: Float64 = np.einsum("vij,vj->vi", blended[:, :, :3], person.mesh.vertices) + blended[:, :, 3]
    return vertices


def _leg(cycle: float, effort: float) -> tuple[float, float, float]:
    """Hip and knee flexion and ankle angle (rad, positive = toes down) of one leg; cycle 0 = the heel touches."""
    hip = (0.10 + _HIP_SWING * float(np.cos(2 * np.pi * cycle))) * min(effort, 1.2)
    knee = (0.05 + 0.28 * _bump(cycle, 0.14, 0.07) + 1.0 * _bump(cycle, 0.72, 0.105)) * min(effort, 1.1)
    ankle = (0.35 * _bump(cycle, 0.62, 0.06) - 0.16 * _bump(cycle, 0.42, 0.12) - 0.10 * _bump(cycle, 0.97, 0.08)) * min(
        effort, 1.0
    )
    level = hip - knee  # a flat foot while it bears the body
    bears = _bump(cycle, 0.28, 0.17)
    return hip, knee, ankle * (1 - bears) + bears * level


def _bump(cycle: float, centre: float, width: float) -> float:
    away = abs((cycle - centre + 0.5) % 1.0 - 0.5)
    return float(np.exp(-0.5 * (away / width) ** 2))


def _placed(transforms: Float64, person: Body, stance: Stance) -> Float64:
    """Put the lower foot on the floor, then the body at its place and heading."""
    h = person.look.height
    sole = np.array([[-0.04 * h, 0, 0, 1], [0.11 * h, 0, 0, 1]])
    lowest = np.inf
    for side in (0, 1):
        sole[:, 1] = person.joints[body.FOOT[side], 1]
        lowest = min(lowest, float((sole @ transforms[body.FOOT[side]].T)[:, 2].min()))
    transforms[:, 2, 3] -= lowest
    world = np.eye(4)[:3]
    world[:, :3] = _z(stance.heading)
    result: Float64 = np.einsum("ij,bjk->bik", world[:, :3], transforms)
    result[:, :, 3] += (stance.x, stance.y, 0.0)
    return result


def _about(point: Float64, rotation: Float64) -> Float64:
    """The `(3, 4)` transform that turns about `point`."""
    return np.concatenate([rotation, (point - rotation @ point)[:, None]], axis=1)


def _then(parent: Float64, child: Float64) -> Float64:
    """`child` seen from the rest, carried along by `parent`."""
    result: Float64 = parent[:, :3] @ child
    result[:, 3] += parent[:, 3]
    return result


def _x(angle: float) -> Float64:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])


def _y(angle: float) -> Float64:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def _z(angle: float) -> Float64:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
