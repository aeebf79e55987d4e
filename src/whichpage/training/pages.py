"""Pages to train on: folders of PDFs rendered once into a memory-mapped cache, split by book.

usage: python -m whichpage.training.pages BOOKS OUT [--leave-out FILE]

FILE lists books, a path below BOOKS a line, to train and validate on none of (those that measure us).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
import pypdfium2 as pdfium
import torch
from numpy.typing import NDArray
from torch import Tensor

from whichpage.training.forms import Firm
from whichpage.training.synthetic import VerticalBook

logger = logging.getLogger(__name__)

CACHE_SIZE = (480, 336)  # (H, W): 1.5 times what the encoder sees, all pages squeezed to one shape
PAGES_A_BOOK = 48
PAGES_A_SYNTHETIC_BOOK = 40
SHEETS_A_FIRM = 24
_AT_ONCE = 512  # pages carried to a GPU
_IMAGES, _INDEX = "cache.npy", "index.json"
_LEAST_CONTRAST = 3  # deviation of the greys of a page, 0 to 255, below which it is blank


def split_of(book: str) -> str:
    """ "train" or "val", by a hash of the book's name: one book in five validates, in every cache alike."""
    return "val" if int(hashlib.sha256(book.encode()).hexdigest()[:8], 16) % 5 == 0 else "train"


@dataclass(frozen=True, eq=False)
class PageCache:
    """Rendered pages: `images[k]` (480, 336) uint8 memory maps, `index[k]` rows of (split, book, page).

    resident: all images in the memory of the device that is to read them, (N, 480, 336) uint8, or None.
    """

    images: tuple[NDArray[np.uint8], ...]
    index: tuple[tuple[str, str, int], ...]
    resident: Tensor | None = None

    @classmethod
    def open(cls, *folders: Path) -> PageCache:
        """Opens one or several caches as one."""
        images, index = [], []
        for folder in folders:
            rows = json.loads((folder / _INDEX).read_text(encoding="utf-8"))
            images.append(np.load(folder / _IMAGES, mmap_mode="r")[: len(rows)])
            index += [tuple(row) for row in rows]
        return cls(tuple(images), tuple(index))

    def books(self, split: str) -> list[NDArray[np.int64]]:
        """The rows of each book of a split, in page order."""
        rows: dict[str, list[tuple[int, int]]] = {}
        for row, (of_split, book, page) in enumerate(self.index):
            if of_split == split:
                rows.setdefault(book, []).append((page, row))
        return [np.array([row for _, row in sorted(pages)]) for pages in rows.values()]

    def on(self, device: torch.device) -> PageCache:
        """The same, kept in a GPU's memory, 161 KB a page; where that has no room, they stay files."""
        if device.type == "cpu" or self.resident is not None or not self._fits(device):
            return self
        return replace(self, resident=self._carried(device))

    def _carried(self, device: torch.device) -> Tensor:
        resident = torch.empty((len(self.index), *CACHE_SIZE), dtype=torch.uint8, device=device)
        begin = 0
        for part in self.images:
            for start in range(0, len(part), _AT_ONCE):
                some = np.array(part[start : start + _AT_ONCE])
                resident[begin : begin + len(some)] = torch.from_numpy(some)
                begin += len(some)
        return resident

    def _fits(self, device: torch.device) -> bool:
        """Whether all pages take no more than half of a GPU's free memory."""
        free, _ = torch.cuda.mem_get_info(device)
        return len(self.index) * CACHE_SIZE[0] * CACHE_SIZE[1] <= free / 2

    def read(self, rows: NDArray[np.int64]) -> Tensor:
        """(B, 1, 480, 336) float in [0, 1], on the CPU or the device that has them."""
        if self.resident is not None:
            chosen = torch.from_numpy(rows).to(self.resident.device)
            return self.resident[chosen].unsqueeze(1).float() / 255
        pages = np.empty((len(rows), 1, *CACHE_SIZE), np.float32)
        for k, row in enumerate(rows):
            part = 0
            while row >= len(self.images[part]):
                row -= len(self.images[part])
                part += 1
            pages[k, 0] = self.images[part][row]
        return torch.from_numpy(pages / np.float32(255))


class CacheWriter:
    """Fills a cache folder, which is one from `finish` on: half written pages are never taken for all."""

    def __init__(self, folder: Path, *, most: int) -> None:
        """most: pages that may come."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        (folder / _INDEX).unlink(missing_ok=True)
        self._images = np.lib.format.open_memmap(folder / _IMAGES, "w+", np.uint8, (most, *CACHE_SIZE))
        self.rows: list[tuple[str, int]] = []  # book and page number of each

    @staticmethod
    def is_finished(folder: Path) -> bool:
        """Whether a folder is a cache."""
        return (folder / _INDEX).exists()

    def add(self, book: str, number: int, image: NDArray[np.uint8]) -> None:
        """Adds a page, (480, 336) uint8, unless it is blank: such pages teach nothing."""
        if image.std() > _LEAST_CONTRAST:
            self._images[len(self.rows)] = image
            self.rows.append((book, number))

    def finish(self, split: Callable[[str], str]) -> int:
        """Makes a cache of it; returns the number of pages.

        split: whether a book is to "train" or to validate ("val").
        """
        self._images.flush()
        index = [(split(book), book, number) for book, number in self.rows]
        part = self._folder / f"{_INDEX}.part"
        part.write_text(json.dumps(index), encoding="utf-8")
        part.replace(self._folder / _INDEX)
        return len(index)


def build(books: Path, out: Path, *, leave_out: frozenset[str] = frozenset(), workers: int = 2) -> int:
    """Renders the PDFs below `books`, at most 48 neighbouring pages of each; returns the number of pages."""
    jobs = list(_jobs(books, leave_out))
    cache = CacheWriter(out, most=sum(len(pages) for _, pages in jobs))
    with get_context("spawn").Pool(workers) as pool:
        # In order, so that the same seed draws the same batches from a cache that is made anew.
        for path, pages in pool.imap(_render, jobs, chunksize=2):
            for number, image in pages:
                cache.add(path.relative_to(books).as_posix(), number, image)
    return cache.finish(split_of)


def build_vertical(fonts: list[Path], out: Path, *, books: int = 100) -> int:
    """Draws synthetic vertical Japanese books, one cache folder; returns the number of pages."""

    def book(seed: int) -> Callable[[int], NDArray[np.uint8]]:
        return VerticalBook(fonts[seed % len(fonts)], seed=seed, size=CACHE_SIZE).page

    return _draw("vertical", book, out, books=books, pages=PAGES_A_SYNTHETIC_BOOK)


def build_forms(fonts: list[tuple[Path, Path]], out: Path, *, firms: int = 120) -> int:
    """Draws synthetic forms, one cache folder; returns the number of pages.

    fonts: regular and bold of each family.
    """

    def firm(seed: int) -> Callable[[int], NDArray[np.uint8]]:
        return Firm(fonts[seed % len(fonts)], seed=seed, size=CACHE_SIZE).page

    return _draw("form", firm, out, books=firms, pages=SHEETS_A_FIRM)


def _draw(
    kind: str, book: Callable[[int], Callable[[int], NDArray[np.uint8]]], out: Path, *, books: int, pages: int
) -> int:
    """Fills a cache folder with drawn books, every fifth to validate on; returns the number of pages.

    book: from a seed to what draws a page of (H, W) uint8 by its number.
    """
    cache = CacheWriter(out, most=books * pages)
    for seed in range(books):
        page = book(seed)
        for number in range(1, pages + 1):
            cache.add(f"{kind}-{seed}", number, page(number))
    return cache.finish(lambda name: "val" if int(name.rpartition("-")[2]) % 5 == 0 else "train")


def _jobs(books: Path, leave_out: frozenset[str]) -> Iterator[tuple[Path, list[int]]]:
    seen = {hashlib.sha256((books / name).read_bytes()).hexdigest() for name in leave_out}
    for path in sorted(books.rglob("*.pdf")):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        if digest in seen:
            continue
        seen.add(digest)
        try:
            count = len(pdfium.PdfDocument(path))
        except pdfium.PdfiumError as error:
            logger.warning("%s: %s", path, error)
            continue
        # A run of pages, so that near neighbours are in it.
        start = random.Random(path.name).randrange(max(1, count - PAGES_A_BOOK + 1))
        yield path, list(range(start, min(count, start + PAGES_A_BOOK)))


def _render(job: tuple[Path, list[int]]) -> tuple[Path, list[tuple[int, NDArray[np.uint8]]]]:
    cv2.setNumThreads(1)
    path, pages = job
    rendered = []
    document = pdfium.PdfDocument(path)
    for number in pages:
        try:
            page = document[number]
            image = page.render(scale=960 / max(page.get_size()), grayscale=True).to_numpy().squeeze()
        except pdfium.PdfiumError as error:
            logger.warning("%s, page %d: %s", path, number + 1, error)
            continue
        image = cv2.resize(image, CACHE_SIZE[::-1], interpolation=cv2.INTER_AREA)
        rendered.append((number + 1, image.astype(np.uint8)))
    document.close()
    return path, rendered


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("books", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--leave-out", type=Path)
    parser.add_argument(
        "--vertical-fonts", type=Path, nargs="*", help="also draw OUT/vertical with these fonts"
    )
    parser.add_argument(
        "--form-fonts",
        type=Path,
        nargs="*",
        help="also draw OUT/forms, fonts as regular bold regular bold ...",
    )
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO)
    names = arguments.leave_out.read_text().split("\n") if arguments.leave_out else []
    logger.info("%d pages", build(arguments.books, arguments.out, leave_out=frozenset(filter(None, names))))
    if arguments.form_fonts:
        regular, bold = arguments.form_fonts[::2], arguments.form_fonts[1::2]
        pairs = list(zip(regular, bold, strict=True))
        logger.info("%d pages", build_forms(pairs, arguments.out / "forms"))
    if arguments.vertical_fonts:
        logger.info("%d pages", build_vertical(arguments.vertical_fonts, arguments.out / "vertical"))


if __name__ == "__main__":
    main()
