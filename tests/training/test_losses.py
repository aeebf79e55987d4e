"""Losses against plain loops."""

from __future__ import annotations

import math

import pytest
import torch

from whichpage.training.losses import info_nce, soft_sign


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
