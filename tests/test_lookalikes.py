"""Pages that differ in a line or a number, and photos of one or the other."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from drawn import photo_of, text_page
from numpy.typing import NDArray

from whichpage.lookalikes import ranking
from whichpage.photo import Photo, decode
from whichpage.types import Grey
from whichpage.verify import PAGE_SIZE, Thumbnail
from whichpage.warps import Placement

CORNERS = np.array([[190, 150], [730, 180], [800, 1060], [110, 1020]], np.float32)
PAGE = text_page(3)
OTHER = text_page(4)


def one_line() -> Grey:
    """The page, but for a line of another text."""
    page = PAGE.copy()
    page[490:516] = OTHER[490:516]
    return page


def overlay() -> Grey:
    """The page, but for its last lines, as a slide that is not complete yet."""
    page = PAGE.copy()
    page[780:] = 255
    return page


def moved() -> Grey:
    """The page two lines further down, under two lines of another text, as in another edition."""
    return np.vstack([OTHER[75:127], PAGE[:-52]])


def thumbnail(page: Grey) -> Thumbnail:
    size = (336, 480) if page.shape[0] > page.shape[1] else (480, 336)
    small = cv2.resize(page, size, interpolation=cv2.INTER_AREA)
    return Thumbnail(cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 80])[1].tobytes())


def seen(page: Grey, *, curl: float = 0.0, corners: NDArray[np.float32] = CORNERS) -> Photo:
    return decode(photo_of([(page, corners)], curl=curl))


def flat(corners: NDArray[np.float32], *, lying: bool = False) -> Placement:
    return Placement.flat(corners, size=PAGE_SIZE[::-1] if lying else PAGE_SIZE)


def number(written: str, page: Grey = PAGE) -> Grey:
    """The page with its number at the foot."""
    page = page.copy()
    page[930:] = 255
    cv2.putText(page, written, (320, 952), cv2.FONT_HERSHEY_SIMPLEX, 0.5, 0, 1, cv2.LINE_AA)
    return page


PAIRS = {
    "one line": (PAGE, one_line()),
    "overlay": (PAGE, overlay()),
    "page number": (number("37"), number("92")),
}


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("off", [0.0, 2.0])
@pytest.mark.parametrize("curl", [0.0, 0.01])
def test_page_that_the_photo_shows_comes_first(pair: str, off: float, curl: float) -> None:
    """Whichever was surer, its corners a little off, as they are found."""
    pages = PAIRS[pair]
    rivals = [(thumbnail(pages[0]), flat(CORNERS + off)), (thumbnail(pages[1]), flat(CORNERS - off))]
    for shown in (0, 1):
        photo = seen(pages[shown], curl=curl)
        assert ranking(photo, rivals)[0] == shown
        assert ranking(photo, rivals[::-1])[0] == 1 - shown


@pytest.mark.parametrize("off", [(12.0, 0.0), (0.0, 14.0), (-10.0, 10.0)])
@pytest.mark.parametrize("pair", ["one line", "page number"])
def test_page_that_was_placed_by_a_few_lines_is_put_right(pair: str, off: tuple[float, float]) -> None:
    pages = PAIRS[pair]
    for shown in (0, 1):
        rivals = [
            (thumbnail(pages[1 - shown]), flat(CORNERS)),
            (thumbnail(pages[shown]), flat(CORNERS + off)),
        ]
        assert ranking(seen(pages[shown]), rivals) == [1, 0]


@pytest.mark.parametrize("height", [12, 20, 31, 100])
def test_strip_of_a_page(height: int) -> None:
    """So low that it shows no line, or a few."""
    strip = decode(np.ascontiguousarray(seen(PAGE).pixels[600 : 600 + 4 * height]))
    corners = (CORNERS - [0, 600]).astype(np.float32)
    rivals = [(thumbnail(page), flat(corners)) for page in (OTHER, PAGE)]
    found = ranking(strip, rivals)
    assert found == [1, 0] if height > 30 else sorted(found) == [0, 1]


def test_of_several_the_page_that_the_photo_shows_comes_first() -> None:
    pages = [number(written) for written in ("11", "37", "92", "58", "64")]
    rivals = [(thumbnail(page), flat(CORNERS + step)) for step, page in enumerate(pages)]
    for shown, page in enumerate(pages):
        found = ranking(seen(page), rivals)
        assert found[0] == shown
        assert sorted(found) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("trimmed", [20, 40, 70])
def test_desk_within_the_outline_does_not_outshine_print(trimmed: int) -> None:
    """Of trimmed paper the outline reaches over the desk, which is so dark that print beside it is faint."""
    pages = [number("137"), number("192")]
    height, width = PAGE.shape
    lower = [np.vstack([page, np.full((trimmed, width), 255, np.uint8)]) for page in pages]
    frame = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    further = frame + np.array([[0, 0], [0, 0], [0, trimmed], [0, trimmed]], np.float32)
    to_photo = cv2.getPerspectiveTransform(frame, CORNERS)
    corners = cv2.perspectiveTransform(further[None], to_photo)[0]
    rivals = [(thumbnail(page), flat(corners)) for page in lower]
    for shown, page in enumerate(pages):
        pixels = cv2.GaussianBlur(photo_of([(page, CORNERS)]), (0, 0), 5)
        pixels = np.where(pixels < 90, 0, pixels)
        photo = decode(np.asarray(pixels, np.uint8))
        assert ranking(photo, rivals)[0] == shown
        assert ranking(photo, rivals[::-1])[0] == 1 - shown


def tab(top: int) -> Grey:
    """The page with a black tab at its right edge."""
    page = PAGE.copy()
    page[top : top + 120, -40:] = 0
    return page


def band(written: str, level: int) -> Grey:
    """The page under a dark band from edge to edge, with its number in that."""
    page = PAGE.copy()
    page[:70] = level
    cv2.putText(page, written, (500, 45), cv2.FONT_HERSHEY_SIMPLEX, 1.0, 255, 2, cv2.LINE_AA)
    return page


@pytest.mark.parametrize(
    "pages",
    [
        pytest.param((tab(200), PAGE), id="tab"),
        pytest.param((tab(200), tab(500)), id="tab moved"),
        pytest.param((band("37", 120), band("92", 120)), id="band"),
        pytest.param((band("37", 60), band("92", 60)), id="dark band"),
    ],
)
@pytest.mark.parametrize("off", [(0.0, -2.0), (-2.0, 0.0)])
def test_print_that_reaches_to_the_edge_is_no_desk(
    pages: tuple[Grey, Grey], off: tuple[float, float]
) -> None:
    """Whichever lies better."""
    rivals = [(thumbnail(page), flat(CORNERS + by)) for page, by in zip(pages, off, strict=True)]
    for shown, page in enumerate(pages):
        assert ranking(seen(page), rivals)[0] == shown


def test_page_is_told_from_many() -> None:
    """More than are compared in pairs, some of them quite other pages."""
    pages = [number(str(written)) for written in range(20, 30)] + [OTHER, overlay()]
    rivals = [(thumbnail(page), flat(CORNERS)) for page in pages]
    for shown in (0, 4, 9):
        found = ranking(seen(pages[shown]), rivals)
        assert sorted(found) == list(range(len(pages)))
        assert found[0] == shown


def test_page_that_lies_on_its_side() -> None:
    lying = text_page(7, height=672, width=960)
    other = lying.copy()
    other[300:326, 480:] = text_page(8, height=672, width=960)[300:326, 480:]
    corners = np.array([[100, 300], [820, 320], [860, 850], [60, 830]], np.float32)
    for shown, pages in ((lying, (lying, other)), (other, (other, lying))):
        rivals = [(thumbnail(page), flat(corners, lying=True)) for page in pages]
        photo = seen(shown, corners=corners)
        assert ranking(photo, rivals) == [0, 1]
        assert ranking(photo, rivals[::-1]) == [1, 0]


def test_noise_is_no_print() -> None:
    """A slide that is not complete yet, in dim light: what it lacks the complete one does not explain."""
    dice = np.random.default_rng(5)
    dim = seen(overlay()).pixels.astype(np.float32) * 0.25 + dice.normal(0, 6, (1200, 900, 1))
    photo = decode(np.clip(dim, 0, 255).astype(np.uint8))
    rivals = [(thumbnail(PAGE), flat(CORNERS)), (thumbnail(overlay()), flat(CORNERS))]
    assert ranking(photo, rivals) == [1, 0]


def test_page_that_prints_the_same_elsewhere() -> None:
    """A close-up of the upper part: where the other page would lie it has the same lines, but for two."""
    close = np.array([[-60, 40], [960, 40], [960, 1790], [-60, 1790]], np.float32)
    down = np.array([0, 52 / 960 * 1750], np.float32)
    for shown, pages in ((PAGE, (PAGE, moved())), (moved(), (moved(), PAGE))):
        shift = -down if shown is PAGE else down
        rivals = [(thumbnail(pages[0]), flat(close)), (thumbnail(pages[1]), flat(close + shift))]
        photo = seen(shown, corners=close)
        assert ranking(photo, rivals) == [0, 1]
        assert ranking(photo, rivals[::-1]) == [1, 0]


@pytest.mark.parametrize("place", [(315, 509), (78, 215), (194, 349)])
def test_full_stop_in_a_dim_photo(place: tuple[int, int]) -> None:
    """It is less than what is taken for other print on pages that differ by more."""
    x, y = place
    stopped = PAGE.copy()
    stopped[y : y + 2, x : x + 2] = 0
    rivals = [(thumbnail(page), flat(CORNERS + off)) for page, off in ((PAGE, -0.75), (stopped, 0.75))]
    dice = np.random.default_rng(0)
    for shown, page in enumerate((PAGE, stopped)):
        blurred = cv2.GaussianBlur(photo_of([(page, CORNERS)]), (0, 0), 1.8).astype(np.float32)
        dim = blurred * 0.5 + dice.normal(0, 8, (1200, 900, 1))
        photo = decode(np.clip(dim, 0, 255).astype(np.uint8))
        assert ranking(photo, rivals)[0] == shown
        assert ranking(photo, rivals[::-1])[0] == 1 - shown


def test_creased_paper() -> None:
    """It waves as no polynomial does, by more than strokes are wide; the number is told all the same."""
    rows, columns = np.mgrid[0:1200, 0:900].astype(np.float32)
    waves = columns + 4 * np.sin(rows / 60), rows + 4 * np.cos(columns / 60)
    rivals = [(thumbnail(number(one)), flat(CORNERS)) for one in ("37", "92")]
    for shown, written in enumerate(("37", "92")):
        pixels = photo_of([(number(written), CORNERS)])
        creased = cv2.remap(pixels, *waves, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        found = ranking(decode(np.asarray(creased, np.uint8)), rivals if shown else rivals[::-1])
        assert found[0] == 1


def test_copies_keep_their_order() -> None:
    assert ranking(seen(PAGE), [(thumbnail(PAGE), flat(CORNERS + 2 * step)) for step in range(3)]) == [
        0,
        1,
        2,
    ]


def test_place_outside_the_photo_tells_nothing() -> None:
    rivals = [(thumbnail(page), flat(CORNERS + 5000)) for page in (PAGE, OTHER)]
    assert ranking(seen(OTHER), rivals) == [0, 1]
