"""Made-up truth and answers, in the forms that the bench reads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from whichpage.benchmark.truth import TruthPhoto


def truth(name: str, stratum: str, pdf: str = "", *pages: int) -> TruthPhoto:
    return TruthPhoto(Path("/photos") / name, stratum, pdf, frozenset(pages))


def answer(*matches: tuple[str, int, bool, float], seconds: float = 0.5) -> dict[str, Any]:
    """An answer as `find --json` gives it; a match is source, page, verified, confidence."""
    found = [
        {"source": source, "page": page, "verified": verified, "confidence": sure, "quad": [[0, 0]] * 4}
        for source, page, verified, sure in matches
    ]
    status = "found" if any(match[2] for match in matches) else "not_found"
    return {"photo": "", "status": status, "seconds": seconds, "matches": found}


def by_photo(truths: Sequence[TruthPhoto], answers: Sequence[dict[str, Any] | None]) -> dict[str, Any]:
    """Answers under the photos' paths; None leaves a photo unanswered."""
    pairs = zip(truths, answers, strict=True)
    return {str(truth.photo): answer for truth, answer in pairs if answer is not None}


def by_name(source: str, page: int, truth_pdf: str, truth_page: int) -> bool:
    """A page is the same page by its name and number alone; for tests without files."""
    return page == truth_page and source.endswith(truth_pdf)
