"""The words the stages speak: frozen values without behaviour, and the one convention of where pixels lie.

Pixels are uint8, rows first. Page numbers are 1-based as people say them. Coordinates are (x, y) in
pixels, x to the right and y down, the centre of the top left pixel at (0, 0).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

# What the shipped encoder reads; another may read another size, as its file states.
ENCODER_HEIGHT = 320
ENCODER_WIDTH = 224
CODE_BITS = 256
CODE_BYTES = CODE_BITS // 8
# The views of a page that have a code of their own, in the order codes are stored; an encoder has all of
# them or the first alone.
VIEWS = ("page", "upper", "lower")
# The tenths of the page's height that each view covers.
VIEW_ROWS = {"page": (0, 10), "upper": (0, 6), "lower": (4, 10)}

# Pixels of a page's thumbnail, 480 x 336 if it has the shape of A4.
THUMBNAIL_PIXELS = 480 * 336
# Of a local feature's code, and of all that a library keeps of one; see `features`.
FEATURE_BITS = 128
FEATURE_BYTES = FEATURE_BITS // 8
POINT_BYTES = WORD_BYTES = 2
FEATURE_SIZE = FEATURE_BYTES + POINT_BYTES + WORD_BYTES
# What stands before a page's local features: the size of its thumbnail.
FEATURE_HEAD = 4

Grey = NDArray[np.uint8]  # (H, W)
Colour = NDArray[np.uint8]  # (H, W, 3), RGB
Quad = NDArray[np.float32]  # (4, 2): top left, top right, bottom right, bottom left, in the page's own order


def outline(size: tuple[int, int]) -> Quad:
    """The corners of an image, of a height and width: half a pixel beyond its outermost pixels' centres."""
    height, width = size
    return np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32) - np.float32(0.5)


@dataclass(frozen=True, slots=True, eq=False)
class PageImage:
    """One page of a source, rendered for indexing.

    number: 1-based page number in its source.
    grey: (H, W) uint8 luminance.
    """

    number: int
    grey: Grey


@dataclass(frozen=True, slots=True, eq=False)
class PageCodes:
    """What the encoder says of N images.

    bits: (N, V, 32) uint8, a 256-bit code a view, packed as `np.packbits` does (first bit highest).
    vectors: (N, V, 256) float32, the numbers whose signs the bits are (bit = vector > 0).
    """

    bits: NDArray[np.uint8]
    vectors: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Page:
    """A page of the library: where it is, by name and number."""

    id: int
    book: int
    source: Path
    number: int


@dataclass(frozen=True, slots=True, eq=False)
class PageView:
    """One hypothesis of a page in a photo: where its four corners are.

    quad: the page's corners in the photo's pixels; they may lie outside the photo.
    score: how sure the page finder is of it, 0 to 1.
    seen: whether the photo shows each side, the one from the first corner to the second first; where one
        that it does not show lies is a guess.
    """

    quad: Quad
    score: float
    seen: tuple[bool, bool, bool, bool] = (True, True, True, True)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A page that retrieval proposes; nothing has been verified.

    page_id: row id of the page in the catalogue.
    distance: of the codes: 0 where all bits agree, about 1 by chance. What is near is the encoder's affair.
    view: which of the photo's page views proposed it (index into the list that was searched).
    """

    page_id: int
    distance: float
    view: int


@dataclass(frozen=True, slots=True, eq=False)
class Match:
    """A page of the library aligned with a photo.

    source, page: the file and the 1-based page number.
    verified: whether `confidence` passes the acceptance threshold.
    confidence: probability in [0, 1] that the photo shows this page.
    quad: the page's corners in the photo's pixels (after its EXIF turn).
    image_name: of a page of a folder or an archive of images the image's name in it, where it was asked for.
    """

    source: Path
    page: int
    verified: bool
    confidence: float
    quad: Quad
    image_name: str | None = None


Status = Literal["found", "not_found", "error"]


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one photo, as in the JSON contract.

    seconds: wall time of this photo, decoding included.
    matches: verified ones first, then by confidence.
    timings: seconds a stage: decode, finder, encode, search, features, read, verify.
    width, height: of the photo in pixels, after its EXIF turn; 0 where it could not be read.
    """

    photo: str
    status: Status
    seconds: float
    matches: tuple[Match, ...] = ()
    error: str | None = None
    timings: dict[str, float] = field(default_factory=dict)
    width: int = 0
    height: int = 0
