"""What a worker does with a book, and the wire between worker and pool."""

from __future__ import annotations

import hashlib
import io
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from books import TINY_MODEL, image_bytes, make_pdf, make_written_pdf, page_image, pdf_bytes

from whichpage import sources
from whichpage.adding import Content, PageRow
from whichpage.encoder import Encoder
from whichpage.features import FeatureExtractor
from whichpage.features import pack as pack_features
from whichpage.files import stamp
from whichpage.printed import PrintedLine, unpack
from whichpage.sources import open_source, thumbnail
from whichpage.tasks import Beat, Failed, Index, Inspect, Read, Show, receive
from whichpage.types import PageImage
from whichpage.worker import Models, Worker, is_blank


def worker() -> tuple[Worker, io.BytesIO]:
    output = io.BytesIO()
    return Worker(Models(Encoder.load(TINY_MODEL), FeatureExtractor.load()), output), output


def test_inspection_tells_the_content(tmp_path: Path) -> None:
    book = tmp_path / "a.pdf"
    book.write_bytes(pdf_bytes(3, title="A \\(b\\)\\007 c"))
    expected = Content(book, stamp(book), hashlib.sha256(book.read_bytes()).hexdigest(), 3, "A (b) c")
    assert worker()[0].do(Inspect(book)) == expected


def test_pages_come_with_codes_and_thumbnails(tmp_path: Path) -> None:
    book = make_pdf(tmp_path / "a.pdf", 4, blank=[2])
    does, output = worker()
    rows = does.do(Index(book, stamp(book), (1, 2, 4, 3), {4: "page 4 is bad"}))
    assert isinstance(rows, list)
    assert [row.number for row in rows] == [1, 2, 4, 3]
    assert [(row.codes is None, row.trouble) for row in rows] == [
        (False, None),
        (True, None),
        (True, "page 4 is bad"),
        (False, None),
    ]
    with open_source(book) as source:
        greys = [thumbnail(source.render(number).grey) for number in (1, 3)]
    bits = Encoder.load(TINY_MODEL).encode(greys).bits
    for row, grey, expected in zip((rows[0], rows[3]), greys, bits, strict=True):
        assert row.codes == expected.tobytes()
        assert row.codes is not None
        assert row.thumbnail is not None
        assert len(row.codes) == 96
        decoded = cv2.imdecode(np.frombuffer(row.thumbnail, np.uint8), cv2.IMREAD_GRAYSCALE)
        assert decoded is not None
        assert np.abs(decoded.astype(int) - grey).mean() < 3
    output.seek(0)
    assert [receive(output) for _ in range(5)] == [Beat(), Beat(1), Beat(2), Beat(3), Beat()]


def test_pages_come_with_local_features_whatever_their_company(tmp_path: Path) -> None:
    book = make_pdf(tmp_path / "a.pdf", 4, blank=[2])
    extractor = FeatureExtractor.load()
    with open_source(book) as source:
        greys = {number: thumbnail(source.render(number).grey) for number in (1, 3, 4)}
    expected = {
        number: pack_features(extractor.extract(grey), extractor.vocabulary) for number, grey in greys.items()
    }
    assert len(set(expected.values())) == 3
    for numbers in ((1, 2, 3, 4), (4, 1), (3,)):
        rows = worker()[0].do(Index(book, stamp(book), numbers))
        assert isinstance(rows, list)
        assert [row.features for row in rows] == [expected.get(number, b"") for number in numbers]


def test_pages_come_with_the_text_of_their_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = "/F 30 Tf 40 500 Td (Printed by the file itself) Tj"
    book = make_written_pdf(tmp_path / "a.pdf", drawn)
    task = Index(book, stamp(book), (1, 2))
    rows = worker()[0].do(task)
    assert isinstance(rows, list)
    with open_source(book) as source:
        assert unpack(rows[0].text, rows[0].places) == tuple(source.lines(1))
    assert rows[0].text == "printedbythefileitself"
    assert rows[1] == PageRow(2)  # it is blank

    def fails(*_: object) -> list[PrintedLine]:
        raise MemoryError

    monkeypatch.setattr(sources, "printed_lines", fails)
    again = worker()[0].do(task)
    assert isinstance(again, list)
    assert again[0] == replace(rows[0], text="", places=b"")


def test_text_of_a_blank_page_is_not_kept(tmp_path: Path) -> None:
    book = make_written_pdf(tmp_path / "a.pdf", "3 Tr /F 30 Tf 40 500 Td (nothing that is seen) Tj")
    with open_source(book) as source:
        assert source.lines(1) != []
    assert worker()[0].do(Index(book, stamp(book), (1,))) == [PageRow(1)]


def test_file_that_changes_meanwhile_fails(tmp_path: Path) -> None:
    book = make_pdf(tmp_path / "a.pdf", 2)
    before = stamp(book)
    does, _ = worker()
    assert isinstance(does.do(Index(book, before, (1,))), list)
    make_pdf(book, 3, seed=1)
    assert does.do(Index(book, before, (2,))) == Failed("changed while it was read")


def test_bad_page_is_in_trouble_and_the_others_are_not(tmp_path: Path) -> None:
    for number in (1, 3):
        (tmp_path / f"{number}.png").write_bytes(image_bytes(number, "PNG"))
    (tmp_path / "2.png").write_bytes(b"")
    rows = worker()[0].do(Index(tmp_path, stamp(tmp_path), (1, 2, 3)))
    assert isinstance(rows, list)
    assert [row.trouble for row in rows] == [
        None,
        "page 2 (2.png) is damaged, or no image that can be read",
        None,
    ]


def test_what_no_library_says_it_raises_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a page, it costs that page alone."""
    book = make_pdf(tmp_path / "a.pdf", 3)
    render = sources.PdfSource.render_with_lines

    def fails(self: sources.PdfSource, number: int) -> tuple[PageImage, list[PrintedLine]]:
        if number == 2:
            raise KeyError("odd")
        return render(self, number)

    monkeypatch.setattr(sources.PdfSource, "render_with_lines", fails)
    does, _ = worker()
    rows = does.do(Index(book, stamp(book), (1, 2, 3)))
    assert isinstance(rows, list)
    assert [row.trouble for row in rows] == [None, "page 2 cannot be read (unexpected KeyError)", None]

    def opens(*_: object, **__: object) -> None:
        raise UnicodeDecodeError("utf-16", b"", 0, 1, "odd")

    monkeypatch.setattr("whichpage.worker.open_source", opens)
    other = make_pdf(tmp_path / "b.pdf", 1)
    assert does.do(Inspect(other)) == Failed("cannot be read (unexpected UnicodeDecodeError)")


def test_a_book_of_many_tiffs_gives_signs_of_life_while_it_is_opened(tmp_path: Path) -> None:
    for number in range(40):
        (tmp_path / f"{number}.tif").write_bytes(image_bytes(number, "TIFF"))
    does, output = worker()
    # One for each image that is hashed, one before the book is opened, one for each image that is.
    assert isinstance(does.do(Inspect(tmp_path)), Content)
    output.seek(0)
    assert [receive(output) for _ in range(40 + 1 + 40)] == [Beat()] * 81
    assert output.read() == b""


@pytest.mark.parametrize(
    ("dots", "blank"),
    [(0, True), (2, True), (12, False)],
)
def test_paper_with_grain_shadow_and_page_number_is_blank(dots: int, blank: bool) -> None:
    chance = np.random.default_rng(1)
    shadow = np.linspace(140, 240, 338)[None] + np.linspace(0, 10, 478)[:, None]
    scan = shadow + chance.normal(0, 4, (478, 338))
    scan[:8] = 0  # the scanner's lid
    for dot in range(dots):  # a digit of 3 x 4 pixels each
        scan[440:444, 160 + 5 * dot : 163 + 5 * dot] = 20
    assert is_blank(scan.clip(0, 255).astype(np.uint8)) == blank


def test_pages_are_not_blank() -> None:
    assert not is_blank(page_image(1))
    assert not is_blank(255 - page_image(1))
    assert is_blank(np.zeros((478, 338), np.uint8))
    assert is_blank(np.full((1, 1), 7, np.uint8))


def test_a_page_is_shown_and_read_without_models(tmp_path: Path) -> None:
    book = make_pdf(tmp_path / "a.pdf", 2)
    does = Worker(None, io.BytesIO())
    image = does.do(Show(book, 2, 300))
    assert isinstance(image, bytes)
    shown = cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_COLOR_RGB)
    assert shown is not None
    with open_source(book) as source:
        page = source.render_colour(2, long_side=900, width=300)
    assert shown.shape == page.shape == (425, 300, 3)
    assert np.abs(shown.astype(int) - page).mean() < 3
    assert does.do(Read(book, 1)) is None
    for task in (Show(book, 3, 300), Read(book, 0)):
        assert does.do(task) == Failed(f"has no page {task.number}")
    assert does.do(Show(tmp_path / "no.pdf", 1, 300)) == Failed("does not exist")
