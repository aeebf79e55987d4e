"""Draws what a run logged to its CSV: one panel a quantity, over the steps or epochs."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")  # no window, wherever this runs
import matplotlib.pyplot as plt


def read_log(path: Path) -> dict[str, list[tuple[float, float]]]:
    """The points of each column of a log, (first column, value); cells that are empty have none.

    A resumed run may have logged a step twice: the later row counts.
    """
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        names = list(reader.fieldnames or ())
        rows = {float(row[names[0]]): row for row in reader}
    return {
        name: [(at, float(row[name])) for at, row in sorted(rows.items()) if row[name]] for name in names[1:]
    }


def draw(log: Path, picture: Path, panels: Mapping[str, Sequence[str]], *, along: str) -> None:
    """Writes a PNG.

    Args:
        log: the CSV.
        picture: the file to write.
        panels: the columns of each panel under its title; what has no values is left out.
        along: what the log's first column counts.
    """
    points = {name: values for name, values in read_log(log).items() if values}
    drawn = {title: [n for n in names if n in points] for title, names in panels.items()}
    drawn = {title: names for title, names in drawn.items() if names}
    figure, axes = plt.subplots(1, len(drawn), figsize=(5 * len(drawn), 3.5), squeeze=False)
    for axis, (title, names) in zip(axes[0], drawn.items(), strict=True):
        for name in names:
            at, values = zip(*points[name], strict=True)
            axis.plot(at, values, label=name, marker="o" if len(at) < 30 else None, markersize=3)
        axis.legend(frameon=False)
        axis.set_title(title)
        axis.set_xlabel(along)
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(alpha=0.25)
    figure.tight_layout()
    figure.savefig(picture, dpi=120)
    plt.close(figure)
