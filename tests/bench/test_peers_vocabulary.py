"""Visual words and the inverted file, against numbers computed by hand."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from whichpage.benchmark.peers.vocabulary import InvertedFile, Vocabulary

# Three pages of words 0, 1, 2; word 0 is on every page and so weighs less than the others.
PAGES = [(0, [0, 1, 1, 1, 1]), (1, [0, 2]), (2, [0, 1, 2])]


@pytest.fixture
def inverted() -> InvertedFile:
    return InvertedFile.build([(page, np.array(words)) for page, words in PAGES], words=3, count=3)


def test_cosines_by_hand(inverted: InvertedFile) -> None:
    """Word 0 has idf ln(1 + 3/3), words 1 and 2 ln(1 + 3/2); a weight is that times the root of the count."""
    common, rare = math.log(2), math.log(2.5)
    pages = {0: (common, 2 * rare, 0), 1: (common, 0, rare), 2: (common, rare, rare)}
    photo = (math.sqrt(2) * common, 2 * rare, rare)
    expected = {
        number: sum(p * q for p, q in zip(page, photo, strict=True)) / math.hypot(*page) / math.hypot(*photo)
        for number, page in pages.items()
    }
    found = dict(inverted.search(np.array([1, 1, 1, 1, 2, 0, 0]), top=3))
    assert found == pytest.approx(expected, abs=1e-6)


def test_best_first_and_only_as_many_as_asked(inverted: InvertedFile) -> None:
    assert [page for page, _ in inverted.search(np.array([1, 1, 1, 1, 2]), top=2)] == [0, 2]


def test_words_of_every_page_find_the_page_that_has_little_else(inverted: InvertedFile) -> None:
    assert [page for page, _ in inverted.search(np.array([0, 0]), top=3)] == [1, 2, 0]


def test_a_photo_without_words_finds_nothing(inverted: InvertedFile) -> None:
    assert inverted.search(np.empty(0, np.int64), top=3) == []


def test_saved_and_loaded_it_says_the_same(inverted: InvertedFile, tmp_path: Path) -> None:
    inverted.save(tmp_path / "i.npz")
    words = np.array([1, 2])
    assert InvertedFile.load(tmp_path / "i.npz").search(words, top=3) == inverted.search(words, top=3)


@pytest.mark.parametrize("binary", [True, False])
def test_words_are_the_centres_of_what_lies_together(binary: bool, tmp_path: Path) -> None:
    """Three heaps of features, each a pattern with a few bits or levels off: three words."""
    chance = np.random.default_rng(0)
    patterns = chance.integers(0, 256, (3, 32 if binary else 128)).astype(np.uint8)
    features = patterns.repeat(120, axis=0)
    noise = np.zeros_like(features)
    noise[np.arange(360), chance.integers(0, features.shape[1], 360)] = 1
    features ^= noise
    vocabulary = Vocabulary.train(features, words=3, binary=binary, seed=0)
    words = vocabulary.words(features)
    assert [len(set(words[heap * 120 : heap * 120 + 120].tolist())) for heap in range(3)] == [1, 1, 1]
    assert len(set(words.tolist())) == 3
    if binary:
        assert {bytes(centre) for centre in vocabulary.centres} == {bytes(pattern) for pattern in patterns}
    vocabulary.save(tmp_path / "words.npy")
    assert (Vocabulary.load(tmp_path / "words.npy").words(features) == words).all()


def test_few_features_make_few_words() -> None:
    features = np.random.default_rng(0).integers(0, 256, (250, 128)).astype(np.uint8)
    assert len(Vocabulary.train(features, words=16384, binary=False, seed=0)) == 2
    assert Vocabulary(np.zeros((1, 32), np.uint8)).words(np.empty((0, 32), np.uint8)).tolist() == []
