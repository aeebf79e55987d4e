"""The folder of uploaded books: files come in under a safe name, whole or not at all."""

from __future__ import annotations

import secrets
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from whichpage.files import SUFFIXES

_PART = ".part"
_UNSAFE = frozenset('<>:"/\\|?*%')
_RESERVED = frozenset(
    {"con", "prn", "aux", "nul"} | {f"{port}{n}" for port in ("com", "lpt") for n in range(10)}
)
# A file name may have 255 bytes on most systems; the rest is left for what keeps names apart.
_NAME_BYTES = 180


class Uploads:
    """A folder whose files belong to whichpage; `most` bytes a file."""

    def __init__(self, folder: Path, *, most: int) -> None:
        self.folder = folder
        self.most = most

    @contextmanager
    def receive(self) -> Iterator[tuple[BinaryIO, Path]]:
        """A new file to write into, and where it lies; gone at the end unless it was kept meanwhile."""
        self.folder.mkdir(parents=True, exist_ok=True)
        part = self.folder / f".{secrets.token_hex(8)}{_PART}"
        try:
            with part.open("xb") as file:
                yield file, part
        finally:
            part.unlink(missing_ok=True)

    def keep(self, part: Path, name: str) -> Path:
        """Gives a received file its name, or one like it where that is taken; returns its new path."""
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
                return part.replace(path)

    def owns(self, path: Path) -> bool:
        """Whether a file is one of the uploads."""
        return path.parent == self.folder

    def remove(self, path: Path) -> None:
        """Removes an upload; any other file is left alone."""
        if self.owns(path):
            with suppress(OSError):
                path.unlink()

    def files(self) -> list[Path]:
        """The uploads, sorted by name."""
        if not self.folder.is_dir():
            return []
        return sorted(path for path in self.folder.iterdir() if path.is_file() and path.name[0] != ".")

    def clean(self) -> None:
        """Removes what an earlier server received only in part."""
        for part in self.folder.glob(f".*{_PART}"):
            part.unlink(missing_ok=True)


def safe_name(name: str) -> str:
    """A file name that every system takes and that leaves its folder nowhere, from whatever a sender says."""
    base = unicodedata.normalize("NFC", name.replace("\\", "/").rsplit("/", 1)[-1])
    kept = "".join("_" if c in _UNSAFE or not c.isprintable() else c for c in base).strip(" .")
    suffix = Path(kept).suffix
    if suffix.lower() not in SUFFIXES:
        suffix = ""
    stem = kept.removesuffix(suffix) if suffix else kept
    stem = stem.encode()[:_NAME_BYTES].decode(errors="ignore").strip(" .")
    if not stem or stem.casefold() in _RESERVED:
        stem = f"{stem}_" if stem else "book"
    return stem + suffix
