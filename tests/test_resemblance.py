"""How much alike the encoder finds a page and the place of a photo where it was laid."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import pytest
from drawn import photo_of, text_page
from numpy.typing import NDArray

from whichpage.encoder import Encoder, pack
from whichpage.photo import Photo, decode
from whichpage.resemblance import resemblances
from whichpage.types import Grey, PageCodes
from whichpage.verify import Resemblance, Thumbnail

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
        return PageCodes(pack(other), other)


def said(encoder: Encoder | Looks, photo: Photo, page: Grey, corners: NDArray[np.float32]) -> Resemblance:
    (found,) = resemblances(encoder, photo, [(thumbnail(page), corners)])
    assert found is not None
    return found


@pytest.mark.parametrize("corners", [CORNERS, CUT], ids=["whole", "cut"])
def test_the_page_in_the_photo_is_more_alike_than_another(corners: NDArray[np.float32]) -> None:
    encoder, photo = Encoder.load(), seen(PAGE, corners)
    right, wrong = (said(encoder, photo, page, corners) for page in (PAGE, OTHER))
    assert right.cosine > 0.9
    assert wrong.cosine < right.cosine - 0.2
    assert right.shown == wrong.shown


def test_what_the_photo_does_not_show_does_not_count() -> None:
    """Pages that differ there alone are as much alike, to the number."""
    lower = PAGE.copy()
    lower[PAGE.shape[0] * 3 // 4 :] = OTHER[PAGE.shape[0] * 3 // 4 :]
    encoder, photo = Encoder.load(), seen(PAGE, CUT)
    one, other = (said(encoder, photo, page, CUT) for page in (PAGE, lower))
    assert one.cosine == pytest.approx(other.cosine, abs=0.02)
    height = photo.pixels.shape[0]
    assert one.shown == pytest.approx((height - 500) / 1000, abs=0.02)


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
            return PageCodes(pack(vectors), vectors)

    (found,) = resemblances(Says(), seen(PAGE, CORNERS), [(thumbnail(PAGE), CORNERS)])
    one, other = np.tanh([0.3, 2.0]), np.tanh([5.0, -0.1])
    assert found is not None
    assert found.cosine == pytest.approx(one @ other / np.linalg.norm(one) / np.linalg.norm(other), abs=1e-5)


def test_each_page_has_its_own_answer() -> None:
    encoder, photo = Encoder.load(), seen(PAGE, CORNERS)
    pages = [OTHER, PAGE, text_page(5)]
    together = resemblances(encoder, photo, [(thumbnail(page), CORNERS) for page in pages])
    for page, found in zip(pages, together, strict=True):
        alone = said(encoder, photo, page, CORNERS)
        assert found is not None
        assert found.cosine == pytest.approx(alone.cosine, abs=1e-4)


def test_a_page_of_which_nothing_is_seen_has_none() -> None:
    looks = Looks()
    assert resemblances(looks, seen(PAGE, CORNERS), [(thumbnail(PAGE), CORNERS + 5000)]) == [None]
    assert resemblances(looks, seen(PAGE, CORNERS), []) == []


@pytest.mark.parametrize(
    "corners",
    [CORNERS[::-1], CORNERS[[0, 2, 1, 3]], np.repeat(CORNERS[:1], 4, 0), CORNERS * np.nan],
    ids=["mirrored", "crossed", "point", "nowhere"],
)
def test_corners_of_no_page_have_none(corners: NDArray[np.float32]) -> None:
    assert resemblances(Looks(), seen(PAGE, CORNERS), [(thumbnail(PAGE), corners)]) == [None]
