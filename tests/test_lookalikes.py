"""Pages that differ in a line or a number, and photos of one or the other."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from drawn import photo_of, text_page
from numpy.typing import NDArray

from whichpage.lookalikes import likeness
from whichpage.photo import Photo, decode
from whichpage.types import Grey
from whichpage.verify import Thumbnail

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


@pytest.mark.parametrize("other", [one_line(), overlay()], ids=["one line", "overlay"])
@pytest.mark.parametrize("off", [0.0, 2.0])
def test_page_that_the_photo_shows_is_more_like_it(other: Grey, off: float) -> None:
    """Its corners a little off, as they are found."""
    pages = PAGE, other
    rivals = [(thumbnail(pages[0]), CORNERS + off), (thumbnail(pages[1]), CORNERS - off)]
    for shown in (0, 1):
        alike = likeness(seen(pages[shown], curl=0.01), rivals)
        assert int(alike.argmax()) == shown
        assert 0 < alike.min() < alike.max() < 1


def test_page_that_lies_on_its_side() -> None:
    """It has as many columns of blocks as an upright one has rows."""
    lying = text_page(7, height=672, width=960)
    other = lying.copy()
    other[300:326, 480:] = text_page(8, height=672, width=960)[300:326, 480:]
    corners = np.array([[100, 300], [820, 320], [860, 850], [60, 830]], np.float32)
    for shown, pages in ((lying, (lying, other)), (other, (other, lying))):
        alike = likeness(seen(shown, corners=corners), [(thumbnail(page), corners) for page in pages])
        assert alike[0] > alike[1] > 0.5


def test_noise_is_no_print() -> None:
    """A slide that is not complete yet, in dim light: what it lacks the complete one does not explain."""
    dice = np.random.default_rng(5)
    dim = seen(overlay()).pixels.astype(np.float32) * 0.25 + dice.normal(0, 6, (1200, 900, 1))
    photo = decode(np.clip(dim, 0, 255).astype(np.uint8))
    alike = likeness(photo, [(thumbnail(overlay()), CORNERS), (thumbnail(PAGE), CORNERS)])
    assert alike[0] > alike[1] + 0.05


def test_page_that_prints_the_same_elsewhere() -> None:
    """A close-up of the upper part: where the other page would lie it has the same lines, but for two."""
    close = np.array([[-60, 40], [960, 40], [960, 1790], [-60, 1790]], np.float32)
    down = np.array([0, 52 / 960 * 1750], np.float32)
    for shown, pages in ((PAGE, (PAGE, moved())), (moved(), (moved(), PAGE))):
        shift = -down if shown is PAGE else down
        rivals = [(thumbnail(pages[0]), close), (thumbnail(pages[1]), (close + shift).astype(np.float32))]
        alike = likeness(seen(shown, corners=close), rivals)
        assert alike[0] > alike[1]


def test_copies_are_alike() -> None:
    alike = likeness(seen(PAGE), [(thumbnail(PAGE), CORNERS), (thumbnail(PAGE), CORNERS + 3)])
    assert alike[0] == alike[1] > 0.5


def test_place_outside_the_photo_is_like_nothing() -> None:
    assert likeness(seen(PAGE), [(thumbnail(PAGE), CORNERS + 5000)]).tolist() == [0.0]
