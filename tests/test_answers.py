from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np

from whichpage.answers import COLUMNS, answer_line, answer_rows, columns, confidence_text
from whichpage.types import Answer, Match

QUAD = np.array([[10.04, 20], [110, 21.26], [112, 220], [-9.5, 219]], np.float32)
RIGHT = Match(Path("/books/a.pdf"), 12, True, 0.99812345, QUAD)
GUESS = Match(Path("/books/b.pdf"), 3, False, 0.04, QUAD)


def test_found_is_as_the_contract_says() -> None:
    line = answer_line(Answer("IMG_1.jpg", "found", 0.212345, (RIGHT, GUESS), timings={"decode": 0.1}))
    assert json.loads(line) == {
        "photo": "IMG_1.jpg",
        "status": "found",
        "seconds": 0.2123,
        "matches": [
            {
                "source": "/books/a.pdf",
                "page": 12,
                "verified": True,
                "confidence": 0.9981,
                "quad": [[10.0, 20.0], [110.0, 21.3], [112.0, 220.0], [-9.5, 219.0]],
            },
            {
                "source": "/books/b.pdf",
                "page": 3,
                "verified": False,
                "confidence": 0.04,
                "quad": [[10.0, 20.0], [110.0, 21.3], [112.0, 220.0], [-9.5, 219.0]],
            },
        ],
    }


def test_error_has_its_text_and_others_have_none() -> None:
    assert (
        json.loads(answer_line(Answer("x.jpg", "error", 0, error="x.jpg is empty.")))["error"]
        == "x.jpg is empty."
    )
    assert "error" not in json.loads(answer_line(Answer("x.jpg", "not_found", 0)))


def test_any_name_is_one_line_of_ascii_and_survives() -> None:
    name = "写真\n" + os.fsdecode(b"\xff") + ".jpg"
    line = answer_line(Answer(name, "not_found", 0))
    assert line.isascii()
    assert "\n" not in line
    assert os.fsencode(json.loads(line)["photo"]) == "写真\n".encode() + b"\xff.jpg"


def test_rows_show_what_is_verified() -> None:
    both = Answer("p.jpg", "found", 0, (RIGHT, GUESS))
    assert answer_rows(both) == [("p.jpg", "/books/a.pdf", "12", "0.998", "yes")]
    assert answer_rows(both, every=True)[1] == ("p.jpg", "/books/b.pdf", "3", "0.040", "no")


def test_a_page_that_is_an_image_says_which() -> None:
    scan = replace(RIGHT, source=Path("/scans"), page=8, image_name="page12.jpg")
    found = Answer("p.jpg", "found", 0, (scan, GUESS))
    rows = answer_rows(found, every=True)
    assert rows[0] == ("p.jpg", "/scans", "8", "0.998", "yes", "page12.jpg")
    assert columns(rows) == (*COLUMNS, "Image")
    assert columns(rows[1:]) == columns([]) == COLUMNS
    first, other = json.loads(answer_line(found))["matches"]
    assert first["image_name"] == "page12.jpg"
    assert "image_name" not in other


def test_a_guess_is_never_the_answer() -> None:
    nothing = Answer("p.jpg", "not_found", 0, (GUESS,))
    assert answer_rows(nothing) == [("p.jpg", "not in this library", "", "", "")]
    assert [row[1] for row in answer_rows(nothing, every=True)] == ["not in this library", "/books/b.pdf"]


def test_an_error_has_no_row() -> None:
    assert answer_rows(Answer("p.jpg", "error", 0, error="p.jpg is empty.")) == []


def test_rounding_makes_no_certainty() -> None:
    assert confidence_text(0.99999) == "0.999"
    assert confidence_text(0.9984) == "0.998"
    assert confidence_text(0.0) == "0.000"
