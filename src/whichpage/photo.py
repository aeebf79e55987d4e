"""A photo: decode it, and look at any part of it straight on."""

from __future__ import annotations

import io
import os
import threading
import warnings
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image, ImageOps

from whichpage.bitmaps import eight_bit, turned
from whichpage.errors import PhotoError, PhotoTooLarge
from whichpage.types import Colour, Grey, Quad, outline

MAX_PHOTO_BYTES = 100_000_000
MAX_PHOTO_PIXELS = 100_000_000
# Of a JPEG that is decoded row by row at a fraction of its size, so that it never stands in memory whole:
# there are phones of 108 megapixels.
MAX_JPEG_PIXELS = 150_000_000
# Long side of the pixels that are worked on: twice what the finest step reads of a page that fills the photo.
WORKING_SIDE = 1600
# Photos of more pixels are decoded one at a time: a few at once could take gigabytes.
_LARGE_PIXELS = 16_000_000
_one_at_a_time = threading.Lock()
# MPO, a JPEG with a second picture behind it, is opened as JPEG.
_SUFFIX_FORMATS = ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "HEIF"]
# OpenCV draws no outline that has a corner further off than this, in pixels: its numbers are whole ones.
_FARTHEST = 1e6


@dataclass(frozen=True, eq=False)
class Photo:
    """A decoded photo.

    pixels: (H, W, 3) uint8 RGB, turned as its EXIF says, scaled down to a long side of 1,600 at most.
    width, height: the photo's own size after the turn, in pixels.
    """

    pixels: Colour
    width: int
    height: int

    @property
    def scale(self) -> float:
        """Pixels of the photo a working pixel."""
        return self.width / int(self.pixels.shape[1])

    @property
    def outline(self) -> Quad:
        """(4, 2) float32, the corners of the working pixels."""
        return outline((self.pixels.shape[0], self.pixels.shape[1]))

    @cached_property
    def half(self) -> Colour:
        """The working pixels at half their size."""
        return _halved(self.pixels)

    @cached_property
    def quarter(self) -> Colour:
        """The working pixels at a quarter of their size."""
        return _halved(self.half)

    @cached_property
    def pyramid(self) -> tuple[Grey, ...]:
        """Luminance at 1/1, 1/2, 1/4 and 1/8, so that rectifying a large page does not alias."""
        levels: list[Grey] = [np.asarray(cv2.cvtColor(self.pixels, cv2.COLOR_RGB2GRAY), np.uint8)]
        while len(levels) < 4 and min(levels[-1].shape) > 64:
            h, w = levels[-1].shape
            half = cv2.resize(levels[-1], (w // 2, h // 2), interpolation=cv2.INTER_AREA)
            levels.append(np.asarray(half, np.uint8))
        return tuple(levels)


def decode(source: Path | str | bytes | Colour | Grey) -> Photo:
    """Decodes a photo from a file, from bytes or from pixels.

    Raises:
        PhotoError: it is missing, empty, damaged, or of a format that is not read.
        PhotoTooLarge: it has more than 100 MB or 100 megapixels, a JPEG as cameras write them 150.
    """
    if isinstance(source, np.ndarray):
        return _from_pixels(source)
    name = "The photo" if isinstance(source, bytes) else str(source)
    data = source if isinstance(source, bytes) else _read(Path(source))
    if not data:
        raise PhotoError(f"{name} is empty.")
    if len(data) > MAX_PHOTO_BYTES:
        raise PhotoTooLarge(
            f"{name} has {len(data) / 1e6:.0f} MB; at most {MAX_PHOTO_BYTES / 1e6:.0f} MB are read."
        )
    if data.startswith(b"%PDF"):
        raise PhotoError(f"{name} is a PDF, not a photo.")
    _register_heif()
    try:
        with warnings.catch_warnings():
            # Our own limit below speaks for itself.
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=_SUFFIX_FORMATS) as image:
                return _from_image(image, data, name)
    except PhotoError:
        raise
    except MemoryError as error:
        raise PhotoTooLarge(f"{name} needs more memory than there is.") from error
    except Image.DecompressionBombError as error:
        most, of_jpeg = MAX_PHOTO_PIXELS / 1e6, MAX_JPEG_PIXELS / 1e6
        raise PhotoTooLarge(
            f"{name} has too many pixels; at most {most:.0f} megapixels are read, {of_jpeg:.0f} of a JPEG."
        ) from error
    except Exception as error:  # Pillow's decoders raise what they like on damaged data
        raise PhotoError(f"{name} is not a photo that can be read: damaged, or of another format.") from error


def _read(path: Path) -> bytes:
    try:
        if not path.is_file():
            raise PhotoError(f"{path} {_no_file(path)}.")
        if path.stat().st_size > MAX_PHOTO_BYTES:
            raise PhotoTooLarge(f"{path} has more than {MAX_PHOTO_BYTES / 1e6:.0f} MB.")
        return path.read_bytes()
    except (OSError, ValueError) as error:
        raise PhotoError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.") from error


def _no_file(path: Path) -> str:
    """What a path is that is no file."""
    if not path.is_dir():
        return "is not a file" if path.exists() else "does not exist"
    may_read = os.access(path, os.R_OK | os.X_OK)
    return "is a folder, not a photo" if may_read else "is a folder that may not be read"


def _register_heif() -> None:
    import pi_heif

    pi_heif.register_heif_opener()


def _from_image(image: Image.Image, data: bytes, name: str) -> Photo:
    width, height = image.size
    most = _most_pixels(image)
    if width * height > most:
        millions = width * height / 1e6
        raise PhotoTooLarge(f"{name} has {millions:.0f} megapixels; at most {most / 1e6:.0f} are read.")
    if min(width, height) < 16:
        raise PhotoError(f"{name} is too small to show a page: {width} x {height} pixels.")
    shrink = max(1.0, max(width, height) / WORKING_SIDE)
    # JPEG decodes at 1/2, 1/4 or 1/8 for a fraction of the cost; others ignore this.
    image.draft("RGB", (int(width / shrink), int(height / shrink)))
    with _one_at_a_time if width * height > _LARGE_PIXELS else nullcontext():
        pixels = _from_jpeg(image, data)
        if pixels is None:
            pixels = _from_pillow(image)
    if (pixels.shape[1] > pixels.shape[0]) != (width > height):
        width, height = height, width
    return Photo(_working(pixels), width, height)


def _most_pixels(image: Image.Image) -> int:
    # A progressive JPEG comes in passes, between which all of it is kept.
    row_by_row = image.format in ("JPEG", "MPO") and not image.info.get("progressive")
    return MAX_JPEG_PIXELS if row_by_row else MAX_PHOTO_PIXELS


def _from_pillow(image: Image.Image) -> Colour:
    """The pixels of any picture, turned as its EXIF says and opaque."""
    spare = int(max(image.size) / WORKING_SIDE)
    if spare > 1:
        # Before anything else is done to it, or a large photo stands in memory several times over.
        image = _reduced(image, spare)
    ImageOps.exif_transpose(image, in_place=True)
    return eight_bit(image, "RGB")


def _reduced(image: Image.Image, spare: int) -> Image.Image:
    """The picture at 1/spare of its size; of a rare mode, as it is."""
    if image.mode in ("L", "LA", "RGB", "RGBA", "CMYK", "I", "F"):
        return image.reduce(spare)
    mode = {"1": "L", "P": "RGBA" if "transparency" in image.info else "RGB"}.get(image.mode)
    if image.mode.startswith("I;16"):
        mode = "I"
    if mode is None:
        return image
    # Converted first, and so a band at a time: whole, it would take several times as much.
    width, height = image.size
    small = Image.new(mode, (-(-width // spare), -(-height // spare)))
    rows = 64 * spare
    for top in range(0, height, rows):
        band = image.crop((0, top, width, min(top + rows, height)))
        small.paste(band.convert(mode).reduce(spare), (0, top // spare))
    small.info = {name: value for name, value in image.info.items() if name != "transparency"}
    return small


def _from_jpeg(image: Image.Image, data: bytes) -> Colour | None:
    """What Pillow makes of an ordinary JPEG, to the pixel, but straight into an array, without its copies.

    None for all other pictures, damaged ones among them: what becomes of these Pillow says.
    """
    if image.format not in ("JPEG", "MPO") or image.mode not in ("L", "RGB"):
        return None
    if max(image.size) >= 2 * WORKING_SIDE:
        return None  # reduced before it is an array
    width, height = image.size
    try:
        pixels = simplejpeg.decode_jpeg(data, "RGB", min_width=width, min_height=height, strict=True)
    except ValueError:
        return None
    return turned(pixels, image)


def _from_pixels(pixels: NDArray[np.uint8]) -> Photo:
    if pixels.dtype != np.uint8 or pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] != 3):
        raise PhotoError(f"Pixels must be (H, W) or (H, W, 3) uint8, not {pixels.shape} {pixels.dtype}.")
    if min(pixels.shape[:2]) < 16:
        raise PhotoError(
            f"The photo is too small to show a page: {pixels.shape[1]} x {pixels.shape[0]} pixels."
        )
    colour = pixels if pixels.ndim == 3 else np.repeat(pixels[:, :, None], 3, axis=2)
    return Photo(_working(colour), pixels.shape[1], pixels.shape[0])


def _working(pixels: Colour) -> Colour:
    height, width = pixels.shape[:2]
    shrink = max(height, width) / WORKING_SIDE
    if shrink <= 1:
        return np.ascontiguousarray(pixels)
    size = (max(1, round(width / shrink)), max(1, round(height / shrink)))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)


def _halved(pixels: Colour) -> Colour:
    height, width = pixels.shape[:2]
    size = (max(1, width // 2), max(1, height // 2))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)


def side_lengths(quad: Quad) -> tuple[float, float]:
    """How long a quadrilateral is along its first and along its second side: means of opposite sides."""
    sides = [float(np.linalg.norm(quad[k] - quad[(k + 1) % 4])) for k in range(4)]
    return (sides[0] + sides[2]) / 2, (sides[1] + sides[3]) / 2


def rectify(
    photo: Photo, quad: Quad, *, size: tuple[int, int], margin: tuple[int, int] = (0, 0)
) -> tuple[Grey, NDArray[np.bool_]]:
    """Looks at a page straight on.

    Args:
        photo: the photo.
        quad: (4, 2) the page's corners in working pixels, in page order; they may lie outside.
        size: (H, W) of the page in the result.
        margin: (rows, columns) of the page's surroundings to keep on each side.

    Returns:
        (H + 2 rows, W + 2 columns) uint8 luminance, and the same shape bool: seen by the photo. What
        it did not see is filled with the mean of what it saw. Told to within a pixel.
    """
    (h, w), (top, left) = size, margin
    area = max(cv2.contourArea(quad.astype(np.float32)), 1.0)
    wanted = np.sqrt(area / (h * w))
    level = int(np.clip(np.floor(np.log2(max(wanted, 1e-3))), 0, len(photo.pyramid) - 1))
    grey = photo.pyramid[level]
    # Not always a power of two: halving odd sizes rounds.
    ratio = np.array(grey.shape[::-1]) / np.array(photo.pyramid[0].shape[::-1])
    shrunk = (quad + 0.5) * ratio - 0.5
    frame = outline(size) + np.array([left, top], np.float32)
    matrix = np.asarray(cv2.getPerspectiveTransform(shrunk.astype(np.float32), frame), np.float64)
    out = (w + 2 * left, h + 2 * top)
    flat = cv2.warpPerspective(grey, matrix, out, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    if _is_within(grey, matrix, out):
        return np.asarray(flat, np.uint8), np.ones(out[::-1], bool)
    mask = _seen(grey, matrix, out)
    inside = mask > 0
    if inside.any() and not inside.all():
        np.copyto(flat, int(cv2.mean(flat, mask)[0]), where=~inside)
    return np.asarray(flat, np.uint8), inside


def _seen(grey: Grey, matrix: NDArray[np.float64], out: tuple[int, int]) -> NDArray[np.uint8]:
    """(H, W) uint8, not 0 where the picture, (W, H), that a homography makes of an image shows the image."""
    frame = outline((grey.shape[0], grey.shape[1]))
    x, y, depth = matrix @ np.concatenate([frame, np.ones((4, 1))], axis=1).T
    if (depth > 0).all() or (depth < 0).all():
        corners = np.stack([x / depth, y / depth], -1)
        if np.abs(corners).max() < _FARTHEST:
            # The image's own outline, drawn: many times faster than to look up each pixel.
            mask = np.zeros(out[::-1], np.uint8)
            sixteenths = np.round(corners * 16).astype(np.int32)
            return np.asarray(cv2.fillConvexPoly(mask, sixteenths, 1, shift=4), np.uint8)
    ones = np.ones_like(grey)
    return np.asarray(cv2.warpPerspective(ones, matrix, out, flags=cv2.INTER_NEAREST), np.uint8)


def _is_within(grey: Grey, matrix: NDArray[np.float64], out: tuple[int, int]) -> bool:
    """Whether all of a picture, (W, H), that a homography makes of an image comes from within the image."""
    corners = np.array([[0, 0, 1], [out[0] - 1, 0, 1], [out[0] - 1, out[1] - 1, 1], [0, out[1] - 1, 1]])
    x, y, depth = np.linalg.inv(matrix) @ corners.T
    if not (depth > 0).all() and not (depth < 0).all():
        return False  # the horizon runs through it
    # Both are convex, so that the corners tell.
    edges = (x / depth, grey.shape[1] - 1), (y / depth, grey.shape[0] - 1)
    return all((along >= 0).all() and (along <= last).all() for along, last in edges)
