"""Lines read off a photo find their page, and where on the photo it lies."""

from __future__ import annotations

import random
import string
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from whichpage.printed import PrintedLine, normalise
from whichpage.reading import MOST_LINES, ReadLine
from whichpage.textmatch import can_tell, candidates, contradicts, pieces, place

SIZE = (480, 336)
THREADS = ThreadPoolExecutor(2)
ALPHABET = string.ascii_lowercase
CORNERS = np.array([[190, 150], [930, 180], [1000, 1260], [110, 1220]], np.float32)


def page(seed: int, lines: int = 30) -> tuple[PrintedLine, ...]:
    """Lines of random letters, as long as chance has it, one below the other."""
    dice = random.Random(seed)
    printed = []
    for number in range(lines):
        text = "".join(dice.choices(string.ascii_lowercase, k=dice.randint(30, 60)))
        y = 0.1 + 0.8 * number / lines
        printed.append(PrintedLine(text, (0.1, y), (0.1 + 0.8 * len(text) / 60, y)))
    return tuple(printed)


def read(printed: Sequence[PrintedLine], corners: NDArray[np.float32] = CORNERS) -> list[ReadLine]:
    """The lines as a photo has them whose page lies at these corners."""
    unit = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    matrix = cv2.getPerspectiveTransform(unit, corners)
    lines = []
    for one in printed:
        ends = cv2.perspectiveTransform(np.array([[one.start, one.end]], np.float32), matrix)[0]
        start, end = ((float(x), float(y)) for x, y in ends)
        lines.append(ReadLine(one.text, start, end))
    return lines


class Texts:
    """A catalogue of pages by their number."""

    def __init__(self, pages: dict[int, tuple[PrintedLine, ...]]) -> None:
        self.pages = pages

    def has_text(self) -> bool:
        return bool(self.pages)

    def pages_with(self, piece: str, *, most: int) -> list[int] | None:
        found = [n for n, lines in self.pages.items() if any(piece in line.text for line in lines)]
        return found if len(found) <= most else None

    def printed_lines(self, page_ids: Sequence[int]) -> list[tuple[PrintedLine, ...]]:
        return [self.pages[page_id] for page_id in page_ids]


def test_pieces_are_ten_to_longest_characters_and_overlap_by_half() -> None:
    assert pieces("a" * 9) == []
    assert pieces("abcdefghij") == ["abcdefghij"]
    assert pieces(ALPHABET[:24], longest=24) == [ALPHABET[:24]]
    line = (ALPHABET * 2)[:48]
    assert pieces(line, longest=24) == [line[0:24], line[12:36], line[24:48]]


@pytest.mark.parametrize("length", [25, 37, 100])
def test_pieces_cover_the_line_to_its_end(length: int) -> None:
    line = (ALPHABET * 4)[:length]
    found = pieces(line, longest=24)
    assert line.startswith(found[0])
    assert line.endswith(found[-1])
    assert {len(piece) for piece in found} == {24}
    # No gap: each piece begins within the one before.
    assert len(found) == -(-(length - 24) // 12) + 1


def test_the_page_with_most_pieces_comes_first() -> None:
    """Page 3 repeats a line of page 2, so both share that line's votes."""
    pages = {number: page(number) for number in range(1, 6)}
    pages[3] = (*pages[3], pages[2][4])
    found = candidates(read(pages[2][:6]), Texts(pages), among=pages, top=5, threads=THREADS)
    assert [number for number, _ in found] == [2, 3]
    shared = len(pieces(pages[2][4].text))
    assert found[1][1] == pytest.approx(shared / 2)
    every = sum(len(pieces(line.text)) for line in pages[2][:6])
    assert found[0][1] == pytest.approx(every - shared / 2)


def test_what_is_on_many_pages_has_no_vote_and_what_is_not_searched_no_chance() -> None:
    same = page(1)
    many = dict.fromkeys(range(60), same)
    assert candidates(read(same), Texts(many), among=many, top=5, threads=THREADS) == []
    two = {1: page(1), 2: page(2)}
    assert candidates(read(two[2]), Texts(two), among={1}, top=5, threads=THREADS) == []


def test_lines_are_looked_up_while_further_ones_are_read() -> None:
    asked = threading.Event()

    class Watched(Texts):
        def pages_with(self, piece: str, *, most: int) -> list[int] | None:
            asked.set()
            return super().pages_with(piece, most=most)

    pages = {1: page(1)}

    def reading() -> Iterator[ReadLine]:
        first, *others = read(pages[1])
        yield first
        assert asked.wait(10), "the first line waits for the last one"
        yield from others

    assert [
        number for number, _ in candidates(reading(), Watched(pages), among=pages, top=5, threads=THREADS)
    ] == [1]


@pytest.mark.parametrize(
    ("known", "score", "taken"),
    [
        ([], 0.95, 5),
        ([0, 3], 0.95, 16),
        ([3, 4], 0.95, 16),
        ([3, 8], 0.95, 5),  # nobody has looked for the other one yet
        ([], 0.85, 16),
    ],
)
def test_no_more_lines_are_taken_of_a_text_that_is_in_no_book(
    known: list[int], score: float, taken: int
) -> None:
    """Of sixteen lines, two of which may be on a page, each read so surely."""
    pages = {1: page(1), 2: page(2)}
    lines = read(page(3)[:16])
    for number in known:
        lines[number] = read(pages[2])[number]
    count = 0

    def reading() -> Iterator[ReadLine]:
        nonlocal count
        for line in lines:
            count += 1
            yield replace(line, score=score)

    found = candidates(reading(), Texts(pages), among=pages, top=5, threads=THREADS)
    assert [number for number, _ in found] == ([2] if taken == 16 and known else [])
    assert count == taken


@pytest.mark.parametrize("longer", [0, 1])
def test_text_in_no_book_has_no_candidates_whatever_follows(longer: int) -> None:
    """One of five lines is on a page by chance, and so may the sixth be."""
    pages = {1: page(1), 2: page(2)}
    lines = [*read(page(3)[:4]), read(pages[1])[4], *read(pages[2])[:longer]]
    assert candidates(lines, Texts(pages), among=pages, top=5, threads=THREADS) == []


def test_text_of_pages_that_are_not_searched_is_in_no_book() -> None:
    pages = {1: page(1), 2: page(2)}
    taken = iter(read(pages[1]))
    assert candidates(taken, Texts(pages), among={2}, top=5, threads=THREADS) == []
    assert len(list(taken)) == 30 - 5


def test_a_line_of_many_pages_may_be_on_any() -> None:
    """A line that sixty pages have, and one that one of them has: that page may have the others as well."""
    common = page(1)[0]
    pages = {number: (common, *page(number + 5)[1:]) for number in range(60)}
    lines = [common, pages[7][3], *page(2)[:8], pages[7][9]]
    found = candidates(read(lines), Texts(pages), among=pages, top=1, threads=THREADS)
    assert [number for number, _ in found] == [7]
    assert found[0][1] > len(pieces(pages[7][3].text))


def test_short_lines_do_not_tell_that_a_text_is_in_no_book() -> None:
    pages = {1: page(1)}
    short = [replace(line, text=line.text[:19]) for line in read(page(3)[:15])]
    found = candidates([*short, read(pages[1])[4]], Texts(pages), among=pages, top=5, threads=THREADS)
    assert [number for number, _ in found] == [1]


def blurred(lines: list[ReadLine], every: int) -> list[ReadLine]:
    """The lines with one letter in so many read as a sign that no page has, none of them surely."""
    return [
        replace(
            line,
            text="".join("#" if n % every == every - 1 else c for n, c in enumerate(line.text)),
            score=0.8,
        )
        for line in lines
    ]


def test_blurred_lines_find_their_page_by_shorter_pieces() -> None:
    """Each piece of 24 letters holds a misread one, one in three of 12 letters none."""
    pages = {number: page(number) for number in range(1, 6)}
    lines = blurred(read(pages[2][2:28:3]), 17)
    store = Texts(pages)
    assert not any(store.pages_with(piece, most=50) for line in lines for piece in pieces(line.text))
    found = candidates(lines, store, among=pages, top=5, threads=THREADS)
    assert [number for number, _ in found] == [2]
    placed = place(lines, pages[2], size=SIZE)
    assert placed is not None
    assert placed.groups >= 5
    assert float(np.abs(placed.quad - CORNERS).max()) < 5


def test_the_page_lies_where_its_lines_are() -> None:
    printed = page(7)
    placed = place(read(printed[2:28:3]), printed, size=SIZE)
    assert placed is not None
    assert placed.groups == 9
    assert float(np.abs(placed.quad - CORNERS).max()) < 1


@pytest.mark.parametrize("turn", [0, 1, 2, 3])
def test_a_few_lines_close_together_tell_the_page_roughly(turn: int) -> None:
    """An upright photo of the middle of a page, at each of the four turns."""
    height, width = SIZE
    flat = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32) * 4
    corners = np.asarray(np.roll(flat, turn, axis=0)) if turn % 2 == 0 else None
    if corners is None:
        across = np.array([[0, 0], [height, 0], [height, width], [0, width]], np.float32) * 4
        corners = np.asarray(np.roll(across, turn, axis=0))
    printed = page(8)
    placed = place(read(printed[12:15], corners), printed, size=SIZE)
    assert placed is not None
    assert placed.groups == 3
    assert float(np.abs(placed.quad - corners).max()) < 0.03 * 4 * height


def test_lines_that_contradict_the_others_do_not_count() -> None:
    printed = page(9)
    lines = read(printed[2:28:3])
    lines[4] = ReadLine(lines[4].text, (900.0, 200.0), (300.0, 1100.0))
    placed = place(lines, printed, size=SIZE)
    assert placed is not None
    assert placed.groups == 8
    assert float(np.abs(placed.quad - CORNERS).max()) < 1


def test_misread_letters_cost_pieces_and_not_the_page() -> None:
    printed = page(10)
    lines = read(printed[2:28:3])
    wrong = [ReadLine(f"{one.text[:7]}?{one.text[8:]}", one.start, one.end) for one in lines]
    placed = place(wrong, printed, size=SIZE)
    assert placed is not None
    assert placed.groups >= 6
    assert float(np.abs(placed.quad - CORNERS).max()) < 5


def test_a_page_of_other_text_one_line_and_a_mirror_image_have_no_place() -> None:
    printed = page(11)
    assert place(read(page(12)), printed, size=SIZE) is None
    assert place(read(printed[:1]), printed, size=SIZE) is None
    assert place([], printed, size=SIZE) is None
    assert place(read(printed), (), size=SIZE) is None
    mirrored = np.ascontiguousarray(CORNERS[[1, 0, 3, 2]])
    assert place(read(printed, mirrored), printed, size=SIZE) is None


def test_a_line_that_a_page_has_twice_tells_no_place() -> None:
    printed = page(13)
    twice = (*printed, PrintedLine(printed[3].text, (0.1, 0.95), (0.8, 0.95)))
    assert place(read(printed[3:4] * 3), twice, size=SIZE) is None


def misread(line: ReadLine, dice: random.Random) -> ReadLine:
    """One letter in ten is another one."""
    letters = (dice.choice(ALPHABET) if dice.random() < 0.1 else letter for letter in line.text)
    return replace(line, text="".join(letters))


def test_a_page_that_holds_what_was_read_is_not_contradicted() -> None:
    dice = random.Random(4)
    lines = [misread(line, dice) for line in read(page(1))[3:9]]
    assert not contradicts(lines, page(1), CORNERS)


def test_a_page_with_other_words_is_contradicted() -> None:
    assert contradicts(read(page(2))[3:9], page(1), CORNERS)


@pytest.mark.parametrize(("shared", "other"), [(5, False), (4, False), (3, True), (2, True)])
def test_a_sheet_of_the_same_form_shares_some_of_the_lines(shared: int, other: bool) -> None:
    """Of six lines; half of them may be the form's own."""
    lines = read(page(1))[:shared] + read(page(2))[shared:6]
    assert contradicts(lines, page(1), CORNERS) is other


@pytest.mark.parametrize(("others", "taken"), [(0, 10), (2, 12), (6, 16)])
def test_no_more_lines_are_taken_than_are_needed(others: int, taken: int) -> None:
    """Ten held lines of sixteen are enough; where lines are not on the page, as many more are asked for."""
    lines = iter(read(page(2))[:others] + read(page(1))[others:MOST_LINES])
    assert not contradicts(lines, page(1), CORNERS)
    assert len(list(lines)) == MOST_LINES - taken


ENGLISH = [
    "it was the season of light and the season of darkness",
    "we had everything before us and we had nothing before us",
    "there were a king with a large jaw and a queen with a plain face",
    "mere messages in the earthly order of events had lately come",
    "the likeness of their houses is clearer than crystal to them",
    "rooted in the woods there grew trees already marked to come down",
]
JAPANESE = [
    "吾輩は猫である名前はまだ無い",
    "どこで生れたかとんと見当がつかぬ",
    "何でも薄暗いじめじめした所で泣いていた",
    "吾輩はここで始めて人間というものを見た",
    "しかもあとで聞くとそれは書生という人間であった",
    "この書生というのは時々我々を捕えて煮て食うという話である",
]


@pytest.mark.parametrize("lines", [ENGLISH, JAPANESE], ids=["english", "japanese"])
def test_a_garbled_text_contradicts_nothing(lines: list[str]) -> None:
    """Each letter is another one, as where a font does not say which letters it draws."""

    def printed(texts: Sequence[str]) -> tuple[PrintedLine, ...]:
        normal = map(normalise, texts)
        return tuple(PrintedLine(text, (0.1, 0.1 * n), (0.9, 0.1 * n)) for n, text in enumerate(normal, 1))

    def garbled(text: str) -> str:
        latin = str.maketrans(ALPHABET, ALPHABET[5:] + ALPHABET[:5])
        return "".join(one if one <= "z" else chr(0x4E00 + ord(one) * 37 % 0x5000) for one in text).translate(
            latin
        )

    shown = read(printed(lines[:3]))
    assert contradicts(shown, printed(lines[3:] * 6), CORNERS)
    exchanged = [garbled(normalise(text)) for text in lines] * 3
    assert not contradicts(shown, printed(exchanged), CORNERS)
    # What holds one of the lines is not garbled, whatever else is said; of a short text nobody can tell.
    assert contradicts(shown, printed([lines[0], *exchanged]), CORNERS)
    assert contradicts(shown, printed(["".join(exchanged)[:299]]), CORNERS)
    # Another script is no garbled one: so does a translation look.
    translation = JAPANESE if lines is ENGLISH else ENGLISH
    assert contradicts(shown, printed(translation * 3), CORNERS)


def test_too_little_text_contradicts_nothing() -> None:
    lines = read(page(2))[3:9]
    assert not contradicts(lines[:2], page(1), CORNERS)
    assert not contradicts([replace(line, text=line.text[:7]) for line in lines], page(1), CORNERS)
    assert not contradicts([replace(line, score=0.7) for line in lines], page(1), CORNERS)
    stamp = page(1)[:3]  # a scan whose text is no more than a stamp on its margin
    assert not contradicts(lines, stamp, CORNERS)


def test_lines_beside_the_page_say_nothing_of_it() -> None:
    beside = CORNERS + np.array([900, 0], np.float32)
    lines = read(page(2), beside)[3:9]
    assert not contradicts(lines, page(1), CORNERS)
    assert contradicts(lines, page(1), beside)


@pytest.mark.parametrize(
    ("text", "legible"),
    [("plain1", True), ("übergröße", True), ("頁のかな12", True), ("σελίδα", False), ("", False)],
)
def test_a_page_in_letters_that_cannot_be_read_cannot_tell(text: str, legible: bool) -> None:
    assert can_tell([PrintedLine(text, (0.1, 0.1), (0.9, 0.1))] if text else []) is legible
