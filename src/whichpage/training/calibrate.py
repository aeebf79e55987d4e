"""Learns what confidence means: from alignments of simulated photos with right and with wrong pages.

usage: python -m whichpage.training.calibrate PHOTOS LIBRARY [PHOTOS LIBRARY ...] [--local]
           [--resemblance] [--alignments FILE.csv] [--diagram FILE.png]

PHOTOS is made by `whichpage.training.photos` from validation books, LIBRARY holds those books. Further pairs
are of books whose pages repeat themselves, as those of `whichpage.training.synthetic` do; they teach what
that takes from the confidence, all else being as the first pair says. Every
photo is answered twice: as it is, and as if its page were in no book (its true page and all that print
nearly the same, as boilerplate and other editions do, are struck out). Prints the constants for
`verify.Calibration`, `verify.TextCalibration`, `verify.FeatureCalibration` and
`verify.ResemblanceCalibration`, the reliability of the confidence, and how many absent photos would be
accepted at which threshold: these by cross-validation, each photo answered with constants that were learned
from others. Then the same of the constants that `verify` has: where these were learned from other photos, it
tells whether they still hold. With --local only what local features find is looked at, and
`verify.FeatureCalibration` alone is learned: that takes a tenth of the time.
With --resemblance `verify.ResemblanceCalibration` alone is learned, all else being as `verify` has it.
It counts, and is learned, of the pages that are so much in doubt that finding asks the encoder of them.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, fields, replace
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from whichpage import verify
from whichpage.files import ends_with
from whichpage.findoptions import FindOptions
from whichpage.library import Library
from whichpage.photo import decode
from whichpage.sameprint import SAME_PRINT, prints_like, reprints
from whichpage.training import reliability

# Of the logistic fits: the penalty where there are many samples, and steps of Newton's method.
_RIDGE, _ROUNDS = 1e-2, 50


@dataclass(frozen=True)
class Sample:
    """One alignment: its photo and page, what was measured, and whether the page was the right one.

    lines, local: how many lines of the photo's text, and how many local features, agree with it.
    alike: how much alike the encoder finds them, -1 to 1; None where it was not asked, or cannot tell.
    """

    photo: str
    page: str
    measures: NDArray[np.float64]
    lines: int
    local: int
    right: bool
    alike: float | None = None


def collect(photos: Path, library: Library, *, local: bool) -> list[Sample]:
    """The alignments of all photos with all candidates that were aligned finely.

    local: only with those that local features propose.
    """
    finder = library.finder()
    # Never content, so that it tries all that there is to try for every photo.
    never = FindOptions(doubtless=2.0, certain=2.0, sure=2.0, accepted=2.0, exhaustive=True)
    patient = finder.variant(options=never)
    samples = []
    # By all names: a copy of a book is kept under the first of them.
    files = list(library.catalog.known())
    searched = set(library.catalog.codes()[0].tolist())  # all pages but blank ones
    for row in _truth(photos):
        photo = decode(photos / row["photo"])
        aligned = patient.align_by_features(photo) if local else patient.align(photo)
        places = dict(
            zip([a.page_id for a in aligned], finder.store.pages([a.page_id for a in aligned]), strict=True)
        )
        books = [library.catalog.book_at(path) for path in files if ends_with(path, row["pdf"])]
        truth = {library.catalog.page_id(book.id, int(row["page"])) for book in books} & searched
        # The page beside the true one may be in the photo too: neither right nor wrong.
        beside = {
            library.catalog.page_id(book.id, int(row["beside"])) for book in books if row["beside"]
        } & searched
        shown = sorted(truth)[:1] + sorted(beside)
        near = {one.page_id for one in aligned if one.alignment.correlation > SAME_PRINT / 2 or one.features}
        read = {one.page_id for one in aligned if one.lines or one.features}
        unclear = beside | _like(shown[:1], near - truth, read - truth, library)
        unclear |= _like(shown[1:], set(), read - truth, library)
        for one in aligned:
            right = one.page_id in truth
            if right or one.page_id not in unclear:
                page = places[one.page_id]
                name = f"{page.source.name}:{page.number}"
                of = _name(photos, row)
                measured = verify.measures(one.alignment)
                samples.append(Sample(of, name, measured, one.lines, one.features, right, one.resemblance))
    return samples


def _truth(photos: Path) -> list[dict[str, str]]:
    with (photos / "truth.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _name(photos: Path, row: Mapping[str, str]) -> str:
    """What a photo's samples call it."""
    return f"{photos.name}/{row['photo']}"


def _like(shown: Sequence[int], near: set[int], read: set[int], library: Library) -> set[int]:
    """Those of the pages `near` that look like a page that is shown, and of those `read` that reprint one."""
    store = library.finder().store
    alike: set[int] = set()
    for page in shown:
        looks = store.encoded_thumbnails([page, *sorted(near)])
        texts = store.printed_lines([page, *sorted(read)])
        same = [*prints_like(looks[0], looks[1:]), *(reprints(texts[0], other) for other in texts[1:])]
        alike |= {other for other, like in zip([*sorted(near), *sorted(read)], same, strict=True) if like}
    return alike


def fit(
    features: NDArray[np.float64], right: NDArray[np.bool_], *, ridge: float = _RIDGE
) -> NDArray[np.float64]:
    """Logistic regression by Newton's method; the weights keep to their expected signs.

    Args:
        features: (N, F).
        right: (N,), what is to be told from them.
        ridge: strength of the penalty on the squared weights of the features as they are when centred and
            scaled to one deviation: else it would hold those back most that vary least.

    Returns:
        (1 + F,) weights, the bias first.
    """
    middle, spread = features.mean(0), np.maximum(features.std(0), 1e-9)
    design = np.concatenate([np.ones((len(features), 1)), (features - middle) / spread], axis=1)
    target = right.astype(float)
    free = np.ones(design.shape[1], bool)
    weights = np.zeros(design.shape[1])
    while True:
        weights = np.zeros(design.shape[1])
        x = design[:, free]
        for _ in range(_ROUNDS):
            p = 1 / (1 + np.exp(-x @ weights[free]))
            hessian = x.T @ (x * (p * (1 - p))[:, None]) + ridge * np.eye(x.shape[1])
            weights[free] += np.linalg.solve(hessian, x.T @ (target - p) - ridge * weights[free])
        # More correlation, more agreement, more print can only be evidence for a page.
        backward = np.flatnonzero(weights[1:] < 0) + 1
        if not len(backward):
            weights[1:] /= spread
            weights[0] -= middle @ weights[1:]
            return weights
        free[backward] = False


@dataclass(frozen=True, eq=False)
class Evidence:
    """What was measured of N alignments.

    measures: (N, F), as `verify.measures` has them; lines, local: (N,) counts, as of `Sample`.
    alike: (N,) how much alike the encoder finds page and photo, NaN where it does not tell.
    """

    measures: NDArray[np.float64]
    lines: NDArray[np.int64]
    local: NDArray[np.int64]
    alike: NDArray[np.float64]

    @classmethod
    def of(cls, samples: Sequence[Sample]) -> Evidence:
        """That of the samples, in their order."""
        return cls(
            np.stack([sample.measures for sample in samples]),
            np.array([sample.lines for sample in samples]),
            np.array([sample.local for sample in samples]),
            np.array([np.nan if sample.alike is None else sample.alike for sample in samples], np.float64),
        )

    def __getitem__(self, some: NDArray[np.bool_]) -> Evidence:
        """That of some of them, (N,) bool."""
        return Evidence(self.measures[some], self.lines[some], self.local[some], self.alike[some])


@dataclass(frozen=True, eq=False)
class Weights:
    """What confidence is computed from: logistic weights, the bias first.

    looks: of an alignment's measures. text: of its logit and of log(1 + lines), where lines agree. local: of
        its logit and of log(1 + features), where local features do. alike: of the logit that all these give,
        of the resemblance, and of whether lines agree, where the encoder was asked.
    """

    looks: NDArray[np.float64]
    text: NDArray[np.float64]
    local: NDArray[np.float64]
    alike: NDArray[np.float64]

    def __call__(self, seen: Evidence) -> NDArray[np.float64]:
        """(N,) confidences, as `verify.confidence` has them."""
        logit = self.otherwise(seen)
        asked = _asked(logit, seen)
        logit[asked] = self.alike[0] + _resembling(logit, seen)[asked] @ self.alike[1:]
        return np.asarray(1 / (1 + np.exp(-logit)), np.float64)

    def otherwise(self, seen: Evidence) -> NDArray[np.float64]:
        """(N,) logits of all but the resemblance."""
        looks = self.looks[0] + seen.measures @ self.looks[1:]
        by_text, by_local = (
            weights[0] + np.stack([looks, np.log1p(count)], 1) @ weights[1:]
            for weights, count in ((self.text, seen.lines), (self.local, seen.local))
        )
        by_either = np.where(seen.local > 0, by_local, looks)
        return np.asarray(np.where(seen.lines > 0, by_text, by_either), np.float64)


def fit_last(
    features: NDArray[np.float64],
    right: NDArray[np.bool_],
    weights: NDArray[np.float64],
) -> float:
    """The weight of the last feature, 0 or less, where those before it are known; by Newton's method.

    Args:
        features: (N, F). right: (N,).
        weights: (F,) the bias and the weights of all features but the last.
    """
    known, x = weights[0] + features[:, :-1] @ weights[1:], features[:, -1]
    weight = 0.0
    for _ in range(_ROUNDS):
        p = 1 / (1 + np.exp(-(known + weight * x)))
        slope = float(x @ (right - p)) - _RIDGE * weight
        curvature = float(x**2 @ (p * (1 - p))) + _RIDGE
        weight = min(weight + float(np.clip(slope / curvature, -1, 1)), 0.0)
    return weight


def learn(seen: Evidence, right: NDArray[np.bool_], repeating: NDArray[np.bool_]) -> Weights:
    """All weights: looks from all alignments, text and local from those with lines or features that agree,
    the resemblance from those of which the encoder was asked.

    repeating: (N,) which are of books whose pages repeat themselves: they teach the last measure's weight,
        the others those before it.
    """
    measures = seen.measures
    known = fit(measures[~repeating][:, :-1], right[~repeating])
    looks = np.append(known, fit_last(measures[repeating], right[repeating], known))
    text = _counted(seen.lines, measures, looks, right)
    local = _counted(seen.local, measures, looks, right)
    return learn_resemblance(seen, right, replace(shipped(), looks=looks, text=text, local=local))


def learn_local(seen: Evidence, right: NDArray[np.bool_]) -> Weights:
    """The weights of local features; the others are those that `verify` has."""
    known = shipped()
    return replace(known, local=_counted(seen.local, seen.measures, known.looks, right))


def learn_resemblance(seen: Evidence, right: NDArray[np.bool_], known: Weights) -> Weights:
    """The weights of the resemblance, with the others known."""
    logit = known.otherwise(seen)
    asked = _asked(logit, seen)
    if not asked.any():
        return known
    return replace(known, alike=fit(_resembling(logit, seen)[asked], right[asked], ridge=0.1))


def _resembling(logit: NDArray[np.float64], seen: Evidence) -> NDArray[np.float64]:
    """(N, 3) what the resemblance is judged by: logits of all else, itself, and whether text agrees."""
    return np.stack([logit, seen.alike, seen.lines > 0], 1)


def _asked(logit: NDArray[np.float64], seen: Evidence) -> NDArray[np.bool_]:
    """(N,) of which pages finding asks the encoder, and is told, by the logits of all else."""
    sure, options = 1 / (1 + np.exp(-logit)), FindOptions()
    in_doubt = (sure >= options.hopeless) & (sure < options.doubtless)
    return np.asarray(in_doubt & ~np.isnan(seen.alike), np.bool_)


def shipped() -> Weights:
    """All weights that `verify` has."""
    known = (
        verify.CALIBRATION,
        verify.TEXT_CALIBRATION,
        verify.FEATURE_CALIBRATION,
        verify.RESEMBLANCE_CALIBRATION,
    )
    return Weights(*(np.array(astuple(constants)) for constants in known))


def _counted(
    count: NDArray[np.int64],
    measures: NDArray[np.float64],
    looks: NDArray[np.float64],
    right: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """The weights of what is counted, where there is any: of the logit of looks, and of log(1 + count)."""
    some = count > 0
    logit = looks[0] + measures @ looks[1:]
    return fit(np.stack([logit, np.log1p(count)], 1)[some], right[some], ridge=0.1)


def report(samples: list[Sample], confidence: NDArray[np.float64], photos: Sequence[str]) -> str:
    """Reliability in bins of confidence, and present and absent photos accepted by threshold.

    photos: the names of all, those over which no page was laid among them.
    """
    right = np.array([sample.right for sample in samples])
    lines = ["confidence   alignments   mean confidence   share right"]
    lines += [
        f"{one.low:5.3f}-{one.high:5.3f} {one.count:12d} {one.mean:17.4f} {one.right / one.count:13.4f}"
        for one in reliability.bins(confidence, right)
    ]
    best: dict[tuple[str, bool], float] = {}
    for sample, sure in zip(samples, confidence, strict=True):
        key = (sample.photo, sample.right)
        best[key] = max(best.get(key, 0.0), float(sure))
    lines.append("threshold   present accepted   absent accepted")
    for threshold in (0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999):
        present = np.mean([best.get((name, True), 0) >= threshold for name in photos])
        absent = np.mean([best.get((name, False), 0) >= threshold for name in photos])
        lines.append(f"{threshold:9.3f} {present:18.4f} {absent:17.4f}")
    return "\n".join(lines)


def write(kept: Path, samples: Sequence[Sample]) -> None:
    """Keeps what was measured in a file; `read` reads it."""
    with kept.open("w", newline="") as file:
        writer = csv.writer(file)
        for one in samples:
            alike = "" if one.alike is None else f"{one.alike:.5f}"
            measured = (f"{value:.5f}" for value in one.measures)
            writer.writerow([one.photo, one.page, int(one.right), one.lines, one.local, alike, *measured])


def read(kept: Path) -> list[Sample]:
    """What `write` has kept."""
    columns = 6 + len(fields(verify.Calibration)) - 1
    samples = []
    with kept.open(newline="") as file:
        for row in csv.reader(file):
            if len(row) != columns:
                raise SystemExit(f"{kept} has {len(row)} columns, not {columns}: another version wrote it.")
            photo, page, right, lines, local, alike, *measured = row
            seen = np.array(measured, np.float64), int(lines), int(local)
            samples.append(Sample(photo, page, *seen, right == "1", float(alike) if alike else None))
    return samples


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sets", type=Path, nargs="+", metavar="PHOTOS LIBRARY")
    alone = parser.add_mutually_exclusive_group()
    alone.add_argument("--local", action="store_true", help="learn what local features say, and no more")
    parser.add_argument("--alignments", type=Path, help="keep what was measured, or read it if it is there")
    alone.add_argument(
        "--resemblance", action="store_true", help="learn what the encoder's opinion says, and no more"
    )
    diagrams = "draw the reliability diagrams: FILE-learned.png and FILE-shipped.png"
    parser.add_argument("--diagram", type=Path, help=diagrams)
    arguments = parser.parse_args()
    if len(arguments.sets) % 2:
        parser.error("to each folder of photos belongs a library")
    if len({photos.name for photos in arguments.sets[::2]}) < len(arguments.sets[::2]):
        parser.error("folders of photos must have different names")
    kept = arguments.alignments
    if kept and kept.exists():
        samples = read(kept)
    else:
        samples = []
        for photos, folder in zip(arguments.sets[::2], arguments.sets[1::2], strict=True):
            with Library.open(folder) as library:
                samples += collect(photos, library, local=arguments.local)
    if kept and not kept.exists():
        write(kept, samples)
    seen = Evidence.of(samples)
    right = np.array([sample.right for sample in samples])
    of = np.array([sample.photo.rpartition("/")[0] for sample in samples])
    repeating = of != of[0]

    def learned_from(some: NDArray[np.bool_]) -> Weights:
        if arguments.local:
            return learn_local(seen[some], right[some])
        if arguments.resemblance:
            return learn_resemblance(seen[some], right[some], shipped())
        return learn(seen[some], right[some], repeating[some])

    learned = learned_from(np.ones(len(samples), bool))
    for name, weights in (
        ("Calibration", learned.looks),
        ("TextCalibration", learned.text),
        ("FeatureCalibration", learned.local),
        ("ResemblanceCalibration", learned.alike),
    ):
        print(f"{name}(" + ", ".join(f"{value:.3f}" for value in weights) + ")")

    def answer(taught: NDArray[np.bool_], asked: NDArray[np.bool_]) -> NDArray[np.float64]:
        return learned_from(taught)(seen[asked])

    confidence = reliability.held_out([sample.photo for sample in samples], answer)
    names = {photos.name: [_name(photos, row) for row in _truth(photos)] for photos in arguments.sets[::2]}
    for constants, sure in (("learned", confidence), ("shipped", shipped()(seen))):
        for name in names if len(names) > 1 else []:
            print(f"{constants}, {name}:")
            chosen = np.flatnonzero(of == name)
            print(report([samples[k] for k in chosen], sure[chosen], names[name]))
        print(f"{constants}, all:")
        print(report(samples, sure, list(chain.from_iterable(names.values()))))
        if arguments.diagram:
            picture = arguments.diagram.with_stem(f"{arguments.diagram.stem}-{constants}")
            called = {"learned": "confidence, learned from other photos", "shipped": "confidence that ships"}
            reliability.draw(reliability.bins(sure, right), picture, confidence=called[constants])


if __name__ == "__main__":
    main()
