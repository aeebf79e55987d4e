"""The lines that a PDF page holds: which characters make one, and where it is on the rendered page."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from books import make_written_pdf

from whichpage import textlayer
from whichpage.printed import PrintedLine
from whichpage.sources import open_source

DEMO = Path(__file__).parents[1] / "demo" / "library"


def lines(path: Path, number: int = 1) -> list[PrintedLine]:
    with open_source(path) as source:
        return source.lines(number)


def texts(path: Path) -> list[str]:
    return [line.text for line in lines(path)]


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
@pytest.mark.parametrize(
    "boxes",
    [
        "/MediaBox[0 0 420 595]",
        "/MediaBox[-50 -100 370 495]",
        "/MediaBox[0 0 420 595]/CropBox[20 300 400 560]",
    ],
)
def test_places_are_those_of_the_rendered_page(tmp_path: Path, boxes: str, turn: int) -> None:
    drawn = "/F 20 Tf 40 400 Td (HOW A LINE IS PRINTED H) Tj"
    book = make_written_pdf(tmp_path / "a.pdf", drawn, page=f"{boxes}/Rotate {turn}")
    with open_source(book) as source:
        grey = source.render(1).grey
        (line,) = source.lines(1)
    assert line.text == "howalineisprintedh"
    rows, columns = np.nonzero(grey < 128)
    height, width = grey.shape
    low = np.array([columns.min() / width, rows.min() / height])
    high = np.array([(columns.max() + 1) / width, (rows.max() + 1) / height])
    start, end = np.array(line.start), np.array(line.end)
    along, across = (1, 0) if turn % 180 else (0, 1)
    ahead = 1 if turn in (0, 90) else -1
    first, last = (low, high)[::ahead]
    letter = 14.4 / (380 if "Crop" in boxes else 420)  # the width of an H, as a share of the page's
    assert (end - start)[along] * ahead > 0
    for place, edge, inwards in ((start, first, ahead), (end, last, -ahead)):
        assert (place - edge)[along] * inwards == pytest.approx(letter / 2, abs=0.006)
        assert low[across] < place[across] < high[across]


def test_a_real_page() -> None:
    found = lines(DEMO / "testmath.pdf")
    title = found[0]
    assert title.text == "samplepaperfortheamsmathpackage"
    assert 0.15 < title.start[1] < 0.25
    assert title.end[1] == pytest.approx(title.start[1], abs=0.002)
    assert (title.start[0] + title.end[0]) / 2 == pytest.approx(0.514, abs=0.01)  # centred in its column
    assert all(0 <= share <= 1 for line in found for share in line.start + line.end)


def test_a_line_ends_at_a_wide_gap_and_a_joined_hyphen(tmp_path: Path) -> None:
    gap = "/F 10 Tf 30 500 Td (left column) Tj {} 0 Td (right column) Tj"
    assert texts(make_written_pdf(tmp_path / "far.pdf", gap.format(200))) == ["leftcolumn", "rightcolumn"]
    assert texts(make_written_pdf(tmp_path / "near.pdf", gap.format(70))) == ["leftcolumnrightcolumn"]
    hyphen = "/F 10 Tf 30 500 Td (this is an exam-) Tj 0 -12 Td (ple of a hyphen) Tj"
    assert texts(make_written_pdf(tmp_path / "hyphen.pdf", hyphen)) == ["thisisanexam", "pleofahyphen"]


def test_short_lines_and_what_is_off_the_page_are_left_out(tmp_path: Path) -> None:
    drawn = (
        "/F 10 Tf 30 500 Td (a-b c) Tj 0 -20 Td (four) Tj 0 -20 Td (......) Tj"
        " -200 -20 Td (begins beside the page, and goes on for a while) Tj 0 -800 Td (below it) Tj"
    )
    assert texts(make_written_pdf(tmp_path / "a.pdf", drawn)) == ["four"]


def test_characters_of_two_units_and_of_no_meaning(tmp_path: Path) -> None:
    """A bold A beyond the first 65,536 characters, and one that stands for nothing."""
    cmap = "3 beginbfchar <41> <D835DC00> <42> <0000> <43> <0043> endbfchar"
    cmap = f"begincmap 1 begincodespacerange <00> <FF> endcodespacerange {cmap} endcmap"
    drawn = "/F 10 Tf 30 500 Td (ACCA CBCC) Tj 0 -20 Td (CCCCC) Tj"
    (first, second) = lines(make_written_pdf(tmp_path / "a.pdf", drawn, cmap=cmap))
    assert first.text == "accaccc"
    assert second.text == "ccccc"
    assert first.start[1] < second.start[1]
    assert first.start[0] == pytest.approx(second.start[0], abs=0.03)


def test_a_page_gives_only_so_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = "/F 10 Tf 30 580 Td" + " 0 -12 Td (another line) Tj" * 40
    book = make_written_pdf(tmp_path / "a.pdf", drawn)
    assert len(lines(book)) == 40
    for name, most, expected in (("_MOST_LINES", 7, 7), ("_MOST_CHARACTERS", 60, 5), ("_MOST_READ", 30, 2)):
        with monkeypatch.context() as patch:
            patch.setattr(textlayer, name, most)
            assert texts(book)[:expected] == ["anotherline"] * expected
            assert len(lines(book)) <= expected + (name == "_MOST_READ")
