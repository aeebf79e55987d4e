"""OCR of the photo, then full text search: over the books' own text, or over OCR of every page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
import pypdfium2 as pdfium

from whichpage.benchmark.peers.protocol import IndexCost, LibraryPage, Progress, Ranked, accept_first
from whichpage.benchmark.peers.steps import Steps
from whichpage.benchmark.peers.store import Describe, DescribedPages
from whichpage.benchmark.peers.text_index import TextIndex
from whichpage.errors import SourceError
from whichpage.photo import decode
from whichpage.sources import PdfSource, Source

# Pixels of a page that OCR reads when indexing: A4 at 150 dpi, and RapidOCR's own limit is 2,000.
_SCANNED_SIDE = 1754


@dataclass(frozen=True)
class OwnText:
    """Describes a page by the text that the PDF holds; other books hold none."""

    def __call__(self, source: Source, number: int) -> bytes:
        if not isinstance(source, PdfSource):
            return b""
        try:
            page = _document(source.path)[number - 1]
            text: str = page.get_textpage().get_text_bounded()
            page.close()
        except pdfium.PdfiumError:
            raise SourceError(source.path, f"page {number} is damaged") from None
        return text.encode("utf-8", "replace")


@lru_cache(maxsize=1)
def _document(path: Path) -> pdfium.PdfDocument:
    """The book that was read last, kept open: a `Source` gives pictures alone."""
    return pdfium.PdfDocument(path)


@dataclass(frozen=True)
class ReadText:
    """Describes a page by what OCR reads off it, as of a scan."""

    def __call__(self, source: Source, number: int) -> bytes:
        from whichpage.benchmark.peers.ocr import reader

        image = source.render_colour(number, long_side=_SCANNED_SIDE)
        return "\n".join(reader(1).lines(image)).encode()


class ReadingPeer:
    """The page with the most votes of the pieces of text that OCR reads off the photo."""

    def __init__(self, text: Literal["own", "scanned"], *, least_votes: float) -> None:
        """
        text: what is searched, the text that the PDFs hold, or OCR of every page.
        least_votes: how many votes a page must have for it to answer.
        """
        self.name = "ocr" if text == "own" else "ocr-scans"
        searched = "the PDFs' own text" if text == "own" else "OCR of every page as if it were a scan"
        self.what = (
            f"RapidOCR (PP-OCRv6 small) of the photo, SQLite FTS5 trigrams over {searched}; "
            "each piece of a line, 10 to 24 characters, has one vote, shared by the pages that it is on"
        )
        self.rule = f"answers with at least {least_votes:g} votes"
        self.kept = "text" if text == "own" else f"PP-OCRv6 {_SCANNED_SIDE}"
        self._describe: Describe = OwnText() if text == "own" else ReadText()
        self._least_votes = least_votes
        self._pages: Sequence[LibraryPage] = ()
        self._text: TextIndex | None = None

    def index(self, pages: Sequence[LibraryPage], folder: Path, progress: Progress) -> IndexCost:
        index = folder / "text.sqlite"
        steps = Steps(folder / "steps.json")
        with DescribedPages(folder / "read.sqlite") as described:
            described.fill(pages, self._describe, progress)
            texts = ((number, data.decode()) for number, data in described.rows())
            steps.do("full text", index, lambda file: TextIndex.build(file, texts))
            seconds, unreadable = described.seconds + steps.seconds, described.unreadable
        self._pages, self._text = pages, TextIndex(index)
        # What was read is kept to go on from, but answering needs the index alone.
        return IndexCost(len(pages), seconds, index.stat().st_size, unreadable)

    def answer(self, photo: Path) -> list[Ranked]:
        from whichpage.benchmark.peers.ocr import reader

        assert self._text is not None, "index first"
        lines = reader().lines(np.asarray(decode(photo).pixels, np.uint8))
        found = [(self._pages[number], votes) for number, votes in self._text.votes(lines)]
        return accept_first(found, least=self._least_votes)
