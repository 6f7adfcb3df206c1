"""What is known of an embedder before the footage is seen: how far apart same and different people look.

A distance that means "same person" for one embedder means "anybody" for another, so each has a prior of its own, fitted
by `fit_prior` on people it was not trained on and kept in its weight card (`card.settings["distance_prior"]`). The one
thing footage cannot tell without labels is how much farther from himself a person looks in another view and another
light: that step from `same_within` to `same_cross` comes from the prior.

Distances follow a logistic distribution far into the tail of look-alikes that false links come from: for
person-reidentification-retail-0277 on cuhk03, viper, prid2011 and pku-reid the 1e-4 quantile of different people
lies 4.7 to 5.4 standard deviations below the mean (logistic 5.1, normal 3.7) and the 1e-5 quantile 5.7 to 6.2
(logistic 6.4, normal 4.3). OSNet x0.25 has a lighter tail as it comes (1e-3 at 3.3 to 3.8, logistic 3.8); centred it
is 3.8 to 4.2, but for prid2011 (3.3); docs/association.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from pipeline.association.centring import centre
from pipeline.association.similarity import aggregate, cosine_distances, crop_statistics, reliability
from pipeline.errors import UsageError
from pipeline.types import Bool, Embeddings, Float32, Float64, Int64

SCALE_OF_STD = float(np.sqrt(3.0) / np.pi)
"""Scale of a logistic distribution of standard deviation 1."""

_MIN_PEOPLE = 10
"""People in a camera from which its mean is one; as `association.centre_min_people`."""
_MIN_PAIRS = 20
"""A set speaks for a density only with as many pairs; below it the figure is noise."""


@dataclass(frozen=True, slots=True)
class Density:
    """Logistic distribution of a cosine distance: `location` for tracklets without crop noise, `scale` as observed."""

    location: float
    scale: float

    def log_pdf(self, distance: Float64, reliability: Float64) -> Float64:
        """Log density of distances between tracklets whose reliabilities multiply to `reliability`."""
        z = np.abs(distance - (1.0 - reliability * (1.0 - self.location))) / self.scale
        result: Float64 = -z - 2.0 * np.log1p(np.exp(-z)) - np.log(self.scale)
        return result


@dataclass(frozen=True, slots=True)
class Densities:
    """Four kinds of pairs, and how alike the crops of one tracklet are (mean cosine).

    `within`: one camera; `cross`: two cameras. `same_within` compares the early with the late half of one tracklet.
    `*_strength`: how many tracklets of footage weigh as much as the prior, from how far its sets differ.
    """

    same_within: Density
    same_cross: Density
    different_within: Density
    different_cross: Density
    crop_similarity: float
    same_strength: float
    different_strength: float

    def __post_init__(self) -> None:
        four = (self.same_within, self.same_cross, self.different_within, self.different_cross)
        positive = (self.crop_similarity, self.same_strength, self.different_strength, *(d.scale for d in four))
        if not all(np.isfinite(d.location) for d in four) or not all(np.isfinite(n) and n > 0 for n in positive):
            raise ValueError("locations must be finite; scales, strengths and crop_similarity positive")
        if self.same_cross.location >= self.different_cross.location:
            raise ValueError("same_cross must lie below different_cross")


@dataclass(frozen=True, slots=True)
class DistancePrior:
    """An embedder's densities: `plain` as it gives its vectors, `centred` with each camera's mean taken out."""

    embedder: str
    source: str
    plain: Densities
    centred: Densities

    def to_dict(self) -> dict[str, Any]:
        """As JSON, for a weight card."""
        return asdict(self)

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> DistancePrior:
        """Inverse of `to_dict`. Raises UsageError when a field is missing, unknown or not a sensible number."""
        try:
            return cls(**{**raw, "plain": _densities_from(raw["plain"]), "centred": _densities_from(raw["centred"])})
        except (TypeError, KeyError, ValueError, AttributeError) as error:
            raise UsageError(f"distance_prior: not one ({error}); fit it again on labelled crops") from None


def _densities_from(raw: Mapping[str, Any]) -> Densities:
    values: dict[str, Any] = {
        name: Density(**{k: float(v) for k, v in value.items()}) if isinstance(value, Mapping) else float(value)
        for name, value in raw.items()
    }
    return Densities(**values)


@dataclass(frozen=True, slots=True)
class LabelledCrops:
    """Crops of known people: `vector (R, D)`, `person (R,)`, `camera (R,)`; rows of a tracklet in order of time."""

    vector: Float32
    person: Int64
    camera: Int64

    def as_embeddings(self, max_crops: int) -> Embeddings:
        """One tracklet a person and camera, of at most `max_crops` crops spread over its rows; its key is
        `(str(camera), person)`."""
        label = np.stack([self.person, self.camera], axis=1)
        _, group = np.unique(label, axis=0, return_inverse=True)
        taken: list[int] = []
        for rows in np.split(np.argsort(group, kind="stable"), np.flatnonzero(np.diff(np.sort(group))) + 1):
            spread = np.linspace(0, len(rows) - 1, min(max_crops, len(rows))).round().astype(np.int64)
            taken += rows[spread].tolist()
        return Embeddings(
            tuple((str(int(self.camera[r])), int(self.person[r])) for r in taken),
            np.arange(len(taken)),
            self.vector[taken],
            np.ones(len(taken), np.float32),
        )


def _fit(distance: Float64, weight: Float64) -> tuple[float, float] | None:
    """Location and scale of observed distances with reliability products `weight`."""
    if len(distance) < _MIN_PAIRS:
        return None
    noiseless = 1.0 - (1.0 - distance) / weight
    location = float(np.average(noiseless, weights=weight**2))
    return location, float(np.sqrt(np.mean(np.square(weight * (noiseless - location))))) * SCALE_OF_STD


def _fit_set(crops: Embeddings, crop_similarity: float) -> dict[str, tuple[float, float]]:
    """The densities one set has enough pairs for."""
    vectors, statistics = aggregate(crops), crop_statistics(crops)
    trust = reliability(vectors.crops, crop_similarity)
    person = np.array([key[1] for key in vectors.keys])
    camera = np.array([key[0] for key in vectors.keys])
    upper = np.triu_indices(len(vectors), 1)
    distance = cosine_distances(vectors.vector, vectors.vector)[upper].astype(np.float64)
    weight = np.outer(trust, trust)[upper]
    same: Bool = (person[:, None] == person)[upper]
    within: Bool = (camera[:, None] == camera)[upper]
    half_trust = np.prod(reliability(statistics.half_crops, crop_similarity), axis=1)
    fits = {
        "same_within": _fit(statistics.half_distance, half_trust),
        "same_cross": _fit(distance[same & ~within], weight[same & ~within]),
        "different_within": _fit(distance[~same & within], weight[~same & within]),
        "different_cross": _fit(distance[~same & ~within], weight[~same & ~within]),
    }
    return {name: fit for name, fit in fits.items() if fit is not None}


def _pool(embedder: str, sets: Mapping[str, Embeddings]) -> Densities:
    """One fit of all sets, each counting alike."""
    statistics = {name: crop_statistics(rows) for name, rows in sets.items()}
    known = [s.crop_similarity for s in statistics.values() if s.tracklets >= _MIN_PAIRS]
    if not known:
        raise UsageError(f"distance prior of {embedder}: no set has {_MIN_PAIRS} tracklets of two crops; add one")
    typical = float(np.mean(known))
    fits: dict[str, list[tuple[float, float]]] = {}
    for name, rows in sets.items():
        own = statistics[name]
        similarity = own.crop_similarity if own.tracklets >= _MIN_PAIRS else typical
        for kind, fit in _fit_set(rows, similarity).items():
            fits.setdefault(kind, []).append(fit)
    missing = {"same_within", "same_cross", "different_within", "different_cross"} - set(fits)
    if missing:
        raise UsageError(
            f"distance prior of {embedder}: fewer than {_MIN_PAIRS} pairs in every set for "
            f"{', '.join(sorted(missing))}; add a set with several crops a person in each of two cameras"
        )
    pooled = {
        kind: Density(
            float(np.mean([location for location, _ in found])),
            float(np.sqrt(np.mean([scale**2 for _, scale in found]))),
        )
        for kind, found in fits.items()
    }
    return Densities(
        **pooled,
        crop_similarity=typical,
        same_strength=_strength(fits["same_cross"], default=10.0),
        different_strength=_strength(fits["different_cross"], default=4.0),
    )


def _centred(crops: Embeddings) -> Embeddings:
    """Centred rows of the cameras with people enough for a mean."""
    people = Counter(camera for camera, _ in set(crops.keys))
    return centre(crops, {key: key[1] for key in crops.keys if people[key[0]] >= _MIN_PEOPLE})


def fit_prior(embedder: str, source: str, sets: Mapping[str, LabelledCrops], *, max_crops: int = 5) -> DistancePrior:
    """The prior of `embedder` from `sets` of people it was not trained on; each set counts alike, whatever its size.

    `source` says which sets. `max_crops` a tracklet as in the run (`crops.per_tracklet`). Person and camera numbers
    need be unique within a set only. Raises UsageError when no set has the pairs a density needs.
    """
    crops = {name: labelled.as_embeddings(max_crops) for name, labelled in sorted(sets.items())}
    centred = {name: _centred(rows) for name, rows in crops.items()}
    return DistancePrior(embedder, source, _pool(embedder, crops), _pool(embedder, centred))


def _strength(fits: list[tuple[float, float]], default: float) -> float:
    """Variance within a set over variance of the sets' locations (the weight of a prior mean in a normal model),
    kept within a factor 4 of `default`, as few sets say little of it."""
    if len(fits) < 2:
        return default
    between = float(np.var([location for location, _ in fits], ddof=1))
    within = float(np.mean([(scale / SCALE_OF_STD) ** 2 for _, scale in fits]))
    return float(np.clip(within / max(between, 1e-12), default / 4, default * 4))
