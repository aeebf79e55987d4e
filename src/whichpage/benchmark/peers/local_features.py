"""ORB or SIFT: a shortlist by visual words, then the page most of whose features one homography explains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import faiss
import numpy as np
from numpy.typing import NDArray

from whichpage.benchmark.peers.features import Features, Kind, count_inliers, detect
from whichpage.benchmark.peers.protocol import IndexCost, LibraryPage, Progress, Ranked, accept_first
from whichpage.benchmark.peers.steps import Steps
from whichpage.benchmark.peers.store import DescribedPages, bytes_on_disk
from whichpage.benchmark.peers.vocabulary import InvertedFile, Vocabulary
from whichpage.cores import usable_cores
from whichpage.photo import decode
from whichpage.sources import Source


@dataclass(frozen=True)
class LocalFeatureOptions:
    """How much is kept and looked at.

    on_page, on_photo: features kept of a page (960 x 672 pixels) and of a photo (1,600 pixels).
    words: visual words. trained_on: pages that the words are made from.
    shortlist: pages that the homography is sought for.
    """

    on_page: int = 1000
    on_photo: int = 2000
    words: int = 8192
    trained_on: int = 850
    shortlist: int = 50
    seed: int = 0


@dataclass(frozen=True)
class FeaturesOfPage:
    """Describes a page by its features."""

    kind: Kind
    most: int

    def __call__(self, source: Source, number: int) -> bytes:
        return detect(self.kind, source.render(number).grey, most=self.most).to_bytes()


class LocalFeaturePeer:
    """Bag of words, then RANSAC."""

    def __init__(self, kind: Kind, *, least_inliers: int, options: LocalFeatureOptions | None = None) -> None:
        """least_inliers: how many features must agree with the homography for it to answer."""
        self._options = options or LocalFeatureOptions()
        self.name: str = kind
        self.what = (
            f"OpenCV {kind.upper()}, {self._options.on_page:,} features a page, {self._options.on_photo:,} a "
            f"photo; {self._options.words:,} visual words trained on library pages, shortlist of "
            f"{self._options.shortlist} by tf-idf; ratio test and MAGSAC homography, most inliers first"
        )
        self.rule = f"answers with at least {least_inliers} inliers"
        self.kept = f"{kind} {self._options}"
        self._kind: Kind = kind
        self._least_inliers = least_inliers
        self._pages: Sequence[LibraryPage] = ()
        self._described: DescribedPages | None = None
        self._vocabulary: Vocabulary | None = None
        self._inverted: InvertedFile | None = None

    def index(self, pages: Sequence[LibraryPage], folder: Path, progress: Progress) -> IndexCost:
        # Other parts of whichpage keep faiss to one thread.
        faiss.omp_set_num_threads(usable_cores())
        described = DescribedPages(folder / "features.sqlite")
        described.fill(pages, FeaturesOfPage(self._kind, self._options.on_page), progress)
        words, inverted = folder / "words.npy", folder / "inverted.npz"
        steps = Steps(folder / "steps.json")
        steps.do("words", words, lambda file: self._train(described, len(pages)).save(file))
        vocabulary = Vocabulary.load(words)
        steps.do(
            "inverted file",
            inverted,
            lambda file: InvertedFile.build(
                (
                    (number, vocabulary.words(self._features(data).descriptors))
                    for number, data in described.rows()
                ),
                words=len(vocabulary),
                count=len(pages),
            ).save(file),
        )
        self._pages, self._described, self._vocabulary = pages, described, vocabulary
        self._inverted = InvertedFile.load(inverted)
        seconds = described.seconds + steps.seconds
        return IndexCost(len(pages), seconds, bytes_on_disk(folder), described.unreadable)

    def answer(self, photo: Path) -> list[Ranked]:
        assert self._described is not None, "index first"
        assert self._vocabulary is not None
        assert self._inverted is not None
        seen = detect(self._kind, decode(photo).pyramid[0], most=self._options.on_photo)
        shortlist = self._inverted.search(
            self._vocabulary.words(seen.descriptors), top=self._options.shortlist
        )
        found = []
        for number, cosine in shortlist:
            inliers = count_inliers(self._kind, seen, self._features(self._described.row(number)))
            # Pages without inliers keep the order of the words: a cosine is less than one inlier.
            found.append((self._pages[number], inliers + min(cosine, 0.999)))
        return accept_first(found, least=float(self._least_inliers))

    def _features(self, data: bytes) -> Features:
        return Features.from_bytes(data, self._kind)

    def _train(self, described: DescribedPages, count: int) -> Vocabulary:
        dice = np.random.default_rng(self._options.seed)
        chosen = np.sort(dice.permutation(count)[: self._options.trained_on]).tolist()
        features: list[NDArray[np.uint8]] = [
            self._features(described.row(number)).descriptors for number in chosen
        ]
        return Vocabulary.train(
            np.concatenate(features),
            words=self._options.words,
            binary=self._kind == "orb",
            seed=self._options.seed,
        )
