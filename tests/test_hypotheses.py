from __future__ import annotations

import numpy as np
import pytest

from whichpage import hypotheses
from whichpage.photo import decode
from whichpage.types import THUMBNAIL_PIXELS, PageView, Quad

CORNERS = np.array([[200, 150], [700, 150], [700, 850], [200, 850]], np.float32)


def nearest(quads: list[Quad], wanted: Quad) -> float:
    """Mean corner distance of the best of the quads, in pixels."""
    return min(float(np.linalg.norm(quad - wanted, axis=1).mean()) for quad in quads)


def test_page_in_full_sight_is_tried_at_its_four_turns() -> None:
    quads = hypotheses.near(PageView(CORNERS, 0.9))
    assert len(quads) == 4
    for turn, quad in enumerate(quads):
        for corner in range(4):
            np.testing.assert_array_equal(quad[corner], CORNERS[(corner + turn) % 4])


@pytest.mark.parametrize("corner", range(4))
def test_upright_page_is_tried_first(corner: int) -> None:
    quads = hypotheses.near(PageView(np.roll(CORNERS, corner, axis=0), 0.9))
    np.testing.assert_array_equal(quads[0], CORNERS)


def test_unseen_side_slides_along_the_sides_beside_it() -> None:
    quads = hypotheses.near(PageView(CORNERS, 0.9, (True, True, False, True)))
    lengths = []
    for quad in quads[::4]:
        np.testing.assert_array_equal(quad[:2], CORNERS[:2])
        np.testing.assert_array_equal(quad[2:, 0], CORNERS[2:, 0])
        assert quad[2, 1] == quad[3, 1]
        lengths.append((quad[2, 1] - 150) / 700)
    assert len(quads) == 4 * len(lengths)
    assert sorted(lengths) == pytest.approx([0.9, 1.0, 1.13, 1.28])


def test_two_unseen_sides_are_tried_in_all_pairs() -> None:
    assert len(hypotheses.near(PageView(CORNERS, 0.9, (True, False, False, True)))) == 4 * 9


@pytest.mark.parametrize("share", [0.5, 0.6, 0.7])
def test_part_from_a_corner_finds_the_whole_page(share: float) -> None:
    """The photo shows the upper left part of a page of 1.4; the finder takes that part for the page."""
    page = np.array([[0, 0], [1000, 0], [1000, 1400], [0, 1400]], np.float32) + 100
    width, height = 100 + int(1000 * share), 100 + int(1400 * share)
    photo = decode(np.zeros((height, width), np.uint8))
    shown = np.array([[100, 100], [width, 100], [width, height], [100, height]], np.float32)
    quads = hypotheses.far(PageView(shown, 0.9, (True, False, False, True)), photo)
    assert nearest(quads, page) < 0.06 * 1400
    assert nearest(quads, np.roll(page, 2, axis=0)) < 0.06 * 1400, "nor is it said which way is up"


def test_part_between_two_sides_finds_the_whole_page() -> None:
    """Left and right are seen, so the width is known; the part shown lies anywhere along the height."""
    page = np.array([[100, -500], [1100, -500], [1100, 900], [100, 900]], np.float32)
    photo = decode(np.zeros((600, 1200), np.uint8))
    shown = np.array([[100, 0], [1100, 0], [1100, 600], [100, 600]], np.float32)
    quads = hypotheses.far(PageView(shown, 0.9, (False, True, False, True)), photo)
    assert nearest(quads, page) < 0.05 * 1400
    assert len(quads) < 200


def test_open_book_is_cut_along_its_gutter() -> None:
    book = np.array([[100, 100], [1100, 100], [1100, 800], [100, 800]], np.float32)
    for turn in range(4):
        left, right = hypotheses.halves(PageView(np.roll(book, turn, axis=0), 0.9))
        found = sorted((left, right), key=lambda quads: quads[0][:, 0].min())
        for quads, x in zip(found, (100, 600), strict=True):
            page = np.array([[x, 100], [x + 500, 100], [x + 500, 800], [x, 800]], np.float32)
            assert len(quads) == 4
            assert nearest(quads, page) < 1e-2


def test_frame_is_tried_at_its_four_turns() -> None:
    quads = hypotheses.frame(decode(np.zeros((600, 400), np.uint8)))
    np.testing.assert_array_equal(quads[0], [[-0.5, -0.5], [399.5, -0.5], [399.5, 599.5], [-0.5, 599.5]])
    assert len({quad.tobytes() for quad in quads}) == 4


def test_visible_share_is_that_of_the_area() -> None:
    view = PageView(CORNERS - np.float32(0.5), 0.9)
    assert hypotheses.visible_share(view.quad, decode(np.zeros((1000, 900), np.uint8))) == pytest.approx(1)
    assert hypotheses.visible_share(view.quad, decode(np.zeros((500, 900), np.uint8))) == pytest.approx(0.5)
    assert hypotheses.visible_share(view.quad, decode(np.zeros((500, 450), np.uint8))) == pytest.approx(0.25)


@pytest.mark.parametrize("tilt", [0.0, 0.3, 0.6])
def test_shape_of_a_page_is_its_own_however_it_is_tilted(tilt: float) -> None:
    """A page of 1.38, turned about its horizontal middle, before a camera of the focal length assumed."""
    photo = decode(np.zeros((1600, 1200), np.uint8))
    flat = np.array([[-0.5, -0.69], [0.5, -0.69], [0.5, 0.69], [-0.5, 0.69]])
    depth = 2 + flat[:, 1] * np.sin(tilt)
    seen = np.stack([flat[:, 0], flat[:, 1] * np.cos(tilt)], -1) / depth[:, None] * 0.85 * 1600
    quad = (seen + np.array([600, 800])).astype(np.float32)
    assert hypotheses._shape(quad, photo) == pytest.approx(1.38, rel=1e-3)
    assert hypotheses._shape(np.roll(quad, 1, axis=0), photo) == pytest.approx(1 / 1.38, rel=1e-3)


SHARES = [1.0, 0.55, 0.3, 0.17]


def pixels(look: hypotheses.Look) -> float:
    """Of a look, as a share of those of a thumbnail."""
    return look.size[0] * look.size[1] / THUMBNAIL_PIXELS


def test_page_in_full_sight_is_looked_at_once_a_turn() -> None:
    """As large as its thumbnail, which has the same shape: 7 to 5, or 5 to 7."""
    photo = decode(np.zeros((1000, 900), np.uint8))
    found = hypotheses.looks(PageView(CORNERS, 0.9), photo, turns=(0, 1, 2, 3))
    assert len(found) == 4
    for turn, look in enumerate(found):
        np.testing.assert_allclose(look.quad, np.roll(CORNERS, -turn, axis=0), atol=1e-2)
        assert pixels(look) == pytest.approx(1, rel=0.003)
        assert look.size[0] / look.size[1] == pytest.approx([7 / 5, 5 / 7][turn % 2], rel=0.005)
    for turn in range(4):
        (one,) = hypotheses.looks(PageView(CORNERS, 0.9), photo, turns=[turn])
        assert (one.quad.tolist(), one.size) == (found[turn].quad.tolist(), found[turn].size)


@pytest.mark.parametrize("corner", range(4))
def test_first_look_is_at_the_page_upright(corner: int) -> None:
    photo = decode(np.zeros((1000, 900), np.uint8))
    view = PageView(np.roll(CORNERS, corner, axis=0), 0.9)
    (look,) = hypotheses.looks(view, photo, turns=(0,))
    np.testing.assert_allclose(look.quad, CORNERS, atol=1e-2)
    assert look.size[0] / look.size[1] == pytest.approx(7 / 5, rel=0.005)


def test_cut_page_is_looked_at_as_if_more_or_less_of_it_were_shown() -> None:
    """Its lower side is out of sight: what is looked at goes down to the photo's edge, nearly."""
    view = PageView(CORNERS, 0.9, (True, True, False, True))
    found = hypotheses.looks(view, decode(np.zeros((650, 900), np.uint8)), turns=(0,))
    assert [pixels(look) for look in found] == pytest.approx(SHARES, rel=0.01)
    for look in found:
        np.testing.assert_allclose(look.quad[:2], CORNERS[:2], atol=1e-2)
        np.testing.assert_allclose(look.quad[2:, 0], CORNERS[2:, 0], atol=1e-2)
        assert look.quad[2:, 1].tolist() == pytest.approx([650, 650], abs=30)
        shown = (look.quad[2, 1] - 150) / 500
        assert look.size[0] / look.size[1] == pytest.approx(shown, rel=0.01)
    every = hypotheses.looks(view, decode(np.zeros((650, 900), np.uint8)), turns=(1, 2, 3))
    assert len(every) == 3 * len(SHARES)
    assert [pixels(look) for look in every] == pytest.approx(np.repeat(SHARES, 3).tolist(), rel=0.01)


def test_tilted_page_is_looked_at_in_its_own_shape() -> None:
    """Its image is as wide as high."""
    photo = decode(np.zeros((1600, 1200), np.uint8))
    flat = np.array([[-0.5, -0.7], [0.5, -0.7], [0.5, 0.7], [-0.5, 0.7]])
    depth = 2 + flat[:, 1] * np.sin(0.8)
    seen = np.stack([flat[:, 0], flat[:, 1] * np.cos(0.8)], -1) / depth[:, None] * 0.85 * 1600
    quad = (seen + np.array([600, 800])).astype(np.float32)
    (look,) = hypotheses.looks(PageView(quad, 0.9), photo, turns=(0,))
    assert look.size[0] / look.size[1] == pytest.approx(1.4, rel=0.01)
    assert pixels(look) == pytest.approx(1, rel=0.003)
    np.testing.assert_allclose(look.quad, quad, atol=0.1)


def test_photo_without_an_edge_is_looked_at_as_a_whole() -> None:
    """Nothing tells how it is tilted: it is taken to be squeezed a little, one way and the other."""
    photo = decode(np.zeros((600, 400), np.uint8))
    view = hypotheses.unseen(photo)
    assert (view.seen, view.quad.tolist()) == ((False,) * 4, hypotheses.frame(photo)[0].tolist())
    assert len(hypotheses.looks(view, photo, turns=(0, 2))) == 2 * len(SHARES)
    found = hypotheses.looks(view, photo, turns=(0, 2), squeezed=True)
    assert len(found) == 2 * 2 * len(SHARES)
    for number, look in enumerate(found):
        turn = number % 2
        np.testing.assert_allclose(look.quad, np.roll(hypotheses.frame(photo)[0], -2 * turn, axis=0))
        shape = 1.5 * (0.85 if number < 8 else 1.2)
        assert look.size[0] / look.size[1] == pytest.approx(shape, rel=0.01)
    assert [pixels(look) for look in found] == pytest.approx([*np.repeat(SHARES, 2)] * 2, rel=0.01)


def test_view_that_is_wider_than_high_may_be_an_open_book() -> None:
    """Then each page is as large as a page alone would be; whichever corner the finder names first."""
    photo = decode(np.zeros((900, 1300), np.uint8))
    open_book = PageView(np.array([[100, 100], [1200, 100], [1200, 850], [100, 850]], np.float32), 0.9)
    found = hypotheses.looks(open_book, photo, turns=(0, 1))
    assert [pixels(look) for look in found] == pytest.approx([1, 1, 2], rel=0.01)
    on_its_side = PageView(np.roll(open_book.quad, 1, axis=0), 0.9)
    assert [pixels(look) for look in hypotheses.looks(on_its_side, photo, turns=(0,))] == pytest.approx(
        [1, 2], rel=0.01
    )


def test_open_book_is_looked_at_in_its_own_size_upright_and_upside_down() -> None:
    photo = decode(np.zeros((900, 1300), np.uint8))
    open_book = PageView(np.array([[100, 100], [1200, 100], [1200, 850], [100, 850]], np.float32), 0.9)
    found = hypotheses.looks(open_book, photo, turns=(1, 2, 3))
    assert [pixels(look) for look in found] == pytest.approx([1, 1, 1, 2], rel=0.01)
    np.testing.assert_allclose(found[3].quad, np.roll(open_book.quad, -2, axis=0), atol=1e-2)
    assert found[3].size[0] / found[3].size[1] == pytest.approx(750 / 1100, rel=0.01)


def test_photo_of_some_lines_is_looked_at_in_its_own_shape() -> None:
    """160 by 1,400 pixels: nothing is squeezed, and it may be as wide as a page of 1.38 times the height."""
    photo = decode(np.zeros((160, 1400), np.uint8))
    found = hypotheses.looks(hypotheses.unseen(photo), photo, turns=(0,))
    assert [pixels(look) for look in found] == pytest.approx([*SHARES, 160 / 1400 / 1.38], rel=0.02)
    for look in found:
        assert look.size[0] / look.size[1] == pytest.approx(160 / 1400, rel=0.03)


def test_photo_that_is_hardly_more_than_a_line_is_looked_at() -> None:
    photo = decode(np.zeros((16, 12_000), np.uint8))
    found = hypotheses.looks(hypotheses.unseen(photo), photo, turns=(0, 1), squeezed=True)
    assert len(found) == 2 * 2 * len(SHARES)
    assert all(min(look.size) >= 1 for look in found)


def test_strip_of_a_page_is_looked_at_no_longer_than_four_times_its_width() -> None:
    strip = np.array([[100, 100], [200, 100], [200, 1000], [100, 1000]], np.float32)
    photo = decode(np.zeros((1100, 300), np.uint8))
    (look,) = hypotheses.looks(PageView(strip, 0.9), photo, turns=(0,))
    assert look.size[0] / look.size[1] == pytest.approx(4, rel=0.01)
    assert pixels(look) == pytest.approx(1, rel=0.005)
