"""The votes that pieces of text give to the pages that have them."""

from __future__ import annotations

from pathlib import Path

import pytest

from whichpage.benchmark.peers.text_index import TextIndex


@pytest.fixture
def index(tmp_path: Path) -> TextIndex:
    pages = [
        (4, "It was the best of times, it was the worst of times."),
        (7, "It was the best\nof times! Somewhere else."),
        (9, "Nothing of the kind."),
        (11, ""),
    ]
    TextIndex.build(tmp_path / "text.sqlite", pages)
    return TextIndex(tmp_path / "text.sqlite")


def test_a_piece_shares_its_vote_among_the_pages_that_have_it(index: TextIndex) -> None:
    """The first line is on both pages, half a vote each; the second is on page 4 alone."""
    assert index.votes(["it was the best of times"]) == [(4, 0.5), (7, 0.5)]
    assert index.votes(["was the worst of", "it was the best of times"]) == [(4, 1.5), (7, 0.5)]


def test_a_piece_counts_once_however_often_it_is_read(index: TextIndex) -> None:
    assert index.votes(["somewhere else", "Somewhere-else"]) == [(7, 1.0)]


def test_lines_that_are_too_short_or_nowhere_have_no_vote(index: TextIndex) -> None:
    assert index.votes(["the kind", "nothing of that kind", ""]) == []


def test_what_is_on_too_many_pages_says_nothing(tmp_path: Path) -> None:
    pages = [(number, "All rights reserved. " + f"number {number}" * 3) for number in range(60)]
    TextIndex.build(tmp_path / "text.sqlite", pages)
    index = TextIndex(tmp_path / "text.sqlite")
    assert index.votes(["all rights reserved"]) == []
    assert index.votes(["all rights reserved", "number 59 number"]) == [(59, 1.0)]
