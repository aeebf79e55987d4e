"""Ranks and similarities are those of a plain computation, and of the library's own search."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from whichpage.bits import sign_bits
from whichpage.index import FlatIndex
from whichpage.training import ranking
from whichpage.training.pages import PageCache
from whichpage.training.ranking import Queries
from whichpage.types import Grey, PageCodes


def codes(count: int, *, seed: int) -> PageCodes:
    vectors = np.random.RandomState(seed).normal(0, 1, (count, 3, 256)).astype(np.float32)
    return PageCodes(sign_bits(vectors), vectors)


@pytest.fixture(scope="module")
def pages() -> PageCodes:
    return codes(50, seed=1)


@pytest.fixture(scope="module")
def queries(pages: PageCodes) -> Queries:
    vectors = pages.vectors[:8] + np.random.RandomState(2).normal(0, 2.5, (8, 3, 256)).astype(np.float32)
    seen = np.random.RandomState(3).uniform(0, 1, (8, 3)).astype(np.float32)
    return Queries(PageCodes(sign_bits(vectors), vectors), seen)


def test_rank_counts_who_is_at_least_as_near() -> None:
    similarity = np.array([[3, 5, 1, 5], [9, 2, 2, 2], [0, 0, 1, 0]], np.float32)
    assert ranking.ranks(similarity, np.array([1, 0, 0])).tolist() == [1, 0, 3]


def test_hamming_is_counted_bit_by_bit(pages: PageCodes, queries: Queries) -> None:
    similarity = ranking.hamming(queries, pages)
    for q, g in ((0, 0), (3, 17), (7, 49)):
        pairs = zip(queries.codes.bits[q, 0].tolist(), pages.bits[g, 0].tolist(), strict=True)
        assert similarity[q, g] == 256 - 2 * sum((a ^ b).bit_count() for a, b in pairs)


def test_cosine_is_of_the_real_numbers(pages: PageCodes, queries: Queries) -> None:
    a, b = queries.codes.vectors[2, 0], pages.vectors[30, 0]
    expected = float(a @ b) / (float(a @ a) * float(b @ b)) ** 0.5
    assert ranking.cosine(queries, pages)[2, 30] == pytest.approx(expected, abs=1e-5)


def test_views_rank_as_the_library_does(pages: PageCodes, queries: Queries) -> None:
    index = FlatIndex(np.arange(50, dtype=np.int64), pages.bits)
    similarity = ranking.all_views(queries, pages)
    for q in range(8):
        one = PageCodes(queries.codes.bits[q : q + 1], queries.codes.vectors[q : q + 1])
        found = index.search(one, weights=np.maximum(queries.seen[q : q + 1], 0.02) ** 2, top=50)
        np.testing.assert_allclose(
            similarity[q, [candidate.page_id for candidate in found]],
            [1 - candidate.distance for candidate in found],
            atol=1e-5,
        )


def test_one_view_of_its_own_is_the_asymmetric_distance(pages: PageCodes, queries: Queries) -> None:
    alone = PageCodes(pages.bits[:, :1], pages.vectors[:, :1])
    asked = PageCodes(queries.codes.bits[:, :1], queries.codes.vectors[:, :1])
    np.testing.assert_allclose(
        ranking.all_views(Queries(asked, queries.seen), alone), ranking.asymmetric(queries, pages), atol=1e-6
    )


class Means:
    """Encodes a page as the mean of its levels, so that it can be seen what was encoded."""

    def encode(self, images: Sequence[Grey]) -> PageCodes:
        means: list[NDArray[np.float32]] = [np.full((3, 256), image.mean(), np.float32) for image in images]
        return PageCodes(sign_bits(np.array(means)), np.array(means))


def test_pages_are_encoded_in_their_order(cache: PageCache) -> None:
    rows = np.array([40, 2, 17])
    found = ranking.encode_pages(Means(), cache, rows).vectors[:, 0, 0]
    assert found == pytest.approx([float(cache.images[0][row].mean()) for row in rows], abs=0.01)


def test_photos_are_the_same_for_a_seed(cache: PageCache) -> None:
    rows = np.array([36, 37, 36])
    (one, same), (other,) = (
        ranking.encode_photos([Means()] * count, cache, rows, seed=seed) for count, seed in ((2, 5), (1, 6))
    )
    (again,) = ranking.encode_photos([Means()], cache, rows, seed=5)
    np.testing.assert_array_equal(one.codes.vectors, again.codes.vectors)
    np.testing.assert_array_equal(one.codes.vectors, same.codes.vectors)
    np.testing.assert_array_equal(one.seen, same.seen)
    assert one.seen.shape == (3, 3)
    assert not np.array_equal(one.codes.vectors, other.codes.vectors)
    assert one.codes.vectors[0, 0, 0] != one.codes.vectors[2, 0, 0]  # two photos of one page
