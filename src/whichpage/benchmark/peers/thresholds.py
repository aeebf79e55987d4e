"""From which score each peer should answer, from its answers to simulated photos.

usage: python -m whichpage.benchmark.peers.thresholds REPORT.json TRUTH.csv... --books DIR

REPORT.json is what `whichpage bench peers TRUTH.csv...` wrote. A peer's best wrong page is what it would have
put first, were the true page not in the library; the threshold is the lowest score that at most one in a
hundred of these reach. Never to be used on photos that anything is measured on.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from whichpage.benchmark.samepage import SamePage, books_by_ending
from whichpage.benchmark.scoring import Compares
from whichpage.benchmark.truth import TruthPhoto, read_truths

WRONG_RATE = 0.01


def best_scores(
    truths: Sequence[TruthPhoto], answers: Mapping[str, Mapping[str, Any]], *, same: Compares
) -> tuple[list[float], list[float]]:
    """Scores of the best right and of the best wrong page of each photo; -inf where there is none."""
    right, wrong = [], []
    for truth in truths:
        scores = {True: -math.inf, False: -math.inf}
        for match in answers[str(truth.photo)]["matches"]:
            true = any(same(match["source"], match["page"], truth.pdf, page) for page in truth.pages)
            scores[true] = max(scores[true], match["score"])
        right.append(scores[True])
        wrong.append(scores[False])
    return right, wrong


def threshold(wrong: Sequence[float], *, rate: float = WRONG_RATE) -> float:
    """The lowest score above all but the highest `rate` of the scores of wrong pages.

    Above: a page that scores as much as the highest wrong page that must not be answered is not answered.
    """
    allowed = math.floor(rate * len(wrong))
    limit = sorted(wrong, reverse=True)[allowed]
    return math.nextafter(limit, math.inf)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("report", type=Path)
    parser.add_argument("truths", type=Path, nargs="+")
    parser.add_argument("--books", type=Path, required=True)
    arguments = parser.parse_args()
    truths = read_truths(arguments.truths)
    same = SamePage(books_by_ending([], arguments.books))
    report = json.loads(arguments.report.read_text(encoding="utf-8"))
    for name, peer in report["data"]["peers"].items():
        answers = {answer["photo"]: answer for answer in peer["answers"]}
        right, wrong = best_scores([t for t in truths if not t.absent], answers, same=same)
        least = threshold(wrong)
        answered = sum(yes >= least and yes >= no for yes, no in zip(right, wrong, strict=True))
        sys.stdout.write(f"{name}: answers above {least:.4f}, {answered} of {len(right)} photos right\n")


if __name__ == "__main__":
    main()
