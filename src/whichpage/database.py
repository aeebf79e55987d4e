"""The SQLite file of a library: its schema, its connections, and who is adding to it.

Write-ahead logging lets one process search while another adds; every change is one transaction, so a
process may be killed at any moment. `catalog` says what the tables mean.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
import stat
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from whichpage.errors import LibraryError, LibraryNotFound, LibraryOutdated

FILE_NAME = "library.sqlite"
FORMAT = 4
# The files that SQLite locks, in the folder of any library: an adder's among them, see `Presence`.
_LOCK_NAME = "adding-{}.lock"
_LOCKED_NAMES = (f"{FILE_NAME}*", _LOCK_NAME.format("*"))

_BUSY_SECONDS = 60.0
# What format 1 is: new libraries, too, come to this format by the steps of `_step_up`.
# book.source: where a book is read from until it is complete; file: where a complete book lies.
# AUTOINCREMENT: a process that searches keeps page ids, which must not come to mean other pages.
_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE book (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    sha256 TEXT NOT NULL UNIQUE,
    pages INTEGER NOT NULL,
    title TEXT NOT NULL,
    source BLOB NOT NULL,
    complete INTEGER NOT NULL DEFAULT 0,
    owner TEXT,
    added REAL NOT NULL
);
CREATE TABLE file (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    path BLOB NOT NULL UNIQUE,
    book INTEGER NOT NULL REFERENCES book ON DELETE CASCADE,
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL
);
CREATE INDEX file_book ON file (book);
CREATE TABLE page (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    book INTEGER NOT NULL REFERENCES book ON DELETE CASCADE,
    number INTEGER NOT NULL,
    blank INTEGER NOT NULL,
    trouble TEXT,
    codes BLOB,
    UNIQUE (book, number),
    CHECK ((codes IS NULL) = (blank OR trouble IS NOT NULL))
);
CREATE TABLE thumbnail (
    page INTEGER PRIMARY KEY REFERENCES page ON DELETE CASCADE,
    image BLOB NOT NULL
);
"""
# What format 2 has over format 1. The rows of `text` are pages; trigrams find any piece of a line of three
# characters or more. A virtual table takes no part in foreign keys.
_TEXT_SCHEMA = (
    "CREATE VIRTUAL TABLE text USING fts5(lines, tokenize='trigram', columnsize=0)",
    """CREATE TABLE place (
        page INTEGER PRIMARY KEY REFERENCES page ON DELETE CASCADE,
        lines BLOB NOT NULL
    )""",
    "CREATE TRIGGER page_text AFTER DELETE ON page BEGIN DELETE FROM text WHERE rowid = old.id; END",
)
# What format 3 has over format 2; packed: as `features.pack` makes it.
_FEATURE_SCHEMA = (
    """CREATE TABLE feature (
        page INTEGER PRIMARY KEY REFERENCES page ON DELETE CASCADE,
        packed BLOB NOT NULL
    )""",
    "INSERT INTO meta VALUES ('features', NULL)",
)
# What format 4 has over format 3. stale: pages that are to be indexed anew, and the model that made the codes
# they still have. renewing: the models of a renewal that has not come to its end. state: see `note_change`.
_RENEWAL_SCHEMA = (
    """CREATE TABLE stale (
        page INTEGER PRIMARY KEY REFERENCES page ON DELETE CASCADE,
        model TEXT
    )""",
    "INSERT INTO meta VALUES ('renewing', NULL)",
    "INSERT INTO meta VALUES ('state', lower(hex(randomblob(8))))",
)


class Database:
    """Connections to a library's file, one a thread; `query` reads, `transaction` changes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / FILE_NAME
        self._local = threading.local()
        self._open: dict[threading.Thread, sqlite3.Connection] = {}
        self._lock = threading.Lock()

    @classmethod
    def open(cls, folder: Path, *, create: bool) -> Database:
        """Opens the library in a folder; with `create`, makes both where there are none.

        One of an older format is brought to this one; its pages have no text (format 1) until they are
        indexed anew, and no local features until the next add.

        Raises:
            LibraryNotFound: there is none, and `create` is false.
            LibraryOutdated: it is of a newer format.
            LibraryError: the file is damaged, no library, or cannot be written.
        """
        database = cls(folder)
        if not create and not database._is_there():
            raise LibraryNotFound(f"there is no library at {folder}; `whichpage add` makes one")
        if create:
            database._create()
        if database._format() < FORMAT:
            database._upgrade()
        return database

    def _is_there(self) -> bool:
        try:
            return self.path.is_file()
        except OSError as error:  # of a folder that may not be entered is_file says so
            raise LibraryError(f"the library at {self.folder} cannot be used: {error.strerror}") from error

    def query(self, sql: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """The rows of a statement that reads."""
        with self._errors():
            return self._connection().execute(sql, values).fetchall()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Changes in here are made together or not at all; one process at a time is in one."""
        with self._errors():
            connection = self._connection()
            try:
                connection.execute("BEGIN IMMEDIATE")
                yield connection
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    def locks(self, file: Path) -> bool:
        """Whether a file is one of a library's, this one or another, or a link to one of this library's.

        Such a file must not be opened in this process but by SQLite. POSIX drops all of a process's locks on
        a file as soon as the process closes it anywhere: others would take a living adder for dead, and
        might overwrite what it has written (https://www.sqlite.org/howtocorrupt.html, 2.2).
        """
        if any(fnmatchcase(file.name, name) for name in _LOCKED_NAMES):
            return True
        try:
            facts = file.lstat()
            if facts.st_nlink == 1 and not stat.S_ISLNK(facts.st_mode):
                return False
            facts = file.stat()
        except OSError:
            return False  # nor can it be opened
        return any(_is(own, facts) for name in _LOCKED_NAMES for own in self.folder.glob(name))

    def shrink(self) -> None:
        """Gives the space of removed rows back to the disk; without effect while others use the library."""
        with suppress(sqlite3.OperationalError):
            self._connection().execute("PRAGMA incremental_vacuum").fetchall()

    def close(self) -> None:
        """Closes the connections of all threads."""
        with self._lock:
            for connection in self._open.values():
                connection.close()
            self._open.clear()
            self._local = threading.local()

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            # Each thread has its own, closed by close() or, once it has ended, by the next thread that comes.
            connection = self._connect()
            self._local.connection = connection
            with self._lock:
                for thread in [thread for thread in self._open if not thread.is_alive()]:
                    self._open.pop(thread).close()
                self._open[threading.current_thread()] = connection
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA synchronous = NORMAL")
        return connection

    def _connect(self) -> sqlite3.Connection:
        # As a URI only then: SQLite takes none of a Windows share.
        sealed = self._is_sealed()
        return sqlite3.connect(
            f"{self.path.as_uri()}?immutable=1" if sealed else self.path,
            timeout=_BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
            uri=sealed,
        )

    def _is_sealed(self) -> bool:
        """Whether nobody here can write the library: then SQLite need not make the files beside it by which
        readers and writers keep clear of each other, which it cannot on a disk that is read-only.

        Not while changes stand in its log still, as in a copy of a library that was in use.
        """
        log = self.path.with_name(f"{self.path.name}-wal")
        return not log.exists() and _is_read_only(self.folder)

    def _create(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LibraryError(f"no library can be made at {self.folder}: {error.strerror}") from None
        try:
            if self._connection().execute("SELECT 1 FROM sqlite_master").fetchone():
                return
        except sqlite3.DatabaseError:
            return  # said by the check of the format
        with self._errors():
            # Before the first table; without effect where another process has just made the library.
            self._connection().execute("PRAGMA auto_vacuum = INCREMENTAL")
            self._write_ahead()
        with self.transaction() as connection:
            if connection.execute("SELECT 1 FROM sqlite_master").fetchone():
                return
            for statement in _SCHEMA.split(";"):
                connection.execute(statement)
            connection.executemany(
                "INSERT INTO meta VALUES (?, ?)", [("format", 1), ("generation", 0), ("model", None)]
            )
            self._step_up(connection)

    def _upgrade(self) -> None:
        try:
            with self.transaction() as connection:
                self._step_up(connection)
        except LibraryError as error:
            reason = error.__cause__ or error
            raise LibraryError(
                f"the library at {self.folder} was made by an older whichpage and cannot be brought up to"
                f" date: {reason}"
            ) from error

    def _step_up(self, connection: sqlite3.Connection) -> None:
        # Without effect where another process did it while this one waited.
        # From format 1 to 2, from 2 to 3, from 3 to 4.
        steps = (_TEXT_SCHEMA, _FEATURE_SCHEMA, _RENEWAL_SCHEMA)
        try:
            for step in steps[self._format() - 1 :]:
                for statement in step:
                    connection.execute(statement)
            connection.execute("UPDATE meta SET value = ? WHERE key = 'format'", (FORMAT,))
        except sqlite3.OperationalError as error:
            if not str(error).startswith(("no such module", "no such tokenizer")):
                raise
            raise LibraryError(
                f"this Python's SQLite {sqlite3.sqlite_version} cannot search text: whichpage needs SQLite"
                " 3.34 or newer with FTS5"
            ) from None

    def _write_ahead(self) -> None:
        # Two processes that make a library at once may each see it locked: SQLite does not wait here.
        deadline = time.monotonic() + _BUSY_SECONDS
        while True:
            try:
                self._connection().execute("PRAGMA journal_mode = WAL").fetchall()
                return
            except sqlite3.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)

    def _format(self) -> int:
        try:
            found = self._connection().execute("SELECT value FROM meta WHERE key = 'format'").fetchone()
        except sqlite3.OperationalError as error:
            if "no such table" not in str(error):
                why = self._why(error)
                raise LibraryError(f"the library at {self.folder} cannot be opened: {why}") from None
            found = None
        except sqlite3.DatabaseError:
            raise LibraryError(f"{self.path} is damaged, or no whichpage library") from None
        if found is None:
            raise LibraryError(f"{self.path} is no whichpage library")
        if found[0] not in range(1, FORMAT + 1):
            raise LibraryOutdated(
                f"the library at {self.folder} has format {found[0]}, this whichpage knows {FORMAT} at most:"
                " open it with a newer whichpage"
            )
        return int(found[0])

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise LibraryError(f"the library at {self.folder} cannot be used: {self._why(error)}") from error

    def _why(self, error: sqlite3.Error) -> str:
        """What SQLite says, and what it does not: it must write to read, too."""
        is_closed = self.folder.is_dir() and not os.access(self.folder, os.W_OK)
        return f"{error}; its folder cannot be written to" if is_closed else str(error)


def _is_read_only(folder: Path) -> bool:
    """Whether a folder's file system is mounted read-only."""
    if not hasattr(os, "statvfs"):
        return False
    try:
        return bool(os.statvfs(folder).f_flag & os.ST_RDONLY)
    except OSError:
        return False


def note_change(connection: sqlite3.Connection) -> None:
    """Counts a change of what can be found, and gives the library's state a name.

    A random one: two copies of a library that go on apart, as one and its restored backup, count alike.
    """
    connection.execute("UPDATE meta SET value = value + 1 WHERE key = 'generation'")
    connection.execute("UPDATE meta SET value = lower(hex(randomblob(8))) WHERE key = 'state'")


class Presence:
    """Shows other processes that an adder lives, without clocks: a lock that ends with the process.

    The lock is SQLite's own, on an empty file beside the library, so it works wherever SQLite does and the
    system gives it back when the process ends, however it ends. Its name begins with the process's number.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.name = f"{os.getpid()}-{secrets.token_hex(8)}"
        # Inside a transaction, so that nobody takes the new file for a dead adder's before it is locked.
        with database.transaction():
            for old in database.folder.glob(_LOCK_NAME.format("*")):
                if not _locked(old):
                    _unlink(old)
            self._lock = sqlite3.connect(self._path(self.name), isolation_level=None, check_same_thread=False)
            self._lock.execute("BEGIN EXCLUSIVE")

    def lives(self, name: str) -> bool:
        """Whether the adder of this name is still running."""
        return name == self.name or _locked(self._path(name))

    def end(self) -> None:
        """Leaves: what this adder had claimed is free."""
        self._lock.close()
        _unlink(self._path(self.name))

    def _path(self, name: str) -> Path:
        return self._database.folder / _LOCK_NAME.format(name)


def _is(path: Path, facts: os.stat_result) -> bool:
    try:
        own = path.stat()
    except OSError:  # the lock of an adder that has just ended
        return False
    return (own.st_dev, own.st_ino) == (facts.st_dev, facts.st_ino)


def _locked(path: Path) -> bool:
    if not path.exists():
        return False
    try:
        with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as lock:
            lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError:
        return True
    return False


def _unlink(path: Path) -> None:
    # Windows keeps a file that another process has open; the next adder removes it.
    with suppress(OSError):
        path.unlink()
