"""Searching codes: what comes out is what a plain loop over all pages finds."""

from __future__ import annotations

import math
import random
from concurrent.futures import ThreadPoolExecutor

import faiss
import numpy as np
import pytest
from numpy.typing import NDArray

from whichpage.bits import sign_bits
from whichpage.index import FlatIndex
from whichpage.types import PageCodes

EVERY_VIEW = np.ones((1, 3), np.float32)


def random_codes(count: int, *, seed: int) -> PageCodes:
    vectors = np.random.RandomState(seed).normal(0, 1, (count, 3, 256)).astype(np.float32)
    return PageCodes(sign_bits(vectors), vectors)


def like(codes: PageCodes, rows: list[int], *, noise: float, seed: int = 0) -> PageCodes:
    """Queries for the pages in `rows`: their numbers, disturbed."""
    vectors = codes.vectors[rows] + np.random.RandomState(seed).normal(0, noise, (len(rows), 3, 256))
    return PageCodes(sign_bits(vectors), vectors.astype(np.float32))


def hamming(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> int:
    return sum((a ^ b).bit_count() for a, b in zip(one.tolist(), other.tolist(), strict=True))


def asymmetric(vectors: NDArray[np.float32], bits: NDArray[np.uint8], weights: list[float]) -> float:
    """The distance that FlatIndex documents, number by number."""
    total = 0.0
    for view in range(3):
        agreement = length = 0.0
        for place in range(256):
            soft = math.tanh(float(vectors[view, place]))
            sign = 1 if bits[view, place // 8] >> 7 - place % 8 & 1 else -1
            agreement += soft * sign
            length += abs(soft)
        total += weights[view] / sum(weights) * agreement / length
    return 1 - total


def test_one_view_is_ranked_by_itself() -> None:
    pages = random_codes(60, seed=1)
    query = like(pages, [17], noise=1.5)
    alone = PageCodes(query.bits[:, :1], query.vectors[:, :1])
    ids = np.arange(60, dtype=np.int64)
    found = FlatIndex(ids, pages.bits[:, :1]).search(alone, weights=np.ones((1, 1), np.float32), top=60)
    of_all = FlatIndex(ids, pages.bits).search(query, weights=np.array([[1, 0, 0]], np.float32), top=60)
    assert [one.page_id for one in found] == [one.page_id for one in of_all]
    assert found[0].page_id == 17


@pytest.mark.parametrize("weights", [[1.0, 1.0, 1.0], [1.0, 0.25, 0.5], [0.0, 1.0, 0.0]])
def test_ranking_is_that_of_a_plain_loop(weights: list[float]) -> None:
    pages = random_codes(60, seed=1)
    query = like(pages, [17], noise=1.5)
    index = FlatIndex(np.arange(60, dtype=np.int64) * 10, pages.bits)
    found = index.search(query, weights=np.array([weights], np.float32), top=60)
    expected = sorted((asymmetric(query.vectors[0], pages.bits[row], weights), row) for row in range(60))
    assert [candidate.page_id for candidate in found] == [row * 10 for _, row in expected]
    np.testing.assert_allclose(
        [candidate.distance for candidate in found], [d for d, _ in expected], atol=1e-5
    )
    assert found[0].page_id == 170


@pytest.mark.parametrize("count", [1, 5, 20])
def test_shortlist_is_each_views_nearest_by_hamming_distance(count: int) -> None:
    """No two of the 80 pages are equally far from the query, whose nearest differ from view to view."""
    query = random_codes(1, seed=2)
    chance = random.Random(2)
    bits = query.bits.repeat(80, 0)
    expected = set()
    for view in range(3):
        flips = chance.sample(range(1, 200), 80)
        for row in range(80):
            for place in chance.sample(range(256), flips[row]):
                bits[row, view, place // 8] ^= 128 >> place % 8
        distances = [hamming(query.bits[0, view], bits[row, view]) for row in range(80)]
        assert distances == flips
        expected |= set(sorted(range(80), key=distances.__getitem__)[:count])
    assert len(expected) > count
    index = FlatIndex(np.arange(80, dtype=np.int64), bits)
    found = index.search(query, weights=EVERY_VIEW, top=80, shortlist=count)
    assert {candidate.page_id for candidate in found} == expected
    assert len(found) == len(expected)


def test_view_without_weight_proposes_nothing() -> None:
    pages = random_codes(50, seed=3)
    mixed = np.stack([pages.vectors[7, 0], pages.vectors[8, 1], pages.vectors[9, 2]])[None]
    query = PageCodes(sign_bits(mixed), mixed)
    index = FlatIndex(np.arange(50, dtype=np.int64), pages.bits)

    def proposed(*weights: float) -> set[int]:
        found = index.search(query, weights=np.array([weights], np.float32), top=9, shortlist=1)
        return {candidate.page_id for candidate in found}

    assert proposed(1, 1, 1) == {7, 8, 9}
    assert proposed(1, 0, 1) == {7, 9}
    assert proposed(0, 0.1, 0) == {8}
    exact = index.search(query, weights=np.array([[0, 0, 1]], np.float32), top=1)
    assert exact[0].page_id == 9
    assert exact[0].distance == pytest.approx(0, abs=1e-5)


def test_each_page_once_with_its_nearest_query() -> None:
    pages = random_codes(30, seed=4)
    query = like(pages, [5, 5, 6], noise=0.0)
    blurred = query.vectors.copy()
    blurred[0] += np.random.RandomState(9).normal(0, 3, (3, 256))
    query = PageCodes(sign_bits(blurred), blurred)
    index = FlatIndex(np.arange(100, 130, dtype=np.int64), pages.bits)
    found = index.search(query, weights=EVERY_VIEW.repeat(3, 0), top=30)
    assert len(found) == len({candidate.page_id for candidate in found}) == 30
    assert [(candidate.page_id, candidate.view) for candidate in found[:2]] == [(105, 1), (106, 2)]
    assert [candidate.distance for candidate in found] == sorted(candidate.distance for candidate in found)
    for candidate in found:
        row = candidate.page_id - 100
        each = [asymmetric(query.vectors[q], pages.bits[row], [1, 1, 1]) for q in range(3)]
        assert candidate.distance == pytest.approx(min(each), abs=1e-5)
        assert candidate.view == each.index(min(each))


def test_distance_runs_from_0_to_2() -> None:
    one = random_codes(1, seed=5)
    opposite = PageCodes(~one.bits, -one.vectors)
    index = FlatIndex(np.array([8, 9], np.int64), np.concatenate([one.bits, opposite.bits]))
    found = index.search(one, weights=EVERY_VIEW, top=2)
    assert [candidate.page_id for candidate in found] == [8, 9]
    np.testing.assert_allclose([candidate.distance for candidate in found], [0, 2], atol=1e-5)


def test_pages_alike_keep_their_order() -> None:
    pages = random_codes(3, seed=6)
    rows = [0, 1, 2, 1, 0, 1, 2, 1, 0, 1]
    index = FlatIndex(np.arange(10, dtype=np.int64), pages.bits[rows])
    query = like(pages, [1], noise=0.5)
    for _ in range(3):
        found = index.search(query, weights=EVERY_VIEW, top=5)
        assert [candidate.page_id for candidate in found] == [1, 3, 5, 7, 9]


def test_top_cuts_and_asks_for_no_more_than_there_is() -> None:
    pages = random_codes(4, seed=7)
    index = FlatIndex(np.array([3, 1, 4, 15], np.int64), pages.bits)
    assert len(index) == 4
    query = like(pages, [3], noise=0.1)
    assert [candidate.page_id for candidate in index.search(query, weights=EVERY_VIEW, top=1)] == [15]
    assert {c.page_id for c in index.search(query, weights=EVERY_VIEW, top=99)} == {3, 1, 4, 15}


def test_nothing_to_search_or_to_search_for() -> None:
    empty = FlatIndex(np.empty(0, np.int64), np.empty((0, 3, 32), np.uint8))
    assert len(empty) == 0
    assert empty.search(random_codes(2, seed=8), weights=EVERY_VIEW.repeat(2, 0), top=5) == []
    full = FlatIndex(np.arange(2, dtype=np.int64), random_codes(2, seed=8).bits)
    assert full.search(random_codes(0, seed=8), weights=np.empty((0, 3), np.float32), top=5) == []


def test_right_page_among_many_in_spite_of_flipped_bits() -> None:
    """A quarter of a code's 256 bits wrong is still far from the 128 of strangers."""
    pages = random_codes(3000, seed=9)
    chance = random.Random(1)
    rows = [chance.randrange(3000) for _ in range(20)]
    queries = like(pages, rows, noise=1.6, seed=2)
    wrong = [hamming(queries.bits[k, 0], pages.bits[row, 0]) for k, row in enumerate(rows)]
    assert min(wrong) > 60
    index = FlatIndex(np.arange(3000, dtype=np.int64), pages.bits)
    for k, row in enumerate(rows):
        one = PageCodes(queries.bits[k : k + 1], queries.vectors[k : k + 1])
        assert index.search(one, weights=EVERY_VIEW, top=1)[0].page_id == row


def test_a_search_takes_one_thread_whoever_asks() -> None:
    """How many faiss may start is said thread by thread."""
    pages = random_codes(60, seed=1)
    index = FlatIndex(np.arange(60, dtype=np.int64), pages.bits)
    with ThreadPoolExecutor(1) as other:
        other.submit(faiss.omp_set_num_threads, 2).result()
        other.submit(index.search, like(pages, [3], noise=0.1), weights=EVERY_VIEW, top=5).result()
        assert other.submit(faiss.omp_get_max_threads).result() == 1


def test_twins_are_the_pages_whose_codes_are_nearly_the_same() -> None:
    pages = random_codes(60, seed=3)
    bits = pages.bits.copy()
    for other, flipped in ((20, 2), (30, 5), (40, 9)):
        bits[other] = bits[17]
        bits[other, 0] = np.packbits(np.unpackbits(bits[17, 0]) ^ (np.arange(256) < flipped))
    index = FlatIndex(np.arange(100, 160, dtype=np.int64), bits)
    assert index.twins(117, within=8, most=5) == [120, 130]
    assert index.twins(117, within=9, most=5) == [120, 130, 140]
    assert index.twins(117, within=9, most=2) == [120, 130]
    assert index.twins(140, within=9, most=5) == [130, 120, 117]
    assert index.twins(117, within=9, most=2, besides={120}) == [130, 140]
    assert index.twins(118, within=8, most=5) == []
    assert index.twins(99, within=300, most=5) == []
    assert FlatIndex(np.array([7]), bits[:1]).twins(7, within=256, most=5) == []
