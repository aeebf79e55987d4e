"""The `whichpage` command: arguments in, a table or JSON out.

Heavy modules are imported where they are needed, so that `--version` and `list` answer at once.
Exit codes: 0 well (`find`: a page was found), 1 `find` found none or `check` found something amiss,
2 an error, 130 interrupted.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import sys
import traceback
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from whichpage import __version__, terminal
from whichpage.errors import PhotoError, WhichpageError
from whichpage.lazy import LazyGroup
from whichpage.settings import Settings, shared, start_logging

if TYPE_CHECKING:
    from whichpage.catalog import Book
    from whichpage.indexing import AddReport
    from whichpage.library import Library
    from whichpage.types import Answer

_log = logging.getLogger(__name__)
_AMISS, _ERROR, _INTERRUPTED = 1, WhichpageError.exit_code, 130


# Commands that need an extra live in packages of their own, which nothing else loads.
_ELSEWHERE = {
    "bench": "whichpage.benchmark.command:bench",
    "serve": "whichpage.web.command:serve",
    "simulate": "whichpage.training.command:simulate",
    "train": "whichpage.training.command:train",
}


@click.group(cls=LazyGroup, elsewhere=_ELSEWHERE, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(prog)s %(version)s")
@shared
def program() -> None:
    """Find the page of your own books that a photo shows."""


@program.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="PATH...")
@click.option(
    "--renew", is_flag=True, help="Index every book of the library anew, with the model now in use."
)
@click.option("--workers", type=click.IntRange(1, 64), metavar="N", help="Processes; else one a core.")
@shared
@click.pass_context
def add(context: click.Context, paths: tuple[Path, ...], renew: bool, workers: int | None) -> None:
    """Index PDFs, CBZ/ZIP archives of images, images and folders of them; folders are walked.

    Run it again whenever you like: what is unchanged is skipped, what was interrupted goes on. Exits
    with 2 when a file could not be read, after the others are done.
    """
    if not paths and not renew:
        raise click.UsageError("name the files or folders to add", ctx=context)
    with _library(context, create=not renew) as library, terminal.add_progress() as progress:
        report = library.add(*paths, renew=renew, workers=workers, progress=progress)
    terminal.say(_summary(report))
    for path, reason in (*report.failed, *report.incomplete):
        terminal.complain(f"{path}: {reason}")
    context.exit(_ERROR if report.failed or report.incomplete else 0)


@program.command()
@click.argument("books", nargs=-1, metavar="[BOOK...]")
@click.option("--workers", type=click.IntRange(1, 64), metavar="N", help="Processes; else one a core.")
@shared
@click.pass_context
def read(context: click.Context, books: tuple[str, ...], workers: int | None) -> None:
    """Read scans: pages that hold no text, by OCR, so that close-ups of them are found too.

    BOOK is its path or its name; without one, all books are read. Takes two to four seconds a page and core;
    interrupt it whenever you like: run again, it goes on. Exits with 2 when a book, or a page of one, could
    not be read.
    """
    with _library(context) as library, terminal.add_progress() as progress:
        report = library.read(*books, workers=workers, progress=progress)
    wordless = f" ({report.wordless:,} without words)" if report.wordless else ""
    terminal.say(f"pages read: {report.pages:,}{wordless}; {report.seconds:.1f} s")
    for path, reason in (*report.failed, *report.incomplete):
        terminal.complain(f"{path}: {reason}")
    context.exit(_ERROR if report.failed or report.incomplete else 0)


@program.command()
@click.argument("photos", nargs=-1, required=True, type=click.Path(allow_dash=True), metavar="PHOTO...")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a photo, a line each.")
@click.option(
    "--top",
    type=click.IntRange(1, 100),
    metavar="K",
    help="Show up to K pages a photo, also those that verification did not accept.",
)
@click.option(
    "--save",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write a picture for each photo: the page outlined, beside the page that was found.",
)
@click.option("--open", "open_book", is_flag=True, help="Open the book at the first page that is found.")
@click.option("--no-text", is_flag=True, help="Go by the looks of pages alone; read no text off photos.")
@shared
@click.pass_context
def find(
    context: click.Context,
    photos: tuple[str, ...],
    as_json: bool,
    top: int | None,
    save: Path | None,
    open_book: bool,
    no_text: bool,
) -> None:
    """Say which page each photo shows; folders are walked, `-` reads a photo from standard input.

    Exits as grep does: 0 when the page of a photo was found, 1 when none was, 2 when there was an error.
    """
    from whichpage import answers, pictures

    gallery = pictures.Gallery.make(save) if save else None
    statuses: set[str] = set()
    rows: list[tuple[str, ...]] = []
    with _library(context, text=not no_text) as library:
        try:
            for name in _photos(photos):
                photo = _photo(name)
                with terminal.looking(name):
                    answer = library.with_image_names(_ask(library, name, photo, top=top))
                if as_json:
                    click.echo(answers.answer_line(answer))
                elif sys.stdout.isatty():
                    rows += answers.answer_rows(answer, every=top is not None)
                else:
                    found = answers.answer_rows(answer, every=top is not None)
                    terminal.table(answers.columns(found), found)
                if answer.error is not None:
                    terminal.complain(answer.error)
                elif gallery or open_book:
                    answer = library.with_image_names(library.at_hand(answer))
                    if gallery:
                        gallery.save(answer, photo)
                if open_book and answer.status == "found" and "found" not in statuses and not _open(answer):
                    statuses.add("error")
                statuses.add(answer.status)
        finally:
            # A terminal gets one table, also when it is interrupted or the library fails half-way.
            if rows:
                terminal.table(answers.columns(rows), rows)
    context.exit(_ERROR if "error" in statuses else 0 if "found" in statuses else _AMISS)


@program.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a book, a line each.")
@shared
@click.pass_context
def list_books(context: click.Context, as_json: bool) -> None:
    """List the books of the library."""
    with _library(context) as library:
        books = library.books()
    if as_json:
        for book in books:
            click.echo(json.dumps(dataclasses.asdict(book), default=_plain))
    else:
        terminal.table(
            ("Book", "Pages", "State"), [(str(book.path), _pages(book), book.state) for book in books]
        )


@program.command()
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
@shared
@click.pass_context
def info(context: click.Context, as_json: bool) -> None:
    """Say where the library is, how large it is and which model made it."""
    with _library(context) as library:
        found = dataclasses.asdict(library.info())
    if as_json:
        click.echo(json.dumps(found, default=_plain))
        return
    found["size"] = terminal.size(found.pop("bytes"))
    for name, value in found.items():
        terminal.say(f"{name}: {value}")


@program.command()
@click.argument("books", nargs=-1, metavar="BOOK...")
@click.option("--missing", is_flag=True, help="List the books none of whose files are there any more.")
@click.option("--yes", is_flag=True, help="With --missing: remove them.")
@shared
@click.pass_context
def remove(context: click.Context, books: tuple[str, ...], missing: bool, yes: bool) -> None:
    """Remove books from the library; BOOK is its path or its name. The files themselves stay."""
    if bool(books) == missing:
        raise click.UsageError("name the books to remove, or give --missing", ctx=context)
    if yes and not missing:
        raise click.UsageError("--yes goes with --missing", ctx=context)
    with _library(context) as library:
        failed = _remove_missing(library, sure=yes) if missing else _remove(library, books)
    context.exit(_ERROR if failed else 0)


@program.command()
@shared
@click.pass_context
def check(context: click.Context) -> None:
    """Check that the library is whole and the books' files are still there and unchanged.

    Exits with 1 when something is amiss.
    """
    with _library(context) as library:
        report = library.check()
    for problem in report.problems:
        terminal.say(problem)
    if not report.problems:
        terminal.say("the library is whole and every file is there")
    context.exit(_AMISS if report.problems else 0)


@program.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of a shell, for its start-up file to evaluate."""
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None  # the choice above names those that click has
    click.echo(kind(program, {}, "whichpage", "_WHICHPAGE_COMPLETE").source())


def _library(context: click.Context, *, create: bool = False, text: bool = True) -> Library:
    settings = context.ensure_object(Settings)
    start_logging(settings)
    from whichpage.library import Library

    return Library.open(settings.library, model=settings.model, create=create, text=text)


def _photos(names: Iterable[str]) -> Iterator[str]:
    """The photos that the user named, and those in the folders; a folder without any, to be told so."""
    from whichpage.files import is_folder, photos_below

    for name in names:
        # Of one that may not be looked at the photo's own error says why.
        walked = name != "-" and is_folder(name)
        photos = map(str, photos_below(Path(name))) if walked else iter((name,))
        first = next(photos, name)
        yield first
        yield from photos


def _photo(name: str) -> Path | bytes:
    """What the user named: a file, or the photo that stands on standard input."""
    if name != "-":
        return Path(name)
    from whichpage.photo import MAX_PHOTO_BYTES

    # One byte more than is allowed tells a photo that is too large from one that just fits.
    return sys.stdin.buffer.read(MAX_PHOTO_BYTES + 1)


def _ask(library: Library, name: str, photo: Path | bytes, *, top: int | None) -> Answer:
    """The library's answer under the name that the user gave; an unreadable photo is an answer too."""
    from whichpage.types import Answer

    try:
        answer = library.find(photo) if top is None else library.find(photo, top=top)
    except PhotoError as error:
        answer = Answer(photo=name, status="error", seconds=0.0, error=str(error))
    except WhichpageError:
        raise  # the library or a model is at fault, not the photo
    except Exception as error:  # one photo must not keep the others from being answered
        _log.info("%s", name, exc_info=True)
        sentence = f"{name}: unexpected {type(error).__name__}: {error}"
        answer = Answer(photo=name, status="error", seconds=0.0, error=sentence)
    return dataclasses.replace(answer, photo=name)


def _open(answer: Answer) -> bool:
    """Opens the best match; says so and returns False when that fails."""
    from whichpage.viewer import open_page

    best = answer.matches[0]
    path, page = best.source, best.page
    if best.image_name is not None and path.is_dir():
        path, page = path / best.image_name, 1
    try:
        told = open_page(path, page)
    except WhichpageError as error:
        terminal.complain(str(error))
        return False
    if not told and page > 1:
        terminal.complain(f"the viewer opens {path.name} at its start: turn to page {page}")
    return True


def _remove_missing(library: Library, *, sure: bool) -> bool:
    """Removes the books that have lost their files, or lists them; whether one could not be removed."""
    books = library.missing()
    if sure:
        return _remove(library, [book.id for book in books])
    for book in books:
        terminal.say(f"{book.path}, {book.pages:,} pages")
    if books:
        terminal.complain(f"{len(books):,} books have lost their files; with --yes they are removed")
    return False


def _remove(library: Library, books: Iterable[str | int]) -> bool:
    """Removes the books and says so; whether one could not be removed."""
    failed = False
    for book in books:
        try:
            removed = library.remove(book)
        except WhichpageError as error:
            terminal.complain(str(error))
            failed = True
        else:
            terminal.say(f"removed {removed.path}, {removed.pages:,} pages")
    return failed


def _pages(book: Book) -> str:
    return str(book.pages) if book.state == "complete" else f"{book.done} of {book.pages}"


def _summary(report: AddReport) -> str:
    """What an add did, in one line: "books: 2 added, 5 unchanged; pages: 40 (2 blank); 1.3 s"."""
    counts = {
        "added": report.added,
        "changed": report.changed,
        "moved": report.moved,
        "unchanged": report.unchanged,
        "copies": len(report.copies),
        "failed": len(report.failed),
    }
    books = ", ".join(f"{count:,} {what}" for what, count in counts.items() if count) or "none"
    blank = f" ({report.blank:,} blank)" if report.blank else ""
    gained = f"; local features for {report.described:,} older pages" if report.described else ""
    return f"books: {books}; pages: {report.pages:,}{blank}{gained}; {report.seconds:.1f} s"


def _plain(value: object) -> str:
    """What JSON has no word for: paths, times."""
    return value.isoformat() if isinstance(value, datetime) else str(value)


def run(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and says what went wrong in one sentence; returns the exit code."""
    settings = Settings()
    try:
        code = program.main(arguments, prog_name="whichpage", standalone_mode=False, obj=settings)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        terminal.complain("interrupted")
        return _INTERRUPTED
    except BrokenPipeError:
        # The reader has gone, which click says with 1; the interpreter must not try to flush at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except WhichpageError as error:
        terminal.complain(str(error))
        _trace(settings)
        return error.exit_code
    except OSError as error:
        terminal.complain(f"{error.filename}: {error.strerror}" if error.filename else str(error))
        _trace(settings)
        return _ERROR
    except Exception as error:
        hint = "" if settings.verbose else " (run again with -v for the details)"
        terminal.complain(f"unexpected {type(error).__name__}: {error}{hint}")
        _trace(settings)
        return _ERROR
    return code if isinstance(code, int) else 0


def _trace(settings: Settings) -> None:
    if settings.verbose:
        traceback.print_exc()


def main() -> None:
    """The console script."""
    for stream in (sys.stdout, sys.stderr):
        # A name that the terminal's encoding lacks is printed escaped instead of ending the run.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    sys.exit(run())
