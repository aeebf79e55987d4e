from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from whichpage import pictures
from whichpage.photo import decode
from whichpage.pictures import HEIGHT, Gallery, draw
from whichpage.types import Answer, Match

GREEN, ORANGE = (0, 158, 115), (213, 94, 0)
BOOKS = Path(__file__).parent.parent / "demo" / "library"


def match(source: str | Path, *, page: int = 1, quad: list[list[float]], verified: bool = True) -> Match:
    return Match(Path(source), page, verified, 0.987, np.array(quad, np.float32))


def photo(height: int, width: int) -> np.ndarray:
    return np.full((height, width, 3), 100, np.uint8)


def test_the_outline_is_where_the_quad_is() -> None:
    """A photo of 3,000 x 2,000 pixels, worked on at 1,600 x 1,067, drawn at a third of its size."""
    quad = [[300.0, 600.0], [1500.0, 600.0], [1500.0, 2400.0], [300.0, 2400.0]]
    page = np.full((400, 300, 3), 200, np.uint8)
    picture = np.asarray(draw(decode(photo(3000, 2000)), [(match("a.pdf", quad=quad), page)]))
    left = 16
    for x, y in ((300, 1500), (1500, 1500), (900, 600), (900, 2400)):
        assert tuple(picture[16 + y // 3, left + x // 3]) == GREEN
    assert tuple(picture[16 + 500, left + 300]) == (100, 100, 100)
    # The dot at the page's own top left is wider than the line; the opposite corner has none.
    assert tuple(picture[16 + 200 - 8, left + 100 - 5]) == GREEN
    assert tuple(picture[16 + 800 + 8, left + 500 + 5]) == (100, 100, 100)


def test_the_outline_is_where_the_quad_is_in_a_photo_that_is_drawn_narrower() -> None:
    """Eight times as wide as high: drawn at half of its width."""
    quad = [[1600.0, 100.0], [4800.0, 100.0], [4800.0, 700.0], [1600.0, 700.0]]
    picture = np.asarray(draw(decode(photo(800, 6400)), [(match("a.pdf", quad=quad), None)]))
    assert tuple(picture[16 + 500, 16 + 1000]) == tuple(picture[16 + 500, 16 + 3000]) == GREEN
    assert tuple(picture[16 + 500, 16 + 2000]) == (100, 100, 100)


def test_photo_and_page_stand_side_by_side_at_one_height() -> None:
    quad = [[0.0, 0.0], [9.0, 0.0], [9.0, 9.0], [0.0, 9.0]]
    page = np.full((500, 250, 3), 200, np.uint8)
    picture = draw(decode(photo(800, 600)), [(match("a.pdf", quad=quad), page)])
    assert picture.size == (16 + 750 + 16 + 500 + 16, 16 + HEIGHT + 44 + 16)
    pixels = np.asarray(picture)
    assert tuple(pixels[500, 16 + 750 + 16 + 250]) == (200, 200, 200)
    # The page's frame has the colour of its outline in the photo.
    assert tuple(pixels[500, 16 + 750 + 16 + 2]) == GREEN


def test_two_pages_have_two_colours() -> None:
    left = [[10.0, 10.0], [390.0, 10.0], [390.0, 590.0], [10.0, 590.0]]
    right = [[410.0, 10.0], [790.0, 10.0], [790.0, 590.0], [410.0, 590.0]]
    page = np.full((100, 70, 3), 200, np.uint8)
    shown = [(match("a.pdf", page=2, quad=left), page), (match("a.pdf", page=3, quad=right), page)]
    pixels = np.asarray(draw(decode(photo(600, 800)), shown))
    scale = HEIGHT / 600
    assert tuple(pixels[16 + 500, 16 + round(10 * scale)]) == GREEN
    assert tuple(pixels[16 + 500, 16 + round(410 * scale)]) == ORANGE
    assert pixels.shape[1] == 16 + 1333 + 16 + 700 + 16 + 700 + 16


def test_not_found_is_the_photo_with_a_caption() -> None:
    picture = np.asarray(draw(decode(photo(800, 600)), []))
    assert picture.shape == (16 + HEIGHT + 44 + 16, 16 + 750 + 16, 3)
    assert (picture[16 : 16 + HEIGHT, 16 : 16 + 750] == 100).all()
    assert (picture[16 + HEIGHT :] < 128).any()


def test_a_page_whose_file_is_gone_is_an_empty_frame(tmp_path: Path) -> None:
    quad = [[0.0, 0.0], [9.0, 0.0], [9.0, 9.0], [0.0, 9.0]]
    answer = Answer("x.jpg", "found", 0, (match(tmp_path / "gone.pdf", quad=quad),))
    saved = Gallery.make(tmp_path / "out").save(answer, encoded(tmp_path, 800, 600))
    pixels = np.asarray(Image.open(saved)).astype(int)
    assert np.abs(pixels[500, 16 + 750 + 16 + 350] - 225).max() < 5


def encoded(folder: Path, height: int, width: int) -> Path:
    path = folder / "photo.png"
    Image.fromarray(photo(height, width)).save(path)
    return path


def test_the_page_is_rendered_from_its_book(tmp_path: Path) -> None:
    quad = [[0.0, 0.0], [9.0, 0.0], [9.0, 9.0], [0.0, 9.0]]
    found = match(BOOKS / "chemobabel-ja.pdf", page=9, quad=quad)
    guess = match(BOOKS / "testmath.pdf", quad=quad, verified=False)
    saved = Gallery.make(tmp_path / "out").save(
        Answer("IMG 1.HEIC", "found", 0, (found, guess)), encoded(tmp_path, 800, 600)
    )
    assert saved == tmp_path / "out" / "IMG 1.whichpage.jpg"
    with Image.open(saved) as picture:
        # A4 beside the photo, and not the page that was not verified.
        assert picture.width == 16 + 750 + 16 + 708 + 16
        page = np.asarray(picture.crop((16 + 750 + 16 + 10, 26, picture.width - 26, HEIGHT)).convert("L"))
    assert 0.01 < (page < 128).mean() < 0.2


def test_names_do_not_collide(tmp_path: Path) -> None:
    gallery = Gallery.make(tmp_path)
    source = encoded(tmp_path, 40, 30)
    names = [
        gallery.save(Answer(n, "not_found", 0), source).name for n in ("a/x.jpg", "b/x.png", "X.jpg", "x-2")
    ]
    assert names == ["x.whichpage.jpg", "x-2.whichpage.jpg", "X-3.whichpage.jpg", "x-2-2.whichpage.jpg"]
    assert len(list(tmp_path.glob("*.whichpage.jpg"))) == 4


@pytest.mark.parametrize(
    ("photo", "stem"),
    [
        ("a/IMG_0001.jpg", "IMG_0001"),
        ("-", "stdin"),
        (os.fsdecode(b"a:b\xff.jpg"), "a_b_"),
        (" . .jpg", "photo"),
    ],
)
def test_a_picture_is_called_as_its_photo_is(tmp_path: Path, photo: str, stem: str) -> None:
    saved = Gallery.make(tmp_path).save(Answer(photo, "not_found", 0), encoded(tmp_path, 40, 30))
    assert saved.name == f"{stem}.whichpage.jpg"


def test_a_name_that_no_font_writes_is_shortened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "_system_fonts", lambda: ())
    font = pictures._font_for("漢文 kanbun.pdf")
    assert pictures._without_uncovered("漢文 kanbun 入門.pdf", font) == "... kanbun ....pdf"
    assert pictures._without_uncovered("Übung naïve.pdf", font) == "Ubung naive.pdf"


def test_a_long_name_keeps_both_ends_and_the_page() -> None:
    quad = [[0.0, 0.0], [9.0, 0.0], [9.0, 9.0], [0.0, 9.0]]
    page = np.full((1000, 700, 3), 255, np.uint8)
    short = np.asarray(draw(decode(photo(800, 600)), [(match("a.pdf", quad=quad), page)]))
    long = np.asarray(draw(decode(photo(800, 600)), [(match("a" * 200 + ".pdf", quad=quad), page)]))
    assert long.shape == short.shape
    # Nothing is written beyond the page's right edge.
    assert (long[16 + HEIGHT + 1 :, -16:] == 255).all()
    assert (long[16 + HEIGHT + 1 :, -60:-16] < 128).any()


def test_a_page_that_its_folder_has_lost_does_not_end_the_run(tmp_path: Path) -> None:
    folder = tmp_path / "scans"
    folder.mkdir()
    Image.fromarray(photo(60, 40)).save(folder / "1.png")
    Image.fromarray(photo(60, 40)).save(tmp_path / "photo.png")
    found = match(folder, page=2, quad=[[0.0, 0.0], [9.0, 0.0], [9.0, 9.0], [0.0, 9.0]])
    answer = Answer("photo.png", "found", 0.1, (found,))
    assert Gallery.make(tmp_path / "out").save(answer, tmp_path / "photo.png").is_file()
