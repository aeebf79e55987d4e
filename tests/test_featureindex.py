"""Votes of local features: what comes out is what a plain loop over all features of all pages counts."""

from __future__ import annotations

import os
import random
from collections.abc import Container, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import faiss
import numpy as np
import pytest
from numpy.typing import NDArray

from whichpage.featureindex import FeatureIndex
from whichpage.features import LocalFeatures, pack, unpack

PROBES, NEAREST, FARTHEST = 8, 12, 40
Vectors = NDArray[np.float32]

THREADS = ThreadPoolExecutor(2)


def votes(
    index: FeatureIndex, images: Sequence[LocalFeatures], *, among: Container[int], top: int
) -> list[tuple[int, float]]:
    return index.votes(images, among=among, top=top, threads=THREADS)


def image(vectors: Vectors | Sequence[Vectors]) -> LocalFeatures:
    """Features of these numbers; where they are does not count."""
    stacked = np.asarray(vectors, np.float32).reshape(-1, 128)
    return LocalFeatures(np.zeros((len(stacked), 2), np.float32), stacked, (480, 336))


def random_vectors(count: int, *, seed: int) -> Vectors:
    return np.random.RandomState(seed).normal(0, 1, (count, 128)).astype(np.float32)


def words(count: int) -> NDArray[np.uint8]:
    return image(random_vectors(count, seed=99)).codes


def off(vector: Vectors, bits: int, *, seed: int = 0) -> Vectors:
    """The same feature with so many of its signs changed."""
    flipped = vector.copy()
    flipped[random.Random(seed).sample(range(128), bits)] *= -1
    return flipped


def weight(bits: int) -> float:
    return (1 - bits / FARTHEST) ** 2


def assert_votes(found: list[tuple[int, float]], expected: dict[int, float]) -> None:
    """These pages in this order, with so many votes."""
    assert [page for page, _ in found] == list(expected)
    assert [votes for _, votes in found] == pytest.approx(list(expected.values()))


def filed(pages: Mapping[int, Vectors | Sequence[Vectors]], *, count: int = 6) -> FeatureIndex:
    """An index over pages by their ids, with so many words; up to eight are all looked under."""
    vocabulary = words(count)
    packed = ((page, pack(image(vectors), vocabulary)) for page, vectors in pages.items())
    return FeatureIndex.build(packed, vocabulary)


def bits_of(vectors: Vectors | Sequence[Vectors]) -> NDArray[np.bool_]:
    return np.asarray(np.asarray(vectors) > 0)


def word_distances(feature: NDArray[np.bool_], vocabulary: NDArray[np.uint8]) -> NDArray[np.int64]:
    return np.asarray((feature != np.unpackbits(vocabulary, axis=-1)).sum(1), np.int64)


@pytest.mark.parametrize("count", [1, 6, 40])
def test_votes_are_those_of_a_plain_loop(count: int) -> None:
    """Each of 15 features has 20 on the pages like it, no two of them as near.

    Of 40 words 8 are looked under; what is found there votes if it is one of twelve, once for a page.
    """
    dice, vocabulary = random.Random(1), words(count)
    photo = [one for one in random_vectors(60, seed=1) if is_clear(one, vocabulary)][:15]
    pages = {10 * page: list(random_vectors(30, seed=page)) for page in range(1, 10)}
    for number, vector in enumerate(photo):
        for bits in dice.sample(range(46), 20):
            pages[dice.choice(list(pages))].append(off(vector, bits, seed=100 * number + bits))
    filed_under = [
        (page, feature, word)
        for page, features in pages.items()
        for feature, word in zip(bits_of(features), words_of(features, vocabulary), strict=True)
    ]
    for _, feature, word in filed_under:
        distances = word_distances(feature, vocabulary)
        assert distances[word] == distances.min()
    expected = dict.fromkeys(pages, 0.0)
    for vector in bits_of(photo):
        looked_under = np.argsort(word_distances(vector, vocabulary))[:PROBES]
        met = [
            (int((feature != vector).sum()), page)
            for page, feature, word in filed_under
            if word in looked_under
        ]
        nearest = sorted(met)[:NEAREST]
        for page in {page for _, page in nearest}:
            expected[page] += max(weight(min(bits, FARTHEST)) for bits, p in nearest if p == page)
    ranked = {page: expected[page] for page in sorted(pages, key=lambda page: -expected[page])}
    index = filed(pages, count=count)
    assert len(index) == 9 * 30 + 15 * 20
    found = votes(index, [image(photo)], among=pages, top=99)
    assert_votes(found, ranked)
    assert len(photo) == 15
    assert min(expected.values()) > 0


def words_of(vectors: Sequence[Vectors], vocabulary: NDArray[np.uint8]) -> list[int]:
    """The words under which features are kept; which of several that are as near is not said."""
    return [int(word) for word in unpack(pack(image(vectors), vocabulary)).words]


def is_clear(vector: Vectors, vocabulary: NDArray[np.uint8]) -> bool:
    """Whether there is no doubt which the eight words nearest to it are."""
    distances = np.sort(word_distances(bits_of(vector), vocabulary))
    return len(distances) <= PROBES or bool(distances[PROBES - 1] < distances[PROBES])


def test_a_feature_has_one_vote_for_a_page_however_often_it_is_there() -> None:
    one, two = random_vectors(2, seed=2)
    index = filed({1: [off(one, 9), off(one, 4), off(one, 20)], 2: [off(one, 5), off(two, 5)]})
    found = votes(index, [image([one])], among={1, 2}, top=5)
    assert_votes(found, {1: weight(4), 2: weight(5)})
    found = votes(index, [image([one, two])], among={1, 2}, top=5)
    assert_votes(found, {2: 2 * weight(5), 1: weight(4)})


def test_only_the_twelve_nearest_are_voted_for() -> None:
    (one,) = random_vectors(1, seed=3)
    crowd = [off(one, bits) for bits in range(1, 13)]
    found = votes(filed({1: crowd, 2: [off(one, 13)]}), [image([one])], among={1, 2}, top=5)
    assert_votes(found, {1: weight(1)})
    found = votes(filed({1: crowd[:11], 2: [off(one, 13)]}), [image([one])], among={1, 2}, top=5)
    assert_votes(found, {1: weight(1), 2: weight(13)})


@pytest.mark.parametrize(("bits", "pages"), [(0, [1]), (39, [1]), (40, []), (128, [])])
def test_what_differs_by_forty_bits_has_no_vote(bits: int, pages: list[int]) -> None:
    (one,) = random_vectors(1, seed=4)
    found = votes(filed({1: [off(one, bits)]}), [image([one])], among={1}, top=5)
    assert_votes(found, dict.fromkeys(pages, weight(bits)))


def test_pages_that_are_not_searched_are_left_out_before_the_top_is_cut() -> None:
    vectors = random_vectors(6, seed=5)
    index = filed({page: vectors[:page] for page in range(1, 7)})
    assert [page for page, _ in votes(index, [image(vectors)], among=range(9), top=3)] == [
        6,
        5,
        4,
    ]
    assert [page for page, _ in votes(index, [image(vectors)], among={1, 3, 4, 77}, top=2)] == [4, 3]
    assert votes(index, [image(vectors)], among=(), top=3) == []
    assert votes(index, [image(vectors)], among=range(9), top=0) == []


def test_of_several_looks_at_a_photo_the_best_counts_for_each_page() -> None:
    """And not their sum: a page that each look resembles a little is not the one that one look shows."""
    vectors = random_vectors(7, seed=6)
    index = filed({1: vectors[:4], 2: vectors[4:]})
    looks = [image(vectors[:2]), image(vectors[1:4]), image([*vectors[:1], *vectors[4:]])]
    assert votes(index, looks, among={1, 2}, top=5) == [(1, 3), (2, 3)]
    assert votes(index, looks[::-1], among={1, 2}, top=5) == [(1, 3), (2, 3)]
    assert votes(index, looks[:1], among={1, 2}, top=5) == [(1, 2)]


def test_only_the_first_three_hundred_features_vote() -> None:
    vectors = random_vectors(305, seed=9)
    index = filed({1: vectors[290:300], 2: vectors[295:305], 3: vectors[300:]})
    assert votes(index, [image(vectors)], among={1, 2, 3}, top=5) == [(1, 10), (2, 5)]


def test_pages_are_filed_in_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same, however many at once; some portions have nothing to be filed."""
    pages: dict[int, Vectors] = {page: random_vectors(page % 3, seed=page) for page in range(100, 125)}
    pages |= {page: random_vectors(0, seed=0) for page in (90, 91, 92, 93, 94, 95, 130, 131, 132)}
    photo = image(np.concatenate(list(pages.values())))
    whole = filed(pages)
    expected = votes(whole, [photo], among=pages, top=99)
    for portion in (1, 2, 3, 7):
        monkeypatch.setattr("whichpage.featureindex._PORTION", portion)
        index = filed(pages)
        assert len(index) == len(whole) == len(photo.points)
        assert votes(index, [photo], among=pages, top=99) == expected
    assert dict(expected) == {page: page % 3 for page in range(100, 125) if page % 3}


def test_pages_with_as_many_votes_come_by_their_ids() -> None:
    vectors = random_vectors(3, seed=7)
    found = votes(filed(dict.fromkeys((8, 3, 5, 1), vectors)), [image(vectors)], among=range(9), top=9)
    assert [page for page, _ in found] == [1, 3, 5, 8]


def test_nothing_to_search_or_to_search_for() -> None:
    vectors = random_vectors(3, seed=8)
    bare = FeatureIndex.build([(1, b""), (2, pack(image([]), words(6)))], words(6))
    for index in (filed({}), bare):
        assert len(index) == 0
        assert votes(index, [image(vectors)], among=range(9), top=5) == []
    index = FeatureIndex.build([(1, b""), (2, pack(image(vectors), words(6))), (3, b"")], words(6))
    assert len(index) == 3
    assert votes(index, [image(vectors)], among=range(9), top=5) == [(2, 3)]
    assert votes(index, [image([])], among=range(9), top=5) == []
    assert votes(index, [], among=range(9), top=5) == []


def test_right_page_among_many_in_spite_of_flipped_bits() -> None:
    """A sixth of each feature's bits wrong, and half of the features another page's."""
    pages = {page: random_vectors(40, seed=page) for page in range(200)}
    index = filed(pages, count=64)
    for page in (0, 77, 199):
        seen = [off(vector, 21, seed=k) for k, vector in enumerate(pages[page][:20])]
        photo = image([*seen, *random_vectors(20, seed=1000 + page)])
        found = votes(index, [photo], among=range(200), top=2)
        assert found[0][0] == page
        assert found[0][1] > 5 * weight(21)
        assert len(found) == 1 or found[1][1] < found[0][1] / 3


def test_index_that_was_saved_votes_as_before(tmp_path: Path) -> None:
    pages = {page: random_vectors(20, seed=page) for page in range(30)}
    index, path = filed(pages), tmp_path / "features.0-1.faiss"
    index.save(path)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    again = FeatureIndex.load(path, words(6))
    assert again is not None
    assert len(again) == len(index) == 600
    photo = [image(pages[7][:9])]
    assert votes(again, photo, among=pages, top=5) == votes(index, photo, among=pages, top=5)


def test_index_that_was_saved_is_searched_as_this_version_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not as the version that saved it."""
    path = tmp_path / "features.0-1.faiss"
    filed({1: random_vectors(20, seed=1)}).save(path)
    monkeypatch.setattr("whichpage.featureindex._PROBES", 2)
    again = FeatureIndex.load(path, words(6))
    assert again is not None
    assert again._file.nprobe == 2


@pytest.mark.skipif(os.name != "posix", reason="needs bytes in names")
def test_index_is_kept_whatever_its_folder_is_called(tmp_path: Path) -> None:
    """In the format that faiss itself reads and writes."""
    folder = tmp_path / os.fsdecode(b"caf\xe9 \xff")
    folder.mkdir()
    index = filed({page: random_vectors(20, seed=page) for page in range(30)})
    index.supersede(folder / "features.0-1.faiss")
    again = FeatureIndex.load(folder / "features.0-1.faiss", words(6))
    assert again is not None
    assert len(again) == 600
    faiss.write_index_binary(index._file, str(tmp_path / "plain.faiss"))
    assert (folder / "features.0-1.faiss").read_bytes() == (tmp_path / "plain.faiss").read_bytes()


def test_file_that_is_no_index_is_not_taken_for_one(tmp_path: Path) -> None:
    path = tmp_path / "features.0-1.faiss"
    assert FeatureIndex.load(path, words(6)) is None
    path.write_bytes(b"IBwF no index")
    assert FeatureIndex.load(path, words(6)) is None
    filed({1: random_vectors(5, seed=1)}).save(path)
    assert FeatureIndex.load(path, words(40)) is None
    path.write_bytes(path.read_bytes()[:-9])
    assert FeatureIndex.load(path, words(6)) is None


def test_index_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="nowhere"):
        filed({1: random_vectors(5, seed=1)}).save(tmp_path / "nowhere" / "features.0-1.faiss")
