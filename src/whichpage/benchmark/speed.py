"""`whichpage bench speed`: indexing, searching and finding, beside what bounds them and the article's way.

What is compared is measured turn by turn in one run, so that another load on the machine meets both.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from whichpage.benchmark import speed_plots
from whichpage.benchmark.provenance import digest_files, own_models, provenance
from whichpage.benchmark.report import Cell, Figure, Report, Table
from whichpage.benchmark.resampling import interval
from whichpage.benchmark.speed_finding import (
    Growth,
    NetworkTimes,
    PhotoTimes,
    SearchTime,
    growth,
    network_times,
    photo_times,
    search_times,
)
from whichpage.benchmark.speed_indexing import IndexingTimes, books_of, indexing_times, require_poppler
from whichpage.benchmark.truth import TruthError
from whichpage.catalog import Catalog
from whichpage.files import IMAGE_SUFFIXES
from whichpage.library import default_path

SEARCHED = (45_622, 1_000_000, 10_000_000)
GREAT, GREATEST = 250_000, 1_000_000  # pages to which a library is made to grow


def run(
    *,
    books: Path,
    photos: Path,
    library: Path | None,
    model: Path | None,
    pages: int,
    rounds: int,
    count: int,
) -> Report:
    """Measures all and reports.

    Args:
        books: PDFs to index. photos: a folder of photos. library: where they are looked for.
        model: an encoder other than the shipped one.
        pages: how many pages `add` indexes a round; the article's way gets a tenth of them.
        rounds: how often each comparison is made. count: how many of the photos, evenly spread.

    Raises:
        TruthError: there are no books or no photos.
        NoPoppler: the programs that the article's way needs are missing.
        LibraryError: the library cannot be opened, or was made with another model.
    """
    require_poppler()
    chosen = _photos(photos, count)
    place = library or default_path()
    with Catalog.open(place) as catalog:
        info = catalog.info()
        codes = catalog.codes()[1]
    if not len(codes):
        raise TruthError(f"the library at {place} is empty: there is nothing to find photos in")
    some = books_of(books, pages=pages)
    origin = provenance(
        models=own_models(model),
        data=digest_files([*some.pages, *chosen]),
    )
    article_pages = max(1, some.total // 10)
    indexed = indexing_times(some, article_pages=article_pages, rounds=rounds, model=model)
    searched, rate = search_times(SEARCHED, views=codes.shape[1], rounds=rounds)
    networks = network_times(chosen, place, model=model, rounds=rounds)
    asked = photo_times(chosen, place, model=model, rounds=rounds)
    sizes = sorted({1_000, len(codes) // 8, len(codes) // 4, len(codes) // 2, len(codes), GREAT, GREATEST})
    grown = growth(chosen, place, [size for size in sizes if size], model=model)
    return Report(
        title="Speed",
        summary=(
            "Each comparison is made turn by turn in one run; rates and times are medians. The article's"
            " network is a ResNet18 with random weights in ONNX Runtime, batch normalisation folded in: only"
            " its speed counts.",
            f"The library takes {info.bytes / max(1, info.pages):,.0f} bytes a page on disk.",
        ),
        tables=[
            _indexing(indexed, some.total, article_pages),
            _finding(asked, len(codes)),
            _networks(networks),
            _searching(searched, rate, codes.shape[1]),
            _growing(grown),
        ],
        figures=[
            Figure("indexing", "Pages a second of each round", speed_plots.indexing(indexed)),
            Figure("photo", "Photo to answer, ours and the article's pipeline", speed_plots.photos(asked)),
            Figure("growth", "What a photo costs as the library grows", speed_plots.growth(grown, searched)),
        ],
        provenance=origin,
        data={"add_progress": [list(point) for point in indexed.curve]},
    )


def _photos(folder: Path, count: int) -> list[Path]:
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
    if not found:
        raise TruthError(f"there are no photos in {folder}")
    rows = np.unique(np.linspace(0, len(found) - 1, min(count, len(found))).round().astype(int))
    return [found[row] for row in rows]


def _indexing(times: IndexingTimes, pages: int, article_pages: int) -> Table:
    ratios = (
        ("`whichpage add`", times.add, pages),
        ("PDFium's rendering alone, same pages, same size", times.bare, pages),
        ("article: pdf2image, JPEG files, ResNet18", times.article, article_pages),
    )
    rows: list[list[Cell]] = [
        [name, count, float(np.median(rates)), min(rates), max(rates), _ratio(times.add, rates)]
        for name, rates, count in ratios
    ]
    return Table(
        "Indexing",
        ("way", "pages a round", "pages/s", "least", "most", "`add` is so many times as fast"),
        rows,
        "All ways use all cores. `add` starts its processes within its time; the rendering's are up before.",
    )


def _finding(times: PhotoTimes, pages: int) -> Table:
    rows: list[list[Cell]] = [
        [name, len(seconds), 1000 * float(np.median(seconds)), 1000 * float(np.quantile(seconds, 0.95))]
        for name, seconds in (("`whichpage find`", times.ours), ("article", times.article))
    ]
    ratios = np.array(times.article) / np.array(times.ours)
    low, high = interval(ratios, lambda drawn: np.median(drawn, axis=1))
    return Table(
        "Photo to answer",
        ("way", "photos", "median, ms", "95th percentile, ms"),
        rows,
        f"The article: grey, 480 wide, fastNlMeansDenoising(h=10), ResNet18, flat search of {pages:,} codes;"
        f" it verifies nothing. Photo by photo ours is {np.median(ratios):.2f} times as fast (median; 95 %"
        f" interval {low:.2f} to {high:.2f}).",
    )


def _networks(times: Sequence[NetworkTimes]) -> Table:
    rows: list[list[Cell]] = [
        [t.asked, len(t.alone), *(1000 * float(np.median(s)) for s in (t.alone, t.together))] for t in times
    ]
    return Table(
        "One page, one photo",
        ("network", "images", "on one core, ms", "on all cores, ms"),
        rows,
        "One image a call, from the decoded image to what the network says of it.",
    )


def _searching(times: Sequence[SearchTime], rate: float, views: int) -> Table:
    rows: list[list[Cell]] = [
        [t.pages, 1000 * t.flat, 1000 * t.flat_limit, 1000 * t.ours, 1000 * t.ours_limit] for t in times
    ]
    return Table(
        "Searching",
        ("pages", "one code, ms", "its limit, ms", "our index, ms", "its limit, ms"),
        rows,
        "One query on one core, random codes. One code: 256 bits a page, `faiss.IndexBinaryFlat`, the"
        f" nearest five. Our index: {views} codes a page, the nearest ranked again. The limit is reading the"
        f" codes once at the {rate / 1e9:.1f} GB/s at which one core was measured to read memory; codes that"
        " fit the processor's caches may go below it.",
    )


def _growing(times: Sequence[Growth]) -> Table:
    rows: list[list[Cell]] = [
        [t.pages, 1000 * t.search, 1000 * t.whole, t.local and 1000 * t.local, t.memory / 1e6] for t in times
    ]
    return Table(
        "As the library grows",
        (
            *("pages", "search a photo, ms", "photo to answer, ms"),
            *("by local features alone, ms", "indexes in memory, MB"),
        ),
        rows,
        "Medians over the photos, of local features over six of them. A part of the library has the pages"
        " that the photos show; beyond the library's own pages the index holds random codes, and their local"
        " features once again. By local features alone: what a photo costs that only these find,"
        " decoding left out.",
    )


def _ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    return float(np.median(np.array(ours) / np.array(theirs)))
