"""The article's pipeline of January 2022: 256 sign bits of its network for the whole photo, denoised.

The model is what `whichpage train --recipe article` exports. Pages go in as they are, photos as the article
prepares them: read as grey, 480 pixels wide, `cv2.fastNlMeansDenoising(h=10)`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import faiss
import numpy as np
from numpy.typing import NDArray

from whichpage.benchmark.peers.nearest_bits import index_bits
from whichpage.benchmark.peers.protocol import RANKED, IndexCost, LibraryPage, Progress, Ranked, accept_first
from whichpage.bits import sign_bits
from whichpage.encoder import model_id, open_session
from whichpage.errors import ModelError
from whichpage.photo import decode
from whichpage.sources import Source
from whichpage.types import CODE_BITS, Grey

WIDTH = 480
# fastNlMeansDenoising's strength.
_STRENGTH = 10


class ArticleModel:
    """Grey images to 256 bits; make one with `load`.

    backbone: what it is but for its last layer, as its file says; "a network" where that says nothing.
    """

    def __init__(self, session: Any, size: tuple[int, int] | None) -> None:
        self.backbone = session.get_modelmeta().custom_metadata_map.get("backbone", "a network")
        self._session = session
        self._size = size

    @classmethod
    def load(cls, path: Path, *, threads: int) -> ArticleModel:
        """Loads an ONNX model that maps (N, 1, H, W), levels 0..255, to (N, 256) or (N, V, 256).

        H and W may be any, as those of `--recipe article` are: then images go in as large as they are.

        Raises:
            ModelError: it is missing, or maps other shapes.
        """
        session = open_session(path, threads=threads)
        images, vectors = session.get_inputs()[0].shape, session.get_outputs()[0].shape
        if len(images) != 4 or images[1] != 1 or vectors[-1] != CODE_BITS:
            raise ModelError(f"{path} is not a model of the article's kind: it maps {images} to {vectors}.")
        height, width = images[2:]
        return cls(session, (height, width) if isinstance(height, int) and isinstance(width, int) else None)

    def vector(self, grey: Grey) -> NDArray[np.float32]:
        """(256,) float32 of an image (H, W): of its first view where the model has several."""
        if self._size is not None and grey.shape != self._size:
            grey = _resized(grey, self._size)
        name = self._session.get_inputs()[0].name
        vectors = self._session.run(None, {name: grey[None, None].astype(np.float32)})[0]
        return np.asarray(np.asarray(vectors).reshape(-1, CODE_BITS)[0], np.float32)

    def code(self, grey: Grey) -> NDArray[np.uint8]:
        """(32,) uint8, the sign bits of `vector`."""
        return sign_bits(self.vector(grey))


def prepare(grey: Grey) -> Grey:
    """A photo as the article prepares it: 480 pixels wide, denoised."""
    height = max(1, round(grey.shape[0] * WIDTH / grey.shape[1]))
    return np.asarray(cv2.fastNlMeansDenoising(_resized(grey, (height, WIDTH)), h=_STRENGTH), np.uint8)


@dataclass(frozen=True)
class CodePage:
    """Describes a page by its code."""

    model: Path

    def __call__(self, source: Source, number: int) -> bytes:
        grey = source.render(number).grey
        height = max(1, round(grey.shape[0] * WIDTH / grey.shape[1]))
        return _model(self.model).code(_resized(grey, (height, WIDTH))).tobytes()


@lru_cache(maxsize=1)
def _model(path: Path) -> ArticleModel:
    """A worker process's model, with one thread: there are as many workers as cores."""
    return ArticleModel.load(path, threads=1)


class ArticlePeer:
    """The nearest code by Hamming distance."""

    name = "article"

    def __init__(self, model: Path, *, threads: int, most_bits: int) -> None:
        """most_bits: the largest distance at which it answers."""
        self.rule = (
            f"answers at a distance of at most {most_bits} of {CODE_BITS} bits (the article has no rule)"
        )
        self.kept = model_id(model)
        self._path = model
        self._model = ArticleModel.load(model, threads=threads)
        self.what = (
            f"the article's pipeline: {self._model.backbone} trained by `--recipe article`, photo as grey 480"
            " pixels wide and denoised, 256 sign bits, faiss IndexBinaryFlat, top 5"
        )
        self._most_bits = most_bits
        self._pages: list[LibraryPage] = []
        self._index = faiss.IndexBinaryFlat(CODE_BITS)

    def index(self, pages: Sequence[LibraryPage], folder: Path, progress: Progress) -> IndexCost:
        self._pages, self._index, cost = index_bits(
            pages, folder / "codes.sqlite", CodePage(self._path), progress, bits=CODE_BITS
        )
        return cost

    def answer(self, photo: Path) -> list[Ranked]:
        if not self._pages:
            return []
        code = self._model.code(prepare(decode(photo).pyramid[0]))
        distances, places = self._index.search(code[None], min(RANKED, len(self._pages)))
        found = [
            (self._pages[place], float(CODE_BITS - distance))
            for distance, place in zip(distances[0].tolist(), places[0].tolist(), strict=True)
        ]
        return accept_first(found, least=float(CODE_BITS - self._most_bits))


def _resized(grey: Grey, size: tuple[int, int]) -> Grey:
    """To (H, W)."""
    method = cv2.INTER_AREA if grey.shape[1] > size[1] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(grey, size[::-1], interpolation=method), np.uint8)
