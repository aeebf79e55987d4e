"""Trains the page finder on simulated photos.

usage: python -m whichpage.training.finder_training --pages DIR [--pages DIR] --out DIR [--steps 1500]
           [--start CHECKPOINT.pt] [--learning-rate 2e-3]
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from whichpage.training import runs
from whichpage.training.finder_network import PageFinderNetwork
from whichpage.training.marks import mark_bank
from whichpage.training.pages import PageCache
from whichpage.training.simulator import PhotoSimulator, SimulatorOptions, homographies

_LOGGED = ("step", "loss", "seconds", "val_loss", "val_corner_error", "val_outline_error")

_CPU = torch.device("cpu")
SIDE = 192  # the finder's input is a square; photos are squeezed into it
CELL = 8


@dataclass(frozen=True)
class FinderRecipe:
    """What decides a run; saved beside its result."""

    steps: int = 1500
    batch: int = 64
    fresh: int = 12  # photos simulated anew a step, in the place of the pool's oldest
    pool: int = 4096
    learning_rate: float = 2e-3
    weight_decay: float = 0.01
    seed: int = 1


def camera_corners(
    count: int,
    *,
    generator: Generator,
    second_look: Tensor | None = None,
    widths: Tensor | None = None,
    frames: Tensor | None = None,
) -> Tensor:
    """Corners of pages as cameras see them, (count, 4, 2) in units of the photo's sides, page order.

    A pinhole camera with the focal length of a phone's looks at a page, tilted up to 40 degrees; some
    photos hold a part of the page only, some pages lie at any angle.

    Args:
        count: number of pages.
        generator: source of all randomness.
        second_look: (count,) bool, which are upright crops instead, as the finder's second look gets them;
            by default three in ten.
        widths: (count,) float, width for height of each page; by default of random pages.
        frames: (count, 2) float, width and height of each photo, the longer one 1; by default as cameras
            and people who crop make them.
    """

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count, generator=generator)

    def normal() -> Tensor:
        return torch.randn(count, generator=generator)

    def point(x: Tensor, y: Tensor) -> Tensor:
        return torch.stack([x, y], -1).unsqueeze(1)

    def chance(probability: float) -> Tensor:
        return uniform(0, 1) < probability

    if second_look is None:
        second_look = chance(0.3)
    if widths is None:
        widths = torch.where(chance(0.88), uniform(0.62, 0.82), uniform(1.2, 1.8))
    unit = torch.tensor([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])
    # The page's longer side is the unit of length.
    page = torch.stack([widths, torch.ones(count)], -1) / widths.clamp(min=1).unsqueeze(-1)
    if frames is None:
        common = [[0.75, 1.0], [0.75, 1.0], [0.75, 1.0], [1.0, 0.75], [1.0, 0.75], [1.0, 1.0], [0.5625, 1.0]]
        frames = torch.tensor(common)[torch.randint(len(common), (count,), generator=generator)]
    kind = uniform(0, 1)
    quarter = torch.randint(4, (count,), generator=generator) * (math.pi / 2)
    turn = torch.where(
        kind < 0.55, 0.12 * normal(), torch.where(kind < 0.8, quarter + 0.12 * normal(), uniform(0, 6.3))
    )
    turn = torch.where(second_look, 0.05 * normal(), turn)
    near, spread = chance(0.35) & ~second_look, chance(0.35) & ~second_look
    size = torch.exp(0.25 * normal()) * 0.8 * torch.where(near, uniform(1.2, 2.6), 1.0)
    size = size * torch.where(spread, 0.75, 1.0)
    focal = uniform(0.65, 1.2)
    distance = focal / size
    # Where the camera looks, on the page: near its middle, or anywhere on it, or at the gutter.
    aim = point(normal(), normal()) * 0.12 / size.clamp(min=0.6).view(-1, 1, 1)
    aim = torch.where(near.view(-1, 1, 1), point(uniform(-0.42, 0.42), uniform(-0.42, 0.42)), aim)
    gutter = torch.where(chance(0.5), 0.5, -0.5) * (spread & ~near)
    flat = (unit - point(gutter, torch.zeros(count))) * page.unsqueeze(1) - aim * page.unsqueeze(1)

    cos, sin = torch.cos(turn).unsqueeze(1), torch.sin(turn).unsqueeze(1)
    x, y = flat[..., 0] * cos - flat[..., 1] * sin, flat[..., 0] * sin + flat[..., 1] * cos
    azimuth = uniform(0, 2 * math.pi)
    away = torch.stack([torch.cos(azimuth), torch.sin(azimuth)], -1)
    along = x * away[:, :1] + y * away[:, 1:]
    tilt = uniform(0, 0.7) * torch.where(second_look, 0.2, 1.0)
    # The whole page stays before the camera.
    most = 0.65 * distance / along.abs().amax(1).clamp(min=0.1)
    tilt = torch.minimum(tilt, torch.asin(most.clamp(max=0.7))).unsqueeze(1)
    depth = distance.unsqueeze(1) + along * torch.sin(tilt)
    shrink = (1 - torch.cos(tilt)) * along
    x, y = x - shrink * away[:, :1], y - shrink * away[:, 1:]
    seen = torch.stack([x, y], -1) * (focal.unsqueeze(1) / depth).unsqueeze(-1)
    corners = seen / frames.unsqueeze(1) + 0.5
    # The second look squeezes any page to about the same upright rectangle.
    upright = (seen - seen.mean(1, keepdim=True)) / (seen.amax(1, keepdim=True) - seen.amin(1, keepdim=True))
    upright = upright * (0.72 + 0.08 * torch.stack([normal(), normal()], -1).unsqueeze(1))
    upright = upright + 0.025 * torch.randn((count, 4, 2), generator=generator)
    upright = upright + 0.5 + 0.052 * point(normal(), normal())
    return torch.where(second_look.view(-1, 1, 1), upright, corners)


class PhotoPool:
    """Simulated photos with their truth, renewed a few a step and seen at eight turns and mirrorings."""

    def __init__(
        self,
        cache: PageCache,
        recipe: FinderRecipe,
        *,
        split: str,
        seed: int,
        device: torch.device = _CPU,
    ) -> None:
        self.cache, self.rows = cache, np.concatenate(cache.books(split))
        self.device = device
        self.generator = torch.Generator().manual_seed(seed)
        # What photos look like is drawn where they are.
        self.scenery = self.generator if device.type == "cpu" else torch.Generator(device).manual_seed(seed)
        self.rng = np.random.default_rng(seed)
        self.simulator = PhotoSimulator(SimulatorOptions(noise=0.03), marks=mark_bank(64).to(device))
        cells, fine = SIDE // CELL, SIDE // 4
        self.photos = torch.zeros(recipe.pool, 3, SIDE, SIDE, dtype=torch.uint8, device=device)
        self.owner = torch.zeros(recipe.pool, cells, cells, dtype=torch.uint8, device=device)
        self.corners = torch.zeros(recipe.pool, 2, 4, 2, device=device)
        self.outline = torch.zeros(recipe.pool, fine, fine, device=device)
        self.second = torch.zeros(recipe.pool, device=device)
        self.filled = self.next = 0

    def renew(self, count: int) -> None:
        """Simulates `count` photos in the place of the oldest."""
        pages = self.cache.read(self.rng.choice(self.rows, count)).to(self.device)
        second = torch.rand(count, generator=self.generator) < 0.5
        corners = camera_corners(count, generator=self.generator, second_look=second).to(self.device)
        second = second.to(self.device)
        drawn = self.simulator(
            pages,
            pages.roll(1, 0),
            corners * SIDE - 0.5,
            size=(SIDE, SIDE),
            generator=self.scenery,
            channels=3,
        )
        images, seen = beyond_frame(drawn.images, second, generator=self.scenery)
        outline = F.avg_pool2d(drawn.page * seen, 4)[:, 0]
        own, other = (F.avg_pool2d(mask, CELL)[:, 0] for mask in (drawn.page, drawn.neighbour))
        owner = torch.where(own > 0.5, 1, torch.where(other > 0.5, 2, 0))
        unit = torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]], device=self.device)
        beyond = unit.expand(count, 4, 2).clone()
        beyond[..., 0] += drawn.side.view(-1, 1)
        points = torch.cat([beyond, torch.ones_like(beyond[..., :1])], -1)
        points = points @ homographies(corners).transpose(1, 2)
        neighbour = points[..., :2] / points[..., 2:].clamp(min=0.05)
        places = (self.next + torch.arange(count, device=self.device)) % len(self.photos)
        self.photos[places] = (images * 255).to(torch.uint8)
        self.outline[places], self.second[places] = outline, second.float()
        self.owner[places] = owner.to(torch.uint8)
        self.corners[places] = torch.stack([corners, neighbour], 1)
        self.filled = min(self.filled + count, len(self.photos))
        self.next = (self.next + count) % len(self.photos)

    def draw(self, count: int) -> Truths:
        """Photos of the pool, all turned and mirrored in one of the eight ways."""
        chosen = torch.randint(self.filled, (count,), generator=self.generator).to(self.device)
        photos, owner, corners = self.photos[chosen].float(), self.owner[chosen], self.corners[chosen]
        outline = self.outline[chosen]
        turns = int(torch.randint(4, (1,), generator=self.generator))
        photos, owner = torch.rot90(photos, turns, (2, 3)), torch.rot90(owner, turns, (1, 2))
        outline = torch.rot90(outline, turns, (1, 2))
        for _ in range(turns):  # rot90 turns (x, y) to (y, 1 - x)
            corners = torch.stack([corners[..., 1], 1 - corners[..., 0]], -1)
        if torch.rand(1, generator=self.generator) < 0.5:
            photos, owner, outline = photos.flip(3), owner.flip(2), outline.flip(2)
            corners = torch.stack([1 - corners[..., 0], corners[..., 1]], -1).flip(2)
        return Truths(photos, owner, corners, outline, self.second[chosen])


@dataclass(frozen=True, eq=False)
class Truths:
    """B photos and what is to be found in them.

    photos: (B, 3, S, S) float 0..255.
    owner: (B, S/8, S/8) uint8, 0 desk, 1 page, 2 neighbour.
    corners: (B, 2, 4, 2) float, of page and neighbour, in photo sides.
    outline: (B, S/4, S/4) float, the share of each cell that shows the page.
    second: (B,) float, 1 for second looks, whose outline is to be found.
    """

    photos: Tensor
    owner: Tensor
    corners: Tensor
    outline: Tensor
    second: Tensor


def beyond_frame(images: Tensor, second: Tensor, *, generator: Generator) -> tuple[Tensor, Tensor]:
    """Blackens what lies beyond the photo's frame in some second looks.

    Returns:
        The (B, C, S, S) images, and (B, 1, S, S) float, 1 where the photo saw something.
    """
    count, _, h, w = images.shape
    device, each = images.device, (count, 1, 1)
    ys = torch.linspace(-1, 1, h, device=device).view(1, h, 1)
    xs = torch.linspace(-1, 1, w, device=device).view(1, 1, w)
    seen = torch.ones(count, h, w, device=device)
    for share in (0.4, 0.2):
        side = torch.randint(4, each, generator=generator, device=device) * (math.pi / 2)
        side = side + 0.3 * torch.randn(each, generator=generator, device=device)
        cut = (torch.rand(each, generator=generator, device=device) < share).float()
        cut = cut * second.float().view(-1, 1, 1)
        reach = -0.2 + 1.2 * torch.rand(each, generator=generator, device=device)
        seen = seen * (1 - cut * (xs * torch.cos(side) + ys * torch.sin(side) > reach).float())
    return images * seen.unsqueeze(1), seen.unsqueeze(1)


def finder_loss(found: tuple[Tensor, Tensor, Tensor], truth: Truths) -> tuple[Tensor, Tensor, Tensor]:
    """Loss of a batch, the mean corner error of the votes on the main pages, the outline's wrong share.

    A page of print looks much the same upside down at this size, so each page may name its corners
    from any of the four; the order that fits best counts, one order a page.
    """
    logits, votes, outline = found
    owner, corners = truth.owner, truth.corners
    on_paper = (owner > 0).float()
    score = F.binary_cross_entropy_with_logits(logits, on_paper)
    total, error = score, torch.zeros((), device=logits.device)
    for which in (0, 1):
        cells = (owner == which + 1).float()
        weight = cells.sum((1, 2))
        page = corners[:, which].clamp(-2, 3)
        orders = torch.stack([page.roll(k, 1) for k in range(4)], 1)  # (B, 4, 4, 2)
        residual = votes.unsqueeze(3) - orders[:, None, None]  # (B, h, w, 4, 4, 2)
        distance = F.smooth_l1_loss(residual, torch.zeros_like(residual), beta=0.02, reduction="none").mean(
            (-1, -2)
        )
        per_order = (distance * cells.unsqueeze(-1)).sum((1, 2)) / weight.clamp(min=1).unsqueeze(1)
        best = per_order.min(1).values
        present = (weight > 12).float()
        total = total + 6 * (best * present).sum() / len(logits)
        if which == 0:
            error = ((best + 0.01) * present).sum() / present.sum().clamp(min=1)
    second = truth.second.view(-1, 1, 1)
    shape = F.binary_cross_entropy_with_logits(outline, truth.outline, reduction="none")
    total = total + 4 * (shape * second).mean()
    wrong = (((outline > 0) != (truth.outline > 0.5)).float() * second).sum() / second.sum().clamp(min=1)
    return total, error, wrong / outline[0].numel()


def train(
    cache: PageCache, recipe: FinderRecipe, out: Path, *, start: Path | None = None
) -> PageFinderNetwork:
    """Runs or resumes a training, a new one from the weights of `start`; logs and checkpoints go to `out`."""
    device = runs.device()
    torch.manual_seed(recipe.seed)
    model = PageFinderNetwork()
    if start is not None and not (out / runs.CHECKPOINT).exists():
        model.load_state_dict(runs.kept_weights(start), strict=False)
    model = model.to(device, memory_format=torch.channels_last)
    cache = cache.on(device)
    held_out = PhotoPool(cache, FinderRecipe(pool=256), split="val", seed=99, device=device)
    for _ in range(8):
        held_out.renew(32)
    run = runs.Run.begin(
        model,
        recipe,
        out,
        columns=_LOGGED,
        validate=lambda: _validate(model, held_out),
        validate_every=100,
    )
    pool = PhotoPool(cache, recipe, split="train", seed=recipe.seed * 1_000_003 + run.done, device=device)
    for _ in range(16):
        pool.renew(32)
    for _ in run.steps():
        pool.renew(recipe.fresh)
        truth = pool.draw(recipe.batch)
        with runs.half_precision(device):
            logits, votes, outline = model(truth.photos.contiguous(memory_format=torch.channels_last))
        loss, _, _ = finder_loss((logits.float(), votes.float(), outline.float()), truth)
        run.learn(loss)
    return model


@torch.no_grad()
def _validate(model: PageFinderNetwork, pool: PhotoPool) -> dict[str, float]:
    model.eval()
    truth = Truths(pool.photos.float(), pool.owner, pool.corners, pool.outline, pool.second)
    loss, error, wrong = finder_loss(model(truth.photos), truth)
    model.train()
    return {
        "val_loss": loss.item(),
        "val_corner_error": error.item(),
        "val_outline_error": wrong.item(),
    }


def main() -> None:
    def begin(pages: Sequence[Path], recipe: FinderRecipe, out: Path, start: Path | None) -> None:
        train(PageCache.open(*pages), recipe, out, start=start)

    runs.command(__doc__, FinderRecipe, begin)


if __name__ == "__main__":
    main()
