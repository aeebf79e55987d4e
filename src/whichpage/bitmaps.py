"""Pictures as Pillow opens them, of any depth, palette or transparency -> arrays of 8 bits a sample."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

# How often a picture must be turned to the left, and whether it is then mirrored left to right, by what EXIF
# says of its orientation; all else is as good as 1.
_TURNS = {2: (0, True), 3: (2, False), 4: (2, True), 5: (3, True), 6: (3, False), 7: (1, True), 8: (1, False)}


def eight_bit(image: Image.Image, mode: str) -> NDArray[np.uint8]:
    """The pixels, (H, W) uint8 in mode "L" or (H, W, 3) in "RGB"; what is transparent shows white paper."""
    if image.mode.startswith(("I", "F")):
        return _shallow(image, mode)
    if image.has_transparency_data:
        clear = image.convert("RGBA")
        image = Image.new("RGB", clear.size, "white")
        image.paste(clear, mask=clear.getchannel("A"))
    # Converting copies even where there is nothing to convert, and fresh memory is slow.
    return np.asarray(image if image.mode == mode else image.convert(mode))


def _shallow(image: Image.Image, mode: str) -> NDArray[np.uint8]:
    """Samples of 16 bits and more, the lightest one white: Pillow's own conversion would cut them off there.

    A scanner of 12 bits fills a sixteenth of the 16 that its files have.
    """
    deep: NDArray[Any] = np.nan_to_num(np.asarray(image).astype(np.float32))
    lightest = max(1.0, float(deep.max(initial=0)))
    grey = np.clip(deep * (255 / lightest), 0, 255).astype(np.uint8)
    return grey if mode == "L" else np.repeat(grey[:, :, None], 3, axis=2)


def turned(pixels: NDArray[np.uint8], image: Image.Image) -> NDArray[np.uint8]:
    """An image's pixels, (H, W) or (H, W, 3), turned and mirrored as its EXIF says."""
    turns, mirrored = _TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1), (0, False))
    upright = np.rot90(pixels, turns)
    return np.ascontiguousarray(upright[:, ::-1] if mirrored else upright)
