"""How much alike the encoder finds a page and the place of a photo where it was laid."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import pytest
from drawn import photo_of, text_page
from numpy.typing import NDArray

from whichpage.bits import sign_bits
from whichpage.encoder import Encoder
from whichpage.photo import Photo, decode
from whichpage.resemblance import resemblances
from whichpage.types import Grey, PageCodes
from whichpage.verify import Thumbnail

CORNERS = np.array([[190, 150], [730, 180], [800, 1060], [110, 1020]], np.float32)
# Its upper half alone is in the frame.
CUT = np.array([[100, 500], [800, 500], [800, 1500], [100, 1500]], np.float32)
PAGE, OTHER = text_page(3), text_page(4)


def thumbnail(page: Grey) -> Thumbnail:
    small = cv2.resize(page, (336, 480), interpolation=cv2.INTER_AREA)
    return Thumbnail(cv2.imencode(".jpg", small)[1].tobytes())


def seen(page: Grey, corners: NDArray[np.float32]) -> Photo:
    return decode(photo_of([(page, corners)]))


class Looks:
    """Keeps the images that it is asked of; says of each, in 256 numbers, how dark its upper half is."""

    def __init__(self) -> None:
        self.images: list[Grey] = []

    def encode(self, images: Sequence[Grey]) -> PageCodes:
        self.images += images
        dark = np.array([1 - image[: image.shape[0] // 2].mean() / 255 for image in images], np.float32)
        other = np.full((len(images), 1, 256), 0.5, np.float32)
        other[:, 0, 0] = dark
        return PageCodes(sign_bits(other), other)


def said(encoder: Encoder | Looks, photo: Photo, page: Grey, corners: NDArray[np.float32]) -> float:
    (found,) = resemblances(encoder, photo, [(thumbnail(page), corners)])
    assert found is not None
    return found


@pytest.mark.parametrize("corners", [CORNERS, CUT], ids=["whole", "cut"])
def test_the_page_in_the_photo_is_more_alike_than_another(corners: NDArray[np.float32]) -> None:
    encoder, photo = Encoder.load(), seen(PAGE, corners)
    right, wrong = (said(encoder, photo, page, corners) for page in (PAGE, OTHER))
    assert right > 0.9
    assert wrong < right - 0.2


def test_what_the_photo_does_not_show_does_not_count() -> None:
    """Pages that differ there alone are as much alike, as far as their thumbnails are."""
    lower = PAGE.copy()
    lower[PAGE.shape[0] * 3 // 4 :] = OTHER[PAGE.shape[0] * 3 // 4 :]
    encoder, photo = Encoder.load(), seen(PAGE, CUT)
    one, other = (said(encoder, photo, page, CUT) for page in (PAGE, lower))
    assert one == pytest.approx(other, abs=0.02)
    # Which the numbers of the whole pages would not say.
    whole = np.tanh(encoder.encode([PAGE, lower]).vectors[:, 0])
    first, second = whole / np.linalg.norm(whole, axis=1, keepdims=True)
    assert abs(one - other) < (1 - first @ second) / 4


def test_both_are_filled_alike_where_nothing_is_shown() -> None:
    looks = Looks()
    said(looks, seen(PAGE, CUT), PAGE, CUT)
    for image in looks.images:
        assert len(np.unique(image[-100:])) == 1
        assert image[-1, 0] == pytest.approx(image[:200].mean(), abs=12)
    assert [image.shape for image in looks.images] == [(480, 336)] * 2


def test_the_cosine_is_of_the_numbers_drawn_together() -> None:
    """tanh, as retrieval has them."""

    class Says:
        def encode(self, images: Sequence[Grey]) -> PageCodes:
            vectors = np.zeros((2, 3, 256), np.float32)
            vectors[:, 0, :2] = [[0.3, 2.0], [5.0, -0.1]]
            vectors[:, 1:] = 9  # of other views, which have no say
            return PageCodes(sign_bits(vectors), vectors)

    (found,) = resemblances(Says(), seen(PAGE, CORNERS), [(thumbnail(PAGE), CORNERS)])
    one, other = np.tanh([0.3, 2.0]), np.tanh([5.0, -0.1])
    assert found == pytest.approx(one @ other / np.linalg.norm(one) / np.linalg.norm(other), abs=1e-5)


def test_each_page_has_its_own_answer() -> None:
    encoder, photo = Encoder.load(), seen(PAGE, CORNERS)
    pages = [OTHER, PAGE, text_page(5)]
    together = resemblances(encoder, photo, [(thumbnail(page), CORNERS) for page in pages])
    for page, found in zip(pages, together, strict=True):
        assert found == pytest.approx(said(encoder, photo, page, CORNERS), abs=1e-4)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.3])
def test_a_sliver_of_a_page_has_none(share: float) -> None:
    photo = seen(PAGE, CORNERS)
    width = photo.pixels.shape[1]
    corners = np.array([[0, 100], [800, 100], [800, 1000], [0, 1000]], np.float32)
    corners[:, 0] += width - 800 * share
    found = resemblances(Looks(), photo, [(thumbnail(PAGE), corners)])
    assert [one is None for one in found] == [share < 0.2]


def test_the_others_keep_their_answers_beside_one_that_has_none() -> None:
    looks, page = Looks(), thumbnail(PAGE)
    assert resemblances(looks, seen(PAGE, CORNERS), [(page, CORNERS + 5000)]) == [None]
    first, none, last = resemblances(
        Encoder.load(),
        seen(PAGE, CORNERS),
        [(page, CORNERS), (page, CORNERS + 5000), (thumbnail(OTHER), CORNERS)],
    )
    assert none is None
    assert first is not None
    assert last is not None
    assert last < first - 0.2
    assert resemblances(looks, seen(PAGE, CORNERS), []) == []


@pytest.mark.parametrize(
    "corners",
    [CORNERS[::-1], CORNERS[[0, 2, 1, 3]], np.repeat(CORNERS[:1], 4, 0), CORNERS * np.nan],
    ids=["mirrored", "crossed", "point", "nowhere"],
)
def test_corners_of_no_page_have_none(corners: NDArray[np.float32]) -> None:
    assert resemblances(Looks(), seen(PAGE, CORNERS), [(thumbnail(PAGE), corners)]) == [None]
