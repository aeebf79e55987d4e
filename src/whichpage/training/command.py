"""`whichpage train` and `whichpage simulate`: arguments in, what came of it out."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from whichpage import terminal
from whichpage.cores import usable_cores
from whichpage.lazy import needs_extra
from whichpage.settings import Settings, shared

if TYPE_CHECKING:
    from whichpage.training.own_books import OwnBooks

_BOOKS = click.argument("books", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="BOOKS...")
# Which options belong to one recipe alone.
_OF_WHICHPAGE = ("steps", "pages", "scratch")
_OF_ARTICLE = ("epochs", "batch", "learn", "hold", "backbone", "weights")


@click.command()
@_BOOKS
@click.option(
    "--out",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="The run's folder; run the same command again to go on after an interruption.",
)
@click.option(
    "--recipe",
    type=click.Choice(["whichpage", "article"]),
    default="whichpage",
    help="Our method (the default), or the article's, as a baseline.",
)
@click.option("--steps", type=click.IntRange(1), metavar="N", help="whichpage: batches to learn from.")
@click.option("--pages", type=click.IntRange(1), metavar="N", help="whichpage: pages of a book at most.")
@click.option("--scratch", is_flag=True, help="whichpage: begin with random weights.")
@click.option("--epochs", type=click.IntRange(1), metavar="N", help="article: passes over the pages.")
@click.option("--batch", type=click.IntRange(2), metavar="N", help="article: pages a batch.")
@click.option("--learn", type=click.IntRange(1), metavar="N", help="article: how many books to learn from.")
@click.option("--hold", type=click.IntRange(1), metavar="N", help="article: how many to hold out.")
@click.option(
    "--backbone",
    type=click.Choice(["resnet18", "efficientnet-lite0"]),
    help="article: ResNet18, as in the article (the default), or a smaller network whose ImageNet weights"
    " need no download.",
)
@click.option(
    "--weights",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="article: a file with the backbone's ImageNet weights.",
)
@shared
@click.pass_context
def train(context: click.Context, /, out: Path, recipe: str, books: tuple[Path, ...], **options: Any) -> None:
    """Train an encoder on your own books, and say whether it is better than the shipped one.

    DIR/encoder.onnx is the result, for `--model`.
    """
    settings = context.ensure_object(Settings)
    foreign = _OF_ARTICLE if recipe == "whichpage" else _OF_WHICHPAGE
    for name in foreign:
        if options[name]:
            other = "article" if recipe == "whichpage" else "whichpage"
            raise click.UsageError(f"--{name} is of --recipe {other}", ctx=context)
    _prepare(settings, extra="article" if recipe == "article" else "train")
    if recipe == "article":
        _article(books, out, settings, options)
    else:
        _whichpage(books, out, settings, options)


@click.command()
@_BOOKS
@click.argument("out", type=click.Path(dir_okay=False, path_type=Path), metavar="OUT.png")
@click.option("--count", type=click.IntRange(1, 60), default=12, metavar="N", help="Photos; else 12.")
@click.option("--seed", type=int, default=0, metavar="N", help="Another number, other photos; else 0.")
@shared
@click.pass_context
def simulate(context: click.Context, books: tuple[Path, ...], out: Path, count: int, seed: int) -> None:
    """Draw a contact sheet of simulated photos: what the models are trained on."""
    _prepare(context.ensure_object(Settings), extra="train")
    with needs_extra("train"):
        from whichpage.training import contact_sheet
    contact_sheet.draw(books, count=count, seed=seed).save(out)
    terminal.say(f"{out}")


def _prepare(settings: Settings, *, extra: str) -> None:
    # Threads that spin while they wait for each other cost more than they save where cores are shared;
    # it has to be said before PyTorch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    logging.basicConfig(level=logging.WARNING, format="whichpage: %(message)s")
    quiet = sys.stderr.isatty() and not settings.verbose
    logging.getLogger("whichpage.training").setLevel(logging.WARNING if quiet else logging.INFO)
    with needs_extra(extra):
        from whichpage.training import runs
    runs.keep_freed_memory()


def _whichpage(books: tuple[Path, ...], out: Path, settings: Settings, options: dict[str, Any]) -> None:
    with needs_extra("train"):
        from whichpage.training import own_books

    run = own_books.OwnBooks(
        books=books,
        out=out,
        rival=settings.model,
        scratch=options["scratch"],
        steps=options["steps"],
        pages_a_book=options["pages"] or own_books.PAGES_A_BOOK,
        workers=usable_cores(),
    )
    cache = own_books.pages(run)
    for split, what in (("train", "to learn from"), ("val", "held out")):
        shelf = cache.books(split)
        terminal.say(f"{what}: {sum(map(len, shelf)):,} pages of {len(shelf)} books")
    with _steps(run) as progress:
        model = own_books.train(run, cache, progress=progress)
    rival = str(settings.model) if settings.model else "the shipped model"
    found = own_books.judge(run, cache, model)
    terminal.say(f"{model} {found.sentence(rival=rival)}")
    if found.kind == "better":
        terminal.say(f"to use it: whichpage --model {model} add --renew, then --model with every find")
    else:
        terminal.say(f"not advised for use: keep to {rival}")


@contextmanager
def _steps(run: OwnBooks) -> Iterator[Callable[[int], None] | None]:
    """A bar with the steps and the time left; nothing where standard error is no terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("training"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=Console(stderr=True), transient=True)
    task = bar.add_task("", total=run.recipe.steps)
    with bar:
        yield lambda step: bar.update(task, completed=step)


def _article(books: tuple[Path, ...], out: Path, settings: Settings, options: dict[str, Any]) -> None:
    with needs_extra("article"):
        from whichpage.training.article import training as article

    if settings.model:
        raise click.UsageError("--recipe article begins with ImageNet weights, not with --model")
    given = {
        name: options[name] for name in ("epochs", "batch", "learn", "hold", "backbone") if options[name]
    }
    trained = article.run(books, out, replace(article.ArticleRecipe(), **given), weights=options["weights"])
    terminal.say(
        f"{trained.model}: {trained.top1:.1%} of {trained.pages:,} pages of held-out books come first"
        f" for an augmented view of themselves (the article: 85 % of 2,309)"
    )
    terminal.say(f"to use it: whichpage --library DIR --model {trained.model} add BOOKS...")
