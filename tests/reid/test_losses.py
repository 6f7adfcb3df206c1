"""Losses against slow, obvious versions of themselves."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reid import losses

MARGIN = 1.2


def slow_triplet(vectors: torch.Tensor, identity: list[int], positives: str) -> float:
    distance = [[float((a - b).double().norm()) for b in vectors] for a in vectors]
    found = []
    for a, person in enumerate(identity):
        same = [distance[a][i] for i, other in enumerate(identity) if other == person and i != a]
        different = [distance[a][i] for i, other in enumerate(identity) if other != person]
        if not same or not different:
            continue
        chosen = [max(same)] if positives == "hardest" else same
        found += [max(0.0, MARGIN + d - min(different)) for d in chosen]
    return sum(found) / len(found) if found else 0.0


@pytest.mark.parametrize("positives", ["hardest", "each"])
@settings(max_examples=30, deadline=None)
@given(identity=st.lists(st.integers(0, 3), min_size=2, max_size=9), seed=st.integers(0, 99))
def test_triplet_equals_the_slow_version(positives: str, identity: list[int], seed: int) -> None:
    vectors = torch.randn(len(identity), 5, generator=torch.Generator().manual_seed(seed))
    fast = losses.batch_hard_triplet(vectors, torch.tensor(identity), MARGIN, positives)  # type: ignore[arg-type]
    assert float(fast) == pytest.approx(slow_triplet(vectors, identity, positives), abs=1e-4)


def test_the_two_definitions_differ() -> None:
    vectors = torch.tensor([[0.0], [1.0], [3.0], [4.5]])
    identity = torch.tensor([0, 0, 0, 1])
    hardest = losses.batch_hard_triplet(vectors, identity, MARGIN, "hardest")
    each = losses.batch_hard_triplet(vectors, identity, MARGIN, "each")
    # anchors 0, 1, 3 (x): farthest positive 3, 2, 3; nearest negative 4.5, 3.5, 1.5; the lone one has no positive
    assert float(hardest) == pytest.approx((0 + 0 + 2.7) / 3)
    assert float(each) == pytest.approx((0 + 0 + 0 + 0 + 2.7 + 1.7) / 6)


def test_equal_vectors_give_a_finite_gradient() -> None:
    vectors = torch.ones(4, 3, requires_grad=True)
    losses.batch_hard_triplet(vectors, torch.tensor([0, 0, 1, 1]), MARGIN).backward()
    assert vectors.grad is not None and bool(torch.isfinite(vectors.grad).all())


def test_identity_loss_is_the_mean_smoothed_cross_entropy() -> None:
    logits = [torch.tensor([[2.0, 0.0, -1.0]]), torch.tensor([[0.5, 0.5, 0.0]])]
    smoothing, expected = 0.1, []
    for head in logits:
        log_p = [float(v) - math.log(sum(math.exp(float(w)) for w in head[0])) for v in head[0]]
        target = [1 - smoothing + smoothing / 3, smoothing / 3, smoothing / 3]
        expected.append(-sum(t * p for t, p in zip(target, log_p, strict=True)))
    got = losses.identity_loss(logits, torch.tensor([0]), smoothing)
    assert float(got) == pytest.approx(sum(expected) / 2, rel=1e-5)


def test_relational_distillation_is_one_minus_the_correlation_of_pair_similarities() -> None:
    generator = torch.Generator().manual_seed(3)
    student, teacher = torch.randn(6, 4, generator=generator), torch.randn(6, 9, generator=generator)

    def similarities(vectors: torch.Tensor) -> list[float]:
        pairs = itertools.combinations(range(len(vectors)), 2)
        return [float(torch.cosine_similarity(vectors[i], vectors[j], dim=0)) for i, j in pairs]

    correlation = torch.corrcoef(torch.tensor([similarities(student), similarities(teacher)]))[0, 1]
    assert float(losses.relational_distillation(student, teacher)) == pytest.approx(1 - float(correlation), abs=1e-5)
    assert float(losses.relational_distillation(3 * teacher, teacher)) == pytest.approx(0, abs=1e-5)


def test_cosine_distillation_is_zero_for_the_same_direction() -> None:
    vectors = torch.tensor([[1.0, 2.0], [0.5, -1.0]])
    assert float(losses.cosine_distillation(4 * vectors, vectors)) == pytest.approx(0, abs=1e-6)
    assert float(losses.cosine_distillation(-vectors, vectors)) == pytest.approx(2, abs=1e-6)


def slow_contrastive(vectors: torch.Tensor, identity: list[int], margin: float) -> float:
    unit = [v.double() / v.double().norm() for v in vectors]
    kinds: dict[bool, list[float]] = {True: [], False: []}
    for i, j in itertools.combinations(range(len(unit)), 2):
        d = float((unit[i] - unit[j]).norm())
        same = identity[i] == identity[j]
        kinds[same].append(d**2 if same else max(0.0, margin - d) ** 2)
    means = [sum(found) / len(found) for found in kinds.values() if found]
    return sum(means) / len(means)


@settings(max_examples=30, deadline=None)
@given(identity=st.lists(st.integers(0, 3), min_size=2, max_size=9), seed=st.integers(0, 99))
def test_contrastive_equals_the_slow_version(identity: list[int], seed: int) -> None:
    vectors = torch.randn(len(identity), 5, generator=torch.Generator().manual_seed(seed))
    fast = losses.contrastive_loss(vectors, torch.tensor(identity), 1.3)
    assert float(fast) == pytest.approx(slow_contrastive(vectors, identity, 1.3), abs=1e-4)


def test_verification_is_the_cross_entropy_of_the_squared_differences() -> None:
    generator = torch.Generator().manual_seed(5)
    vectors, identity = torch.randn(5, 4, generator=generator), [0, 0, 1, 1, 1]
    head = torch.nn.Linear(4, 2).requires_grad_(False)
    kinds: dict[int, list[float]] = {0: [], 1: []}
    for i, j in itertools.combinations(range(5), 2):
        label = int(identity[i] == identity[j])
        logits = head((vectors[i] - vectors[j]) ** 2).tolist()
        kinds[label].append(math.log(sum(math.exp(v) for v in logits)) - logits[label])
    expected = sum(sum(found) / len(found) for found in kinds.values()) / 2
    assert float(losses.verification_loss(head, vectors, torch.tensor(identity))) == pytest.approx(expected, rel=1e-5)


def test_a_soft_margin_is_softplus_of_the_difference() -> None:
    vectors = torch.tensor([[0.0], [1.0], [3.0], [4.5]])
    identity = torch.tensor([0, 0, 0, 1])
    expected = [math.log1p(math.exp(d)) for d in (3 - 4.5, 2 - 3.5, 3 - 1.5)]
    got = losses.batch_hard_triplet(vectors, identity, None)
    assert float(got) == pytest.approx(sum(expected) / 3, rel=1e-5)


@pytest.mark.parametrize("identity", [[0, 0, 0], [0, 1, 2]])
def test_pairs_of_one_kind_alone_are_enough(identity: list[int]) -> None:
    vectors = torch.randn(3, 4, generator=torch.Generator().manual_seed(1), requires_grad=True)
    head = torch.nn.Linear(4, 2)
    total = losses.contrastive_loss(vectors, torch.tensor(identity), 1.0)
    total = total + losses.verification_loss(head, vectors, torch.tensor(identity))
    total.backward()
    assert vectors.grad is not None and bool(torch.isfinite(vectors.grad).all())
