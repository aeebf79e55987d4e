"""Which files and folders are books: walks folders, tells a file by its first bytes and its content.

Nothing here decodes anything; that is `sources`, in a process of its own.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import BinaryIO, Literal

from whichpage.errors import SourceError

PDF_SUFFIXES = frozenset({".pdf"})
ARCHIVE_SUFFIXES = frozenset({".cbz", ".zip"})
IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".png", ".webp", ".tif", ".tiff", ".heic", ".heif", ".hif"}
)
PICTURE_SUFFIX = ".whichpage.jpg"  # of the pictures that `find --save` writes
SUFFIXES = PDF_SUFFIXES | ARCHIVE_SUFFIXES | IMAGE_SUFFIXES

# Folders that file managers, cameras and network disks fill with thumbnails and waste.
_JUNK = frozenset({"__macosx", "@eadir", "$recycle.bin", "system volume information", "lost+found"})
_HEIF_BRANDS = frozenset(
    {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}
)
_HASH_BLOCK = 1 << 20
# In file names not all systems take these, and as whole names not these; "%" may be taken for an escape.
_UNSAFE = frozenset('<>:"/\\|?*%')
_RESERVED = frozenset(
    {"con", "prn", "aux", "nul"} | {f"{port}{n}" for port in ("com", "lpt") for n in range(10)}
)
# A file name may have 255 bytes on most systems; the rest is left for the ending, and what keeps names apart.
_NAME_BYTES = 180

Kind = Literal["pdf", "archive", "image", "folder"]


@dataclass(frozen=True, slots=True)
class Stamp:
    """What the file system says of a book without reading it; equal stamps mean an unchanged book.

    size: bytes; of a folder, of all its images together.
    mtime_ns: time of the last change; of a folder, 63 bits of a digest of its images' names, sizes and times.
    """

    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Found:
    """A file or folder that may be a book.

    path: absolute.
    named: whether the user named it, rather than a folder above it.
    """

    path: Path
    stamp: Stamp
    named: bool


def scan(
    paths: Iterable[Path],
    *,
    books: Iterable[Path] = (),
    closed: Callable[[Path], bool] = lambda _: False,
) -> Iterator[Found | SourceError]:
    """Everything below the paths that may be a book, each once, in natural order; else an error.

    A PDF and an archive are books; a folder that directly holds images is one; an image that is named by
    itself is one too. In folders, names decide which files are looked at (and the first bytes, for PDFs
    under other names); hidden files are passed over and links are followed, never in a circle.

    books: where books are known to lie: nothing else is looked for there, of a folder its own images alone.
    closed: tells the files that must not be opened, and so are no books unless their names say it.
    """
    seen: set[Path] = set()
    folders: set[tuple[int, int]] = set()
    named = dict.fromkeys(map(absolute, paths))
    for path in named:
        for found in _scan(path, folders, closed):
            if found.path not in seen:
                seen.add(found.path)
                # A folder above it may have been named before it.
                if isinstance(found, Found) and found.path in named:
                    found = replace(found, named=True)
                yield found
    for path in books:
        if path not in seen:
            seen.add(path)
            yield _found(path, named=True)


def absolute(path: Path) -> Path:
    """The path from the root, without `.` and `..`, links left as they are named."""
    # pathlib has no lexical normalisation: resolve() would replace the user's own names of links.
    return Path(os.path.abspath(path))  # noqa: PTH100


def ends_with(path: PurePath, ending: str) -> bool:
    """Whether these are the last parts of a path: of `a/guide.pdf` is `guide.pdf`, not `ide.pdf`."""
    parts = PurePath(ending).parts
    return bool(parts) and path.parts[-len(parts) :] == parts


def short_names(paths: Iterable[Path]) -> dict[Path, Path]:
    """The last parts of each path, as many as tell it from the others: most often its name alone."""
    names: dict[Path, Path] = {}
    left, depth = list(dict.fromkeys(paths)), 0
    while left:
        depth += 1
        ends: dict[tuple[str, ...], list[Path]] = {}
        for path in left:
            ends.setdefault(path.parts[-depth:], []).append(path)
        left = [path for same in ends.values() if len(same) > 1 for path in same]
        names |= {same[0]: Path(*end) for end, same in ends.items() if len(same) == 1}
    return names


def safe_stem(name: str, *, otherwise: str) -> str:
    """A file name without its ending that every system takes; otherwise: where nothing of it is left."""
    stem = "".join("_" if c in _UNSAFE or not c.isprintable() else c for c in name).strip(" .")
    stem = stem.encode()[:_NAME_BYTES].decode(errors="ignore").strip(" .")
    return f"{stem}_" if stem.casefold() in _RESERVED else stem or otherwise


def stamp(path: Path) -> Stamp:
    """The stamp of a file, or of a folder of images.

    Raises:
        SourceError: it is not there, or is neither a file nor a folder.
    """
    facts = _stat(path)
    if stat.S_ISDIR(facts.st_mode):
        return _folder_stamp(path, image_files(path))
    if not stat.S_ISREG(facts.st_mode):
        raise SourceError(path, "is neither a file nor a folder")
    return Stamp(facts.st_size, facts.st_mtime_ns)


def gone(path: Path) -> bool:
    """Whether there is nothing at the path; not of what may not be looked at, or is out of reach just now."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, ValueError):
        return False
    return False


def sha256(path: Path, *, alive: Callable[[], None] = lambda: None) -> str:
    """The content of a book as 64 hex digits; a folder's is that of its images in page order.

    alive: called now and then while reading, so that a watcher can tell slow from stuck.

    Raises:
        SourceError: it cannot be read.
    """
    if not _is_dir(path):
        return _file_sha256(path, alive).hex()
    digest = hashlib.sha256(b"folder")
    for file in image_files(path):
        try:
            digest.update(_file_sha256(file, alive))
        except SourceError:
            digest.update(b"?")  # one page that cannot be read: the others are worth having
    return digest.hexdigest()


def image_files(folder: Path) -> list[Path]:
    """The images directly in a folder, in page order.

    Raises:
        SourceError: the folder cannot be read.
    """
    return [Path(entry) for entry in _entries(folder)[1] if Path(entry).suffix.lower() in IMAGE_SUFFIXES]


def photos_below(folder: Path) -> Iterator[Path]:
    """The images in a folder and in those below it, in natural order, as the folder is named.

    But for pictures of answers, which may be written below it meanwhile. Among them are the folders that
    cannot be read, for the user to be told.
    """
    for found in scan([folder], closed=lambda _: True):  # no file need be opened to see if it is a PDF
        within = folder / found.path.relative_to(absolute(folder))
        if isinstance(found, SourceError):
            if is_folder(within):
                yield within
        elif found.path.is_dir():
            names = (image.name for image in image_files(found.path))
            yield from (within / name for name in names if not name.endswith(PICTURE_SUFFIX))


def kind_of(path: Path) -> Kind | None:
    """What a file is by its first bytes, whatever its name; None for what is no book.

    Raises:
        SourceError: it cannot be read.
    """
    if _is_dir(path):
        return "folder"
    with open_regular(path) as file:
        try:
            head = file.read(1024)
        except OSError as error:
            raise SourceError(path, _why(error)) from None
    # Programs put up to a kilobyte before a PDF's header, and viewers accept that.
    if b"%PDF-" in head:
        return "pdf"
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return "archive"
    return "image" if _is_image(head) else None


def open_regular(path: Path) -> BinaryIO:
    """Opens a file for reading; a pipe or a device, which would be waited for without end, is refused.

    Raises:
        SourceError: it cannot be opened, or is no regular file.
    """
    if not stat.S_ISREG(_stat(path).st_mode):
        raise SourceError(path, "is neither a file nor a folder")
    try:
        return path.open("rb")
    except OSError as error:
        raise SourceError(path, _why(error)) from None


def natural_key(name: str) -> tuple[object, ...]:
    """Sorts names as people count, in the digits of every script: "2.png" before "10.png"."""
    return tuple(_natural_part(part) for part in re.split(r"[/\\]", name))


def hidden(name: str) -> bool:
    """Whether a file of this name is none of the user's pages: dot files and system folders."""
    return name.startswith(".") or name.lower() in _JUNK


def _natural_part(part: str) -> tuple[tuple[int, str, str], ...]:
    key = []
    for digits, text in re.findall(r"(\d+)|(\D+)", unicodedata.normalize("NFKC", part)):
        # Compared as text by length, not as int(): a name may hold more digits than int() converts.
        number = "".join(str(unicodedata.decimal(digit)) for digit in digits).lstrip("0")
        key.append((len(number), number, "") if digits else (-1, text.casefold(), text))
    return (*key, (-2, part, ""))


def _scan(
    path: Path, folders: set[tuple[int, int]], closed: Callable[[Path], bool]
) -> Iterator[Found | SourceError]:
    try:
        folder = _is_dir(path)
    except SourceError as error:
        yield error
        return
    if folder:
        yield from _walk(path, folders, closed)
    else:
        yield _found(path, named=True)


def _found(path: Path, *, named: bool) -> Found | SourceError:
    try:
        return Found(path, stamp(path), named)
    except SourceError as error:
        return error


def _walk(
    top: Path, folders: set[tuple[int, int]], closed: Callable[[Path], bool]
) -> Iterator[Found | SourceError]:
    # A stack, not recursion: folders may be nested deeper than Python recurses.
    stack = [top]
    while stack:
        folder = stack.pop()
        try:
            facts = _stat(folder)
            if (facts.st_dev, facts.st_ino) in folders:
                continue
            folders.add((facts.st_dev, facts.st_ino))
            below, files = _entries(folder)
        except SourceError as error:
            yield error
            continue
        yield from _books_in(folder, files, closed, named=folder == top)
        stack += reversed(below)


def _books_in(
    folder: Path, files: list[Path], closed: Callable[[Path], bool], *, named: bool
) -> Iterator[Found | SourceError]:
    images = [file for file in files if file.suffix.lower() in IMAGE_SUFFIXES]
    if images:
        try:
            yield Found(folder, _folder_stamp(folder, images), named)
        except SourceError as error:
            yield error
    for file in files:
        suffix = file.suffix.lower()
        if suffix in PDF_SUFFIXES | ARCHIVE_SUFFIXES or (
            suffix not in IMAGE_SUFFIXES and not closed(file) and _is_pdf(file)
        ):
            yield _found(file, named=False)


def _entries(folder: Path) -> tuple[list[Path], list[Path]]:
    """The folders and the other entries of a folder that are not hidden, each in natural order."""
    below: list[Path] = []
    files: list[Path] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if not hidden(entry.name):
                    (below if _is_folder(entry) else files).append(Path(entry.path))
    except OSError as error:
        raise SourceError(folder, _why(error)) from None
    for paths in (below, files):
        paths.sort(key=lambda path: natural_key(path.name))
    return below, files


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link in a circle
        return False


def _is_pdf(file: Path) -> bool:
    """Whether a file under any name begins as a PDF; what cannot be read is not."""
    try:
        with open_regular(file) as opened:
            return opened.read(5) == b"%PDF-"
    except (SourceError, OSError):
        return False


def _is_image(head: bytes) -> bool:
    return (
        head.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"))
        or (head.startswith(b"RIFF") and head[8:12] == b"WEBP")
        or (head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS)
    )


def _folder_stamp(folder: Path, images: list[Path]) -> Stamp:
    if not images:
        raise SourceError(folder, "holds no images")
    digest = hashlib.sha256()
    size = 0
    for image in images:
        try:
            facts = image.stat()
        except OSError:
            # A dangling link is a page that cannot be read, not a reason to lose the others.
            digest.update(os.fsencode(image.name) + b"\0?\0")
            continue
        size += facts.st_size
        digest.update(os.fsencode(image.name) + f"\0{facts.st_size}\0{facts.st_mtime_ns}\0".encode())
    return Stamp(size, int.from_bytes(digest.digest()[:8]) >> 1)


def _file_sha256(path: Path, alive: Callable[[], None]) -> bytes:
    digest = hashlib.sha256()
    with open_regular(path) as file:
        try:
            while block := file.read(_HASH_BLOCK):
                digest.update(block)
                alive()
        except OSError as error:
            raise SourceError(path, _why(error)) from None
    return digest.digest()


def is_folder(path: str | Path) -> bool:
    """Whether there is a folder at the path, as far as that may be looked at."""
    return os.path.isdir(path)  # noqa: PTH112 - Path.is_dir() raises where it may not


def _is_dir(path: Path) -> bool:
    # Not Path.is_dir(), which raises what is neither caught nor a sentence where a path may not be looked at.
    return stat.S_ISDIR(_stat(path).st_mode)


def _stat(path: Path) -> os.stat_result:
    try:
        return path.stat()
    except OSError as error:
        raise SourceError(path, _why(error)) from None
    except ValueError:  # a NUL in the name
        raise SourceError(path, "is no file name") from None


def _why(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "does not exist"
    if isinstance(error, PermissionError):
        return "may not be read"
    return f"cannot be read ({(error.strerror or type(error).__name__).lower()})"
