"""What the command prints: tables for people, tab-separated lines for programs, progress on terminals.

Results go to standard output, everything else to standard error. Nothing but text is written where the
stream is not a terminal: no colour, no progress, no cut or wrapped name.
"""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from whichpage.indexing import AddProgress

_RIGHT = frozenset({"Page", "Pages", "Confidence"})


def printable(text: str) -> str:
    """The text with control characters, direction marks and undecodable bytes escaped as in Python.

    A file name may hold an escape sequence that would drive the terminal, or a line break that would
    forge a line of output.
    """
    return "".join(c if _prints(c) else c.encode("unicode_escape").decode() for c in text)


def _prints(character: str) -> bool:
    category = unicodedata.category(character)
    # Cc control, Cf direction and joiners, Cs surrogates of undecodable bytes; Zl, Zp line breaks.
    return not (category.startswith("C") or category in ("Zl", "Zp"))


def complain(sentence: str) -> None:
    """One line on standard error."""
    click.echo(f"whichpage: {printable(sentence)}", err=True)


def say(sentence: str) -> None:
    """One line on standard output."""
    click.echo(printable(sentence))


def draw(picture: str) -> None:
    """A picture of characters and colours that this program made itself, on standard output as it is."""
    click.echo(picture, color=True)


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table on a terminal; elsewhere a line a row, without a heading, tabs between the columns."""
    if not sys.stdout.isatty():
        for row in rows:
            click.echo("\t".join(printable(cell) for cell in row).rstrip("\t"))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        drawn.add_column(column, justify="right" if column in _RIGHT else "left", overflow="fold")
    for row in rows:
        drawn.add_row(*(Text(printable(cell)) for cell in row))
    Console().print(drawn)


@contextmanager
def looking(name: str) -> Iterator[None]:
    """Shows on a terminal which photo is being looked for."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console
    from rich.text import Text

    with Console(stderr=True).status(Text(printable(name))):
        yield


@contextmanager
def add_progress() -> Iterator[Callable[[AddProgress], None] | None]:
    """A bar with pages, pages a second and the time left; None where standard error is no terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    bar = Progress(
        TextColumn("{task.fields[book]}", markup=False),
        BarColumn(),
        TextColumn("{task.completed:,.0f} of {task.total:,.0f} pages"),
        TextColumn("{task.fields[speed]:.0f} pages/s"),
        TextColumn("{task.fields[left]}"),
        console=Console(stderr=True),
        transient=True,
    )
    task = bar.add_task("", total=0, book="", speed=0.0, left="")

    def advance(progress: AddProgress) -> None:
        bar.update(
            task,
            total=progress.pages_total,
            completed=progress.pages_done,
            book=_label(progress),
            speed=progress.pages_per_second,
            left=time_left(progress.seconds_left),
        )

    with bar:
        yield advance


def _label(progress: AddProgress) -> str:
    if progress.stage == "describing":
        return "local features of older pages"
    return _cut(printable(progress.book.name), 28) if progress.book else ""


def time_left(seconds: float | None) -> str:
    """Seconds as "1:02:03 left" or "2:03 left"; nothing while they cannot be known."""
    if seconds is None:
        return ""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    clock = f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"
    return f"{clock} left"


def size(count: int) -> str:
    """Bytes in the largest unit that leaves a number above one: "512 B", "1.5 MB" (powers of 1,000)."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{count} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def _cut(text: str, width: int) -> str:
    """At most `width` columns of a terminal, on which an East Asian character takes two."""
    from rich.cells import cell_len, set_cell_size

    return text if cell_len(text) <= width else set_cell_size(text, width - 1) + "…"
