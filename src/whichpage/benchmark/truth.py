"""Truth files: which page each measuring photo shows.

A CSV with the columns photo (a file beside the truth file), pdf (the end of the book's path; empty when
the photo shows a page of no book in the library), page (1-based; "12|13" when the photo shows both)
and stratum (the kind of photo, by which results are told apart). A column beside may name further pages of
the book that are in the photo, in part or whole, though it was not made for their sake.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from whichpage.errors import WhichpageError

_COLUMNS = ("photo", "pdf", "page", "stratum")


class TruthError(WhichpageError):
    """A truth file cannot be used."""


@dataclass(frozen=True, slots=True)
class TruthPhoto:
    """One photo and what it shows.

    photo: the file.
    stratum: the kind of photo.
    pdf: the end of the book's path, with `/`; "" when the page is in no book of the library.
    pages: the 1-based numbers of the pages it shows; empty when the page is in no book.
    shows: the sheet of paper where these do not say it.
    beside: pages that are in the photo too, and right to answer, but need not be.
    """

    photo: Path
    stratum: str
    pdf: str
    pages: frozenset[int]
    shows: str = ""
    beside: frozenset[int] = frozenset()

    @property
    def seen(self) -> frozenset[int]:
        """All pages that are in the photo."""
        return self.pages | self.beside

    @property
    def sheet(self) -> str:
        """Tells which photos are of the same sheet of paper: such succeed and fail together."""
        return self.shows or (f"{self.pdf}:{min(self.pages)}" if self.pages else str(self.photo))

    def struck(self) -> TruthPhoto:
        """The same photo, were what it shows in no book."""
        return replace(self, pdf="", pages=frozenset(), beside=frozenset(), shows=self.sheet)

    @property
    def absent(self) -> bool:
        """Whether the only right answer is "not in this library"."""
        return not self.pdf


def read_truth(path: Path) -> list[TruthPhoto]:
    """The photos of a truth file, in its order.

    Raises:
        TruthError: it is missing, lacks a column, or has a row that cannot be understood.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            missing = [column for column in _COLUMNS if column not in (reader.fieldnames or ())]
            if missing:
                raise TruthError(f"{path} is no truth file: it has no column {', '.join(missing)}")
            return [_photo(path, number, row) for number, row in enumerate(reader, 2)]
    except OSError as error:
        raise TruthError(f"the truth file {path} cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise TruthError(f"{path} is no truth file: {error}") from error


def read_truths(paths: Iterable[Path]) -> list[TruthPhoto]:
    """The photos of several truth files.

    Raises:
        TruthError: as `read_truth`; also when there is no photo at all, or one that is not there.
    """
    truths = [truth for path in paths for truth in read_truth(path)]
    if not truths:
        raise TruthError("the truth files name no photo")
    for truth in truths:
        if not truth.photo.is_file():
            raise TruthError(f"{truth.photo}: the truth file names this photo, but it is not there")
    if len({truth.photo for truth in truths}) < len(truths):
        raise TruthError("the truth files name a photo twice")
    return truths


def _photo(path: Path, line: int, row: dict[str, str | None]) -> TruthPhoto:
    photo, pdf, page, stratum = (row[column] for column in _COLUMNS)
    also = row.get("beside") or ""
    if not photo or not stratum or pdf is None or page is None or None in row:
        raise TruthError(f"{path}, line {line}: photo and stratum must be given, in four columns")
    try:
        pages = _numbers(page) if pdf else frozenset()
        beside = _numbers(also) if pdf and also else frozenset()
    except ValueError:
        raise TruthError(f"{path}, line {line}: {page!r} is no page number") from None
    if any(number < 1 for number in pages | beside):
        raise TruthError(f"{path}, line {line}: pages count from 1")
    return TruthPhoto(path.parent / photo, stratum, pdf, pages, beside=beside)


def _numbers(said: str) -> frozenset[int]:
    return frozenset(int(number) for number in said.split("|"))
