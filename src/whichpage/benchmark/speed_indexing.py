"""Pages a second: `add`, the bare rendering that bounds it, and the article's way, turn by turn."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pypdfium2 as pdfium
from PIL import Image

from whichpage.benchmark.progress import track
from whichpage.benchmark.provenance import digest_texts
from whichpage.benchmark.resnet import ArticleNetwork
from whichpage.benchmark.truth import TruthError
from whichpage.cores import usable_cores
from whichpage.errors import WhichpageError
from whichpage.indexing import AddProgress
from whichpage.library import Library
from whichpage.sources import PdfSource

ARTICLE_DPI, ARTICLE_THREADS, ARTICLE_SIDE, ARTICLE_BATCH = 200, 8, 480, 8
_CHUNK = 16


@dataclass(frozen=True)
class Books:
    """What is indexed: PDFs and how many pages each has."""

    pages: dict[Path, int]

    @property
    def total(self) -> int:
        """Pages of all books."""
        return sum(self.pages.values())


@dataclass(frozen=True)
class IndexingTimes:
    """Pages a second of each way, a number a round.

    curve: of the last add: (seconds since its start, pages done).
    """

    add: list[float]
    bare: list[float]
    article: list[float]
    curve: list[tuple[float, int]]


class NoPoppler(WhichpageError):
    """The programs that the article's way needs are not installed."""


def require_poppler() -> None:
    """Makes sure that pdf2image will find what it starts.

    Raises:
        NoPoppler: it will not.
    """
    for program in ("pdftoppm", "pdfinfo"):
        if shutil.which(program) is None:
            raise NoPoppler(
                f"there is no {program} here: the article's way needs poppler's programs"
                " (Debian: `apt-get install poppler-utils`)"
            )


def books_of(folder: Path, *, pages: int) -> Books:
    """PDFs below a folder, in an order that says nothing of their content, until there are enough pages.

    Raises:
        TruthError: there is none.
    """
    found: dict[Path, int] = {}
    names = sorted(
        folder.rglob("*.pdf"), key=lambda path: digest_texts([path.relative_to(folder).as_posix()])
    )
    for path in names:
        if sum(found.values()) >= pages:
            break
        try:
            document = pdfium.PdfDocument(path)
        except pdfium.PdfiumError:
            continue
        # No book is more than a quarter of the whole, or the rates would be that book's.
        if len(document) <= max(pages // 4, 1):
            found[path] = len(document)
        document.close()
    if not found:
        raise TruthError(f"there are no PDFs below {folder} to index")
    return Books(found)


def indexing_times(books: Books, *, article_pages: int, rounds: int, model: Path | None) -> IndexingTimes:
    """Measures the three ways, one after the other in each round."""
    workers = usable_cores()
    few = _first_pages(books, article_pages)
    network = ArticleNetwork(threads=workers)
    add, bare, article = [], [], []
    curve: list[tuple[float, int]] = []
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        list(pool.map(time.sleep, [0.5] * workers))  # all of them are up before they are timed
        for _ in track(range(rounds), "rounds of indexing"):
            curve.clear()
            add.append(books.total / timed(_add, books, model, curve))
            bare.append(books.total / timed(_render, books, pool))
            article.append(few.total / timed(article_index, few, network))
    return IndexingTimes(add, bare, article, curve)


def timed(work: Callable[..., object], *arguments: Any, **options: Any) -> float:
    """Seconds that a call takes."""
    started = time.perf_counter()
    work(*arguments, **options)
    return time.perf_counter() - started


def _add(books: Books, model: Path | None, curve: list[tuple[float, int]]) -> None:
    started = time.perf_counter()

    def note(progress: AddProgress) -> None:
        curve.append((time.perf_counter() - started, progress.pages_done))

    with (
        tempfile.TemporaryDirectory() as folder,
        Library.open(Path(folder) / "library", model=model, create=True) as library,
    ):
        library.add(*books.pages, progress=note)


def _render(books: Books, pool: Executor) -> None:
    chunks = [
        (path, tuple(range(start, min(pages, start + _CHUNK - 1) + 1)))
        for path, pages in books.pages.items()
        for start in range(1, pages + 1, _CHUNK)
    ]
    for _ in pool.map(_render_chunk, chunks):
        pass


def _render_chunk(chunk: tuple[Path, tuple[int, ...]]) -> int:
    """Renders pages as `add` does, and does nothing with them."""
    path, numbers = chunk
    with PdfSource(path) as source:
        return sum(source.render(number).grey.size for number in numbers)


def _first_pages(books: Books, pages: int) -> Books:
    """Books until there are so many pages; the last one is cut."""
    found: dict[Path, int] = {}
    for path, count in books.pages.items():
        if (left := pages - sum(found.values())) <= 0:
            break
        found[path] = min(count, left)
    return Books(found)


def article_index(books: Books, network: ArticleNetwork) -> np.ndarray:
    """The article's way: pdf2image to JPEG files, Resize(480), the network, signs; (N, 32) uint8."""
    # Here and not above: it needs poppler's programs, and nothing else does.
    from pdf2image import convert_from_path

    codes = []
    with tempfile.TemporaryDirectory() as folder:
        for number, (path, pages) in enumerate(books.pages.items()):
            convert_from_path(
                path,
                dpi=ARTICLE_DPI,
                last_page=pages,
                fmt="jpeg",
                thread_count=ARTICLE_THREADS,
                output_folder=folder,
                output_file=f"{number:05}",
                paths_only=True,
            )
        # Pages of one size in batches, as a data loader makes them.
        waiting: list[np.ndarray] = []
        for file in sorted(Path(folder).glob("*.jpg")):
            image = _resized(file)
            if waiting and (image.shape != waiting[0].shape or len(waiting) == ARTICLE_BATCH):
                codes.append(network.codes(np.stack(waiting)))
                waiting = []
            waiting.append(image)
        codes.append(network.codes(np.stack(waiting)))
    return np.concatenate(codes)


def _resized(file: Path) -> np.ndarray:
    with Image.open(file) as image:
        scale = ARTICLE_SIDE / min(image.size)
        width, height = (round(side * scale) for side in image.size)
        return np.asarray(image.convert("RGB").resize((width, height), Image.Resampling.BILINEAR))


def article_photo(path: Path, network: ArticleNetwork) -> np.ndarray:
    """What the article does with a photo before it searches: (1, 32) uint8."""
    grey = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if grey is None:
        raise TruthError(f"{path} is not a photo that OpenCV can read")
    height = round(grey.shape[0] * ARTICLE_SIDE / grey.shape[1])
    small = cv2.resize(grey, (ARTICLE_SIDE, height))
    quiet = cv2.fastNlMeansDenoising(small, h=10)
    return network.codes(cv2.cvtColor(quiet, cv2.COLOR_GRAY2RGB)[None].astype(np.uint8))
