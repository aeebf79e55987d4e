"""How the plots of all reports look, and those of answers to photos.

Colours are those of Okabe and Ito (2008), which colour-blind people tell apart; no plot relies on colour
alone. Figures are drawn without a display.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, PercentFormatter

from whichpage.benchmark.confidence import Bin, RiskCoverage
from whichpage.benchmark.latency import STAGES, WHOLE, Latency
from whichpage.benchmark.resampling import Share
from whichpage.benchmark.scoring import Scores

BLUE, ORANGE, GREEN, PINK, SKY, YELLOW = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#F0E442"
INK, FAINT = "#222222", "#BBBBBB"
_DPI = 130


def canvas(width: float, height: float) -> tuple[Figure, Any]:
    """An empty figure of inches, and its axes, in the reports' style."""
    figure = Figure(figsize=(width, height), dpi=_DPI, layout="constrained", facecolor="white")
    axes = figure.subplots()
    tidy(axes)
    return figure, axes


def tidy(axes: Any) -> None:
    """The reports' style: no frame above and to the right, a faint grid behind the data."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)
    axes.grid(color="#E5E5E5", linewidth=0.8)


def strata(scores: Scores) -> Figure:
    """For each kind of photo, what became of it, and top-1 with its interval."""
    rows = [*scores.strata.items(), ("all", scores.total)]
    figure, axes = canvas(8, 1.2 + 0.34 * len(rows))
    places = np.arange(len(rows))[::-1]
    left = np.zeros(len(rows))
    for name, label, colour, hatch in (
        ("accepted_right", "accepted, right", GREEN, ""),
        ("declined", "no page in the library, and none accepted", SKY, ""),
        ("missed", "missed", "#E2E2E2", ""),
        ("accepted_wrong", "accepted, wrong", ORANGE, "///"),
    ):
        widths = np.array([_part(scores, stratum, name) for stratum, _ in rows])
        if widths.any():
            axes.barh(
                places,
                widths,
                left=left,
                height=0.7,
                color=colour,
                hatch=hatch,
                edgecolor="white",
                label=label,
            )
        left += widths
    tops = [row.top1 for _, row in rows]
    axes.errorbar(
        [top.value for top in tops],
        places,
        xerr=_bars(tops),
        fmt="D",
        color=INK,
        markersize=4.5,
        capsize=3,
        linewidth=1.2,
        clip_on=False,
        label="top-1, 95 % interval",
    )
    axes.set_yticks(places, [f"{name} ({row.photos})" for name, row in rows])
    axes.set_xlim(0, 1.005)
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    axes.set_xlabel("share of the photos")
    axes.grid(visible=False, axis="y")
    figure.legend(loc="outside upper center", ncols=3, frameon=False, fontsize=8.5)
    return figure


def _part(scores: Scores, stratum: str, name: str) -> float:
    verdicts = [v for v in scores.verdicts if stratum == "all" or v.truth.stratum == stratum]
    if name == "declined":
        hits = [verdict.truth.absent and verdict.well for verdict in verdicts]
    else:
        hits = [getattr(verdict, name) for verdict in verdicts]
    return sum(hits) / len(verdicts)


def _bars(shares: Sequence[Share]) -> np.ndarray:
    """Lengths of error bars below and above, (2, N)."""
    return np.array(
        [[max(0.0, s.value - s.low) for s in shares], [max(0.0, s.high - s.value) for s in shares]]
    )


def risk_coverage(curve: RiskCoverage, *, accepted: Share, wrong: Share) -> Figure:
    """Risk over coverage, and where the software stands with its own threshold.

    accepted: photos with an accepted answer. wrong: those of them with a wrong one.
    """
    figure, axes = canvas(6, 4)
    axes.step(curve.coverage, curve.risk, where="post", color=BLUE, linewidth=2)
    axes.errorbar(
        [accepted.value],
        [wrong.value if wrong.of else 0.0],
        yerr=_bars([wrong]) if wrong.of else None,
        fmt="o",
        color=ORANGE,
        markersize=8,
        capsize=4,
        label="as accepted by the software",
        zorder=3,
    )
    axes.set_xlim(0, 1.01)
    axes.set_ylim(bottom=min(-0.01, -0.03 * float(curve.risk.max(initial=0.1))))
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.set_xlabel("coverage: photos whose first match is accepted")
    axes.set_ylabel("risk: accepted matches that are wrong")
    axes.legend(frameon=False, loc="upper left")
    return figure


def reliability(bins: Sequence[Bin], *, error: float) -> Figure:
    """Share of right answers over their confidence, with how many answers each point stands for."""
    figure = Figure(figsize=(5.5, 5.5), dpi=_DPI, layout="constrained", facecolor="white")
    axes, counts = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    tidy(axes)
    tidy(counts)
    filled = [one for one in bins if one.right.of]
    axes.plot([0, 1], [0, 1], color=FAINT, linewidth=1.5, linestyle="--", label="as sure as right")
    axes.errorbar(
        [one.confidence for one in filled],
        [one.right.value for one in filled],
        yerr=_bars([one.right for one in filled]),
        fmt="o",
        color=BLUE,
        markersize=7,
        capsize=3,
        label="measured, 95 % interval",
    )
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.03, 1.03)
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.set_ylabel("first matches that are right")
    axes.legend(frameon=False, loc="upper left")
    axes.set_title(f"expected calibration error {error:.3f}", fontsize=10)
    middles = [(one.low + one.high) / 2 for one in bins]
    bars = counts.bar(middles, [one.right.of for one in bins], width=0.9 / len(bins), color=SKY)
    counts.bar_label(bars, fontsize=8, color=INK)
    counts.set_ylim(0, 1.2 * max(one.right.of for one in bins) + 1)
    counts.set_xlabel("confidence of the first match")
    counts.set_ylabel("photos")
    return figure


def stages(measured: Latency) -> Figure:
    """Seconds of every photo by stage, on a logarithmic scale: dots, median and 95th percentile."""
    figure, axes = canvas(7, 3.6)
    names = [*STAGES, WHOLE][::-1]
    chance = np.random.default_rng(0)
    for place, name in enumerate(names):
        values = np.maximum(measured.seconds[name], 1e-5)
        shown = place + chance.uniform(-0.25, 0.25, values.size)
        axes.scatter(values, shown, s=5, color=SKY, alpha=0.5, linewidths=0)
        middle, late = np.median(values), np.quantile(values, 0.95)
        axes.plot([middle, middle], [place - 0.36, place + 0.36], color=BLUE, linewidth=2.5)
        axes.plot(
            [late, late], [place - 0.36, place + 0.36], color=ORANGE, linewidth=2.5, linestyle=(0, (1.5, 1))
        )
        axes.annotate(
            f"{_seconds(float(middle))}, {_seconds(float(late))}",
            (1.01, place),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize=8.5,
            annotation_clip=False,
        )
    axes.plot([], [], color=BLUE, linewidth=2.5, label="median")
    axes.plot([], [], color=ORANGE, linewidth=2.5, linestyle=(0, (1.5, 1)), label="95th percentile")
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("seconds a photo")
    axes.grid(visible=False, axis="y")
    figure.legend(loc="outside upper center", ncols=2, frameon=False, fontsize=8.5)
    return figure


def shares(names: Sequence[str], lines: Sequence[tuple[str, Sequence[Share]]]) -> Figure:
    """Shares over named groups, a line and a marker of its own for each way."""
    figure, axes = canvas(7.5, 4.2)
    styles = ((BLUE, "o", "-"), (SKY, "s", "--"), (GREEN, "D", "-"), (ORANGE, "^", "-"), (PINK, "v", "--"))
    for number, (label, values) in enumerate(lines):
        colour, marker, dashes = styles[number % len(styles)]
        # Side by side, so that intervals do not lie on each other.
        places = np.arange(len(names)) + 0.05 * (number - (len(lines) - 1) / 2)
        axes.errorbar(
            places,
            [value.value for value in values],
            yerr=_bars(values),
            color=colour,
            marker=marker,
            linestyle=dashes,
            capsize=3,
            label=label,
        )
    axes.set_xticks(range(len(names)), names)
    axes.set_ylim(0, 1.02)
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.set_ylabel("true page first")
    axes.set_xlabel("share of the page that the view shows")
    axes.grid(visible=False, axis="x")
    figure.legend(loc="outside upper center", ncols=2, frameon=False, fontsize=8.5)
    return figure


def _seconds(value: float) -> str:
    return f"{1000 * value:.0f} ms" if value < 1 else f"{value:.1f} s"
