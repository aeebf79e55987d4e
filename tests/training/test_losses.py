"""Losses against plain loops."""

from __future__ import annotations

import math

import pytest
import torch

from whichpage.training.losses import CrossBatchMemory, hardened, info_nce, soft_sign


def test_soft_sign_is_tanh_at_unit_length() -> None:
    vectors = torch.randn(3, 2, 8, generator=torch.Generator().manual_seed(0))
    found = soft_sign(vectors, sharpness=1.5)
    for row, result in zip(vectors.view(-1, 8).tolist(), found.view(-1, 8).tolist(), strict=True):
        soft = [math.tanh(1.5 * x) for x in row]
        length = math.sqrt(sum(x * x for x in soft))
        assert result == pytest.approx([x / length for x in soft], abs=1e-6)


def test_soft_sign_nears_the_code() -> None:
    found = soft_sign(torch.tensor([[0.5, -2.0, 1.0, -0.1]]), sharpness=1000.0)
    assert found.tolist() == [[0.5, -0.5, 0.5, -0.5]]


def test_hardened_vectors_turn_into_their_signs_and_learn_as_before() -> None:
    soft = torch.tensor([[0.1, -0.7, 0.7, 0.1]], requires_grad=True)
    assert torch.equal(hardened(soft, 0.0), torch.nn.functional.normalize(soft, dim=-1))
    hard = hardened(soft, 1.0)
    assert hard.tolist() == [[0.5, -0.5, 0.5, 0.5]]
    half = torch.tensor([0.3, -0.6, 0.6, 0.3])  # halfway from the vector to its signs
    torch.testing.assert_close(hardened(soft, 0.5)[0], half / half.norm())
    weights = torch.tensor([1.0, 2.0, 3.0, 4.0])
    (gradient,) = torch.autograd.grad((hard * weights).sum(), soft)
    signs = torch.tensor([[0.5, -0.5, 0.5, 0.5]])
    # That of normalising the signs, as if the step to them were none.
    torch.testing.assert_close(gradient, weights - signs * (weights @ signs[0]))


@pytest.mark.parametrize("temperature", [0.07, 1.0])
def test_info_nce_is_both_cross_entropies(temperature: float) -> None:
    generator = torch.Generator().manual_seed(1)
    anchors = torch.nn.functional.normalize(torch.randn(5, 6, generator=generator), dim=1)
    positives = torch.nn.functional.normalize(anchors + torch.randn(5, 6, generator=generator), dim=1)
    found = info_nce(anchors, positives, temperature=temperature).tolist()
    a, p = anchors.double().tolist(), positives.double().tolist()

    def exponential(i: int, j: int) -> float:
        return math.exp(sum(x * y for x, y in zip(a[i], p[j], strict=True)) / temperature)

    for i in range(5):
        forth = -math.log(exponential(i, i) / sum(exponential(i, j) for j in range(5)))
        back = -math.log(exponential(i, i) / sum(exponential(j, i) for j in range(5)))
        assert found[i] == pytest.approx((forth + back) / 2, rel=1e-4)


def test_info_nce_falls_as_pairs_agree() -> None:
    one_hot = torch.eye(4)
    agree = info_nce(one_hot, one_hot, temperature=0.1)
    mixed = info_nce(one_hot, one_hot.roll(1, 0), temperature=0.1)
    assert float(agree.max()) < 1e-3
    assert float(mixed.min()) > 9.9


def test_further_negatives_count_for_the_anchors_alone() -> None:
    generator = torch.Generator().manual_seed(2)
    anchors, positives, others = (
        torch.nn.functional.normalize(torch.randn(n, 6, generator=generator), dim=1) for n in (3, 3, 4)
    )
    counts = torch.tensor([[True, True, False, True], [False] * 4, [True] * 4])
    found = info_nce(anchors, positives, temperature=0.2, others=(others, counts))
    for i in range(3):
        own = math.exp(float(anchors[i] @ positives[i]) / 0.2)
        forth = sum(math.exp(float(anchors[i] @ p) / 0.2) for p in positives)
        forth += sum(
            math.exp(float(anchors[i] @ o) / 0.2) for o, c in zip(others, counts[i], strict=True) if c
        )
        back = sum(math.exp(float(a @ positives[i]) / 0.2) for a in anchors)
        expected = -(math.log(own / forth) + math.log(own / back)) / 2
        assert float(found[i]) == pytest.approx(expected, rel=1e-4)
    plain = info_nce(anchors, positives, temperature=0.2)
    assert float(found[1]) == pytest.approx(float(plain[1]), rel=1e-5)
    assert float(found[2]) > float(plain[2])


def test_memory_holds_the_last_pages_and_never_a_page_against_itself() -> None:
    memory = CrossBatchMemory(5)
    assert memory.others(torch.tensor([1]), view=0) is None
    vectors = torch.randn(3, 2, 4, requires_grad=True)
    memory.remember(vectors, torch.tensor([1, 2, 3]))
    memory.remember(vectors + 1, torch.tensor([4, 1, 5]))
    others = memory.others(torch.tensor([1, 9]), view=1)
    assert others is not None
    kept, counts = others
    assert not kept.requires_grad
    torch.testing.assert_close(kept, torch.cat([vectors[1:, 1], vectors[:, 1] + 1]))
    assert counts.tolist() == [[True, True, True, False, True], [True] * 5]


def test_memory_of_nothing_remembers_nothing() -> None:
    memory = CrossBatchMemory(0)
    memory.remember(torch.randn(3, 2, 4), torch.tensor([1, 2, 3]))
    assert memory.others(torch.tensor([1]), view=0) is None
