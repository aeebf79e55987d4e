"""What is printed on a page or in a photo of one, without light, shadow and paper colour."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from whichpage.types import Grey


def local_contrast(grey: Grey, *, window: int) -> NDArray[np.float32]:
    """(H, W) uint8 -> (H, W) float32 in [-3, 3]: the difference from the mean around, in local deviations.

    window: width in pixels of the square around each pixel.
    """
    x = grey.astype(np.float32)
    mean = cv2.blur(x, (window, window))
    deviation = np.sqrt(np.maximum(cv2.blur(x * x, (window, window)) - mean * mean, 0))
    floor = 0.3 * float(deviation.mean()) + 1.0
    return np.asarray(np.clip((x - mean) / (deviation + floor), -3, 3), np.float32)
