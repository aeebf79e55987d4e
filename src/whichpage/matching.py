"""All pages that were laid over a photo -> the matches of its answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from typing import Protocol

import cv2
import numpy as np

from whichpage import lookalikes, placing, verify
from whichpage.aligning import Aligned, ThumbnailStore, reaches
from whichpage.photo import Photo
from whichpage.types import Match, Page, Quad

# So many pages that print nearly the same are compared with the photo, copies of one counting as one.
_COMPARED = 16
# How much of the confidence from which pages are accepted one has at most that fits less well than another
# one, where that is not accepted.
_UNSURE = 0.99
# A page fits far worse than another one with so much of its correlation.
_FAR_BETTER = 0.85


class PageLookup(ThumbnailStore, Protocol):
    """What an answer needs of the catalogue."""

    def pages(self, page_ids: Sequence[int]) -> list[Page]:
        """The pages of these ids, in their order."""
        ...


def matches(
    photo: Photo, aligned: Sequence[Aligned], store: PageLookup, *, top: int, accepted: float, doubted: float
) -> list[Match]:
    """The matches of an answer, verified ones first, then by confidence.

    Args:
        photo: the photo.
        aligned: all pages that were laid over it; a page may be among them several times.
        store: knows the pages.
        top: how many there are at most; verified ones are never cut off.
        accepted: confidence from which a match is verified, unless another page fits its place far better.
        doubted: confidence, at most, of one that is not verified since an accepted page fits far better.
    """

    def believed(one: Aligned) -> Aligned:
        rivals = _better(one, aligned) if one.confidence >= accepted else []
        if not rivals:
            return one
        # Where none of them is accepted either, it may still be the one.
        most = doubted if reaches(accepted, rivals) else _UNSURE * accepted
        return replace(one, confidence=min(one.confidence, most))

    # Of those that are believed as much, the ones that were surer by themselves come first.
    surest = sorted(aligned, key=lambda one: (-one.confidence, -one.alignment.correlation))
    ranked = sorted(map(believed, surest), key=lambda one: -one.confidence)
    verified = _told_apart(photo, [one for one in ranked if one.confidence >= accepted], store)
    # Of a page that was laid over several places the one counts where it stands, else where it is surest.
    best: dict[int, Aligned] = {one.page_id: one for one in verified}
    for one in ranked:
        best.setdefault(one.page_id, one)
    answered = list(best.values())[: max(top, len(verified))]
    found: list[Match] = []
    for one, page in zip(answered, store.pages([one.page_id for one in answered]), strict=True):
        quad = ((one.alignment.quad + 0.5) * photo.scale - 0.5).astype(np.float32)
        found.append(Match(page.source, page.number, len(found) < len(verified), one.confidence, quad))
    return found


def _told_apart(photo: Photo, accepted: Sequence[Aligned], store: ThumbnailStore) -> list[Aligned]:
    """Each page once, surest first; of those in one place the one that the photo shows there is the surest.

    Of pages that repeat each other but for a line it is chance which fits best.
    """
    places: list[list[Aligned]] = []
    for one in accepted:
        here = [
            place
            for place in places
            if at_one_place(one.alignment.quad, place[0].alignment.quad, seen_by=photo)
        ]
        if not here:
            places.append([one])
        elif all(one.page_id != other.page_id for other in here[0]):
            here[0].append(one)
    told: list[Aligned] = []
    for number, place in enumerate(places):
        if len(place) > 1:
            shown = _shown_first(photo, place, store)
            places[number] = [
                replace(one, confidence=at.confidence) for one, at in zip(shown, place, strict=True)
            ]
        # A page that lies in two places is answered in the one that shows it, not before another one there.
        first = next((one for one in places[number] if all(one.page_id != it.page_id for it in told)), None)
        told += [first] if first else []
    answered = {one.page_id: one for one in told}
    for one in sorted(chain.from_iterable(places), key=lambda one: -one.confidence):
        answered.setdefault(one.page_id, one)
    return sorted(answered.values(), key=lambda one: -one.confidence)


def _shown_first(photo: Photo, some: Sequence[Aligned], store: ThumbnailStore) -> list[Aligned]:
    """The same pages, the one that the photo shows first; as they were where nothing tells."""
    copies: dict[bytes, list[Aligned]] = {}
    for page, one in zip(store.encoded_thumbnails([one.page_id for one in some]), some, strict=True):
        copies.setdefault(page, []).append(one)
    told = dict(list(copies.items())[:_COMPARED])
    if len(told) == 1:
        return list(some)
    laid = [(verify.Thumbnail(page), same[0].alignment.placement) for page, same in told.items()]
    groups = list(copies.values())
    order = [*lookalikes.ranking(photo, laid), *range(len(told), len(groups))]
    return [one for number in order for one in groups[number]]


def _better(one: Aligned, aligned: Sequence[Aligned]) -> list[Aligned]:
    """The pages that fit the same place of the photo far better, so that this one only resembles them.

    Rivals are the pages laid over the same place; of pages that text or local features have laid, wherever
    these were found, those that lie where it lies.
    """
    others = [other for other in aligned if other.place == one.place]
    if one.lines or one.features:
        others = [other for other in others if at_one_place(one.alignment.quad, other.alignment.quad)]
    return [
        other
        for other in others
        if _fits_far_better(other.alignment, one.alignment)
        # Of a page that neither text nor features have laid there are none to compare.
        or not (
            placing.agrees_enough(one.lines, other.lines)
            and placing.agrees_enough(one.features, other.features)
        )
    ]


def _fits_far_better(other: verify.Alignment, one: verify.Alignment) -> bool:
    """Whether the print of one page is more like the photo's, and not only since there is so little of it."""
    return all(
        this <= _FAR_BETTER * that
        for this, that in (
            (one.correlation, other.correlation),
            (verify.evidence(one), verify.evidence(other)),
        )
    )


def at_one_place(one: Quad, other: Quad, *, seen_by: Photo | None = None) -> bool:
    """Whether two convex quadrilaterals share most of their area: intersection over union above a half.

    seen_by: a photo, if only the area that it shows counts, as of pages of which it shows a part.
    """
    areas = one, other
    if seen_by is not None:
        areas = placing.shared(one, seen_by.outline), placing.shared(other, seen_by.outline)
        if not all(map(len, areas)):
            return False
    shared, _ = cv2.intersectConvexConvex(*areas)
    both = sum(float(cv2.contourArea(area)) for area in areas)
    return float(shared) > 0.5 * max(both - float(shared), 1e-6)
