"""Simulated photos on disk, with their truth: to calibrate, to validate, and to show what the simulator does.

usage: python -m whichpage.training.photos BOOKS OUT --count 200 [--split val] [--leave-out FILE] [--seed 0]

Writes OUT/0000.jpg ... and OUT/truth.csv (photo, pdf, page, stratum) as the benchmark reads them.
"""

from __future__ import annotations

import argparse
import csv
import random
from pathlib import Path

import cv2
import numpy as np
import pypdfium2 as pdfium
import torch
from torch import Tensor

from whichpage.training.finder_training import camera_corners
from whichpage.training.marks import mark_bank
from whichpage.training.pages import split_of
from whichpage.training.simulator import PhotoSimulator, SimulatorOptions, homographies

LONG_SIDE = 1600
# At the size of a real photo blur spans more pixels, and sensor noise shows less in print.
FULL_SIZE = SimulatorOptions(defocus=2.5, noise=0.04)


def render_page(path: Path, number: int) -> Tensor:
    """(1, 1, H, W) float in [0, 1], the page at 1,600 pixels on its long side."""
    document = pdfium.PdfDocument(path)
    page = document[number - 1]
    grey = page.render(scale=LONG_SIDE / max(page.get_size()), grayscale=True).to_numpy().squeeze().copy()
    document.close()
    return torch.from_numpy(grey).float()[None, None] / 255


def visible_share(corners: Tensor, size: tuple[int, int]) -> float:
    """How much of the page's area lies within the frame, 0 to 1; corners (4, 2) in pixels."""
    h, w = size
    frame = np.array([[0, 0], [w, 0], [w, h], [0, h]], np.float32)
    quad = corners.numpy().astype(np.float32)
    shared, _ = cv2.intersectConvexConvex(quad, frame)
    return float(shared / max(cv2.contourArea(quad), 1))


def draw_corners(
    generator: torch.Generator, size: tuple[int, int], *, width: float, visible: tuple[float, float]
) -> Tensor:
    """(4, 2) pixel corners of a page of which a share within `visible` is in the frame.

    width: the page's width for its height.
    """
    h, w = size
    fixed = {
        "second_look": torch.zeros(1, dtype=torch.bool),
        "widths": torch.tensor([width]),
        "frames": torch.tensor([[w, h]]) / max(w, h),
    }
    while True:
        corners = camera_corners(1, generator=generator, **fixed)[0] * torch.tensor([w, h])
        side = (corners[1] - corners[0]).norm()
        convex = cv2.isContourConvex(corners.numpy().astype(np.float32))
        if convex and side > 0.3 * min(w, h) and visible[0] <= visible_share(corners, size) <= visible[1]:
            return corners


def simulate(
    path: Path, number: int, other: int, *, seed: int, marks: Tensor, visible: tuple[float, float] = (0.35, 1)
) -> tuple[np.ndarray, np.ndarray, str]:
    """One photo of a page: (H, W, 3) uint8 RGB, its true (4, 2) corners, and "whole" or "partial"."""
    generator = torch.Generator().manual_seed(seed)
    size = (1600, 1200) if seed % 3 else (1200, 1600)
    page = render_page(path, number)
    beside = torch.nn.functional.interpolate(render_page(path, other), size=page.shape[2:], mode="area")
    corners = draw_corners(generator, size, width=page.shape[3] / page.shape[2], visible=visible)
    assert homographies(corners[None]).isfinite().all()
    drawn = PhotoSimulator(FULL_SIZE, marks=marks)(
        page, beside, corners[None], size=size, generator=generator, channels=3
    )
    pixels = (drawn.images[0] * 255).to(torch.uint8).permute(1, 2, 0).numpy()
    return pixels, corners.numpy(), "whole" if visible_share(corners, size) > 0.9 else "partial"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("books", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--split", choices=["train", "val", "all"], default="val")
    parser.add_argument("--leave-out", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--visible", type=float, nargs=2, default=(0.35, 1.0), help="least and most of a page that is shown"
    )
    arguments = parser.parse_args()
    left_out = set(arguments.leave_out.read_text().split("\n")) if arguments.leave_out else set()
    names = (path.relative_to(arguments.books).as_posix() for path in sorted(arguments.books.rglob("*.pdf")))
    split = arguments.split
    names_of_split = [name for name in names if split in ("all", split_of(name)) and name not in left_out]
    arguments.out.mkdir(parents=True, exist_ok=True)
    marks = mark_bank(64)
    torch.set_num_threads(1)
    dice = random.Random(arguments.seed)
    with (arguments.out / "truth.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["photo", "pdf", "page", "stratum", "corners", "beside"])
        for k in range(arguments.count):
            name = dice.choice(names_of_split)
            pages = len(pdfium.PdfDocument(arguments.books / name))
            number = dice.randint(1, pages)
            seed = arguments.seed * 1_000_003 + k
            other = min(number + 1, pages)
            pixels, corners, stratum = simulate(
                arguments.books / name,
                number,
                other,
                seed=seed,
                marks=marks,
                visible=tuple(arguments.visible),
            )
            cv2.imwrite(
                str(arguments.out / f"{k:04}.jpg"),
                pixels[..., ::-1],
                [cv2.IMWRITE_JPEG_QUALITY, dice.randint(60, 95)],
            )
            places = " ".join(f"{v:.1f}" for v in corners.ravel())
            writer.writerow([f"{k:04}.jpg", name, number, stratum, places, other])
            file.flush()


if __name__ == "__main__":
    main()
