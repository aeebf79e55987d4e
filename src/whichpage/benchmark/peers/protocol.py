"""What every peer is: something that indexes pages of a library and says which of them a photo shows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

# Pages done, pages in all.
Progress = Callable[[int, int], None]
# How many pages an answer ranks.
RANKED = 5


@dataclass(frozen=True, slots=True)
class LibraryPage:
    """A page that peers index: the book's file and the 1-based page number."""

    source: Path
    number: int


@dataclass(frozen=True, slots=True)
class Ranked:
    """A page that a peer proposes for a photo.

    score: how well it fits, higher is better; comparable within one peer only.
    accepted: whether the peer gives it as its answer, by its rule.
    """

    page: LibraryPage
    score: float
    accepted: bool


@dataclass(frozen=True, slots=True)
class IndexCost:
    """What indexing cost.

    pages: how many pages the figures are of.
    seconds: wall time, reading and rendering of the pages included, all cores in use.
    bytes: of the files that answering needs, as they lie on disk.
    unreadable: how many of the pages could not be read.
    """

    pages: int
    seconds: float
    bytes: int
    unreadable: int = 0

    @property
    def seconds_a_page(self) -> float:
        return self.seconds / max(1, self.pages)

    @property
    def bytes_a_page(self) -> float:
        return self.bytes / max(1, self.pages)


class Peer(Protocol):
    """A way to find the page that a photo shows.

    name: as `--peers` and the table's rows have it.
    what: what it is and how it was set up, one sentence.
    rule: when it gives an answer, one sentence.
    kept: names what it keeps of a page: an index that was made under another name is of no use to it.
    """

    name: str
    what: str
    rule: str
    kept: str

    def index(self, pages: Sequence[LibraryPage], folder: Path, progress: Progress) -> IndexCost:
        """Makes itself ready to answer from these pages.

        What it writes goes below `folder`, which is its own and of these pages alone; interrupted at any
        moment, it goes on from there when called again, and its cost counts all the work that was kept.
        """

    def answer(self, photo: Path) -> list[Ranked]:
        """The pages that a photo may show, best first, those accepted before the others, `RANKED` at most.

        Raises:
            PhotoError: the photo cannot be read.
        """


def accept_first(found: Sequence[tuple[LibraryPage, float]], *, least: float) -> list[Ranked]:
    """The pages by falling score, the first one accepted if its score is at least `least`."""
    ranked = sorted(found, key=lambda one: -one[1])[:RANKED]
    return [
        Ranked(page, score, accepted=place == 0 and score >= least)
        for place, (page, score) in enumerate(ranked)
    ]


def answer_line(photo: str, seconds: float, ranked: Sequence[Ranked]) -> dict[str, Any]:
    """An answer as `whichpage find --json` has it, `score` in the place of `confidence` and `quad`."""
    return {
        "photo": photo,
        "status": "found" if any(one.accepted for one in ranked) else "not_found",
        "seconds": round(seconds, 4),
        "matches": [
            {
                "source": str(one.page.source),
                "page": one.page.number,
                "verified": one.accepted,
                "score": round(one.score, 4),
            }
            for one in ranked
        ],
    }
