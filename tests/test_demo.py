"""The demo: its judge, and the whole way from five books to nine answered photos."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

DEMO = Path(__file__).parent.parent / "demo"


@pytest.fixture(scope="module")
def demo() -> ModuleType:
    """demo/run.py as a module."""
    spec = importlib.util.spec_from_file_location("demo_run", DEMO / "run.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def answer(*pages: tuple[str, int], verified: bool = True, status: str = "found") -> dict[str, Any]:
    matches = [
        {"source": f"/x/{book}", "page": page, "verified": verified, "confidence": 0.99}
        for book, page in pages
    ]
    return {"photo": "/p/x.jpg", "status": status, "seconds": 0.2, "matches": matches}


@pytest.mark.parametrize(
    ("given", "truth", "right"),
    [
        (answer(("a.pdf", 3)), {("a.pdf", 3)}, 1),
        (answer(("a.pdf", 4)), {("a.pdf", 3)}, 0),
        (answer(("b.pdf", 3)), {("a.pdf", 3)}, 0),
        (answer(("a.pdf", 3), ("a.pdf", 4)), {("a.pdf", 3), ("a.pdf", 4)}, 1),
        (answer(("a.pdf", 3)), {("a.pdf", 3), ("a.pdf", 4)}, 0),
        (answer(("a.pdf", 3), ("a.pdf", 9)), {("a.pdf", 3)}, 0),
        (answer(("a.pdf", 3), verified=False, status="not_found"), {("a.pdf", 3)}, 0),
        (answer(("a.pdf", 3), verified=False, status="not_found"), set(), 1),
        (answer(("a.pdf", 3)), set(), 0),
        (answer(status="error"), set(), 0),
    ],
)
def test_only_all_pages_and_no_other_are_right(
    demo: ModuleType, given: dict[str, Any], truth: set[tuple[str, int]], right: int
) -> None:
    assert demo.show([given], truth={"x.jpg": truth}) == right


def test_truth_names_both_pages_of_a_spread_and_none_of_an_absent_one(demo: ModuleType) -> None:
    truth = demo.read_truth(DEMO / "photos" / "truth.csv")
    assert len(truth) == 9
    assert truth["08-two-pages.jpg"] == {("jlreq-ja.pdf", 12), ("jlreq-ja.pdf", 13)}
    assert truth["09-absent.jpg"] == set()


def test_the_demo_answers_every_photo_right(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, DEMO / "run.py", tmp_path],
        capture_output=True,
        encoding="utf-8",
        timeout=170,
        check=False,
    )
    assert "9 of 9 photos are answered right" in done.stdout, done.stdout + done.stderr
    assert done.returncode == 0
    pictures = {path.name for path in (tmp_path / "pictures").iterdir()}
    assert pictures == {f"{path.stem}.whichpage.jpg" for path in (DEMO / "photos").glob("*.jpg")}
