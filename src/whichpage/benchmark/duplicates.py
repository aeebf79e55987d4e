"""Pages that a folder of PDFs has more than once: the duplicate map that scoring needs."""

from __future__ import annotations

import csv
import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pypdfium2 as pdfium
from numpy.typing import NDArray

from whichpage.benchmark.progress import track
from whichpage.benchmark.samepage import alike, look_at
from whichpage.cores import usable_cores


@dataclass(frozen=True, eq=False)
class _Seen:
    """A page as it looks.

    text: digest of its text without white space. picture: (96, W) uint8.
    """

    pdf: str
    page: int
    text: bytes
    picture: NDArray[np.uint8]


def duplicate_groups(
    folder: Path, pdfs: Sequence[Path], *, workers: int | None = None
) -> list[list[tuple[str, int]]]:
    """Groups of equal pages (`samepage.alike`), each (path below the folder, 1-based page), sorted.

    Equal is what a chain of equal pages joins. A file that is no readable PDF has no pages.
    """
    looks: dict[tuple[bytes, tuple[int, ...]], list[_Seen]] = defaultdict(list)
    with get_context("spawn").Pool(workers or usable_cores()) as pool:
        seen = pool.imap(_look_through, [(folder, pdf) for pdf in pdfs])
        for _, pages in zip(track(pdfs, "looking for pages that are there twice"), seen, strict=True):
            for page in pages:
                looks[page.text, page.picture.shape].append(page)
    groups = [group for pages in looks.values() if len(pages) > 1 for group in _joined(pages)]
    return sorted(group for group in groups if len(group) > 1)


def write_duplicates(path: Path, groups: Iterable[Sequence[tuple[str, int]]]) -> None:
    """Writes a duplicate map: a CSV with the columns group, pdf, page. It appears whole or not at all."""
    part = path.with_suffix(".part")
    with part.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("group", "pdf", "page"))
        writer.writerows((number, pdf, page) for number, group in enumerate(groups, 1) for pdf, page in group)
    part.replace(path)


def _look_through(job: tuple[Path, Path]) -> list[_Seen]:
    folder, path = job
    name = path.relative_to(folder).as_posix()
    try:
        document = pdfium.PdfDocument(path)
    except pdfium.PdfiumError:
        return []
    try:
        return list(_pages(document, name))
    finally:
        document.close()


def _pages(document: pdfium.PdfDocument, name: str) -> Iterator[_Seen]:
    for page in range(1, len(document) + 1):
        try:
            text, picture = look_at(document, page)
        except pdfium.PdfiumError:
            continue  # a page that cannot be read is equal to none
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
        yield _Seen(name, page, digest, picture.astype(np.uint8))


def _joined(pages: Sequence[_Seen]) -> list[list[tuple[str, int]]]:
    """Groups among pages of one text and one size."""
    groups: list[list[_Seen]] = []
    for page in pages:
        near = [group for group in groups if any(_alike(page, other) for other in group)]
        for group in near[1:]:
            near[0].extend(group)
            groups.remove(group)
        if near:
            near[0].append(page)
        else:
            groups.append([page])
    return [sorted((page.pdf, page.page) for page in group) for group in groups]


def _alike(one: _Seen, other: _Seen) -> bool:
    return alike(("", one.picture.astype(np.float64)), ("", other.picture.astype(np.float64)))
