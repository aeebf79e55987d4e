"""ArcFace against a plain loop."""

from __future__ import annotations

import math

import pytest
import torch

from whichpage.training.article.loss import ArcFace


@pytest.mark.parametrize(("margin", "scale"), [(0.5, 64.0), (0.3, 10.0), (0.0, 1.0)])
def test_loss_is_that_of_a_plain_loop(margin: float, scale: float) -> None:
    torch.manual_seed(0)
    loss = ArcFace(16, 7, margin=margin, scale=scale)
    vectors, classes = torch.randn(5, 16), torch.tensor([0, 3, 6, 3, 1])
    total = 0.0
    for vector, own in zip(vectors.tolist(), classes.tolist(), strict=True):
        logits = []
        for row, weight in enumerate(loss.weight.tolist()):
            dot = sum(a * b for a, b in zip(vector, weight, strict=True))
            angle = math.acos(dot / math.hypot(*vector) / math.hypot(*weight))
            logits.append(scale * math.cos(angle + margin * (row == own)))
        total += math.log(sum(math.exp(logit - logits[own]) for logit in logits))
    assert float(loss(vectors, classes)) == pytest.approx(total / 5, rel=1e-4)


def test_opposite_vector_still_loses_the_more_the_further_it_is_off() -> None:
    """Beyond pi - margin the sum of the angles would come round, and the loss fall again."""
    loss = ArcFace(2, 2, margin=0.5, scale=4.0)
    with torch.no_grad():
        loss.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
    angles = torch.linspace(2.2, math.pi, 20)
    vectors = torch.stack([angles.cos(), -angles.sin()], 1)
    losses = [float(loss(vector[None], torch.tensor([0]))) for vector in vectors]
    own = [4.0 * _target(angle) for angle in angles.tolist()]
    assert own == sorted(own, reverse=True)
    assert all(math.isfinite(value) for value in losses)
    for value, logit, angle in zip(losses, own, angles.tolist(), strict=True):
        other = 4.0 * -math.sin(angle)
        assert value == pytest.approx(math.log(1 + math.exp(other - logit)), rel=1e-3)


def _target(angle: float) -> float:
    if angle < math.pi - 0.5:
        return math.cos(angle + 0.5)
    return math.cos(angle) - math.sin(0.5) * 0.5


def test_gradient_is_finite_on_the_class_itself() -> None:
    loss = ArcFace(8, 3, margin=0.5, scale=64.0)
    vectors = loss.weight.detach().clone().requires_grad_()
    loss(vectors, torch.arange(3)).backward()
    assert vectors.grad is not None
    assert torch.isfinite(vectors.grad).all()
