"""`whichpage bench`: the arguments of each measurement; what it does is in the module of its name.

Only Click is imported before a measurement runs, so that help and documentation need no extra.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from whichpage import terminal
from whichpage.lazy import LazyGroup, needs_extra
from whichpage.settings import Settings, shared

if TYPE_CHECKING:
    from whichpage.benchmark.report import Report

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
RESULTS = Path("bench-results")
# Measurements in modules of their own: name -> "module:command". Each may import only Click when loaded.
_ELSEWHERE = {"peers": "whichpage.benchmark.peers.command:peers"}

out_option = click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=RESULTS,
    metavar="DIR",
    show_default=True,
    help="Where the report goes, and what a run that is ended goes on from.",
)


@click.group(cls=LazyGroup, elsewhere=_ELSEWHERE)
@shared
def bench() -> None:
    """Measure whichpage and what else there is; needs the extra `bench`."""


@bench.command()
@click.argument("truths", nargs=-1, required=True, type=FILE, metavar="TRUTH.csv...")
@click.option(
    "--books", type=FOLDER, metavar="DIR", help="Where the truth's books are, if not where they were added."
)
@click.option("--duplicates", type=FILE, metavar="FILE", help="The duplicate map that `bench fetch` made.")
@click.option("--no-text", is_flag=True, help="Go by the looks of pages alone, as `find --no-text` does.")
@click.option(
    "--absent",
    is_flag=True,
    help="Strike the pages that a photo shows out of the library first: whatever is verified then is wrong.",
)
@out_option
@shared
@click.pass_context
def photos(
    context: click.Context,
    truths: tuple[Path, ...],
    books: Path | None,
    duplicates: Path | None,
    no_text: bool,
    absent: bool,
    out: Path,
) -> None:
    """Answer photos whose pages are known, and count what is right."""
    with needs_extra("bench"):
        from whichpage.benchmark.photos import name, run
    settings = context.ensure_object(Settings)
    report = run(
        truths,
        library=settings.library,
        model=settings.model,
        books=books,
        duplicates=duplicates,
        text=not no_text,
        absent=absent,
        out=out,
    )
    publish(report, out, name(text=not no_text, absent=absent))


@bench.command()
@click.option(
    "--books", type=FOLDER, required=True, metavar="DIR", help="PDFs; those of 100 pages and more count."
)
@click.option(
    "--article-model",
    type=FILE,
    metavar="FILE",
    help="An encoder made by `whichpage train --recipe article`.",
)
@click.option(
    "--find",
    type=click.IntRange(0),
    default=400,
    show_default=True,
    metavar="N",
    help="How many of the views the whole of find answers, evenly spread; 0 for all.",
)
@click.option(
    "--unseen",
    is_flag=True,
    help="No book was trained on: none is set aside to train the article's recipe on.",
)
@out_option
@shared
@click.pass_context
def article(
    context: click.Context, books: Path, article_model: Path | None, find: int, unseen: bool, out: Path
) -> None:
    """The article's own test: pages against augmented views of them."""
    with needs_extra("bench"):
        from whichpage.benchmark.article import run
    settings = context.ensure_object(Settings)
    report = run(books, model=settings.model, article_model=article_model, find=find, unseen=unseen, out=out)
    publish(report, out, "article")


@bench.command()
@click.option("--books", type=FOLDER, required=True, metavar="DIR", help="PDFs to index.")
@click.option(
    "--photos", type=FOLDER, required=True, metavar="DIR", help="Photos to look for in the library."
)
@click.option(
    "--pages",
    type=click.IntRange(10),
    default=3000,
    show_default=True,
    metavar="N",
    help="Pages a round indexes.",
)
@click.option(
    "--count",
    type=click.IntRange(1),
    default=24,
    show_default=True,
    metavar="N",
    help="How many of the photos.",
)
@click.option(
    "--rounds",
    type=click.IntRange(1),
    default=3,
    show_default=True,
    metavar="N",
    help="How often all is measured.",
)
@out_option
@shared
@click.pass_context
def speed(
    context: click.Context, books: Path, photos: Path, pages: int, count: int, rounds: int, out: Path
) -> None:
    """Time indexing, searching and finding, beside what bounds them and the article's way."""
    with needs_extra("bench"):
        from whichpage.benchmark.speed import run
    settings = context.ensure_object(Settings)
    report = run(
        books=books,
        photos=photos,
        library=settings.library,
        model=settings.model,
        pages=pages,
        rounds=rounds,
        count=count,
    )
    publish(report, out, "speed")


@bench.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), metavar="DIR")
@click.option(
    "--scan",
    type=FILE,
    multiple=True,
    metavar="TRUTH.csv",
    help="Scan the books of this truth file, not a dozen by chance; may be given several times.",
)
@click.option("--no-update", is_flag=True, help="Leave apt's lists of packages as they are.")
@shared
def fetch(folder: Path, scan: tuple[Path, ...], no_update: bool) -> None:
    """Make the development library from Debian's packages, scans of some books, and the duplicate map."""
    with needs_extra("bench"):
        from whichpage.benchmark.fetch import run
    found = run(folder, truths=scan, update=not no_update)
    terminal.say(f"books: {found.books:,} in {folder / 'pdf'}; scans: {found.scans} in {folder / 'scanned'}")
    terminal.say(f"pages that are there twice: {found.duplicates}")


def publish(report: Report, out: Path, name: str) -> None:
    """Writes a report and prints it."""
    paths = report.write(out, name)
    click.echo(report.text())
    for path in paths:
        terminal.complain(f"written: {path}")
