"""Opens a book at a page with the viewer that the system has chosen for it.

No system can be told "open this file at page 12" in one way, so the viewer is looked up first: known
ones get the page in their own manner, any other one gets the file alone.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from whichpage.errors import WhichpageError

# Seconds in which a viewer without a screen, or a launcher that finds no viewer, has given up.
_FAILS_WITHIN = 1.5

_BROWSERS = ("firefox", "google-chrome", "chromium", "microsoft-edge", "brave-browser")


def _at(*options: str) -> Callable[[str, Path, int], list[str]]:
    """A viewer whose options name the page; `{page}` stands for it."""
    return lambda program, path, page: [program, *(o.format(page=page) for o in options), str(path)]


def _in_browser(program: str, path: Path, page: int) -> list[str]:
    return [program, f"{path.as_uri()}#page={page}"]


# Program -> how it is told the page, in the order in which they are tried when the system names none.
_VIEWERS: dict[str, Callable[[str, Path, int], list[str]]] = {
    "evince": _at("--page-index={page}"),
    "papers": _at("--page-index={page}"),
    "atril": _at("--page-index={page}"),
    "xreader": _at("--page-index={page}"),
    "okular": _at("--page", "{page}"),
    "zathura": _at("--page={page}"),
    "mupdf": lambda program, path, page: [program, str(path), str(page)],
    "SumatraPDF": _at("-reuse-instance", "-page", "{page}"),
    **dict.fromkeys(_BROWSERS, _in_browser),
}


def open_page(path: Path, page: int) -> bool:
    """Opens the file; True when the viewer was told the 1-based page, False when only the file.

    Raises WhichpageError when the file is gone, or no viewer can be started or it fails at once.
    """
    path = path.absolute()
    if not path.exists():
        raise WhichpageError(f"{path} is not there any more")
    command = _viewer_command(path, page) if path.suffix.lower() == ".pdf" else None
    told = command is not None
    try:
        if command is None and sys.platform == "win32":
            os.startfile(path)
            return False
        started = subprocess.Popen(
            command or _system_command(path),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        raise WhichpageError(f"no viewer could be started for {path}: {error.strerror}") from error
    try:
        failed = started.wait(_FAILS_WITHIN) != 0
    except subprocess.TimeoutExpired:  # it shows the file
        failed = False
    if failed:
        raise WhichpageError(f"no viewer could show {path}: is there a screen?")
    return told


def _viewer_command(path: Path, page: int) -> list[str] | None:
    """How to open a PDF at the page; None where the user's own viewer takes no page."""
    if sys.platform == "darwin":
        return None  # Preview takes no page
    default = _linux_default() if sys.platform != "win32" else None
    if default:
        # "org.gnome.Evince.desktop", "okularApplication_pdf.desktop", "firefox-esr.desktop"
        names = [name for name in _VIEWERS if name.lower() in default.lower()]
    else:
        names = [name for name in _VIEWERS if name not in _BROWSERS]
    for name in names:
        program = _executable(name)
        if program:
            return _VIEWERS[name](program, path, page)
    return None


def _executable(name: str) -> str | None:
    for variant in (name, f"{name}-esr", f"{name}-stable", f"{name}-browser"):
        program = shutil.which(variant)
        if program:
            return program
    return None


def _linux_default() -> str | None:
    """The desktop entry that handles PDFs, or None where the desktop names none."""
    program = shutil.which("xdg-mime")
    if not program:
        return None
    try:
        asked = subprocess.run(
            [program, "query", "default", "application/pdf"],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=5,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return asked.stdout.strip() or None


def _system_command(path: Path) -> list[str]:
    program = shutil.which("open" if sys.platform == "darwin" else "xdg-open")
    if not program:
        raise WhichpageError(f"no viewer was found for {path}")
    return [program, str(path)]
