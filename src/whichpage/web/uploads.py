"""The folder of uploaded books: files come in under a safe name, whole or not at all.

Beside an upload that is still to be indexed lies a mark with the name of the server that is to do it, and the
id of its job, by which its sender asks for it. Uploads without one have been dealt with: a book that was
removed since does not come back.
"""

from __future__ import annotations

import re
import secrets
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from whichpage.database import Database, Presence
from whichpage.files import SUFFIXES, safe_stem

# Both are hidden files; the name of a part begins with that of the server that receives it.
_PART, _MARK = ".part", ".adding"
_ID = re.compile("[0-9a-f]{16}")


class Uploads:
    """The folder in a library whose files belong to whichpage; `most` bytes a file.

    Several servers may use it: to be begun before anything comes in, and ended after.
    """

    def __init__(self, database: Database, *, most: int) -> None:
        self.folder = database.folder / "uploads"
        self.most = most
        self._database = database
        self._begun: Presence | None = None

    def begin(self) -> None:
        """Shows the other servers of the library that this one lives."""
        self._begun = Presence(self._database)

    def end(self) -> None:
        """Leaves what is not indexed yet to the next server."""
        if self._begun:
            self._begun.end()

    @contextmanager
    def receive(self) -> Iterator[tuple[BinaryIO, Path]]:
        """A new file to write into, and where it lies; gone at the end unless it was kept meanwhile."""
        self.folder.mkdir(parents=True, exist_ok=True)
        part = self.folder / f".{self._presence.name}-{secrets.token_hex(8)}{_PART}"
        try:
            with part.open("xb") as file:
                yield file, part
        finally:
            part.unlink(missing_ok=True)

    def keep(self, part: Path, name: str, *, job: str) -> Path:
        """Gives a received file its name, or one like it where that is taken; returns its new path.

        It is marked as one that this server is to index, by the job of this id.
        """
        safe = Path(safe_name(name))
        number = 1
        while True:
            path = self.folder / (f"{safe.stem} {number}{safe.suffix}" if number > 1 else safe.name)
            try:
                # Made first: two uploads of one name must not replace each other, as renaming alone would.
                path.open("xb").close()
            except FileExistsError:
                number += 1
            else:
                self._mark(path, job)
                return part.replace(path)

    def settle(self, path: Path) -> None:
        """Notes that nothing is left to be done with an upload."""
        _mark_of(path).unlink(missing_ok=True)

    def owns(self, path: Path) -> bool:
        """Whether a file is one of the uploads."""
        return path.parent == self.folder

    def remove(self, path: Path) -> None:
        """Removes an upload; any other file is left alone."""
        if self.owns(path):
            with suppress(OSError):
                path.unlink(missing_ok=True)
                self.settle(path)

    def take_over(self) -> list[tuple[Path, str]]:
        """The uploads that servers left which no longer run, sorted by name; they are this one's from now on.

        Each with the id of its job. What those servers received only in part is removed.
        """
        found = []
        with self._database.transaction():  # one server at a time: each upload is taken by one
            for part in self.folder.glob(f".*{_PART}"):
                if not self._presence.lives(part.name[1:].rpartition("-")[0]):
                    part.unlink(missing_ok=True)
            for mark in sorted(self.folder.glob(f".*{_MARK}")):
                server, _, job = mark.read_text(errors="replace").partition(" ")
                if self._presence.lives(server):
                    continue
                path = self.folder / mark.name[1:].removesuffix(_MARK)
                if path.is_file():
                    job = job if _ID.fullmatch(job) else new_id()
                    self._mark(path, job)
                    found.append((path, job))
                else:
                    mark.unlink(missing_ok=True)
        return found

    @property
    def _presence(self) -> Presence:
        assert self._begun, "to be begun first"
        return self._begun

    def _mark(self, path: Path, job: str) -> None:
        _mark_of(path).write_text(f"{self._presence.name} {job}")


def new_id() -> str:
    """An id of a job that nobody guesses."""
    return secrets.token_hex(8)


def _mark_of(path: Path) -> Path:
    return path.with_name(f".{path.name}{_MARK}")


def safe_name(name: str) -> str:
    """A file name that every system takes and that leaves its folder nowhere, from whatever a sender says."""
    base = unicodedata.normalize("NFC", name.replace("\\", "/").rsplit("/", 1)[-1])
    base = base.rstrip(" .")
    suffix = Path(base).suffix
    if suffix.lower() not in SUFFIXES:
        suffix = ""
    return safe_stem(base.removesuffix(suffix), otherwise="book") + suffix
