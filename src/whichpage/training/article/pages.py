"""PDFs -> JPEG files as the article makes them: pdf2image, 200 dpi, names of a hash and the page."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pdf2image import convert_from_path, pdfinfo_from_path
from pdf2image.exceptions import PDFInfoNotInstalledError, PDFPageCountError

from whichpage.errors import SourceError, TrainingError
from whichpage.files import kind_of, scan

logger = logging.getLogger(__name__)

DPI = 200
THREADS = 8
# The article converts a book at once; so many pages at a time keep 200 dpi out of memory.
_AT_ONCE = 32


@dataclass(frozen=True)
class Book:
    """A book as the article knows it.

    path: the PDF. pages: its JPEG files in page order.
    """

    path: Path
    pages: tuple[Path, ...]


def name(pdf: Path, page: int) -> str:
    """The file name of a page, 1-based."""
    return f"{hashlib.sha256(pdf.name.encode()).hexdigest()[:5]}_{page:04}.jpg"


def convert(paths: Sequence[Path], out: Path) -> list[Book]:
    """Converts all PDFs below `paths`, sorted by file name; what was converted by an earlier run is kept.

    Raises:
        TrainingError: poppler is not installed, or two books would get the same names.
    """
    pdfs = sorted(_pdfs(paths), key=lambda path: (path.name, path))
    prefixes: dict[str, Path] = {}
    for pdf in pdfs:
        other = prefixes.setdefault(name(pdf, 1), pdf)
        if other != pdf:
            raise TrainingError(f"{other} and {pdf} would have pages of the same name; rename one.")
    out.mkdir(parents=True, exist_ok=True)
    books = []
    for pdf in pdfs:
        try:
            books.append(Book(pdf, _pages(pdf, out)))
        except PDFInfoNotInstalledError:
            raise TrainingError(
                "The article's recipe needs poppler's pdftoppm (Debian: apt-get install poppler-utils)."
            ) from None
        except PDFPageCountError:
            logger.warning("%s: cannot be read", pdf)
    return [book for book in books if book.pages]


def _pdfs(paths: Sequence[Path]) -> list[Path]:
    pdfs = []
    for found in scan(paths):
        if isinstance(found, SourceError):
            logger.warning("%s", found)
        elif found.path.is_file() and kind_of(found.path) == "pdf":
            pdfs.append(found.path)
    return pdfs


def _pages(pdf: Path, out: Path) -> tuple[Path, ...]:
    count = int(pdfinfo_from_path(str(pdf))["Pages"])
    files = tuple(out / name(pdf, page) for page in range(1, count + 1))
    for start in range(0, count, _AT_ONCE):
        some = files[start : start + _AT_ONCE]
        if all(file.exists() for file in some):
            continue
        logger.info("%s, from page %d of %d", pdf.name, start + 1, count)
        images = convert_from_path(
            str(pdf), dpi=DPI, thread_count=THREADS, first_page=start + 1, last_page=start + len(some)
        )
        for file, image in zip(some, images, strict=True):
            if not file.exists():
                part = file.with_suffix(".part")
                image.save(part, "JPEG")
                part.replace(file)
    return files


def split(books: Sequence[Book], *, learn: int, hold: int) -> tuple[list[Book], list[Book]]:
    """The first `learn` books to train on, the next `hold` to validate on.

    Raises:
        TrainingError: there are fewer.
    """
    if len(books) < learn + hold:
        raise TrainingError(
            f"There are {len(books)} PDFs, fewer than {learn} to learn from and {hold} to hold out:"
            " choose with --learn and --hold."
        )
    return list(books[:learn]), list(books[learn : learn + hold])


def record(out: Path, train: Sequence[Book], val: Sequence[Book]) -> None:
    """Keeps beside the run which books were which.

    Raises:
        TrainingError: an earlier run in the folder had others.
    """
    wanted = {"train": [book.path.name for book in train], "val": [book.path.name for book in val]}
    file = out / "books.json"
    if file.exists() and json.loads(file.read_text(encoding="utf-8")) != wanted:
        raise TrainingError(f"{out} holds a training on other books; name another folder.")
    file.write_text(json.dumps(wanted, indent=1) + "\n", encoding="utf-8")
