"""What is printed on a page or in a photo of one, without light, shadow and paper colour."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from whichpage.types import Grey

# Width of the square in which pages and photos are compared, in pixels of a page of 480 x 336; what the local
# features were trained with.
WINDOW = 33


def local_contrast(
    grey: Grey, *, window: int, where: NDArray[np.bool_] | None = None, most: float = 3.0
) -> NDArray[np.float32]:
    """(H, W) uint8 -> (H, W) float32: the difference from the mean around, in local deviations.

    Args:
        grey: the picture.
        window: width in pixels of the square around each pixel.
        most: what is further from the mean than so many deviations counts as no further.
        where: (H, W), what is looked at: all else counts for nothing, and is 0. None for the whole picture.
    """
    x = grey.astype(np.float32)
    size = (window, window)
    if where is None:
        mean, square = cv2.blur(x, size), cv2.blur(x * x, size)
    else:
        seen = where.astype(np.float32)
        share = np.maximum(cv2.blur(seen, size), 1e-6)
        mean, square = cv2.blur(x * seen, size) / share, cv2.blur(x * x * seen, size) / share
    deviation = np.sqrt(np.maximum(square - mean * mean, 0))
    known = deviation if where is None else deviation[where]
    floor = 0.3 * (float(known.mean()) if known.size else 0.0) + 1.0
    contrast = np.asarray(np.clip((x - mean) / (deviation + floor), -most, most), np.float32)
    return contrast if where is None else contrast * where
