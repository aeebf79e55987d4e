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
@out_option
@shared
@click.pass_context
def photos(
    context: click.Context, truths: tuple[Path, ...], books: Path | None, duplicates: Path | None, out: Path
) -> None:
    """Answer photos whose pages are known, and count what is right."""
    with needs_extra("bench"):
        from whichpage.benchmark.photos import run
    settings = context.ensure_object(Settings)
    report = run(
        truths,
        library=settings.library,
        model=settings.model,
        books=books,
        duplicates=duplicates,
        out=out,
    )
    publish(report, out, "photos")


def publish(report: Report, out: Path, name: str) -> None:
    """Writes a report and prints it."""
    paths = report.write(out, name)
    click.echo(report.text())
    for path in paths:
        terminal.complain(f"written: {path}")
