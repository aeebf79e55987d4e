"""Seconds a search and a photo, by how many pages there are, beside what the machine allows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import faiss
import numpy as np
from numpy.typing import NDArray

from whichpage.benchmark.progress import track
from whichpage.benchmark.resnet import ArticleNetwork
from whichpage.benchmark.speed_indexing import article_photo, timed
from whichpage.bits import sign_bits
from whichpage.catalog import Catalog
from whichpage.cores import usable_cores
from whichpage.encoder import Encoder
from whichpage.featuresearch import FeatureSearch
from whichpage.finding import Finder
from whichpage.index import FlatIndex
from whichpage.library import Library
from whichpage.pagefinder import PageFinder
from whichpage.photo import decode
from whichpage.types import CODE_BITS, CODE_BYTES, FEATURE_BYTES, Grey, Page, PageCodes
from whichpage.verify import Thumbnail

ARTICLE_TOP = 5
_BLOCK = 512 << 20  # bytes that no cache holds
_QUERIES = 8
# So many of the photos, evenly spread, are looked for by their local features alone: seconds each.
_LOCAL_PHOTOS = 6
# So many pages of the library, evenly spread, are encoded; a photo gets so many looks at each of its pages.
_PAGES = 60
LOOKS = {0: "at a glance", 1: "with a look at each page", 2: "with a second one"}


@dataclass(frozen=True)
class SearchTime:
    """Searching so many pages with one query, on one core; medians, in seconds.

    flat: one code a page, `faiss.IndexBinaryFlat`, the nearest five, as the article searches.
    flat_limit: reading the codes once at the machine's bandwidth.
    ours: our index: a code of each view, the nearest of each ranked again.
    ours_limit: reading all of its codes once.
    """

    pages: int
    flat: float
    flat_limit: float
    ours: float
    ours_limit: float


def bandwidth() -> float:
    """Bytes a second at which one core reads memory: the best of five sums over 512 MiB."""
    block = np.ones(_BLOCK // 8, np.uint64)
    seconds = []
    for _ in range(5):
        started = time.perf_counter()
        block.sum()
        seconds.append(time.perf_counter() - started)
    return _BLOCK / min(seconds)


def search_times(sizes: Sequence[int], *, views: int, rounds: int) -> tuple[list[SearchTime], float]:
    """Times searches among random codes, and the bandwidth (bytes a second) measured between them."""
    faiss.omp_set_num_threads(1)
    chance = np.random.default_rng(1)
    medians, rates = [], []
    for size in track(sizes, "searches"):
        bits = chance.integers(0, 256, (size, views, CODE_BYTES), np.uint8)
        flat = faiss.IndexBinaryFlat(CODE_BITS)
        flat.add(np.ascontiguousarray(bits[:, 0]))
        index = FlatIndex(np.arange(size, dtype=np.int64), bits)
        vectors = chance.normal(0, 1, (_QUERIES, views, CODE_BITS)).astype(np.float32)
        queries = sign_bits(vectors)
        weights = np.ones((1, views), np.float32)
        plain, ours = [], []
        for _ in range(rounds):
            rates.append(bandwidth())
            for row in range(_QUERIES):
                one = PageCodes(queries[row : row + 1], vectors[row : row + 1])
                plain.append(timed(flat.search, one.bits[:, 0], ARTICLE_TOP))
                ours.append(timed(index.search, one, weights=weights, top=100))
        medians.append((size, float(np.median(plain)), float(np.median(ours))))
        del bits, flat, index  # the next size needs the memory
    limit = CODE_BYTES / max(rates)  # seconds a code
    times = [SearchTime(n, plain, n * limit, ours, views * n * limit) for n, plain, ours in medians]
    return times, max(rates)


@dataclass(frozen=True)
class NetworkTimes:
    """What a network is asked, and the seconds that it takes, a number an image: medians over the rounds.

    alone: on one core. together: on all of them, as a library asks.
    """

    asked: str
    alone: list[float]
    together: list[float]


def network_times(
    photos: Sequence[Path], library: Path, *, model: Path | None, rounds: int
) -> list[NetworkTimes]:
    """Times the encoder on pages of a library, one at a time, and the page finder on photos.

    Pages come as the library keeps them and photos decoded; what both networks do to them is counted.
    """
    with Catalog.open(library) as catalog:
        ids = catalog.codes()[0]
        some = ids[np.linspace(0, len(ids) - 1, min(_PAGES, len(ids))).astype(int)].tolist()
        pages = [Thumbnail(encoded).grey for encoded in catalog.encoded_thumbnails(some)]
    alone, together = (
        _network_times(pages, photos, model=model, rounds=rounds, threads=threads)
        for threads in (1, usable_cores())
    )
    return [NetworkTimes(asked, alone[asked], together[asked]) for asked in alone]


def _network_times(
    pages: Sequence[Grey], photos: Sequence[Path], *, model: Path | None, rounds: int, threads: int
) -> dict[str, list[float]]:
    """What is asked -> the median seconds of each image, on so many cores."""
    encoder, finder = Encoder.load(model, threads=threads), PageFinder.load(threads=threads)
    before = cv2.getNumThreads()
    cv2.setNumThreads(threads)
    try:
        return {  # photos decoded for each call: they keep what is made of them
            "encoder, a page": [_median(rounds, encoder.encode, partial(list, [page])) for page in pages],
            **{
                f"page finder, a photo, {name}": [
                    _median(rounds, partial(finder.find, looks=looks), partial(decode, photo))
                    for photo in photos
                ]
                for looks, name in LOOKS.items()
            },
        }
    finally:
        cv2.setNumThreads(before)


def _median(rounds: int, call: Callable[[Any], object], argument: Callable[[], object]) -> float:
    """Seconds of a call, for which its argument is made anew each time; the first one warms up."""
    seconds = [timed(call, argument()) for _ in range(rounds + 1)]
    return float(np.median(seconds[1:]))


@dataclass(frozen=True)
class PhotoTimes:
    """Seconds from photo to answer, a number a photo: medians over the rounds."""

    ours: list[float]
    article: list[float]


def photo_times(photos: Sequence[Path], library: Path, *, model: Path | None, rounds: int) -> PhotoTimes:
    """Our answer and the article's of each photo, one after the other, the models loaded and warm.

    The article searches as many codes as the library has pages.
    """
    with Library.open(library, model=model) as opened:
        finder = opened.finder()
        codes = np.ascontiguousarray(opened.catalog.codes()[1][:, 0])
        flat = faiss.IndexBinaryFlat(CODE_BITS)
        flat.add(codes)
        faiss.omp_set_num_threads(1)  # more take longer for one query
        network = ArticleNetwork(threads=usable_cores())
        ours: list[list[float]] = [[] for _ in photos]
        article: list[list[float]] = [[] for _ in photos]
        finder.find(photos[0], name="", top=5)
        finder.align_by_features(decode(photos[0]))  # which the first photo may do without
        article_photo(photos[0], network)
        for _ in track(range(rounds), "rounds of photos"):
            for number, photo in enumerate(photos):
                ours[number].append(timed(finder.find, photo, name="", top=5))
                article[number].append(timed(_article_search, photo, network, flat))
    return PhotoTimes([float(np.median(s)) for s in ours], [float(np.median(s)) for s in article])


@dataclass(frozen=True)
class Growth:
    """What finding costs in a library of so many pages.

    search, whole: seconds a photo, the median over the photos.
    local: seconds that looking for a photo by its local features alone takes, the median over some of the
        photos; None where the library has none.
    memory: bytes of the codes' index and of the local features'.
    """

    pages: int
    search: float
    whole: float
    local: float | None
    memory: int


def growth(
    photos: Sequence[Path], library: Path, sizes: Sequence[int], *, model: Path | None
) -> list[Growth]:
    """Finding in a part of a library, in the whole, and in one that is larger than it.

    A part has the pages that the photos show, so that a photo is as easy in it as in the whole. A larger one
    has further codes, at random, which are seldom near enough to be looked at, and the local features of its
    pages several times over, so that as many must be looked through.
    """
    with Library.open(library, model=model) as opened:
        finder, catalog = opened.finder(), opened.catalog
        ids, bits = catalog.codes()
        shown = _shown(finder, photos, catalog.pages(ids.tolist()))
        described = dict(catalog.all_features())
        grown = []
        for size in track(sizes, "libraries of several sizes"):
            rows, codes = _sized(bits, size, shown)
            index = FlatIndex(ids[rows], codes)
            features = None
            if finder.features is not None:
                store = _SizedFeatures(catalog, ids[rows].tolist(), described)
                features = FeatureSearch(finder.features.extractor, store)
            # The index keeps its codes as they came, and faiss keeps them by view.
            memory = 2 * codes.nbytes + ids[rows].nbytes
            grown.append(_grown(finder.variant(index=index, features=features), photos, size, memory))
            del index, features  # the next size needs the memory
        return grown


@dataclass(frozen=True, eq=False)
class _SizedFeatures:
    """The local features of a library's pages, of each as often as `page_ids` has it."""

    catalog: Catalog
    page_ids: Sequence[int]
    described: Mapping[int, bytes]

    def features(self, page_ids: Sequence[int]) -> list[bytes]:
        return self.catalog.features(page_ids)

    def all_features(self) -> Iterator[tuple[int, bytes]]:
        return ((page_id, self.described[page_id]) for page_id in self.page_ids)


def _grown(finder: Finder, photos: Sequence[Path], pages: int, memory: int) -> Growth:
    """Asks a finder in a library of so many pages for each photo; the first one is asked before, to warm up.

    memory: bytes of the codes' index.
    """
    answers = [finder.find(photo, name="", top=5) for photo in (photos[0], *photos)][1:]
    local = None
    if finder.features is not None:
        some = photos[:: -(-len(photos) // _LOCAL_PHOTOS)]
        local = float(np.median([timed(finder.align_by_features, decode(photo)) for photo in some]))
        memory += len(finder.features.index) * (FEATURE_BYTES + 8)  # a feature and the id of its page
    return Growth(
        pages,
        float(np.median([answer.timings.get("search", 0.0) for answer in answers])),
        float(np.median([answer.seconds for answer in answers])),
        local,
        memory,
    )


def _shown(finder: Finder, photos: Sequence[Path], pages: Sequence[Page]) -> NDArray[np.int64]:
    """Rows of the pages that the photos show, as far as they are found."""
    rows = {(page.source, page.number): row for row, page in enumerate(pages)}
    matches = [match for photo in photos for match in finder.find(photo, name="", top=5).matches]
    return np.array(sorted({rows[m.source, m.page] for m in matches if m.verified}), np.int64)


def _sized(
    bits: NDArray[np.uint8], size: int, kept: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """(size,) rows of pages, and their codes: a sample with the rows `kept`, or all, then some at random."""
    chance = np.random.default_rng(2)
    if size <= len(bits):
        others = chance.permutation(np.setdiff1d(np.arange(len(bits)), kept))
        rows = np.sort(np.concatenate([kept, others])[:size])
        return rows, bits[rows]
    more = chance.integers(0, 256, (size - len(bits), *bits.shape[1:]), np.uint8)
    return np.resize(np.arange(len(bits)), size), np.concatenate([bits, more])


def _article_search(photo: Path, network: ArticleNetwork, flat: faiss.IndexBinaryFlat) -> None:
    flat.search(article_photo(photo, network), ARTICLE_TOP)
