"""How well codes alone find the page, and what is lost by keeping bits: simulated photos of validation books.

usage: python -m whichpage.training.codes --pages CACHE [--pages DIR] [--library DIR] [--model FILE]

Photos of validation pages are looked for among more and more pages: first other validation pages, then the
rest of the cache, then those of a library, of which any that the cache has as well are left out. Prints a
table: how often the true page is first, and among the first 20, by Hamming distance, by the asymmetric
distance, by cosine, all of the whole page's code, and by the asymmetric distance over all views. A page that
is no nearer than another counts as behind it.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from whichpage.bits import sign_bits
from whichpage.catalog import Catalog
from whichpage.encoder import Encoder
from whichpage.training import ranking, runs
from whichpage.training.network import PageEncoder
from whichpage.training.pages import PageCache
from whichpage.training.ranking import Encodes, Queries
from whichpage.types import ENCODER_HEIGHT, ENCODER_WIDTH, Grey, PageCodes

logger = logging.getLogger(__name__)

GALLERIES = (2300, 10_000, 44_000)
MEASURES = {
    "Hamming": ranking.hamming,
    "asymmetric": ranking.asymmetric,
    "cosine": ranking.cosine,
    "all views": ranking.all_views,
}


class TorchEncoder:
    """A checkpoint of `encoder_training` that encodes as an exported one does."""

    def __init__(self, checkpoint: Path) -> None:
        self._model = PageEncoder().eval()
        self._model.load_state_dict(runs.kept_weights(checkpoint))

    @torch.no_grad()
    def encode(self, images: Sequence[Grey]) -> PageCodes:
        """The codes of N images, (H, W) uint8 each."""
        size = (ENCODER_WIDTH, ENCODER_HEIGHT)
        squeezed = [cv2.resize(image, size, interpolation=cv2.INTER_AREA) for image in images]
        vectors = self._model(torch.from_numpy(np.stack(squeezed))[:, None].float()).numpy()
        return PageCodes(sign_bits(vectors), vectors)


def distractors(library: Path, cache: PageCache, *, count: int, seed: int) -> Iterator[Grey]:
    """The thumbnails of `count` pages of a library that the cache does not have, chosen at random."""
    cached = {(book, number) for _, book, number in cache.index}
    with Catalog.open(library) as catalog:
        places = {book.path: (book.path, *book.copies) for book in catalog.books()}
        ids = np.random.default_rng(seed).permutation(catalog.codes()[0])
        for start in range(0, len(ids), 256):
            some = ids[start : start + 256].tolist()
            for page, thumbnail in zip(catalog.pages(some), catalog.thumbnails(some), strict=True):
                names = (name for path in places[page.source] for name in _names(path))
                if any((name, page.number) in cached for name in names):
                    continue
                yield thumbnail
                count -= 1
                if count <= 0:
                    return


def _names(path: Path) -> Iterator[str]:
    """Every name a cache may know a file by: its path below any of its folders."""
    return ("/".join(path.parts[k:]) for k in range(1, len(path.parts)))


def encode_gallery(
    encoder: Encodes, cache: PageCache, *, library: Path | None, size: int, first: int, seed: int
) -> tuple[PageCodes, NDArray[np.int64]]:
    """The codes of up to `size` pages, and the rows of the `first` of them, which are validation pages."""
    rng = np.random.default_rng(seed)
    held_out = rng.permutation(np.concatenate(cache.books("val")))
    rest = rng.permutation(np.concatenate([held_out[first:], *cache.books("train")]))
    rows = np.concatenate([held_out[:first], rest])[:size].astype(np.int64)
    parts = [ranking.encode_pages(encoder, cache, rows)]
    logger.info("%d pages of the cache are encoded", len(rows))
    if library is not None and size > len(rows):
        batch: list[Grey] = []
        for page in distractors(library, cache, count=size - len(rows), seed=seed):
            batch.append(page)
            if len(batch) == 256:
                parts.append(encoder.encode(batch))
                batch = []
        if batch:
            parts.append(encoder.encode(batch))
    return ranking.joined(parts), held_out[:first]


def table(queries: Queries, gallery: PageCodes, sizes: Sequence[int]) -> Iterator[str]:
    """Markdown; the first pages of the gallery are those that the photos show, in their order."""
    truth = np.arange(len(queries.seen))
    yield "| pages | " + " | ".join(f"{name} top-1 / top-20" for name in MEASURES) + " |"
    yield "| ---: |" + " :---: |" * len(MEASURES)
    for size in sizes:
        part = PageCodes(gallery.bits[:size], gallery.vectors[:size])
        found = (ranking.ranks(measure(queries, part), truth) for measure in MEASURES.values())
        cells = (f"{np.mean(places < 1):.1%} / {np.mean(places < 20):.1%}" for places in found)
        yield f"| {len(part.bits):,} | " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pages", type=Path, action="append", required=True)
    parser.add_argument("--library", type=Path, help="further pages to be told apart from")
    parser.add_argument("--model", type=Path, help="encoder.onnx or checkpoint.pt; else the shipped one")
    parser.add_argument("--photos", type=int, default=1000)
    parser.add_argument("--galleries", type=int, nargs="+", default=GALLERIES)
    parser.add_argument("--seed", type=int, default=99)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(1)
    model: Path | None = arguments.model
    encoder = TorchEncoder(model) if model and model.suffix == ".pt" else Encoder.load(model)
    cache = PageCache.open(*arguments.pages)
    sizes = sorted(arguments.galleries)
    gallery, held_out = encode_gallery(
        encoder, cache, library=arguments.library, size=sizes[-1], first=sizes[0], seed=arguments.seed
    )
    shown = held_out[: arguments.photos]
    (queries,) = ranking.encode_photos([encoder], cache, shown, seed=arguments.seed)
    logger.info("%d photos of %d validation pages", len(shown), len(held_out))
    for line in table(queries, gallery, sizes):
        print(line)


if __name__ == "__main__":
    main()
