"""Training the page finder: cameras, turns of the truth, and the loss's numbers."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from whichpage.training import finder_training
from whichpage.training.finder_training import (
    SIDE,
    FinderRecipe,
    PhotoPool,
    Truths,
    beyond_frame,
    camera_corners,
    finder_loss,
    train,
)
from whichpage.training.pages import PageCache
from whichpage.training.simulator import SimulatorOptions

CELLS = SIDE // 8


def test_cameras_see_sound_pages() -> None:
    corners = camera_corners(400, generator=torch.Generator().manual_seed(0))
    again = camera_corners(400, generator=torch.Generator().manual_seed(0))
    assert torch.equal(corners, again)
    convex = [cv2.isContourConvex(quad) for quad in corners.numpy()]
    assert np.mean(convex) > 0.97
    # Clockwise, as the page is read: no photo shows a page mirrored.
    x, y = corners[..., 0], corners[..., 1]
    areas = ((x * y.roll(-1, 1)) - (y * x.roll(-1, 1))).sum(1) / 2
    assert float((areas > 0).float().mean()) > 0.99
    assert 0.3 < float(areas.median()) < 0.9


@pytest.mark.parametrize("frame", [(0.75, 1.0), (1.0, 0.5625)])
def test_cameras_show_pages_in_their_shape(frame: tuple[float, float]) -> None:
    """Seen by a pinhole camera, a page has its own shape again once focal length and tilt are undone."""
    count = 60
    widths = torch.linspace(0.6, 1.7, count)
    corners = camera_corners(
        count,
        generator=torch.Generator().manual_seed(2),
        second_look=torch.zeros(count, dtype=torch.bool),
        widths=widths,
        frames=torch.tensor([frame]).expand(count, 2),
    )
    unit = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    errors = []
    for quad, width in zip(corners.numpy(), widths.tolist(), strict=True):
        seen = ((quad - 0.5) * np.array(frame)).astype(np.float32)
        plane = cv2.getPerspectiveTransform(unit, seen)
        best = 9.0
        for focal in np.linspace(0.65, 1.2, 23):
            u, v = (np.diag([1, 1, focal]) @ plane)[:, :2].T
            length = abs(np.linalg.norm(u) / np.linalg.norm(v) / width - 1)
            best = min(best, max(length, abs(u @ v) / np.linalg.norm(u) / np.linalg.norm(v)))
        errors.append(best)
    assert max(errors) < 0.06


def test_some_cameras_see_a_part_of_a_page_only() -> None:
    corners = camera_corners(300, generator=torch.Generator().manual_seed(4))
    beyond = ((corners < -0.1) | (corners > 1.1)).any(2).any(1)
    assert 0.25 < float(beyond.float().mean()) < 0.7


def test_second_looks_are_upright_and_nearly_fill_the_look() -> None:
    second = torch.tensor([True, False]).repeat(200)
    corners = camera_corners(400, generator=torch.Generator().manual_seed(1), second_look=second)
    upright = corners[second]
    expected = torch.tensor([[0.14, 0.14], [0.86, 0.14], [0.86, 0.86], [0.14, 0.86]])
    torch.testing.assert_close(upright.mean(0), expected, atol=0.03, rtol=0)
    assert float((upright - expected).abs().amax((1, 2)).median()) < 0.2
    assert float((corners[~second] - expected).abs().amax((1, 2)).median()) > 0.3


def test_only_second_looks_reach_beyond_the_frame() -> None:
    images = torch.full((60, 3, 64, 64), 0.5)
    second = torch.arange(60) % 2 == 0
    cut, seen = beyond_frame(images, second, generator=torch.Generator().manual_seed(2))
    assert bool((seen[~second] == 1).all())
    assert torch.equal(cut, images * seen)
    shares = seen[second].mean((1, 2, 3))
    assert 0.2 < float((shares < 1).float().mean()) < 0.8
    assert float(shares.min()) > 0.2


def test_truth_turns_with_the_photo(cache: PageCache, monkeypatch: pytest.MonkeyPatch) -> None:
    """In all eight ways the cells that are the page's are those between its four corners."""
    off = SimulatorOptions(**dict.fromkeys(SimulatorOptions.__dataclass_fields__, 0.0))
    monkeypatch.setattr(finder_training, "SimulatorOptions", lambda **_: off)
    pool = PhotoPool(cache, FinderRecipe(pool=6), split="train", seed=5)
    pool.renew(6)
    ways = set()
    for _ in range(40):
        truth = pool.draw(6)
        x, y = truth.corners[:, 0, :, 0], truth.corners[:, 0, :, 1]
        clockwise = ((x * y.roll(-1, 1)) - (y * x.roll(-1, 1))).sum(1) > 0
        assert bool(clockwise.all())
        ways.add(tuple(truth.corners[0, 0, 0].tolist()))
        for number in range(6):
            inside = np.zeros((SIDE, SIDE), np.uint8)
            quad = truth.corners[number, 0].numpy() * SIDE - 0.5
            cv2.fillConvexPoly(inside, np.rint(quad).astype(np.int32), 1)
            share = inside.reshape(CELLS, 8, CELLS, 8).mean((1, 3))
            owned = (truth.owner[number] == 1).numpy()
            assert owned[share > 0.8].all()
            assert not owned[share < 0.2].any()
            outline = truth.outline[number].numpy()
            quarter = inside.reshape(48, 4, 48, 4).mean((1, 3))
            if float(truth.second[number]) == 0:
                assert np.abs(outline - quarter).mean() < 0.02
    assert len(ways) > 8


def truths(*, second: float = 1.0) -> Truths:
    """Two photos: one of a page beside its neighbour, one of a page alone."""
    owner = torch.zeros(2, CELLS, CELLS, dtype=torch.uint8)
    owner[0, 4:20, 2:11], owner[0, 4:20, 12:22] = 1, 2
    owner[1, 3:21, 5:19] = 1
    pages = [
        [[0.1, 0.2], [0.45, 0.15], [0.45, 0.8], [0.1, 0.85]],
        [[0.5, 0.1], [0.9, 0.2], [0.9, 0.8], [0.5, 0.8]],
    ]
    corners = torch.tensor([pages, [[[0.2, 0.1], [0.8, 0.1], [0.8, 0.9], [0.2, 0.9]], pages[1]]])
    outline = (torch.arange(48).view(1, 48, 1) < 24).float().expand(2, 48, 48)
    return Truths(torch.zeros(2, 3, SIDE, SIDE), owner, corners, outline, torch.full((2,), second))


def perfect(truth: Truths, *, off: float = 0.0, sure: float = 20.0) -> tuple[Tensor, Tensor, Tensor]:
    """What a network that knows the truth says; `off` is added to every coordinate."""
    logits = torch.where(truth.owner > 0, sure, -sure)
    which = (truth.owner == 2).long()
    votes = torch.stack([truth.corners[k][which[k]] for k in range(2)]) + off
    return logits, votes, (truth.outline * 2 - 1) * sure


def test_truth_itself_loses_nothing() -> None:
    total, error, wrong = finder_loss(perfect(truths()), truths())
    assert float(total) == pytest.approx(0, abs=1e-5)
    assert float(wrong) == 0
    assert float(error) == pytest.approx(0.01)  # nearer than 0.02 the measure is blunt


def test_frames_cut_on_the_device_of_the_photos() -> None:
    """What names no device would be made on `meta` here, and could not meet the rest: nor on a GPU."""
    photos, second = torch.ones(6, 3, 32, 32), torch.ones(6)
    with torch.device("meta"):
        shown, seen = beyond_frame(photos, second, generator=torch.Generator("cpu").manual_seed(1))
    assert {tensor.device.type for tensor in (shown, seen)} == {"cpu"}


def test_oldest_photos_of_a_pool_are_renewed_first(cache: PageCache) -> None:
    pool = PhotoPool(cache, FinderRecipe(pool=8), split="train", seed=1)
    pool.renew(5)
    assert (pool.filled, pool.next) == (5, 5)
    first = pool.photos.clone(), pool.corners.clone()
    assert bool((first[0][5:] == 0).all())
    pool.renew(5)
    assert (pool.filled, pool.next) == (8, 2)
    for before, now in zip(first, (pool.photos, pool.corners), strict=True):
        changed = [not torch.equal(a, b) for a, b in zip(before, now, strict=True)]
        assert changed == [True, True, False, False, False, True, True, True]


@pytest.mark.parametrize("off", [0.05, 0.2])
def test_corner_error_is_in_photo_sides(off: float) -> None:
    total, error, _ = finder_loss(perfect(truths(), off=off), truths())
    assert float(error) == pytest.approx(off, abs=1e-4)
    # Three pages in two photos, smooth L1 with its bend at 0.02, six times.
    assert float(total) == pytest.approx(6 * 3 / 2 * (off - 0.01), abs=1e-3)


def test_votes_may_begin_with_any_corner() -> None:
    logits, votes, outline = perfect(truths(), off=0.03)
    expected = float(finder_loss((logits, votes, outline), truths())[0])
    for turn in (1, 2, 3):
        turned = float(finder_loss((logits, votes.roll(turn, 3), outline), truths())[0])
        assert turned == pytest.approx(expected, rel=1e-5)
    half = votes.clone()
    half[:, 12:] = votes[:, 12:].roll(2, 3)  # but all cells of a page with the same
    assert float(finder_loss((logits, half, outline), truths())[0]) > 5 * expected
    mirrored = votes.flip(3)
    assert float(finder_loss((logits, mirrored, outline), truths())[0]) > 5 * expected


def test_wrong_outline_is_counted_on_second_looks_only() -> None:
    logits, votes, outline = perfect(truths())
    wrong_rows = outline.clone()
    wrong_rows[:, 24:36] = 20.0
    total, _, wrong = finder_loss((logits, votes, wrong_rows), truths())
    assert float(wrong) == pytest.approx(0.25)
    assert float(total) == pytest.approx(4 * 0.25 * 20, rel=1e-3)
    assert float(finder_loss((logits, votes, wrong_rows), truths(second=0.0))[0]) == pytest.approx(
        0, abs=1e-5
    )


def test_desk_taken_for_paper_costs_its_cross_entropy() -> None:
    logits, votes, outline = perfect(truths())
    logits[1, 0, :12] = 20.0
    total = float(finder_loss((logits, votes, outline), truths())[0])
    assert total == pytest.approx(20 * 12 / (2 * CELLS * CELLS), rel=1e-3)


class SmallPool:
    """Truths without a simulator."""

    def __init__(self, *_: object, **__: object) -> None:
        self.photos, self.owner = torch.rand(2, 3, SIDE, SIDE), truths().owner
        self.corners, self.outline, self.second = truths().corners, truths().outline, truths().second

    def renew(self, count: int) -> None:
        pass

    def draw(self, count: int) -> Truths:
        return Truths(self.photos * 255, self.owner, self.corners, self.outline, self.second)


def test_killed_run_goes_on(cache: PageCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finder_training, "PhotoPool", SmallPool)
    train(cache, FinderRecipe(steps=1), tmp_path / "one")
    start = torch.load(tmp_path / "one" / "checkpoint.pt", weights_only=True)
    assert start["step"] == 1
    # A run of 3 steps that was killed after its first.
    resumed = tmp_path / "three"
    train(cache, FinderRecipe(steps=3), resumed)
    state = torch.load(resumed / "checkpoint.pt", weights_only=True)
    calls = []
    loss = finder_training.finder_loss

    def counted(*arguments: object) -> tuple[Tensor, Tensor, Tensor]:
        calls.append(1)
        return loss(*arguments)  # type: ignore[arg-type,unused-ignore]

    monkeypatch.setattr(finder_training, "finder_loss", counted)
    torch.save(state | {"step": 2}, resumed / "checkpoint.pt")
    train(cache, FinderRecipe(steps=3), resumed)
    assert len(calls) == 2  # the last step, and the validation at the end
    ended = torch.load(resumed / "checkpoint.pt", weights_only=True)
    assert ended["step"] == 3
    # It went on from the weights it found: the optimiser has seen four steps in all.
    assert float(ended["optimiser"]["state"][0]["step"]) == 4.0
