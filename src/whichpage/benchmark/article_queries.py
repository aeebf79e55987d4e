"""The pictures of the article's protocol: the pages as they are, and the augmented view of each, on disk.

Made once by all cores and kept as PNG files, so that a run that is ended goes on, and every model sees
the same pixels.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
import pypdfium2 as pdfium
from PIL import Image

from whichpage.benchmark import article_views
from whichpage.benchmark.article_books import LongBook
from whichpage.benchmark.progress import track
from whichpage.cores import usable_cores
from whichpage.types import Colour, Grey

DPI = 200  # as pdf2image renders where nothing else is said
GALLERY_SIDE = 480  # the shorter side, as torchvision's Resize(480) makes it


@dataclass(frozen=True)
class Query:
    """A page of the protocol.

    book: the file; page: 1-based.
    share: of the page that its augmented view has, 0.2 to 1.
    bare: whether that is paper without any print, by which no page can be told.
    folder: where its pictures are.
    """

    book: Path
    page: int
    share: float
    bare: bool
    folder: Path

    @property
    def name(self) -> str:
        """The page's name in the way of the article: five hex digits of the book's name, and the page."""
        return _name(self.book, self.page)

    def view(self) -> Colour:
        """The augmented view, (320, 320, 3) uint8 RGB."""
        return np.asarray(Image.open(self.folder / f"{self.name}.view.png"), np.uint8)

    def drawn(self) -> article_views.View:
        """How its view was drawn."""
        said = json.loads((self.folder / f"{self.name}.json").read_text(encoding="ascii"))
        return article_views.View(**{key: value for key, value in said.items() if key != "bare"})

    def clean(self) -> Grey:
        """The page as it is, (H, W) uint8, its shorter side 480 pixels."""
        return np.asarray(Image.open(self.folder / f"{self.name}.page.png"), np.uint8)


def make_queries(books: Sequence[LongBook], folder: Path, *, seed: int) -> list[Query]:
    """Both pictures of every page of the books; those that are there already are not made again.

    folder: belongs to these books and this seed alone.
    """
    folder.mkdir(parents=True, exist_ok=True)
    jobs = [(book.path, page, folder, seed) for book in books for page in range(1, book.pages + 1)]
    with get_context("spawn").Pool(usable_cores(), _one_thread) as pool:
        made = pool.imap(_make, jobs, chunksize=8)
        return [query for _, query in zip(track(jobs, "views of the pages"), made, strict=True)]


def _one_thread() -> None:
    cv2.setNumThreads(1)


def _make(job: tuple[Path, int, Path, int]) -> Query:
    path, page, folder, seed = job
    name = _name(path, page)
    said = folder / f"{name}.json"
    if not said.exists():
        image = render(path, page)
        digest = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
        view = article_views.draw(np.random.default_rng([seed, digest]), *image.size)
        article_views.apply(view, image).save(folder / f"{name}.view.png", compress_level=1)
        _gallery(image).save(folder / f"{name}.page.png", compress_level=1)
        # Last and at once: where it stands, the pictures are whole.
        part = said.with_suffix(".part")
        drawn = {**asdict(view), "bare": article_views.is_bare(view, image)}
        part.write_text(json.dumps(drawn), encoding="ascii")
        part.replace(said)
    drawn = json.loads(said.read_text(encoding="ascii"))
    return Query(path, page, float(drawn["share"]), bool(drawn["bare"]), folder)


def _name(path: Path, page: int) -> str:
    return f"{hashlib.sha256(path.name.encode()).hexdigest()[:5]}_{page:04}"


def render(path: Path, page: int) -> Image.Image:
    """A page at 200 dpi, RGB."""
    bitmap = _document(path)[page - 1].render(scale=DPI / 72, rev_byteorder=True)
    image: Image.Image = bitmap.to_pil()
    return image.convert("RGB")


def _gallery(image: Image.Image) -> Image.Image:
    scale = GALLERY_SIDE / min(image.size)
    width, height = (max(1, int(side * scale)) for side in image.size)
    return image.convert("L").resize((width, height), Image.Resampling.BILINEAR)


@lru_cache(maxsize=1)
def _document(path: Path) -> pdfium.PdfDocument:
    return pdfium.PdfDocument(path)
