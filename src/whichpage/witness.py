"""What the text in one photo says: which pages hold it, and whether a page that looks right does."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from functools import cached_property
from typing import Protocol

from whichpage import textmatch
from whichpage.photo import Photo
from whichpage.reading import ReadLine
from whichpage.types import PageView, Quad


class Reads(Protocol):
    """What finding needs of a reader of text."""

    def read(self, photo: Photo, views: Sequence[PageView]) -> Iterable[ReadLine]:
        """Lines of text in a photo, `reading.MOST_LINES` at most; each is read when it is asked for.

        views: where the page finder sees pages.
        """
        ...


class TextWitness:
    """One photo's text. Reading takes long, so each line is read once, when it is first asked for.

    views: where the page finder sees pages, as far as it has looked; read is what they show.
    """

    def __init__(
        self,
        photo: Photo,
        reader: Reads | None,
        store: textmatch.TextStore,
        lap: Callable[[str], None],
    ) -> None:
        """
        reader: None where looks alone shall tell: then nothing is read.
        lap: told when a stage, "read" or "search", is done.
        """
        self.views: Sequence[PageView] = ()
        self._photo, self._reader, self._store, self._lap = photo, reader, store, lap
        self._read: list[ReadLine] = []
        self._unread = self._recognised()

    @cached_property
    def _reading(self) -> Reads | None:
        """The reader; None also where the library holds no text to compare with what it would read."""
        return self._reader if self._reader is not None and self._store.has_text() else None

    def _recognised(self) -> Iterator[ReadLine]:
        """The lines, each read off the photo when it is asked for."""
        if self._reading is not None:
            for line in self._reading.read(self._photo, self.views):
                self._lap("read")
                yield line
            self._lap("read")

    def _each(self) -> Iterator[ReadLine]:
        """The lines of the photo: those that were read before, then the others as they are read."""
        yield from self._read
        for line in self._unread:
            self._read.append(line)
            yield line

    @property
    def lines(self) -> Sequence[ReadLine]:
        """The lines that were read off the photo so far."""
        return tuple(self._read)

    def pages(self, *, among: Container[int], top: int, threads: Executor) -> list[int]:
        """The ids of the pages `among` those searched that hold most of the lines, best first.

        Threads look lines up while further ones are read.
        """
        votes = textmatch.candidates(self._each(), self._store, among=among, top=top, threads=threads)
        self._lap("search")
        return [page_id for page_id, _ in votes]

    def contradicts(self, page_id: int, quad: Quad) -> bool:
        """Whether the page, lying at `quad` in working pixels, has other text than the photo has there.

        False where there is too little text on either side to tell.
        """
        if self._reading is None:
            return False
        (printed,) = self._store.printed_lines([page_id])
        return textmatch.can_tell(printed) and textmatch.contradicts(self._each(), printed, quad)
