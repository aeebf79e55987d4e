"""What is compared of a text, which pieces are looked up, and the votes they give."""

from __future__ import annotations

from pathlib import Path

import pytest

from whichpage.benchmark.peers.text_index import TextIndex, pieces

ALPHABET = "abcdefghijklmnopqrstuvwxyz"


def test_pieces_are_ten_to_longest_characters_and_overlap_by_half() -> None:
    assert pieces("a" * 9) == []
    assert pieces("abcdefghij") == ["abcdefghij"]
    assert pieces(ALPHABET[:24], longest=24) == [ALPHABET[:24]]
    line = (ALPHABET * 2)[:48]
    assert pieces(line, longest=24) == [line[0:24], line[12:36], line[24:48]]


@pytest.mark.parametrize("length", [25, 37, 100])
def test_pieces_cover_the_line_to_its_end(length: int) -> None:
    line = (ALPHABET * 4)[:length]
    found = pieces(line, longest=24)
    assert line.startswith(found[0])
    assert line.endswith(found[-1])
    assert {len(piece) for piece in found} == {24}
    # No gap: each piece begins within the one before.
    assert len(found) == -(-(length - 24) // 12) + 1


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
