"""A page laid over a photo -> how much alike the encoder finds the two, as far as the photo shows the page.

Retrieval compares a photo, cut by the frame and a little aslant, with the codes of whole pages. Once a page
is laid over the photo, what the photo does not show can be left out of the page as well, and the same
network is asked about both (a Siamese comparison: Bromley et al., "Signature verification using a 'Siamese'
time delay neural network", NIPS 1993). It speaks for pages of which so little is sharp that few of their
blocks, lines or features agree, and against those on which a few agree by chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from whichpage import placing
from whichpage.photo import Photo, rectify
from whichpage.types import Grey, PageCodes, Quad
from whichpage.verify import Thumbnail

# Share of a page that must be shown. Two slivers are soon alike, as what is not shown is the same in both.
_LEAST_SHOWN = 0.2


class Encodes(Protocol):
    """What comparing needs of an encoder."""

    def encode(self, images: Sequence[Grey]) -> PageCodes:
        """The codes of (H, W) uint8 images, those of the whole image first among their views."""
        ...


def resemblances(
    encoder: Encodes, photo: Photo, laid: Sequence[tuple[Thumbnail, Quad]]
) -> list[float | None]:
    """How much alike pages are to the places of a photo where they were laid.

    Args:
        encoder: looks at both.
        photo: the photo.
        laid: pages, and their corners, (4, 2) working pixels in the page's own order.

    Returns:
        The cosine, -1 to 1, of the encoder's numbers of the two, in the order of the pages; None for one of
        which the photo shows too little, or whose corners are no page's.
    """
    images: list[Grey] = []
    told: list[bool] = []
    for page, quad in laid:
        pair = _pair(photo, page, quad)
        images += pair
        told.append(bool(pair))
    if not images:
        return [None] * len(laid)
    vectors = np.tanh(encoder.encode(images).vectors[:, 0])
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    cosines = iter(np.einsum("nd,nd->n", vectors[::2], vectors[1::2]).tolist())
    return [next(cosines) if is_told else None for is_told in told]


def _pair(photo: Photo, page: Thumbnail, quad: Quad) -> tuple[Grey, ...]:
    """The place straight on and the page, without what the photo does not show; () if that is too much."""
    if not placing.is_sound(quad):
        return ()
    grey, shown = rectify(photo, quad, size=page.size)
    if shown.mean() < _LEAST_SHOWN:
        return ()
    return _filled(grey, shown), _filled(page.grey, shown)


def _filled(grey: Grey, shown: NDArray[np.bool_]) -> Grey:
    """The image with the mean of what is shown of it where it is not."""
    if shown.all():
        return grey
    filled = grey.copy()
    filled[~shown] = round(float(grey[shown].mean()))
    return filled
