"""`whichpage bench article`: the article's own test, with our model and with the article's recipe.

The gallery is the undistorted pages of books that the article's recipe is not trained on, each query an
augmented view of one of them, crops of 20 to 100 % of the page included; right is the page itself, or one
that looks the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whichpage.answers import answer_object
from whichpage.benchmark import plots
from whichpage.benchmark.article_books import TRAIN_PAGES, LongBook, Split, split_books
from whichpage.benchmark.article_queries import Query, make_queries
from whichpage.benchmark.article_twins import prints_all
from whichpage.benchmark.duplicates import duplicate_groups
from whichpage.benchmark.peers.article import ArticleModel
from whichpage.benchmark.progress import track
from whichpage.benchmark.provenance import Provenance, digest_files, digest_texts, own_models, provenance
from whichpage.benchmark.report import Cell, Figure, Report, Table
from whichpage.benchmark.resampling import Share, share
from whichpage.benchmark.resume import ResultLog
from whichpage.benchmark.truth import TruthError
from whichpage.bits import sign_bits, signs
from whichpage.cores import usable_cores
from whichpage.encoder import Encoder
from whichpage.files import absolute
from whichpage.library import Library
from whichpage.types import Grey

SEED = 2022
VIEWS = 2  # what is kept of the views; another number where that changes
TOP = 5
# Queries by how much of the page they show, as shares of it.
SHARES = ((0.2, 0.4), (0.4, 0.6), (0.6, 0.8), (0.8, 1.001))
OURS, ARTICLE = "whichpage", "article"
ARTICLE_MODEL = "article's recipe"  # as the report names it among the models

Ranked = NDArray[np.int64]  # (Q, 5): rows of the gallery, nearest first


@dataclass(frozen=True, eq=False)
class Outcome:
    """How one way of searching did.

    what: the model. how: the way of searching.
    rows: (K,) which queries were asked. books: (K,) of which book each is.
    first, five: (K,) whether the true page came first, and among the first five.
    alike: (K,) whether the page that came first is the true one, or prints all the print that the view shows;
        None where that was not looked at.
    accepted_wrong: wrong pages that were given as verified; None where nothing is verified.
    accepted_other: those of them that do not print all that the view shows.
    """

    what: str
    how: str
    rows: NDArray[np.int64]
    books: NDArray[np.str_]
    first: NDArray[np.bool_]
    five: NDArray[np.bool_]
    alike: NDArray[np.bool_] | None = None
    accepted_wrong: int | None = None
    accepted_other: int | None = None


def run(
    folder: Path,
    *,
    model: Path | None,
    article_model: Path | None,
    find: int,
    out: Path,
    unseen: bool = False,
) -> Report:
    """Makes the queries, asks all that is there to be asked, and reports.

    Args:
        folder: the books, PDFs.
        model: an encoder other than the shipped one.
        article_model: an encoder that `whichpage train --recipe article` made; None to leave it out.
        find: how many of the queries, evenly spread, the whole of `Library.find` answers; 0 for all.
        out: folder of the pictures and answers that are kept.
        unseen: no model was trained on any of the books: all may validate.

    Raises:
        TruthError: the folder has too few long books.
        ModelError: a model cannot be loaded.
    """
    folder = absolute(folder)
    split = split_books(folder, train_pages=0 if unseen else TRAIN_PAGES)
    if not split.validate:
        raise TruthError(f"{folder} has too few PDFs of 100 pages and more for the article's protocol")
    data = digest_texts([digest_files([book.path for book in split.validate]), str(SEED)])
    models = own_models(model)
    if article_model:
        models[ARTICLE_MODEL] = article_model
    origin = provenance(models=models, data=data)
    queries = make_queries(split.validate, out / f"article.views-{VIEWS}-{data}", seed=SEED)
    groups = same_pages(folder, split.validate, queries)
    threads = usable_cores()
    ours = Encoder.load(model, threads=threads)
    outcomes = by_codes(OURS, lambda image: np.tanh(ours.encode([image]).vectors[0, 0]), queries, groups)
    outcomes.append(
        by_finding(split.validate, queries, groups, model=model, count=find, out=out, origin=origin)
    )
    if article_model:
        theirs = ArticleModel.load(article_model, threads=threads)
        outcomes += by_codes(f"{ARTICLE}, {theirs.backbone}", theirs.vector, queries, groups)
    return _report(split, queries, outcomes, origin, folder)


def same_pages(folder: Path, books: Sequence[LongBook], queries: Sequence[Query]) -> NDArray[np.int64]:
    """(Q,) a number for each page; pages that look the same have the same."""
    rows = {(query.book.relative_to(folder).as_posix(), query.page): row for row, query in enumerate(queries)}
    numbers = np.arange(len(queries))
    for group in duplicate_groups(folder, [book.path for book in books]):
        numbers[[rows[page] for page in group]] = min(rows[page] for page in group)
    return numbers


def by_codes(
    what: str,
    encode: Callable[[Grey], NDArray[np.float32]],
    queries: Sequence[Query],
    groups: NDArray[np.int64],
) -> list[Outcome]:
    """The codes alone: the views as they come, as if each were a whole page.

    encode: (H, W) uint8 of any size to (256,) float in (-1, 1), whose signs are the code.
    """
    gallery = np.stack([encode(query.clean()) for query in track(queries, f"{what}: pages")])
    asked = np.stack([encode(_grey(query)) for query in track(queries, f"{what}: views")])
    ways = {
        # The more bits differ, the less is the inner product of their signs.
        "codes, Hamming distance": (signs(sign_bits(asked)), signs(sign_bits(gallery))),
        "numbers before they are bits, cosine": (_unit(asked), _unit(gallery)),
    }
    rows = np.arange(len(queries))
    return [_outcome(what, how, rows, queries, _nearest(*vectors), groups) for how, vectors in ways.items()]


def by_finding(
    books: Sequence[LongBook],
    queries: Sequence[Query],
    groups: NDArray[np.int64],
    *,
    model: Path | None,
    count: int,
    out: Path,
    origin: Provenance,
) -> Outcome:
    """The whole of `Library.find`, on a library of the same pages: each view is a photo like any other."""
    rows = np.unique(np.linspace(0, len(queries) - 1, count or len(queries)).round().astype(np.int64))
    places = {(query.book, query.page): row for row, query in enumerate(queries)}
    folder = out / f"article.library-{origin.models['encoder']}-{origin.data}"
    with (
        Library.open(folder, model=model, create=True) as library,
        ResultLog.open(out / "article.answers.jsonl", key=origin.key(but=(ARTICLE_MODEL,))) as log,
    ):
        library.add(*(book.path for book in books))
        for row in track(rows.tolist(), "views found"):
            if queries[row].name not in log.done:
                log.add(queries[row].name, answer_object(library.find(queries[row].view(), top=TOP)))
        answers = [log.done[queries[row].name] for row in rows]
    first, five, alike, verified = np.zeros((4, len(rows)), bool)
    for number, (row, answer) in enumerate(zip(rows, track(answers, "answers judged"), strict=True)):
        hits = [_is_right(match, groups[row], places, groups) for match in answer["matches"]]
        if hits:
            first[number], five[number] = hits[0], any(hits[:TOP])
            foremost = answer["matches"][0]
            verified[number] = foremost["verified"]
            alike[number] = hits[0] or _prints_the_same(foremost, queries[row], places, queries)
    wrong = verified & ~first
    return Outcome(
        OURS,
        "the whole of find",
        rows,
        _books(queries, rows),
        first,
        five,
        alike=alike,
        accepted_wrong=int(wrong.sum()),
        accepted_other=int((wrong & ~alike).sum()),
    )


def _prints_the_same(
    match: Mapping[str, Any], query: Query, places: Mapping[tuple[Path, int], int], queries: Sequence[Query]
) -> bool:
    """Whether the page that was answered has all the print that the view shows."""
    row = places.get((Path(match["source"]), match["page"]))
    return row is not None and not query.bare and prints_all(query, queries[row])


def _is_right(
    match: Mapping[str, Any], true: int, places: Mapping[tuple[Path, int], int], groups: NDArray[np.int64]
) -> bool:
    row = places.get((Path(match["source"]), match["page"]))
    return row is not None and bool(groups[row] == true)


def _outcome(
    what: str,
    how: str,
    rows: NDArray[np.int64],
    queries: Sequence[Query],
    ranked: Ranked,
    groups: NDArray[np.int64],
) -> Outcome:
    hits = groups[ranked] == groups[rows][:, None]
    return Outcome(what, how, rows, _books(queries, rows), hits[:, 0], hits.any(1))


def _books(queries: Sequence[Query], rows: NDArray[np.int64]) -> NDArray[np.str_]:
    return np.array([queries[row].book.name for row in rows.tolist()])


def _grey(query: Query) -> NDArray[np.uint8]:
    """Luminance with the weights of ITU-R 601, as every decoder of grey has them."""
    return np.asarray((query.view() @ np.array([0.299, 0.587, 0.114])).round(), np.uint8)


def _nearest(asked: NDArray[np.float32], gallery: NDArray[np.float32]) -> Ranked:
    """By the inner product; of equal ones the first page, as faiss answers."""
    return np.argsort(-(asked @ gallery.T), axis=1, kind="stable")[:, :TOP]


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of length 1, as the article validates: their inner product is the cosine."""
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def by_share(outcome: Outcome, shares: NDArray[np.float64]) -> list[Share]:
    """Top-1 by how much of the page the view shows, as `SHARES` names them."""
    asked = shares[outcome.rows]
    parts = [(asked >= low) & (asked < high) for low, high in SHARES]
    return [share(outcome.first[part], outcome.books[part]) for part in parts]


def _row(one: Outcome, part: Sequence[Share]) -> list[Cell]:
    first, five, alike = (
        None if hits is None else share(hits, one.books) for hits in (one.first, one.five, one.alike)
    )
    asked: list[Cell] = [one.what, one.how, len(one.rows), first, five]
    return [*asked, *part, alike, one.accepted_wrong, one.accepted_other]


def _report(
    split: Split, queries: Sequence[Query], outcomes: Sequence[Outcome], origin: Provenance, folder: Path
) -> Report:
    shares = np.array([query.share for query in queries])
    parts = [by_share(outcome, shares) for outcome in outcomes]
    names = [f"{low:.0%} to {min(1.0, high):.0%}" for low, high in SHARES]
    rows = [_row(one, part) for one, part in zip(outcomes, parts, strict=True)]
    pages = sum(book.pages for book in split.validate)
    books: list[list[Cell]] = [
        [side, book.path.relative_to(folder).as_posix(), book.pages]
        for side, some in (("train", split.train), ("validate", split.validate))
        for book in some
    ]
    return Report(
        title="The article's protocol",
        summary=(
            f"{pages:,} undistorted pages of {len(split.validate)} books are the gallery, and an augmented"
            " view of each is a query: RandomPerspective, ColorJitter, RandomResizedCrop (20 to 100 %)"
            " and GaussianBlur. Right is the page, or one that looks the same (blank pages all do).",
            "The article reports 85 % top-1 over 2,309 pages of its own books, by the cosine of a model"
            " trained on 5,655 pages of 15 others for a day on a GPU.",
            f"{sum(query.bare for query in queries)} of the views show paper without any print: nothing can"
            " tell their page, and they count as missed.",
        ),
        tables=[
            Table(
                "Which page comes first",
                (
                    *("model", "search", "queries", "top-1", "top-5", *names),
                    *("top-1 or the same print", "accepted wrong", "of these of other print"),
                ),
                rows,
                "The columns in percent are top-1 among the views that show that share of the page. Counts,"
                " with the share and its 95 % bootstrap interval in percent, books being drawn with all their"
                " views. Codes and numbers: the views as"
                " they come, encoded as whole pages. The whole of find: each view is a photo. The same print:"
                " the page that comes first prints, in one place, all that the view shows, as pages do that a"
                " manual repeats; nothing in the view tells it from the true one. Bare paper is missed.",
            ),
            Table("The books", ("side", "book", "pages"), books),
        ],
        figures=[
            Figure(
                "share",
                "Top-1 by how much of the page a view shows, with 95 % intervals",
                plots.shares(
                    names,
                    [(f"{one.what}: {one.how}", part) for one, part in zip(outcomes, parts, strict=True)],
                ),
            )
        ],
        provenance=origin,
    )
