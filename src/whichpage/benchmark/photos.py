"""`whichpage bench photos`: the real `Library.find` on photos whose pages are known."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from whichpage.answers import answer_object
from whichpage.benchmark import confidence, contacts, latency, plots
from whichpage.benchmark.absent import Struck
from whichpage.benchmark.progress import track
from whichpage.benchmark.provenance import (
    Provenance,
    digest_bytes,
    digest_files,
    digest_texts,
    own_models,
    provenance,
)
from whichpage.benchmark.report import Figure, Report, Table
from whichpage.benchmark.resampling import Share, at_most, share
from whichpage.benchmark.resume import ResultLog
from whichpage.benchmark.samepage import SamePage, books_by_ending, read_duplicates
from whichpage.benchmark.scoring import Compares, Scores, StratumScore, Verdict, score
from whichpage.benchmark.truth import TruthPhoto, read_truths
from whichpage.catalog import Catalog
from whichpage.errors import PhotoError
from whichpage.library import Library, default_path
from whichpage.photo import decode
from whichpage.types import Answer

# How many pages of each list that retrieval makes are looked through for the true one.
PROPOSED = 20
TITLES = {
    False: "Photos of known pages",
    True: "Photos without their own pages",
}
COLUMNS = (
    "stratum",
    "photos",
    "top-1",
    "top-5",
    "accepted right",
    "accepted wrong",
    "missed",
    "both pages",
    "unanswered",
)


def run(
    truth_files: Sequence[Path],
    *,
    library: Path | None,
    model: Path | None,
    books: Path | None,
    duplicates: Path | None,
    text: bool = True,
    absent: bool = False,
    out: Path,
) -> Report:
    """Answers every photo, or goes on with a run that was ended, and reports.

    Args:
        truth_files: see `truth`.
        library: its folder; None for the usual one.
        model: an encoder other than the shipped one.
        books: where the truth's books are; None to take them from where the library knows them.
        duplicates: a duplicate map; None to compare pages by rendering them.
        text: find photos by their text too; else by looks alone.
        absent: answer each photo as if the pages that it shows were in no book.
        out: folder of the answers that are kept.

    Raises:
        TruthError: a truth file or the duplicate map cannot be used.
        LibraryError: the library cannot be opened, or was made with another model.
    """
    truths = read_truths(truth_files)
    folder = library or default_path()
    with Catalog.open(folder) as catalog:
        files = [path for book in catalog.books() for path in (book.path, *book.copies)]
        codes = catalog.codes()[1]
    measured = digest_files([*truth_files, *(truth.photo for truth in truths)])
    origin = provenance(
        models=own_models(model),
        data=digest_texts([measured, digest_bytes(codes.tobytes())]),
    )
    locate = books_by_ending(files, books)
    same = SamePage(locate, read_duplicates(duplicates) if duplicates else None)
    with (
        Library.open(folder, model=model, text=text) as opened,
        ResultLog.open(out / f"{name(text=text, absent=absent)}.answers.jsonl", key=origin.key()) as log,
    ):
        if absent:
            answer_absent(opened, truths, log, same=same)
            truths = [truth.struck() for truth in truths]
        else:
            answer_all(opened, truths, log, same=same)
        answers = {str(truth.photo): log.done[str(truth.photo)] for truth in truths}
    retrieval = retrieval_rows(truths, answers)
    scores = score(truths, answers, same=same)
    title = TITLES[absent] + ("" if text else ", by looks alone")
    return _report(scores, answers, retrieval, locate, origin, pages=len(codes), title=title)


def name(*, text: bool, absent: bool) -> str:
    """What the report's files are called, and the answers that are kept."""
    return ("photos" if text else "looks") + ("-absent" if absent else "")


def answer_all(library: Library, truths: Sequence[TruthPhoto], log: ResultLog, *, same: Compares) -> None:
    """Answers the photos that have no answer yet; each is kept with its timings and its page's rank."""
    waiting = [truth for truth in truths if str(truth.photo) not in log.done]
    if not waiting:
        return
    # Models, index and thread pools are warm before the first photo that counts.
    answer_one(library.find, waiting[0].photo)
    for truth in track(waiting, "photos"):
        answer = answer_one(library.find, truth.photo)
        log.add(str(truth.photo), {**answer, "proposed": proposed_rank(library, truth, same=same)})


def answer_absent(library: Library, truths: Sequence[TruthPhoto], log: ResultLog, *, same: Compares) -> None:
    """Answers the photos that have no answer yet, each without the pages that it shows."""
    struck = Struck(library, same=same)
    for truth in track([truth for truth in truths if str(truth.photo) not in log.done], "photos"):
        log.add(str(truth.photo), answer_one(partial(struck.find, truth=truth), truth.photo))


def answer_one(find: Callable[[Path], Answer], photo: Path) -> dict[str, Any]:
    """The answer as `whichpage find --json` gives it, and its `timings`."""
    try:
        answer = find(photo)
    except PhotoError as error:
        answer = Answer(photo=str(photo), status="error", seconds=0.0, error=str(error))
    return {**answer_object(answer), "timings": answer.timings}


def proposed_rank(library: Library, truth: TruthPhoto, *, same: Compares) -> int | None:
    """At which place retrieval alone has the true page, 1 for the first; None where it is not among 20.

    Of the lists that retrieval makes, by looks, by local features and by text, that one counts which has
    it first.
    """
    try:
        photo = decode(truth.photo)
    except PhotoError:
        return None
    finder = library.finder()
    ranks = []
    for ids in finder.propose(photo):
        pages = finder.store.pages(ids[:PROPOSED])
        right = (
            any(same(str(page.source), page.number, truth.pdf, number) for number in truth.pages)
            for page in pages
        )
        ranks += [rank for rank, hit in enumerate(right, 1) if hit][:1]
    return min(ranks, default=None)


def retrieval_rows(
    truths: Sequence[TruthPhoto], answers: Mapping[str, Mapping[str, Any]]
) -> list[tuple[str | int | Share, ...]]:
    """How often the true page is among the first 1, 5 and 20 that retrieval proposes, by stratum."""
    shown = [truth for truth in truths if not truth.absent]
    rows: list[tuple[str | int | Share, ...]] = []
    for name in (*sorted({truth.stratum for truth in shown}), "all") if shown else ():
        some = [truth for truth in shown if name in (truth.stratum, "all")]
        ranks = [answers[str(truth.photo)]["proposed"] for truth in some]
        sheets = [truth.sheet for truth in some]
        shares = (
            share([rank is not None and rank <= most for rank in ranks], sheets) for most in (1, 5, PROPOSED)
        )
        rows.append((name, len(ranks), *shares))
    return rows


def score_row(name: str, row: StratumScore) -> tuple[str | int | Share, ...]:
    """A line of the table of scores, as `COLUMNS` names them."""
    shares = (row.top1, row.top5, row.accepted_right, row.accepted_wrong, row.missed, row.both)
    return (name, row.photos, *shares, row.unanswered)


def _by_sheet(verdicts: Sequence[Verdict], name: str) -> tuple[list[bool], list[str]]:
    """What became of photos, and the sheet of each."""
    return [getattr(one, name) for one in verdicts], [one.truth.sheet for one in verdicts]


def _report(
    scores: Scores,
    answers: Mapping[str, Mapping[str, Any]],
    retrieval: Sequence[Sequence[str | int | Share]],
    locate: Callable[[str], Path | None],
    origin: Provenance,
    *,
    pages: int,
    title: str,
) -> Report:
    total = scores.total
    curve = confidence.risk_coverage(scores.verdicts)
    bins, error = confidence.reliability(scores.verdicts)
    times = latency.latency(answers.values())
    sheets = {verdict.truth.sheet for verdict in scores.verdicts}
    wrong_sheets = {verdict.truth.sheet for verdict in scores.verdicts if verdict.accepted_wrong}
    limit = at_most(len(wrong_sheets), len(sheets))
    accepted = share(*_by_sheet(scores.verdicts, "accepted"))
    given = [verdict for verdict in scores.verdicts if verdict.accepted]
    wrong = share(*_by_sheet(given, "accepted_wrong"))
    tables = [
        Table(
            "By kind of photo",
            COLUMNS,
            [score_row(name, row) for name, row in (*scores.strata.items(), ("all", total))],
            "Counts, with the share and its 95 % bootstrap interval in percent. Sheets of paper are drawn,"
            " with all their photos, for these succeed and fail together. Where all ended alike, the"
            " bootstrap knows no spread.",
        ),
        Table(
            "Retrieval alone",
            ("stratum", "photos", "first", "among the first 5", f"among the first {PROPOSED}"),
            retrieval,
            "Where the true page is among those that retrieval proposes, by looks, by local features or by"
            " text, before any is verified.",
        ),
        Table(
            "Confidence of the first match",
            ("confidence from", "to", "mean confidence", "right"),
            [(one.low, one.high, one.confidence, one.right) for one in bins],
            f"Expected calibration error {error:.3f}; area under the risk-coverage curve {curve.area:.4f}.",
        ),
    ]
    figures = [
        Figure(
            "strata",
            "What became of the photos, by kind, and how many had the right page first",
            plots.strata(scores),
        ),
        Figure(
            "risk-coverage",
            "Wrong answers among those accepted, as the threshold of the confidence is lowered",
            plots.risk_coverage(curve, accepted=accepted, wrong=wrong),
        ),
        Figure(
            "reliability",
            "How often first matches of a confidence are right",
            plots.reliability(bins, error=error),
        ),
    ]
    if times:
        tables.append(
            Table(
                "Time a photo",
                ("stage", "median, ms", "95th percentile, ms", "mean, ms", "share, %"),
                times.rows(),
            )
        )
        figures.append(Figure("stages", "Time of each photo, by stage", plots.stages(times)))
    wrong_ones = contacts.contacts(scores.verdicts, answers, locate)
    for number, sheet in enumerate(contacts.sheets(wrong_ones), 1):
        caption = "Photos that went wrong: the photo, its true page, the first match"
        figures.append(Figure(f"wrong-{number}", caption, sheet, "jpg"))
    return Report(
        title=title,
        summary=(
            f"{total.photos} photos of {len(sheets)} sheets, a library of {pages:,} pages that can be found."
            f" Top-1 {total.top1.count} ({100 * total.top1.value:.1f} %), accepted right"
            f" {total.accepted_right.count}, accepted wrong {total.accepted_wrong.count} (95 % sure: at most"
            f" {100 * limit:.1f} % of such sheets).",
        ),
        tables=tables,
        figures=figures,
        provenance=origin,
        data={
            "area_under_risk_coverage": curve.area,
            "expected_calibration_error": error,
            "accepted_wrong_at_most": limit,
            "risk_coverage": [curve.threshold.tolist(), curve.coverage.tolist(), curve.risk.tolist()],
        },
    )
