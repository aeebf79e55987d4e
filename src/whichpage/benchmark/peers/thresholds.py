"""From which score each peer should answer, from its answers to simulated photos.

usage: python -m whichpage.benchmark.peers.thresholds REPORT.json TRUTH.csv... --library DIR

REPORT.json is what `whichpage bench peers TRUTH.csv...` wrote. A peer's best wrong page is what it would have
put first, were the true page not in the library; the threshold is the lowest score that at most one in
fifty of these reach. A page beside the true one, or one that prints nearly the same, may well be what the
photo shows: such are left aside. Never to be used on photos that anything is measured on.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from whichpage.benchmark.samepage import SamePage, books_by_ending
from whichpage.benchmark.scoring import Compares
from whichpage.benchmark.truth import TruthPhoto, read_truths
from whichpage.catalog import Catalog
from whichpage.sameprint import prints_like

WRONG_RATE = 0.02


@dataclass(frozen=True, slots=True)
class Scored:
    """A page that a peer ranked for a photo, and its score."""

    truth: TruthPhoto
    source: str
    page: int
    score: float


def scored(
    truths: Sequence[TruthPhoto], answers: Mapping[str, Mapping[str, Any]], *, same: Compares
) -> tuple[list[Scored], list[Scored]]:
    """The right and the wrong pages of all photos, highest scores first."""
    right: list[Scored] = []
    wrong: list[Scored] = []
    for truth in truths:
        for match in answers[str(truth.photo)]["matches"]:
            true = any(same(match["source"], match["page"], truth.pdf, page) for page in truth.pages)
            one = Scored(truth, match["source"], match["page"], match["score"])
            (right if true else wrong).append(one)
    for pages in (right, wrong):
        pages.sort(key=lambda one: -one.score)
    return right, wrong


def threshold(
    wrong: Sequence[Scored],
    *,
    photos: int,
    unclear: Callable[[Scored], bool] = lambda _: False,
    rate: float = WRONG_RATE,
) -> float:
    """The lowest score that the wrong pages of at most `rate` of the photos reach.

    A page that scores as much as the highest wrong page that must not be answered is not answered.

    Args:
        wrong: as `scored` gives them.
        photos: how many photos the peer was asked for.
        unclear: whether a page may be in the photo after all; such are neither right nor wrong.
        rate: the share of photos that may be answered wrongly, were their page not in the library.
    """
    allowed = math.floor(rate * photos)
    answered: set[Path] = set()
    for one in wrong:
        if one.truth.photo in answered or unclear(one):
            continue
        answered.add(one.truth.photo)
        if len(answered) > allowed:
            return math.nextafter(one.score, math.inf)
    return -math.inf


class Unclear:
    """Whether a photo may show a page that is not its true one: one beside it, or one that prints the same.

    locate: where the book is that a truth file names.
    """

    def __init__(
        self,
        catalog: Catalog,
        same: SamePage,
        locate: Callable[[str], Path | None],
    ) -> None:
        self._catalog, self._same, self._locate = catalog, same, locate
        self._printed = set(catalog.codes()[0].tolist())  # all pages but blank ones

    def __call__(self, one: Scored) -> bool:
        truth = one.truth
        if any(self._same(one.source, one.page, truth.pdf, beside) for beside in truth.beside):
            return True
        (true,) = truth.pages
        book = self._locate(truth.pdf)
        assert book is not None, "the peer was asked over pages of this library"
        pages = [self._page_id(book, true), self._page_id(Path(one.source), one.page)]
        if not self._printed.issuperset(pages):
            return False
        thumbnails = self._catalog.encoded_thumbnails(pages)
        return prints_like(thumbnails[0], thumbnails[1:])[0]

    def _page_id(self, file: Path, number: int) -> int:
        return self._catalog.page_id(self._catalog.book_at(file).id, number)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("report", type=Path)
    parser.add_argument("truths", type=Path, nargs="+")
    parser.add_argument("--library", type=Path, required=True)
    arguments = parser.parse_args()
    truths = [truth for truth in read_truths(arguments.truths) if not truth.absent]
    report = json.loads(arguments.report.read_text(encoding="utf-8"))
    with Catalog.open(arguments.library) as catalog:
        # By all names: a copy of a book is kept under the first of them.
        locate = books_by_ending(catalog.known())
        same = SamePage(locate)
        unclear = Unclear(catalog, same, locate)
        for name, peer in report["data"]["peers"].items():
            answers = {answer["photo"]: answer for answer in peer["answers"]}
            right, wrong = scored(truths, answers, same=same)
            least = threshold(wrong, photos=len(truths), unclear=unclear)
            found = len({one.truth.photo for one in right if one.score >= least})
            sys.stdout.write(f"{name}: answers above {least:.4f}; {found} of {len(truths)} photos reach it\n")


if __name__ == "__main__":
    main()
