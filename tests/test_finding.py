"""From a photo to its answer: every stage, with the shipped models, on a library of drawn pages."""

from __future__ import annotations

import random
import string
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
from drawn import corner_errors, photo_of, text_page
from numpy.typing import NDArray
from onnx_file import write_one_view

from whichpage import verify
from whichpage.encoder import Encoder
from whichpage.errors import PhotoError
from whichpage.features import FeatureExtractor, pack
from whichpage.featuresearch import FeatureSearch, Proposal
from whichpage.finding import Finder
from whichpage.findoptions import FindOptions
from whichpage.index import FlatIndex
from whichpage.pagefinder import PageFinder
from whichpage.photo import Photo, decode
from whichpage.printed import PrintedLine
from whichpage.reading import ReadLine
from whichpage.sources import thumbnail
from whichpage.types import THUMBNAIL_PIXELS, Answer, Colour, Grey, Page, PageCodes, PageView

BOOK = Path("/books/drawn.pdf")
ID = 1000  # page n has id 1000 + n
PAGES = 16
# Where thumbnails are counted: the encoder is asked of no page that was laid, as it would need them again.
unasked = partial(FindOptions, hopeless=2.0)
CORNERS = np.array([[190, 150], [730, 180], [800, 1060], [110, 1020]], np.float32)


def corrected(page: Grey, other: Grey) -> Grey:
    """A later edition of a page: the lines in its middle are another text's."""
    later = page.copy()
    later[300:640] = other[300:640]
    return later


def told(seed: int) -> tuple[PrintedLine, ...]:
    """What the catalogue says is printed on a drawn page; its picture shows other letters."""
    dice = random.Random(seed)
    texts = ("".join(dice.choices(string.ascii_lowercase, k=40)) for _ in range(20))
    return tuple(
        PrintedLine(text, (0.1, y), (0.9, y))
        for text, y in zip(texts, np.linspace(0.1, 0.9, 20), strict=True)
    )


class Shelf:
    """A catalogue in memory: pages 1, 2, ... of one book.

    texts: what some of the pages hold.
    """

    def __init__(self, pages: list[Grey], texts: Mapping[int, tuple[PrintedLine, ...]] = {}) -> None:
        self.drawn = pages
        self.asked = 0
        self.texts = texts

    def has_text(self) -> bool:
        return bool(self.texts)

    def pages_with(self, piece: str, *, most: int) -> list[int] | None:
        found = [ID + page for page, lines in self.texts.items() if any(piece in one.text for one in lines)]
        return found if len(found) <= most else None

    def printed_lines(self, page_ids: Sequence[int]) -> list[tuple[PrintedLine, ...]]:
        return [self.texts.get(page_id - ID, ()) for page_id in page_ids]

    def pages(self, page_ids: Sequence[int]) -> list[Page]:
        return [Page(page_id, 1, BOOK, page_id - ID) for page_id in page_ids]

    def encoded_thumbnails(self, page_ids: Sequence[int]) -> list[bytes]:
        self.asked += len(page_ids)
        return [self._thumbnail(self.drawn[page_id - ID - 1]) for page_id in page_ids]

    @staticmethod
    def _thumbnail(page: Grey) -> bytes:
        scale = np.sqrt(THUMBNAIL_PIXELS / page.size)
        size = (round(page.shape[1] * scale), round(page.shape[0] * scale))
        small = cv2.resize(page, size, interpolation=cv2.INTER_AREA)
        return cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 60])[1].tobytes()


class Told:
    """A reader that reads the given lines off any photo."""

    def __init__(self, lines: Sequence[ReadLine]) -> None:
        self.lines = list(lines)
        self.asked = 0

    def read(self, photo: Photo, views: Sequence[PageView]) -> list[ReadLine]:
        self.asked += 1
        return self.lines


def seen(printed: Sequence[PrintedLine], corners: NDArray[np.float32]) -> list[ReadLine]:
    """The lines where a photo shows them whose page has these corners."""
    unit = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    matrix = cv2.getPerspectiveTransform(unit, corners)
    lines = []
    for one in printed:
        (x0, y0), (x1, y1) = cv2.perspectiveTransform(np.array([[one.start, one.end]], np.float32), matrix)[0]
        lines.append(ReadLine(one.text, (float(x0), float(y0)), (float(x1), float(y1))))
    return lines


class Blind(PageFinder):
    """Sees no page anywhere."""

    def __init__(self) -> None:
        pass

    def find(self, photo: Photo, *, most: int = 3, looks: int = 2) -> list[PageView]:
        return []

    def look_again(self, photo: Photo, views: list[PageView]) -> list[PageView]:
        return []


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder.load()


@pytest.fixture(scope="module")
def page_finder() -> PageFinder:
    return PageFinder.load()


@pytest.fixture(scope="module")
def shelf() -> Shelf:
    """Pages 1 to 14 of text, 15 a later edition of 1, 16 lies on its side."""
    pages = [text_page(seed) for seed in range(1, 15)]
    return Shelf([*pages, corrected(pages[0], text_page(99)), text_page(16, height=672, width=960)])


@pytest.fixture(scope="module")
def index(encoder: Encoder, shelf: Shelf) -> FlatIndex:
    ids = np.arange(ID + 1, ID + 1 + len(shelf.drawn), dtype=np.int64)
    return FlatIndex(ids, encoder.encode(shelf.drawn).bits)


@pytest.fixture(scope="module")
def finder(encoder: Encoder, page_finder: PageFinder, index: FlatIndex, shelf: Shelf) -> Finder:
    return Finder(encoder, page_finder, index, shelf, FindOptions())


def ask(finder: Finder, photo: Colour | Grey, *, top: int = 5) -> Answer:
    return finder.find(photo, name="photo", top=top)


def verified(answer: Answer) -> list[int]:
    return [match.page for match in answer.matches if match.verified]


@pytest.mark.parametrize("page", [2, 5, 9])
def test_right_page_is_found(page: int, finder: Finder, shelf: Shelf) -> None:
    answer = ask(finder, photo_of([(shelf.drawn[page - 1], CORNERS)], curl=0.02, shade=0.4))
    assert answer.status == "found"
    assert verified(answer) == [page]
    first = answer.matches[0]
    assert (first.source, first.page) == (BOOK, page)
    assert first.confidence >= verify.ACCEPTED
    assert corner_errors(first.quad, CORNERS).max() < 0.015


def test_encoder_of_one_view_finds_too(page_finder: PageFinder, shelf: Shelf, tmp_path: Path) -> None:
    encoder = Encoder.load(write_one_view(tmp_path / "one.onnx", height=160, width=112))
    ids = np.arange(ID + 1, ID + 1 + len(shelf.drawn), dtype=np.int64)
    index = FlatIndex(ids, encoder.encode(shelf.drawn).bits)
    finder = Finder(encoder, page_finder, index, shelf, FindOptions())
    assert verified(ask(finder, photo_of([(shelf.drawn[4], CORNERS)], curl=0.02))) == [5]


@pytest.mark.parametrize("turn", [1, 2, 3])
def test_photo_may_lie_any_way_round(turn: int, finder: Finder, shelf: Shelf) -> None:
    """The answer's corners begin where the print's upper left one is."""
    upright = photo_of([(shelf.drawn[3], CORNERS)], curl=0.02)
    turned = np.ascontiguousarray(np.rot90(upright, turn))
    answer = ask(finder, turned)
    assert verified(answer) == [4]
    x, y = CORNERS.T.astype(float)
    for height, width in [upright.shape[:2], upright.shape[1::-1], upright.shape[:2]][:turn]:
        del height
        x, y = y, width - 1 - x
    assert corner_errors(answer.matches[0].quad, np.stack([x, y], -1)).max() < 0.015


def test_landscape_page_is_found(finder: Finder, shelf: Shelf) -> None:
    corners = np.array([[120, 200], [1080, 160], [1100, 800], [90, 850]], np.float32)
    answer = ask(finder, photo_of([(shelf.drawn[15], corners)], size=(1000, 1200)))
    assert verified(answer) == [16]
    assert corner_errors(answer.matches[0].quad, corners).max() < 0.015


def test_page_of_no_book_is_not_found(finder: Finder) -> None:
    answer = ask(finder, photo_of([(text_page(77), CORNERS)], curl=0.02), top=3)
    assert answer.status == "not_found"
    assert verified(answer) == []
    assert len(answer.matches) == 3
    assert all(match.confidence < verify.ACCEPTED for match in answer.matches)
    confidences = [match.confidence for match in answer.matches]
    assert confidences == sorted(confidences, reverse=True)


def test_no_page_at_all_is_not_found(finder: Finder) -> None:
    for photo in (np.full((900, 700), 120, np.uint8), photo_of([])):
        assert ask(finder, photo).status == "not_found"


def test_better_of_two_editions(finder: Finder, shelf: Shelf) -> None:
    """Pages 1 and 15 share most of their lines: whichever is shown, only that one is verified."""
    for shown, other in ((1, 15), (15, 1)):
        answer = ask(finder, photo_of([(shelf.drawn[shown - 1], CORNERS)], curl=0.02))
        assert verified(answer) == [shown]
        confidences = {match.page: match.confidence for match in answer.matches}
        assert confidences[shown] > confidences.get(other, 0.0)


LEFT = np.array([[60, 180], [595, 160], [595, 960], [40, 940]], np.float32)
RIGHT = np.array([[600, 160], [1140, 175], [1165, 945], [600, 960]], np.float32)


def test_both_pages_of_a_spread_are_answered(finder: Finder, shelf: Shelf) -> None:
    photo = photo_of([(shelf.drawn[5], LEFT), (shelf.drawn[6], RIGHT)], size=(1100, 1200))
    answer = ask(finder, photo, top=1)  # verified ones are never cut off
    assert sorted(verified(answer)) == [6, 7]
    quads = {match.page: match.quad for match in answer.matches}
    assert corner_errors(quads[6], LEFT).max() < 0.015
    assert corner_errors(quads[7], RIGHT).max() < 0.015


def test_scan_without_an_edge_is_a_page_as_a_whole(
    encoder: Encoder, index: FlatIndex, shelf: Shelf, finder: Finder
) -> None:
    blind = Finder(encoder, Blind(), index, shelf, FindOptions())
    frame = np.array([[0, 0], [672, 0], [672, 960], [0, 960]], np.float32) - 0.5
    # Where no edge is in sight the page finder guesses, and no print near a corner sets it right.
    for by, most in ((blind, 0.015), (finder, 0.1)):
        answer = ask(by, shelf.drawn[7])
        assert verified(answer) == [8]
        assert corner_errors(answer.matches[0].quad, frame).max() < most
    assert verified(ask(blind, np.ascontiguousarray(shelf.drawn[7][::-1, ::-1]))) == [8]


def test_part_of_a_page_is_enough(finder: Finder, shelf: Shelf) -> None:
    """The frame cuts off the page's lower 35 %."""
    photo = photo_of([(shelf.drawn[8], CORNERS)], curl=0.01)[: int(150 + 0.65 * 890)]
    assert verified(ask(finder, photo)) == [9]


def test_corners_are_those_of_the_photo_not_of_what_was_worked_on(finder: Finder, shelf: Shelf) -> None:
    photo = photo_of([(shelf.drawn[9], CORNERS * 2)], size=(2400, 1800))
    answer = ask(finder, photo)
    assert verified(answer) == [10]
    assert corner_errors(answer.matches[0].quad, CORNERS * 2).max() < 0.015


CLOSE = np.array([[-350, -420], [1300, -380], [1420, 1990], [-480, 1940]], np.float32)


def by_text(
    encoder: Encoder, index: FlatIndex, shelf: Shelf, pages: Sequence[int], lines: Sequence[ReadLine]
) -> tuple[Finder, Told]:
    """A finder that sees no page and reads these lines; the given pages of its library hold text."""
    reader = Told(lines)
    written = Shelf(shelf.drawn, {page: told(page) for page in pages})
    return Finder(encoder, Blind(), index, written, FindOptions(), reader=reader), reader


def test_a_close_up_is_found_by_its_text(encoder: Encoder, index: FlatIndex, shelf: Shelf) -> None:
    """Two fifths of the page, no edge in sight."""
    photo = photo_of([(shelf.drawn[8], CLOSE)])
    lines = seen(told(9)[5:15], CLOSE)
    assert verified(ask(Finder(encoder, Blind(), index, shelf, FindOptions()), photo)) == []
    finder, reader = by_text(encoder, index, shelf, range(1, 17), lines)
    answer = ask(finder, photo)
    assert verified(answer) == [9]
    assert corner_errors(answer.matches[0].quad, CLOSE).max() < 0.02
    assert reader.asked == 1
    assert "read" in answer.timings


def test_two_lines_of_a_wide_page_place_it_in_its_own_shape(
    encoder: Encoder, index: FlatIndex, shelf: Shelf
) -> None:
    """A slide, 16 to 9, in a photo that is too dark to tell by its looks where it lies."""
    slide = text_page(30, height=540, width=960)
    written = Shelf([slide, *shelf.drawn[1:]], {1: told(1)})
    corners = np.array([[-100, 100], [1500, 100], [1500, 1000], [-100, 1000]], np.float32)
    reader = Told(seen(told(1)[9:11], corners))
    finder = Finder(encoder, Blind(), index, written, FindOptions(), reader=reader)
    answer = ask(finder, np.full((1100, 1400), 30, np.uint8))
    assert answer.status == "not_found"
    (match,) = [match for match in answer.matches if match.page == 1]
    assert corner_errors(match.quad, corners).max() < 0.03


def test_text_of_another_page_is_no_proof(encoder: Encoder, index: FlatIndex, shelf: Shelf) -> None:
    """Two lines that page 5 has too, as a running title is: the picture says that it is another page."""
    photo = photo_of([(shelf.drawn[8], CLOSE)])
    finder, _ = by_text(encoder, index, shelf, range(1, 17), seen(told(5)[5:7], CLOSE))
    assert verified(ask(finder, photo)) == []


def test_of_two_pages_with_one_text_the_picture_decides(
    encoder: Encoder, index: FlatIndex, shelf: Shelf
) -> None:
    photo = photo_of([(shelf.drawn[8], CLOSE)])
    finder, _ = by_text(encoder, index, shelf, [8, 9], seen(told(9)[5:15], CLOSE))
    store = finder.store
    assert isinstance(store, Shelf)
    store.texts = {8: told(9), 9: told(9)}
    assert verified(ask(finder, photo)) == [9]


def test_text_is_read_only_where_it_may_help(
    encoder: Encoder, page_finder: PageFinder, index: FlatIndex, shelf: Shelf
) -> None:
    """Not off a photo that is found by its looks, nor where no page of the library has text."""
    written = Shelf(shelf.drawn, {3: told(3)})
    reader = Told([])
    finder = Finder(encoder, page_finder, index, written, FindOptions(), reader=reader)
    assert verified(ask(finder, photo_of([(shelf.drawn[2], CORNERS)]))) == [3]
    assert reader.asked == 0
    textless = Finder(encoder, page_finder, index, shelf, FindOptions(), reader=reader)
    answer = ask(textless, photo_of([(text_page(77), CORNERS)]))
    assert (verified(answer), reader.asked) == ([], 0)
    assert "read" not in answer.timings
    answer = ask(finder, photo_of([(text_page(77), CORNERS)]))
    assert (verified(answer), reader.asked) == ([], 1)
    assert "read" in answer.timings  # though there is nothing to be read


class Proposes(FeatureSearch):
    """Local features that propose the given pages for any page view, and no other way of finding.

    asked: which sides were seen of each view.
    """

    def __init__(self, *proposals: Proposal) -> None:
        self.proposals = list(proposals)
        self.complete = True
        self.asked: list[tuple[bool, ...]] = []

    def propose(self, photo: Photo, view: PageView, **_: object) -> list[Proposal]:
        self.asked.append(view.seen)
        return self.proposals

    def repeating(self, *_: object, **__: object) -> list[Proposal]:
        return []


class Sees(Blind):
    """Sees pages of which so many sides are seen, in one place."""

    def __init__(self, *sides: int) -> None:
        self.views = [
            PageView(CORNERS, 1.0, (count > 0, count > 1, count > 2, count > 3))  # type: ignore[arg-type,unused-ignore]
            for count in sides
        ]

    def find(self, photo: Photo, *, most: int = 3, looks: int = 2) -> list[PageView]:
        return self.views

    def look_again(self, photo: Photo, views: list[PageView]) -> list[PageView]:
        return views


@pytest.mark.parametrize(
    ("sides", "asked"),
    [
        ((), [0]),  # the photo as a whole
        ((4,), [4, 0]),
        ((0,), [0]),  # a page without an edge is looked for in all of the photo, which is not done again
        ((0, 0, 0), [0]),
        ((3, 0, 2), [3, 0, 2]),
    ],
)
def test_the_whole_photo_is_looked_through_once(
    sides: tuple[int, ...], asked: list[int], encoder: Encoder, index: FlatIndex, shelf: Shelf
) -> None:
    features = Proposes()
    finder = Finder(encoder, Sees(*sides), index, shelf, FindOptions(), features=features)
    assert ask(finder, photo_of([(text_page(700), CORNERS)])).status == "not_found"
    assert [sum(seen) for seen in features.asked] == asked


def test_sheet_of_no_page_beside_a_page_costs_it_no_further_look(
    encoder: Encoder, index: FlatIndex, shelf: Shelf
) -> None:
    """Only where the empty sheet lies is more tried than a glance."""
    left = np.array([[40, 150], [440, 160], [435, 720], [35, 710]], np.float32)
    right = left + np.array([420, 0], np.float32)
    page_finder, features = Sees(4, 3), Proposes()
    page_finder.views = [
        PageView(quad, 1.0, view.seen) for quad, view in zip((left, right), page_finder.views, strict=True)
    ]
    photo = photo_of([(shelf.drawn[4], left), (np.full((960, 672), 255, np.uint8), right)])
    finder = Finder(encoder, page_finder, index, shelf, FindOptions(), features=features)
    answer = ask(finder, photo)
    assert verified(answer) == [5]
    assert corner_errors(answer.matches[0].quad, left).max() < 0.015
    assert [sum(seen) for seen in features.asked] == [3]


@pytest.mark.parametrize(
    ("first", "others", "laid"),
    [
        ((9, CLOSE), [(8, CLOSE, 60)], 1),  # nobody needs the second
        ((8, CLOSE), [(9, CLOSE, 60)], 2),  # the first is another page
        ((9, CLOSE), [(8, CLOSE, 80)], 2),  # nearly as many agree
        ((9, CLOSE), [(5, CORNERS + 1200, 60)], 2),  # elsewhere
    ],
)
def test_pages_with_far_fewer_features_are_laid_only_where_the_first_is_no_answer(
    first: tuple[int, NDArray[np.float32]],
    others: Sequence[tuple[int, NDArray[np.float32], int]],
    laid: int,
    encoder: Encoder,
    index: FlatIndex,
    shelf: Shelf,
) -> None:
    """A photo of page 9; a hundred features agree on the first page."""
    store = Shelf(shelf.drawn)
    proposals = [Proposal(ID + page, quad, agree) for page, quad, agree in ((*first, 100), *others)]
    options = unasked(doubtless=0.9)
    finder = Finder(encoder, Blind(), index, store, options, features=Proposes(*proposals))
    match = ask(finder, photo_of([(shelf.drawn[8], CLOSE)])).matches[0]
    assert match.page == 9
    # With 60 features where another page has a hundred it is not answered, however well it fits.
    assert (match.verified, match.confidence >= verify.ACCEPTED) == ((first[0] == 9,) * 2)
    assert store.asked == laid


def asked_for_text(
    encoder: Encoder, page_finder: PageFinder, index: FlatIndex, shelf: Shelf, lines: Sequence[ReadLine]
) -> Finder:
    """A finder for which no looks are without doubt; page 3 of its library holds text."""
    written = Shelf(shelf.drawn, {3: told(3)})
    return Finder(encoder, page_finder, index, written, FindOptions(doubtless=2.0), reader=Told(lines))


def test_a_page_that_looks_right_but_has_other_words_is_not_accepted(
    encoder: Encoder, page_finder: PageFinder, index: FlatIndex, shelf: Shelf
) -> None:
    photo = photo_of([(shelf.drawn[2], CORNERS)])
    right = asked_for_text(encoder, page_finder, index, shelf, seen(told(3)[5:15], CORNERS))
    assert verified(ask(right, photo)) == [3]
    twin = asked_for_text(encoder, page_finder, index, shelf, seen(told(4)[5:15], CORNERS))
    answer = ask(twin, photo)
    assert verified(answer) == []
    assert {match.page: match.confidence for match in answer.matches}[3] == FindOptions.doubted


def test_of_a_page_that_holds_its_lines_no_more_are_read_than_are_needed(
    encoder: Encoder, page_finder: PageFinder, index: FlatIndex, shelf: Shelf
) -> None:
    left: list[ReadLine] = []

    class Reader:
        def read(self, photo: Photo, views: Sequence[PageView]) -> Iterator[ReadLine]:
            left.extend(seen(told(3)[4:20], CORNERS))
            while left:
                yield left.pop(0)

    written = Shelf(shelf.drawn, {3: told(3)})
    finder = Finder(encoder, page_finder, index, written, FindOptions(doubtless=2.0), reader=Reader())
    answer = ask(finder, photo_of([(shelf.drawn[2], CORNERS)]))
    assert verified(answer) == [3]
    assert "read" in answer.timings
    assert len(left) == 6


def test_of_two_pages_in_a_photo_the_text_speaks_against_one(
    encoder: Encoder, page_finder: PageFinder, index: FlatIndex, shelf: Shelf
) -> None:
    photo = photo_of([(shelf.drawn[2], LEFT), (shelf.drawn[6], RIGHT)], size=(1100, 1200))
    finder = asked_for_text(encoder, page_finder, index, shelf, seen(told(4)[5:15], LEFT))
    assert verified(ask(finder, photo)) == [7]


def test_pages_that_are_not_searched_are_not_found_by_text(encoder: Encoder, shelf: Shelf) -> None:
    photo = photo_of([(shelf.drawn[8], CLOSE)])
    finder, _ = by_text(
        encoder, FlatIndex(np.empty(0, np.int64), np.empty((0, 3, 32), np.uint8)), shelf, [9], []
    )
    finder.reader = Told(seen(told(9)[5:15], CLOSE))
    assert ask(finder, photo).matches == ()


def test_answer_tells_its_time(finder: Finder, shelf: Shelf) -> None:
    answer = finder.find(photo_of([(shelf.drawn[2], CORNERS)]), name="a photo", top=5)
    assert answer.photo == "a photo"
    assert set(answer.timings) == {"decode", "finder", "encode", "search", "verify"}
    assert min(answer.timings.values()) >= 0
    assert answer.seconds == pytest.approx(sum(answer.timings.values()), rel=0.1)
    assert answer.error is None


def test_sure_match_spares_the_other_candidates(
    encoder: Encoder, page_finder: PageFinder, index: FlatIndex, shelf: Shelf
) -> None:
    photo = photo_of([(shelf.drawn[2], CORNERS)])

    def asked(options: FindOptions) -> int:
        shelf.asked = 0
        assert verified(ask(Finder(encoder, page_finder, index, shelf, options), photo)) == [3]
        return shelf.asked

    glance = FindOptions().glance
    assert asked(unasked(ahead=0, first=7, few=0, sure=0.9)) == 7 + glance
    assert asked(unasked(ahead=0, first=7, few=0, sure=2.0)) == PAGES + glance
    assert asked(unasked(ahead=0, first=7, certain=2.0, sure=0.9)) == 7 + glance
    # A variant goes by its own options throughout.
    other = Finder(encoder, page_finder, index, shelf, unasked(ahead=0, first=7, few=0, sure=2.0))
    shelf.asked = 0
    assert verified(ask(other.variant(options=unasked(ahead=0, first=7, few=0, sure=0.9)), photo)) == [3]
    assert shelf.asked == 7 + glance


def test_only_the_encoder_that_confidence_knows_is_asked_about_pages_in_doubt(
    encoder: Encoder, page_finder: PageFinder, shelf: Shelf, tmp_path: Path
) -> None:
    """A page far ahead that is not beyond doubt; another encoder's numbers mean something else."""
    ids = np.arange(ID + 1, ID + 1 + len(shelf.drawn), dtype=np.int64)
    other = Encoder.load(write_one_view(tmp_path / "one.onnx", height=160, width=112))
    photo = decode(photo_of([(shelf.drawn[4], CORNERS)], curl=0.02))
    for one, is_asked in ((encoder, True), (other, False)):
        index = FlatIndex(ids, one.encode(shelf.drawn).bits)
        aligned = Finder(one, page_finder, index, shelf, FindOptions(doubtless=2.0)).align(photo)
        assert {it.resemblance is not None for it in aligned if it.page_id == ID + 5} == {is_asked}


def test_page_far_ahead_is_looked_at_alone(finder: Finder, shelf: Shelf) -> None:
    shelf.asked = 0
    assert verified(ask(finder, photo_of([(shelf.drawn[2], CORNERS)]))) == [3]
    assert shelf.asked == 1


def test_turned_photo_needs_one_glance_where_nothing_tells_that_it_is_upright(
    finder: Finder, shelf: Shelf
) -> None:
    turned = np.ascontiguousarray(photo_of([(shelf.drawn[2], CORNERS)])[::-1, ::-1])
    shelf.asked = 0
    assert verified(ask(finder.variant(options=FindOptions(ahead=0, upright=9, near=2.0)), turned)) == [3]
    assert shelf.asked == FindOptions().glance
    shelf.asked = 0
    assert verified(ask(finder.variant(options=FindOptions(ahead=0, upright=0, near=2.0)), turned)) == [3]
    assert shelf.asked > FindOptions().glance


@pytest.mark.parametrize(("height", "width", "read"), [(480, 336, 480), (160, 112, 480), (672, 480, 840)])
def test_an_encoder_is_given_no_less_of_the_page_than_it_reads(
    height: int,
    width: int,
    read: int,
    page_finder: PageFinder,
    shelf: Shelf,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The sheet that is compared with pages, if that is large enough; else the photo, a quarter larger."""
    encoder = Encoder.load(write_one_view(tmp_path / "one.onnx", height=height, width=width))
    ids = np.arange(ID + 1, ID + 1 + len(shelf.drawn), dtype=np.int64)
    index = FlatIndex(ids, encoder.encode(shelf.drawn).bits)
    given: list[int] = []
    encode = Encoder.encode

    def noted(self: Encoder, images: Sequence[Grey]) -> PageCodes:
        given.extend(image.shape[0] for image in images)
        return encode(self, images)

    monkeypatch.setattr(Encoder, "encode", noted)
    finder = Finder(encoder, page_finder, index, shelf, FindOptions())
    assert verified(ask(finder, photo_of([(shelf.drawn[4], CORNERS)]))) == [5]
    assert given[0] == read


@pytest.mark.parametrize("turn", [1, 2, 3])
def test_turned_photo_is_answered_at_the_first_glance(turn: int, finder: Finder, shelf: Shelf) -> None:
    """No page's code is near where the photo is taken to be upright, so the other turns are tried at once."""
    turned = np.ascontiguousarray(np.rot90(photo_of([(shelf.drawn[2], CORNERS)]), turn))
    shelf.asked = 0
    assert verified(ask(finder, turned)) == [3]
    assert shelf.asked == 1
    shelf.asked = 0
    assert verified(ask(finder.variant(options=FindOptions(near=2.0)), turned)) == [3]
    assert shelf.asked > 1


def test_page_far_ahead_is_compared_if_there_is_any_doubt(finder: Finder, shelf: Shelf) -> None:
    photo = photo_of([(shelf.drawn[2], CORNERS)])
    shelf.asked = 0
    assert verified(ask(finder.variant(options=unasked(doubtless=2.0)), photo)) == [3]
    assert shelf.asked == 1 + FindOptions().glance


@pytest.mark.parametrize("count", [2, 6])
def test_copies_of_a_page_are_all_answered(count: int, encoder: Encoder, page_finder: PageFinder) -> None:
    """As where a book is in another one too: nothing tells them apart."""
    pages = [text_page(seed) for seed in range(1, 10)]
    shelf = Shelf([*pages, *[pages[3]] * (count - 1)])
    ids = np.arange(ID + 1, ID + 1 + len(shelf.drawn), dtype=np.int64)
    finder = Finder(
        encoder, page_finder, FlatIndex(ids, encoder.encode(shelf.drawn).bits), shelf, FindOptions()
    )
    answer = ask(finder, photo_of([(shelf.drawn[3], CORNERS)], curl=0.02))
    assert sorted(verified(answer)) == [4, *range(10, 9 + count)]
    assert len({match.confidence for match in answer.matches if match.verified}) == 1


def test_variant_keeps_what_is_not_named(
    encoder: Encoder, page_finder: PageFinder, index: FlatIndex, shelf: Shelf
) -> None:
    finder = Finder(encoder, page_finder, index, shelf, FindOptions(ahead=0), reader=Told([]))
    photo = photo_of([(shelf.drawn[2], CORNERS)])
    empty = FlatIndex(np.empty(0, np.int64), np.empty((0, 3, 32), np.uint8))
    assert ask(finder.variant(index=empty), photo).matches == ()
    shelf.asked = 0
    blind = finder.variant(reads=False)
    assert blind.reader is None
    assert blind.index is finder.index
    assert verified(ask(blind, photo)) == [3]
    assert shelf.asked == FindOptions().glance  # its options are the finder's: nothing is ahead of others
    assert finder.variant(options=FindOptions()).reader is finder.reader


def test_pages_alike_are_compared_on_the_photo(encoder: Encoder, page_finder: PageFinder) -> None:
    """An edition in which a few lines are others, whose code is as good as the same: both are aligned."""
    pages = [text_page(seed) for seed in range(1, 10)]
    later = pages[3].copy()
    later[300:400] = pages[7][300:400]
    shelf = Shelf([*pages, later])
    index = FlatIndex(np.arange(ID + 1, ID + 11, dtype=np.int64), encoder.encode(shelf.drawn).bits)
    finder = Finder(encoder, page_finder, index, shelf, FindOptions())
    for shown, other in ((4, 10), (10, 4)):
        shelf.asked = 0
        answer = ask(finder, photo_of([(shelf.drawn[shown - 1], CORNERS)], curl=0.02))
        assert shelf.asked == 2 * FindOptions().pair  # once more to be told apart
        assert [match.page for match in answer.matches] == [shown, other]


def test_page_that_fits_as_well_is_a_rival_whatever_its_code(
    encoder: Encoder, page_finder: PageFinder
) -> None:
    """The edition's code is another page's, far off: it is aligned all the same."""
    pages = [text_page(seed) for seed in range(1, 10)]
    later = pages[3].copy()
    later[300:400] = pages[7][300:400]
    shelf = Shelf([*pages, later])
    codes = encoder.encode(shelf.drawn).bits.copy()
    options = FindOptions(ahead=0)  # the page itself is not looked at alone
    finder = Finder(encoder, page_finder, FlatIndex(np.arange(ID + 1, ID + 11), codes), shelf, options)
    photo = photo_of([(shelf.drawn[3], CORNERS)], curl=0.02)
    nearest = [page_id - ID for page_id in finder.propose(decode(photo))[0]]
    codes[9] = codes[nearest[3] - 1]  # the fourth of ten
    finder.index = FlatIndex(np.arange(ID + 1, ID + 11), codes)
    shelf.asked = 0
    assert [match.page for match in ask(finder, photo).matches] == [4, 10]
    # A page with the edition's code is looked at too, then both once more to be told apart.
    assert shelf.asked == FindOptions().glance + 1 + 2


@pytest.mark.parametrize(("lead", "asked"), [(0.0, 4), (0.04, 4 + FindOptions().glance)])
def test_pages_with_codes_as_near_are_told_apart_by_how_they_fit(
    lead: float, asked: int, encoder: Encoder, page_finder: PageFinder, shelf: Shelf
) -> None:
    """At the first glance, unless codes are so near that the pages must be compared finely."""
    lone = (-1, 0)  # pages with the code of one that is found are not looked at once more
    codes = encoder.encode(shelf.drawn).bits.copy()
    codes[[4, 6, 8]] = codes[2]
    index = FlatIndex(np.arange(ID + 1, ID + 1 + PAGES, dtype=np.int64), codes)
    finder = Finder(encoder, page_finder, index, shelf, FindOptions(lead=lead, twins=lone))
    shelf.asked = 0
    assert verified(ask(finder, photo_of([(shelf.drawn[2], CORNERS)]))) == [3]
    assert shelf.asked == asked


def test_page_that_prints_nearly_what_one_does_that_is_found_is_told_from_it(
    encoder: Encoder, page_finder: PageFinder
) -> None:
    """Though retrieval has left it out: of ten that differ in a line it looks at a few."""
    pages = [text_page(seed) for seed in range(1, 10)]
    for number in range(10):
        later = pages[3].copy()
        later[490:516] = text_page(20 + number)[490:516]
        pages.append(later)
    shelf = Shelf(pages)
    codes = encoder.encode(shelf.drawn).bits.copy()
    codes[9:] = codes[3]
    index = FlatIndex(np.arange(ID + 1, ID + 20, dtype=np.int64), codes)
    photo = photo_of([(shelf.drawn[17], CORNERS)])
    finder = Finder(encoder, page_finder, index, shelf, FindOptions())
    assert verified(ask(finder, photo))[0] == 18
    fewest = finder.variant(options=FindOptions(twins=(-1, 0)))
    assert len(verified(ask(fewest, photo))) < len(verified(ask(finder, photo)))


class Described:
    """A catalogue of the local features of pages."""

    def __init__(self, pages: Sequence[Grey], extractor: FeatureExtractor) -> None:
        extracted = [extractor.extract(thumbnail(page)) for page in pages]
        self.pages = {ID + n: pack(one, extractor.vocabulary) for n, one in enumerate(extracted, start=1)}

    def features(self, page_ids: Sequence[int]) -> list[bytes]:
        return [self.pages[page_id] for page_id in page_ids]

    def all_features(self) -> list[tuple[int, bytes]]:
        return list(self.pages.items())


@pytest.mark.parametrize(("below", "answered"), [(300, [10, 4]), (0, [4])])
def test_page_that_repeats_what_the_photo_shows_of_another_one_is_told_from_it(
    below: int, answered: list[int], encoder: Encoder, page_finder: PageFinder
) -> None:
    """It has the passage further down, and a code that says nothing of it.

    Sought only where the photo shows a part of the page, or it is in doubt.
    """
    pages = [text_page(seed) for seed in range(1, 10)]
    repeated = np.vstack([text_page(50)[75:205], pages[3][:-130]])
    shelf = Shelf([*pages, repeated])
    codes = encoder.encode(shelf.drawn).bits.copy()
    codes[3], codes[9] = codes[9], codes[7]
    index = FlatIndex(np.arange(ID + 1, ID + 11, dtype=np.int64), codes)
    extractor = FeatureExtractor.load()
    features = FeatureSearch(extractor, Described(shelf.drawn, extractor))
    photo = photo_of([(repeated, CORNERS + np.array([0, below], np.float32))])
    finder = Finder(encoder, page_finder, index, shelf, FindOptions(), features=features)
    assert verified(ask(finder, photo)) == answered
    assert verified(ask(finder.variant(options=FindOptions(part=-1)), photo)) == [4]


def test_page_far_ahead_that_does_not_fit_is_no_answer(
    encoder: Encoder, page_finder: PageFinder, shelf: Shelf
) -> None:
    """Two pages have each other's codes: the one that is proposed is looked at, and then all others."""
    codes = encoder.encode(shelf.drawn).bits.copy()
    codes[[2, 4]] = codes[[4, 2]]
    index = FlatIndex(np.arange(ID + 1, ID + 1 + PAGES, dtype=np.int64), codes)
    finder = Finder(encoder, page_finder, index, shelf, FindOptions(alike=1.0, lead=0.0))
    assert verified(ask(finder, photo_of([(shelf.drawn[2], CORNERS)]))) == [3]


def test_empty_library_finds_nothing(encoder: Encoder, page_finder: PageFinder) -> None:
    empty = FlatIndex(np.empty(0, np.int64), np.empty((0, 3, 32), np.uint8))
    answer = ask(Finder(encoder, page_finder, empty, Shelf([]), FindOptions()), photo_of([]))
    assert (answer.status, answer.matches) == ("not_found", ())


def test_photo_that_cannot_be_read_is_an_error(finder: Finder) -> None:
    with pytest.raises(PhotoError, match="is empty"):
        finder.find(b"", name="-", top=5)
