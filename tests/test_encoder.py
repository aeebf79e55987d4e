"""Codes: the order of bits, what preprocessing forgives, bad model files, and the shipped model's codes."""

from __future__ import annotations

import hashlib
from pathlib import Path

import golden
import numpy as np
import pytest
from books import TINY_MODEL
from drawn import text_page
from onnx_file import write_identity, write_one_view

from whichpage.bits import sign_bits
from whichpage.encoder import SHIPPED_ENCODER, Encoder, model_id
from whichpage.errors import ModelError
from whichpage.types import PageCodes

# Processors and ONNX Runtime versions round differently: a number near 0 may change its sign.
BITS_THAT_MAY_DIFFER = 4


@pytest.fixture(scope="module")
def tiny() -> Encoder:
    """Not a network: each number is the mean of a cell of the page less the page's mean."""
    return Encoder.load(TINY_MODEL)


def test_each_number_comes_from_its_part_of_the_page(tiny: Encoder) -> None:
    page = np.zeros((320, 224), np.uint8)
    page[300:, :14] = 255  # the lowest left cell: row 15, column 0
    codes = tiny.encode([page])
    lone = np.zeros(256, np.float32)
    lone[15 * 16] = 255
    np.testing.assert_allclose(codes.vectors[0, 0], lone - 255 / 256, atol=1e-3)
    assert codes.bits[0, 0].tolist() == [0] * 30 + [128, 0]
    assert not codes.bits[0, 1].any()


def test_shape_of_the_page_does_not_matter(tiny: Encoder) -> None:
    """Enlarged by whole numbers, each its own way, a page is shrunk back to the very same."""
    page = np.random.RandomState(5).randint(0, 256, (320, 224)).astype(np.uint8)
    enlarged = [page.repeat(down, 0).repeat(across, 1) for down, across in ((1, 1), (2, 2), (3, 1), (1, 4))]
    codes = tiny.encode(enlarged)
    for other in range(1, 4):
        np.testing.assert_array_equal(codes.vectors[other], codes.vectors[0])
        np.testing.assert_array_equal(codes.bits[other], codes.bits[0])
    assert codes.bits[0].any()


def test_small_page_is_enlarged_smoothly(tiny: Encoder) -> None:
    ys, xs = np.mgrid[0:320, 0:224]
    ramp = (ys * 0.5 + xs * 0.4).astype(np.uint8)
    small = ((np.mgrid[0:80, 0:56][0] * 4 + 1.5) * 0.5 + (np.mgrid[0:80, 0:56][1] * 4 + 1.5) * 0.4).astype(
        np.uint8
    )
    codes = tiny.encode([ramp, small])
    assert np.abs(codes.vectors[0] - codes.vectors[1]).max() < 1
    assert np.abs(codes.vectors[0]).max() > 80


def test_batches_change_nothing(tiny: Encoder) -> None:
    pages = [np.random.RandomState(seed).randint(0, 256, (320, 224)).astype(np.uint8) for seed in range(19)]
    together = tiny.encode(pages)
    assert together.bits.shape == (19, 3, 32)
    for place in (0, 7, 8, 18):
        alone = tiny.encode([pages[place]])
        np.testing.assert_allclose(together.vectors[place], alone.vectors[0], atol=1e-4)
        np.testing.assert_array_equal(together.bits[place], sign_bits(together.vectors[place]))


def test_no_pages_have_no_codes(tiny: Encoder) -> None:
    codes = tiny.encode([])
    assert codes.bits.shape == (0, 3, 32)
    assert codes.vectors.shape == (0, 3, 256)


def test_model_id_is_of_the_content(tiny: Encoder, tmp_path: Path) -> None:
    assert tiny.model_id == hashlib.sha256(TINY_MODEL.read_bytes()).hexdigest()[:16]
    copy = tmp_path / "other name.onnx"
    copy.write_bytes(TINY_MODEL.read_bytes())
    assert model_id(copy) == tiny.model_id
    assert model_id() == model_id(SHIPPED_ENCODER) != tiny.model_id
    with pytest.raises(ModelError, match=r"none\.onnx cannot be read"):
        model_id(tmp_path / "none.onnx")


def test_missing_model(tmp_path: Path) -> None:
    for path in (tmp_path / "none.onnx", tmp_path):
        with pytest.raises(ModelError, match="There is no model file"):
            Encoder.load(path)


@pytest.mark.parametrize("kind", ["empty", "garbage", "truncated"])
def test_file_that_is_no_model(kind: str, tmp_path: Path) -> None:
    contents = {
        "empty": b"",
        "garbage": b"\x89PNG" * 99,
        "truncated": TINY_MODEL.read_bytes()[:600],
    }
    (tmp_path / "bad.onnx").write_bytes(contents[kind])
    with pytest.raises(ModelError, match=r"bad\.onnx is not a"):
        Encoder.load(tmp_path / "bad.onnx")


@pytest.mark.parametrize(
    "shape", [("n", 1, 320, 224), ("n", 3, 256), ("n", 1, 224, 320), ("n", 1, "h", "w"), ("n", 1, 4096, 256)]
)
def test_model_of_other_shapes(shape: tuple[int | str, ...], tmp_path: Path) -> None:
    """A model that returns its input can never map (N, 1, 320, 224) to (N, 3, 256)."""
    path = write_identity(tmp_path / "other.onnx", shape)
    with pytest.raises(ModelError, match="is not a whichpage encoder: it maps"):
        Encoder.load(path)


def test_encoder_may_have_another_size_and_the_page_alone(tiny: Encoder, tmp_path: Path) -> None:
    """Half as large, its cells are the same parts of the page: so are its numbers, but for rounding."""
    small = Encoder.load(write_one_view(tmp_path / "one.onnx", height=160, width=112))
    assert (small.size, small.views) == ((160, 112), ("page",))
    assert (tiny.size, tiny.views) == ((320, 224), ("page", "upper", "lower"))
    pages = [np.random.RandomState(k).randint(0, 256, (32, 28)).astype(np.uint8) for k in range(20)]
    pages = [page.repeat(30, 0).repeat(24, 1) for page in pages]
    one, all_views = small.encode(pages), tiny.encode(pages)
    assert (one.bits.shape, one.vectors.shape) == ((20, 1, 32), (20, 1, 256))
    np.testing.assert_allclose(one.vectors[:, 0], all_views.vectors[:, 0], atol=2)
    assert float(np.abs(one.vectors).max()) > 50
    np.testing.assert_array_equal(one.bits, sign_bits(one.vectors))
    assert small.encode([]).bits.shape == (0, 1, 32)


def test_encoder_of_any_size_says_which_it_is_given(tmp_path: Path) -> None:
    fixed = Encoder.load(write_one_view(tmp_path / "fixed.onnx", height=160, width=112))
    free = Encoder.load(write_one_view(tmp_path / "free.onnx", height=160, width=112, said="160x112"))
    assert free.size == (160, 112)
    page = np.random.RandomState(1).randint(0, 256, (300, 200)).astype(np.uint8)
    np.testing.assert_array_equal(free.encode([page]).vectors, fixed.encode([page]).vectors)
    for said in ("", "160", "160x", "160x112x3", "9x9", "160x4096", "wide x high"):
        with pytest.raises(ModelError, match="is not a whichpage encoder: it maps"):
            Encoder.load(write_one_view(tmp_path / "bad.onnx", height=160, width=112, said=said))


@pytest.fixture(scope="module")
def shipped() -> Encoder:
    return Encoder.load()


def test_golden_codes_are_of_the_shipped_model(shipped: Encoder) -> None:
    assert golden.read()[1] == shipped.model_id, "the model was replaced: run tests/golden.py"


def test_shipped_model_gives_its_golden_codes(shipped: Encoder) -> None:
    kept, _ = golden.read()
    codes = shipped.encode(golden.pages())
    assert differing_bits(codes, kept).max() <= BITS_THAT_MAY_DIFFER
    dots = (codes.vectors * kept.vectors).sum(-1)
    lengths = np.linalg.norm(codes.vectors, axis=-1) * np.linalg.norm(kept.vectors, axis=-1)
    assert (dots / lengths).min() > 0.9995
    np.testing.assert_array_equal(codes.bits, sign_bits(codes.vectors))


def test_golden_codes_tell_pages_apart() -> None:
    """Were all codes alike, the test above could not fail."""
    kept, _ = golden.read()
    assert differing_bits(PageCodes(kept.bits[:1], kept.vectors[:1]), kept)[1].min() > 20
    assert (np.unpackbits(kept.bits, axis=-1).mean(-1) > 0.25).all()
    assert (np.unpackbits(kept.bits, axis=-1).mean(-1) < 0.75).all()


def test_shipped_model_sees_through_light_and_noise(shipped: Encoder) -> None:
    pages = [text_page(seed) for seed in range(4)]
    noise = np.random.RandomState(0).normal(0, 8, pages[0].shape)
    shade = np.linspace(0.9, 0.45, 672)
    dim = [np.clip(page * shade + noise, 0, 255).astype(np.uint8) for page in pages]
    clean, seen = shipped.encode(pages), shipped.encode(dim)
    distances = (np.unpackbits(seen.bits[:, None] ^ clean.bits[None], axis=-1)).sum(-1)[..., 0]
    assert distances.argmin(1).tolist() == [0, 1, 2, 3]
    assert distances.diagonal().max() < 25


def differing_bits(codes: PageCodes, others: PageCodes) -> np.ndarray:
    """(N, 3) Hamming distances."""
    return np.asarray(np.unpackbits(codes.bits ^ others.bits, axis=-1).sum(-1))
