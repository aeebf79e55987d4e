"""The measurements from command to report, on the demonstration's books and photos and on made-up ones."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from books import make_pdf
from PIL import Image

from whichpage import Library, cli
from whichpage.benchmark import article, article_books, photos, speed, speed_finding
from whichpage.features import unpack
from whichpage.types import Answer

DEMO = Path(__file__).parents[2] / "demo"
# A straight photo, one of two pages, and one of a page in no book: what whichpage says of them is settled.
SHOWN = {"01-flat.jpg": "flat", "08-two-pages.jpg": "spread", "09-absent.jpg": "absent"}


@pytest.fixture(autouse=True)
def settled_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Code that stays as it is: whoever edits the package meanwhile must not begin a run anew."""
    (tmp_path / "code").mkdir()
    monkeypatch.setattr("whichpage.benchmark.provenance._PACKAGE", tmp_path / "code")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("library") / "demo"
    with Library.open(folder, create=True) as opened:
        opened.add(DEMO / "library")
    return folder


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    """The demonstration's truth in the bench's columns, and photos that are no photos or not there."""
    with (DEMO / "photos" / "truth.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["photo"] in SHOWN]
    path = tmp_path / "truth.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("photo", "pdf", "page", "stratum"))
        for row in rows:
            photo = DEMO / "photos" / row["photo"]
            writer.writerow((photo, row["book"], row["pages"], SHOWN[row["photo"]]))
        (tmp_path / "damaged.jpg").write_bytes(b"no photo")
        writer.writerow(("damaged.jpg", "pseudo.pdf", "1", "flat"))
    return path


def run(*words: str | Path) -> int:
    return cli.run([str(word) for word in words])


def tables(report: Path) -> dict[str, list[list[Any]]]:
    written = json.loads(report.read_text(encoding="utf-8"))
    return {table["title"]: table["rows"] for table in written["tables"]}


def test_photos(
    library: Path,
    truth: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out"
    assert run("bench", "photos", truth, "-l", library, "--out", out) == 0
    assert "# Photos of known pages" in capsys.readouterr().out
    rows = {row[0]: row for row in tables(out / "photos.json")["By kind of photo"]}
    counts = {
        name: [cell["count"] if isinstance(cell, dict) else cell for cell in row[1:]]
        for name, row in rows.items()
    }
    # photos, top-1, top-5, accepted right, accepted wrong, missed, both pages, unanswered
    assert counts == {
        "absent": [1, 1, 1, 0, 0, 0, None, 0],
        "flat": [2, 1, 1, 1, 0, 1, None, 0],  # the damaged one is missed
        "spread": [1, 1, 1, 1, 0, 0, 1, 0],
        "all": [4, 3, 3, 2, 0, 1, 1, 0],
    }
    retrieved = {
        row[0]: [cell["count"] for cell in row[2:]] for row in tables(out / "photos.json")["Retrieval alone"]
    }
    assert retrieved == {"flat": [1, 1, 1], "spread": [1, 1, 1], "all": [2, 2, 2]}
    stages = {row[0]: row[1] for row in tables(out / "photos.json")["Time a photo"]}
    assert list(stages) == ["decode", "finder", "encode", "search", "features", "read", "verify", "whole"]
    for last in ("features", "read"):  # asked of the photo of no book alone, which is no half of the photos
        assert stages.pop(last) == 0
    assert all(milliseconds > 0 for milliseconds in stages.values())
    assert stages["whole"] > stages["verify"]
    names = {path.name for path in out.iterdir()}
    assert {f"photos-{figure}.png" for figure in ("strata", "risk-coverage", "reliability", "stages")} < names
    with Image.open(out / "photos-wrong-1.jpg") as sheet:
        assert sheet.width > 900  # photo, true page and answer of the one that went wrong

    # Run again, no photo is looked at again, and the report says the same.
    monkeypatch.setattr(photos, "answer_one", None)
    assert run("bench", "photos", truth, "-l", library, "--out", out) == 0
    assert {row[0]: row for row in tables(out / "photos.json")["By kind of photo"]} == rows


def test_photos_by_looks_alone_have_a_report_of_their_own(library: Path, truth: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run("bench", "photos", truth, "-l", library, "--no-text", "--out", out) == 0
    assert not (out / "photos.json").exists()
    stages = {row[0]: row[3] for row in tables(out / "looks.json")["Time a photo"]}
    assert stages["read"] == 0
    assert stages["verify"] > 0


def test_photos_without_their_own_pages(library: Path, truth: Path, tmp_path: Path) -> None:
    # A copy of a page under another name is as much its own: the straight photo would be answered with it.
    shown = next(row for row in csv.DictReader(truth.open(encoding="utf-8")) if row["stratum"] == "flat")
    book = next((DEMO / "library").rglob(shown["pdf"]))
    copy = tmp_path / "copy.pdf"
    copy.write_bytes(book.read_bytes() + b"\n% not the same bytes\n")
    twice = tmp_path / "twice"
    with Library.open(twice, create=True) as opened:
        opened.add(DEMO / "library", copy)
        found = opened.find(Path(shown["photo"]))
        assert {match.source.name for match in found.matches[:2]} == {shown["pdf"], "copy.pdf"}
    out = tmp_path / "out"
    assert run("bench", "photos", truth, "-l", twice, "--absent", "--out", out) == 0
    report = tables(out / "photos-absent.json")
    rows = {row[0]: [row[1], row[2]["count"], row[5]["count"]] for row in report["By kind of photo"]}
    assert rows == {"absent": [1, 1, 0], "flat": [2, 2, 0], "spread": [1, 1, 0], "all": [4, 4, 0]}
    assert report["Retrieval alone"] == []


def test_an_ended_run_goes_on(
    library: Path, truth: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    real = photos.answer_one

    def ended(find: Callable[[Path], Answer], photo: Path) -> dict[str, Any]:
        if len(asked) == 3:  # one to warm up, two that count
            raise KeyboardInterrupt
        asked.append(photo.name)
        return real(find, photo)

    monkeypatch.setattr(photos, "answer_one", ended)
    assert run("bench", "photos", truth, "-l", library, "--out", tmp_path / "out") == 130

    def counted(find: Callable[[Path], Answer], photo: Path) -> dict[str, Any]:
        asked.append(photo.name)
        return real(find, photo)

    monkeypatch.setattr(photos, "answer_one", counted)
    asked.clear()
    assert run("bench", "photos", truth, "-l", library, "--out", tmp_path / "out") == 0
    assert asked == ["09-absent.jpg", "09-absent.jpg", "damaged.jpg"]


def test_article(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(article_books, "LEAST_PAGES", 4)
    monkeypatch.setattr(
        article,
        "split_books",
        lambda folder, train_pages: article_books.split_books(
            folder, train_pages=min(train_pages, 8), validate_pages=12
        ),
    )
    for seed in range(5):
        make_pdf(tmp_path / "books" / f"{seed}.pdf", 4, seed=seed, blank=(2,))
    out = tmp_path / "out"
    words = ("bench", "article", "--books", tmp_path / "books", "--find", "4", "--out", out)
    model = Path(article.__file__).parents[1] / "models" / "encoder.onnx"
    assert run(*words, "--article-model", model) == 0
    report = tables(out / "article.json")
    books = [(side, pages) for side, _, pages in report["The books"]]
    assert books == [("train", 4)] * 2 + [("validate", 4)] * 3
    rows = report["Which page comes first"]
    assert [(row[0], row[1], row[2]) for row in rows] == [
        ("whichpage", "codes, Hamming distance", 12),
        ("whichpage", "numbers before they are bits, cosine", 12),
        ("whichpage", "the whole of find", 4),
        ("article, a network", "codes, Hamming distance", 12),
        ("article, a network", "numbers before they are bits, cosine", 12),
    ]
    # The same model under both names finds the same; the views by share of the page are all of them.
    assert rows[0][3:] == rows[3][3:]
    assert rows[1][2] == rows[4][2]  # its cosine is of the numbers as they come, ours of their tanh
    for row in rows:
        assert sum(part["of"] for part in row[5:9] if part) == row[2]
        assert row[3]["count"] == sum(part["count"] for part in row[5:9] if part)
    assert rows[0][3]["count"] >= 4  # by chance there would be one or two
    # Only what find answers is looked at for pages of the same print; it accepted nothing wrong.
    assert [row[9] is None for row in rows] == [True, True, False, True, True]
    assert rows[2][9] == rows[2][3]  # no page prints what another does
    assert rows[2][10:] == [0, 0]


def test_article_on_books_that_nothing_was_trained_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def split(folder: Path, train_pages: int) -> article_books.Split:
        asked.append(train_pages)
        return article_books.Split((), ())

    monkeypatch.setattr(article, "split_books", split)
    words = ("bench", "article", "--books", tmp_path, "--out", tmp_path / "out")
    assert run(*words) == run(*words, "--unseen") == 2  # there are no books at all
    assert asked == [article_books.TRAIN_PAGES, 0]


def test_speed(library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "SEARCHED", (500, 2_000))
    monkeypatch.setattr(speed, "GREATEST", 2_000)
    monkeypatch.setattr(speed, "GREAT", 1_500)
    monkeypatch.setattr("whichpage.benchmark.speed_finding._BLOCK", 1 << 22)
    for seed in range(5):
        make_pdf(tmp_path / "books" / f"{seed}.pdf", 5, seed=seed)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_bytes((DEMO / "photos" / "01-flat.jpg").read_bytes())
    out = tmp_path / "out"
    words = ("bench", "speed", "--books", tmp_path / "books", "--photos", tmp_path / "photos")
    assert run(*words, "-l", library, "--pages", "20", "--rounds", "2", "--out", out) == 0
    report = tables(out / "speed.json")
    ways = report["Indexing"]
    assert [row[1] for row in ways] == [20, 20, 2]  # pages a round
    assert all(least <= middle <= most for _, _, middle, least, most, _ in ways)
    assert ways[0][5] == 1.0
    assert [row[1] for row in report["Photo to answer"]] == [1, 1]
    networks = {row[0]: row[1:] for row in report["One page, one photo"]}
    with Library.open(library) as opened:
        pages = opened.info().pages
    glance, look, second = (f"page finder, a photo, {name}" for name in speed_finding.LOOKS.values())
    assert [(name, row[0]) for name, row in networks.items()] == [
        ("encoder, a page", min(60, pages)),
        *((name, 1) for name in (glance, look, second)),
    ]
    assert 0 < networks[glance][1] < networks[second][1]
    searching = report["Searching"]
    assert [row[0] for row in searching] == [500, 2_000]
    assert all(row[4] == pytest.approx(3 * row[2]) for row in searching)
    assert searching[1][2] == pytest.approx(4 * searching[0][2])
    grown = report["As the library grows"]
    assert [row[0] for row in grown] == sorted(row[0] for row in grown)
    assert grown[-1][0] == 2_000
    assert all(row[3] > 0 for row in grown)
    with Library.open(library) as opened:
        described = dict(opened.catalog.all_features())
        pages = opened.catalog.codes()[0].tolist()
    # The features of all pages again and again, until there are 2,000; each takes its code and its page's id.
    features = sum(len(unpack(described[pages[row % len(pages)]]).codes) for row in range(2_000))
    assert grown[-1][4] == pytest.approx((2_000 * (2 * 3 * 32 + 8) + features * (16 + 8)) / 1e6)
    curve = json.loads((out / "speed.json").read_text(encoding="utf-8"))["data"]["add_progress"]
    assert curve[-1][1] == 20


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("photos", "{empty}"), "the truth files name no photo"),
        (("photos", "{truth}", "-l", "{nowhere}"), "there is no library at"),
        (("article", "--books", "{folder}"), "too few PDFs of 100 pages and more"),
        (("speed", "--books", "{folder}", "--photos", "{folder}"), "there are no photos in"),
    ],
)
def test_errors_are_one_sentence(
    words: Sequence[str], sentence: str, truth: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty, folder = tmp_path / "empty.csv", tmp_path / "folder"
    empty.write_text("photo,pdf,page,stratum\n", encoding="ascii")
    folder.mkdir()
    places = {"empty": empty, "truth": truth, "nowhere": tmp_path / "nowhere", "folder": folder}
    assert run("bench", *(word.format(**places) for word in words)) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert sentence in lines[0].replace("There", "there")


def test_without_poppler_nothing_is_begun(
    library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert run("bench", "speed", "--books", tmp_path, "--photos", tmp_path, "-l", library) == 2
    assert "there is no pdftoppm here" in capsys.readouterr().err
