"""One worker process: renders pages, describes and encodes them, shows them, answers over its pipes.

Started by `pool`, which calls `main` in a new Python. The C libraries that read hostile files run here and
nowhere else, under a memory limit; whatever happens to this process, the adding one lives on.
"""

from __future__ import annotations

import importlib
import os
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

import cv2
import numpy as np

from whichpage.adding import Content, PageRow
from whichpage.errors import SourceError, WhichpageError
from whichpage.files import Stamp, sha256, stamp
from whichpage.printed import SHORTEST, PrintedLine, pack
from whichpage.sources import NoBook, Source, open_source, thumbnail
from whichpage.tasks import (
    Beat,
    Broken,
    Failed,
    Index,
    Inspect,
    Read,
    Setup,
    Show,
    Task,
    Transcribe,
    Transcript,
    receive,
    send,
)
from whichpage.types import Grey, PageCodes

if TYPE_CHECKING:
    from whichpage.features import FeatureExtractor
    from whichpage.reading import TextReader

# 60 decodes in a fifth of a millisecond, and text stays legible; about 14 KB a page.
THUMBNAIL_QUALITY = 60
# For people's eyes: no ringing around letters that they would see.
SHOWN_QUALITY = 82
# Lines of a page that OCR reads at most: a page of the smallest print has fewer.
_MOST_LINES = 200


class Encodes(Protocol):
    """What a worker needs of an encoder."""

    def encode(self, images: Sequence[Grey]) -> PageCodes:
        """The codes of N images, (H, W) uint8 each."""


@dataclass(frozen=True, slots=True)
class Models:
    """What indexing takes."""

    encoder: Encodes
    extractor: FeatureExtractor


class Worker:
    """Does tasks; sends a `Beat` before each step that may take long or never end.

    models: None for one that is given nothing to index.
    """

    def __init__(self, models: Models | None, output: BinaryIO) -> None:
        self._models = models
        self._output = output
        self._source: Source | None = None
        self._stamp: Stamp | None = None
        self._reader: TextReader | None = None

    def do(
        self, task: Task
    ) -> Content | list[PageRow] | tuple[Transcript, ...] | bytes | str | Failed | None:
        """The result of a task: of `Show` the JPEG, of `Read` the text or None."""
        try:
            if isinstance(task, Inspect):
                return self._inspect(task.path)
            if isinstance(task, Index):
                return self._index(task)
            if isinstance(task, Transcribe):
                return tuple(self._transcribed(task, number) for number in task.numbers)
            return self._show(task) if isinstance(task, Show) else self._read(task)
        except SourceError as error:
            return Failed(error.reason, no_book=isinstance(error, NoBook))
        except MemoryError:
            self._forget()
            return Failed("needs too much memory")
        # The libraries that read files raise nearly every type there is on damaged ones.
        except Exception as error:
            self._forget()
            return Failed(_unforeseen(error))

    def _inspect(self, path: Path) -> Content:
        before = stamp(path)
        digest = sha256(path, alive=self._beat)
        self._beat()
        source = self._opened(path, before)
        if stamp(path) != before:
            raise SourceError(path, "changed while it was read")
        return Content(path, before, digest, source.pages, source.title)

    def _index(self, task: Index) -> list[PageRow]:
        assert self._models is not None, "a worker without models is given nothing to index"
        self._beat()
        source = self._opened(task.path, task.stamp)
        rows: dict[int, PageRow] = {}
        thumbnails: dict[int, Grey] = {}
        for number in task.numbers:
            if number in task.skip:
                rows[number] = PageRow(number, trouble=task.skip[number])
                continue
            self._beat(number)
            try:
                page, lines = source.render_with_lines(number)
            except SourceError as error:
                rows[number] = PageRow(number, trouble=error.reason)
                continue
            except MemoryError:
                raise
            except Exception as error:  # one page must not keep the others from being indexed
                rows[number] = PageRow(number, trouble=f"page {number} {_unforeseen(error)}")
                continue
            grey = thumbnail(page.grey)
            if is_blank(grey):
                rows[number] = PageRow(number)
            else:
                thumbnails[number] = grey
                rows[number] = _described(number, grey, lines, self._models.extractor)
        self._beat()
        if thumbnails:
            bits = self._models.encoder.encode(list(thumbnails.values())).bits
            for number, codes in zip(thumbnails, bits, strict=True):
                rows[number] = replace(rows[number], codes=codes.tobytes())
        if stamp(task.path) != task.stamp:
            raise SourceError(task.path, "changed while it was read")
        return [rows[number] for number in task.numbers]

    def _show(self, task: Show) -> bytes:
        self._beat(task.number)
        source = self._opened(task.path, stamp(task.path))
        rgb = source.render_colour(task.number, long_side=3 * task.width, width=task.width)
        options = [cv2.IMWRITE_JPEG_QUALITY, SHOWN_QUALITY, cv2.IMWRITE_JPEG_OPTIMIZE, 1]
        return cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), options)[1].tobytes()

    def _read(self, task: Read) -> str | None:
        self._beat(task.number)
        source = self._opened(task.path, stamp(task.path))
        return source.text(task.number)

    def _transcribed(self, task: Transcribe, number: int) -> Transcript:
        """What OCR reads on a page."""
        # Here and not above: whoever adds or shows books needs no OCR.
        from whichpage.photo import WORKING_SIDE, decode
        from whichpage.reading import TextReader

        self._beat()
        if stamp(task.path) != task.stamp:
            raise SourceError(task.path, "has changed since it was added: add it again first")
        if self._reader is None:
            self._reader = TextReader(threads=1)
        source = self._opened(task.path, task.stamp)
        self._beat(number)
        try:
            page = decode(source.render_colour(number, long_side=WORKING_SIDE))
            read = list(self._reader.read(page, most=_MOST_LINES))
        except SourceError as error:
            return Transcript(number, trouble=error.reason)
        except MemoryError:
            self._forget()
            return Transcript(number, trouble=f"page {number} needs too much memory")
        except Exception as error:
            self._forget()
            return Transcript(number, trouble=f"page {number} {_unforeseen(error)}")
        height, width = page.pixels.shape[:2]
        lines = [
            PrintedLine(line.text, *(_share(point, width, height) for point in (line.start, line.end)))
            for line in read
            if len(line.text) >= SHORTEST
        ]
        return Transcript(number, *pack(lines))

    def _opened(self, path: Path, at: Stamp) -> Source:
        """The book, kept open from one chunk of its pages to the next."""
        if self._source is not None and (self._source.path != path or self._stamp != at):
            source, self._source = self._source, None
            source.close()
        if self._source is None:
            self._source = open_source(path, alive=self._beat)
            self._stamp = at
        return self._source

    def _forget(self) -> None:
        """Begins anew with the next task or page: what is open may be half read, or take the memory."""
        source, self._source, self._reader = self._source, None, None
        if source is not None:
            with suppress(Exception):
                source.close()

    def _beat(self, page: int | None = None) -> None:
        send(self._output, Beat(page))


def _described(number: int, grey: Grey, lines: Sequence[PrintedLine], extractor: FeatureExtractor) -> PageRow:
    """A page's row but for its codes: those of many pages are made at once."""
    # Here and not above: whoever shows books needs no ONNX Runtime.
    from whichpage.features import pack as pack_features

    text, places = pack(lines)
    options = [cv2.IMWRITE_JPEG_QUALITY, THUMBNAIL_QUALITY, cv2.IMWRITE_JPEG_OPTIMIZE, 1]
    return PageRow(
        number,
        thumbnail=cv2.imencode(".jpg", grey, options)[1].tobytes(),
        text=text,
        places=places,
        features=pack_features(extractor.extract(grey), extractor.vocabulary),
    )


def _unforeseen(error: Exception) -> str:
    """What went wrong, as words that follow a file's name or a page's number."""
    return f"cannot be read (unexpected {type(error).__name__})"


def _share(point: tuple[float, float], width: int, height: int) -> tuple[float, float]:
    """A point in pixels as shares of the page."""
    return (point[0] + 0.5) / width, (point[1] + 0.5) / height


def is_blank(grey: Grey) -> bool:
    """Whether a thumbnail (H, W) uint8 shows no ink: paper, its grain and shadows, at most a page number.

    Ink is what differs by more than 24 grey levels from the mean around it; the outermost 4 % are not
    looked at, where scans have black borders and the shadows of edges.
    """
    height, width = grey.shape
    inner = grey[height // 25 : height - height // 25, width // 25 : width - width // 25]
    ink = int(np.count_nonzero(cv2.absdiff(inner, cv2.blur(inner, (31, 31))) > 24))
    return ink < 25 + inner.size // 20_000


def main() -> None:
    """Does the tasks that arrive on standard input until it is closed."""
    # Libraries that write to standard output must not write into the answers.
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    setup: Setup = receive(sys.stdin.buffer)
    try:
        cv2.setNumThreads(1)
        worker = Worker(_models(setup), output)
        _limit_memory(setup.memory)
    except WhichpageError as error:
        send(output, Broken(str(error)))
        return
    tasks: SimpleQueue[Task] = SimpleQueue()
    threading.Thread(target=_listen, args=(tasks,), daemon=True).start()
    while True:
        send(output, worker.do(tasks.get()))


def _models(setup: Setup) -> Models | None:
    if setup.encoder is None:
        return None
    from whichpage.features import FeatureExtractor

    module, _, name = setup.encoder.partition(":")
    make: Any = importlib.import_module(module)
    for part in name.split("."):
        make = getattr(make, part)
    encoder: Encodes = make(setup.model, threads=1)
    return Models(encoder, FeatureExtractor.load(threads=1))


def _listen(tasks: SimpleQueue[Task]) -> None:
    # In a thread of its own, so that a worker deep in a C library still ends when the adding process does.
    with suppress(EOFError, OSError):
        while True:
            tasks.put(receive(sys.stdin.buffer))
    os._exit(0)


def _limit_memory(limit: int) -> None:
    try:
        import resource
    except ImportError:  # not on Windows; the limits on pixels and bytes hold there too
        return
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
