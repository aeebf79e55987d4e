"""The peers by name, each with the threshold that it answers from.

The thresholds are chosen on simulated photos alone (`thresholds.py`): the lowest score at which at most one
in fifty of them would be answered with a wrong page, were the true one not in the library. Hashes and local
features: 260 photos, 2,001 pages. OCR: 60 photos, 806 pages; its own is the lowest at which no right page is
lost; the one wrong page above it was of another edition with the same text. The article's: 120 photos, 2,005
pages, EfficientNet-Lite0 trained for four epochs from ImageNet weights.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from whichpage.benchmark.peers.article import ArticlePeer
from whichpage.benchmark.peers.hashes import HashPeer
from whichpage.benchmark.peers.local_features import LocalFeaturePeer
from whichpage.benchmark.peers.own import OwnPeer
from whichpage.benchmark.peers.protocol import Peer
from whichpage.benchmark.peers.reading import ReadingPeer
from whichpage.cores import usable_cores
from whichpage.errors import WhichpageError
from whichpage.pagefinder import PageFinder


@dataclass(frozen=True)
class Setting:
    """What peers are made from.

    library: whichpage's library. model: its encoder, None for the shipped one.
    article_model: the ONNX file that `whichpage train --recipe article` makes; None leaves the article out.
    seed: of every draw.
    """

    library: Path
    model: Path | None = None
    article_model: Path | None = None
    seed: int = 0


def make(name: str, setting: Setting) -> Peer:
    """The peer of this name.

    Raises:
        WhichpageError: it needs a model that was not given.
        ModelError: a model cannot be loaded.
    """
    return _MAKERS[name](setting)


def _article(setting: Setting) -> Peer:
    if setting.article_model is None:
        raise WhichpageError(
            "The article's pipeline needs --article-model, which `whichpage train --recipe article` makes."
        )
    return ArticlePeer(setting.article_model, threads=usable_cores(), most_bits=64)


def _finder() -> PageFinder:
    return PageFinder.load(threads=usable_cores())


# The models that a peer's answers depend on, as the report names them.
MODELS: dict[str, tuple[str, ...]] = {
    "phash-finder": ("page finder",),
    "dhash-finder": ("page finder",),
    "article": ("article",),
    "whichpage-scans": ("encoder", "page finder", "local features"),
    "whichpage": ("encoder", "page finder", "local features"),
}

_MAKERS: dict[str, Callable[[Setting], Peer]] = {
    "phash": lambda setting: HashPeer("phash", page_finder=None, most_bits=87),
    "dhash": lambda setting: HashPeer("dhash", page_finder=None, most_bits=26),
    "phash-finder": lambda setting: HashPeer("phash", page_finder=_finder(), most_bits=75),
    "dhash-finder": lambda setting: HashPeer("dhash", page_finder=_finder(), most_bits=2),
    "orb": lambda setting: LocalFeaturePeer("orb", least_inliers=19),
    "sift": lambda setting: LocalFeaturePeer("sift", least_inliers=24),
    "ocr": lambda setting: ReadingPeer("own", least_votes=6),
    "ocr-scans": lambda setting: ReadingPeer("scanned", least_votes=6),
    "article": _article,
    "whichpage-scans": lambda setting: OwnPeer(
        setting.library, model=setting.model, seed=setting.seed, text=False
    ),
    "whichpage": lambda setting: OwnPeer(setting.library, model=setting.model, seed=setting.seed),
}
