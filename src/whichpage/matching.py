"""All pages that were laid over a photo -> the matches of its answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import cv2
import numpy as np

from whichpage import lookalikes, verify
from whichpage.aligning import Aligned, ThumbnailStore
from whichpage.photo import Photo
from whichpage.types import Match, Page, Quad

# A page whose doubt is at most so many times that of the surest one may as well be the one, and a doubt so
# small is none; so many pages are compared.
_AS_DOUBTFUL, _NO_DOUBT, _COMPARED = 5.0, 1e-4, 6


class PageLookup(ThumbnailStore, Protocol):
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
    ranked = _told_apart(photo, ranked, store, accepted=accepted)
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


def _told_apart(
    photo: Photo, ranked: Sequence[Aligned], store: ThumbnailStore, *, accepted: float
) -> list[Aligned]:
    """The same, but of accepted pages in one place the one most like the photo is the surest.

    Pages that repeat each other but for a line are all as sure: which of them fits best is chance.
    """
    told = list(ranked)
    waiting = [number for number, one in enumerate(ranked) if one.confidence >= accepted]
    while waiting:
        first = ranked[waiting[0]]
        doubt = _AS_DOUBTFUL * max(1 - first.confidence, _NO_DOUBT)
        rivals = [
            number
            for number in waiting
            if 1 - ranked[number].confidence <= doubt
            and at_one_place(ranked[number].alignment.quad, first.alignment.quad)
        ][:_COMPARED]
        waiting = [number for number in waiting[1:] if number not in rivals]
        if len(rivals) == 1:
            continue
        encoded = store.encoded_thumbnails([ranked[number].page_id for number in rivals])
        if len(set(encoded)) > 1:
            laid = [
                (verify.Thumbnail(page), ranked[number].alignment.quad)
                for page, number in zip(encoded, rivals, strict=True)
            ]
            best = np.argsort(-lookalikes.likeness(photo, laid), kind="stable")
            for number, which in zip(rivals, best.tolist(), strict=True):
                told[number] = replace(ranked[rivals[which]], confidence=ranked[number].confidence)
    return told


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
