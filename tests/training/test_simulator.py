"""The photo simulator: reproducible, and each part does what its formula says."""

from __future__ import annotations

import math
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from drawn import text_page
from torch import Tensor

from whichpage.contrast import local_contrast
from whichpage.training import simulator
from whichpage.training.marks import mark_bank
from whichpage.training.parts import alone
from whichpage.training.simulator import (
    PhotoSimulator,
    SimulatedPhotos,
    SimulatorOptions,
    homographies,
)

OFF = SimulatorOptions(**dict.fromkeys(SimulatorOptions.__dataclass_fields__, 0.0))
SIZE = (240, 168)


def page(seed: int) -> Tensor:
    """(1, 480, 336), as the page cache has them."""
    small = text_page(seed).reshape(480, 2, 336, 2).mean((1, 3)) / 255
    return torch.from_numpy(small).float()[None]


def frame(height: int, width: int) -> Tensor:
    """The corners of a page that fills the photo to its pixels' edges."""
    return torch.tensor([[0.0, 0.0], [width, 0], [width, height], [0, height]]) - 0.5


def drawn(
    options: SimulatorOptions, corners: Tensor, *, seed: int = 0, channels: int = 1, count: int = 4
) -> SimulatedPhotos:
    pages = torch.stack([page(seed) for seed in range(count)])
    return PhotoSimulator(options, marks=mark_bank(4))(
        pages,
        pages.roll(1, 0),
        corners.expand(count, 4, 2),
        size=SIZE,
        generator=torch.Generator().manual_seed(seed),
        channels=channels,
    )


def alike(one: Tensor, other: Tensor) -> float:
    """Correlation of what is printed, light and shade aside."""
    a, b = (
        local_contrast((image.clamp(0, 1).numpy() * 255).astype(np.uint8), window=25)
        for image in (one, other)
    )
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


def test_seed_decides_everything() -> None:
    corners = frame(*SIZE) * 0.8 + 15
    first, again, other = (drawn(SimulatorOptions(), corners, seed=s, channels=3, count=9) for s in (1, 1, 2))
    for name in ("images", "page", "neighbour", "side", "print"):
        assert torch.equal(getattr(first, name), getattr(again, name))
    assert float((first.images - other.images).abs().mean()) > 0.05
    assert first.images.shape == (9, 3, *SIZE)
    assert 0 <= float(first.images.min()) < float(first.images.max()) <= 1


def test_homographies_are_opencvs() -> None:
    generator = torch.Generator().manual_seed(3)
    corners = frame(400, 300) + 60 * torch.randn(20, 4, 2, generator=generator)
    unit = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    for found, quad in zip(homographies(corners).numpy(), corners.numpy(), strict=True):
        expected = cv2.getPerspectiveTransform(unit, quad)
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-2)
        mapped = cv2.perspectiveTransform(unit[None], found.astype(np.float64))[0]
        np.testing.assert_allclose(mapped, quad, atol=0.01)


def test_with_all_off_the_photo_is_the_page() -> None:
    photos = drawn(OFF, frame(*SIZE))
    assert bool((photos.page == 1).all())
    assert bool((photos.neighbour == 0).all())
    for number in range(4):
        clean = page(number)[0].reshape(240, 2, 168, 2).mean((1, 3))
        assert alike(photos.images[number, 0], clean) > 0.85
        assert alike(photos.images[number, 0], page(number + 4)[0, ::2, ::2]) < 0.5


def test_corners_turn_and_place_the_page() -> None:
    """Corners in another order turn the page; a page that fills half of the photo is half as large."""
    turned = drawn(OFF, frame(*SIZE).roll(2, 0)).images[0, 0]
    clean = page(0)[0].reshape(240, 2, 168, 2).mean((1, 3))
    assert alike(turned.flip(0, 1), clean) > 0.85
    half = torch.tensor([[0.0, 0.0], [84, 0], [84, 120], [0, 120]]) - 0.5 + torch.tensor([40.0, 60.0])
    photo = drawn(OFF, half).images[0, 0]
    small = page(0)[0].reshape(120, 4, 84, 4).mean((1, 3))
    assert alike(photo[60:180, 40:124], small) > 0.8


def seen_at(clean: Tensor, where: Tensor) -> Tensor:
    """(H, W), the page, (h, w), looked at where `SimulatedPhotos.print`, (2, H, W), says."""
    x, y = (share.numpy() * length - 0.5 for share, length in zip(where, clean.shape[::-1], strict=True))
    return torch.from_numpy(cv2.remap(clean.numpy(), x, y, cv2.INTER_LINEAR, borderValue=1.0))


def test_print_says_where_on_the_page_a_pixel_looks() -> None:
    """With every part off, the page looked at there is the picture, light and paper aside."""
    corners = torch.tensor([[-30.0, -25.0], [190.0, 10.0], [210.0, 300.0], [5.0, 260.0]])
    photos = drawn(alone(None, SimulatorOptions()), corners)
    for number in range(4):
        clean = page(number)[0]
        inside = photos.page[number, 0] > 0
        expected = torch.where(inside, seen_at(clean, photos.print[number]), 1.0)
        shown = torch.where(inside, photos.images[number, 0], photos.images[number, 0][inside].max())
        assert alike(shown, expected) > 0.95
        aside = photos.print[number] + torch.tensor([2 / 336, 0.0]).view(2, 1, 1)
        assert alike(shown, seen_at(clean, aside)) < 0.8
        within = (photos.print[number] >= 0) & (photos.print[number] <= 1)
        assert torch.equal(within.all(0), inside)
    # The middle of the page, where its diagonals meet.
    a, b, c, d = corners.numpy()
    along = np.linalg.solve(np.stack([c - a, b - d], 1), b - a)[0]
    x, y = (a + along * (c - a)).round().astype(int)
    assert photos.print[0, :, y, x].tolist() == pytest.approx([0.5, 0.5], abs=0.01)


@pytest.mark.parametrize("part", ["curl", "crumple", "folds", "trim"])
def test_print_follows_what_moves_it(part: str) -> None:
    """The picture is the page at `print`, and not where a flat sheet would have it."""
    flat = drawn(alone(None, SimulatorOptions()), frame(*SIZE)).print
    photos = drawn(alone(part, SimulatorOptions()), frame(*SIZE))
    shares = [
        [alike(image[0], seen_at(page(number)[0], where)) for where in (moved, still)]
        for number, (image, moved, still) in enumerate(zip(photos.images, photos.print, flat, strict=True))
    ]
    for found, stiff in shares:
        assert found > 0.7  # facets of hard crumples have their own shade
        assert found > stiff + 0.15
    found, stiff = np.mean(shares, axis=0)
    assert found > 0.88
    assert stiff < 0.5


def test_page_mask_is_the_quadrilateral() -> None:
    corners = torch.tensor([[30.0, 25.0], [140.0, 40.0], [150.0, 210.0], [15.0, 190.0]])
    mask = drawn(OFF, corners).page[0, 0].numpy()
    expected = np.zeros(SIZE, np.uint8)
    cv2.fillConvexPoly(expected, corners.numpy().round().astype(np.int32), 1)
    assert np.abs(mask - expected).sum() < 0.02 * expected.sum()


def test_neighbour_lies_on_its_side() -> None:
    corners = torch.tensor([[60.0, 40.0], [110.0, 40.0], [110.0, 120.0], [60.0, 120.0]])
    photos = drawn(SimulatorOptions(**(OFF.__dict__ | {"neighbour": 1.0})), corners, count=8)
    assert set(photos.side.tolist()) == {-1.0, 1.0}
    for neighbour, side in zip(photos.neighbour[:, 0], photos.side.tolist(), strict=True):
        columns = neighbour.sum(0).nonzero()[:, 0]
        expected = (110, 159) if side > 0 else (11, 60)
        assert abs(int(columns.min()) - expected[0]) <= 1
        assert abs(int(columns.max()) - expected[1]) <= 1
    assert float((photos.neighbour * photos.page).max()) == 0


def test_bending_leaves_the_corners() -> None:
    """However curled, the paper's corners are where the truth says."""
    curled = SimulatorOptions(**(OFF.__dict__ | {"curl": 1.0, "curl_height": 0.1}))
    dice = simulator._Dice(16, torch.Generator().manual_seed(5), torch.device("cpu"))
    ends = torch.tensor([[0.0, 1.0], [0.0, 1.0]]).expand(16, 2, 2)
    u, v = ends, ends.transpose(1, 2)
    bent_u, bent_v = PhotoSimulator(curled)._bend(u, v, dice, torch.ones(16, 1, 1))
    torch.testing.assert_close(bent_u, u, atol=2e-4, rtol=0)
    assert float((bent_v - v).abs().max()) < 0.01
    middle = torch.full((16, 1, 1), 0.5)
    _, moved = PhotoSimulator(curled)._bend(middle, middle, dice, torch.ones(16, 1, 1))
    assert float((moved - middle).abs().max()) > 0.03


def test_pixels_behind_the_camera_see_no_paper() -> None:
    """A page tilted so far that its plane's horizon crosses the photo at row 21."""
    corners = torch.tensor([[[69.0, 60.0], [99.0, 60.0], [168.0, 240.0], [0.0, 240.0]]])
    u, v, front = simulator._look_at_paper(corners, SIZE)
    inverse = torch.linalg.inv(homographies(corners))[0]
    for row, column in ((239, 80), (61, 80), (3, 80), (3, 3)):
        ray = inverse @ torch.tensor([float(column), float(row), 1.0])
        centre = inverse @ torch.tensor([*corners[0].mean(0).tolist(), 1.0])
        in_front = float(ray[2] * torch.sign(centre[2])) > 1e-6
        assert bool(front[0, row, column]) == in_front
        if in_front:
            expected = (ray[:2] / ray[2]).clamp(-9, 9)
            torch.testing.assert_close(
                torch.stack([u[0, row, column], v[0, row, column]]), expected, atol=1e-3, rtol=1e-3
            )
    assert not bool(front[0, :20].any())
    assert bool(front[0, 23:].all())


def test_sampling_is_bilinear_between_pixel_centres() -> None:
    image = torch.arange(12.0).view(1, 1, 3, 4)
    # The centre of column 1, row 1; half way to column 2; the outside.
    u, v = torch.tensor([[[1.5 / 4, 2.0 / 4, 1.2]]]), torch.tensor([[[1.5 / 3, 1.5 / 3, 0.5]]])
    assert simulator._sample(image, u, v)[0, 0, 0].tolist() == pytest.approx([5.0, 5.5, 0.0], abs=1e-5)


def test_blur_is_its_kernel() -> None:
    impulse = torch.zeros(2, 1, 31, 31)
    impulse[:, :, 15, 15] = 1
    sigma, angle, length = (torch.tensor(v) for v in ([0.8, 1.2], [0.0, math.pi / 2], [0.0, 3.0]))
    blurred = simulator._blur(impulse, sigma, angle.view(2, 1, 1), length.view(2, 1, 1))
    for k, (s, turned, drawn_out) in enumerate(((0.8, False, 0.0), (1.2, True, 3.0))):
        weights = np.zeros((11, 11))
        for y in range(-5, 6):
            for x in range(-5, 6):
                along, across = (y, -x) if turned else (x, y)
                beyond = max(abs(along) - drawn_out, 0)
                weights[y + 5, x + 5] = math.exp(-(across**2 + beyond**2) / (2 * s * s))
        np.testing.assert_allclose(blurred[k, 0, 10:21, 10:21].numpy(), weights / weights.sum(), atol=1e-6)
    flat = torch.full((1, 3, 20, 20), 0.4)
    kept = simulator._blur(flat, torch.tensor([1.0]), torch.zeros(1, 1, 1), torch.ones(1, 1, 1))
    torch.testing.assert_close(kept, flat)


def test_jpeg_is_quantised_cosines() -> None:
    """Block by block, coefficient by coefficient, as ITU-T T.81 writes the transform."""
    images = torch.rand(2, 1, 11, 16, generator=torch.Generator().manual_seed(6))
    strengths = torch.tensor([0.5, 3.0]).view(2, 1, 1)
    found = simulator._jpeg(images, strengths).numpy()
    scale = [math.sqrt(1 / 8)] + [math.sqrt(2 / 8)] * 7
    cosine = np.array(
        [[scale[f] * math.cos((2 * x + 1) * f * math.pi / 16) for x in range(8)] for f in range(8)]
    )
    for number in range(2):
        padded = np.pad(images[number, 0].double().numpy(), ((0, 5), (0, 0)), mode="edge") * 255 - 128
        table = np.maximum(simulator._QUANTISATION.numpy() * float(strengths[number]), 1)
        restored = np.zeros_like(padded)
        for top in (0, 8):
            for left in (0, 8):
                block = padded[top : top + 8, left : left + 8]
                spectrum = np.zeros((8, 8))
                for v in range(8):
                    for u in range(8):
                        total = sum(
                            block[y, x] * cosine[v, y] * cosine[u, x] for y in range(8) for x in range(8)
                        )
                        spectrum[v, u] = round(total / table[v, u]) * table[v, u]
                for y in range(8):
                    for x in range(8):
                        restored[top + y, left + x] = sum(
                            spectrum[v, u] * cosine[v, y] * cosine[u, x] for v in range(8) for u in range(8)
                        )
        expected = np.clip((restored[:11] + 128) / 255, 0, 1)
        np.testing.assert_allclose(found[number, 0], expected, atol=2e-4)


def test_jpeg_of_quality_50_is_pillows_table() -> None:
    """`_QUANTISATION` is the table that encoders use at quality 50."""
    ok, data = cv2.imencode(".jpg", np.zeros((8, 8), np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 50])
    assert ok
    zigzag = data.tobytes().split(b"\xff\xdb\x00\x43\x00")[1][:64]
    order = sorted(
        ((y, x) for y in range(8) for x in range(8)),
        key=lambda p: (p[0] + p[1], p[0] if (p[0] + p[1]) % 2 else p[1]),
    )
    assert [int(simulator._QUANTISATION[y, x]) for y, x in order] == list(zigzag)


def test_marks_are_ink_and_the_same_for_a_seed() -> None:
    bank = mark_bank(8, seed=4)
    assert bank.shape == (8, 1, 240, 168)
    assert torch.equal(bank, mark_bank(8, seed=4))
    assert not torch.equal(bank, mark_bank(8, seed=5))
    assert 0 <= float(bank.min()) < float(bank.max()) <= 1
    shares = (bank > 0.15).float().mean((1, 2, 3))
    assert 0 < float(shares.max()) < 0.4


def test_folds_bend_the_sheet_and_leave_its_corners() -> None:
    """Straight lines stay straight between folds, so three points of one facet stay in line; corners stay."""
    options = replace(OFF, folds=1.0, fold_slope=0.1)
    dice = simulator._Dice(6, torch.Generator().manual_seed(7), torch.device("cpu"))
    v, u = torch.meshgrid(torch.linspace(0, 1, 41), torch.linspace(0, 1, 31), indexing="ij")
    u, v = u.expand(6, 41, 31), v.expand(6, 41, 31)
    new_u, new_v, shade = PhotoSimulator(options)._crease(u, v, dice)
    moved = torch.stack([new_u - u, new_v - v], 1)
    for row, column in ((0, 0), (0, 30), (40, 0), (40, 30)):
        assert float(moved[:, :, row, column].abs().max()) < 1e-5
    assert float(moved.abs().amax()) > 0.005
    # The second difference of a piecewise linear field (less what keeps the corners) is nil but at folds.
    bend = (moved[:, :, 2:] - 2 * moved[:, :, 1:-1] + moved[:, :, :-2]).abs().amax(1)
    assert float((bend < 1e-3).float().mean()) > 0.85
    assert float(shade.abs().max()) > 0.05


def test_without_folds_and_crumples_the_sheet_is_flat() -> None:
    dice = simulator._Dice(2, torch.Generator().manual_seed(7), torch.device("cpu"))
    u = torch.rand(2, 8, 8, generator=torch.Generator().manual_seed(1))
    new_u, new_v, shade = PhotoSimulator(OFF)._crease(u, u, dice)
    assert torch.equal(new_u, u)
    assert torch.equal(new_v, u)
    assert float(shade.abs().max()) == 0


def test_crumples_move_print_and_shade_it() -> None:
    corners = frame(*SIZE)
    flat = drawn(OFF, corners).images
    crumpled = drawn(replace(OFF, crumple=1.0), corners).images
    assert alike(flat[1, 0], crumpled[1, 0]) < 0.9
    light = (crumpled.mean((1, 2, 3)) / flat.mean((1, 2, 3)) - 1).abs()
    assert float(light.max()) < 0.2


def crumpled_sheet(strength: list[float], *, slope: float = 0.35) -> tuple[torch.Tensor, torch.Tensor]:
    dice = simulator._Dice(len(strength), torch.Generator().manual_seed(3), torch.device("cpu"))
    ys, xs = torch.meshgrid(torch.linspace(0, 1, 160), torch.linspace(0, 1, 112), indexing="ij")
    u, v = (t.expand(len(strength), 160, 112) for t in (xs, ys))
    given = torch.tensor(strength).view(-1, 1, 1)
    return simulator._crumples(u, v, given, dice, slope=slope)


def test_crumples_are_as_strong_as_asked_and_each_sheets_own() -> None:
    move, shade = crumpled_sheet([1.0, 0.0, 0.5, 1.0])
    assert float(move[1].abs().max()) == float(shade[1].abs().max()) == 0
    again, _ = crumpled_sheet([0.5, 0.0, 0.5, 0.0])
    torch.testing.assert_close(again[0], move[0] / 2)
    torch.testing.assert_close(again[2], move[2])
    # Per cents of the sheet, as measured on crumpled ones.
    assert 0.005 < float(move[0].square().mean().sqrt()) < 0.05


def test_a_crest_is_sharp_in_the_shade_and_not_in_the_print() -> None:
    """Print moves without a tear, seldom so far that it folds over; the shade jumps across a crest."""
    move, shade = crumpled_sheet([1.0] * 8)
    step = move.diff(dim=-1).abs() * 112
    assert float((step > 1).float().mean()) < 0.001
    assert float(step.max()) < 3
    jump = shade.diff(dim=-1).abs().amax((1, 2))
    assert float(jump.median()) > 0.08
