"""`whichpage bench peers`: the arguments; what it does is in `runner`."""

from __future__ import annotations

from pathlib import Path

import click

from whichpage.benchmark.command import FILE, FOLDER, out_option, publish
from whichpage.benchmark.peers import NAMES
from whichpage.lazy import needs_extra
from whichpage.library import default_path
from whichpage.settings import Settings, shared

# Few enough that every peer but `ocr-scans` is done within the hour on two cores.
PAGES = 2000


def _names(context: click.Context, parameter: click.Parameter, text: str | None) -> tuple[str, ...] | None:
    if text is None:
        return None
    names = tuple(name.strip() for name in text.split(","))
    for name in names:
        if name not in NAMES:
            raise click.BadParameter(f"there is no peer {name!r}; there are {', '.join(NAMES)}.")
    return tuple(name for name in NAMES if name in names)


@click.command()
@click.argument("truths", nargs=-1, required=True, type=FILE, metavar="TRUTH.csv...")
@click.option(
    "--peers",
    "names",
    callback=_names,
    metavar="NAME,...",
    help=f"Which peers: {', '.join(NAMES)}. Else all but `ocr-scans`, and `article` if its model is given.",
)
@click.option(
    "--pages",
    type=click.IntRange(min=0),
    default=PAGES,
    show_default=True,
    help="How many pages of the library the peers see, those that the photos show among them; 0 for all.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Draws other pages.")
@click.option("--article-model", type=FILE, metavar="FILE", help="What `train --recipe article` made (ONNX).")
@click.option(
    "--books", type=FOLDER, metavar="DIR", help="Where the truth's books are, if not where they were added."
)
@click.option("--duplicates", type=FILE, metavar="FILE", help="The duplicate map that `bench fetch` made.")
@click.option(
    "--cache",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Where the peers' indexes go; else below --out. SIFT's takes 130 KB a page.",
)
@out_option
@shared
@click.pass_context
def peers(
    context: click.Context,
    truths: tuple[Path, ...],
    names: tuple[str, ...] | None,
    pages: int,
    seed: int,
    article_model: Path | None,
    books: Path | None,
    duplicates: Path | None,
    cache: Path | None,
    out: Path,
) -> None:
    """Answer photos in other ways too, over the same pages."""
    with needs_extra("bench"):
        from whichpage.benchmark.peers import runner
        from whichpage.benchmark.peers.registry import Setting
    settings = context.ensure_object(Settings)
    if names is None:
        left_out = {"ocr-scans"} if article_model else {"ocr-scans", "article"}
        names = tuple(name for name in NAMES if name not in left_out)
    report = runner.run(
        truths,
        names=names,
        setting=Setting(settings.library or default_path(), settings.model, article_model, seed),
        pages=pages or None,
        books=books,
        duplicates=duplicates,
        out=out,
        cache=cache or out / "peers",
    )
    publish(report, out, "peers")
