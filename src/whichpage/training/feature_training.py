"""Trains the local features: a place on a page and the same place in a photo must get the same code.

usage: python -m whichpage.training.feature_training --pages DIR [--pages DIR] --out DIR [--steps 1800]
           [--start CHECKPOINT.pt] [--learning-rate 1e-3]

DIR is made by `whichpage.training.pages`. A killed run goes on from its last checkpoint. A new one begins
with the weights of another run's checkpoint, as far as they fit, if it is given, else with random ones.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from whichpage.contrast import WINDOW, local_contrast
from whichpage.cores import usable_cores
from whichpage.keypoints import detect
from whichpage.training import runs
from whichpage.training.encoder_training import worn
from whichpage.training.feature_network import FeatureNetwork, sample
from whichpage.training.losses import soft_sign
from whichpage.training.marks import mark_bank
from whichpage.training.pages import CACHE_SIZE, PageCache
from whichpage.training.simulator import PhotoSimulator, SimulatorOptions
from whichpage.types import FEATURE_BITS

_LOGGED = ("step", "loss", "batch_top1", "seconds", "points", "pages")
_CPU = torch.device("cpu")
_OTHER_CORES = 4  # kept from the workers that simulate for a GPU
# As the encoder's rectified photos, but some are close-ups of few pixels, magnified to the page's size.
MAGNIFIED = SimulatorOptions(noise=0.03, motion=0.25, defocus=1.4, jpeg=0.25, clutter=0.2, neighbour=0.3)


@dataclass(frozen=True)
class FeatureRecipe:
    """What decides a run; saved beside its result.

    batch: pairs of a window of a page and one of a photo of it; group: how many of them are of neighbouring
        pages, at the same place.
    window: side of both windows, pixels of a page of `CACHE_SIZE`; points: keypoints of each pair.
    turn, scale, tilt: how far off photos are that were brought to the page's size: radians either way, factor
        either way of either axis, and the corners' standard deviation as a share of the page.
    reach: pixels within which a keypoint of the page is the same as one of the photo.
    apart: nearer than this, in pixels, another place of the same page is no negative.
    """

    steps: int = 1800
    batch: int = 24
    group: int = 4
    window: int = 256
    points: int = 48
    turn: float = 0.2
    scale: float = 1.2
    tilt: float = 0.02
    reach: float = 2.5
    apart: float = 12.0
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    temperature: float = 0.07
    sharpness: float = 1.5
    bits: int = FEATURE_BITS
    seed: int = 1
    bfloat16: bool = True  # where the device computes with it at speed


@dataclass(frozen=True, eq=False)
class Pairs:
    """B windows of pages and of photos of them, with keypoints that are the same in both.

    pages, photos: (B, 1, S, S) float, local contrast as `contrast.WINDOW` has it.
    on_pages, on_photos: (B, K, 2) float, x and y of each keypoint in its window's pixels.
    valid: (B, K) bool; windows with less print have fewer than K.
    """

    pages: Tensor
    photos: Tensor
    on_pages: Tensor
    on_photos: Tensor
    valid: Tensor


class FeatureBatches:
    """Draws pairs from the pages of a split, in groups of neighbours."""

    def __init__(self, cache: PageCache, recipe: FeatureRecipe, *, split: str, seed: int) -> None:
        self.cache, self.recipe = cache, recipe
        self.books = cache.books(split)
        self.rows = np.concatenate(self.books)
        self.rng = np.random.default_rng(seed)
        self.generator = torch.Generator().manual_seed(seed)
        self.simulator = PhotoSimulator(MAGNIFIED, marks=mark_bank(64))

    def draw(self) -> Pairs:
        """One batch of the recipe's size; of all pages, where there are fewer."""
        recipe = self.recipe
        size = min(recipe.batch, len(self.rows))
        # Groups may overlap; a page that is there twice would be its own negative.
        chosen: dict[int, NDArray[np.float64]] = {}
        while len(chosen) < size:
            book = self.books[self.rng.integers(len(self.books))]
            start = self.rng.integers(max(1, len(book) - recipe.group + 1))
            centre = self._centre()
            for row in book[start : start + recipe.group].tolist():
                chosen.setdefault(row, centre)
        rows = list(chosen)[:size]
        return self.pairs(np.array(rows), np.array([chosen[row] for row in rows]))

    def _centre(self) -> NDArray[np.float64]:
        h, w = CACHE_SIZE
        return np.array([self.rng.uniform(0.15, 0.85) * w, self.rng.uniform(0.12, 0.88) * h])

    def pairs(self, rows: NDArray[np.int64], centres: NDArray[np.float64] | None = None) -> Pairs:
        """Pairs of these rows of the cache, the photos looking at these points (B, 2) of the pages."""
        side = self.recipe.window
        centres = np.array([self._centre() for _ in rows]) if centres is None else centres
        pages = self.cache.read(rows)
        corners = self._corners(torch.from_numpy(centres).float())
        drawn = self.simulator(pages, pages.roll(1, 0), corners, size=(side, side), generator=self.generator)
        photos = self._lose_detail(drawn.images)
        clean = worn(pages, generator=self.generator)
        h, w = CACHE_SIZE
        lefts = np.clip(np.round(centres[:, 0] - side / 2), 0, w - side).astype(int)
        tops = np.clip(np.round(centres[:, 1] - side / 2), 0, h - side).astype(int)
        windows = torch.stack(
            [page[:, y : y + side, x : x + side] for page, y, x in zip(clean, tops, lefts, strict=True)]
        )
        looks = [[_contrast(image) for image in images[:, 0]] for images in (windows, photos)]
        ties = [
            self._tie(here, there, where.numpy(), shown.numpy() > 0, (x, y))
            for here, there, where, shown, x, y in zip(
                looks[0], looks[1], drawn.print, drawn.page[:, 0], lefts, tops, strict=True
            )
        ]
        on_pages, on_photos, valid = (torch.from_numpy(np.stack(part)) for part in zip(*ties, strict=True))
        here, there = (torch.from_numpy(np.stack(look)).unsqueeze(1) for look in looks)
        return Pairs(here, there, on_pages, on_photos, valid)

    def _corners(self, centres: Tensor) -> Tensor:
        """(B, 4, 2) where the pages' corners are in photos that look at these points, (B, 2), of them."""
        recipe, count = self.recipe, len(centres)

        def random(*shape: int) -> Tensor:
            return torch.rand((count, *shape), generator=self.generator) * 2 - 1

        h, w = CACHE_SIZE
        size = torch.tensor([float(w), float(h)])
        frame = torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
        tilted = frame + torch.randn((count, 4, 2), generator=self.generator) * recipe.tilt
        offset = (tilted * size - centres.unsqueeze(1)) * recipe.scale ** random(1, 2)
        turn = random(1) * recipe.turn
        x = offset[..., 0] * turn.cos() - offset[..., 1] * turn.sin()
        y = offset[..., 0] * turn.sin() + offset[..., 1] * turn.cos()
        return torch.stack([x, y], -1) + recipe.window / 2

    def _lose_detail(self, photos: Tensor) -> Tensor:
        """Some photos have but half the pixels that the page has, or a little more."""
        kept = torch.rand(len(photos), generator=self.generator)
        lost = []
        for photo, share in zip(photos, kept.tolist(), strict=True):
            if share < 0.4:
                small = F.interpolate(photo[None], scale_factor=0.5 + share, mode="area")
                photo = F.interpolate(small, size=photo.shape[1:], mode="bilinear", align_corners=False)[0]
            lost.append(photo)
        return torch.stack(lost)

    def _tie(
        self,
        page: NDArray[np.float32],
        photo: NDArray[np.float32],
        where: NDArray[np.float32],
        shown: NDArray[np.bool_],
        corner: tuple[int, int],
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]:
        """Keypoints that are found in both windows: (K, 2) in each, and (K,) which of them there are.

        page, photo: (S, S), their local contrast. where, shown: as of `SimulatedPhotos`, of the photo.
        corner: x and y of the window on the page.
        """
        recipe = self.recipe
        here, there = (detect(image, most=600) for image in (page, photo))
        x, y = there.astype(int).T
        there = there[shown[y, x]]
        x, y = there.astype(int).T
        h, w = CACHE_SIZE
        mapped = where[:, y, x].T * [w, h] - 0.5 - np.array(corner)
        on_page, on_photo = (np.zeros((recipe.points, 2), np.float32) for _ in range(2))
        valid = np.zeros(recipe.points, bool)
        if len(here) and len(there):
            distance = np.linalg.norm(mapped[:, None] - here[None], axis=2)
            nearest = distance.argmin(1)
            same = np.flatnonzero(distance[np.arange(len(there)), nearest] < recipe.reach)
            same = self.rng.permutation(same)[: recipe.points]
            count = len(same)
            on_page[:count], on_photo[:count], valid[:count] = here[nearest[same]], there[same], True
        return on_page, on_photo, valid


def _contrast(image: Tensor) -> NDArray[np.float32]:
    """(H, W) local contrast of (H, W) in [0, 1], in whole levels, as photos are."""
    levels = (image.clamp(0, 1) * 255).round().to(torch.uint8).numpy()
    return local_contrast(levels, window=WINDOW)


class _Stream(IterableDataset):
    """Batches without end, for a loader's worker to draw while the last one is learned from."""

    def __init__(self, cache: PageCache, recipe: FeatureRecipe, *, seed: int) -> None:
        self.cache, self.recipe, self.seed = cache, recipe, seed

    def __iter__(self) -> Iterator[Pairs]:
        torch.set_num_threads(1)
        worker = get_worker_info()
        seed = self.seed + 7919 * (worker.id if worker else 0)  # the workers draw other batches
        batches = FeatureBatches(self.cache, self.recipe, split="train", seed=seed)
        while True:
            yield batches.draw()


def describe(model: FeatureNetwork, images: Tensor, points: Tensor, *, bfloat16: bool) -> Tensor:
    """(B, K, bits) float vectors of the keypoints (B, K, 2) of images (B, 1, S, S)."""
    images = images.contiguous(memory_format=torch.channels_last)
    with runs.half_precision(images.device, wanted=bfloat16):
        maps = model(images)
    return sample(maps.float(), points)


def step_loss(model: FeatureNetwork, batch: Pairs, recipe: FeatureRecipe) -> tuple[Tensor, Tensor]:
    """Symmetric InfoNCE over all keypoints of a batch, and its top-1 by cosine.

    Places of the same page that are nearly the same place are no negatives of each other.
    """
    count = len(batch.pages)
    points = torch.cat([batch.on_pages, batch.on_photos])
    vectors = describe(model, torch.cat([batch.pages, batch.photos]), points, bfloat16=recipe.bfloat16)
    soft = soft_sign(vectors, sharpness=recipe.sharpness)
    positives, anchors = soft[:count][batch.valid], soft[count:][batch.valid]
    of = torch.arange(count, device=soft.device).unsqueeze(1).expand_as(batch.valid)[batch.valid]
    place = batch.on_pages[batch.valid]
    near = (of[:, None] == of) & (torch.cdist(place, place) < recipe.apart)
    near.fill_diagonal_(False)
    logits = (anchors @ positives.T / recipe.temperature).masked_fill(near, -math.inf)
    target = torch.arange(len(logits), device=soft.device)
    loss = (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2
    return loss, (logits.argmax(1) == target).float().mean()


@torch.no_grad()
def validate(
    model: FeatureNetwork, cache: PageCache, recipe: FeatureRecipe, *, pages: int, device: torch.device = _CPU
) -> dict[str, float]:
    """How well keypoints of simulated photos find themselves among those of `pages` validation pages.

    points: share of the keypoints whose nearest code, by Hamming distance, is that of the same place.
    pages: share of the photos most of whose keypoints vote so for the right page.
    """
    model.eval()
    batches = FeatureBatches(cache, recipe, split="val", seed=99)
    rows = batches.rows[:: max(1, len(batches.rows) // pages)][:pages]
    here: list[Tensor] = []
    there: list[Tensor] = []
    valid = []
    for start in range(0, len(rows), 32):
        batch = batches.pairs(rows[start : start + 32])
        for found, images, points in (
            (here, batch.pages, batch.on_pages),
            (there, batch.photos, batch.on_photos),
        ):
            vectors = describe(model, images.to(device), points.to(device), bfloat16=recipe.bfloat16)
            found.append(vectors.sign().cpu())
        valid.append(batch.valid)
    model.train()
    kept = torch.cat(valid)
    gallery, queries = torch.cat(here)[kept], torch.cat(there)[kept]
    of = torch.arange(len(rows)).unsqueeze(1).expand_as(kept)[kept]
    nearest = torch.cat([(part @ gallery.T).argmax(1) for part in queries.split(2000)])
    votes = torch.zeros(len(rows), len(rows)).index_put_((of, of[nearest]), torch.ones(1), accumulate=True)
    right = votes.argmax(1) == torch.arange(len(rows))
    return {
        "points": (nearest == torch.arange(len(nearest))).float().mean().item(),
        "pages": right[kept.any(1)].float().mean().item(),
    }


def train(
    cache: PageCache,
    recipe: FeatureRecipe,
    out: Path,
    *,
    start: Mapping[str, Tensor] | None = None,
    checkpoint_every: int = 50,
    validate_every: int = 250,
) -> FeatureNetwork:
    """Runs or resumes a training; checkpoints and `log.csv` go to `out`.

    start: weights that a new run begins with; those that the network lacks are left out, those that it has
        more stay random.
    """
    device = runs.device()
    torch.manual_seed(recipe.seed)
    model = FeatureNetwork(bits=recipe.bits)
    if start is not None:
        model.load_state_dict(_fitting(start, model), strict=False)
    model = model.to(device, memory_format=torch.channels_last)
    run = runs.Run.begin(
        model,
        recipe,
        out,
        columns=_LOGGED,
        validate=lambda: validate(model, cache, recipe, pages=400, device=device),
        validate_every=validate_every,
        checkpoint_every=checkpoint_every,
    )
    stream = _Stream(cache, recipe, seed=recipe.seed * 1_000_003 + run.done)
    # Before the loader forks: a worker would wait for ever for threads that OpenCV has in this process.
    cv2.setNumThreads(1)
    # A GPU learns faster than one worker simulates; on a CPU, learning needs the other cores.
    workers = 1 if device == _CPU else max(1, usable_cores() - _OTHER_CORES)
    batches = iter(DataLoader(stream, batch_size=None, num_workers=workers, prefetch_factor=2))
    for _ in run.steps():
        batch = next(batches)
        batch = Pairs(*(getattr(batch, name).to(device) for name in Pairs.__dataclass_fields__))
        loss, top1 = step_loss(model, batch, recipe)
        run.learn(loss, batch_top1=top1)
    return model


def _fitting(weights: Mapping[str, Tensor], model: FeatureNetwork) -> dict[str, Tensor]:
    """Those of the weights that the model has, too, in the same shape."""
    own = model.state_dict()
    return {name: value for name, value in weights.items() if name in own and own[name].shape == value.shape}


def main() -> None:
    def begin(pages: Sequence[Path], recipe: FeatureRecipe, out: Path, start: Path | None) -> None:
        weights = runs.kept_weights(start) if start else None
        train(PageCache.open(*pages), recipe, out, start=weights)

    runs.command(__doc__, FeatureRecipe, begin)


if __name__ == "__main__":
    main()
