from __future__ import annotations

import json

import numpy as np
import pytest

from pipeline.association.prior import SCALE_OF_STD, DistancePrior, LabelledCrops, fit_prior
from pipeline.errors import UsageError


def _labelled(people=80, crops=4, seed=0, *, view=0.6, noise=0.6, dim=64):
    rng = np.random.default_rng(seed)

    def direction(*shape):
        rows = rng.normal(size=(*shape, dim))
        return rows / np.linalg.norm(rows, axis=-1, keepdims=True)

    who = direction(people)[:, None, None]
    rows = who + view * direction(people, 2)[:, :, None] + noise * direction(people, 2, crops)
    rows /= np.linalg.norm(rows, axis=-1, keepdims=True)
    label = np.indices((people, 2, crops)).reshape(3, -1)
    return LabelledCrops(rows.reshape(-1, dim).astype(np.float32), label[0], label[1])


def test_densities_are_those_the_crops_were_drawn_from():
    """Noiseless cosine of one person in two views is 1 / (1 + view^2), of two people 0 +- 1 / sqrt(dim)."""
    p = fit_prior("made up", "tests", {"a": _labelled(seed=0), "b": _labelled(seed=1)})
    for d in (p.plain, p.centred):
        assert d.same_cross.location == pytest.approx(1 - 1 / 1.36, abs=0.03)
        assert d.different_cross.location == pytest.approx(1.0, abs=0.02)
        assert d.different_cross.scale / SCALE_OF_STD == pytest.approx(1 / 8, rel=0.1)
        assert d.same_within.location == pytest.approx(0.0, abs=0.02)
        assert d.crop_similarity == pytest.approx(1.36 / (1.36 + 0.36), abs=0.02)


def test_centring_undoes_what_a_camera_adds():
    """Camera 1 is a cone: all its people look alike, and unlike themselves in camera 0."""
    crops = _labelled()
    cast = crops.vector + 2.0 * (crops.camera == 1)[:, None] * np.eye(64, dtype=np.float32)[0]
    p = fit_prior("made up", "tests", {"a": LabelledCrops(cast, crops.person, crops.camera)})
    free = fit_prior("made up", "tests", {"a": crops})
    assert p.plain.same_cross.location > free.plain.same_cross.location + 0.2
    assert p.centred.same_cross.location == pytest.approx(free.centred.same_cross.location, abs=0.05)
    assert p.centred.different_within.location == pytest.approx(1.0, abs=0.03)


def test_a_prior_survives_a_weight_card():
    p = fit_prior("made up", "tests", {"a": _labelled()})
    assert DistancePrior.from_dict(json.loads(json.dumps(p.to_dict(), allow_nan=False))) == p


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("same_cross", {"location": 0.3}),
        ("same_cross", {"location": 1.5, "scale": 0.05}),
        ("crop_similarity", float("nan")),
        ("typo", 1),
        ("different_within", None),
    ],
)
def test_a_broken_card_is_refused_in_one_line(prior, field, value):
    whole = prior.to_dict()
    with pytest.raises(UsageError, match="distance_prior") as caught:
        DistancePrior.from_dict({**whole, "plain": {**whole["plain"], field: value}})
    assert "\n" not in str(caught.value)


def test_too_little_to_fit_says_what_lacks():
    one_camera = _labelled(people=40)
    only = one_camera.camera == 0
    crops = LabelledCrops(one_camera.vector[only], one_camera.person[only], one_camera.camera[only])
    with pytest.raises(UsageError, match="different_cross, same_cross"):
        fit_prior("made up", "tests", {"a": crops})
    with pytest.raises(UsageError, match="two crops"):
        fit_prior("made up", "tests", {"a": _labelled(crops=1)})
