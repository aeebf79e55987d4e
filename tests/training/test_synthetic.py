"""Books that do not exist: the same page for the same number, columns from right to left."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
import pytest

from whichpage.sources import open_source
from whichpage.training import synthetic
from whichpage.training.synthetic import VerticalBook

# Without Japanese, but every machine that trains has it: characters it lacks are drawn as boxes.
FONT = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
SIZE = (480, 336)


def test_same_number_same_page() -> None:
    book, again = VerticalBook(FONT, seed=3, size=SIZE), VerticalBook(FONT, seed=3, size=SIZE)
    assert book.page(7).shape == SIZE
    np.testing.assert_array_equal(book.page(7), again.page(7))
    again.page(1)
    np.testing.assert_array_equal(book.page(7), again.page(7))


def test_other_numbers_and_books_are_other_pages() -> None:
    book = VerticalBook(FONT, seed=3, size=SIZE)
    others = [book.page(8), VerticalBook(FONT, seed=4, size=SIZE).page(7)]
    for other in others:
        assert (np.abs(book.page(7).astype(int) - other) > 20).mean() > 0.01


@pytest.mark.parametrize("seed", [1, 2, 5])
def test_characters_stand_in_the_grid(seed: int) -> None:
    """Columns are filled from the right; the margins stay white."""
    book = VerticalBook(FONT, seed=seed, size=SIZE)
    page = book.page(2)
    assert book.alphabet[: len(synthetic._HIRAGANA)] == synthetic._HIRAGANA
    assert len(book.glyphs) == len(book.alphabet) == len(book.weights)
    assert book.weights.sum() == pytest.approx(1)
    left = int((book.right - book.columns * book.pitch) / 2)
    assert page[:, : left - 2].min() == 255
    assert page[:, int(book.right / 2) + 2 :].min() == 255
    body = page[book.top // 2 :]
    first = body[:, int((book.right - book.pitch) / 2) : int(book.right / 2)]
    ink, ink_of_first = (1 - part.mean() / 255 for part in (body, first))
    assert 0.005 < ink < 0.3
    assert ink_of_first > 0.04


def test_kanji_are_those_of_level_1() -> None:
    assert len(synthetic._KANJI) == len(set(synthetic._KANJI)) == 2965
    assert (synthetic._KANJI[0], synthetic._KANJI[-1]) == ("亜", "腕")


def test_books_are_written_as_scans_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synthetic, "PDF_SIZE", SIZE)
    words = ["synthetic", str(tmp_path), "--fonts", str(FONT), "--books", "2", "--pages", "3", "--seed", "7"]
    monkeypatch.setattr("sys.argv", words)
    synthetic.main()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["vertical-7.pdf", "vertical-8.pdf"]
    with open_source(tmp_path / "vertical-8.pdf") as written:
        assert written.pages == 3
        assert written.lines(2) == []
        shown = written.render_colour(2, long_side=480)[..., 0]
    drawn = VerticalBook(FONT, seed=8, size=SIZE).page(2)
    assert shown.shape == SIZE
    assert np.abs(shown.astype(int) - drawn).mean() < 4
