"""Answers against the truth: which are right, by kind of photo, and how sure that is.

The rules are those of the project's scoring script, and the counts agree with it:

- top-1: the first match is right, whether verified or not; a photo of no page in the library is right
  when nothing was verified.
- accepted right, accepted wrong: by the first verified match. For a photo of no page in the library
  every verified match is wrong. Missed: the page is in the library, and nothing was verified.
- A photo of two pages is right when a match is either page; `both` counts those where both were verified.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from whichpage.answers import answer_object
from whichpage.benchmark.resampling import Share, share
from whichpage.benchmark.truth import TruthPhoto
from whichpage.types import Answer

AnswerObject = Mapping[str, Any]  # one line of `whichpage find --json`


class Compares(Protocol):
    """Tells whether a page of an answer is a true one; `samepage.SamePage` does."""

    def __call__(self, source: str, page: int, truth_pdf: str, truth_page: int) -> bool:
        """Whether page `page` of the file `source` is page `truth_page` of the book `truth_pdf`."""
        ...


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one answer was worth.

    matched: whether there is any match, verified or not.
    confidence: of the first match, 0 when there is none.
    first_right: whether there is a first match, and it is right.
    both: both pages of a photo of two were verified.
    """

    truth: TruthPhoto
    unanswered: bool = False
    top1: bool = False
    top5: bool = False
    accepted_right: bool = False
    accepted_wrong: bool = False
    missed: bool = False
    both: bool = False
    matched: bool = False
    confidence: float = 0.0
    first_right: bool = False

    @property
    def accepted(self) -> bool:
        """Whether anything was verified."""
        return self.accepted_right or self.accepted_wrong

    @property
    def well(self) -> bool:
        """Whether the photo was answered as it should: the page, or that there is none."""
        return self.accepted_right or (self.truth.absent and self.top1)


@dataclass(frozen=True, slots=True)
class StratumScore:
    """The verdicts on one kind of photo, counted. `both` is out of the photos of two pages."""

    photos: int
    unanswered: int
    top1: Share
    top5: Share
    accepted_right: Share
    accepted_wrong: Share
    missed: Share
    both: Share


@dataclass(frozen=True, slots=True)
class Scores:
    """All verdicts, in the order of the truth, and their counts by stratum (sorted) and over all."""

    verdicts: tuple[Verdict, ...]
    strata: dict[str, StratumScore]
    total: StratumScore


def score(
    truths: Sequence[TruthPhoto], answers: Mapping[str, Answer | AnswerObject], *, same: Compares
) -> Scores:
    """Scores answers by the photo's path, `str(truth.photo)`; a photo without one is unanswered."""
    verdicts = tuple(judge(truth, answers.get(str(truth.photo)), same=same) for truth in truths)
    names = sorted({truth.stratum for truth in truths})
    strata = {name: count([v for v in verdicts if v.truth.stratum == name]) for name in names}
    return Scores(verdicts, strata, count(verdicts))


def judge(truth: TruthPhoto, answer: Answer | AnswerObject | None, *, same: Compares) -> Verdict:
    """The verdict on one answer."""
    if answer is None:
        return Verdict(truth, unanswered=True)
    found = answer_object(answer) if isinstance(answer, Answer) else answer
    matches = found.get("matches", [])
    verified = [match for match in matches if match.get("verified")]
    confidence = float(matches[0].get("confidence", 0.0)) if matches else 0.0
    if truth.absent:
        return Verdict(
            truth,
            top1=not verified,
            top5=not verified,
            accepted_wrong=bool(verified),
            matched=bool(matches),
            confidence=confidence,
        )

    def is_page(match: Mapping[str, Any], page: int) -> bool:
        return same(str(match["source"]), int(match["page"]), truth.pdf, page)

    def right(match: Mapping[str, Any]) -> bool:
        return any(is_page(match, page) for page in truth.seen)

    first = bool(matches) and right(matches[0])
    accepted_right = bool(verified) and right(verified[0])
    return Verdict(
        truth,
        top1=first,
        top5=first or any(right(match) for match in matches[1:5]),
        accepted_right=accepted_right,
        accepted_wrong=bool(verified) and not accepted_right,
        missed=not verified,
        both=len(truth.pages) > 1
        and all(any(is_page(match, page) for match in verified) for page in truth.pages),
        matched=bool(matches),
        confidence=confidence,
        first_right=first,
    )


def count(verdicts: Sequence[Verdict]) -> StratumScore:
    """Counts verdicts; each share is out of all photos, `both` out of those of two pages."""

    def of(name: str, some: Sequence[Verdict] = verdicts) -> Share:
        return share([getattr(verdict, name) for verdict in some], [verdict.truth.sheet for verdict in some])

    return StratumScore(
        photos=len(verdicts),
        unanswered=sum(verdict.unanswered for verdict in verdicts),
        top1=of("top1"),
        top5=of("top5"),
        accepted_right=of("accepted_right"),
        accepted_wrong=of("accepted_wrong"),
        missed=of("missed"),
        both=of("both", [verdict for verdict in verdicts if len(verdict.truth.pages) > 1]),
    )
