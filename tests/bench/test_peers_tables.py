"""The table's numbers, against answers whose worth is counted by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from whichpage.benchmark.peers import tables
from whichpage.benchmark.peers.protocol import (
    IndexCost,
    LibraryPage,
    Ranked,
    accept_first,
    answer_line,
)
from whichpage.benchmark.peers.runner import PeerRun
from whichpage.benchmark.provenance import Provenance
from whichpage.benchmark.report import Report
from whichpage.benchmark.resampling import Share
from whichpage.benchmark.scoring import score
from whichpage.benchmark.truth import TruthPhoto

ORIGIN = Provenance("c", "d", {}, "e", "whichpage bench peers", "2026", {"cores": "2"})
# Three flat photos and one of a curled page are of the library, two are not.
TRUTHS = [
    *(TruthPhoto(Path(f"{k}.jpg"), "flat", "a.pdf", frozenset({k})) for k in (1, 2, 3)),
    TruthPhoto(Path("4.jpg"), "curl", "a.pdf", frozenset({4, 5})),
    TruthPhoto(Path("8.jpg"), "absent", "", frozenset()),
    TruthPhoto(Path("9.jpg"), "absent", "", frozenset()),
]


def page(number: int) -> LibraryPage:
    return LibraryPage(Path("/b/a.pdf"), number)


def same(source: str, page: int, truth_pdf: str, truth_page: int) -> bool:
    return source.endswith(truth_pdf) and page == truth_page


def peer_run(name: str, ranked: dict[str, list[Ranked]], seconds: list[float]) -> PeerRun:
    answers = {
        photo: answer_line(photo, spent, found)
        for (photo, found), spent in zip(ranked.items(), seconds, strict=True)
    }
    present = score([truth for truth in TRUTHS if not truth.absent], answers, same=same)
    absent = score([truth for truth in TRUTHS if truth.absent], answers, same=same)
    return PeerRun(name, "what", "rule", IndexCost(10, 5.0, 2048), answers, present, absent)


@pytest.fixture
def report() -> Report:
    """By hand.

    good: 1 right, answered; 2 right, not answered; 3 true page second, wrong one answered; 4 right by the
    page beside, answered; 8 answered, wrongly; 9 not.
    poor: nothing at all.
    """
    good = {
        "1.jpg": accept_first([(page(1), 9.0), (page(2), 3.0)], least=5),
        "2.jpg": accept_first([(page(7), 1.0), (page(2), 4.0)], least=5),
        "3.jpg": accept_first([(page(3), 6.0), (page(1), 8.0)], least=5),
        "4.jpg": accept_first([(page(5), 5.0)], least=5),
        "8.jpg": accept_first([(page(1), 7.0)], least=5),
        "9.jpg": accept_first([(page(1), 4.9)], least=5),
    }
    runs = [
        peer_run("good", good, [0.1, 0.2, 0.3, 0.5, 0.6, 9.0]),
        peer_run("poor", {photo: [] for photo in good}, [1.0] * 6),
    ]
    return tables.report(runs, pages=10, of=40, seed=3, origin=ORIGIN)


def test_all_photos(report: Report) -> None:
    main = report.tables[0]
    good, poor = (dict(zip(main.columns, row, strict=True)) for row in main.rows)
    counts = {name: (cell.count, cell.of) for name, cell in good.items() if isinstance(cell, Share)}
    assert counts == {
        "top-1": (3, 4),
        "top-5": (4, 4),
        "answered right": (2, 4),
        "wrong answers": (1, 4),
        "wrong answers, page absent": (1, 2),
    }
    assert good["s a photo (median)"] == pytest.approx(0.4)
    assert (good["s a page to index"], good["bytes a page"]) == (0.5, 205)
    assert {cell.count for cell in poor.values() if isinstance(cell, Share)} == {0}


def test_by_kind_of_photo(report: Report) -> None:
    rows = {table.title: [list(row) for row in table.rows] for table in report.tables}
    assert rows["Top-1 by kind of photo"] == [["curl", 1, 1, 0], ["flat", 3, 2, 0]]
    assert rows["Top-5 by kind of photo"] == [["curl", 1, 1, 0], ["flat", 3, 3, 0]]
    assert rows["Answered right by kind of photo"] == [["curl", 1, 1, 0], ["flat", 3, 1, 0]]
    assert rows["Wrong answers by kind of photo"] == [
        ["curl", 1, 0, 0],
        ["flat", 3, 1, 0],
        ["absent", 2, 1, 0],
    ]
    assert rows["The peers"] == [["good", "what", "rule"], ["poor", "what", "rule"]]


def test_which_pages_were_searched_is_said(report: Report) -> None:
    (sentence,) = report.summary
    assert "10 of the library's 40 pages" in sentence
    assert "seed 3" in sentence
    assert "4 photos of these pages and 2 photos of pages that are not there" in sentence
    whole = tables.report(
        [peer_run("poor", {str(truth.photo): [] for truth in TRUTHS}, [1.0] * 6)],
        pages=40,
        of=40,
        seed=3,
        origin=ORIGIN,
    )
    assert "all 40 pages of the library" in whole.summary[0]


def test_photos_of_no_page_alone_make_a_table(report: Report) -> None:
    absent = [truth for truth in TRUTHS if truth.absent]
    answers = {str(truth.photo): answer_line(str(truth.photo), 1.0, []) for truth in absent}
    run = PeerRun(
        "p", "", "", IndexCost(1, 1, 1), answers, score([], {}, same=same), score(absent, answers, same=same)
    )
    made = tables.report([run], pages=1, of=1, seed=0, origin=ORIGIN)
    assert [table.title for table in made.tables] == [
        "All photos",
        "Wrong answers by kind of photo",
        "The peers",
    ]
    assert [list(row) for row in made.tables[1].rows] == [["absent", 2, 0]]


def test_it_is_written_with_its_picture(report: Report, tmp_path: Path) -> None:
    paths = report.write(tmp_path, "peers")
    assert [path.name for path in paths] == ["peers.json", "peers.md", "peers-overview.png"]
    assert paths[2].read_bytes().startswith(b"\x89PNG")
