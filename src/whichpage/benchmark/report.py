"""A report: what was measured, as JSON for programs and as Markdown with pictures for people."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from whichpage.benchmark.provenance import Provenance
from whichpage.benchmark.resampling import Share

Cell = str | int | float | Share | None


@dataclass(frozen=True)
class Table:
    """Rows of values under their columns; a unit stands in the column's name.

    note: what must be known to read it.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    note: str = ""


@dataclass(frozen=True)
class Figure:
    """A picture of the report.

    picture: a matplotlib figure or a Pillow image.
    name: end of its file's name. ending: of the file; photos are smaller as "jpg".
    """

    name: str
    caption: str
    picture: Any
    ending: str = "png"


@dataclass(frozen=True)
class Report:
    """What one run measured.

    summary: sentences for people, a paragraph each.
    data: what a program may want beside the tables; JSON's types only.
    """

    title: str
    summary: Sequence[str]
    tables: Sequence[Table]
    figures: Sequence[Figure]
    provenance: Provenance
    data: dict[str, Any] = field(default_factory=dict)

    def write(self, out: Path, name: str) -> list[Path]:
        """Writes `name.json`, `name.md` and `name-FIGURE.png` into a folder; returns their paths.

        Raises:
            OSError: the folder or a file cannot be written.
        """
        out.mkdir(parents=True, exist_ok=True)
        paths = [out / f"{name}.json", out / f"{name}.md"]
        paths[0].write_text(json.dumps(self.object(), indent=1) + "\n", encoding="utf-8")
        paths[1].write_text(self.markdown(name), encoding="utf-8")
        for figure in self.figures:
            paths.append(out / _file(name, figure))
            save_picture(figure.picture, paths[-1])
        return paths

    def object(self) -> dict[str, Any]:
        """The report as JSON knows it."""
        return {
            "title": self.title,
            "summary": list(self.summary),
            "tables": [
                {
                    "title": table.title,
                    "columns": list(table.columns),
                    "rows": [[_plain(cell) for cell in row] for row in table.rows],
                }
                for table in self.tables
            ],
            "data": self.data,
            "provenance": asdict(self.provenance),
        }

    def text(self) -> str:
        """The report as Markdown without its figures, for a terminal."""
        return self._joined([])

    def markdown(self, name: str) -> str:
        """The report as Markdown; its figures are the files that `write` makes under this name."""
        return self._joined(
            [
                part
                for figure in self.figures
                for part in (f"![{figure.caption}]({_file(name, figure)})", f"*{figure.caption}*")
            ]
        )

    def _joined(self, figures: Sequence[str]) -> str:
        parts = [f"# {self.title}", f"    {self.provenance.command}", *self.summary]
        for table in self.tables:
            parts += [f"## {table.title}", markdown_table(table.columns, table.rows)]
            parts += [table.note] if table.note else []
        parts += [*figures, "## Where this comes from", markdown_table(("", ""), self.provenance.rows())]
        return "\n\n".join(parts) + "\n"


def markdown_table(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """A table in Markdown, columns of numbers set to the right, padded so that it reads as plain text."""
    cells = [[_text(cell) for cell in row] for row in rows]
    numbers = [all(_is_number(row[place]) for row in rows) for place in range(len(columns))]
    widths = [max(3, len(name), *(len(row[place]) for row in cells), 0) for place, name in enumerate(columns)]

    def line(words: Sequence[str]) -> str:
        padded = (
            word.rjust(width) if right else word.ljust(width)
            for word, width, right in zip(words, widths, numbers, strict=True)
        )
        return f"| {' | '.join(padded)} |"

    rule = ("-" * (w - 1) + ":" if right else "-" * w for w, right in zip(widths, numbers, strict=True))
    return "\n".join([line(columns), f"| {' | '.join(rule)} |", *(line(row) for row in cells)])


def number_text(value: float) -> str:
    """A number with three significant digits, or all that stand before its point: 0.0123, 1,234."""
    if not math.isfinite(value):
        return "-"
    if value == 0:
        return "0"
    digits = 2 - math.floor(math.log10(abs(value)))
    rounded = round(value, digits) if digits > 0 else float(round(value))
    return f"{rounded:,.{max(0, 2 - math.floor(math.log10(abs(rounded))))}f}"


def save_picture(picture: Any, path: Path) -> None:
    """Writes a matplotlib figure or a Pillow image."""
    if hasattr(picture, "savefig"):
        picture.savefig(path)
    elif path.suffix == ".jpg":
        picture.save(path, quality=80, optimize=True)
    else:
        picture.save(path, optimize=True)


def _file(name: str, figure: Figure) -> str:
    return f"{name}-{figure.name}.{figure.ending}"


def _is_number(cell: Cell) -> bool:
    return cell is None or isinstance(cell, int | float | Share)


def _text(cell: Cell) -> str:
    if cell is None:
        return "-"
    if isinstance(cell, Share):
        return _share_text(cell)
    if isinstance(cell, float):
        return number_text(cell)
    if isinstance(cell, int):
        return f"{cell:,}"
    return cell.replace("|", "\\|")


def _share_text(cell: Share) -> str:
    """11 (92 %, 75 to 100)"""
    if not cell.of:
        return "-"
    return f"{cell.count} ({100 * cell.value:.0f} %, {100 * cell.low:.0f} to {100 * cell.high:.0f})"


def _plain(cell: Cell) -> Any:
    if isinstance(cell, Share):
        return asdict(cell) if cell.of else None
    if isinstance(cell, float) and not math.isfinite(cell):
        return None  # JSON has no word for it
    return cell
