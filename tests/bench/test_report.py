"""Reports: what is written, and how numbers read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from whichpage.benchmark.plots import canvas
from whichpage.benchmark.provenance import Provenance
from whichpage.benchmark.report import Figure, Report, Table, markdown_table, number_text
from whichpage.benchmark.resampling import share

ORIGIN = Provenance(
    commit="abc",
    code="c0de",
    models={"encoder": "e1"},
    data="da7a",
    command="whichpage bench photos t.csv",
    date="2026-01-02T03:04:05+00:00",
    machine={"cores": "2"},
)


def report() -> Report:
    figure, axes = canvas(3, 2)
    axes.plot([0, 1], [0, 1])
    return Report(
        title="A title",
        summary=["What was seen."],
        tables=[
            Table(
                "Numbers",
                ("name", "count", "time, ms", "hits"),
                [("a|b", 1234, 0.01234, share([True, False])), ("写真", None, float("nan"), share([]))],
                "A note.",
            )
        ],
        figures=[
            Figure("line", "A line", figure),
            Figure("photo", "A photo", Image.new("RGB", (8, 6)), "jpg"),
        ],
        provenance=ORIGIN,
        data={"more": [1, 2]},
    )


def test_files(tmp_path: Path) -> None:
    paths = report().write(tmp_path / "new", "test")
    names = ["test.json", "test.md", "test-line.png", "test-photo.jpg"]
    assert [path.name for path in paths] == names
    assert Image.open(paths[2]).size == (390, 260)  # 3 x 2 inches at 130 dpi
    assert Image.open(paths[3]).size == (8, 6)
    written = json.loads(paths[0].read_text(encoding="utf-8"))
    assert written["tables"][0]["rows"] == [
        ["a|b", 1234, 0.01234, {"count": 1, "of": 2, "low": 0.0, "high": 1.0}],
        ["写真", None, None, None],
    ]
    assert written["provenance"]["models"] == {"encoder": "e1"}
    assert written["data"] == {"more": [1, 2]}


def test_markdown() -> None:
    text = report().markdown("test")
    assert text.startswith(
        "# A title\n\n    whichpage bench photos t.csv\n\nWhat was seen.\n\n## Numbers\n\n"
    )
    assert "| a\\|b | 1,234 |   0.0123 | 1 (50 %, 0 to 100) |" in text
    assert "| 写真   |     - |        - |                  - |" in text
    assert "\n\nA note.\n\n![A line](test-line.png)\n\n*A line*\n\n![A photo](test-photo.jpg)" in text
    for word in ("abc", "c0de", "e1", "da7a", "2026-01-02", "cores"):
        assert word in text.split("## Where this comes from")[1]
    assert "![" not in report().text()
    assert "A note." in report().text()


def test_columns_of_numbers_are_set_right() -> None:
    assert markdown_table(("way", "n"), [("x", 1), ("longer", 20)]).splitlines() == [
        "| way    |   n |",
        "| ------ | --: |",
        "| x      |   1 |",
        "| longer |  20 |",
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (0.012345, "0.0123"),
        (9.999, "10.0"),
        (99.96, "100"),
        (999.6, "1,000"),
        (1234.5, "1,234"),
        (12.345, "12.3"),
        (-0.5, "-0.500"),
        (float("nan"), "-"),
        (float("inf"), "-"),
    ],
)
def test_numbers_have_three_digits(value: float, text: str) -> None:
    assert number_text(value) == text
