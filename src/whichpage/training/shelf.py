"""The user's own books as pages to train on: whatever `add` reads, rendered once, split by book."""

from __future__ import annotations

import hashlib
import json
import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from whichpage.errors import SourceError, TrainingError
from whichpage.files import scan, sha256
from whichpage.sources import open_source
from whichpage.training.pages import CACHE_SIZE, CacheWriter, PageCache, split_of
from whichpage.types import Grey

logger = logging.getLogger(__name__)

_MADE_FROM = "books.json"


@dataclass(frozen=True)
class _Job:
    """Pages of one book to render.

    numbers: 1-based.
    """

    book: str
    path: Path
    numbers: tuple[int, ...]


def split_books(books: Sequence[str]) -> dict[str, str]:
    """ "train" or "val" for each book, as `split_of` says; where that leaves a side empty, one book moves.

    The one to move is the first or last in the order of the names' hashes, which has nothing to do with them.
    """
    splits = {book: split_of(book) for book in books}
    ordered = sorted(splits, key=lambda book: hashlib.sha256(book.encode()).digest())
    if len(ordered) > 1 and "val" not in splits.values():
        splits[ordered[0]] = "val"
    if len(ordered) > 1 and "train" not in splits.values():
        splits[ordered[-1]] = "train"
    return splits


def open_or_build(paths: Sequence[Path], folder: Path, *, pages_a_book: int, workers: int) -> PageCache:
    """The books' pages, from `folder` if an earlier run left them there.

    Args:
        paths: files and folders; folders are walked as `add` does.
        folder: where the pages are kept, 161 KB each.
        pages_a_book: neighbouring pages taken of each book at most.
        workers: processes that render.

    Raises:
        TrainingError: there are fewer than two books to be read, or the pages there are of others.
    """
    books = _books(paths)
    made_from = {"pages_a_book": pages_a_book, "books": {digest: path.name for digest, path in books.items()}}
    if CacheWriter.is_finished(folder):
        if json.loads((folder / _MADE_FROM).read_text(encoding="utf-8")) != made_from:
            raise TrainingError(f"{folder.parent} holds a training on other books; name another folder.")
        return PageCache.open(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _MADE_FROM).write_text(json.dumps(made_from), encoding="utf-8")
    _build(books, folder, pages_a_book=pages_a_book, workers=workers)
    return PageCache.open(folder)


def _books(paths: Sequence[Path]) -> dict[str, Path]:
    """The books by their content, so that a copy is not validated on while the other is trained on."""
    books: dict[str, Path] = {}
    for found in scan(paths):
        try:
            if isinstance(found, SourceError):
                raise found
            books.setdefault(sha256(found.path), found.path)
        except SourceError as error:
            logger.warning("%s", error)
    return books


def _build(books: dict[str, Path], folder: Path, *, pages_a_book: int, workers: int) -> None:
    jobs = list(_jobs(books, pages_a_book))
    if len(jobs) < 2:
        raise TrainingError("Training takes two books at least: one to learn from, one to be tested on.")
    cache = CacheWriter(folder, most=sum(len(job.numbers) for job in jobs))
    with get_context("spawn").Pool(workers) as pool:
        for job, rendered in pool.imap(_render, jobs):
            for number, image in rendered:
                cache.add(job.book, number, image)
    splits = split_books(list(dict.fromkeys(book for book, _ in cache.rows)))
    if len(splits) < 2:
        raise TrainingError("Training takes two books with pages that are not blank.")
    cache.finish(splits.__getitem__)


def _jobs(books: dict[str, Path], pages_a_book: int) -> list[_Job]:
    jobs = []
    for digest, path in books.items():
        try:
            with open_source(path) as source:
                count = source.pages
        except SourceError as error:
            logger.warning("%s", error)
            continue
        # A run of pages, so that near neighbours are in it.
        start = random.Random(digest).randrange(max(1, count - pages_a_book + 1))
        # Books of one name in two folders are two books.
        name = f"{path.name} ({digest[:8]})"
        jobs.append(_Job(name, path, tuple(range(start + 1, min(count, start + pages_a_book) + 1))))
    return jobs


def _render(job: _Job) -> tuple[_Job, list[tuple[int, NDArray[np.uint8]]]]:
    cv2.setNumThreads(1)
    rendered = []
    with open_source(job.path) as source:
        for number in job.numbers:
            try:
                rendered.append((number, _shrunk(source.render(number).grey)))
            except SourceError as error:
                logger.warning("%s, page %d", error, number)
    return job, rendered


def _shrunk(grey: Grey) -> NDArray[np.uint8]:
    return np.asarray(cv2.resize(grey, CACHE_SIZE[::-1], interpolation=cv2.INTER_AREA), np.uint8)
