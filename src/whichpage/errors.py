"""One tree of errors; each knows its message, its exit code and its HTTP status.

Stages raise them, only the edges (`cli`, `web`) print them: one clear sentence, no traceback.
"""

from __future__ import annotations

from pathlib import Path


class WhichpageError(Exception):
    """Base of all errors that whichpage raises on purpose; `str(error)` is the sentence for people."""

    exit_code = 2
    http_status = 500


class SourceError(WhichpageError):
    """A file or folder cannot be indexed.

    path: the file as the user named it or as a walk found it.
    reason: why, in a few words, without the path ("is encrypted", "has no pages").
    """

    http_status = 422

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


class PhotoError(WhichpageError):
    """A photo cannot be read."""

    http_status = 422


class PhotoTooLarge(PhotoError):
    """A photo has more bytes or pixels than whichpage decodes."""

    http_status = 413


class LibraryError(WhichpageError):
    """The library cannot be opened or used as asked."""

    http_status = 409


class LibraryNotFound(LibraryError):
    """There is no library at the path."""

    http_status = 404


class LibraryOutdated(LibraryError):
    """The library was made by another model and must be renewed, or by a newer whichpage."""


class LibraryChanged(LibraryError):
    """Another process or thread removed a page while it was searched: search again."""

    def __init__(self) -> None:
        super().__init__("the library was changed while it was searched; search again")


class BookNotFound(LibraryError):
    """No book of the library answers to the name."""

    http_status = 404


class PageNotFound(LibraryError):
    """The book has no page of that number."""

    http_status = 404


class TrainingError(WhichpageError):
    """A training cannot be begun, or not gone on with, as asked."""


class ModelError(WhichpageError):
    """A model file cannot be loaded or does not fit."""
