"""`whichpage bench fetch`: the development library from Debian's documentation packages.

About 1,700 freely licensed PDFs (English, French, German, Portuguese, Chinese, Japanese; text, mathematics,
tables, source code, figures, sheet music). Packages come through the system's own `apt-get`. Every step
that is done is not done again.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import pypdfium2 as pdfium

from whichpage.benchmark.duplicates import duplicate_groups, write_duplicates
from whichpage.benchmark.progress import track
from whichpage.benchmark.provenance import digest_texts
from whichpage.benchmark.scanned import scan_book
from whichpage.benchmark.truth import read_truths
from whichpage.cores import usable_cores
from whichpage.errors import WhichpageError
from whichpage.files import ends_with

PACKAGES = (
    "texlive-latex-base-doc",
    "texlive-science-doc",
    "texlive-publishers-doc",
    "texlive-humanities-doc",
    "texlive-lang-japanese",
    "r-doc-pdf",
    "lilypond-doc-pdf",
    "debian-reference-ja",
)
# Where no truth file says which books are scanned: so many, of at most so many pages, by chance.
SCANNED, SCANNED_PAGES = 12, 150


class FetchError(WhichpageError):
    """The development library cannot be made here."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """What there is now below the folder."""

    books: int
    scans: int
    duplicates: Path


def run(folder: Path, *, truths: Sequence[Path], update: bool) -> Fetched:
    """Fetches the packages, scans books, and maps the pages that are there twice.

    Args:
        folder: gets `deb` (packages), `pdf` (books; others may be put there), `scanned` (scans under the
            same names) and `duplicates.csv`.
        truths: truth files whose books are scanned; none: a dozen books by chance.
        update: renew apt's lists of packages first.

    Raises:
        FetchError: apt-get or dpkg-deb is missing or fails.
    """
    packages = folder / "deb"
    packages.mkdir(parents=True, exist_ok=True)
    wanted = [package for package in PACKAGES if not (folder / "pdf" / package).is_dir()]
    if wanted and update:
        _call(["apt-get", "update", "-q"], packages)
    for package in track(wanted, "packages"):
        unpack(download(package, packages), folder / "pdf" / package)
    books = sorted((folder / "pdf").rglob("*.pdf"))
    scans = scan(folder, chosen(folder / "pdf", books, truths))
    return Fetched(len(books), scans, map_duplicates(folder, books))


def download(package: str, folder: Path) -> Path:
    """The package's file, fetched unless it is there.

    Raises:
        FetchError: it cannot be fetched.
    """
    if not (there := sorted(folder.glob(f"{package}_*.deb"))):
        _call(["apt-get", "download", "-q", package], folder)
        there = sorted(folder.glob(f"{package}_*.deb"))
    if not there:
        raise FetchError(f"apt-get has fetched no file of the package {package}")
    return there[-1]


def unpack(package: Path, folder: Path) -> None:
    """Unpacks a Debian package and keeps its PDFs alone; the folder appears when it is whole.

    Raises:
        FetchError: it is no Debian package.
    """
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    _call(["dpkg-deb", "-x", str(package), str(part)], package.parent)
    # Deepest first, so that folders are empty when it is their turn.
    for path in sorted(part.rglob("*"), key=lambda path: -len(path.parts)):
        if path.is_symlink() or (path.is_file() and path.suffix != ".pdf"):
            path.unlink()
        elif path.is_dir() and not any(path.iterdir()):
            path.rmdir()
    part.rename(folder)


def chosen(folder: Path, books: Sequence[Path], truths: Sequence[Path]) -> list[Path]:
    """The books to scan: those that the truth files name, else some that chance names."""
    if truths:
        named = {truth.pdf for truth in read_truths(truths) if truth.pdf}
        return [book for book in books if any(ends_with(book, pdf) for pdf in named)]
    by_chance = sorted(books, key=lambda book: digest_texts([book.relative_to(folder).as_posix()]))
    return _short(by_chance, SCANNED)


def _short(books: Iterable[Path], count: int) -> list[Path]:
    found: list[Path] = []
    for book in books:
        if len(found) == count:
            break
        try:
            document = pdfium.PdfDocument(book)
        except pdfium.PdfiumError:
            continue
        if 10 <= len(document) <= SCANNED_PAGES:
            found.append(book)
        document.close()
    return found


def scan(folder: Path, books: Sequence[Path]) -> int:
    """Scans books to `scanned`, those that are not there yet; returns how many scans of them there are."""
    jobs = [(folder, book) for book in books if not _scan_of(folder, book).exists()]
    with get_context("spawn").Pool(usable_cores()) as pool:
        for _ in zip(track(jobs, "books scanned"), pool.imap(_scan, jobs), strict=True):
            pass
    return len(books)


def _scan(job: tuple[Path, Path]) -> None:
    folder, book = job
    scan_book(book, _scan_of(folder, book), name=book.relative_to(folder / "pdf").as_posix())


def _scan_of(folder: Path, book: Path) -> Path:
    return folder / "scanned" / book.relative_to(folder / "pdf")


def map_duplicates(folder: Path, books: Sequence[Path]) -> Path:
    """Writes `duplicates.csv`, unless it is there and of these books."""
    path, of = folder / "duplicates.csv", folder / "duplicates.of"
    key = digest_texts(
        f"{book.relative_to(folder / 'pdf').as_posix()} {book.stat().st_size}" for book in books
    )
    if not path.exists() or not of.exists() or of.read_text(encoding="ascii") != key:
        write_duplicates(path, duplicate_groups(folder / "pdf", books))
        of.write_text(key, encoding="ascii")
    return path


def _call(command: list[str], folder: Path) -> None:
    if shutil.which(command[0]) is None:
        raise FetchError(
            f"there is no {command[0]} here: the development library comes from Debian's packages"
        )
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        words = (done.stderr.strip() or done.stdout.strip() or "it says nothing").splitlines()[-1]
        raise FetchError(f"`{' '.join(command[:3])}` failed: {words}")
