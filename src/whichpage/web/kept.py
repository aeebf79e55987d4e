"""What a server keeps from one start to the next, among the user's data and for the user's eyes alone."""

from __future__ import annotations

import logging
import os
import secrets
import sys
from pathlib import Path

import platformdirs

# 128 bits, and still a QR code that a phone reads off a terminal.
_KEY_BYTES = 16
KEY_LENGTH = 8  # of one that the user chooses, at least

_log = logging.getLogger(__name__)


def own_folder() -> Path:
    """The folder among the user's data."""
    return platformdirs.user_data_path("whichpage", appauthor=False)


def write_private(path: Path, data: bytes) -> None:
    """Writes a file that nobody else may read, at no moment.

    Raises:
        OSError: it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)


def is_key(text: str) -> bool:
    """Whether a text can be an access key, which stands in links and headers as it is."""
    return text.isascii() and text.isalnum() and len(text) >= KEY_LENGTH


def access_key(*, new: bool = False, folder: Path | None = None) -> str:
    """The key of earlier starts, so that phones which know it need not be shown it again; else a new one.

    new: makes a new one in any case; the old one opens nothing any more.
    folder: where it is kept; None for `own_folder`. Where nothing can be kept, it is for this start alone.
    """
    path = (folder or own_folder()) / "access-key"
    if not new and (known := _read(path)):
        return known
    made = secrets.token_hex(_KEY_BYTES)
    try:
        write_private(path, made.encode())
    except OSError as error:
        _log.warning("the access key holds for this start alone: %s: %s", path, error.strerror)
    return made


def _read(path: Path) -> str | None:
    """The key in a file; None where there is none, or one that others could have read."""
    try:
        seen = sys.platform != "win32" and path.stat().st_mode & 0o077
        text = path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return None
    return text if is_key(text) and not seen else None
