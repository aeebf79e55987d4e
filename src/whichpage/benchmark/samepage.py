"""When two pages are the same page: a page that a library has twice is right under either name.

The rule is that of the project's scoring: equal text without its white space, equal size, and pictures of
96 pixels height that differ by less than 3 grey levels on average.
"""

from __future__ import annotations

import csv
import logging
from collections.abc import Callable, Iterable, Mapping
from functools import cache, lru_cache
from pathlib import Path, PurePath

import numpy as np
import pypdfium2 as pdfium
from numpy.typing import NDArray

from whichpage.benchmark.truth import TruthError
from whichpage.files import ends_with

LOOK_HEIGHT = 96
LOOK_DIFFERENCE = 3.0

_log = logging.getLogger(__name__)

Look = tuple[str, NDArray[np.float64]]


def look_at(document: pdfium.PdfDocument, page: int) -> Look:
    """A page's text without white space, and its grey picture (96, W) float."""
    opened = document[page - 1]
    try:
        text = opened.get_textpage()
        try:
            words = "".join(text.get_text_bounded().split())
        finally:
            text.close()
        _, height = opened.get_size()
        bitmap = opened.render(scale=LOOK_HEIGHT / height, grayscale=True)
        return words, bitmap.to_numpy().squeeze().astype(np.float64)
    finally:
        opened.close()


def alike(one: Look, other: Look) -> bool:
    """Whether two looks are of the same page."""
    (text, picture), (other_text, other_picture) = one, other
    if text != other_text or picture.shape != other_picture.shape:
        return False
    return bool(np.abs(picture - other_picture).mean() < LOOK_DIFFERENCE)


class SamePage:
    """Compares an answer's page with a true one.

    locate: where the book is that a truth file names; None when it is nowhere.
    duplicates: groups of equal pages as `whichpage bench fetch` finds them, so that no file need be
        opened: (pdf, page) -> number of the group. Without it, pages are rendered and compared.
    """

    def __init__(
        self,
        locate: Callable[[str], Path | None],
        duplicates: Mapping[tuple[str, int], int] | None = None,
    ) -> None:
        self._locate = locate
        self._duplicates = duplicates
        self._look = lru_cache(maxsize=4096)(_look)

    def __call__(self, source: str, page: int, truth_pdf: str, truth_page: int) -> bool:
        """Whether page `page` of the file `source` is page `truth_page` of the book `truth_pdf`."""
        if page == truth_page and ends_with(PurePath(source), truth_pdf):
            return True
        if self._duplicates is not None:
            group = self._duplicates.get((truth_pdf, truth_page))
            return group is not None and group in {
                self._duplicates.get((name, page)) for name in _endings(source)
            }
        place = self._locate(truth_pdf)
        if place is None:
            return False
        here, there = self._look(source, page), self._look(str(place), truth_page)
        return here is not None and there is not None and alike(here, there)


def _look(pdf: str, page: int) -> Look | None:
    """The look of a page; None when its file is no readable PDF, and so cannot be the same page."""
    try:
        document = pdfium.PdfDocument(pdf)
    except (pdfium.PdfiumError, OSError) as error:
        _log.info("%s is not compared: %s", pdf, error)
        return None
    try:
        return look_at(document, page)
    except (pdfium.PdfiumError, IndexError) as error:
        _log.info("page %d of %s is not compared: %s", page, pdf, error)
        return None
    finally:
        document.close()


def _endings(source: str) -> Iterable[str]:
    """`/a/b/c.pdf` -> `a/b/c.pdf`, `b/c.pdf`, `c.pdf`."""
    parts = [part for part in PurePath(source).as_posix().split("/") if part]
    return ("/".join(parts[start:]) for start in range(len(parts)))


def books_by_ending(files: Iterable[Path], folder: Path | None = None) -> Callable[[str], Path | None]:
    """Finds the book that a truth file names: below `folder` when one is given, else among `files`."""
    known = list(files)

    @cache
    def locate(pdf: str) -> Path | None:
        if folder is not None:
            return folder / pdf
        return next((path for path in known if ends_with(path, pdf)), None)

    return locate


def read_duplicates(path: Path) -> dict[tuple[str, int], int]:
    """A duplicate map, a CSV with the columns group, pdf, page; see `whichpage bench fetch`.

    Raises:
        TruthError: it cannot be read.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return {(row["pdf"], int(row["page"])): int(row["group"]) for row in csv.DictReader(file)}
    except OSError as error:
        raise TruthError(f"the duplicate map {path} cannot be read: {error.strerror}") from error
    except (KeyError, ValueError, TypeError, csv.Error) as error:
        raise TruthError(f"{path} is no duplicate map: a CSV with the columns group, pdf, page") from error
