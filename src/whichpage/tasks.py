"""What the adding process and its workers say to each other, and how it crosses a pipe.

Apart from `worker`, so that the adding process, and whoever only lists books, need not load what
renders and encodes.
"""

from __future__ import annotations

import pickle
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from whichpage.files import Stamp

_HEADER = struct.Struct(">Q")


@dataclass(frozen=True, slots=True)
class Setup:
    """How a worker sets itself up.

    encoder: "module:name" of what makes the encoder, called with `model` and threads=1; None for a
        worker that opens and shows books, but does not index. Local features are always by the shipped model.
    memory: bytes that the process may allocate, where the system can limit that.
    """

    encoder: str | None
    model: Path | None
    memory: int


@dataclass(frozen=True, slots=True)
class Inspect:
    """Read a file's content: hash it, open it, count its pages."""

    path: Path


@dataclass(frozen=True, slots=True)
class Index:
    """Index some pages of a book.

    stamp: of the file when it was inspected; another one now means another content.
    skip: pages that must not be touched again, and what they did.
    """

    path: Path
    stamp: Stamp
    numbers: tuple[int, ...]
    skip: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Show:
    """Render a page as a JPEG for people, at most `width` pixels wide; a strip is not endlessly long."""

    path: Path
    number: int
    width: int


@dataclass(frozen=True, slots=True)
class Read:
    """Take a page's text out of its file."""

    path: Path
    number: int


@dataclass(frozen=True, slots=True)
class Transcribe:
    """Read by OCR what is printed on some pages of a book.

    stamp: of the file when it was indexed. book: its id in the catalogue, for the adding process.
    """

    path: Path
    stamp: Stamp
    book: int
    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was read on a page: lines and their places, as `printed.pack` makes them; empty if it has none.

    trouble: why the page could not be read, which says nothing of its text; None where it was.
    """

    number: int
    text: str = ""
    places: bytes = b""
    trouble: str | None = None


Task = Inspect | Index | Show | Read | Transcribe


@dataclass(frozen=True, slots=True)
class Failed:
    """A task that cannot be done.

    reason: why, in a few words about the file.
    no_book: whether the file is in order, but no book.
    """

    reason: str
    no_book: bool = False


@dataclass(frozen=True, slots=True)
class Broken:
    """The worker itself cannot work: no task would succeed."""

    reason: str


@dataclass(frozen=True, slots=True)
class Beat:
    """A sign of life; the page that is now being rendered, if any."""

    page: int | None = None


def send(output: BinaryIO, message: object) -> None:
    """Writes a message to a pipe at once."""
    data = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    output.write(_HEADER.pack(len(data)) + data)
    output.flush()


def receive(pipe: BinaryIO) -> Any:
    """Reads a message from a pipe.

    Raises:
        EOFError: the other side is gone.
    """
    header = pipe.read(_HEADER.size)
    if len(header) < _HEADER.size:
        raise EOFError
    return pickle.loads(pipe.read(_HEADER.unpack(header)[0]))
