"""How far finding looks, and how it was chosen."""

from __future__ import annotations

from dataclasses import dataclass

from whichpage import verify


@dataclass(frozen=True)
class FindOptions:
    """How far finding looks.

    ahead: pages whose codes are nearer than all others by this are looked at by themselves, if they are no
        more than `pair`: one, or two that look alike. Up to `glance` of them must first be told apart by how
        they fit.
    near: if the nearest page's code is further off than this, the other turns are tried at once.
    upright: so they are, at the second glance, if more than `pair` pages are within this of the nearest one.
    candidates: pages retrieval proposes for a page view.
    first: how many of them are looked at before a match may end the search.
    glance: how many are looked at where the page most likely lies, before other places are tried.
    lead: pages whose codes are further off than the nearest by less than this are rivals.
    alike: so are pages that at the first level of alignment fit so well, compared with the best.
    few: rivals that are no more than this are aligned finely before the others.
    certain: confidence that ends the search when no others were.
    finely: how many of those looked at are aligned finely otherwise, and again of all of them.
    again: how many of those are aligned once more from where they were found, if it is not clear yet.
    sure: confidence that ends the search.
    accepted: confidence from which a match is answered as verified, and further places are not tried.
    hopeless: confidence below which the encoder is not asked whether a page that was laid over the photo
        resembles it there: it would not make that page accepted.
    doubtless: confidence from which looks need no other witness; of pages that are less sure the encoder is
        asked, and they are asked for text.
    doubted: confidence, at most, of a page that has other text than the photo, or only resembles the one
        that is accepted in its place.
    read: how many pages that hold the text of a photo are laid over it.
    twins: bits by which the code of a page that prints nearly the same differs at most from that of one that
        is accepted by its looks: it is laid there too. So many such pages at most.
    part: a page of which the photo shows more than this share, beyond doubt, is not compared with pages that
        repeat what is shown.
    sliver: share of a page that must be in the photo for it to be sought besides one that was found.
    exhaustive: tries what there is to try where no local features are, although they are there.
    """

    # Chosen on 500 simulated photos of validation books, with an encoder before. Of 246 on which one or two
    # pages were so far ahead, 230 had the true page there.
    ahead: float = 0.08
    # On 211 other simulated photos of validation books 88 % of the true pages that came first were nearer,
    # and 19 % of the pages that came first at a wrong turn. With another encoder it may cost time, no more.
    near: float = 0.35
    upright: float = 0.05
    pair: int = 2
    candidates: int = 100
    first: int = 12
    # From here to `certain`: chosen on simulated photos of validation books. On none of them was a wrong page
    # certain among the rivals while the true one, not looked at, fitted better.
    glance: int = 6
    lead: float = 0.04
    alike: float = 0.8
    few: int = 4
    certain: float = 0.98
    finely: int = 5
    again: int = 2
    sure: float = 0.95
    accepted: float = verify.ACCEPTED
    # Of the right pages in doubt on 400 simulated photos one in a hundred is more alike to the encoder than
    # 0.986, which makes 0.057 `accepted`; and pages whose text agrees are all surer than this.
    hopeless: float = 0.05
    # Of 120 simulated photos of sheets, of whose form the library had another one only, 16 were accepted by
    # looks, 2 of them with more than this. The text spoke against 7 wrong sheets of 0.8 and more, and against
    # none of 382 right pages.
    doubtless: float = 0.998
    doubted: float = 0.1
    read: int = 6
    # On 320 photos of manuals that repeat pages, 24 true pages were never looked at where another one was
    # accepted; the codes of ten differed by no more from that one's.
    twins: tuple[int, int] = (8, 12)
    part: float = 0.9
    sliver: float = 0.5
    exhaustive: bool = False
