"""Local features: many small codes of one image, each of what is printed around one point of it.

The code of a whole page is lost where a photo shows but a part of it, or where paper is crumpled so that
print lies beside its place. Local features are found again wherever the paper has moved them to.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import faiss
import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from whichpage.bits import sign_bits
from whichpage.contrast import WINDOW, local_contrast
from whichpage.encoder import model_id, open_session
from whichpage.errors import ModelError
from whichpage.keypoints import detect
from whichpage.types import (
    FEATURE_BITS,
    FEATURE_BYTES,
    FEATURE_HEAD,
    FEATURE_SIZE,
    POINT_BYTES,
    WORD_BYTES,
    Grey,
)

SHIPPED_FEATURES = Path(__file__).parent / "models" / "features.onnx"
# A page keeps so many, more of a photo are looked for: each that was kept shall be found again.
OF_PAGE, OF_PHOTO = 256, 600
# A byte holds a coordinate, in such shares of the page's longer side: two pixels, as points scatter anyhow.
_STEPS = 255
_STRIDE = 8
_SIZE = struct.Struct("<HH")
# Under this name the model's file has the visual words: base64 of (W, 16) packed bits.
WORDS = "words"


@dataclass(frozen=True, eq=False)
class LocalFeatures:
    """N local features of one image.

    points: (N, 2) float32, x and y in the image's pixels.
    vectors: (N, 128) float32, the numbers whose signs are the codes.
    size: the image's height and width.
    """

    points: NDArray[np.float32]
    vectors: NDArray[np.float32]
    size: tuple[int, int]

    @property
    def codes(self) -> NDArray[np.uint8]:
        """(N, 16) uint8, packed."""
        return sign_bits(self.vectors)


@dataclass(frozen=True, eq=False)
class PageFeatures:
    """The N local features of a page as a library keeps them.

    points: (N, 2) float32, x and y in the pixels of the page's thumbnail.
    codes: (N, 16) uint8.
    words: (N,) uint16, the number of the visual word nearest to each.
    size: the thumbnail's height and width.
    """

    points: NDArray[np.float32]
    codes: NDArray[np.uint8]
    words: NDArray[np.uint16]
    size: tuple[int, int]


# A page that has none, as one whose thumbnail is damaged.
PACKED_NONE = _SIZE.pack(1, 1)


def pack(features: LocalFeatures, vocabulary: NDArray[np.uint8]) -> bytes:
    """The image's size, codes, points, words: 4 bytes, and 20 a feature.

    vocabulary: (W, 16) uint8, the visual words as packed bits.
    """
    points = np.round(features.points * (_STEPS / max(features.size))).astype(np.uint8)
    codes = features.codes
    words = _nearest_words(codes, vocabulary).astype("<u2")
    return b"".join((_SIZE.pack(*features.size), codes.tobytes(), points.tobytes(), words.tobytes()))


def _nearest_words(codes: NDArray[np.uint8], vocabulary: NDArray[np.uint8]) -> NDArray[np.int64]:
    """(N,) the number of the word (W, 16) from which each code (N, 16) differs in the fewest bits."""
    if not len(codes):
        return np.empty(0, np.int64)
    _, numbers = faiss.knn_hamming(codes, vocabulary, 1)
    return np.asarray(numbers[:, 0], np.int64)


def unpack(packed: bytes) -> PageFeatures:
    """The other way round; of nothing, as pages have that were indexed without, no features."""
    if not packed:
        packed = PACKED_NONE
    count = (len(packed) - FEATURE_HEAD) // FEATURE_SIZE
    flat = np.frombuffer(packed, np.uint8, offset=FEATURE_HEAD)
    codes, points, words = np.split(flat, [count * FEATURE_BYTES, count * (FEATURE_BYTES + POINT_BYTES)])
    height, width = _SIZE.unpack_from(packed)
    return PageFeatures(
        points.reshape(count, POINT_BYTES).astype(np.float32) * np.float32(max(height, width) / _STEPS),
        codes.reshape(count, FEATURE_BYTES),
        words.view("<u2").astype(np.uint16),
        (height, width),
    )


def unpack_many(
    pages: Sequence[bytes],
) -> tuple[NDArray[np.int64], NDArray[np.uint8], NDArray[np.uint16]]:
    """The features of many pages, in no order: (N,) which page's, (N, 16) codes, (N,) words."""
    by_length: dict[int, list[int]] = {}
    for number, packed in enumerate(pages):
        by_length.setdefault(len(packed), []).append(number)
    of, codes, words = [np.empty(0, np.int64)], [np.empty((0, FEATURE_BYTES), np.uint8)], [np.empty(0, "<u2")]
    # Most pages have as many features as pages have at most, and those of as many are unpacked together.
    for length, numbers in by_length.items():
        count = max(length - FEATURE_HEAD, 0) // FEATURE_SIZE
        if count:
            flat = np.frombuffer(b"".join(pages[number] for number in numbers), np.uint8)
            rows = flat.reshape(len(numbers), length)[:, FEATURE_HEAD:]
            of.append(np.repeat(np.array(numbers), count))
            codes.append(rows[:, : count * FEATURE_BYTES].reshape(-1, FEATURE_BYTES))
            words.append(np.ascontiguousarray(rows[:, -count * WORD_BYTES :]).view("<u2").ravel())
    return np.concatenate(of), np.concatenate(codes), np.concatenate(words).astype(np.uint16)


class FeatureExtractor:
    """Finds and describes local features; make one with `FeatureExtractor.load`.

    model_id: what a library remembers of it.
    vocabulary: (W, 16) uint8, its visual words as packed bits.
    """

    def __init__(self, session: ort.InferenceSession, model_id: str, vocabulary: NDArray[np.uint8]) -> None:
        self._session = session
        self.model_id = model_id
        self.vocabulary = vocabulary

    @classmethod
    def load(cls, path: Path | None = None, *, threads: int = 1) -> FeatureExtractor:
        """Loads an ONNX model; None for the one that ships with whichpage.

        Raises:
            ModelError: the file is missing, is no ONNX model, or does not map "contrast" (N, 1, H, W)
                to vectors (N, 128, H / 8, W / 8), or has no visual words.
        """
        path = path or SHIPPED_FEATURES
        session = open_session(path, threads=threads)
        images, vectors = session.get_inputs()[0], session.get_outputs()[0]
        shapes = list(images.shape)[1:2], list(vectors.shape)[1:2]
        sides = len(images.shape), len(vectors.shape)
        if images.name != "contrast" or sides != (4, 4) or shapes != ([1], [FEATURE_BITS]):
            found = f"it maps {images.shape} to {vectors.shape}"
            raise ModelError(f"{path} is no model of local features: {found}.")
        try:
            words = base64.b64decode(session.get_modelmeta().custom_metadata_map[WORDS], validate=True)
            bits = np.frombuffer(words, np.uint8).reshape(-1, FEATURE_BYTES)
            if not len(bits):
                raise ValueError
        except (KeyError, ValueError):
            raise ModelError(f"{path} has no visual words: it was not made for whichpage.") from None
        return cls(session, model_id(path), bits)

    def extract(self, grey: Grey, *, most: int = OF_PAGE) -> LocalFeatures:
        """The local features of an image (H, W) uint8, at most so many.

        The image must show print about as large as on a page's thumbnail (`sources.thumbnail`): sizes that
        differ by a fifth are made up for.
        """
        height, width = size = (grey.shape[0], grey.shape[1])
        contrast = local_contrast(grey, window=WINDOW)
        points = detect(contrast, most=most)
        if not len(points):
            return LocalFeatures(points, np.empty((0, FEATURE_BITS), np.float32), size)
        padded = cv2.copyMakeBorder(
            contrast, 0, -height % _STRIDE, 0, -width % _STRIDE, borderType=cv2.BORDER_REPLICATE
        )
        (maps,) = self._session.run(None, {"contrast": padded[None, None]})
        return LocalFeatures(points, _sampled(maps[0], points), size)


def _sampled(cells: NDArray[np.float32], points: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, D) the vectors at points (N, 2), bilinear between the cells (D, h, w) of eight pixels each."""
    _, rows, columns = cells.shape
    place = np.clip((points + 0.5) / _STRIDE - 0.5, 0, [columns - 1, rows - 1])
    low = np.minimum(place.astype(int), [max(columns - 2, 0), max(rows - 2, 0)])
    (x, y), (right, down) = low.T, (place - low).astype(np.float32).T
    x1, y1 = np.minimum(x + 1, columns - 1), np.minimum(y + 1, rows - 1)
    above = cells[:, y, x] * (1 - right) + cells[:, y, x1] * right
    below = cells[:, y1, x] * (1 - right) + cells[:, y1, x1] * right
    return np.ascontiguousarray((above * (1 - down) + below * down).T, np.float32)
