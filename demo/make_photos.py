"""Made the photos in demo/photos; needs the `train` extra (PyTorch) and the books.

usage: python demo/make_photos.py ABSENT.pdf

ABSENT.pdf is the book that is not in demo/library (demo/SOURCES.md says which it was). The photos are
drawn by the simulator that also trains the encoder, 1200 x 1600 pixels, with fixed seeds.
"""

from __future__ import annotations

import csv
import math
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pypdfium2
import torch
from numpy.typing import NDArray
from PIL import Image, ImageEnhance
from torch import Tensor

from whichpage.training.marks import mark_bank
from whichpage.training.simulator import PhotoSimulator, SimulatedPhotos, SimulatorOptions

HERE = Path(__file__).parent
SIZE = (1600, 1200)
PLAIN = SimulatorOptions(
    neighbour=0,
    curl=0,
    crumple=0,
    trim=0,
    marks=0,
    fingers=0,
    shadows=0,
    clutter=0,
    motion=0,
    noise=0.02,
    jpeg=0,
)
CLUTTERED = replace(PLAIN, clutter=1)
HELD = replace(PLAIN, fingers=1, curl=1, curl_height=0.05)
OPEN_BOOK = replace(PLAIN, neighbour=1, curl=1, curl_height=0.05)


@dataclass(frozen=True)
class Shot:
    """One photo to make: a page, how it lies in the frame, and what happens to it.

    turn: degrees, clockwise. height: of the page in the photo's pixels. centre: of the page, as parts
    of the photo's width and height. tilt: how far its corners stray, as a part of the height.
    """

    name: str
    book: str
    page: int
    seed: int
    turn: float = 0
    height: int = 1350
    centre: tuple[float, float] = (0.5, 0.5)
    tilt: float = 0.03
    options: SimulatorOptions = field(default=PLAIN)
    spread: bool = False


SHOTS = (
    Shot("01-flat.jpg", "testmath.pdf", 3, 1),
    Shot("02-curled.jpg", "pseudo.pdf", 21, 2, options=replace(PLAIN, curl=1, curl_height=0.08, shadows=0.8)),
    Shot("03-sideways.jpg", "chemobabel-ja.pdf", 9, 3, turn=97, height=1120, options=CLUTTERED),
    Shot("04-upside-down.jpg", "jlreq-ja.pdf", 6, 4, turn=174, options=replace(PLAIN, shadows=1, crumple=1)),
    Shot("05-written-on.jpg", "kanbun-ja.pdf", 4, 16, turn=-12, options=replace(PLAIN, marks=1)),
    Shot("06-held.jpg", "pseudo.pdf", 48, 6, turn=8, options=HELD),
    Shot("07-partial.jpg", "testmath.pdf", 17, 7, turn=5, height=1900, centre=(0.5, 0.66)),
    Shot("08-two-pages.jpg", "jlreq-ja.pdf", 12, 8, 0, 840, (0.26, 0.5), 0.02, OPEN_BOOK, spread=True),
    Shot("09-absent.jpg", "", 9, 9, turn=-4, options=replace(PLAIN, shadows=0.7)),
)


def main() -> None:
    """Writes the photos and what they show."""
    absent = Path(sys.argv[1])
    marks = mark_bank(64, size=(700, 490), seed=1)
    photos = HERE / "photos"
    photos.mkdir(exist_ok=True)
    with (photos / "truth.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["photo", "book", "pages"])
        for shot in SHOTS:
            image = draw(shot, HERE / "library" / shot.book if shot.book else absent, marks)
            image.save(photos / shot.name, quality=88)
            pages = f"{shot.page}|{shot.page + 1}" if shot.spread else str(shot.page)
            table.writerow([shot.name, shot.book, pages if shot.book else ""])


def draw(shot: Shot, book: Path, marks: Tensor) -> Image.Image:
    """The photo of a shot; for a spread the first seed that lays the next page on the right."""
    page, beside = render(book, shot.page), render(book, shot.page + 1)
    corners = corners_of(shot, page.shape[-1] / page.shape[-2])
    simulator = PhotoSimulator(shot.options, marks=marks)
    for seed in range(shot.seed, shot.seed + 64):
        photo = simulator(
            page, beside, corners, size=SIZE, generator=torch.Generator().manual_seed(seed), channels=3
        )
        if not shot.spread or lies_right(photo):
            break
    pixels = (photo.images[0].permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
    # The simulator's colours and exposures are wilder than a phone's: closer to grey, and not too dark.
    image = ImageEnhance.Color(Image.fromarray(pixels)).enhance(0.4)
    return ImageEnhance.Brightness(image).enhance(max(1.0, 105 / float(pixels.mean())))


def lies_right(photo: SimulatedPhotos) -> bool:
    """Whether the neighbouring page is seen, and to the right of the page."""
    columns = [mask[0, 0].sum(0) for mask in (photo.page, photo.neighbour)]
    if float(columns[1].sum()) < 0.5 * float(columns[0].sum()):
        return False
    middles = [float((c * torch.arange(len(c))).sum() / c.sum()) for c in columns]
    return middles[1] > middles[0]


def render(book: Path, number: int, *, height: int = 1800) -> Tensor:
    """(1, 1, H, W) float in [0, 1], white paper = 1."""
    with pypdfium2.PdfDocument(book) as document:
        page = document[number - 1]
        grey = page.render(scale=height / page.get_height(), grayscale=True).to_numpy().squeeze().copy()
    return torch.from_numpy(grey).float().div(255)[None, None]


def corners_of(shot: Shot, aspect: float) -> Tensor:
    """(1, 4, 2) where the page's corners fall, page order."""
    turn = math.radians(shot.turn)
    half = np.array([aspect, 1.0]) * shot.height / 2
    square: NDArray[np.float64] = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half
    turned = square @ np.array([[math.cos(turn), math.sin(turn)], [-math.sin(turn), math.cos(turn)]])
    stray = np.random.default_rng(shot.seed).uniform(-shot.tilt, shot.tilt, (4, 2)) * shot.height
    middle = np.array([shot.centre[0] * SIZE[1], shot.centre[1] * SIZE[0]])
    return torch.tensor((turned + stray + middle)[None], dtype=torch.float32)


if __name__ == "__main__":
    main()
