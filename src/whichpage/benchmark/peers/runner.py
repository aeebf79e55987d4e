"""All photos by all peers: each indexes the same pages, answers every photo, is scored the same way."""

from __future__ import annotations

import gc
import hashlib
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from whichpage.benchmark.peers import tables
from whichpage.benchmark.peers.protocol import IndexCost, LibraryPage, Peer, answer_line
from whichpage.benchmark.peers.registry import MODELS, Setting, make
from whichpage.benchmark.peers.sample import fingerprint, pages_of, sample, shown_pages
from whichpage.benchmark.progress import counted, track
from whichpage.benchmark.provenance import digest_files, digest_texts, own_models, provenance
from whichpage.benchmark.report import Report
from whichpage.benchmark.resume import ResultLog
from whichpage.benchmark.samepage import SamePage, books_by_ending, read_duplicates
from whichpage.benchmark.scoring import Scores, score
from whichpage.benchmark.truth import TruthPhoto, read_truths
from whichpage.catalog import Catalog
from whichpage.errors import PhotoError

_SOURCES = Path(__file__).parent
# Modules that no answer depends on: they choose, count and draw. A peer's own threshold stands in its rule.
_AROUND = frozenset({"command.py", "registry.py", "tables.py", "thresholds.py"})


@dataclass(frozen=True)
class PeerRun:
    """What one peer did.

    answers: one object a photo, by the photo's path, in the form of `whichpage find --json`.
    present, absent: scores on the photos whose page is in the library, and on the others.
    """

    name: str
    what: str
    rule: str
    cost: IndexCost
    answers: dict[str, dict[str, Any]]
    present: Scores
    absent: Scores

    @property
    def median_seconds(self) -> float:
        """Median time of a photo; nan when there is none."""
        seconds = [answer["seconds"] for answer in self.answers.values()]
        return statistics.median(seconds) if seconds else float("nan")


def run(
    truth_files: Sequence[Path],
    *,
    names: Sequence[str],
    setting: Setting,
    pages: int | None,
    books: Path | None,
    duplicates: Path | None,
    out: Path,
    cache: Path,
) -> Report:
    """Measures the peers, or goes on with a run that was ended, and reports.

    Args:
        truth_files: see `truth`.
        names: which peers.
        pages: how many pages of the library they see, those that the photos show among them; None for all.
        books: where the truth's books are; None to take them from where the library knows them.
        duplicates: a duplicate map; None to compare pages by rendering them.
        out: folder of the answers that are kept.
        cache: folder of the peers' indexes.

    Raises:
        TruthError: a truth file or the duplicate map cannot be used.
        WhichpageError: the library lacks a page that a photo shows, or a peer lacks its model.
        LibraryError: the library cannot be opened, or was made with another model.
    """
    truths = read_truths(truth_files)
    with Catalog.open(setting.library) as catalog:
        known = catalog.books()
    shown = [(truth.pdf, number) for truth in truths for number in sorted(truth.pages)]
    chosen = sample(pages_of(known), shown_pages(known, shown), count=pages, seed=setting.seed)
    files = [path for book in known for path in (book.path, *book.copies)]
    same = SamePage(books_by_ending(files, books), read_duplicates(duplicates) if duplicates else None)
    library = fingerprint(chosen)
    photos = digest_files([*truth_files, *(truth.photo for truth in truths)])
    models = own_models(setting.model)
    if setting.article_model is not None:
        models["article"] = setting.article_model
    origin = provenance(models=models, data=digest_texts([library, photos]))
    runs = []
    for name in names:
        peer = make(name, setting)
        cost = _index(peer, chosen, cache / library)
        # Answers in which our models have a part depend on the whole package, the others on this folder.
        models_used = MODELS.get(name, ())
        code = origin.code if "page finder" in models_used else _peers_code()
        used = {model: origin.models[model] for model in models_used}
        key = {"data": origin.data, "code": code, "rule": peer.rule, "kept": peer.kept, **used}
        with ResultLog.open(out / f"peers.{name}.answers.jsonl", key=key) as log:
            _answer_all(peer, truths, log)
            answers = {str(truth.photo): log.done[str(truth.photo)] for truth in truths}
        runs.append(
            PeerRun(
                name,
                peer.what,
                peer.rule,
                cost,
                answers,
                score([truth for truth in truths if not truth.absent], answers, same=same),
                score([truth for truth in truths if truth.absent], answers, same=same),
            )
        )
        del peer
        gc.collect()
    return tables.report(runs, pages=len(chosen), of=len(pages_of(known)), seed=setting.seed, origin=origin)


def _peers_code() -> str:
    answering = sorted(path for path in _SOURCES.glob("*.py") if path.name not in _AROUND)
    return digest_files(answering, below=_SOURCES)


def _index(peer: Peer, pages: Sequence[LibraryPage], folder: Path) -> IndexCost:
    kept = hashlib.sha256(peer.kept.encode()).hexdigest()[:8]
    own = folder / f"{peer.name}-{kept}"
    own.mkdir(parents=True, exist_ok=True)
    with counted(f"{peer.name}: pages") as progress:
        return peer.index(pages, own, progress)


def _answer_all(peer: Peer, truths: Sequence[TruthPhoto], log: ResultLog) -> None:
    waiting = [truth for truth in truths if str(truth.photo) not in log.done]
    for truth in track(waiting, f"{peer.name}: photos"):
        name = str(truth.photo)
        started = time.perf_counter()
        try:
            ranked = peer.answer(truth.photo)
        except PhotoError as error:
            seconds = time.perf_counter() - started
            log.add(name, {**answer_line(name, seconds, []), "status": "error", "error": str(error)})
            continue
        log.add(name, answer_line(name, time.perf_counter() - started, ranked))
