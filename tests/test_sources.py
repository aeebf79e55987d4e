"""Opening and rendering books: right pixels from good files, one sentence from bad ones."""

from __future__ import annotations

import io
import os
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from books import image_bytes, make_archive, make_pdf, make_written_pdf, page_image, pdf_bytes
from PIL import Image

from whichpage import sources
from whichpage.errors import SourceError
from whichpage.sources import NoBook, open_source, render_colour, thumbnail
from whichpage.types import Grey

PAGE = page_image(1)


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def render(path: Path, number: int = 1) -> Grey:
    with open_source(path) as source:
        page = source.render(number)
    assert page.number == number
    assert page.grey.dtype == np.uint8
    return page.grey


def reason(path: Path, *, page: int | None = None) -> str:
    with pytest.raises(SourceError) as caught:
        open_source(path) if page is None else render(path, page)
    assert caught.value.path == path
    return caught.value.reason


def test_pdf_page_has_four_thumbnails_area_and_its_ink(tmp_path: Path) -> None:
    grey = render(make_pdf(tmp_path / "a.pdf", 3), 2)
    assert grey.size == pytest.approx(4 * 480 * 336, rel=0.005)
    assert grey.shape[0] / grey.shape[1] == pytest.approx(595 / 420, rel=0.005)
    expected = np.full((595, 420), 255, np.uint8)
    for line in pdf_bytes(3).split(b">>stream\n")[2].split(b"\nendstream")[0].splitlines():
        x, y, width, height = (int(number) for number in line.split()[:4])
        expected[595 - y - height : 595 - y, x : x + width] = 0
    small = np.asarray(Image.fromarray(grey).resize((420, 595), Image.Resampling.BOX))
    assert np.abs(small.astype(int) - expected).mean() < 4


def test_thumbnail_halves_exactly() -> None:
    grey = np.arange(954 * 677, dtype=np.uint32).reshape(954, 677).astype(np.uint8)
    small = thumbnail(grey)
    assert small.shape == (477, 338)
    blocks = grey[:, :676].reshape(477, 2, 338, 2).astype(float).mean(axis=(1, 3))
    assert np.abs(small - blocks).max() <= 0.5


@pytest.mark.parametrize(
    ("shape", "expected"), [((100, 80), (100, 80)), ((4000, 1000), (803, 201)), ((3, 900_000), (1, 219_964))]
)
def test_thumbnail_of_other_sizes(shape: tuple[int, int], expected: tuple[int, int]) -> None:
    height, width = thumbnail(np.zeros(shape, np.uint8)).shape
    assert height == expected[0]
    assert width == pytest.approx(expected[1], rel=0.001)


def test_colour_page_has_the_long_side_asked(tmp_path: Path) -> None:
    book = make_pdf(tmp_path / "a.pdf", 1)
    book.write_bytes(book.read_bytes().replace(b"stream\n", b"stream\n1 0 0 rg ", 1))
    colour = render_colour(book, 1, long_side=700)
    assert colour.shape == (700, 495, 3)
    assert (colour.reshape(-1, 3) == (255, 0, 0)).all(axis=1).any()


@pytest.mark.parametrize(
    ("name", "kind", "options", "tolerance"),
    [
        ("a.jpg", "JPEG", {"quality": 95}, 3),
        ("a.png", "PNG", {}, 0),
        ("a.webp", "WEBP", {"lossless": True}, 0),
        ("a.tif", "TIFF", {"compression": "tiff_lzw"}, 0),
        ("a.png", "JPEG", {"quality": 95}, 3),
        ("a.pdf", "PNG", {}, 0),
    ],
)
def test_image_is_a_book_of_one_page(
    tmp_path: Path, name: str, kind: str, options: dict[str, object], tolerance: float
) -> None:
    book = written(tmp_path / name, image_bytes(1, kind, **options))
    with open_source(book) as source:
        assert source.pages == 1
    grey = render(book)
    assert grey.shape == PAGE.shape
    assert np.abs(grey.astype(int) - PAGE).mean() <= tolerance


def test_heic(tmp_path: Path) -> None:
    """page.heic is 64 x 96: white, its upper half black."""
    grey = render(written(tmp_path / "a.heic", (Path(__file__).parent / "page.heic").read_bytes()))
    assert grey.shape == (96, 64)
    assert grey[:44].mean() < 8
    assert grey[52:].mean() > 247


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_exif_turn_is_honoured(tmp_path: Path, kind: str, orientation: int) -> None:
    turns = {
        1: PAGE,
        2: PAGE[:, ::-1],
        3: PAGE[::-1, ::-1],
        4: PAGE[::-1],
        5: PAGE.T,
        6: np.rot90(PAGE, 1),
        7: PAGE[::-1, ::-1].T,
        8: np.rot90(PAGE, -1),
    }
    exif = Image.Exif()
    exif[0x0112] = orientation
    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(turns[orientation])).save(out, kind, exif=exif, quality=95)
    grey = render(written(tmp_path / "a.bin", out.getvalue()))
    assert grey.shape == PAGE.shape
    assert np.abs(grey.astype(int) - PAGE).mean() < 3


def test_deep_transparent_and_palette_images(tmp_path: Path) -> None:
    deep = Image.fromarray(PAGE.astype(np.uint16) * 257)
    clear = Image.fromarray(np.dstack([np.zeros_like(PAGE)] * 3 + [255 - PAGE]))
    for number, image in enumerate([deep, clear, Image.fromarray(PAGE).convert("P")]):
        image.save(tmp_path / f"{number}.png")
        assert np.abs(render(tmp_path / f"{number}.png").astype(int) - PAGE).max() <= 1, number


@pytest.mark.parametrize("lightest", [4095, 60000, 65535])
def test_scans_of_fewer_bits_than_their_files_have_are_no_darker(tmp_path: Path, lightest: int) -> None:
    """12 bits, in files of 16, are a sixteenth of them: such pages were black, and taken for blank ones."""
    path = tmp_path / "a.png"
    Image.fromarray((PAGE * (lightest / 255)).astype(np.uint16)).save(path)
    assert np.abs(render(path).astype(int) - PAGE).max() <= 1


def test_large_scan_is_reduced_to_the_same_page(tmp_path: Path) -> None:
    large = Image.fromarray(PAGE).resize((420 * 6, 600 * 6), Image.Resampling.NEAREST)
    large.save(tmp_path / "a.jpg", quality=90)
    grey = render(tmp_path / "a.jpg")
    assert grey.size == pytest.approx(4 * 480 * 336, rel=0.005)
    small = np.asarray(Image.fromarray(grey).resize((420, 600), Image.Resampling.BOX))
    assert np.abs(small.astype(int) - PAGE).mean() < 6


def test_tiff_of_many_pages(tmp_path: Path) -> None:
    pages = [Image.fromarray(page_image(seed)) for seed in range(5)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    with open_source(tmp_path / "a.tif") as source:
        assert source.pages == 5
        for number in (5, 1, 3):
            assert (source.render(number).grey == page_image(number - 1)).all()


def test_folder_and_archive_keep_natural_order(tmp_path: Path) -> None:
    names = ["10.png", "9.png", "1.png"]
    folder = tmp_path / "folder"
    folder.mkdir()
    with zipfile.ZipFile(tmp_path / "a.cbz", "w", zipfile.ZIP_DEFLATED) as archive:
        for seed, name in enumerate(names):
            (folder / name).write_bytes(image_bytes(seed, "PNG"))
            archive.writestr(f"../../etc/{name}", image_bytes(seed, "PNG"))
            archive.writestr(f"__MACOSX/._{name}", b"waste")
        archive.writestr("ComicInfo.xml", b"<ComicInfo/>")
    for book in (folder, tmp_path / "a.cbz"):
        with open_source(book) as source:
            assert source.pages == 3
            for number, seed in ((1, 2), (2, 1), (3, 0)):
                assert (source.render(number).grey == page_image(seed)).all()


def test_one_bad_image_leaves_the_others(tmp_path: Path) -> None:
    for seed in (1, 3):
        (tmp_path / f"{seed}.png").write_bytes(image_bytes(seed, "PNG"))
    (tmp_path / "2.png").write_bytes(b"no image")
    assert reason(tmp_path, page=2) == "page 2 (2.png) is damaged, or no image that can be read"
    assert (render(tmp_path, 3) == page_image(3)).all()


def test_bad_files_are_named_by_their_reason(tmp_path: Path) -> None:
    whole = pdf_bytes(2)
    cases = {
        "empty.pdf": (b"", "is empty"),
        "html.pdf": (b"<html>", "is not really a PDF"),
        "text.cbz": (b"text", "is not really an archive"),
        "text.jpg": (b"text", "is not really an image"),
        "text.txt": (b"text", "is no PDF, archive or image"),
        "locked.pdf": (pdf_bytes(2, encrypted=True), "is encrypted"),
        "head.pdf": (whole[:200], "is damaged, or no PDF at all"),
        "none.pdf": (pdf_bytes(0), "has no pages"),
        "cut.cbz": (make_archive(tmp_path / "x.cbz", ["1.jpg"]).read_bytes()[:300], "is a damaged archive"),
    }
    for name, (content, expected) in cases.items():
        assert reason(written(tmp_path / name, content)) == expected, name
    assert reason(tmp_path / "nowhere.pdf") == "does not exist"


def test_pdf_that_claims_too_many_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "MAX_PAGES", 5)
    assert reason(make_pdf(tmp_path / "a.pdf", 6)) == "claims 6 pages, more than 5"


def test_archive_of_other_things_is_no_book(tmp_path: Path) -> None:
    book = make_archive(tmp_path / "a.zip", ["readme.txt", "main.c"])
    with pytest.raises(NoBook, match="holds no images"):
        open_source(book)


def test_encrypted_archive(tmp_path: Path) -> None:
    book = make_archive(tmp_path / "a.cbz", ["1.jpg"])
    data = bytearray(book.read_bytes())
    data[data.index(b"PK\1\2") + 8] |= 1
    assert reason(written(book, bytes(data))) == "is encrypted"


def test_zip_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "MAX_ENTRY_BYTES", 1 << 20)
    book = tmp_path / "a.cbz"
    with zipfile.ZipFile(book, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("1.png", image_bytes(1, "PNG") + bytes(2 << 20))
    assert reason(book, page=1) == "page 1 (1.png) unpacks to more than 1 MB"
    # One that lies about its size is stopped while it is read.
    data = bytearray(book.read_bytes())
    for place in (data.index(b"PK\3\4") + 22, data.index(b"PK\1\2") + 24):
        data[place : place + 4] = (1000).to_bytes(4, "little")
    assert reason(written(book, bytes(data)), page=1).startswith("page 1 (1.png) ")


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_pixel_bomb_is_not_decoded(tmp_path: Path) -> None:
    def png(width: int, height: int) -> bytes:
        def chunk(kind: bytes, data: bytes) -> bytes:
            return len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4)

        header = width.to_bytes(4) + height.to_bytes(4) + b"\x08\0\0\0\0"
        return (
            b"\x89PNG\r\n\x1a\n"
            + chunk(b"IHDR", header)
            + chunk(b"IDAT", zlib.compress(b""))
            + chunk(b"IEND", b"")
        )

    assert reason(written(tmp_path / "a.png", png(12_000, 10_000)), page=1) == (
        "page 1 (a.png) has too many pixels (12,000 x 10,000)"
    )
    assert (
        reason(written(tmp_path / "b.png", png(60_000, 60_000)), page=1)
        == "page 1 (b.png) has too many pixels"
    )


@pytest.mark.parametrize("box", ["0 0 0 595", "0 0 1e9 1", "0 0 14400 14400", "0 0 .01 .01", "0 0 nan 1"])
def test_pages_of_odd_sizes_are_rendered_small_or_refused(tmp_path: Path, box: str) -> None:
    book = written(tmp_path / "a.pdf", pdf_bytes(1).replace(b"0 0 420 595", box.encode()))
    try:
        pixels = render(book).size
    except SourceError as error:
        pixels = 0
        refused = error.reason
    assert pixels <= 4 * 480 * 336 * 1.02 + 6000
    assert pixels or refused in ("page 1 has no area", "page 1 is damaged")


@pytest.mark.skipif(os.name != "posix", reason="needs bytes in names")
def test_names_of_any_bytes_open(tmp_path: Path) -> None:
    for name in (b"\xff\xfe.pdf", "日本.pdf".encode(), b"a\nb.pdf"):
        with open_source(make_pdf(tmp_path / os.fsdecode(name), 2)) as source:
            assert source.pages == 2


def test_a_page_fits_into_width_and_length(tmp_path: Path) -> None:
    book = make_pdf(tmp_path / "a.pdf", 1)  # 420 x 595 points
    strip = written(tmp_path / "strip.png", _strip())
    for path, limits, expected in (
        (book, {"long_side": 3000, "width": 210}, (298, 210)),
        (book, {"long_side": 298, "width": 3000}, (298, 211)),
        (strip, {"long_side": 600, "width": 200}, (600, 15)),
    ):
        with open_source(path) as source:
            assert source.render_colour(1, **limits).shape[:2] == expected


def _strip() -> bytes:
    out = io.BytesIO()
    Image.new("L", (50, 2000), 255).save(out, "PNG")
    return out.getvalue()


def test_text_is_what_the_pdf_says(tmp_path: Path) -> None:
    drawn = r"/F 12 Tf 50 500 Td (Caf\351 \(1\)) Tj 0 -20 Td (second line) Tj"
    with open_source(make_written_pdf(tmp_path / "a.pdf", drawn)) as source:
        assert source.text(1) == "Café (1)\nsecond line"
        assert [line.text for line in source.lines(1)] == ["café1", "secondline"]
        for read in (source.text, source.lines):
            assert not read(2)
            with pytest.raises(SourceError, match="has no page 3"):
                read(3)
    for path in (make_pdf(tmp_path / "bars.pdf", 1), make_archive(tmp_path / "a.cbz", ["1.jpg"])):
        with open_source(path) as pictures:
            assert pictures.text(1) is None
            assert pictures.lines(1) == []


@pytest.mark.parametrize("number", [0, 3])
def test_a_page_that_the_book_has_not_is_said(number: int, tmp_path: Path) -> None:
    """As of a folder that has lost images since it was indexed."""
    folder = tmp_path / "scans"
    folder.mkdir()
    for page in (1, 2):
        written(folder / f"{page}.png", image_bytes(page, "PNG"))
    for path in (
        folder,
        make_archive(tmp_path / "a.cbz", ["1.jpg", "2.jpg"]),
        make_pdf(tmp_path / "a.pdf", 2),
    ):
        assert reason(path, page=number) == f"has no page {number}"
        with pytest.raises(SourceError, match=f"has no page {number}"):
            render_colour(path, number, long_side=100)
        with open_source(path) as source:
            for ask in (source.text, source.lines, source.render_with_lines):
                with pytest.raises(SourceError, match=f"has no page {number}"):
                    ask(number)


def test_a_title_that_cannot_be_decoded_is_none(tmp_path: Path) -> None:
    """Half a surrogate pair in UTF-16; whole ones are kept."""
    for title, expected in (
        ("\\376\\377\\000A\\330\\000\\000B", ""),
        ("\\376\\377\\000A\\330\\074\\337\\261", "A\U0001f3b1"),
    ):
        book = written(tmp_path / "a.pdf", pdf_bytes(2, title=title))
        with open_source(book) as source:
            assert (source.title, source.pages) == (expected, 2)


def test_a_sign_of_life_is_given_for_each_tiff_that_is_opened(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    with zipfile.ZipFile(tmp_path / "a.cbz", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("1.tif", "2.tiff", "3.TIF", "4.png"):
            data = image_bytes(1, "PNG" if name.endswith("png") else "TIFF")
            archive.writestr(name, data)
            (folder / name).write_bytes(data)
    assert [signs_of_life(book) for book in (tmp_path / "a.cbz", folder)] == [3, 3]


def signs_of_life(book: Path) -> int:
    """How many are given while a book of four pages is opened."""
    signs: list[None] = []

    def alive() -> None:
        signs.append(None)

    with open_source(book, alive=alive) as source:
        assert source.pages == 4
    return len(signs)
