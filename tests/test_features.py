"""Local features: how they are kept, where their numbers come from, bad models, the shipped one's codes."""

from __future__ import annotations

import base64
from pathlib import Path

import cv2
import numpy as np
import pytest
from books import TINY_MODEL
from drawn import text_page
from numpy.typing import NDArray
from onnx_file import write_features, write_identity

from whichpage.contrast import local_contrast
from whichpage.encoder import SHIPPED_ENCODER, model_id
from whichpage.errors import ModelError
from whichpage.features import (
    OF_PAGE,
    SHIPPED_FEATURES,
    FeatureExtractor,
    LocalFeatures,
    _sampled,
    pack,
    unpack,
    unpack_many,
)
from whichpage.keypoints import detect
from whichpage.sources import thumbnail
from whichpage.types import Grey


def random_features(count: int, *, seed: int, size: tuple[int, int] = (480, 336)) -> LocalFeatures:
    dice = np.random.RandomState(seed)
    points = dice.uniform(0, size[::-1], (count, 2)).astype(np.float32)
    return LocalFeatures(points, dice.normal(0, 1, (count, 128)).astype(np.float32), size)


def random_words(count: int, *, seed: int) -> NDArray[np.uint8]:
    return np.random.RandomState(seed).randint(0, 256, (count, 16)).astype(np.uint8)


def said(words: NDArray[np.uint8]) -> str:
    """As a model's file says its visual words."""
    return base64.b64encode(words.tobytes()).decode()


def differing(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> int:
    return sum((a ^ b).bit_count() for a, b in zip(one.tolist(), other.tolist(), strict=True))


# --- as they are kept ---


def test_code_is_the_signs_the_first_the_highest_bit() -> None:
    features = random_features(9, seed=1)
    for vector, code in zip(features.vectors, features.codes, strict=True):
        bits = "".join("1" if number > 0 else "0" for number in vector.tolist())
        assert code.tolist() == [int(bits[k : k + 8], 2) for k in range(0, 128, 8)]


def test_packed_features_are_the_same_but_for_half_a_step() -> None:
    features, words = random_features(50, seed=2), random_words(300, seed=3)
    packed = pack(features, words)
    assert len(packed) == 4 + 20 * 50
    page = unpack(packed)
    assert page.size == (480, 336)
    np.testing.assert_array_equal(page.codes, features.codes)
    step = 480 / 255
    np.testing.assert_allclose(page.points, step * np.round(features.points / step), atol=1e-3)
    assert np.abs(page.points - features.points).max() <= step / 2 + 1e-3
    for code, word in zip(page.codes, page.words.tolist(), strict=True):
        distances = [differing(code, other) for other in words]
        assert distances[word] == min(distances)
    assert page.words.dtype == np.uint16
    assert page.words.max() > 255


@pytest.mark.parametrize("size", [(480, 336), (336, 480), (1100, 150)])
def test_points_of_any_page_are_kept_to_half_a_step(size: tuple[int, int]) -> None:
    """A step is a 255th of the longer side."""
    features = random_features(4, seed=4, size=size)
    height, width = size
    corners = np.array([[0, 0], [width - 1, 0], [0, height - 1], [width - 1, height - 1]], np.float32)
    page = unpack(pack(LocalFeatures(corners, features.vectors, size), random_words(5, seed=1)))
    assert page.size == size
    np.testing.assert_allclose(page.points, corners, atol=max(size) / 510 + 1e-3)


def test_no_features_are_kept_as_their_size_alone() -> None:
    packed = pack(random_features(0, seed=1), random_words(5, seed=1))
    assert len(packed) == 4
    assert unpack(packed).size == (480, 336)
    for page in (unpack(packed), unpack(b"")):
        assert (page.points.shape, page.codes.shape, page.words.shape) == ((0, 2), (0, 16), (0,))


def test_many_pages_are_unpacked_as_each_by_itself() -> None:
    counts = (3, 0, 5, 3, 1, 0, 3)
    words = random_words(300, seed=6)
    packed = [pack(random_features(count, seed=k), words) for k, count in enumerate(counts)]
    packed[5:5] = [b"", b""]
    of, codes, numbers = unpack_many(packed)
    found = [
        (int(page), code.tobytes(), int(word)) for page, code, word in zip(of, codes, numbers, strict=True)
    ]
    one_by_one = [
        (number, code.tobytes(), int(word))
        for number, page in enumerate(map(unpack, packed))
        for code, word in zip(page.codes, page.words, strict=True)
    ]
    assert sorted(found) == sorted(one_by_one)
    assert len(set(found)) == sum(counts)
    for nothing in ([], [b""], [packed[1], b""]):
        assert [len(part) for part in unpack_many(nothing)] == [0, 0, 0]


# --- where the numbers come from ---


def bilinear(cells: NDArray[np.float32], x: float, y: float) -> NDArray[np.float64]:
    """(D,) the cells (D, h, w) of eight pixels each at a pixel; beyond the outermost middles it is theirs."""
    _, rows, columns = cells.shape
    u, v = min(max((x - 3.5) / 8, 0), columns - 1), min(max((y - 3.5) / 8, 0), rows - 1)
    total = np.zeros(len(cells))
    for row in range(rows):
        for column in range(columns):
            share = max(0.0, 1 - abs(u - column)) * max(0.0, 1 - abs(v - row))
            total += share * cells[:, row, column]
    return total


@pytest.mark.parametrize("shape", [(5, 7), (1, 6), (6, 1), (1, 1), (2, 2)])
def test_numbers_between_cells_are_bilinear(shape: tuple[int, int]) -> None:
    dice = np.random.RandomState(5)
    cells = dice.normal(0, 1, (3, *shape)).astype(np.float32)
    high, wide = 8 * shape[0], 8 * shape[1]
    ends = [[0, 0], [wide - 1, high - 1], [0, high - 1], [3.5, 3.5], [wide - 4.5, high - 4.5]]
    points = np.array([*dice.uniform(0, [wide - 1, high - 1], (40, 2)), *ends], np.float32)
    expected = np.array([bilinear(cells, float(x), float(y)) for x, y in points])
    np.testing.assert_allclose(_sampled(cells, points), expected, atol=1e-5)


@pytest.fixture
def plain(tmp_path: Path) -> FeatureExtractor:
    """Not a network: a feature's numbers are the mean contrast of its cell, and the negative."""
    return FeatureExtractor.load(write_features(tmp_path / "plain.onnx", words=said(random_words(5, seed=1))))


@pytest.mark.parametrize(("height", "width"), [(96, 80), (102, 85), (101, 86)])
def test_image_of_any_size_goes_on_beyond_its_edge(height: int, width: int, plain: FeatureExtractor) -> None:
    """The outermost cells are filled with the outermost pixels."""
    grey = np.random.RandomState(6).randint(0, 256, (height, width)).astype(np.uint8)
    grey = np.asarray(cv2.GaussianBlur(grey, (0, 0), 2), np.uint8)
    features = plain.extract(grey)
    assert features.size == (height, width)
    contrast = local_contrast(grey, window=33)
    np.testing.assert_array_equal(features.points, detect(contrast, most=OF_PAGE))
    assert len(features.points) > 40
    rows, columns = -(-height // 8), -(-width // 8)
    cells = np.zeros((1, rows, columns), np.float32)
    for row in range(rows):
        for column in range(columns):
            ys = [min(y, height - 1) for y in range(8 * row, 8 * row + 8)]
            xs = [min(x, width - 1) for x in range(8 * column, 8 * column + 8)]
            cells[0, row, column] = contrast[np.ix_(ys, xs)].mean()
    means = np.array([bilinear(cells, float(x), float(y))[0] for x, y in features.points])
    np.testing.assert_allclose(features.vectors[:, ::2], means[:, None].repeat(64, 1), atol=1e-5)
    np.testing.assert_allclose(features.vectors[:, 1::2], -features.vectors[:, ::2], atol=1e-5)
    assert np.abs(means).max() > 0.3


def test_no_more_features_than_asked_for_and_the_first_the_same(plain: FeatureExtractor) -> None:
    grey = thumbnail(text_page(1))
    many, few = plain.extract(grey, most=400), plain.extract(grey, most=7)
    assert (len(many.points), len(plain.extract(grey).points), len(few.points)) == (400, 256, 7)
    np.testing.assert_array_equal(few.points, many.points[:7])
    np.testing.assert_array_equal(few.vectors, many.vectors[:7])


def test_blank_paper_has_no_features(plain: FeatureExtractor) -> None:
    features = plain.extract(np.full((480, 336), 250, np.uint8))
    assert (features.points.shape, features.vectors.shape) == ((0, 2), (0, 128))
    assert (features.codes.shape, features.size) == ((0, 16), (480, 336))


# --- models ---


def test_visual_words_are_the_files(plain: FeatureExtractor, tmp_path: Path) -> None:
    np.testing.assert_array_equal(plain.vocabulary, random_words(5, seed=1))
    assert plain.model_id == model_id(tmp_path / "plain.onnx")


@pytest.mark.parametrize("words", [None, "", "abc", base64.b64encode(bytes(17)).decode()])
def test_model_without_visual_words(words: str | None, tmp_path: Path) -> None:
    path = write_features(tmp_path / "mute.onnx", words=words)
    with pytest.raises(ModelError) as raised:
        FeatureExtractor.load(path)
    assert str(raised.value) == f"{path} has no visual words: it was not made for whichpage."


def test_missing_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as raised:
        FeatureExtractor.load(tmp_path / "none.onnx")
    assert str(raised.value) == f"There is no model file {tmp_path / 'none.onnx'}."


def test_file_that_is_no_model(tmp_path: Path) -> None:
    path = tmp_path / "bad.onnx"
    path.write_bytes(SHIPPED_FEATURES.read_bytes()[:5000])
    with pytest.raises(ModelError) as raised:
        FeatureExtractor.load(path)
    assert str(raised.value) == f"{path} is not a model that ONNX Runtime can load."


def test_model_of_something_else(tmp_path: Path) -> None:
    other = write_identity(tmp_path / "other.onnx", ("n", 1, "h", "w"), source="contrast")
    wide = write_identity(tmp_path / "wide.onnx", ("n", 128, "h", "w"), source="contrast")
    misnamed = write_features(tmp_path / "misnamed.onnx", words=said(random_words(5, seed=1)), source="grey")
    for path in (SHIPPED_ENCODER, TINY_MODEL, other, wide, misnamed):
        with pytest.raises(ModelError) as raised:
            FeatureExtractor.load(path)
        assert str(raised.value).startswith(f"{path} is no model of local features: it maps [")
        assert str(raised.value).endswith("].")


# --- the shipped model ---


@pytest.fixture(scope="module")
def shipped() -> FeatureExtractor:
    return FeatureExtractor.load()


def test_shipped_model_has_words_that_two_bytes_can_name(shipped: FeatureExtractor) -> None:
    assert shipped.model_id == model_id(SHIPPED_FEATURES) != model_id(SHIPPED_ENCODER)
    assert shipped.vocabulary.dtype == np.uint8
    assert shipped.vocabulary.shape[1] == 16
    assert 256 <= len(np.unique(shipped.vocabulary, axis=0)) <= len(shipped.vocabulary) <= 65536


def test_shipped_model_tells_places_apart_and_sees_through_light(shipped: FeatureExtractor) -> None:
    """A dim, shaded, blurred page with grain: of features at the same place few bits differ."""
    page = thumbnail(text_page(2))
    noise = np.random.RandomState(0).normal(0, 3, page.shape)
    dim: Grey = np.clip(
        cv2.GaussianBlur(page, (0, 0), 0.7) * np.linspace(0.9, 0.45, 336) + noise, 0, 255
    ).astype(np.uint8)
    clean, seen = shipped.extract(page), shipped.extract(dim, most=600)
    gaps = np.abs(clean.points[:, None] - seen.points[None]).max(-1)
    again = np.flatnonzero(gaps.min(1) <= 1)
    assert len(again) > 200
    bits = np.unpackbits(clean.codes[again], axis=-1)
    others = np.unpackbits(seen.codes[gaps.argmin(1)[again]], axis=-1)
    distances = (bits[:, None] != others[None]).sum(-1)
    same = distances.diagonal()
    assert np.median(same) < 16
    assert np.median(distances) > 40
    assert (distances.argmin(1) == np.arange(len(again))).mean() > 0.8
