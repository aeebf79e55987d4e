"""The catalogue: which books the library knows, and their pages: codes, thumbnails, text, local features.

The truth on disk.

A book is a content (its SHA-256), a file is a place where that content lies. A book's pages are written
chunk by chunk; they can be found once all are there (the book is complete) and a file of it is known.
`adding` is the half that writes new books.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from whichpage.database import FORMAT, Database, note_change
from whichpage.errors import BookNotFound, LibraryChanged, LibraryError, LibraryOutdated, PageNotFound
from whichpage.files import Stamp, absolute
from whichpage.printed import PrintedLine, unpack
from whichpage.types import CODE_BYTES, VIEWS, Grey, Page

# Bytes of a page's codes: of its first view alone or of all, as the encoder gives them; alike in a library.
PAGE_CODE_BYTES = (CODE_BYTES, len(VIEWS) * CODE_BYTES)

# Pages that are to be indexed anew, and those of them whose codes are of another model.
STALE = "page.id IN (SELECT page FROM stale)"
FOREIGN = (
    "EXISTS (SELECT 1 FROM stale WHERE stale.page = page.id"
    " AND stale.model != (SELECT value FROM meta WHERE key = 'model'))"
)
# A complete book that no file holds any more waits to be recognised elsewhere or swept away.
_LIVE = f"book.complete AND book.id IN (SELECT book FROM file) AND NOT {FOREIGN}"
# SQLite takes a limited number of values in one statement.
_VALUES = 500
_FEATURELESS = "NOT EXISTS (SELECT 1 FROM feature WHERE feature.page = thumbnail.page)"
# Books of one name that are listed, to be told by their paths.
_NAMED = 20
# What begins the notes of how often a page could not be read, and how often it is tried.
_UNREAD, _MOST_RUNS = "unread ", 3
# Pages whose local features are read at once, some 5 MB.
_PORTION = 1000


@dataclass(frozen=True, slots=True)
class Book:
    """A book of the library.

    path: the file or folder that answers name; where several hold the same content, the first.
    pages, blank, unreadable: how many pages it has, and how many of them are empty or could not be read.
    done: pages that are indexed; fewer than `pages` while it is unfinished.
    copies: other places of the same content.
    """

    id: int
    path: Path
    title: str
    pages: int
    done: int
    blank: int
    unreadable: int
    state: Literal["complete", "unfinished"]
    size: int
    added: datetime
    copies: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class PageState:
    """What indexing found on a page of a book.

    blank: nothing that a photo could be told by. trouble: why it cannot be read; None where it can.
    """

    number: int
    blank: bool
    trouble: str | None


@dataclass(frozen=True, slots=True)
class LibraryInfo:
    """What a library is made of.

    pages, blank, unreadable: of the complete books.
    featureless: pages, of whatever book, that local features do not find until the next `add`.
    outdated: pages, of whatever book, that a renewal has not indexed anew yet.
    bytes: of its folder on disk.
    model: the id of the model that made its codes; None while it is empty.
    """

    path: Path
    books: int
    unfinished: int
    copies: int
    pages: int
    blank: int
    unreadable: int
    bytes: int
    model: str | None
    format: int
    featureless: int = 0
    outdated: int = 0


class Catalog:
    """The catalogue of one library; threads may share it. A context manager."""

    def __init__(self, database: Database) -> None:
        self.database = database

    @classmethod
    def open(cls, folder: Path, *, create: bool = False) -> Self:
        """Opens the library in a folder; see `Database.open` for what it raises."""
        return cls(Database.open(folder, create=create))

    def close(self) -> None:
        """Closes the file."""
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def model(self) -> str | None:
        """The id of the model that made the codes; None while the library is empty."""
        model: str | None = self._one("SELECT value FROM meta WHERE key = 'model'")
        return model

    def require_model(self, model: str) -> None:
        """Makes sure that the codes are of this model.

        Raises:
            LibraryOutdated: they are of another.
        """
        found = self.model()
        if found is not None and found != model:
            raise LibraryOutdated(
                f"the library at {self.database.folder} was made with model {found}, this is model {model}:"
                " renew it with `whichpage add --renew`"
            )

    def features_model(self) -> str | None:
        """The id of the model that made the pages' local features; None while there are none."""
        model: str | None = self._one("SELECT value FROM meta WHERE key = 'features'")
        return model

    def require_features_model(self, model: str) -> None:
        """Makes sure that the local features are of this model.

        Raises:
            LibraryOutdated: they are of another, which another whichpage is using at this time.
        """
        found = self.features_model()
        if found is not None and found != model:
            raise LibraryOutdated(
                f"another whichpage is adding to the library at {self.database.folder}, with other local"
                f" features ({found}, not {model}): use one version only"
            )

    def generation(self) -> int:
        """A number that changes whenever `codes` would, and when pages have gained all local features."""
        generation: int = self._one("SELECT value FROM meta WHERE key = 'generation'")
        return generation

    def state(self) -> str:
        """A name that changes with `generation`, and that no other state of any library has."""
        state: str = self._one("SELECT value FROM meta WHERE key = 'state'")
        return state

    def codes(self) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
        """The pages that can be found: those of live books that are neither blank nor unreadable.

        After a change of the model, those that have been indexed anew.

        Returns:
            page_ids: (N,) int64, ascending.
            bits: (N, V, 32) uint8, packed codes, a view each.

        Raises:
            LibraryError: the pages' codes are not all of the same, possible length.
        """
        rows = self.database.query(
            f"SELECT page.id, page.codes FROM page JOIN book ON book.id = page.book"
            f" WHERE {_LIVE} AND page.codes IS NOT NULL ORDER BY page.id"
        )
        ids = np.fromiter((row[0] for row in rows), np.int64, len(rows))
        lengths = {len(row[1]) for row in rows} or {PAGE_CODE_BYTES[-1]}
        if len(lengths) > 1 or not lengths <= set(PAGE_CODE_BYTES):
            raise LibraryError(f"the library at {self.database.folder} is damaged: codes of wrong lengths")
        bits = np.frombuffer(b"".join(row[1] for row in rows), np.uint8)
        return ids, bits.reshape(len(rows), lengths.pop() // CODE_BYTES, CODE_BYTES)

    def pages(self, page_ids: Sequence[int]) -> list[Page]:
        """Where the pages are, in the order asked; a book in several places answers with the first.

        Raises:
            LibraryChanged: one of them was removed in the meantime.
        """
        rows = self._by_page(
            # A book that was superseded has no file any more before it is swept away.
            "SELECT page.id, page.book, page.number, file.path FROM page JOIN file ON file.id ="
            " (SELECT min(id) FROM file WHERE file.book = page.book) WHERE page.id IN ({})",
            page_ids,
        )
        return [Page(id, book, _path(path), number) for id, book, number, path in rows]

    def encoded_thumbnails(self, page_ids: Sequence[int]) -> list[bytes]:
        """The pages' thumbnails as they are stored (grey JPEG), in the order asked.

        Raises:
            LibraryChanged: one of them was removed in the meantime.
        """
        rows = self._by_page("SELECT page, image FROM thumbnail WHERE page IN ({})", page_ids)
        return [bytes(image) for _, image in rows]

    def thumbnails(self, page_ids: Sequence[int]) -> list[Grey]:
        """The pages' thumbnails, (H, W) uint8 each, in the order asked.

        Raises:
            LibraryChanged: one of them was removed in the meantime.
            LibraryError: one is damaged.
        """
        # Here and not above: only finding needs it, and it is slow to import.
        import cv2

        greys = []
        for page, image in zip(page_ids, self.encoded_thumbnails(page_ids), strict=True):
            grey = cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_GRAYSCALE)
            if grey is None:
                raise LibraryError(f"the library at {self.database.folder} is damaged: thumbnail {page}")
            greys.append(grey.astype(np.uint8, copy=False))
        return greys

    def features(self, page_ids: Sequence[int]) -> list[bytes]:
        """The pages' local features, as `features.pack` makes them, in the order asked.

        b"" for a page of which none are known.
        """
        rows = self._rows_of("SELECT page, packed FROM feature WHERE page IN ({})", page_ids)
        return [rows[int(id)][1] if int(id) in rows else b"" for id in page_ids]

    def all_described(self) -> bool:
        """Whether it is known that all pages have local features of the model in use.

        Counting those that lack them would read much of the file, before the first photo is found.
        """
        noted = self.database.query("SELECT value FROM meta WHERE key = 'described'")
        return bool(noted) and noted[0][0] == self.features_model()

    def featureless(self) -> int:
        """How many pages have a thumbnail but no local features, as those that an older whichpage added."""
        count: int = self._one(f"SELECT COUNT(*) FROM thumbnail WHERE {_FEATURELESS}")
        return count

    def featureless_thumbnails(self, *, after: int, most: int) -> list[tuple[int, bytes]]:
        """The ids, ascending, and the thumbnails (grey JPEG) of such pages, the next ones after an id."""
        return self.database.query(
            f"SELECT page, image FROM thumbnail WHERE page > ? AND {_FEATURELESS} ORDER BY page LIMIT ?",
            (after, most),
        )

    def all_features(self) -> Iterator[tuple[int, bytes]]:
        """The pages that can be found and have local features: their ids, ascending, and the features.

        Read in portions: what is removed or added meanwhile may be missing.
        """
        last = 0
        # CROSS: in the order of the features, whatever SQLite makes of the other tables.
        while rows := self.database.query(
            "SELECT feature.page, packed FROM feature CROSS JOIN page ON page.id = feature.page"
            f" CROSS JOIN book ON book.id = page.book WHERE feature.page > ? AND {_LIVE}"
            " ORDER BY feature.page LIMIT ?",
            (last, _PORTION),
        ):
            yield from rows
            last = rows[-1][0]

    def has_text(self) -> bool:
        """Whether the text of any page is known."""
        return bool(self._one("SELECT EXISTS (SELECT 1 FROM place WHERE LENGTH(lines))"))

    def textless(self, book: int) -> list[int]:
        """The numbers of a book's pages that can be found, that hold no text and were not read yet."""
        rows = self.database.query(
            "SELECT number FROM page WHERE book = ? AND codes IS NOT NULL"
            " AND id NOT IN (SELECT page FROM place) ORDER BY number",
            (book,),
        )
        return [number for (number,) in rows]

    def write_text(self, book: int, pages: Sequence[tuple[int, str, bytes]]) -> None:
        """Notes what was read on pages of which no text was known; "" for one that has nothing to read.

        pages: (number, text, places), as `printed.pack` makes them. One that was removed meanwhile, or that
            has its text by now, is left alone.
        """
        with self.database.transaction() as connection:
            for number, text, places in pages:
                row = connection.execute(
                    "SELECT id FROM page WHERE book = ? AND number = ? AND codes IS NOT NULL"
                    " AND id NOT IN (SELECT page FROM place)",
                    (book, number),
                ).fetchone()
                if row is None:
                    continue
                note_text(connection, row[0], text, places)

    def count_unread(self, book: int, numbers: Sequence[int]) -> None:
        """Counts that pages could not be read in a run; those that never could are given up.

        One that is given up passes for one that has nothing to read.
        """
        with self.database.transaction() as connection:
            for number in numbers:
                row = connection.execute(
                    "SELECT id, ? || id FROM page WHERE book = ? AND number = ? AND codes IS NOT NULL"
                    " AND id NOT IN (SELECT page FROM place)",
                    (_UNREAD, book, number),
                ).fetchone()
                if row is None:
                    continue
                page, key = row
                connection.execute(
                    "INSERT INTO meta VALUES (?, 1) ON CONFLICT (key) DO UPDATE SET value = value + 1", (key,)
                )
                runs = connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()[0]
                if runs >= _MOST_RUNS:
                    note_text(connection, page, "", b"")
            # Of pages that were removed: no other will ever have their ids.
            connection.execute(
                "DELETE FROM meta WHERE key LIKE ? || '%'"
                " AND CAST(SUBSTR(key, ?) AS INTEGER) NOT IN (SELECT id FROM page)",
                (_UNREAD, len(_UNREAD) + 1),
            )

    def pages_with(self, piece: str, *, most: int) -> list[int] | None:
        """The ids of the pages that can be found and have the piece in a line of their text, ascending.

        None where more than `most` have it: it tells nothing then.

        piece: at least 3 characters, as `printed.normalise` gives them.
        """
        # CROSS: the text is looked up first, whatever SQLite makes of the other tables.
        rows = self.database.query(
            "SELECT page.id FROM text CROSS JOIN page ON page.id = text.rowid"
            f" CROSS JOIN book ON book.id = page.book WHERE text MATCH ? AND {_LIVE} LIMIT ?",
            ('"' + piece.replace('"', '""') + '"', most + 1),
        )
        return sorted(id for (id,) in rows) if len(rows) <= most else None

    def printed_lines(self, page_ids: Sequence[int]) -> list[tuple[PrintedLine, ...]]:
        """The lines of text on the pages, in the order asked; () for a page of which none are known.

        Raises:
            LibraryError: those of one are damaged.
        """
        rows = self._rows_of(
            "SELECT page, text.lines, place.lines FROM place JOIN text ON text.rowid = page"
            " WHERE page IN ({})",
            page_ids,
        )
        try:
            return [unpack(*rows[int(id)][1:]) if int(id) in rows else () for id in page_ids]
        except ValueError:
            raise LibraryError(f"the library at {self.database.folder} is damaged: text of pages") from None

    def books(self) -> list[Book]:
        """All books, sorted by path."""
        return sorted(self._books(), key=lambda book: os.fsencode(book.path))

    def book(self, id: int) -> Book:
        """The book of this id.

        Raises:
            BookNotFound: there is none.
        """
        found = self._books("book.id = ?", id)
        if not found:
            raise BookNotFound(f"the library has no book {id}")
        return found[0]

    def book_at(self, path: Path) -> Book:
        """The complete book that a file holds, by the file's path as the catalogue has it.

        Raises:
            BookNotFound: none is known to lie there.
        """
        found = self._books("book.id = (SELECT book FROM file WHERE path = ?)", os.fsencode(path))
        if not found:
            raise BookNotFound(f"the library has no book at {path}")
        return found[0]

    def namesakes(self, path: Path) -> list[Path]:
        """Where all books lie, unfinished ones too, whose file or folder is called as the path's is."""
        end = os.fsencode(f"{os.sep}{path.name}")
        rows = self.database.query(
            "SELECT path FROM file JOIN book ON book.id = book WHERE complete AND substr(path, ?) = ?"
            " AND file.id = (SELECT MIN(id) FROM file AS first WHERE first.book = file.book)"
            " UNION SELECT source FROM book WHERE NOT complete AND substr(source, ?) = ?",
            (-len(end), end) * 2,
        )
        return [_path(path) for (path,) in rows]

    def book_with(self, sha256: str) -> Book | None:
        """The book of this content; None where the library has none that is complete."""
        found = self._books("book.sha256 = ? AND complete", sha256)
        return found[0] if found else None

    def files(self, book: int) -> dict[Path, Stamp]:
        """Where a complete book's content lies, the file that answers name first."""
        rows = self.database.query(
            "SELECT path, size, mtime_ns FROM file WHERE book = ? ORDER BY id", (book,)
        )
        return {_path(path): Stamp(size, mtime_ns) for path, size, mtime_ns in rows}

    def page_states(self, book: int, *, first: int, count: int) -> list[PageState]:
        """Up to `count` indexed pages of a book from the number `first` on, in order."""
        rows = self.database.query(
            "SELECT number, blank, trouble FROM page WHERE book = ? AND number >= ? ORDER BY number LIMIT ?",
            (book, first, count),
        )
        return [PageState(number, bool(blank), trouble) for number, blank, trouble in rows]

    def page_id(self, book: int, number: int) -> int:
        """The id of a book's page.

        Raises:
            PageNotFound: no such page has been indexed.
        """
        rows = self.database.query("SELECT id FROM page WHERE book = ? AND number = ?", (book, number))
        if not rows:
            raise PageNotFound(f"book {book} has no page {number}")
        id: int = rows[0][0]
        return id

    def _books(self, condition: str = "TRUE", *values: object) -> list[Book]:
        files: dict[int, list[tuple[Path, int]]] = {}
        for book, path, size in self.database.query(
            "SELECT book, path, size FROM file JOIN book ON book.id = book"
            f" WHERE {condition} ORDER BY file.id",
            values,
        ):
            files.setdefault(book, []).append((_path(path), size))
        rows = self.database.query(
            "SELECT book.id, source, title, pages, complete, added,"
            " COUNT(page.id), TOTAL(blank), COUNT(trouble)"
            f" FROM book LEFT JOIN page ON page.book = book.id WHERE {condition} GROUP BY book.id",
            values,
        )
        books = []
        for id, source, title, pages, complete, added, done, blank, unreadable in rows:
            places = files.get(id, [])
            if complete and not places:
                continue
            path, size = places[0] if complete else (_path(source), 0)
            books.append(
                Book(
                    id=id,
                    path=path,
                    title=title,
                    pages=pages,
                    done=done,
                    blank=int(blank),
                    unreadable=unreadable,
                    state="complete" if complete else "unfinished",
                    size=size,
                    added=datetime.fromtimestamp(added, UTC),
                    copies=tuple(copy for copy, _ in places[1:]) if complete else (),
                )
            )
        return books

    def info(self) -> LibraryInfo:
        """Counts and sizes."""
        books = self.books()
        complete = [book for book in books if book.state == "complete"]
        folder = self.database.folder
        return LibraryInfo(
            path=folder,
            books=len(complete),
            unfinished=len(books) - len(complete),
            copies=sum(len(book.copies) for book in complete),
            pages=sum(book.pages for book in complete),
            blank=sum(book.blank for book in complete),
            unreadable=sum(book.unreadable for book in complete),
            bytes=sum(map(_size, folder.glob("*"))),
            model=self.model(),
            format=FORMAT,
            featureless=self.featureless(),
            outdated=self._one("SELECT COUNT(*) FROM stale"),
        )

    def known(self) -> dict[Path, Stamp]:
        """The files of complete books that no renewal waits for, as they were when they were last read."""
        rows = self.database.query(
            "SELECT path, size, mtime_ns FROM file JOIN book ON book.id = file.book WHERE complete"
            f" AND book.id NOT IN (SELECT book FROM page WHERE {STALE})"
        )
        return {_path(path): Stamp(size, mtime_ns) for path, size, mtime_ns in rows}

    def has_unread(self, path: Path) -> bool:
        """Whether pages of the complete book that lies at the path could not be read."""
        rows = self.database.query(
            "SELECT EXISTS (SELECT 1 FROM page WHERE book = (SELECT book FROM file WHERE path = ?)"
            " AND trouble IS NOT NULL)",
            (os.fsencode(path),),
        )
        return bool(rows[0][0])

    def remove(self, name: str | int) -> Book:
        """Removes a book with all its pages; its files are left alone.

        name: its id, or a path, else the name of a file with or without its suffix, else its title.

        Raises:
            BookNotFound: no book has the name.
            LibraryError: several have it.
        """
        book = self.find_book(name)
        with self.database.transaction() as connection:
            connection.execute("DELETE FROM book WHERE id = ?", (book.id,))
            note_change(connection)
        self.database.shrink()
        return book

    def find_book(self, name: str | int) -> Book:
        """The book of this name; see `remove`.

        Raises:
            BookNotFound: no book has it.
            LibraryError: several have it.
        """
        return self.book(name) if isinstance(name, int) else self._named(name)

    def _named(self, name: str) -> Book:
        books = self.books()
        path = absolute(Path(name))
        tests: tuple[Callable[[Book], bool], ...] = (
            lambda book: path == book.path or path in book.copies,
            lambda book: name in (book.path.name, book.path.stem),
            lambda book: name == book.title,
        )
        for test in tests:
            found = [book for book in books if test(book)]
            if len(found) > 1:
                listed = ", ".join(str(book.path) for book in found[:_NAMED])
                more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
                raise LibraryError(
                    f"{len(found)} books are called {name}: {listed}{more}; name one by its path"
                )
            if found:
                return found[0]
        raise BookNotFound(f"no book of the library is called {name}")

    def _by_page(self, sql: str, page_ids: Sequence[int]) -> list[tuple[Any, ...]]:
        """The rows of `sql`, first column the page id, in the order of `page_ids`."""
        rows = self._rows_of(sql, page_ids)
        if any(int(id) not in rows for id in page_ids):
            raise LibraryChanged
        return [rows[int(id)] for id in page_ids]

    def _rows_of(self, sql: str, page_ids: Sequence[int]) -> dict[int, tuple[Any, ...]]:
        """The rows of `sql` by their first column, the page id."""
        ids = [int(id) for id in page_ids]
        rows: dict[int, tuple[Any, ...]] = {}
        for start in range(0, len(ids), _VALUES):
            some = ids[start : start + _VALUES]
            rows.update(
                (row[0], row) for row in self.database.query(sql.format(",".join("?" * len(some))), some)
            )
        return rows

    def _one(self, sql: str) -> Any:
        return self.database.query(sql)[0][0]


def note_text(connection: sqlite3.Connection, page: int, text: str, places: bytes) -> None:
    """Writes the text of a page; "" for one that was read and holds nothing."""
    connection.execute("DELETE FROM meta WHERE key = ?", (f"{_UNREAD}{page}",))
    before = connection.execute("SELECT lines FROM text WHERE rowid = ?", (page,)).fetchone()
    connection.execute("INSERT OR REPLACE INTO place VALUES (?, ?)", (page, places))
    # Left alone if it is the same: the index of text takes longer to forget than to learn.
    if before != ((text,) if text else None):
        connection.execute("DELETE FROM text WHERE rowid = ?", (page,))
        if text:
            connection.execute("INSERT INTO text (rowid, lines) VALUES (?, ?)", (page, text))


def _size(path: Path) -> int:
    """The bytes of a file; 0 of what is none, or has gone meanwhile, as the locks of adders do."""
    try:
        facts = path.stat()
    except OSError:
        return 0
    return facts.st_size if stat.S_ISREG(facts.st_mode) else 0


def _path(blob: bytes) -> Path:
    return Path(os.fsdecode(blob))
