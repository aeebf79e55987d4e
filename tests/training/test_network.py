"""The networks' parts: local contrast, what each head sees, where votes point from."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from whichpage.training.finder_network import PageFinderNetwork
from whichpage.training.network import LocalContrast, PageEncoder


def test_local_contrast_forgets_gain_and_offset() -> None:
    x = torch.rand(2, 1, 64, 48, generator=torch.Generator().manual_seed(0)) * 255
    contrast = LocalContrast()
    plain = contrast(x)
    assert float(plain.abs().max()) <= 4
    torch.testing.assert_close(contrast(0.4 * x + 60), plain, atol=2e-3, rtol=0)


def test_local_mean_is_that_of_three_by_three_cells() -> None:
    x = torch.rand(1, 1, 40, 40, generator=torch.Generator().manual_seed(1))
    mean = LocalContrast._local_mean(x)[0, 0]
    cells = x[0, 0].reshape(5, 8, 5, 8).mean((1, 3))
    smooth = torch.zeros(5, 5)
    for r in range(5):
        for c in range(5):
            near = [
                cells[y, z]
                for y in range(max(0, r - 1), min(5, r + 2))
                for z in range(max(0, c - 1), min(5, c + 2))
            ]
            smooth[r, c] = sum(near) / len(near)
    # Pixel 20 lies 0.5 / 8 of a cell past the middle of cell 2, which is between pixels 19 and 20.
    row = smooth[2] * (1 - 0.5 / 8) + smooth[3] * 0.5 / 8
    assert float(mean[20, 20]) == pytest.approx(float(row[2] * (1 - 0.5 / 8) + row[3] * 0.5 / 8), abs=1e-5)
    assert float(mean[0, 0]) == pytest.approx(float(smooth[0, 0]), abs=1e-5)


def test_encoder_heads_see_their_rows() -> None:
    """Through heads that add up what they see, of features that count the rows, views sum their rows."""
    encoder = PageEncoder().eval()
    features = torch.arange(10.0).view(1, 1, 10, 1).expand(1, 32, 10, 7)
    encoder.stages = nn.Identity()
    encoder.stem = nn.Sequential(nn.Identity())
    encoder.contrast.forward = lambda grey: features  # type: ignore[method-assign,assignment,unused-ignore]
    for head in encoder.heads:
        nn.init.ones_(head[0].weight)
        head[1].eps = 0.0
    vectors = encoder(torch.zeros(1, 1, 320, 224))
    assert vectors.shape == (1, 3, 256)
    sums = [sum(range(10)), sum(range(6)), sum(range(4, 10))]
    assert vectors[0, :, 17].tolist() == pytest.approx([32 * 7 * total for total in sums])


def test_encoder_takes_one_size_only() -> None:
    with pytest.raises(AssertionError):
        PageEncoder()(torch.zeros(1, 1, 224, 320))


def test_votes_point_from_their_cells() -> None:
    network = PageFinderNetwork().eval()
    nn.init.zeros_(network.votes.weight)
    with torch.no_grad():
        network.votes.bias.copy_(torch.tensor([2.0, 0.5, 0.25, 0, 0, 0, 0, 0, -0.5]))
        logits, corners, outline = network(torch.rand(2, 3, 192, 192) * 255)
    assert logits.shape == (2, 24, 24)
    assert outline.shape == (2, 48, 48)
    assert bool((logits == 2).all())
    assert corners.shape == (2, 24, 24, 4, 2)
    x, y = (5 + 0.5) / 24, (17 + 0.5) / 24  # column 5, row 17
    expected = [[x + 0.5, y + 0.25], [x, y], [x, y], [x, y - 0.5]]
    torch.testing.assert_close(corners[1, 17, 5], torch.tensor(expected))


def test_finder_forgets_the_light() -> None:
    network = PageFinderNetwork().eval()
    photo = torch.rand(1, 3, 192, 192, generator=torch.Generator().manual_seed(2)) * 100
    with torch.no_grad():
        dark, light = network(photo), network(photo + torch.tensor([90.0, 60, 30]).view(1, 3, 1, 1))
    for one, other in zip(dark, light, strict=True):
        torch.testing.assert_close(one, other, atol=1e-3, rtol=1e-3)
