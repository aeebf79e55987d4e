from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import pytest

from whichpage import terminal
from whichpage.indexing import AddProgress


class Screen(io.StringIO):
    """Standard output or error as if it were a terminal."""

    def isatty(self) -> bool:
        return True


def test_printable_escapes_what_drives_a_terminal() -> None:
    assert terminal.printable("図 1 – naïve.pdf") == "図 1 – naïve.pdf"
    assert terminal.printable("a\x1b[31mb\nc\td") == "a\\x1b[31mb\\nc\\td"
    assert terminal.printable("\u202egnp.exe") == "\\u202egnp.exe"
    assert terminal.printable("x\u2028y") == "x\\u2028y"
    assert terminal.printable(os.fsdecode(b"\xff.pdf")) == "\\udcff.pdf"


def test_table_is_plain_lines_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    long = "/books/" + "長い名前" * 60 + ".pdf"
    terminal.table(("Book", "Page"), [(long, "3"), ("a\tb", "")])
    assert capsys.readouterr().out == f"{long}\t3\na\\tb\n"


def test_table_keeps_whole_names_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("TERM", "dumb")
    screen = Screen()
    monkeypatch.setattr(sys, "stdout", screen)
    name = "[bold]" + "x" * 100
    terminal.table(("Book", "Page"), [(name, "3")])
    # Folded over several lines, but not cut, and no markup was read in it.
    assert screen.getvalue().count("x") == 100
    assert "[bold]" in screen.getvalue()


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, ""), (0.4, "0:00 left"), (59.6, "1:00 left"), (3725, "1:02:05 left")]
)
def test_time_left(seconds: float | None, text: str) -> None:
    assert terminal.time_left(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (2_340_000, "2.3 MB"), (5 * 10**12, "5.0 TB")],
)
def test_size(count: int, text: str) -> None:
    assert terminal.size(count) == text


def test_no_progress_in_a_pipe() -> None:
    with terminal.add_progress() as progress:
        assert progress is None


def test_progress_shows_pages_speed_and_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")
    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    state = AddProgress(1200, 4000, 41.6, 67.0, Path("/b/日本語\x1b.pdf"))
    with terminal.add_progress() as progress:
        assert progress is not None
        progress(state)
    shown = screen.getvalue()
    for part in ("日本語\\x1b.pdf", "1,200 of 4,000 pages", "42 pages/s", "1:07 left"):
        assert part in shown


def test_progress_of_local_features_is_of_no_book(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")
    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    with terminal.add_progress() as progress:
        assert progress is not None
        progress(AddProgress(64, 4000, 90.0, 42.0, None, stage="describing"))
    for part in ("local features of older pages", "64 of 4,000 pages"):
        assert part in screen.getvalue()


def test_complaints_are_one_line_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.complain("a\nb: is damaged")
    assert capsys.readouterr() == ("", "whichpage: a\\nb: is damaged\n")
