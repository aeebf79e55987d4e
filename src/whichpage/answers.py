"""How an answer is written down: as JSON and as rows of a table.

One JSON object a photo on one line, for `whichpage find --json`:

    {"photo": "IMG_0001.jpg", "status": "found", "seconds": 0.21,
     "matches": [{"source": "/books/a.pdf", "page": 12, "verified": true, "confidence": 0.998,
                  "quad": [[x, y], [x, y], [x, y], [x, y]]}]}
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from whichpage.types import Answer, Match

COLUMNS = ("Photo", "Book", "Page", "Confidence", "Verified")
IMAGE_COLUMN = "Image"  # after the others, where a page is an image in a folder or an archive
NOT_FOUND = "not in this library"


def answer_object(answer: Answer) -> dict[str, Any]:
    """The answer as JSON knows it; `error` is there only when the status is "error"."""
    found: dict[str, Any] = {
        "photo": answer.photo,
        "status": answer.status,
        "seconds": round(answer.seconds, 4),
        "matches": [_match_object(match) for match in answer.matches],
    }
    if answer.error is not None:
        found["error"] = answer.error
    return found


def answer_line(answer: Answer) -> str:
    """The answer as one line of ASCII, so that no name and no terminal's encoding can break it."""
    return json.dumps(answer_object(answer), ensure_ascii=True)


def confidence_text(confidence: float) -> str:
    """A confidence for people, three decimals; rounding does not make it certain."""
    return f"{min(confidence, 0.999):.3f}"


def _match_object(match: Match) -> dict[str, Any]:
    found: dict[str, Any] = {
        "source": str(match.source),
        "page": match.page,
        "verified": match.verified,
        "confidence": round(match.confidence, 4),
        "quad": [[round(float(x), 1), round(float(y), 1)] for x, y in match.quad],
    }
    if match.image_name is not None:
        found["image_name"] = match.image_name
    return found


def answer_rows(answer: Answer, *, every: bool = False) -> list[tuple[str, ...]]:
    """The answer as rows of a table: photo, book, page, confidence, verified; and image, where there is one.

    every: with the pages that were not verified. Without it, a photo none of whose pages was verified
    is one row that says so. An answer that is an error has no row: its sentence is for standard error.
    """
    if answer.status == "error":
        return []
    shown = [match for match in answer.matches if match.verified or every]
    rows: list[tuple[str, ...]] = [
        (
            answer.photo,
            str(match.source),
            str(match.page),
            confidence_text(match.confidence),
            "yes" if match.verified else "no",
            *([match.image_name] if match.image_name is not None else []),
        )
        for match in shown
    ]
    if answer.status == "not_found":
        rows.insert(0, (answer.photo, NOT_FOUND, "", "", ""))
    return rows


def columns(rows: Iterable[Sequence[str]]) -> tuple[str, ...]:
    """The heading of such rows."""
    return (*COLUMNS, IMAGE_COLUMN) if any(len(row) > len(COLUMNS) for row in rows) else COLUMNS
