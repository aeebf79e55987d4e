"""All pages that were laid over a photo -> the matches of its answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import cv2
import numpy as np

from whichpage.aligning import Aligned
from whichpage.photo import Photo
from whichpage.types import Match, Page, Quad


class PageLookup(Protocol):
    """What an answer needs of the catalogue."""

    def pages(self, page_ids: Sequence[int]) -> list[Page]:
        """The pages of these ids, in their order."""
        ...


def matches(
    photo: Photo, aligned: Sequence[Aligned], store: PageLookup, *, top: int, accepted: float
) -> list[Match]:
    """The matches of an answer, verified ones first, then by confidence.

    Args:
        photo: the photo.
        aligned: all pages that were laid over it; a page may be among them several times.
        store: knows the pages.
        top: how many there are at most; verified ones are never cut off.
        accepted: confidence from which a match is verified, unless another page fits its place far better.
    """
    best: dict[int, Aligned] = {}
    for one in aligned:
        if one.page_id not in best or one.confidence > best[one.page_id].confidence:
            best[one.page_id] = one
    ranked = sorted(best.values(), key=lambda one: (-one.confidence, -one.alignment.correlation))
    pages = dict(
        zip(
            [one.page_id for one in ranked],
            store.pages([one.page_id for one in ranked]),
            strict=True,
        )
    )
    found = []
    for one in ranked:
        page = pages[one.page_id]
        verified = one.confidence >= accepted and not _only_resembles(one, aligned)
        quad = ((one.alignment.quad + 0.5) * photo.scale - 0.5).astype(np.float32)
        found.append(Match(page.source, page.number, verified, one.confidence, quad))
    found.sort(key=lambda match: (not match.verified, -match.confidence))
    return found[: max(top, sum(match.verified for match in found))]


def _only_resembles(one: Aligned, aligned: Sequence[Aligned]) -> bool:
    """Whether another page fits the same place of the photo far better.

    A view is one place, but for those of the text and of local features: they have all pages found by them.
    """
    others = [other for other in aligned if other.view == one.view]
    if one.lines or one.features:
        others = [other for other in others if at_one_place(one.alignment.quad, other.alignment.quad)]
        if not rivals(one.lines, max(other.lines for other in others)):
            return True
        if not rivals(one.features, max(other.features for other in others)):
            return True
    return one.alignment.correlation <= 0.85 * max(other.alignment.correlation for other in others)


def rivals(agree: int, most: int) -> bool:
    """Whether a page on which so many lines or features agree may be the one, where `most` do on another."""
    return not agree or agree > 0.7 * most


def at_one_place(one: Quad, other: Quad) -> bool:
    """Whether two convex quadrilaterals share most of their area: intersection over union above a half."""
    shared, _ = cv2.intersectConvexConvex(one, other)
    areas = float(cv2.contourArea(one)) + float(cv2.contourArea(other))
    return float(shared) > 0.5 * max(areas - float(shared), 1e-6)
