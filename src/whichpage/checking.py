"""Whether a library is whole, and whether its books' files are where and what they were."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from whichpage.catalog import FOREIGN, PAGE_CODE_BYTES, STALE, Book, Catalog
from whichpage.database import Database
from whichpage.errors import SourceError
from whichpage.files import Stamp, gone, sha256, stamp
from whichpage.types import FEATURE_HEAD, FEATURE_SIZE


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What `check` found.

    damage: what is wrong inside the library, a sentence each; empty when it is whole.
    missing: files of books that are gone. changed: those that differ from what was indexed.
    unreadable: files that are there, but cannot be read, and why. unread: those of books some pages of which
        could not be read when they were added: how many, and why the first could not.
    unfinished: books whose indexing was interrupted. outdated: those that `add --renew` has not come to.
    """

    books: int
    pages: int
    damage: tuple[str, ...] = ()
    missing: tuple[Path, ...] = ()
    changed: tuple[Path, ...] = ()
    unfinished: tuple[Path, ...] = ()
    outdated: tuple[Path, ...] = ()
    unreadable: tuple[tuple[Path, str], ...] = ()
    unread: tuple[tuple[Path, int, str], ...] = ()

    @property
    def whole(self) -> bool:
        """Whether the library itself is in order, whatever became of the files."""
        return not self.damage

    @property
    def problems(self) -> tuple[str, ...]:
        """Everything that is amiss, a sentence each."""
        return (
            *self.damage,
            *(f"{path}: the file is gone" for path in self.missing),
            *(f"{path}: {reason}" for path, reason in self.unreadable),
            *(f"{path}: the file has changed; add it again" for path in self.changed),
            *(f"{path}: not finished; add it again" for path in self.unfinished),
            *(f"{path}: not indexed anew yet; add it again" for path in self.outdated),
            *(
                f"{path}: {_pages(pages)} could not be read ({why}); add this path itself to try again"
                for path, pages, why in self.unread
            ),
        )


def check(catalog: Catalog) -> CheckReport:
    """Looks for damage inside the library and for files that are gone or changed."""
    books = catalog.books()
    missing, changed, unreadable = _strayed(catalog.database)
    stale = {book for (book,) in catalog.database.query(f"SELECT DISTINCT book FROM page WHERE {STALE}")}
    return CheckReport(
        books=len(books),
        pages=sum(book.done for book in books),
        damage=tuple(_damage(catalog.database)),
        missing=tuple(missing),
        changed=tuple(changed),
        unreadable=tuple(unreadable),
        unfinished=tuple(book.path for book in books if book.state == "unfinished"),
        outdated=tuple(book.path for book in books if book.state == "complete" and book.id in stale),
        unread=tuple(_unread(catalog.database)),
    )


def unchanged_place(catalog: Catalog, book: int) -> Path | None:
    """Where a book lies as it was indexed, the first such of its files; None where there is none any more."""
    for path, indexed in catalog.files(book).items():
        try:
            if stamp(path) == indexed:
                return path
        except SourceError:
            continue
    return None


def lost(catalog: Catalog) -> list[Book]:
    """The books none of whose files are there any more, sorted by path."""
    return [book for book in catalog.books() if all(gone(path) for path in (book.path, *book.copies))]


def _strayed(database: Database) -> tuple[list[Path], list[Path], list[tuple[Path, str]]]:
    """The files that are gone, those that have changed, and those that cannot be read, and why."""
    missing, changed, unreadable = [], [], []
    rows = database.query(
        "SELECT path, size, mtime_ns, sha256 FROM file JOIN book ON book.id = book WHERE complete"
        " ORDER BY path"
    )
    for blob, size, mtime_ns, digest in rows:
        path = Path(os.fsdecode(blob))
        try:
            # A new time alone is no new content.
            if stamp(path) != Stamp(size, mtime_ns) and sha256(path) != digest:
                changed.append(path)
        except SourceError as error:
            if gone(path):
                missing.append(path)
            else:
                unreadable.append((path, error.reason))
    return missing, changed, unreadable


def _unread(database: Database) -> Iterator[tuple[Path, int, str]]:
    """The files of complete books some pages of which could not be read: how many, and why the first."""
    rows = database.query(
        "SELECT path, COUNT(*), (SELECT trouble FROM page AS first WHERE first.book = page.book"
        " AND trouble IS NOT NULL ORDER BY number LIMIT 1)"
        " FROM page JOIN book ON book.id = page.book JOIN file ON file.book = book.id"
        " WHERE complete AND trouble IS NOT NULL GROUP BY file.id ORDER BY path"
    )
    for path, pages, why in rows:
        yield Path(os.fsdecode(path)), pages, why


def _damage(database: Database) -> Iterator[str]:
    for (line,) in database.query("PRAGMA integrity_check(20)"):
        if line != "ok":
            yield f"the file {database.path.name} is damaged: {line}"
    if database.query("PRAGMA foreign_key_check"):
        yield "rows refer to others that are not there"
    short = (
        "SELECT source, pages, COUNT(page.id), COALESCE(MIN(number), 1), COALESCE(MAX(number), pages)"
        " FROM book LEFT JOIN page ON page.book = book.id WHERE complete GROUP BY book.id"
        " HAVING COUNT(page.id) != pages OR MIN(number) != 1 OR MAX(number) != pages"
    )
    for source, pages, count, first, last in database.query(short):
        yield f"{Path(os.fsdecode(source))}: {count} of {pages} pages are there, numbered {first} to {last}"
    checks = {
        "pages have a code of the wrong length": (
            f"LENGTH(codes) NOT IN {PAGE_CODE_BYTES}"
            f" OR NOT {FOREIGN} AND LENGTH(codes) != ("
            f"SELECT LENGTH(codes) FROM page WHERE codes IS NOT NULL AND NOT {FOREIGN} ORDER BY id)"
        ),
        "pages lack their thumbnail": "codes IS NOT NULL AND id NOT IN (SELECT page FROM thumbnail)",
        "thumbnails are of blank pages": "codes IS NULL AND id IN (SELECT page FROM thumbnail)",
        "pages have local features of the wrong length": (
            f"(SELECT LENGTH(packed) FROM feature WHERE feature.page = id) % {FEATURE_SIZE} != {FEATURE_HEAD}"
        ),
        "local features are of blank pages": "codes IS NULL AND id IN (SELECT page FROM feature)",
    }
    for sentence, condition in checks.items():
        if count := database.query(f"SELECT COUNT(*) FROM page WHERE {condition}")[0][0]:
            yield f"{count} {sentence}"
    # Either without the other, or of no page; and as many places as lines, 8 bytes each. No places and no
    # text say that a page was read and has none.
    unlike = (
        "SELECT COUNT(*) FROM (SELECT rowid AS id FROM text UNION SELECT page FROM place) AS written"
        " LEFT JOIN text ON text.rowid = id LEFT JOIN place ON page = id"
        " WHERE id NOT IN (SELECT id FROM page) OR LENGTH(place.lines) IS NOT"
        " IFNULL(8 * (1 + LENGTH(text.lines) - LENGTH(REPLACE(text.lines, char(10), ''))), 0)"
    )
    if count := database.query(unlike)[0][0]:
        yield f"the text of {count} pages and its places do not belong together"


def _pages(count: int) -> str:
    return "1 page" if count == 1 else f"{count:,} pages"
