"""What one adding process does to the catalogue: claims a book, writes its pages, finishes it.

Every step is one transaction. A book is claimed in the name of an adder whose `Presence` shows that it
lives, so two adders share the work and a killed adder's books are taken over.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections import deque
from collections.abc import Container, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal, Self

from whichpage.catalog import STALE, Catalog, note_text
from whichpage.database import Presence, note_change
from whichpage.files import Stamp, gone


@dataclass(frozen=True, slots=True)
class Content:
    """What reading a file told, before its pages are indexed."""

    path: Path
    stamp: Stamp
    sha256: str
    pages: int
    title: str


@dataclass(frozen=True, slots=True)
class PageRow:
    """A page as it is stored: with codes and a thumbnail, or blank, or in trouble.

    codes: V x 32 bytes. thumbnail: an encoded grey image. trouble: why the page cannot be read.
    text, places: the lines of text that the file has for the page, as `printed.pack` makes them.
    features: its local features, as `features.pack` makes them. A page without codes has neither.
    """

    number: int
    codes: bytes | None = None
    thumbnail: bytes | None = None
    trouble: str | None = None
    text: str = ""
    places: bytes = b""
    features: bytes = b""


@dataclass(frozen=True, slots=True)
class Known:
    """A content that needs no indexing: at the same place, at a new place, or in addition to another."""

    what: Literal["unchanged", "moved", "changed", "copy"]
    original: Path


@dataclass(frozen=True, slots=True)
class Busy:
    """A content that is being indexed just now.

    process: the number of the process that does; None for this adder, from another file.
    """

    process: str | None = None


@dataclass(frozen=True, slots=True)
class Work:
    """A book claimed for indexing.

    done: the page numbers that an interrupted adder has already written; not those to be indexed anew.
    replaces: whether the file held another content before.
    retried: whether the book is whole but for pages that could not be read, which are tried again.
    """

    book: int
    done: frozenset[int]
    replaces: bool
    retried: bool = False


class Adder:
    """One adding process; a context manager, at whose end its claims are given up.

    model, features: the ids of the models that make the codes and the local features.
    """

    def __init__(self, catalog: Catalog, model: str, *, features: str) -> None:
        self._catalog = catalog
        self._database = catalog.database
        self._model, self._features = model, features
        self._presence = Presence(catalog.database)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """Gives up what is claimed and not finished; another adder goes on with it."""
        self._presence.end()

    def use_models(self) -> None:
        """Makes sure that the library's codes and local features are of these models, or will be.

        Local features of another model are forgotten: `describe` is to give the pages new ones.

        Raises:
            LibraryOutdated: the codes are of another model.
        """
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE meta SET value = ? WHERE key = 'model' AND value IS NULL", (self._model,)
            )
            self._catalog.require_model(self._model)
            if self._catalog.features_model() != self._features:
                connection.execute("DELETE FROM feature")
                connection.execute("UPDATE meta SET value = ? WHERE key = 'features'", (self._features,))
                connection.execute("DELETE FROM meta WHERE key = 'described'")
                # An adder with another model may be at work; what it has claimed it can no longer write.
                connection.execute("UPDATE book SET owner = NULL")
                note_change(connection)
            if not connection.execute("SELECT EXISTS (SELECT 1 FROM thumbnail)").fetchone()[0]:
                self._note_all_described(connection)  # whose pages get theirs as they are added

    def describe(self, features: Sequence[tuple[int, bytes]]) -> int:
        """Notes the local features of pages that have none, if they are still there; returns of how many.

        features: page ids, and what `features.pack` makes.

        Raises:
            LibraryOutdated: another process has begun to use other models.
        """
        with self._database.transaction() as connection:
            self._require_models()
            return connection.executemany(
                "INSERT OR IGNORE INTO feature SELECT id, ? FROM page WHERE id = ?",
                [(packed, page_id) for page_id, packed in features],
            ).rowcount

    def end_describing(self) -> None:
        """Notes that no page lacks local features any more: only now do finders learn of the new ones.

        Raises:
            LibraryOutdated: another process has begun to use other models.
        """
        with self._database.transaction() as connection:
            self._require_models()
            self._note_all_described(connection)
            note_change(connection)

    def renew(self) -> list[Path]:
        """Has all pages indexed anew by these models, or goes on with that; returns the files still to do.

        Nothing is forgotten: a page stays, and with it the text that was read on it, until its new one is
        written. While its codes are of another model it is not found.
        """
        note = f"{self._model} {self._features}"
        with self._database.transaction() as connection:
            begun = connection.execute("SELECT value FROM meta WHERE key = 'renewing'").fetchone()
            if begun != (note,):
                # One that an earlier renewal has left is still of the model that was noted then.
                connection.execute(
                    "INSERT OR IGNORE INTO stale SELECT id, ? FROM page", (self._catalog.model(),)
                )
                connection.execute("UPDATE meta SET value = ? WHERE key = 'model'", (self._model,))
                connection.execute("UPDATE meta SET value = ? WHERE key = 'renewing'", (note,))
                # An adder with another model may be at work; what it has claimed it can no longer write.
                connection.execute("UPDATE book SET owner = NULL")
                note_change(connection)
            left = f"SELECT id FROM book WHERE NOT complete OR id IN (SELECT book FROM page WHERE {STALE})"
            files = connection.execute(f"SELECT path FROM file WHERE book IN ({left}) ORDER BY id").fetchall()
            sources = connection.execute("SELECT source FROM book WHERE NOT complete ORDER BY id").fetchall()
        return [Path(os.fsdecode(path)) for (path,) in dict.fromkeys(files + sources)]

    def end_renewal(self) -> None:
        """Notes that it has come to all books; those that could not be read wait to be added again."""
        with self._database.transaction() as connection:
            connection.execute("UPDATE meta SET value = NULL WHERE key = 'renewing'")

    def settle(self, content: Content, *, retry: bool = False) -> Known | Busy | Work:
        """Decides what a file's content means to the library; claims the book when it is to be indexed.

        retry: index pages again that could not be read, if the file is known to hold their book.

        Raises:
            LibraryOutdated: another process has begun to use other models.
        """
        path = os.fsencode(content.path)
        lost = self._lost(
            "SELECT path FROM file JOIN book ON book.id = file.book WHERE sha256 = ?", content.sha256
        )
        with self._database.transaction() as connection:
            self._require_models()
            row = connection.execute(
                "SELECT id, complete, owner FROM book WHERE sha256 = ?", (content.sha256,)
            ).fetchone()
            before = connection.execute(
                "SELECT file.book, complete FROM file JOIN book ON book.id = file.book WHERE path = ?",
                (path,),
            ).fetchone()
            replaces = before is not None and (row is None or before[0] != row[0])
            self._forget_unfinished(connection, path, content.sha256)
            if row is None:
                return Work(_claim(connection, content, self._presence.name), frozenset(), replaces)
            book, complete, owner = row
            pages = connection.execute(
                f"SELECT number, {STALE}, trouble IS NOT NULL FROM page WHERE book = ?", (book,)
            ).fetchall()
            stale = {number for number, stale, _ in pages if stale}
            retry = retry and before is not None and not replaces
            unread = {number for number, _, unread in pages if unread and retry}
            if complete and not stale and not unread:
                return _place(connection, book, content, replaces=replaces, lost=lost)
            if owner is not None and self._presence.lives(owner):
                return Busy(None if owner == self._presence.name else owner.partition("-")[0])
            connection.execute(
                "UPDATE book SET owner = ?, source = ?, pages = ?, title = ? WHERE id = ?",
                (self._presence.name, path, content.pages, content.title, book),
            )
            done = frozenset(number for number, _, _ in pages) - stale - unread
            return Work(book, done, replaces, retried=bool(complete) and not stale)

    def write(self, book: int, rows: Sequence[PageRow]) -> bool:
        """Writes a chunk of a claimed book's pages; False when the book was removed in the meantime.

        A page that was there before is written anew. It keeps its text if its file has none, and stays as it
        was if it could be read then and cannot now.
        """
        with self._database.transaction() as connection:
            if not self._owns(connection, book):
                return False
            renewed = [_write_page(connection, book, row) for row in rows]
            if any(renewed):
                note_change(connection)
        return True

    def troubles(self, book: int) -> list[str]:
        """Why pages of the book cannot be read, in page order."""
        rows = self._database.query(
            "SELECT trouble FROM page WHERE book = ? AND trouble IS NOT NULL ORDER BY number", (book,)
        )
        return [trouble for (trouble,) in rows]

    def outdated(self, book: int) -> int:
        """How many pages of the book are still to be indexed anew."""
        rows = self._database.query(f"SELECT COUNT(*) FROM page WHERE book = ? AND {STALE}", (book,))
        count: int = rows[0][0]
        return count

    def finish(self, book: int, content: Content) -> bool:
        """Makes a book whose pages are all written complete, in place of what its file held before.

        Pages that look as pages of that did, to the last bit, get the text that was read on those, which may
        have taken hours. False when the book was removed in the meantime.
        """
        with self._database.transaction() as connection:
            if not self._owns(connection, book):
                return False
            connection.execute(
                "UPDATE book SET complete = 1, owner = NULL, added = ? WHERE id = ?", (time.time(), book)
            )
            # Another version may count fewer pages than the one that indexed them first.
            connection.execute("DELETE FROM page WHERE book = ? AND number > ?", (book, content.pages))
            before = connection.execute(
                "SELECT book FROM file WHERE path = ? AND book != ?", (os.fsencode(content.path), book)
            ).fetchone()
            if before is not None:
                _inherit_text(connection, before[0], book)
            _note_file(connection, book, content)
            note_change(connection)
        return True

    def abandon(self, book: int) -> None:
        """Takes back a claimed book that cannot be indexed, with the pages that were written.

        One that had been indexed before stays, to be indexed anew another time.
        """
        with self._database.transaction() as connection:
            if self._owns(connection, book):
                connection.execute("DELETE FROM book WHERE id = ? AND NOT complete", (book,))
                connection.execute("UPDATE book SET owner = NULL WHERE id = ?", (book,))

    def sweep(self) -> None:
        """Removes replaced contents, and copies that are gone.

        A book none of whose files is there stays: its disk may be back tomorrow.
        """
        lost = self._lost(
            "SELECT path FROM file WHERE book IN (SELECT book FROM file GROUP BY book HAVING COUNT(*) > 1)"
        )
        with self._database.transaction() as connection:
            books: dict[int, list[bytes]] = {}
            for book, path in connection.execute("SELECT book, path FROM file"):
                books.setdefault(book, []).append(path)
            dropped = [path for paths in books.values() if not lost.issuperset(paths) for path in paths]
            connection.executemany(
                "DELETE FROM file WHERE path = ?", [(path,) for path in dropped if path in lost]
            )
            connection.execute("DELETE FROM book WHERE complete AND id NOT IN (SELECT book FROM file)")
        self._database.shrink()

    def _lost(self, paths: str, *values: str) -> frozenset[bytes]:
        """The paths, of those that the query gives, at which there is nothing any more.

        Asked before a transaction: a disk that answers slowly must not keep others from writing.
        """
        rows = self._database.query(paths, values)
        return frozenset(path for (path,) in rows if gone(Path(os.fsdecode(path))))

    def _note_all_described(self, connection: sqlite3.Connection) -> None:
        connection.execute("INSERT OR REPLACE INTO meta VALUES ('described', ?)", (self._features,))

    def _require_models(self) -> None:
        self._catalog.require_model(self._model)
        self._catalog.require_features_model(self._features)

    def _owns(self, connection: sqlite3.Connection, book: int) -> bool:
        owner = connection.execute("SELECT owner FROM book WHERE id = ?", (book,)).fetchone()
        return owner is not None and owner[0] == self._presence.name

    def _forget_unfinished(self, connection: sqlite3.Connection, path: bytes, digest: str) -> None:
        """Drops what was begun from this path when the file held something else."""
        rows = connection.execute(
            "SELECT id, owner FROM book WHERE NOT complete AND source = ? AND sha256 != ?", (path, digest)
        ).fetchall()
        for book, owner in rows:
            if owner is None or not self._presence.lives(owner):
                connection.execute("DELETE FROM book WHERE id = ?", (book,))


def _write_page(connection: sqlite3.Connection, book: int, row: PageRow) -> bool:
    """Writes a page, a new one or anew one that was there; whether it was there.

    One that can be found keeps its id, by which those who search may still ask for it.
    """
    page, readable = connection.execute(
        "SELECT id, codes IS NOT NULL FROM page WHERE book = ? AND number = ?", (book, row.number)
    ).fetchone() or (None, False)
    there = page is not None
    if readable and row.trouble is not None:
        return False
    if page is not None and row.codes is not None:
        connection.execute(
            "UPDATE page SET blank = 0, trouble = NULL, codes = ? WHERE id = ?", (row.codes, page)
        )
        connection.execute("DELETE FROM stale WHERE page = ?", (page,))
    else:
        connection.execute("DELETE FROM page WHERE id = ?", (page,))  # with all that was known of it
        page = connection.execute(
            "INSERT INTO page (book, number, blank, trouble, codes) VALUES (?, ?, ?, ?, ?)",
            (book, row.number, row.codes is None and row.trouble is None, row.trouble, row.codes),
        ).lastrowid
        assert page is not None  # an INSERT has just set it
    if row.codes is not None:
        connection.execute("INSERT OR REPLACE INTO thumbnail VALUES (?, ?)", (page, row.thumbnail))
    if row.features:
        connection.execute("INSERT OR REPLACE INTO feature VALUES (?, ?)", (page, row.features))
    if row.text:
        note_text(connection, page, row.text, row.places)
    return there


def _inherit_text(connection: sqlite3.Connection, before: int, book: int) -> None:
    """Gives pages of a book that have no text that of the pages of another with the very same thumbnails.

    Each page gives its text once, in the order of the pages, should several look the same.
    """
    known = "id IN (SELECT page FROM place)"
    looks = "SELECT id, image FROM page JOIN thumbnail ON page = id WHERE book = ? AND {} ORDER BY number"
    givers: dict[bytes, deque[int]] = {}
    for page, image in connection.execute(looks.format(known), (before,)):
        givers.setdefault(sha256(image).digest(), deque()).append(page)
    if not givers:
        return
    pairs = [
        (page, same.popleft())
        for page, image in connection.execute(looks.format(f"NOT {known}"), (book,))
        if (same := givers.get(sha256(image).digest()))
    ]
    for page, giver in pairs:
        text, places = connection.execute(
            "SELECT IFNULL(text.lines, ''), place.lines FROM place LEFT JOIN text ON text.rowid = page"
            " WHERE page = ?",
            (giver,),
        ).fetchone()
        note_text(connection, page, text, places)


def _claim(connection: sqlite3.Connection, content: Content, owner: str) -> int:
    book = connection.execute(
        "INSERT INTO book (sha256, pages, title, source, owner, added) VALUES (?, ?, ?, ?, ?, ?)",
        (content.sha256, content.pages, content.title, os.fsencode(content.path), owner, time.time()),
    ).lastrowid
    assert book is not None  # an INSERT has just set it
    return book


def _place(
    connection: sqlite3.Connection, book: int, content: Content, *, replaces: bool, lost: Container[bytes]
) -> Known:
    """Notes that a complete book's content lies at a path; lost: paths of it at which there is nothing."""
    path = os.fsencode(content.path)
    files = connection.execute("SELECT id, path FROM file WHERE book = ? ORDER BY id", (book,)).fetchall()
    if any(known == path for _, known in files):
        what: Literal["unchanged", "moved", "changed", "copy"] = "unchanged"
    elif replaces:
        what = "changed"
    else:
        moved = [file for file, known in files if known in lost]
        what = "copy" if files and not moved else "moved"
        if moved:
            connection.execute("UPDATE file SET path = ? WHERE id = ?", (path, moved[0]))
    _note_file(connection, book, content)
    if what in ("moved", "changed"):
        note_change(connection)
    original = next((known for _, known in files if known != path), path)
    return Known(what, Path(os.fsdecode(original)))


def _note_file(connection: sqlite3.Connection, book: int, content: Content) -> None:
    connection.execute(
        "INSERT INTO file (path, book, size, mtime_ns) VALUES (?, ?, ?, ?) ON CONFLICT (path)"
        " DO UPDATE SET book = excluded.book, size = excluded.size, mtime_ns = excluded.mtime_ns",
        (os.fsencode(content.path), book, content.stamp.size, content.stamp.mtime_ns),
    )
