"""Lines read off a photo -> pages that hold them, and where on the photo such a page lies.

Each piece of a line votes for the pages whose text has it. On a page, the pieces that are there once tie
points of the photo to points of the page; where the page lies is what most of them agree on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Sequence
from concurrent.futures import Executor, Future, wait
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray
from rapidfuzz import fuzz

from whichpage import placing
from whichpage.printed import PrintedLine
from whichpage.reading import MOST_LINES, ReadLine, is_legible
from whichpage.types import Quad

# Characters of a piece that is looked up: shorter ones are on many pages, longer ones hold misread letters.
SHORTEST, LONGEST = 10, 24
# Of a line none of whose pieces is found: where print is blurred, one letter in ten is misread.
_SHORT = 12
# A piece found on more pages than this says nothing.
_MOST_PAGES = 50
# A photo's text is in no book if so many lines are so long and so surely read, and no page has two of them:
# then no more are taken. Of 25 simulated photos with such lines, 20 of whose pages have text, 124 of 147 were
# found on the right page, and of the first five of a photo at least three.
_TELLING_LENGTH, _TELLING_SCORE, _TELLING_LINES = 20, 0.9, 5
# Whether a page's text is the photo's is asked of lines of so many letters, of which the reader is so sure,
# if there are so many of them. A page holds a line if so much of it is alike, in percent, and it is another
# page if it holds less than this share of them. Chosen on simulated photos: none of 129 right pages is
# refused, and 8 of 15 sheets that are but of the same form.
_ASKED_LENGTH, _ASKED_SCORE, _ASKED_LINES = 8, 0.8, 3
_ALIKE, _HELD = 70.0, 0.6
# Share of a page's letters that the reader must know for its text to say anything.
_LEGIBLE = 0.9
# A text of so many letters that holds no line, and in which less than this share of the lines' pairs of
# letters occurs, is not another page's but garbled, as where a PDF does not say which letters its fonts draw.
# Of 3,836 pairs of pages of one book 2.6 % share so few, of the same with their letters exchanged 88 to 96 %.
_LONG_TEXT, _NOT_GARBLED = 300, 0.45
_FIRST_CJK = "\u2e80"
# Shorter pieces still tell where on a page a line stands, if the page has them once.
_SHORTEST_ON_PAGE = 5


class TextStore(Protocol):
    """What looking up text needs of the catalogue."""

    def has_text(self) -> bool:
        """Whether any page has text."""
        ...

    def pages_with(self, piece: str, *, most: int) -> list[int] | None:
        """The ids of the pages that hold a piece of normalised text; None if more than `most` do."""
        ...

    def printed_lines(self, page_ids: Sequence[int]) -> list[tuple[PrintedLine, ...]]:
        """The pages' lines of text, in the order of the ids."""
        ...


def pieces(line: str, *, longest: int = LONGEST) -> list[str]:
    """Overlapping pieces of 10 to `longest` characters of a normalised line; none of a shorter line.

    All are equally long, and each begins at the middle of the one before, or earlier.
    """
    return [line[start:end] for start, end in _cuts(line, longest=longest)]


def _cuts(line: str, *, longest: int = LONGEST) -> list[tuple[int, int]]:
    if len(line) < SHORTEST:
        return []
    if len(line) <= longest:
        return [(0, len(line))]
    count = -(-(len(line) - longest) // (longest // 2))
    starts = [round(k * (len(line) - longest) / count) for k in range(count + 1)]
    return [(start, start + longest) for start in starts]


def candidates(
    lines: Iterable[ReadLine], store: TextStore, *, among: Container[int], top: int, threads: Executor
) -> list[tuple[int, float]]:
    """(page id, votes) of the pages that the most pieces of the lines are on, best first.

    Each piece has one vote, shared by the pages that it is on. A line of which no piece is on any page is
    looked up by shorter ones. Pages that are not `among` those searched are left out. Threads look lines up
    while further ones are read; as reading takes long, no more are taken where so many were surely read that
    the text is seen to be in no book, and a page that has a piece of it by chance is no candidate.
    """
    sought: dict[str, Future[_Held]] = {}
    telling: list[Future[_Held]] = []
    for line in lines:
        if line.text in sought:
            continue
        sought[line.text] = threads.submit(_held, line.text, store)
        if len(line.text) >= _TELLING_LENGTH and line.score >= _TELLING_SCORE:
            telling.append(sought[line.text])
            # Waited for, as to look the line up takes less time than to read another one in vain.
            if len(telling) == _TELLING_LINES and not _may_share_a_page(telling, among):
                return []
    wait(sought.values())
    holders: dict[str, list[int]] = {}
    for found in sought.values():
        holders |= found.result().pages
    votes: dict[int, float] = {}
    for piece in sorted(holders):
        pages = [page for page in holders[piece] if page in among]
        for page_id in pages:
            votes[page_id] = votes.get(page_id, 0.0) + 1 / len(pages)
    return sorted(votes.items(), key=lambda one: (-one[1], one[0]))[:top]


@dataclass(frozen=True, slots=True)
class _Held:
    """What came of looking up a line.

    pages: the ids of those that hold each piece, but for pieces that too many do.
    common: whether there is such a piece.
    """

    pages: dict[str, list[int]]
    common: bool


def _held(text: str, store: TextStore) -> _Held:
    for longest in (LONGEST, _SHORT):
        found = {piece: store.pages_with(piece, most=_MOST_PAGES) for piece in pieces(text, longest=longest)}
        held = {piece: pages for piece, pages in found.items() if pages}
        common = any(pages is None for pages in found.values())
        # Where too many pages hold a piece, still more hold the shorter ones.
        if held or common:
            return _Held(held, common)
    return _Held({}, False)


def _may_share_a_page(telling: Sequence[Future[_Held]], among: Container[int]) -> bool:
    """Whether a page that is searched may hold two of these lines: else none holds the photo's text."""
    lines = [line.result() for line in telling]
    holding = (set(chain.from_iterable(line.pages.values())) for line in lines)
    times = Counter(page for page in chain.from_iterable(holding) if page in among)
    return max(times.values(), default=0) + sum(line.common for line in lines) >= 2


def can_tell(printed: Sequence[PrintedLine]) -> bool:
    """Whether a page's text may speak against it: it has some, in letters that the reader of photos knows."""
    text = "".join(line.text for line in printed)
    return bool(text) and sum(map(is_legible, text)) >= _LEGIBLE * len(text)


def contradicts(lines: Iterable[ReadLine], printed: Sequence[PrintedLine], quad: Quad) -> bool:
    """Whether a page lacks much of the text that the photo has where the page lies.

    Two sheets of one form look alike but for the words. Only lines that were read without doubt are asked
    for, and a few wrong letters in them are allowed: what counts is the normalised indel similarity with that
    part of the page's text that is most alike (`rapidfuzz.fuzz.partial_ratio`). A page whose text is shorter
    than what was read is a scan with a stamp or a heading, and is not judged. Nor is one whose text holds
    none of the lines and seldom has their pairs of letters, though its script is theirs: it is garbled.

    Args:
        lines: as read off the photo, `reading.MOST_LINES` at most. As reading takes long, no more of them are
            taken than are needed: none once the page holds enough, whatever the others say.
        printed: the page's.
        quad: (4, 2) the page's corners in working pixels.
    """
    text = "".join(line.text for line in printed)
    outline = quad.astype(np.float32)
    asked: list[str] = []
    held = letters = 0
    for number, line in enumerate(lines, start=1):
        if len(line.text) >= _ASKED_LENGTH and line.score >= _ASKED_SCORE and _lies_within(line, outline):
            asked.append(line.text)
            held += fuzz.partial_ratio(line.text, text) >= _ALIKE
            letters += len(line.text)
        if letters > len(text) or held >= _HELD * (len(asked) + MOST_LINES - number):
            return False
    if len(asked) < _ASKED_LINES or held >= _HELD * len(asked):
        return False
    return held > 0 or not _is_garbled(text, asked)


def _is_garbled(text: str, lines: Sequence[str]) -> bool:
    """Whether a page's text has letters as no text has them that is written as the lines are.

    Only long texts can tell, and only of lines in the same script: else it is a translation.
    """
    if len(text) < _LONG_TEXT or _is_cjk(text) != _is_cjk("".join(lines)):
        return False
    wanted = Counter(chain.from_iterable(map(_letters, lines)))
    have = set(_letters(text))
    return sum(count for pair, count in wanted.items() if pair in have) < _NOT_GARBLED * wanted.total()


def _is_cjk(text: str) -> bool:
    return 2 * sum(letter >= _FIRST_CJK for letter in text) > len(text)


def _letters(text: str) -> list[str]:
    """The pairs of letters of a normalised text; of Chinese and Japanese, which have so many, single ones."""
    pairs = [one + other for one, other in pairwise(text) if max(one, other) < _FIRST_CJK]
    return pairs + [letter for letter in text if letter >= _FIRST_CJK]


def _lies_within(line: ReadLine, outline: NDArray[np.float32]) -> bool:
    (x0, y0), (x1, y1) = line.start, line.end
    return cv2.pointPolygonTest(outline, ((x0 + x1) / 2, (y0 + y1) / 2), False) > 0


def place(
    lines: Sequence[ReadLine], printed: Sequence[PrintedLine], *, size: tuple[int, int]
) -> placing.Placed | None:
    """Where the page with the printed lines lies, by the lines that it shares with the photo.

    Args:
        lines: as read off the photo.
        printed: the page's.
        size: the page's height and width, in any unit.

    Returns:
        The place, each line being a group of points; None where fewer than two lines agree on one.
    """
    ties = _ties(lines, printed)
    if not ties:
        return None
    number = np.array([line for line, _, _ in ties])
    on_photo = np.array([point for _, point, _ in ties], np.float32)
    on_page = np.array([point for _, _, point in ties], np.float32)
    return placing.place(on_page, on_photo, number, size=size)


_Point = tuple[float, float]


def _ties(lines: Sequence[ReadLine], printed: Sequence[PrintedLine]) -> list[tuple[int, _Point, _Point]]:
    """(line of the photo, point on the photo, point on the page): ends of pieces that the page has once."""
    joined = "\n".join(line.text for line in printed)
    starts = np.cumsum([0, *(len(line.text) + 1 for line in printed)])
    ties = []
    for number, line in enumerate(lines):
        for start, end, at in _once(line.text, joined):
            row = int(np.searchsorted(starts, at, side="right")) - 1
            first = at - int(starts[row])
            for here, there in ((start, first), (end - 1, first + end - 1 - start)):
                ties.append((number, _along(line, here), _along(printed[row], there)))
    return ties


def _once(line: str, joined: str) -> list[tuple[int, int, int]]:
    """(start, end, at): pieces of a line that a page's text has once, and where; shorter ones if need be."""
    for longest in (LONGEST, _SHORT):
        cuts = _cuts(line, longest=longest)
        if not cuts and len(line) >= _SHORTEST_ON_PAGE:
            cuts = [(0, len(line))]
        places = [(start, end, joined.find(line[start:end])) for start, end in cuts]
        found = [
            (start, end, at)
            for start, end, at in places
            if at >= 0 and joined.find(line[start:end], at + 1) < 0
        ]
        if found:
            return found
    return []


def _along(line: ReadLine | PrintedLine, character: int) -> _Point:
    """The middle of a character, as if all were equally wide."""
    share = character / max(len(line.text) - 1, 1)
    (x0, y0), (x1, y1) = line.start, line.end
    return x0 + share * (x1 - x0), y0 + share * (y1 - y0)
