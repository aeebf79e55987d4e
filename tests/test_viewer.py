from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from whichpage.errors import WhichpageError
from whichpage.viewer import open_page


@pytest.fixture
def book(tmp_path: Path) -> Path:
    path = tmp_path / "日本 1.pdf"
    path.write_bytes(b"%PDF")
    return path


class Desktop:
    """A desktop with the programs named, whose PDF viewer is `default`; records what is started."""

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        *,
        programs: set[str],
        default: str = "",
        ends_with: int | None = None,
    ) -> None:
        """ends_with: the exit status with which viewers end at once; None where they stay."""
        self.started: list[list[str]] = []
        self.ends_with = ends_with
        monkeypatch.setattr(sys, "platform", "linux")
        monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}" if name in programs else None)
        monkeypatch.setattr(subprocess, "run", lambda *_, **__: SimpleNamespace(stdout=default + "\n"))
        monkeypatch.setattr(subprocess, "Popen", self._start)

    def _start(self, command: list[str], **_: Any) -> SimpleNamespace:
        self.started.append(command)
        return SimpleNamespace(wait=self._wait)

    def _wait(self, seconds: float) -> int:
        if self.ends_with is None:
            raise subprocess.TimeoutExpired("viewer", seconds)
        return self.ends_with


@pytest.mark.parametrize(
    ("default", "program", "options"),
    [
        ("org.gnome.Evince.desktop", "evince", ["--page-index=12", "{path}"]),
        ("okularApplication_pdf.desktop", "okular", ["--page", "12", "{path}"]),
        ("org.pwmt.zathura.desktop", "zathura", ["--page=12", "{path}"]),
        ("mupdf.desktop", "mupdf", ["{path}", "12"]),
        ("firefox-esr.desktop", "firefox-esr", ["{uri}#page=12"]),
    ],
)
def test_the_desktops_viewer_is_told_the_page(
    monkeypatch: pytest.MonkeyPatch, book: Path, default: str, program: str, options: list[str]
) -> None:
    every = {"xdg-mime", "xdg-open", "evince", "okular", "zathura", "mupdf", "firefox-esr"}
    desktop = Desktop(monkeypatch, programs=every, default=default)
    assert open_page(book, 12) is True
    filled = [option.format(path=book, uri=book.as_uri()) for option in options]
    assert desktop.started == [[f"/usr/bin/{program}", *filled]]


def test_a_known_viewer_where_the_desktop_names_none(monkeypatch: pytest.MonkeyPatch, book: Path) -> None:
    desktop = Desktop(monkeypatch, programs={"okular", "firefox", "xdg-open"})
    assert open_page(book, 3) is True
    assert desktop.started == [["/usr/bin/okular", "--page", "3", str(book)]]


def test_an_unknown_viewer_gets_the_file_alone(monkeypatch: pytest.MonkeyPatch, book: Path) -> None:
    desktop = Desktop(
        monkeypatch, programs={"xdg-mime", "xdg-open", "evince"}, default="com.adobe.Reader.desktop"
    )
    assert open_page(book, 3) is False
    assert desktop.started == [["/usr/bin/xdg-open", str(book)]]


def test_a_folder_is_opened_by_the_system(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    desktop = Desktop(monkeypatch, programs={"evince", "xdg-open"})
    assert open_page(tmp_path, 3) is False
    assert desktop.started == [["/usr/bin/xdg-open", str(tmp_path)]]


def test_a_name_that_looks_like_an_option_is_a_whole_path(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "--help.pdf").write_bytes(b"%PDF")
    monkeypatch.chdir(tmp_path)
    desktop = Desktop(monkeypatch, programs={"evince"})
    open_page(Path("--help.pdf"), 1)
    assert desktop.started == [["/usr/bin/evince", "--page-index=1", str(tmp_path / "--help.pdf")]]


@pytest.mark.parametrize("programs", [{"evince"}, {"xdg-open"}])
def test_viewer_that_ends_at_once_has_shown_the_file_or_failed(
    monkeypatch: pytest.MonkeyPatch, book: Path, programs: set[str]
) -> None:
    """A launcher is done when the viewer runs; without a screen either of them gives up."""
    Desktop(monkeypatch, programs=programs, ends_with=0)
    assert open_page(book, 3) is ("evince" in programs)
    Desktop(monkeypatch, programs=programs, ends_with=3)
    with pytest.raises(WhichpageError, match=r"^no viewer could show .*日本 1\.pdf: is there a screen\?$"):
        open_page(book, 3)


def test_no_viewer_and_no_file_are_sentences(monkeypatch: pytest.MonkeyPatch, book: Path) -> None:
    desktop = Desktop(monkeypatch, programs=set())
    with pytest.raises(WhichpageError, match=r"^no viewer was found for .*日本 1\.pdf$"):
        open_page(book, 1)
    book.unlink()
    with pytest.raises(WhichpageError, match="is not there any more"):
        open_page(book, 1)
    assert desktop.started == []
