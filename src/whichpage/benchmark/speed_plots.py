"""Plots of `whichpage bench speed`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from whichpage.benchmark.plots import BLUE, GREEN, INK, ORANGE, SKY, canvas
from whichpage.benchmark.speed_finding import Growth, PhotoTimes, SearchTime
from whichpage.benchmark.speed_indexing import IndexingTimes


def indexing(times: IndexingTimes) -> Figure:
    """Pages a second of the three ways, a dot a round, on a logarithmic scale."""
    figure, axes = canvas(7, 2.6)
    ways = (
        ("article", times.article, ORANGE),
        ("whichpage add", times.add, BLUE),
        ("rendering alone", times.bare, GREEN),
    )
    for place, (_, rates, colour) in enumerate(ways):
        middle = float(np.median(rates))
        axes.scatter(rates, [place] * len(rates), s=28, color=colour, alpha=0.6, linewidths=0, zorder=3)
        axes.plot([middle, middle], [place - 0.3, place + 0.3], color=INK, linewidth=2.5)
        axes.annotate(f"{middle:,.3g}", (middle, place + 0.34), ha="center", fontsize=9)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(_plain))
    axes.set_yticks(range(len(ways)), [name for name, _, _ in ways])
    axes.set_ylim(-0.5, len(ways) - 0.3)
    axes.set_xlabel("pages a second (a dot a round, a bar the median)")
    axes.grid(visible=False, axis="y")
    return figure


def photos(times: PhotoTimes) -> Figure:
    """Our seconds over the article's, a dot a photo; below the upper line ours is faster."""
    figure, axes = canvas(5.6, 5)
    ours, article = np.array(times.ours), np.array(times.article)
    ends = (0.7 * min(ours.min(), article.min()), 1.4 * max(ours.max(), article.max()))
    for factor, dashes, label in ((1, "-", "as fast"), (4, "--", "4 times as fast")):
        axes.plot(
            ends,
            [end / factor for end in ends],
            color="#999999",
            linestyle=dashes,
            linewidth=1.2,
            label=f"ours {label}",
        )
    axes.scatter(article, ours, s=30, color=BLUE, alpha=0.8, linewidths=0, zorder=3, label="a photo")
    axes.set_xscale("log")
    axes.set_yscale("log")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(FuncFormatter(_plain))
        axis.set_minor_formatter(NullFormatter())
    axes.set_xlim(ends)
    axes.set_ylim(ends)
    axes.set_aspect("equal")
    axes.set_xlabel("article's pipeline, seconds a photo")
    axes.set_ylabel("whichpage find, seconds a photo")
    figure.legend(loc="outside upper center", ncols=3, frameon=False, fontsize=8.5)
    return figure


def growth(grown: Sequence[Growth], searched: Sequence[SearchTime]) -> Figure:
    """Seconds a photo and a search over the number of pages."""
    figure, axes = canvas(7, 4.2)
    pages = [one.pages for one in grown]
    axes.plot(pages, [one.whole for one in grown], color=BLUE, marker="o", label="photo to answer")
    axes.plot(
        pages, [one.local for one in grown], color=SKY, marker="D", label="a photo, by local features alone"
    )
    axes.plot(
        pages, [one.search for one in grown], color=ORANGE, marker="s", label="all searches for a photo"
    )
    sizes = [one.pages for one in searched]
    axes.plot(
        sizes, [one.ours for one in searched], color=GREEN, marker="^", linestyle="--", label="one search"
    )
    axes.plot(
        sizes,
        [one.ours_limit for one in searched],
        color=INK,
        linestyle=":",
        linewidth=2,
        label="reading the codes once",
    )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(_plain))
    axes.yaxis.set_major_formatter(FuncFormatter(_plain))
    axes.set_xlabel("pages of the library")
    axes.set_ylabel("seconds")
    axes.legend(frameon=False, fontsize=8.5)
    return figure


def _plain(value: float, _: int | None = None) -> str:
    return f"{value:,.0f}" if value >= 1 else f"{value:g}"
