"""Trains the page encoder: clean page and simulated photo of it must get the same code.

usage: python -m whichpage.training.encoder_training --pages DIR [--pages DIR] --out runs/encoder --steps 1500
           [--start FILE.onnx] [--learning-rate 6e-4] [--seed 5]

DIR is made by `whichpage.training.pages`. A killed run goes on from its last checkpoint. A new one begins
with the weights in FILE.onnx, if it is given, else with random ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Generator, Tensor
from torch.utils.data import DataLoader, IterableDataset

from whichpage.training import runs, weights
from whichpage.training.losses import CrossBatchMemory, hardened, info_nce, soft_sign
from whichpage.training.marks import mark_bank
from whichpage.training.network import PageEncoder
from whichpage.training.pages import PageCache
from whichpage.training.simulator import PhotoSimulator, SimulatorOptions
from whichpage.types import CODE_BITS, ENCODER_HEIGHT, ENCODER_WIDTH, VIEW_ROWS, VIEWS

_LOGGED = ("step", "loss", "batch_top1", "seconds", "top1", "top20", "fused_top1", "fused_top20")

# A rectified page has been scaled down from a photo several times its size, so it has less sensor
# noise, shake and JPEG a pixel than a photo of that size would.
RECTIFIED = SimulatorOptions(noise=0.025, motion=0.2, defocus=0.8, jpeg=0.15, clutter=0.2)
# What befalls a pair outside the simulator proper: the page finder's error, the photo's frame, the scanner.
AROUND = ("rectification", "frame", "scan")
_CPU = torch.device("cpu")
VALIDATED = 2000  # pages


@dataclass(frozen=True)
class EncoderRecipe:
    """What decides a run; saved beside its result.

    signs: share of the steps after which the clean pages begin to turn into their signs, which is all that a
        library keeps of them; halfway from there to the end they are nothing else. 1: never; -1: signs from
        the start.
    """

    steps: int = 1500
    batch: int = 64
    same_book: int = 8  # pages a group of neighbours from one book; half of a batch is such groups; 0 = none
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    temperature: float = 0.07
    sharpness: float = 1.5
    signs: float = 0.5
    part_weight: float = 0.5
    memory: int = 0  # clean pages of past batches that are negatives too; docs/results.md says why none
    bits: int = CODE_BITS
    layout: bool = True  # False averages the last feature map away; see `PageEncoder`
    without: tuple[str, ...] = ()  # parts that the training photos lack: `SimulatorOptions`' or `AROUND`'s
    seed: int = 1
    bfloat16: bool = True


def rectification_corners(
    count: int, *, size: tuple[int, int], generator: Generator, cut: Tensor | None = None
) -> Tensor:
    """Where a page's corners land when a page finder has rectified it with an error: (count, 4, 2) pixels.

    Mostly a per cent or two of the page, sometimes three; twice that for pages that the frame cuts, whose
    corners are guessed.

    Args:
        count: number of pages.
        size: height and width of the rectified page, pixels.
        generator: of the device to compute on.
        cut: (count,) bool, which pages the frame cuts; None for none.
    """
    h, w = size
    device = generator.device
    frame = torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]], device=device)

    def normal(*shape: int) -> Tensor:
        return torch.randn((count, *shape), generator=generator, device=device)

    levels = torch.tensor([0.006, 0.014, 0.03], device=device)
    level = levels[torch.randint(3, (count,), generator=generator, device=device)].view(count, 1, 1)
    if cut is not None:
        level = torch.where(cut.view(count, 1, 1), 2 * level, level)
    corners = frame + normal(4, 2) * level
    scale = 1 + normal(1, 2) * level
    shift = normal(1, 2) * level
    corners = (corners - 0.5) * scale + 0.5 + shift
    return corners * torch.tensor([w - 1.0, h - 1.0], device=device)


def frame_cuts(
    count: int, *, size: tuple[int, int], generator: Generator, probability: float = 0.4
) -> Tensor:
    """What of rectified pages lies within their photos' frames: (count, 1, H, W) float, 1 where it does.

    Args:
        count: number of pages.
        size: height and width of the rectified page, pixels.
        generator: of the device to compute on.
        probability: of a photo being cut at one side; half as many of those at another one as well. A cut
            takes up to 55 % of the page.
    """
    h, w = size
    device = generator.device
    ys = torch.linspace(-1, 1, h, device=device).view(1, h, 1)
    xs = torch.linspace(-1, 1, w, device=device).view(1, 1, w)

    def random(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand((count, 1, 1), generator=generator, device=device)

    seen = torch.ones(count, h, w, device=device)
    for share in (1.0, 0.5):
        side = torch.randint(4, (count, 1, 1), generator=generator, device=device) * (np.pi / 2)
        side = side + 0.15 * random(-1, 1)
        ramp = xs * torch.cos(side) + ys * torch.sin(side)
        cut = (random(0, 1) < probability * share).float()
        left = seen * (1 - cut * (ramp > random(-0.1, 1)).float())
        # Two cuts from opposite sides may meet; a photo shows something.
        seen = torch.where(left.mean((1, 2), keepdim=True) > 0.2, left, seen)
    return seen.unsqueeze(1)


def cut_by_frame(images: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
    """Blanks what lies beyond the photo's frame, as rectifying a partly visible page does.

    Args:
        images: (B, 1, H, W) float.
        seen: (B, 1, H, W) float, 1 where the photo shows the page.

    Returns:
        The images, the unseen part filled with the mean of the seen one, and the (B, V) share of
        each view that is seen.
    """
    h = images.shape[2]
    mean = (images * seen).sum((2, 3), keepdim=True) / seen.sum((2, 3), keepdim=True).clamp(min=1)
    rows = ((h * VIEW_ROWS[v][0] // 10, h * VIEW_ROWS[v][1] // 10) for v in VIEWS)
    share_seen = torch.stack([seen[:, 0, top:bottom].mean((1, 2)) for top, bottom in rows], 1)
    return images * seen + mean * (1 - seen), share_seen


class Batches:
    """Pairs of clean page and simulated photo; half of each batch are groups of neighbours in a book.

    Pages come from the cache, wherever it keeps them; everything is drawn on `device`.
    """

    def __init__(
        self, cache: PageCache, recipe: EncoderRecipe, *, split: str, seed: int, device: torch.device = _CPU
    ) -> None:
        self.cache, self.recipe = cache, recipe
        self.books = cache.books(split)
        self.rows = np.concatenate(self.books)
        self.rng = np.random.default_rng(seed)
        self.generator = torch.Generator(device).manual_seed(seed)
        options = replace(RECTIFIED, **{part: 0.0 for part in recipe.without if part not in AROUND})
        self.simulator = PhotoSimulator(options, marks=mark_bank(64).to(device))

    def draw(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """clean (B, 1, 320, 224), photo (B, 1, 320, 224), both 0..255, (B, V) share seen, (B,) pages."""
        group = self.recipe.same_book
        chosen: list[int] = []
        while group and len(chosen) < self.recipe.batch // 2:
            book = self.books[self.rng.integers(len(self.books))]
            start = self.rng.integers(max(1, len(book) - group + 1))
            chosen += list(book[start : start + group])
        rest = self.rng.choice(self.rows, min(2 * self.recipe.batch, len(self.rows)), replace=False)
        # Of few books, groups may be drawn twice; a page that is there twice would be its own negative.
        rows = np.array(list(dict.fromkeys([*chosen, *rest]))[: self.recipe.batch])
        return *self.pairs(rows), torch.from_numpy(rows).to(self.generator.device)

    def pairs(self, rows: np.ndarray) -> tuple[Tensor, Tensor, Tensor]:
        """The pairs of the given rows of the cache."""
        size = (ENCODER_HEIGHT, ENCODER_WIDTH)
        without = self.recipe.without
        pages = self.cache.read(rows).to(self.generator.device)
        chance = {"probability": 0.0} if "frame" in without else {}
        seen = frame_cuts(len(rows), size=size, generator=self.generator, **chance)
        cut = (seen < 1).any((1, 2, 3))
        corners = rectification_corners(len(rows), size=size, generator=self.generator, cut=cut)
        if "rectification" in without:
            h, w = size
            frame = torch.tensor([[0.0, 0.0], [w - 1, 0.0], [w - 1, h - 1], [0.0, h - 1]])
            corners = frame.to(corners.device).expand_as(corners)
        photos = self.simulator(pages, pages.roll(1, 0), corners, size=size, generator=self.generator).images
        photos, shares = cut_by_frame(photos, seen)
        clean = torch.nn.functional.interpolate(pages, size=size, mode="area")
        scanned = clean if "scan" in without else worn(clean, generator=self.generator)
        return scanned * 255, photos * 255, shares


def worn(clean: Tensor, *, generator: Generator) -> Tensor:
    """(B, 1, H, W) pages, a third as if scanned at home: grey paper, weak ink, noise, slightly soft."""

    def random(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator, device=clean.device)

    count = len(clean)
    scanned = (random(count, 1, 1, 1) < 0.33).float()
    soft = torch.nn.functional.avg_pool2d(
        torch.nn.functional.pad(clean, (1, 1, 1, 1), mode="replicate"), 3, 1
    )
    paper = 0.75 + 0.25 * random(count, 1, 1, 1)
    noise = 0.02 * torch.randn(clean.shape, generator=generator, device=clean.device)
    mix = random(count, 1, 1, 1)
    return clean * (1 - scanned) + scanned * ((mix * soft + (1 - mix) * clean) * paper + noise).clamp(0, 1)


class _Stream(IterableDataset):
    """Batches without end, for a loader's worker to draw while the last one is learned from."""

    def __init__(self, cache: PageCache, recipe: EncoderRecipe, *, seed: int, device: torch.device) -> None:
        self.batches = Batches(cache, recipe, split="train", seed=seed, device=device)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
        torch.set_num_threads(1)
        while True:
            yield self.batches.draw()


def step_loss(
    model: PageEncoder,
    batch: tuple[Tensor, Tensor, Tensor, Tensor],
    recipe: EncoderRecipe,
    memory: CrossBatchMemory,
    *,
    progress: float = 0.0,
) -> tuple[Tensor, Tensor]:
    """The loss of one batch, and its top-1 by cosine of the whole-page view; the memory takes the pages.

    progress: share of the run's steps that are done, this one included.
    """
    clean, photo, seen, pages = batch
    images = torch.cat([clean, photo]).contiguous(memory_format=torch.channels_last)
    with runs.half_precision(images.device, wanted=recipe.bfloat16):
        vectors = model(images)
    soft = soft_sign(vectors.float(), sharpness=recipe.sharpness)
    share = min(1.0, max(0.0, (progress - recipe.signs) / max(1e-6, (1 - recipe.signs) / 2)))
    anchors, positives = soft[len(clean) :], hardened(soft[: len(clean)], share)
    total = torch.zeros((), device=images.device)
    for k, view in enumerate(VIEWS):
        weight = seen[:, k].clamp(min=0.05) * (1.0 if view == "page" else recipe.part_weight)
        others = memory.others(pages, view=k)
        pair = info_nce(anchors[:, k], positives[:, k], temperature=recipe.temperature, others=others)
        total = total + (pair * weight).mean()
    memory.remember(positives, pages)
    nearest = (anchors[:, 0] @ positives[:, 0].T).argmax(1)
    hits = nearest == torch.arange(len(clean), device=images.device)
    return total, hits.float().mean()


class HeldOut:
    """Validation pages of all books and a simulated photo of each, which are made when they are first needed.

    They are the same for every recipe: what training goes without, they have.
    """

    def __init__(self, cache: PageCache, *, pages: int = VALIDATED, device: torch.device = _CPU) -> None:
        """pages: at most so many, evenly spread over the books; they take 140 KB each."""
        self._batches = Batches(cache, EncoderRecipe(), split="val", seed=99, device=device)
        rows = self._batches.rows
        self._rows = rows[np.unique(np.linspace(0, len(rows) - 1, pages).round().astype(int))]

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Pages and photos, (64, 1, 320, 224) float at most, grey levels 0..255, on the CPU."""
        return ((clean.float(), photo.float()) for clean, photo in self._simulated)

    @cached_property
    def _simulated(self) -> list[tuple[Tensor, Tensor]]:
        parts = (self._rows[start : start + 64] for start in range(0, len(self), 64))
        pairs = (self._batches.pairs(rows)[:2] for rows in parts)
        # In whole levels, as a photo and a rendered page have them.
        return [(clean.round().byte().cpu(), photo.round().byte().cpu()) for clean, photo in pairs]


@torch.no_grad()
def validate(
    model: PageEncoder, held_out: HeldOut, *, bfloat16: bool, device: torch.device = _CPU
) -> dict[str, float]:
    """Top-1 and top-20 of sign codes among held-out pages, simulated photos of them as queries."""
    model.eval()
    clean, photo = [], []
    for pages, photos in held_out:
        with runs.half_precision(device, wanted=bfloat16):
            clean.append(model(pages.to(device)).float().cpu())
            photo.append(model(photos.to(device)).float().cpu())
    model.train()
    gallery, query = torch.cat(clean), torch.cat(photo)
    scores = query[:, 0].sign() @ gallery[:, 0].sign().T
    fused = torch.einsum("qvd,gvd->qg", torch.tanh(query), gallery.sign())
    truth = torch.arange(len(held_out)).view(-1, 1)

    def recall(similarity: Tensor, k: int) -> float:
        return (similarity.topk(min(k, len(held_out)), 1).indices == truth).any(1).float().mean().item()

    return {
        "top1": recall(scores, 1),
        "top20": recall(scores, 20),
        "fused_top1": recall(fused, 1),
        "fused_top20": recall(fused, 20),
    }


def train(
    cache: PageCache,
    recipe: EncoderRecipe,
    out: Path,
    *,
    start: Mapping[str, Tensor] | None = None,
    held_out: HeldOut | None = None,
    checkpoint_every: int = 50,
    validate_every: int = 250,
    progress: Callable[[int], None] | None = None,
) -> PageEncoder:
    """Runs or resumes a training; checkpoints and `log.csv` go to `out`.

    Args:
        cache: pages of both splits.
        recipe: what decides the run.
        out: the run's folder.
        start: weights that a new run begins with; None for random ones.
        held_out: what validations are made on, for several runs to share; None for the cache's own.
        checkpoint_every: steps between checkpoints.
        validate_every: steps between validations, a multiple of 25.
        progress: is told each step that is done, the ones done before a kill at once.
    """
    device = runs.device()
    cache = cache.on(device)
    held = held_out or HeldOut(cache, device=device)
    torch.manual_seed(recipe.seed)
    model = PageEncoder(bits=recipe.bits, layout=recipe.layout)
    if start is not None:
        model.load_state_dict(start)
    model = model.to(device, memory_format=torch.channels_last)
    run = runs.Run.begin(
        model,
        recipe,
        out,
        columns=_LOGGED,
        validate=lambda: validate(model, held, bfloat16=recipe.bfloat16, device=device),
        validate_every=validate_every,
        checkpoint_every=checkpoint_every,
    )
    stream = _Stream(cache, recipe, seed=recipe.seed * 1_000_003 + run.done, device=device)
    # A GPU simulates faster than a worker on the CPU could hand over.
    batches = iter(
        DataLoader(stream, batch_size=None, num_workers=1, prefetch_factor=2) if device == _CPU else stream
    )
    memory = CrossBatchMemory(recipe.memory)
    if progress:
        progress(run.done)
    for step in run.steps():
        loss, top1 = step_loss(model, next(batches), recipe, memory, progress=step / recipe.steps)
        run.learn(loss, batch_top1=top1)
        if progress:
            progress(step)
    return model


def main() -> None:
    def begin(pages: Sequence[Path], recipe: EncoderRecipe, out: Path, start: Path | None) -> None:
        train(PageCache.open(*pages), recipe, out, start=weights.read(start) if start else None)

    runs.command(__doc__, EncoderRecipe, begin)


if __name__ == "__main__":
    main()
