"""Training the local features: pairs are the same place, near places are no negatives, runs go on."""

from __future__ import annotations

import csv
import math
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from drawn import text_page
from numpy.typing import NDArray
from torch import Tensor

from whichpage.contrast import local_contrast
from whichpage.training import feature_training, runs
from whichpage.training.feature_network import FeatureNetwork, sample
from whichpage.training.feature_training import (
    MAGNIFIED,
    FeatureBatches,
    FeatureRecipe,
    Pairs,
    step_loss,
    train,
    validate,
)
from whichpage.training.marks import mark_bank
from whichpage.training.pages import CACHE_SIZE, PageCache
from whichpage.training.parts import alone
from whichpage.training.simulator import PhotoSimulator, SimulatedPhotos, SimulatorOptions

RECIPE = FeatureRecipe(steps=4, batch=4, group=2, window=128, points=12, bfloat16=False)
ROWS = np.array([3, 17, 30])
# The middle of a page, its upper left and its lower right: there the photo shows the desk too.
CENTRES = np.array([[168.0, 240.0], [60.0, 58.0], [285.5, 421.0]])


class Watched:
    """The simulator, and where it was told to draw pages, and what it has drawn last."""

    corners: Tensor
    drawn: SimulatedPhotos

    def __init__(self, options: SimulatorOptions) -> None:
        self.simulator = PhotoSimulator(options, marks=mark_bank(4))

    def __call__(self, pages: Tensor, neighbours: Tensor, corners: Tensor, **rest: Any) -> SimulatedPhotos:
        self.corners = corners
        self.drawn = self.simulator(pages, neighbours, corners, **rest)
        return self.drawn


def watched(
    cache: PageCache, recipe: FeatureRecipe, options: SimulatorOptions
) -> tuple[FeatureBatches, Watched]:
    batches, simulator = FeatureBatches(cache, recipe, split="train", seed=4), Watched(options)
    batches.simulator = simulator  # type: ignore[assignment]
    return batches, simulator


def window_corner(centre: NDArray[np.float64], *, side: int) -> NDArray[np.float64]:
    """Left and top of the window around a point of a page, within the page."""
    h, w = CACHE_SIZE
    x, y = (round(float(place) - side / 2) for place in centre)
    return np.array([min(max(x, 0), w - side), min(max(y, 0), h - side)], np.float64)


def test_pairs_are_the_same_place_by_the_cameras_geometry(cache: PageCache) -> None:
    """With nothing else at work, a photo is a page under a homography."""
    recipe = replace(RECIPE, window=224, points=48)
    batches, simulator = watched(cache, recipe, alone(None, MAGNIFIED))
    pairs = batches.pairs(ROWS, CENTRES)
    h, w = CACHE_SIZE
    frame = np.array([[0, 0], [w, 0], [w, h], [0, h]], np.float32)
    alike: tuple[list[float], list[float]] = ([], [])
    for k, centre in enumerate(CENTRES):
        to_page = cv2.getPerspectiveTransform(simulator.corners[k].numpy(), frame)
        there = pairs.on_photos[k][pairs.valid[k]].numpy()
        mapped = cv2.perspectiveTransform(there[None].astype(np.float64), to_page)[0] - 0.5
        corner = window_corner(centre, side=224)
        here = pairs.on_pages[k][pairs.valid[k]].numpy() + corner
        off = np.linalg.norm(mapped - here, axis=1)
        assert len(off) >= 40
        assert off.max() < 2.5
        assert np.median(off) < 1.2
        left, top = corner.astype(int)
        clean = cache.images[0][ROWS[k]][top : top + 224, left : left + 224]
        photo = (simulator.drawn.images[k, 0].clamp(0, 1).numpy() * 255).round().astype(np.uint8)
        for image, grey, share in zip((pairs.pages, pairs.photos), (clean, photo), alike, strict=True):
            contrast = local_contrast(grey, window=33)
            share.append(float(np.corrcoef(image[k, 0].numpy().ravel(), contrast.ravel())[0, 1]))
            if share[-1] > 0.9999:
                np.testing.assert_allclose(image[k, 0].numpy(), contrast, atol=1e-5)
    # Some pages are worn, some photos have lost detail; the others are what was drawn.
    for share in alike:
        assert min(share) > 0.9
        assert max(share) > 0.9999


def test_photos_are_off_by_what_the_recipe_says(cache: PageCache) -> None:
    batches = FeatureBatches(cache, RECIPE, split="train", seed=4)
    h, w = CACHE_SIZE
    place = batches._corners(torch.tensor([[100.0, 200.0]]).repeat(2000, 1)).numpy()
    plain = np.array([[0, 0], [w, 0], [w, h], [0, h]]) - [100, 200] + 64
    across, down = place[:, 1] - place[:, 0], place[:, 3] - place[:, 0]
    scales = np.log(np.stack([np.linalg.norm(across, axis=1) / w, np.linalg.norm(down, axis=1) / h]))
    # Uniform within a fifth either way, and a tilt of 2 % at each end.
    expected = math.hypot(math.log(1.2) / math.sqrt(3), 0.02 * math.sqrt(2))
    assert scales.std(1).tolist() == pytest.approx([expected] * 2, rel=0.06)
    turns = np.arctan2(across[:, 1], across[:, 0])
    expected = math.hypot(0.2 / math.sqrt(3), 0.02 * math.sqrt(2) * h / w)
    assert turns.std() == pytest.approx(expected, rel=0.06)
    flat = FeatureBatches(cache, replace(RECIPE, turn=0, scale=1, tilt=0), split="train", seed=4)
    np.testing.assert_allclose(flat._corners(torch.tensor([[100.0, 200.0]]))[0].numpy(), plain, atol=1e-3)


def test_pairs_follow_print_wherever_the_simulator_moves_it(cache: PageCache) -> None:
    options = replace(MAGNIFIED, curl=1.0, crumple=1.0, folds=1.0, trim=1.0)
    recipe = replace(RECIPE, window=224, points=48)
    batches, simulator = watched(cache, recipe, options)
    pairs = batches.pairs(ROWS, CENTRES)
    for k, centre in enumerate(CENTRES):
        here, there = (part[k][pairs.valid[k]].numpy() for part in (pairs.on_pages, pairs.on_photos))
        x, y = there.astype(int).T
        assert bool((simulator.drawn.page[k, 0, y, x] == 1).all())
        print_ = simulator.drawn.print[k, :, y, x].numpy().T * CACHE_SIZE[::-1] - 0.5
        off = np.linalg.norm(print_ - window_corner(centre, side=224) - here, axis=1)
        assert len(off) >= 10
        assert off.max() < 2.5
    again, _ = watched(cache, recipe, options)
    for name, tensor in again.pairs(ROWS, CENTRES).__dict__.items():
        assert torch.equal(tensor, getattr(pairs, name))


def test_pages_with_little_print_have_fewer_pairs() -> None:
    """A blank page, one of a heading and a line, and one that is full."""
    pages = [text_page(7, lines=count).reshape(480, 2, 336, 2).mean((1, 3)) for count in (0, 1, 33)]
    pages[0][:] = 255
    index = tuple(("train", "book", number) for number in (1, 2, 3))
    cache = PageCache((np.array(pages).astype(np.uint8),), index)
    batches, _ = watched(cache, replace(RECIPE, points=60), alone(None, MAGNIFIED))
    pairs = batches.pairs(np.arange(3), np.array([[120.0, 70.0]] * 3))
    blank, few, full = pairs.valid.sum(1).tolist()
    assert blank == 0
    assert 3 <= few < full == 60
    for k, count in enumerate((blank, few, full)):
        assert pairs.valid[k].tolist() == [True] * count + [False] * (60 - count)
        for points in (pairs.on_pages[k], pairs.on_photos[k]):
            assert bool((points[:count] >= 8).all())
            assert bool((points[count:] == 0).all())


def drawn(
    cache: PageCache, recipe: FeatureRecipe, *, count: int
) -> list[tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """Rows and centres of so many batches."""
    batches = FeatureBatches(cache, recipe, split="train", seed=3)
    asked: list[tuple[NDArray[np.int64], NDArray[np.float64]]] = []
    batches.pairs = lambda *pages: asked.append(pages)  # type: ignore[method-assign,assignment]
    for _ in range(count):
        batches.draw()
    return asked


def test_batches_are_neighbours_seen_at_the_same_place(cache: PageCache) -> None:
    """Four pages in a row of a book; of those, the ones that an earlier group has are left out."""
    asked = drawn(cache, replace(RECIPE, batch=10, group=4), count=40)
    runs_of_four = [range(first, first + 4) for first in range(33) if first // 12 == (first + 3) // 12]
    whole = 0
    for rows, centres in asked:
        assert len(set(rows.tolist())) == len(rows) == len(centres) == 10
        begins = [0, *(np.flatnonzero((np.diff(centres, axis=0) != 0).any(1)) + 1).tolist(), 10]
        assert len(np.unique(centres, axis=0)) == len(begins) - 1
        for begin, end in pairwise(begins):
            before, group = rows[:begin].tolist(), rows[begin:end].tolist()
            new = [[row for row in run if row not in before][: 10 - begin] for run in runs_of_four]
            assert group in new
            whole += len(group) == 4
    assert whole > 60
    assert set(np.concatenate([rows for rows, _ in asked]).tolist()) == set(range(36))
    places = np.concatenate([centres for _, centres in asked]) / CACHE_SIZE[::-1]
    assert places.min(0).tolist() == pytest.approx([0.15, 0.12], abs=0.05)
    assert places.max(0).tolist() == pytest.approx([0.85, 0.88], abs=0.05)


def test_workers_draw_different_batches(cache: PageCache, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []
    for worker in (None, SimpleNamespace(id=0), SimpleNamespace(id=1)):
        monkeypatch.setattr(feature_training, "get_worker_info", lambda worker=worker: worker)
        stream = feature_training._Stream(cache, RECIPE, seed=4)
        drawn.append(next(iter(stream)).photos)
    assert torch.equal(drawn[0], drawn[1])
    assert drawn[2].shape == drawn[0].shape
    assert not torch.equal(drawn[2], drawn[0])


def test_no_page_is_twice_in_a_batch_of_few_books() -> None:
    """It would be its own negative. Books of 7, 2 and 1 pages, and groups of four."""
    index = [
        ("train", book, page + 1) for book, pages in (("a", 7), ("b", 2), ("c", 1)) for page in range(pages)
    ]
    few = PageCache((np.empty((10, *CACHE_SIZE), np.uint8),), tuple(index))
    for batch, size in ((6, 6), (9, 9), (10, 10), (24, 10)):
        for rows, centres in drawn(few, replace(RECIPE, batch=batch, group=4), count=20):
            assert len(set(rows.tolist())) == len(rows) == len(centres) == size
            assert set(rows.tolist()) <= set(range(10))


class Told:
    """A network that says what it was told to, call by call, whatever it is shown."""

    def __init__(self, *maps: Tensor) -> None:
        self.maps = list(maps)

    def __call__(self, images: Tensor) -> Tensor:
        return self.maps.pop(0)

    def eval(self) -> None:
        pass

    def train(self) -> None:
        pass


def plain_loss(batch: Pairs, maps: Tensor, *, apart: float) -> tuple[float, float]:
    """InfoNCE and top-1, a keypoint at a time."""
    count = len(batch.pages)
    here, there = sample(maps[:count], batch.on_pages), sample(maps[count:], batch.on_photos)
    found: list[tuple[int, list[float], NDArray[np.float64], NDArray[np.float64]]] = []
    for k, n in batch.valid.nonzero().tolist():
        page, photo = (np.tanh(1.5 * vectors[k, n].double().numpy()) for vectors in (here, there))
        place = batch.on_pages[k, n].tolist()
        found.append((k, place, page / np.linalg.norm(page), photo / np.linalg.norm(photo)))
    total, hits = 0.0, 0
    for own, (k, place, page, photo) in enumerate(found):
        forth, back = {}, {}
        for other, (of, where, other_page, other_photo) in enumerate(found):
            if other == own or of != k or math.dist(place, where) >= apart:
                forth[other] = math.exp(float(photo @ other_page) / 0.07)
                back[other] = math.exp(float(page @ other_photo) / 0.07)
        total -= math.log(forth[own] / sum(forth.values())) / 2
        total -= math.log(back[own] / sum(back.values())) / 2
        hits += max(forth, key=lambda one: forth[one]) == own
    return total / len(found), hits / len(found)


def test_step_loss_is_info_nce_without_what_is_near() -> None:
    generator = torch.Generator().manual_seed(5)
    maps = torch.randn(2, 16, 3, 3, generator=generator)
    photos = maps + 0.7 * torch.randn(2, 16, 3, 3, generator=generator)
    photos[1] = photos[1].flip(1, 2)  # its two keypoints are taken for each other
    maps = torch.cat([maps, photos])
    on_pages = torch.tensor([[[4.0, 4], [12, 9], [20, 20]], [[4, 4], [20, 20], [0, 0]]])
    valid = torch.tensor([[True, True, True], [True, True, False]])
    nothing = torch.zeros(2, 1, 24, 24)
    batch = Pairs(nothing, nothing, on_pages, on_pages + 0.5, valid)
    losses = []
    for apart in (12.0, 5.0, 40.0):  # keypoints are 9.4, 13.6 and 22.6 apart
        recipe = replace(RECIPE, apart=apart)
        loss, top1 = step_loss(Told(maps), batch, recipe)  # type: ignore[arg-type]
        expected, hits = plain_loss(batch, maps, apart=apart)
        assert float(loss) == pytest.approx(expected, rel=1e-4)
        assert top1 == pytest.approx(hits)
        losses.append((float(loss), top1))
    assert losses[0][1] == pytest.approx(0.6)
    assert losses[2][1] > losses[0][1]
    assert losses[1][0] > losses[0][0] > losses[2][0]


@pytest.mark.parametrize(("fast", "wanted"), [(True, True), (True, False), (False, True)])
def test_step_is_computed_in_bfloat16_where_that_is_fast(
    fast: bool, wanted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "_has_bfloat16", lambda device: fast)
    computed: list[torch.dtype] = []
    model = FeatureNetwork()
    model.register_forward_hook(lambda module, given, maps: computed.append(maps.dtype))
    windows, points = torch.randn(2, 1, 32, 32), torch.full((2, 1, 2), 12.0)
    batch = Pairs(windows, windows, points, points, torch.ones(2, 1, dtype=torch.bool))
    loss, _ = step_loss(model, batch, replace(RECIPE, bfloat16=wanted))
    assert computed == [torch.bfloat16 if fast and wanted else torch.float32]
    assert loss.dtype == torch.float32


def test_validation_counts_points_and_the_pages_they_vote_for(
    cache: PageCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Photos alike their pages; two of whose points are swapped; of another page; and of a blank one."""
    maps = torch.randn(5, 128, 2, 2, generator=torch.Generator().manual_seed(6))
    photos = maps[[0, 1, 2, 0, 4]].clone()
    photos[2] = photos[2].flip(1, 2)
    points = torch.tensor([[3.5, 3.5], [11.5, 11.5]]).repeat(5, 1, 1)
    valid = torch.tensor([[True, True]] * 4 + [[False, False]])
    nothing = torch.zeros(5, 1, 16, 16)
    batches = FeatureBatches(cache, RECIPE, split="val", seed=0)
    batches.rows = np.arange(5)
    batches.pairs = lambda rows: Pairs(nothing, nothing, points, points, valid)  # type: ignore[method-assign,assignment,misc]
    monkeypatch.setattr(feature_training, "FeatureBatches", lambda *_, **__: batches)
    found = validate(Told(maps, photos), cache, RECIPE, pages=5)  # type: ignore[arg-type,unused-ignore]
    assert found == {"points": 0.5, "pages": 0.75}


def test_training_lowers_the_loss(cache: PageCache) -> None:
    torch.manual_seed(7)
    recipe = replace(RECIPE, window=96)
    stream = FeatureBatches(cache, recipe, split="train", seed=7)
    batches = [stream.draw() for _ in range(3)]
    model = FeatureNetwork()
    optimiser = torch.optim.AdamW(model.parameters(), lr=2e-3)
    losses = []
    for step in range(12):
        loss, _ = step_loss(model, batches[step % 3], recipe)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call,unused-ignore]
        optimiser.step()
        losses.append(loss.item())
    assert np.mean(losses[-3:]) < 0.6 * np.mean(losses[:3])


def test_killed_run_goes_on(cache: PageCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loss_of_a_step = feature_training.step_loss
    steps: list[dict[str, Tensor]] = []
    batches: list[Pairs] = []

    def counted(model: FeatureNetwork, batch: Pairs, recipe: FeatureRecipe) -> tuple[Tensor, Tensor]:
        steps.append({name: value.clone() for name, value in model.state_dict().items()})
        batches.append(batch)
        if len(steps) == 4:
            raise KeyboardInterrupt
        return loss_of_a_step(model, batch, recipe)

    monkeypatch.setattr(feature_training, "step_loss", counted)
    # Photos that are askew are not found again after so few steps.
    recipe = replace(RECIPE, turn=0, scale=1, tilt=0)
    # OpenCV has begun its threads, and they wait for work, when the worker that draws pairs is forked.
    cv2.setNumThreads(2)
    cv2.GaussianBlur(np.zeros((2000, 2000), np.float32), (0, 0), 3)
    time.sleep(0.3)
    with pytest.raises(KeyboardInterrupt):
        train(cache, recipe, tmp_path, checkpoint_every=2)
    kept = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert kept["step"] == 2  # the third step was done, but is lost
    (tmp_path / "checkpoint.part").write_bytes(b"killed while writing")

    steps.clear()
    other = FeatureNetwork().state_dict()
    model = train(cache, recipe, tmp_path, start=other, checkpoint_every=2)
    assert len(steps) == 2  # steps 3 and 4, and not with the weights that a new run would begin with
    for name, value in kept["model"].items():
        torch.testing.assert_close(steps[0][name], value)
    ended = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert ended["step"] == 4
    assert not (tmp_path / "checkpoint.part").exists()
    for name, value in model.state_dict().items():
        torch.testing.assert_close(ended["model"][name], value)
    assert model.training
    with (tmp_path / "log.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    found = validate(model, cache, recipe, pages=400)
    assert row["step"] == "4"
    assert [float(row[name]) for name in found] == pytest.approx(list(found.values()), rel=1e-3)
    assert [0 < share < 1 for share in found.values()] == [True, True]
    rates = [state["optimiser"]["param_groups"][0]["lr"] for state in (kept, ended)]
    assert rates[0] > 2 * rates[1]
    # What was drawn before the kill is not drawn again.
    assert not torch.equal(batches[4].photos, batches[0].photos)
    steps.clear()
    train(cache, recipe, tmp_path)
    assert steps == []  # nothing is left to do


def test_new_run_begins_with_the_weights_that_fit(
    cache: PageCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of another network: its head gives fewer numbers, it lacks a block, and has one that is no more."""
    begun: list[dict[str, Tensor]] = []

    def halted(model: FeatureNetwork, batch: Pairs, recipe: FeatureRecipe) -> tuple[Tensor, Tensor]:
        begun.append({name: value.clone() for name, value in model.state_dict().items()})
        raise KeyboardInterrupt

    monkeypatch.setattr(feature_training, "step_loss", halted)
    torch.manual_seed(8)
    other = {name: value + 1 for name, value in FeatureNetwork(bits=64).state_dict().items()}
    other = {name: value for name, value in other.items() if not name.startswith("stages.3.")}
    # The head's shapes are others, but for a counter's.
    fit = {name: value for name, value in other.items() if name[:5] != "head." or value.ndim == 0}
    start = other | {name.replace("stages.2.", "stages.6."): value for name, value in other.items()}
    for weights in (None, start):
        with pytest.raises(KeyboardInterrupt):
            train(cache, RECIPE, tmp_path, start=weights)
    random, taken = begun
    assert (len(fit), len(taken), len(start)) == (79, 96, 96)
    for name, value in taken.items():
        assert torch.equal(value, fit.get(name, random[name]))
        assert torch.equal(value, random[name]) is (name not in fit)


def test_command_trains_on_all_folders(
    cache: PageCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Sequence[Path]] = []
    given: list[object] = []
    started: list[dict[str, Tensor] | None] = []

    def told(*arguments: object, start: dict[str, Tensor] | None) -> None:
        given[:] = arguments
        started.append(start)

    monkeypatch.setattr(PageCache, "open", lambda *folders: opened.append(folders))
    monkeypatch.setattr(feature_training, "train", told)
    monkeypatch.setattr(runs, "keep_freed_memory", lambda: None)
    line = ["feature_training", "--pages", "a", "--pages", "b", "--out", str(tmp_path), "--steps", "7"]
    monkeypatch.setattr("sys.argv", [*line, "--threads", "1"])
    feature_training.main()
    assert opened == [(Path("a"), Path("b"))]
    assert given[1:] == [FeatureRecipe(steps=7), tmp_path]
    assert started == [None]

    weights = {"head.0.weight": torch.arange(6.0)}
    torch.save({"model": weights, "step": 9}, tmp_path / "other.pt")
    options = ["--start", str(tmp_path / "other.pt"), "--learning-rate", "3e-4"]
    monkeypatch.setattr("sys.argv", [*line, *options])
    feature_training.main()
    assert given[1:] == [FeatureRecipe(steps=7, learning_rate=3e-4), tmp_path]
    assert started[1] is not None
    assert list(started[1]) == ["head.0.weight"]
    assert torch.equal(started[1]["head.0.weight"], weights["head.0.weight"])
