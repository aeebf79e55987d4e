"""The network of local features: what a cell sees, where it stands, how its blocks begin, and sampling."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import Tensor, nn

from whichpage.training.feature_network import FeatureNetwork, Separable, sample


def made(seed: int) -> FeatureNetwork:
    """Untrained, but its last blocks have a part in what comes out."""
    torch.manual_seed(seed)
    network: FeatureNetwork = FeatureNetwork().eval()
    for module in network.modules():
        if isinstance(module, Separable):
            nn.init.ones_(module.norm2.weight)
    return network


def contrast(*shape: int, seed: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) * 6 - 3


@pytest.mark.parametrize("size", [(64, 64), (160, 112), (8, 40)])
def test_map_has_a_vector_for_every_eighth_pixel(size: tuple[int, int]) -> None:
    network = made(0)
    with torch.no_grad():
        maps = network(contrast(2, 1, *size, seed=0))
    assert tuple(maps.shape) == (2, 128, size[0] // 8, size[1] // 8)
    assert sum(parameter.numel() for parameter in network.parameters()) == 61_680


def test_cell_sees_113_pixels() -> None:
    """What a pixel adds to the cell in the middle."""
    image = contrast(1, 1, 160, 160, seed=1).requires_grad_()
    (added,) = torch.autograd.grad(made(1)(image)[0, :, 10, 10].abs().sum(), image)
    ys, xs = added[0, 0].nonzero().unbind(1)
    assert [int(edge) for edge in (ys.min(), ys.max(), xs.min(), xs.max())] == [24, 136, 24, 136]


def test_print_that_moves_by_a_cell_moves_the_map_by_one() -> None:
    """Print amid bare paper, of which there is enough on all sides."""
    image = torch.zeros(1, 1, 240, 256)
    image[..., 80:160, 88:168] = contrast(80, 80, seed=2)
    with torch.no_grad():
        maps = made(2)(torch.cat([image, image.roll(8, 3), image.roll(-8, 2)]))
    inner = maps[..., 8:-8, 8:-8]
    right, up = maps[1, :, 8:-8, 9:-7], maps[2, :, 7:-9, 8:-8]
    torch.testing.assert_close(right, inner[0], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(up, inner[0], atol=1e-4, rtol=1e-4)
    assert float((inner[1] - inner[0]).abs().max()) > 0.1


@pytest.mark.parametrize("learning", [False, True])
def test_blocks_are_the_identity_until_they_learn(learning: bool) -> None:
    """So the network gives what it gives without them, whose input is never negative."""
    torch.manual_seed(4)
    network = FeatureNetwork().train(learning)
    without = copy.deepcopy(network)
    without.stages = nn.Sequential()
    image = contrast(2, 1, 64, 48, seed=4)
    expected = without(image)
    torch.testing.assert_close(network(image), expected, rtol=0, atol=0)
    assert float(expected.detach().abs().max()) > 0.1
    block = Separable(64)
    given = contrast(2, 64, 8, 6, seed=5).requires_grad_()
    torch.testing.assert_close(block(given), given.relu(), rtol=0, atol=0)
    block(given).square().sum().backward()
    assert float(block.norm2.weight.grad.abs().min()) > 0  # and they can learn


def test_block_is_each_channel_by_itself_and_then_all_at_a_point() -> None:
    torch.manual_seed(6)
    block = Separable(4).eval()
    for norm in (block.norm1, block.norm2):
        for part in (norm.weight.data, norm.bias.data, norm.running_mean):
            part.copy_(torch.randn(4))
        norm.running_var.copy_(torch.rand(4) + 0.5)

    def normal(x: Tensor, norm: nn.BatchNorm2d) -> Tensor:
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()
        return (x - norm.running_mean) * scale + norm.bias

    x = contrast(1, 4, 6, 5, seed=7)
    around = torch.zeros(4, 8, 7)
    around[:, 1:-1, 1:-1] = x[0]
    with torch.no_grad():
        found = block(x)[0]
        for row in range(6):
            for column in range(5):
                square = around[:, row : row + 3, column : column + 3]
                each = normal((square * block.each.weight[:, 0]).sum((1, 2)), block.norm1).relu()
                both = normal(block.all.weight[:, :, 0, 0] @ each, block.norm2)
                expected = (both + x[0, :, row, column]).relu()
                torch.testing.assert_close(found[:, row, column], expected, atol=1e-5, rtol=1e-5)
    assert 20 < int((found > 0).sum()) < 120


def test_sampling_is_bilinear_between_the_cells_centres() -> None:
    generator = torch.Generator().manual_seed(3)
    maps = torch.randn(2, 5, 3, 4, generator=generator)
    points = torch.rand(2, 20, 2, generator=generator) * torch.tensor([32.0, 24.0])
    points[:, :4] = torch.tensor([[11.5, 3.5], [0.0, 0.0], [31.0, 23.0], [40.0, -9.0]])
    found = sample(maps, points)
    for image in range(2):
        for number, (x, y) in enumerate(points[image].tolist()):
            # Pixel 3.5 is the middle of cell 0; beyond the outermost middles, those count.
            column = min(max((x - 3.5) / 8, 0), 3)
            row = min(max((y - 3.5) / 8, 0), 2)
            left, above = min(math.floor(column), 2), min(math.floor(row), 1)
            expected = torch.zeros(5)
            for r, c in ((above, left), (above, left + 1), (above + 1, left), (above + 1, left + 1)):
                expected += maps[image, :, r, c] * (1 - abs(row - r)) * (1 - abs(column - c))
            torch.testing.assert_close(found[image, number], expected, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(found[:, 0], maps[:, :, 0, 1])
