"""Opens a book (PDF, archive of images, folder of images, image) and renders its pages one at a time.

Never a whole book in memory. What cannot be read is a `SourceError`; the C libraries underneath may
still crash, hang or ask for much memory on hostile input, so indexing runs this in worker processes.
"""

from __future__ import annotations

import math
import os
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Self

import cv2
import numpy as np
import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c
from numpy.typing import NDArray
from pi_heif import HeifImageFile
from PIL import Image

from whichpage.bitmaps import eight_bit, turned
from whichpage.errors import SourceError
from whichpage.files import IMAGE_SUFFIXES, hidden, image_files, kind_of, natural_key, open_regular
from whichpage.printed import PrintedLine
from whichpage.textlayer import printed_lines
from whichpage.types import THUMBNAIL_PIXELS, Colour, Grey, PageImage

# A page is rendered at twice the sides of its thumbnail, then halved, which keeps thin strokes and is the
# fast case of area interpolation.
RENDER_PIXELS = 4 * THUMBNAIL_PIXELS

# No book has more pages, no scan more pixels (A3 at 600 dpi has 70 million); more is an attack or a mistake.
# Pillow warns from 89.5 million pixels on.
MAX_PAGES = 50_000
MAX_PIXELS = 89_000_000
MAX_ENTRY_BYTES = 128 << 20
# Strips thousands of times longer than wide would otherwise be rendered as long as their area allows.
_MAX_SIDE = 6_000
_MAX_TITLE = 200
# A page of the smallest print has a tenth of it.
_MAX_TEXT = 200_000

_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF")
# What PDFium and the numbers in a file make Python raise.
_PDF_ERRORS = (pdfium.PdfiumError, ValueError, OverflowError, IndexError)
_PDF_REASONS = {
    pdfium_c.FPDF_ERR_PASSWORD: "is encrypted",
    pdfium_c.FPDF_ERR_SECURITY: "is encrypted in a way that cannot be read",
}


class NoBook(SourceError):
    """A file that is in order, but nothing to read in it: an archive of other things than images."""


class Source(ABC):
    """An open book; a context manager.

    path: the file or folder.
    pages: how many pages it has, at least one.
    title: what the book calls itself, "" where it does not.
    """

    path: Path
    pages: int
    title: str = ""

    @abstractmethod
    def render(self, number: int, *, pixels: int = RENDER_PIXELS) -> PageImage:
        """The page `number` (1-based) at its own aspect.

        pixels: area of a rendered PDF page, upper limit of that of an image, which is never enlarged.

        Raises:
            SourceError: this page cannot be read; others may.
        """

    @abstractmethod
    def render_colour(self, number: int, *, long_side: int, width: int | None = None) -> Colour:
        """The page `number` (1-based) as (H, W, 3) uint8 RGB.

        Its longer side is at most `long_side` pixels, and where `width` is given, it is at most so wide.

        Raises:
            SourceError: this page cannot be read; others may.
        """

    def text(self, number: int) -> str | None:
        """What is written on the page `number` (1-based), where the file says so; None where it does not.

        Raises:
            SourceError: this page cannot be read.
        """
        self.place(number)
        return None

    def lines(self, number: int) -> list[PrintedLine]:
        """The lines of text that the file itself says are on the page `number` (1-based), with their places.

        Raises:
            SourceError: this page cannot be read.
        """
        self.place(number)
        return []

    def render_with_lines(self, number: int) -> tuple[PageImage, list[PrintedLine]]:
        """What `render` and `lines` give, for less than both; no lines where they alone cannot be read.

        Raises:
            SourceError: this page cannot be read; others may.
        """
        return self.render(number), []

    def place(self, number: int) -> int:
        """Where the page `number` (1-based) stands, counted from 0.

        Raises:
            SourceError: the book has no such page, as one that has lost pages since it was indexed.
        """
        if not 1 <= number <= self.pages:
            raise SourceError(self.path, f"has no page {number}")
        return number - 1

    @abstractmethod
    def close(self) -> None:
        """Gives the file back."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_source(path: Path, *, alive: Callable[[], None] = lambda: None) -> Source:
    """Opens a book by what it contains, whatever its name.

    alive: called now and then while a large one is opened, so that a watcher can tell slow from stuck.

    Raises:
        SourceError: it is missing, damaged, encrypted, empty, enormous or no book at all.
    """
    kind = kind_of(path)
    if kind == "pdf":
        return PdfSource(path)
    if kind == "archive":
        return _open_archive(path, alive)
    if kind == "folder":
        return _open_folder(path, alive)
    if kind == "image":
        return _open_image(path, alive)
    with open_regular(path) as file:
        empty = not file.read(1)
    raise SourceError(path, "is empty" if empty else _not_really(path))


def render_colour(path: Path, page: int, *, long_side: int) -> Colour:
    """One page of a book for a picture: (H, W, 3) uint8 RGB; see `Source.render_colour`."""
    with open_source(path) as source:
        return source.render_colour(page, long_side=long_side)


def thumbnail(grey: Grey) -> Grey:
    """The page (H, W) uint8 reduced to about `THUMBNAIL_PIXELS` pixels at its own aspect."""
    height, width = grey.shape
    scale = math.sqrt(THUMBNAIL_PIXELS / (height * width))
    if scale >= 1:
        return grey
    if abs(scale - 0.5) < 0.01 and min(height, width) > 1:
        # An odd last row or column is given up: exactly half the sides is several times faster.
        even = grey[: height // 2 * 2, : width // 2 * 2]
        return _resized(even, width // 2, height // 2)
    return _resized(grey, max(1, round(width * scale)), max(1, round(height * scale)))


class PdfSource(Source):
    """A PDF through PDFium."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._document = pdfium.PdfDocument(path)
        except pdfium.PdfiumError as error:
            raise SourceError(path, _why_not(path, error.err_code)) from None
        self.pages = len(self._document)
        if self.pages > MAX_PAGES:
            self.close()
            raise SourceError(path, f"claims {self.pages:,} pages, more than {MAX_PAGES:,}")
        try:
            self.title = _tidy(self._document.get_metadata_value("Title"))
        except UnicodeDecodeError:  # half a character: a book without a title is worth having
            self.title = ""
        with suppress(pdfium.PdfiumError):
            self._document.init_forms()  # what was filled into a form is printed too

    def render(self, number: int, *, pixels: int = RENDER_PIXELS) -> PageImage:
        with self._page(number) as page:
            return self._grey(number, page, pixels)

    def render_colour(self, number: int, *, long_side: int, width: int | None = None) -> Colour:
        with self._page(number) as page:
            rgb = self._bitmap(number, page, _into(long_side, width), rev_byteorder=True)
        return np.ascontiguousarray(rgb[:, :, :3])

    def text(self, number: int) -> str | None:
        with self._page(number) as page, closing(page.get_textpage()) as written:
            found = written.get_text_bounded()[:_MAX_TEXT]
        # PDFium ends lines as Windows does, and marks hyphens that it joined with U+FFFE.
        plain = found.replace("\r\n", "\n").replace("\ufffe", "-").strip()
        return "".join(c for c in plain if c.isprintable() or c in "\n\t") or None

    def lines(self, number: int) -> list[PrintedLine]:
        with self._page(number) as page:
            return printed_lines(page)

    def render_with_lines(self, number: int) -> tuple[PageImage, list[PrintedLine]]:
        # Opening a page takes as long as reading its lines.
        with self._page(number) as page:
            image = self._grey(number, page, RENDER_PIXELS)
            try:
                return image, printed_lines(page)
            except (*_PDF_ERRORS, MemoryError):
                return image, []

    def close(self) -> None:
        self._document.close()

    def _grey(self, number: int, page: pdfium.PdfPage, pixels: int) -> PageImage:
        def scale(width: float, height: float) -> float:
            return min(math.sqrt(pixels / width / height), _MAX_SIDE / max(width, height))

        grey = self._bitmap(number, page, scale, grayscale=True)
        return PageImage(number, grey.reshape(grey.shape[:2]))

    def _bitmap(
        self, number: int, page: pdfium.PdfPage, scale: Callable[[float, float], float], **options: bool
    ) -> NDArray[np.uint8]:
        width, height = page.get_size()
        # Written so that a NaN is refused as well.
        if not (0 < width < math.inf and 0 < height < math.inf):
            raise SourceError(self.path, f"page {number} has no area")
        bitmap = page.render(scale=scale(width, height), **options)
        pixels: NDArray[np.uint8] = bitmap.to_numpy().copy()
        bitmap.close()
        return pixels

    @contextmanager
    def _page(self, number: int) -> Iterator[pdfium.PdfPage]:
        """The page, open; what PDFium runs into while it is becomes a `SourceError`."""
        place = self.place(number)
        try:
            with closing(self._document[place]) as page:
                yield page
        except _PDF_ERRORS:
            raise SourceError(self.path, f"page {number} is damaged") from None
        except MemoryError:
            raise SourceError(self.path, f"page {number} needs too much memory") from None


class ImagesSource(Source):
    """Images in an order: of a folder, of an archive, or the frames of one file.

    frames: a page each: the image's name and the frame in it.
    open_image: opens the image of that name.
    """

    def __init__(
        self,
        path: Path,
        frames: list[tuple[str, int]],
        open_image: Callable[[str], BinaryIO],
        *,
        close: Callable[[], None] = lambda: None,
    ) -> None:
        if not frames:
            close()
            raise SourceError(path, "has no pages")
        self.path = path
        self.pages = len(frames)
        self._frames = frames
        self._open_image = open_image
        self._close = close

    def image_name(self, number: int) -> str:
        """Of the image that is, or holds, a page."""
        return self._frames[self.place(number)][0]

    def render(self, number: int, *, pixels: int = RENDER_PIXELS) -> PageImage:
        def fit(width: int, height: int) -> float:
            return min(math.sqrt(pixels / width / height), _MAX_SIDE / max(width, height))

        return PageImage(number, self._image(number, fit, mode="L"))

    def render_colour(self, number: int, *, long_side: int, width: int | None = None) -> Colour:
        return self._image(number, _into(long_side, width), mode="RGB")

    def close(self) -> None:
        self._close()

    def _image(self, number: int, fit: Callable[[int, int], float], *, mode: str) -> NDArray[np.uint8]:
        name, frame = self._frames[self.place(number)]
        what = f"page {number} ({_tidy(PurePosixPath(name).name)})"
        try:
            with self._open_image(name) as file, _opened(file) as image:
                return _pixels(image, frame, fit, mode=mode)
        except SourceError as error:
            raise SourceError(self.path, f"{what} {error.reason}") from None
        except MemoryError:
            raise SourceError(self.path, f"{what} needs too much memory") from None
        except Image.DecompressionBombError:
            raise SourceError(self.path, f"{what} has too many pixels") from None
        # Decoders raise nearly every type there is on damaged images.
        except Exception:
            raise SourceError(self.path, f"{what} is damaged, or no image that can be read") from None


def image_name(path: Path, number: int) -> str | None:
    """The name of the image that is a page of a folder or an archive, in it; None of another book.

    Raises:
        SourceError: the book cannot be read, or has no such page.
    """
    if kind_of(path) not in ("folder", "archive"):
        return None
    with open_source(path) as source:
        assert isinstance(source, ImagesSource), "folders and archives hold images"
        return source.image_name(number)


def _into(long_side: int, width: int | None) -> Callable[[float, float], float]:
    """The scale that fits a page of some width and height into `long_side`, and into `width` if given."""

    def scale(wide: float, high: float) -> float:
        return min(long_side / max(wide, high), width / wide if width else math.inf)

    return scale


def _open_image(path: Path, alive: Callable[[], None]) -> Source:
    def open_image(_: str) -> BinaryIO:
        return open_regular(path)

    return ImagesSource(path, _frames(path, [path.name], open_image, alive), open_image)


def _open_folder(folder: Path, alive: Callable[[], None]) -> Source:
    names = [file.name for file in image_files(folder)]

    def open_image(name: str) -> BinaryIO:
        return open_regular(folder / name)

    return ImagesSource(folder, _frames(folder, names, open_image, alive), open_image)


def _open_archive(path: Path, alive: Callable[[], None]) -> Source:
    try:
        archive = zipfile.ZipFile(path)
        entries = {entry.filename: entry for entry in archive.infolist() if _is_page(entry)}
    # A damaged directory makes zipfile raise whatever its parsing runs into.
    except Exception:
        raise SourceError(path, "is a damaged archive") from None
    if not entries and archive.infolist():
        archive.close()
        raise NoBook(path, "holds no images")

    def open_image(name: str) -> BinaryIO:
        return _entry(archive, entries[name])

    try:
        if any(entry.flag_bits & 1 for entry in entries.values()):
            raise SourceError(path, "is encrypted")
        names = sorted(entries, key=natural_key)
        return ImagesSource(path, _frames(path, names, open_image, alive), open_image, close=archive.close)
    except SourceError:
        archive.close()
        raise


def _is_page(entry: zipfile.ZipInfo) -> bool:
    # Names never become paths here, so "../" and drive letters in them do no harm.
    name = PurePosixPath(entry.filename)
    if name.suffix.lower() not in IMAGE_SUFFIXES:
        return False
    return not any(hidden(part) for part in name.parts if part != "..")


def _entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> BinaryIO:
    # The header may lie about the size, so what is read is limited too.
    if entry.file_size <= MAX_ENTRY_BYTES:
        with archive.open(entry) as file:
            data = file.read(MAX_ENTRY_BYTES + 1)
        if len(data) <= MAX_ENTRY_BYTES:
            return BytesIO(data)
    raise SourceError(Path(entry.filename), f"unpacks to more than {MAX_ENTRY_BYTES >> 20} MB")


def _frames(
    path: Path, names: list[str], open_image: Callable[[str], BinaryIO], alive: Callable[[], None]
) -> list[tuple[str, int]]:
    """A page for each frame of each image; only TIFF files hold several pages."""
    frames: list[tuple[str, int]] = []
    for name in names:
        count = 1
        if name.lower().endswith((".tif", ".tiff")):
            alive()  # each may be some MB to unpack
            count = _tiff_pages(name, open_image)
        frames += [(name, frame) for frame in range(count)]
        if len(frames) > MAX_PAGES:
            raise SourceError(path, f"has more than {MAX_PAGES:,} pages")
    return frames


def _tiff_pages(name: str, open_image: Callable[[str], BinaryIO]) -> int:
    try:
        with open_image(name) as file, _opened(file) as image:
            return min(int(getattr(image, "n_frames", 1)), MAX_PAGES + 1)
    # One page then, which says what is wrong when it is rendered.
    except Exception:
        return 1


@contextmanager
def _opened(file: BinaryIO) -> Iterator[Image.Image]:
    head = file.read(12)
    file.seek(0)
    # Named formats only: Pillow knows others that run programs or hold surprises.
    image = HeifImageFile(file) if head[4:8] == b"ftyp" else Image.open(file, formats=_FORMATS)
    with image:
        yield image


def _pixels(
    image: Image.Image, frame: int, fit: Callable[[int, int], float], *, mode: str
) -> NDArray[np.uint8]:
    """The frame as (H, W) or (H, W, 3) uint8, turned as its EXIF says.

    fit: the scale for a width and a height; a scale above 1 is not applied.
    """
    if frame:
        image.seek(frame)
    if image.width * image.height > MAX_PIXELS:
        raise SourceError(Path(), f"has too many pixels ({image.width:,} x {image.height:,})")
    scale = min(1.0, fit(image.width, image.height))
    width, height = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    # JPEG decodes to an eighth, a quarter or half of its size in a fraction of the time.
    image.draft(mode, (width, height))
    array = eight_bit(image, mode)
    # Asked again: a quarter may have been decoded, and Pillow turns TIFF images by itself.
    height, width = array.shape[:2]
    scale = fit(width, height)
    if scale < 1:
        array = _resized(array, max(1, round(width * scale)), max(1, round(height * scale)))
    return turned(array, image) if image.format != "HEIF" else array


def _resized(array: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    return cv2.resize(array, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def _why_not(pdf: Path, code: int) -> str:
    # PDFium keeps the error of an earlier file when it opens one that is in order but for its pages.
    if document := pdfium_c.FPDF_LoadDocument(os.fsencode(pdf), None):
        pdfium_c.FPDF_CloseDocument(document)
        return "has no pages"
    return _PDF_REASONS.get(code, "is damaged, or no PDF at all")


def _not_really(path: Path) -> str:
    suffix = path.suffix.lower()
    names = {".pdf": "a PDF", ".cbz": "an archive", ".zip": "an archive"}
    if suffix in names:
        return f"is not really {names[suffix]}"
    return "is not really an image" if suffix in IMAGE_SUFFIXES else "is no PDF, archive or image"


def _tidy(text: str) -> str:
    """Text that may be printed and stored: no control characters, no lone surrogates, no novel."""
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return " ".join("".join(c if c.isprintable() else " " for c in whole).split())[:_MAX_TITLE]
