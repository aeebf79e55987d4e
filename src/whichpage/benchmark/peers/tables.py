"""The report on the peers: one table, the same by kind of photo, and what each of them is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from whichpage.benchmark.provenance import Provenance
from whichpage.benchmark.report import Cell, Figure, Report, Table

if TYPE_CHECKING:
    from whichpage.benchmark.peers.runner import PeerRun

_COLUMNS = (
    "peer",
    "top-1",
    "top-5",
    "answered right",
    "wrong answers",
    "wrong answers, page absent",
    "s a photo (median)",
    "s a page to index",
    "bytes a page",
)


def report(runs: Sequence[PeerRun], *, pages: int, of: int, seed: int, origin: Provenance) -> Report:
    """The report on peers that all saw the same photos and the same `pages` of `of` pages."""
    present = runs[0].present.total.photos
    absent = runs[0].absent.total.photos
    which = (
        f"all {of:,} pages of the library"
        if pages == of
        else f"the same {pages:,} of the library's {of:,} pages: those that the photos show with their "
        f"neighbours, the others drawn in runs of neighbours (seed {seed})"
    )
    summary = [
        f"Every peer searched {which}, and was asked for {present:,} photos of these pages"
        f" and {absent:,} photos of pages that are not there.",
    ]
    return Report(
        title="Peers",
        summary=summary,
        tables=[_main(runs), *_by_stratum(runs), _what(runs)],
        figures=[_figure(runs)],
        provenance=origin,
        data={
            "pages": pages,
            "library_pages": of,
            "peers": {
                run.name: {
                    "seconds": [answer["seconds"] for answer in run.answers.values()],
                    "index_seconds": run.cost.seconds,
                    "index_bytes": run.cost.bytes,
                    "index_pages": run.cost.pages,
                    "unreadable": run.cost.unreadable,
                    "answers": list(run.answers.values()),
                }
                for run in runs
            },
        },
    )


def _main(runs: Sequence[PeerRun]) -> Table:
    rows: list[list[Cell]] = [
        [
            run.name,
            run.present.total.top1,
            run.present.total.top5,
            run.present.total.accepted_right,
            run.present.total.accepted_wrong,
            run.absent.total.accepted_wrong,
            run.median_seconds,
            run.cost.seconds_a_page,
            round(run.cost.bytes_a_page),
        ]
        for run in runs
    ]
    return Table(
        "All photos",
        _COLUMNS,
        rows,
        "Top-1 and top-5: the true page is ranked first, or among the first five, whether the peer would "
        "give it as its answer or not. Answered right, wrong answers: what the peer gives as its answer, by "
        "its rule below. Counts; in brackets the share and its 95 % bootstrap interval. Times are wall time, "
        "each peer free to use all cores; rendering a page and decoding a photo count.",
    )


def _by_stratum(runs: Sequence[PeerRun]) -> list[Table]:
    strata = list(runs[0].present.strata)
    columns = ("photos of", "photos", *(run.name for run in runs))

    def rows(name: str) -> list[list[Cell]]:
        return [
            [
                stratum,
                runs[0].present.strata[stratum].photos,
                *(getattr(run.present.strata[stratum], name).count for run in runs),
            ]
            for stratum in strata
        ]

    absent: list[list[Cell]] = [
        [stratum, counted.photos, *(run.absent.strata[stratum].accepted_wrong.count for run in runs)]
        for stratum, counted in runs[0].absent.strata.items()
    ]
    wrong = Table("Wrong answers by kind of photo", columns, [*rows("accepted_wrong"), *absent])
    if not strata:
        return [wrong]
    return [
        Table("Top-1 by kind of photo", columns, rows("top1")),
        Table("Top-5 by kind of photo", columns, rows("top5")),
        Table("Answered right by kind of photo", columns, rows("accepted_right")),
        wrong,
    ]


def _what(runs: Sequence[PeerRun]) -> Table:
    return Table(
        "The peers", ("peer", "what it is", "when it answers"), [[r.name, r.what, r.rule] for r in runs]
    )


def _figure(runs: Sequence[PeerRun]) -> Figure:
    """Share of photos answered right against the time of a photo; how many wrong beside each name."""
    from matplotlib.figure import Figure as Canvas

    canvas = Canvas(figsize=(8, 5), dpi=120, layout="constrained")
    axes: Any = canvas.subplots()
    points = [(run.median_seconds, 100 * run.present.total.accepted_right.value) for run in runs]
    for run, (seconds, right) in zip(runs, points, strict=True):
        own = _is_own(run)
        axes.plot(seconds, right, "o", color="#c0392b" if own else "#34607f", markersize=9 if own else 7)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_ylim(-6, 108)
    axes.margins(x=0.25)
    axes.set_xlabel("seconds a photo (median)")
    axes.set_ylabel("photos answered right, %")
    axes.grid(visible=True, which="both", alpha=0.25)
    _name_points(canvas, axes, runs, points)
    caption = "Photos answered right against the time of a photo; in brackets how many answers were wrong."
    return Figure("overview", caption, canvas)


# Where a name may stand beside its point, in points of the page, and which of its sides is there.
_BESIDE = (
    *((8, -4, "left"), (-8, -4, "right")),
    *((8, 6, "left"), (-8, 6, "right"), (8, -14, "left"), (-8, -14, "right")),
    *((0, -18, "center"), (0, 10, "center"), (0, 24, "center"), (0, 38, "center")),
)


def _is_own(run: PeerRun) -> bool:
    return run.name.startswith("whichpage")


def _name_points(
    canvas: Any, axes: Any, runs: Sequence[PeerRun], points: Sequence[tuple[float, float]]
) -> None:
    """Writes each peer's name beside its point, where it covers no other point and no other name."""
    from matplotlib.transforms import Bbox

    canvas.draw_without_rendering()  # only then it is known where everything is
    reach = 6 * canvas.dpi / 72
    middles = axes.transData.transform(points)
    taken = [Bbox.from_extents(x - reach, y - reach, x + reach, y + reach) for x, y in middles]
    for run, point, own in zip(runs, points, tuple(taken), strict=True):
        wrong = run.present.total.accepted_wrong.count + run.absent.total.accepted_wrong.count
        for right, up, side in _BESIDE:
            name = axes.annotate(
                f"{run.name} ({wrong} wrong)",
                point,
                textcoords="offset points",
                xytext=(right, up),
                ha=side,
                weight="bold" if _is_own(run) else "normal",
            )
            box = name.get_window_extent()
            is_within = all(axes.bbox.contains(x, y) for x, y in (box.min, box.max))
            is_free = is_within and not any(box.overlaps(other) for other in taken if other is not own)
            if is_free or (right, up, side) == _BESIDE[-1]:
                taken.append(box)
                break
            name.remove()
