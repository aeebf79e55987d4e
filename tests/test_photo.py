"""Decoding photos of every kind, good and bad, and looking at a part of one straight on."""

from __future__ import annotations

import io
import struct
import threading
import time
import tracemalloc
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import simplejpeg
from numpy.typing import NDArray
from PIL import Image, ImageOps

from whichpage import photo as photos
from whichpage.errors import PhotoError, PhotoTooLarge
from whichpage.photo import Photo, decode, rectify
from whichpage.types import Colour, Quad

FIXTURES = Path(__file__).parent / "fixtures"
RED, GREEN, BLUE, WHITE = (220, 30, 30), (30, 200, 30), (30, 30, 220), (240, 240, 240)


def quarters(height: int = 96, width: int = 64) -> Colour:
    """Upper left red, upper right green, lower left blue, lower right white."""
    pixels = np.zeros((height, width, 3), np.uint8)
    h, w = height // 2, width // 2
    pixels[:h, :w], pixels[:h, w:], pixels[h:, :w], pixels[h:, w:] = RED, GREEN, BLUE, WHITE
    return pixels


def encoded(image: Image.Image | Colour, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(out, kind, **options)
    return out.getvalue()


def quarter_colours(photo: Photo) -> list[list[int]]:
    """The colours in the middle of the four quarters, read as a page is."""
    h, w = photo.pixels.shape[:2]
    return [photo.pixels[y, x].tolist() for y in (h // 4, h * 3 // 4) for x in (w // 4, w * 3 // 4)]


def assert_quarters(photo: Photo, *expected: tuple[int, ...], within: int = 0) -> None:
    assert np.abs(np.array(quarter_colours(photo)) - np.array(expected)).max() <= within


# How the picture lies in the file when EXIF says so: what undoes the turn that EXIF asks for.
STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("turn", STORED)
def test_exif_turns_all_give_the_same_picture(turn: int, kind: str) -> None:
    upright = Image.fromarray(quarters(192, 128))
    stored = upright if (way := STORED[turn]) is None else upright.transpose(way)
    exif = Image.Exif()
    exif[0x0112] = turn
    photo = decode(encoded(stored, kind, exif=exif))
    assert (photo.width, photo.height) == (128, 192)
    assert photo.pixels.shape == (192, 128, 3)
    assert_quarters(photo, RED, GREEN, BLUE, WHITE, within=0 if kind in ("PNG", "TIFF") else 12)


def test_large_jpeg_is_turned_too() -> None:
    """The reduced decoding of large photos keeps their EXIF."""
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = Image.fromarray(quarters(4000, 3000)).transpose(Image.Transpose.ROTATE_90)
    photo = decode(encoded(stored, "JPEG", exif=exif))
    assert (photo.width, photo.height, photo.pixels.shape) == (3000, 4000, (1600, 1200, 3))
    assert_quarters(photo, RED, GREEN, BLUE, WHITE, within=4)
    assert photo.scale == 2.5


def test_heic_of_a_phone_is_turned_once() -> None:
    photo = decode(FIXTURES / "turned.heic")
    assert (photo.width, photo.height) == (64, 96)
    assert_quarters(photo, BLUE, RED, WHITE, GREEN, within=6)
    assert decode((FIXTURES / "turned.heic").read_bytes()).pixels.tolist() == photo.pixels.tolist()


def test_first_picture_of_an_mpo() -> None:
    """Phones and stereo cameras put a second picture behind the JPEG."""
    second = Image.fromarray(np.zeros((192, 128, 3), np.uint8))
    data = encoded(quarters(192, 128), "MPO", save_all=True, append_images=[second])
    assert_quarters(decode(data), RED, GREEN, BLUE, WHITE, within=12)


def test_bmp() -> None:
    assert_quarters(decode(encoded(quarters(), "BMP")), RED, GREEN, BLUE, WHITE)


def test_sixteen_bit_png_keeps_its_greys() -> None:
    ramp = np.linspace(0, 65535, 256).astype(np.uint16)[None].repeat(100, 0)
    photo = decode(encoded(Image.fromarray(ramp), "PNG"))
    assert np.abs(photo.pixels[50].astype(int) - np.arange(256)[:, None]).max() <= 1


def test_samples_below_black_are_black() -> None:
    deep = np.full((60, 100), 100, np.float32)
    deep[:, :50] = -50
    deep[0] = np.nan
    pixels = decode(encoded(Image.fromarray(deep), "TIFF")).pixels
    assert pixels[1:, :50].max() == pixels[0].max() == 0
    assert pixels[1:, 50:].min() == 255


def test_sixteen_bit_png_is_turned() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    deep = np.full((60, 100), 60000, np.uint16)
    deep[:, :50] = 0  # the left of what is stored is the top of what is meant
    photo = decode(encoded(Image.fromarray(deep), "PNG", exif=exif))
    assert (photo.width, photo.height, photo.pixels.shape) == (60, 100, (100, 60, 3))
    assert photo.pixels[:50].max() == 0
    assert photo.pixels[50:].min() > 230


def test_cmyk_jpeg() -> None:
    photo = decode(encoded(Image.fromarray(quarters(192, 128)).convert("CMYK"), "JPEG"))
    assert_quarters(photo, RED, GREEN, BLUE, WHITE, within=12)


def test_grey_and_palette_and_one_bit() -> None:
    grey = Image.fromarray(quarters()).convert("L")
    for image in (grey, grey.convert("P")):
        pixels = decode(encoded(image, "PNG")).pixels
        assert np.abs(pixels - np.asarray(grey)[..., None].astype(int)).max() <= 1
    assert set(decode(encoded(grey.convert("1"), "PNG")).pixels.ravel().tolist()) == {0, 255}


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_see_through_is_white(kind: str) -> None:
    """A cut-out scan lies on white: invisible colour beneath must not show."""
    alpha = np.full((96, 64, 1), 255, np.uint8)
    alpha[48:] = 0
    alpha[:48, 32:] = 128
    layered = np.concatenate([quarters(), alpha], -1)
    photo = decode(encoded(Image.fromarray(layered), kind, lossless=True))
    half = tuple((c * 128 + 255 * 127) // 255 for c in GREEN)
    assert_quarters(photo, RED, half, (255, 255, 255), (255, 255, 255), within=2)


def test_see_through_palette_is_white() -> None:
    image = Image.fromarray(quarters()).quantize(4)
    index = image.getpixel((16, 72))  # blue
    photo = decode(encoded(image, "GIF", transparency=index))
    assert_quarters(photo, RED, GREEN, (255, 255, 255), WHITE, within=12)


def test_webp_and_path_as_text(tmp_path: Path) -> None:
    path = tmp_path / "写真 é.webp"
    path.write_bytes(encoded(quarters(), "WEBP", lossless=True))
    for source in (path, str(path), path.read_bytes()):
        assert_quarters(decode(source), RED, GREEN, BLUE, WHITE)


def test_pixels_are_taken_as_they_are() -> None:
    assert decode(quarters()).pixels.tolist() == quarters().tolist()
    grey = quarters()[..., 0]
    assert (decode(grey).pixels == grey[..., None]).all()
    large = decode(np.zeros((3200, 100), np.uint8))
    assert (large.pixels.shape, large.scale, large.width, large.height) == ((1600, 50, 3), 2.0, 100, 3200)


@pytest.mark.parametrize(
    "pixels",
    [np.zeros((96, 64), np.float32), np.zeros((96, 64, 4), np.uint8), np.zeros(96, np.uint8)],
    ids=["float", "four channels", "one row"],
)
def test_pixels_of_other_kinds_are_refused(pixels: NDArray[np.uint8]) -> None:
    with pytest.raises(PhotoError, match="Pixels must be"):
        decode(pixels)


@pytest.mark.parametrize("size", [(15, 900), (900, 15), (1, 1)])
def test_photo_too_small_for_a_page(size: tuple[int, int]) -> None:
    pixels = np.zeros((*size, 3), np.uint8)
    for source in (pixels, encoded(pixels, "PNG")):
        with pytest.raises(PhotoError, match=rf"too small to show a page: {size[1]} x {size[0]} pixels"):
            decode(source)


def test_long_strip_has_all_its_sizes() -> None:
    """Scaled down, a strip of 16 x 20,000 pixels is 1 wide: half of that is still a picture."""
    photo = decode(np.full((20_000, 16, 3), 200, np.uint8))
    assert (photo.height, photo.width) == (20_000, 16)
    assert min(photo.half.shape[:2]) >= 1
    assert int(photo.half.min()) == 200
    flat, _ = rectify(photo, np.array([[0, 0], [0.9, 0], [0.9, 1500], [0, 1500]], np.float32), size=(80, 56))
    assert int(flat.min()) == 200


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda path: None, "does not exist"),
        (lambda path: path.mkdir(), "is a folder, not a photo"),
        (lambda path: path.write_bytes(b"%PDF-1.4"), "is a PDF, not a photo"),
        (lambda path: path.write_bytes(b""), "is empty"),
        (lambda path: path.write_bytes(b"GIF89a and nothing"), "is not a photo that can be read"),
        (lambda path: path.write_text("<html>"), "is not a photo that can be read"),
        (lambda path: path.write_bytes(encoded(quarters(), "JPEG")[:700]), "is not a photo that can be read"),
        (lambda path: path.write_bytes(encoded(quarters(), "PNG")[:100]), "is not a photo that can be read"),
        (
            lambda path: path.write_bytes((FIXTURES / "turned.heic").read_bytes()[:500]),
            "is not a photo that can be read",
        ),
        (lambda path: path.write_bytes(encoded(quarters(), "ICO")), "is not a photo that can be read"),
    ],
    ids=["missing", "folder", "pdf", "empty", "gif", "html", "cut jpeg", "cut png", "cut heic", "icon"],
)
def test_bad_file_is_one_sentence(make: object, sentence: str, tmp_path: Path) -> None:
    assert callable(make)
    path = tmp_path / "photo.jpg"
    make(path)
    with pytest.raises(PhotoError) as caught:
        decode(path)
    assert str(caught.value).startswith(f"{path} {sentence}")
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)


def test_a_folder_that_may_not_be_read_is_said_to_be_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: False)  # root may read all there is
    with pytest.raises(PhotoError, match="is a folder that may not be read"):
        decode(tmp_path)


def test_bad_bytes_have_a_name_too() -> None:
    with pytest.raises(PhotoError, match=r"^The photo is empty\.$"):
        decode(b"")
    with pytest.raises(PhotoError, match=r"^The photo is not a photo that can be read"):
        decode(b"rubbish" * 99)


def test_path_that_no_system_takes() -> None:
    with pytest.raises(PhotoError, match=r"cannot be read|does not exist"):
        decode("a\0b.jpg")


def png_that_claims(width: int, height: int) -> bytes:
    """A PNG of a few hundred bytes whose header promises any number of pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    content = zlib.compress(bytes(1 << 16))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", content) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("mode", "kind"), [("I;16", "PNG"), ("I", "TIFF"), ("F", "TIFF"), ("P", "PNG"), ("1", "PNG")]
)
def test_large_photo_is_reduced_before_it_is_converted(mode: str, kind: str) -> None:
    """Left half black, right half white; ten megapixels, whose arrays would take 30 MB and more."""
    white = {"I;16": 65535, "I": 65535, "F": 1000.0, "P": 255, "1": 1}[mode]
    image = Image.new(mode, (6400, 1600))
    image.paste(white, (3200, 0, 6400, 1600))
    if mode == "P":
        image.putpalette([value for value in range(256) for _ in range(3)])
    data = encoded(image, kind, **({"compression": "tiff_adobe_deflate"} if kind == "TIFF" else {}))
    tracemalloc.start()
    try:
        photo = decode(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (photo.width, photo.height, photo.pixels.shape) == (6400, 1600, (400, 1600, 3))
    assert photo.pixels[:, :799].max() == 0
    assert photo.pixels[:, 801:].min() >= 254
    assert peak < 15e6


def test_large_palette_is_turned_and_see_through_is_white() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    image = Image.fromarray(quarters(3000, 4001)).quantize(4)
    index = image.getpixel((100, 2900))  # blue, lower left: upper left once it is turned to the right
    photo = decode(encoded(image, "PNG", exif=exif, transparency=index))
    assert (photo.width, photo.height) == (3000, 4001)
    assert_quarters(photo, (255, 255, 255), RED, WHITE, GREEN, within=12)


@pytest.mark.parametrize("large", [True, False])
def test_large_photos_are_decoded_one_at_a_time(large: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(photos, "_LARGE_PIXELS", 96 * 64 - large)
    inside = threading.Semaphore(1)
    together = []

    def note(image: Image.Image) -> Colour:
        alone = inside.acquire(timeout=0.2)
        together.append(not alone)
        time.sleep(0.4)
        if alone:
            inside.release()
        return np.asarray(image)

    monkeypatch.setattr(photos, "_from_pillow", note)
    data = encoded(quarters(), "PNG")
    with ThreadPoolExecutor(3) as threads:
        assert [photo.width for photo in threads.map(decode, [data] * 3)] == [64] * 3
    assert any(together) is not large


def test_pixel_bomb_is_refused_by_its_header() -> None:
    began = time.perf_counter()
    with pytest.raises(PhotoTooLarge, match=r"has 130 megapixels; at most 100 are read\."):
        decode(png_that_claims(13_000, 10_000))
    with pytest.raises(
        PhotoTooLarge, match=r"has too many pixels; at most 100 megapixels are read, 150 of a JPEG\."
    ):
        decode(png_that_claims(60_000, 60_000))  # Pillow itself refuses this one
    with pytest.raises(PhotoError):
        decode(png_that_claims(10_000, 9_000))  # not too many, but not there
    assert time.perf_counter() - began < 3


def test_limit_of_pixels_is_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(photos, "MAX_PHOTO_PIXELS", 96 * 64)
    assert decode(encoded(quarters(), "PNG")).width == 64
    with pytest.raises(PhotoTooLarge):
        decode(encoded(quarters(97, 64), "PNG"))


def test_jpeg_of_more_pixels_is_read_unless_it_comes_in_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(photos, "MAX_PHOTO_PIXELS", 96 * 64 - 1)
    monkeypatch.setattr(photos, "MAX_JPEG_PIXELS", 96 * 64)
    assert decode(encoded(quarters(), "JPEG")).width == 64
    for data in (
        encoded(quarters(), "JPEG", progressive=True),
        encoded(quarters(), "PNG"),
        encoded(quarters(97, 64), "JPEG"),
    ):
        with pytest.raises(PhotoTooLarge):
            decode(data)


def test_photo_of_108_megapixels(monkeypatch: pytest.MonkeyPatch) -> None:
    """A quarter of it black; decoded at a quarter of its sides."""
    page = np.full((9000, 12000, 1), 255, np.uint8)
    page[:4500, :6000] = 0
    stood: list[tuple[int, ...]] = []
    decode_jpeg = simplejpeg.decode_jpeg

    def note(*args: Any, **options: Any) -> NDArray[np.uint8]:
        pixels: NDArray[np.uint8] = decode_jpeg(*args, **options)
        stood.append(pixels.shape[:2])
        return pixels

    monkeypatch.setattr(simplejpeg, "decode_jpeg", note)
    photo = decode(simplejpeg.encode_jpeg(page, colorspace="GRAY"))
    assert stood == [(2250, 3000)]
    assert (photo.width, photo.height, photo.pixels.shape) == (12000, 9000, (1200, 1600, 3))
    assert photo.pixels[:590, :790].max() < 10
    assert photo.pixels[610:].min() > 245


def test_file_of_too_many_bytes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(encoded(quarters(), "PNG"))
    monkeypatch.setattr(photos, "MAX_PHOTO_BYTES", path.stat().st_size)
    assert decode(path).width == 64
    monkeypatch.setattr(photos, "MAX_PHOTO_BYTES", path.stat().st_size - 1)
    for source in (path, path.read_bytes()):
        with pytest.raises(PhotoTooLarge, match="MB"):
            decode(source)


def test_twelve_megapixel_jpeg_is_decoded_reduced(monkeypatch: pytest.MonkeyPatch) -> None:
    """JPEG skips what is not needed: at 3024 pixels of long side a half is the smallest that will do."""
    asked: list[tuple[int, int]] = []
    decode_jpeg = simplejpeg.decode_jpeg

    def note(*args: Any, **options: Any) -> NDArray[np.uint8]:
        pixels: NDArray[np.uint8] = decode_jpeg(*args, **options)
        asked.append((pixels.shape[0], pixels.shape[1]))
        return pixels

    data = encoded(quarters(4032, 3024), "JPEG")
    monkeypatch.setattr(simplejpeg, "decode_jpeg", note)
    photo = decode(data)
    assert asked == [(2016, 1512)]
    assert photo.pixels.shape == (1600, 1200, 3)
    assert (photo.width, photo.height) == (3024, 4032)
    assert photo.scale == pytest.approx(2.52)
    assert_quarters(photo, RED, GREEN, BLUE, WHITE, within=3)


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("progressive", [False, True])
def test_jpeg_has_the_pixels_that_pillow_reads(mode: str, progressive: bool) -> None:
    dice = np.random.default_rng(3)
    smooth = cv2.resize(
        dice.integers(0, 255, (20, 30, 3), np.uint8), (301, 203), interpolation=cv2.INTER_CUBIC
    )
    data = encoded(Image.fromarray(smooth).convert(mode), "JPEG", quality=80, progressive=progressive)
    expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    np.testing.assert_array_equal(decode(data).pixels, expected)


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
@pytest.mark.parametrize(("height", "width"), [(3301, 2467), (2449, 6603)])
def test_large_jpeg_has_the_pixels_that_pillow_reads(subsampling: str, height: int, width: int) -> None:
    """At a half and at a quarter of its size."""
    dice = np.random.default_rng(4)
    noise = dice.integers(0, 255, (height // 40, width // 40, 3), np.uint8)
    smooth = cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(Image.fromarray(smooth), "JPEG", subsampling=subsampling, exif=exif)
    image = Image.open(io.BytesIO(data))
    shrink = max(height, width) / photos.WORKING_SIDE
    image.draft("RGB", (int(width / shrink), int(height / shrink)))
    expected = np.asarray(ImageOps.exif_transpose(image))
    assert expected.shape[0] < width
    shrink = max(expected.shape) / photos.WORKING_SIDE
    size = (round(expected.shape[1] / shrink), round(expected.shape[0] / shrink))
    expected = cv2.resize(expected, size, interpolation=cv2.INTER_AREA)
    np.testing.assert_array_equal(decode(data).pixels, expected)


def test_jpeg_with_stray_bytes_is_what_pillow_makes_of_it(capfd: pytest.CaptureFixture[str]) -> None:
    """Such as editors leave behind; nothing is said of it."""
    data = encoded(quarters(400, 300), "JPEG", restart_marker_rows=1)
    at = data.rindex(b"\xff\xd3")
    stray = data[:at] + bytes(40) + data[at:]
    with pytest.raises(ValueError, match="marker"):
        simplejpeg.decode_jpeg(stray, "RGB")
    np.testing.assert_array_equal(decode(stray).pixels, np.asarray(Image.open(io.BytesIO(stray))))
    assert capfd.readouterr() == ("", "")


def test_small_photo_keeps_its_size() -> None:
    photo = decode(quarters(1600, 1200))
    assert (photo.pixels.shape, photo.scale) == ((1600, 1200, 3), 1.0)


def test_pyramid_halves_by_means() -> None:
    pixels = np.random.RandomState(0).randint(0, 256, (640, 480, 3)).astype(np.uint8)
    photo = decode(pixels)
    assert [level.shape for level in photo.pyramid] == [(640, 480), (320, 240), (160, 120), (80, 60)]
    luminance = pixels @ np.array([0.299, 0.587, 0.114])
    for power, level in enumerate(photo.pyramid):
        n = 2**power
        expected = luminance.reshape(640 // n, n, 480 // n, n).mean((1, 3))
        assert np.abs(level - expected).max() <= 0.5 * (power + 1) + 0.01
    colours = pixels.reshape(320, 2, 240, 2, 3).mean((1, 3))
    assert np.abs(photo.half - colours).max() <= 0.5


def wave(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """A smooth picture on the unit square, grey levels 28 to 228."""
    return np.asarray(128 + 60 * np.sin(5 * x + 2 * y) + 40 * np.cos(7 * y - 3 * x))


CORNERS = np.array([[210, 150], [980, 240], [1040, 1130], [90, 1210]], np.float32)


def waving_photo(size: tuple[int, int] = (1400, 1100)) -> Photo:
    """A photo of `wave` on a plane, the unit square's corners at CORNERS; computed, not resampled."""
    back = cv2.getPerspectiveTransform(CORNERS, np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32))
    ys, xs = np.mgrid[0 : size[0], 0 : size[1]].astype(np.float64)
    x, y, depth = np.einsum("ij,jhw->ihw", back, np.stack([xs, ys, np.ones_like(xs)]))
    return decode(np.round(wave(x / depth, y / depth)).astype(np.uint8))


@pytest.mark.parametrize("size", [(960, 672), (480, 336), (240, 168), (120, 84), (336, 480)])
def test_rectifying_undoes_the_perspective(size: tuple[int, int]) -> None:
    flat, seen = rectify(waving_photo(), CORNERS, size=size)
    assert flat.shape == seen.shape == size
    assert seen.all()
    ys, xs = np.mgrid[0 : size[0], 0 : size[1]]
    expected = wave((xs + 0.5) / size[1], (ys + 0.5) / size[0])
    assert np.abs(flat - expected).max() < 2
    assert np.abs(flat - expected).mean() < 0.6


def test_rectifying_turned_corners_turns_the_page() -> None:
    photo = waving_photo()
    upright, _ = rectify(photo, CORNERS, size=(300, 300))
    for turn in (1, 2, 3):
        turned, _ = rectify(photo, np.roll(CORNERS, -turn, axis=0), size=(300, 300))
        assert np.abs(turned.astype(int) - np.rot90(upright, turn)).max() <= 2


def test_margin_shows_the_surroundings() -> None:
    size, margin = (480, 336), (30, 20)
    flat, seen = rectify(waving_photo(), CORNERS, size=size, margin=margin)
    assert flat.shape == (540, 376)
    assert seen.all()
    ys, xs = np.mgrid[0:540, 0:376]
    expected = wave((xs - 20 + 0.5) / 336, (ys - 30 + 0.5) / 480)
    assert np.abs(flat - expected).max() < 2.5


@pytest.mark.parametrize(
    ("corners", "whole"),
    [
        ([[0, 0], [599, 0], [599, 899], [0, 899]], True),
        ([[-12, 0], [599, 0], [599, 899], [-12, 899]], False),
        ([[0, 0], [599, 0], [640, 899], [0, 899]], False),
        ([[100, 80], [500, 140], [560, 800], [40, 760]], True),
        ([[250, 300], [350, 300], [350, 310], [250, 310]], True),
        ([[290, 10], [310, 10], [3000, 890], [-2400, 890]], False),
    ],
)
def test_what_the_photo_saw_is_told_pixel_by_pixel(corners: list[list[float]], whole: bool) -> None:
    """As where each pixel of the page comes from says."""
    quad = np.array(corners, np.float32)
    flat, seen = rectify(decode(np.full((900, 600), 90, np.uint8)), quad, size=(96, 64))
    frame = np.array([[0, 0], [64, 0], [64, 96], [0, 96]], np.float32) - 0.5
    ys, xs = np.mgrid[0:96, 0:64].astype(np.float32)
    to_photo = cv2.getPerspectiveTransform(frame, quad)
    from_x, from_y = cv2.perspectiveTransform(np.stack([xs, ys], -1).reshape(1, -1, 2), to_photo)[0].T
    within = (from_x > -0.5) & (from_x < 599.5) & (from_y > -0.5) & (from_y < 899.5)
    assert seen.all() == whole
    # A pixel on the border may fall on either side of it, in a photo that was halved more so.
    assert np.mean(seen.ravel() == within) > 0.97
    assert (flat == 90).all()


def test_what_the_photo_saw_of_any_quadrilateral(monkeypatch: pytest.MonkeyPatch) -> None:
    """The outline of the photo is drawn, or where it runs off towards the horizon, each pixel looked up."""
    drawn: list[int] = []
    draw = cv2.fillConvexPoly

    def noted(mask: NDArray[np.uint8], *args: Any, **kwargs: Any) -> Any:
        drawn.append(tried)
        return draw(mask, *args, **kwargs)

    monkeypatch.setattr(cv2, "fillConvexPoly", noted)
    dice = np.random.RandomState(3)
    photo = decode(np.full((900, 600), 90, np.uint8))
    unit = np.array([[0, 0], [1, 0], [1, 1], [0, 1]])
    frame = np.array([[0, 0], [64, 0], [64, 96], [0, 96]], np.float32) - 0.5
    ys, xs = np.mgrid[0:96, 0:64].astype(float)
    near = [(dx, dy) for dx in np.linspace(-1.5, 1.5, 7) for dy in np.linspace(-1.5, 1.5, 7)]
    tried = 0
    while tried < 100:
        quad = ((unit + dice.normal(0, 0.3, (4, 2))) * [600, 900] * dice.uniform(0.5, 3)).astype(np.float32)
        if not cv2.isContourConvex(quad):
            continue
        tried += 1
        to_photo = np.asarray(cv2.getPerspectiveTransform(frame, quad), np.float64)

        def within(dx: float, dy: float, to_photo: NDArray[np.float64] = to_photo) -> NDArray[np.bool_]:
            pixels = np.stack([xs + dx, ys + dy, np.ones_like(xs)])
            x, y, depth = np.einsum("ij,jhw->ihw", to_photo, pixels)
            inside = (x > -0.5 * depth) & (x < 599.5 * depth) & (y > -0.5 * depth) & (y < 899.5 * depth)
            return np.asarray(inside)

        _, seen = rectify(photo, quad, size=(96, 64))
        # On the outline itself a pixel may fall on either side.
        around = np.stack([within(dx, dy) for dx, dy in near])
        assert not (seen & ~around.any(0)).any()
        assert seen[around.all(0)].all()
    assert 20 < len(drawn) < 95


def test_what_the_photo_did_not_see_is_its_mean() -> None:
    """The page's left third lies outside the photo."""
    pixels = np.random.RandomState(1).randint(40, 60, (900, 600)).astype(np.uint8)
    quad: Quad = np.array([[-300, 0], [600, 0], [600, 900], [-300, 900]], np.float32) - 0.5
    flat, seen = rectify(decode(pixels), quad, size=(480, 336))
    assert not seen[:, :111].any()
    assert seen[:, 114:].all()
    unseen = np.unique(flat[~seen]).tolist()
    assert len(unseen) == 1
    assert unseen[0] == pytest.approx(flat[seen].mean(), abs=1)
    assert 48 <= unseen[0] <= 52


def test_page_quite_outside_the_photo() -> None:
    quad: Quad = np.array([[2000, 0], [2600, 0], [2600, 900], [2000, 900]], np.float32)
    _, seen = rectify(decode(np.full((900, 600), 90, np.uint8)), quad, size=(480, 336))
    assert not seen.any()


def test_large_page_does_not_alias() -> None:
    """Lines two pixels wide, shrunk six times, are even grey; picked pixels would be stripes."""
    stripes = np.zeros((1600, 1200), np.uint8)
    stripes[:, ::4] = stripes[:, 1::4] = 255
    quad: Quad = np.array([[0, 0], [1200, 0], [1200, 1600], [0, 1600]], np.float32) - 0.5
    flat, _ = rectify(decode(stripes), quad, size=(266, 200))
    assert np.abs(flat[2:-2, 2:-2].astype(int) - 127).max() <= 2
