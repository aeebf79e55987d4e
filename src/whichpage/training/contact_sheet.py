"""A contact sheet of simulated photos: what the models are trained on, for people to look at.

First whole photos, as the page finder sees them; then pairs of a clean page and a photo of it that was
rectified with an error, as the encoder sees them; then one page with each part of the simulator alone.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image
from torch import Generator, Tensor

from whichpage.errors import SourceError, TrainingError
from whichpage.files import scan
from whichpage.pictures import captioned
from whichpage.sources import open_source
from whichpage.training.encoder_training import RECTIFIED, cut_by_frame, frame_cuts, rectification_corners
from whichpage.training.marks import mark_bank
from whichpage.training.parts import PARTS, alone
from whichpage.training.photos import draw_corners, visible_share
from whichpage.training.simulator import PhotoSimulator, SimulatorOptions
from whichpage.types import ENCODER_HEIGHT, ENCODER_WIDTH

_COLUMNS, _GAP, _HEIGHT = 8, 12, 320  # panels a row, pixels between them, their height
_PAGE = (960, 672)  # (H, W) pages are rendered at
_PHOTO = (800, 600)
_OPTIONS = SimulatorOptions(defocus=1.5, noise=0.04)  # for photos of that size
_ENCODED = (ENCODER_HEIGHT, ENCODER_WIDTH)
_TRIES = 20
# What the camera does to pixels cannot be seen in a picture of the whole.
_OF_PIXELS, _ENLARGED = ("motion", "defocus", "noise", "sharpen", "jpeg"), 4


@dataclass(frozen=True, eq=False)
class _Chosen:
    """A page and the one after it, (1, 1, H, W) float in [0, 1] each."""

    book: str
    number: int
    page: Tensor
    beside: Tensor


def draw(books: Sequence[Path], *, count: int, seed: int) -> Image.Image:
    """The sheet, RGB, with `count` photos, as many pairs and all parts; the same for the same numbers.

    Raises:
        TrainingError: there is no page to photograph.
    """
    dice = random.Random(seed)
    chosen = [_choose(books, dice) for _ in range(count)]
    generator = torch.Generator().manual_seed(seed)
    marks = mark_bank(32, seed=seed)
    panels = [_photo(one, generator, marks) for one in chosen]
    pairs = [panel for one in chosen for panel in _pair(one, generator, marks)]
    parts = [panel for part in (None, *PARTS) for panel in _part(part, chosen[0], seed, marks)]
    return _stacked([row for group in (panels, pairs, parts) for row in _rows(group)])


def _choose(books: Sequence[Path], dice: random.Random) -> _Chosen:
    paths = [found.path for found in scan(books) if not isinstance(found, SourceError)]
    for _ in range(_TRIES if paths else 0):
        path = dice.choice(paths)
        try:
            with open_source(path) as source:
                number = dice.randint(1, source.pages)
                page, beside = (
                    source.render(n, pixels=_PAGE[0] * _PAGE[1]).grey
                    for n in (number, min(number + 1, source.pages))
                )
        except SourceError:
            continue
        if page.std() > 3:  # there is something to see
            return _Chosen(path.name, number, _tensor(page), _tensor(beside))
    raise TrainingError("No page was found that could be shown.")


def _tensor(grey: np.ndarray) -> Tensor:
    """Every page at one shape, as in training."""
    image = cv2.resize(grey, _PAGE[::-1], interpolation=cv2.INTER_AREA)
    return torch.from_numpy(image).float()[None, None] / 255


def _photo(one: _Chosen, generator: Generator, marks: Tensor) -> Image.Image:
    size = _PHOTO if torch.rand(1, generator=generator) < 0.7 else _PHOTO[::-1]
    corners = draw_corners(generator, size, width=_PAGE[1] / _PAGE[0], visible=(0.4, 1.0))
    drawn = PhotoSimulator(_OPTIONS, marks=marks)(
        one.page, one.beside, corners[None], size=size, generator=generator, channels=3
    )
    share = visible_share(corners, size)
    return _panel(
        drawn.images[0], one.book, f"  p. {one.number}" + (f", {share:.0%}" if share < 0.995 else "")
    )


def _pair(one: _Chosen, generator: Generator, marks: Tensor) -> Iterator[Image.Image]:
    page, beside = (
        torch.nn.functional.interpolate(image, size=(480, 336), mode="area")
        for image in (one.page, one.beside)
    )
    seen = frame_cuts(1, size=_ENCODED, generator=generator)
    corners = rectification_corners(1, size=_ENCODED, generator=generator, cut=(seen < 1).any((1, 2, 3)))
    drawn = PhotoSimulator(RECTIFIED, marks=marks)(page, beside, corners, size=_ENCODED, generator=generator)
    cut, _ = cut_by_frame(drawn.images, seen)
    clean = torch.nn.functional.interpolate(page, size=_ENCODED, mode="area")
    yield _panel(clean[0], one.book, f"  p. {one.number}")
    yield _panel(cut[0], "its photo, rectified")


def _part(part: str | None, one: _Chosen, seed: int, marks: Tensor) -> Iterator[Image.Image]:
    """Two photos with one part alone; what it does to pixels is shown enlarged."""
    h, w = size = _PHOTO
    corners = torch.tensor([[0.16, 0.12], [0.83, 0.15], [0.9, 0.9], [0.1, 0.86]]) * torch.tensor([w, h])
    pages = torch.cat([one.page, one.beside])
    drawn = PhotoSimulator(alone(part, _OPTIONS), marks=marks)(
        pages,
        pages.roll(1, 0),
        corners.expand(2, 4, 2),
        size=size,
        generator=torch.Generator().manual_seed(seed),
        channels=3,
    )
    for image in drawn.images:
        if part in _OF_PIXELS:
            top, left = h // 4, w // 4
            image = image[:, top : top + h // _ENLARGED, left : left + w // _ENLARGED]
        yield _panel(image, f"only {part}" if part else "no part")


def _panel(pixels: Tensor, name: str, rest: str = "") -> Image.Image:
    """(C, H, W) float in [0, 1], with its caption."""
    levels = (pixels.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
    image = Image.fromarray(levels if levels.shape[2] == 3 else levels[:, :, 0]).convert("RGB")
    width = round(image.width * _HEIGHT / image.height)
    return captioned(image.resize((width, _HEIGHT), Image.Resampling.LANCZOS), name, rest)


def _rows(panels: Sequence[Image.Image]) -> Iterator[Image.Image]:
    for start in range(0, len(panels), _COLUMNS):
        row = panels[start : start + _COLUMNS]
        strip = Image.new("RGB", (sum(p.width + _GAP for p in row) + _GAP, row[0].height), "white")
        left = _GAP
        for panel in row:
            strip.paste(panel, (left, 0))
            left += panel.width + _GAP
        yield strip


def _stacked(rows: Sequence[Image.Image]) -> Image.Image:
    height = sum(row.height + _GAP for row in rows) + _GAP
    sheet = Image.new("RGB", (max(row.width for row in rows), height), "white")
    top = _GAP
    for row in rows:
        sheet.paste(row, (0, top))
        top += row.height + _GAP
    return sheet
