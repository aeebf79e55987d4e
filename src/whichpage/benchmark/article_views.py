"""The article's augmentation, drawn and computed as torchvision does on Pillow images, without PyTorch.

RandomPerspective(), ColorJitter(brightness=.5, hue=.3), RandomResizedCrop(320, scale=(.2, 1)), then
GaussianBlur(5) and GaussianBlur(11), each with p = .5. Arguments that the article does not name have
torchvision's defaults. Random numbers are NumPy's, so that a page's view is the same everywhere; the
operations are those of `torchvision.transforms` 0.20 and later, and the tests compare them with its numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance

SIDE = 320
_DISTORTION, _PERSPECTIVE_CHANCE = 0.5, 0.5
_BRIGHTNESS, _HUE = 0.5, 0.3
_SCALE, _RATIO, _TRIES = (0.2, 1.0), (3 / 4, 4 / 3), 10
_BLURS, _SIGMA, _BLUR_CHANCE = (5, 11), (0.1, 2.0), 0.5
# Levels from the darkest to the lightest that bare paper spans in a view, at most: rounding makes one.
_BARE = 8

Corners = Sequence[tuple[int, int]]


@dataclass(frozen=True)
class View:
    """One draw of the augmentation.

    corners: where the page's corners (top left, top right, bottom right, bottom left) go, in pixels; None
        when the perspective stays.
    brightness, hue: factor, and turn of the colour circle; hue_first tells their order.
    crop: left, top, width, height in pixels.
    share: of the page that the crop has.
    blurs: width of the kernel and sigma, both in pixels.
    """

    corners: Corners | None
    brightness: float
    hue: float
    hue_first: bool
    crop: tuple[int, int, int, int]
    share: float
    blurs: tuple[tuple[int, float], ...]


def draw(chance: np.random.Generator, width: int, height: int) -> View:
    """Draws a view of a page of this size."""
    corners = _corners(chance, width, height) if chance.random() < _PERSPECTIVE_CHANCE else None
    brightness = chance.uniform(1 - _BRIGHTNESS, 1 + _BRIGHTNESS)
    hue = chance.uniform(-_HUE, _HUE)
    hue_first = bool(chance.random() < 0.5)
    crop = _crop(chance, width, height)
    blurs = tuple((size, chance.uniform(*_SIGMA)) for size in _BLURS if chance.random() < _BLUR_CHANCE)
    return View(corners, brightness, hue, hue_first, crop, crop[2] * crop[3] / (width * height), blurs)


def apply(view: View, page: Image.Image) -> Image.Image:
    """The view of a page (RGB) as an image of 320 x 320 pixels."""
    # Brightness and hue are of single pixels: on the crop they are what they are on the page, but sooner.
    image = _framed(view, page)
    if view.hue_first:
        image = adjust_brightness(adjust_hue(image, view.hue), view.brightness)
    else:
        image = adjust_hue(adjust_brightness(image, view.brightness), view.hue)
    image = image.resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    for size, sigma in view.blurs:
        image = gaussian_blur(image, size=size, sigma=sigma)
    return image


def is_bare(view: View, page: Image.Image) -> bool:
    """Whether the view of a page (RGB) shows paper without any print, and what lies beside the paper.

    Brightness and blur are left out: what they hide from the eye is there to be found all the same.
    """
    # A sheet as bare as can be, in the same place, tells paper from what lies beside it.
    paper = np.asarray(_framed(view, Image.new("L", page.size, 255))) == 255
    seen = np.asarray(_framed(view, page.convert("L")))[paper]
    return not seen.size or int(np.ptp(seen)) <= _BARE


def _framed(view: View, page: Image.Image) -> Image.Image:
    """What the view has of the page, in the page's own pixels."""
    image = page if view.corners is None else perspective(page, view.corners)
    left, top, width, height = view.crop
    return image.crop((left, top, left + width, top + height))


def perspective(image: Image.Image, corners: Corners) -> Image.Image:
    """Moves the image's corners; what comes into the frame is black."""
    width, height = image.size
    start = ((0, 0), (width - 1, 0), (width - 1, height - 1), (0, height - 1))
    return image.transform(
        image.size,
        Image.Transform.PERSPECTIVE,
        perspective_coefficients(start, corners),
        Image.Resampling.BILINEAR,
        fillcolor=0 if image.mode == "L" else (0, 0, 0),
    )


def perspective_coefficients(start: Corners, end: Corners) -> tuple[float, ...]:
    """The eight numbers by which Pillow maps a pixel of the result to one of the source."""
    rows, values = [], []
    for (x, y), (u, v) in zip(end, start, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        values += [u, v]
    solved = np.linalg.lstsq(np.array(rows, np.float64), np.array(values, np.float64), rcond=None)[0]
    return tuple(float(number) for number in solved)


def adjust_brightness(image: Image.Image, factor: float) -> Image.Image:
    """Every level times the factor, cut at white."""
    return ImageEnhance.Brightness(image).enhance(factor)


def adjust_hue(image: Image.Image, turn: float) -> Image.Image:
    """The hue turned by a share of the circle, -0.5 to 0.5."""
    if image.mode == "L":
        return image
    hue, saturation, value = image.convert("HSV").split()
    # Whole steps of 1/255, cut towards zero, added modulo 256: torchvision's own rounding.
    turned = np.asarray(hue).astype(np.int32) + int(turn * 255)
    new_hue = Image.fromarray((turned % 256).astype(np.uint8), "L")
    return Image.merge("HSV", (new_hue, saturation, value)).convert(image.mode)


def gaussian_blur(image: Image.Image, *, size: int, sigma: float) -> Image.Image:
    """Convolved with a Gaussian of `size` pixels; the image is mirrored at its edges."""
    kernel = gaussian_kernel(size, sigma)
    levels = np.asarray(image).astype(np.float32)
    blurred = cv2.sepFilter2D(levels, cv2.CV_32F, kernel, kernel, borderType=cv2.BORDER_REFLECT_101)
    return Image.fromarray(np.clip(np.rint(blurred), 0, 255).astype(np.uint8))


def gaussian_kernel(size: int, sigma: float) -> NDArray[np.float32]:
    """(size,) float32 weights that add up to one."""
    places = np.linspace(-(size - 1) / 2, (size - 1) / 2, size)
    weights = np.exp(-0.5 * (places / sigma) ** 2)
    return np.asarray(weights / weights.sum(), np.float32)


def _corners(chance: np.random.Generator, width: int, height: int) -> Corners:
    across, down = int(_DISTORTION * (width // 2)), int(_DISTORTION * (height // 2))

    def near(edge: int, reach: int) -> int:
        """A pixel within reach of the low edge (0) or of the high one."""
        return int(chance.integers(0, reach + 1) if not edge else chance.integers(edge - reach - 1, edge))

    return (
        (near(0, across), near(0, down)),
        (near(width, across), near(0, down)),
        (near(width, across), near(height, down)),
        (near(0, across), near(height, down)),
    )


def _crop(chance: np.random.Generator, width: int, height: int) -> tuple[int, int, int, int]:
    for _ in range(_TRIES):
        area = width * height * chance.uniform(*_SCALE)
        ratio = math.exp(chance.uniform(math.log(_RATIO[0]), math.log(_RATIO[1])))
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            top, left = int(chance.integers(0, height - h + 1)), int(chance.integers(0, width - w + 1))
            return left, top, w, h
    # No draw fitted: the middle of the page, as large as the ratios allow.
    w, h = width, height
    if width / height < _RATIO[0]:
        h = round(w / _RATIO[0])
    elif width / height > _RATIO[1]:
        w = round(h * _RATIO[1])
    return (width - w) // 2, (height - h) // 2, w, h
