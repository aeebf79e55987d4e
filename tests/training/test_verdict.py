"""Better, worse or alike: counted on the same photos, and no chance taken for a difference."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from whichpage.bits import sign_bits
from whichpage.encoder import Encoder
from whichpage.training import verdict
from whichpage.training.pages import PageCache
from whichpage.training.verdict import Verdict, compare, sign_test
from whichpage.types import Grey, PageCodes


@pytest.mark.parametrize(
    ("gained", "lost", "chance"),
    [(0, 0, 1.0), (5, 5, 1.0), (6, 0, 1 / 32), (0, 6, 1 / 32), (9, 1, 22 / 1024)],
)
def test_sign_test_is_that_of_coins(gained: int, lost: int, chance: float) -> None:
    assert sign_test(gained, lost) == pytest.approx(chance)


def test_photos_of_one_page_are_one_case() -> None:
    before = np.array([0, 0, 0, 1, 1, 0, 1], bool)
    after = np.array([1, 1, 0, 0, 1, 1, 0], bool)
    # Page 0: two gained. Page 1: one lost, one gained. Page 2: the same. Page 3: one lost.
    shown = np.array([0, 0, 2, 1, 2, 1, 3])
    assert verdict.pages_that_differ(before, after, shown) == (1, 1)


class Blank:
    """An encoder to which all pages are alike."""

    def encode(self, images: Sequence[Grey]) -> PageCodes:
        vectors = np.ones((len(images), 3, 256), np.float32)
        return PageCodes(sign_bits(vectors), vectors)


def test_the_better_encoder_is_told(cache: PageCache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verdict, "PHOTOS", 24)
    monkeypatch.setattr(verdict, "_CHANCE", 0.07)  # six pages tell no less
    shipped = Encoder.load()
    better = compare(Blank(), shipped, cache)
    assert (better.kind, better.photos, better.books, better.pages) == ("better", 24, 1, 6)
    assert better.before == (0.0, 1.0)  # six pages are all among twenty
    assert better.after[0] > 0.8
    worse = compare(shipped, Blank(), cache)
    assert (worse.kind, worse.before, worse.after) == ("worse", better.after, better.before)
    assert better.chance == worse.chance == sign_test(6, 0)
    alike = compare(shipped, shipped, cache)
    assert (alike.kind, alike.chance, alike.before) == ("alike", 1.0, alike.after)


def test_sentence_says_it_in_numbers() -> None:
    found = Verdict(1000, 3, 420, before=(0.912, 0.97), after=(0.93, 0.981), chance=0.01)
    assert found.sentence(rival="the shipped model") == (
        "improves on the shipped model: 91.2% -> 93.0% of 1,000 simulated photos have their page first,"
        " 97.0% -> 98.1% among the first 20 of 420 pages (3 held-out books)"
    )
    unclear = Verdict(1000, 3, 420, before=(0.912, 0.97), after=(0.93, 0.981), chance=0.2)
    assert unclear.sentence(rival="old.onnx").startswith(
        "is no clear improvement on old.onnx: 91.2% -> 93.0%"
    )
    worse = Verdict(1000, 3, 420, before=(0.93, 0.97), after=(0.912, 0.981), chance=0.01)
    assert worse.sentence(rival="old.onnx").startswith("is worse than old.onnx")
