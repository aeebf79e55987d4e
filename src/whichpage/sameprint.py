"""Whether two pages print nearly the same, as title pages of a series and editions of a book do.

A photo can hardly tell such pages apart, so whoever learns from simulated photos what a wrong page looks like
leaves them aside.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from whichpage import verify
from whichpage.photo import decode
from whichpage.printed import PrintedLine
from whichpage.textmatch import pieces
from whichpage.types import outline

# Pages that correlate by more than this, laid one over the other as a photo is, print nearly the same.
SAME_PRINT = 0.5
# A page that holds so much of another's text is an edition, an extract or a reprint of it.
SAME_TEXT = 0.3
# A desk around it, in pixels, or a page that reaches further could not be laid over it.
_AROUND = 40


def prints_like(page: bytes, others: Sequence[bytes]) -> list[bool]:
    """Which of the other pages print nearly what this one does; all are thumbnails as stored (JPEG)."""
    pixels = np.asarray(cv2.imdecode(np.frombuffer(page, np.uint8), cv2.IMREAD_GRAYSCALE), np.uint8)
    wider = cv2.copyMakeBorder(pixels, _AROUND, _AROUND, _AROUND, _AROUND, cv2.BORDER_REPLICATE)
    photo = decode(np.asarray(wider, np.uint8))
    quad = outline((pixels.shape[0], pixels.shape[1])) + np.float32(_AROUND)
    alike = []
    for other in others:
        thumbnail = verify.Thumbnail(other)
        on = verify.sheet(photo, quad, landscape=thumbnail.landscape)
        fit = verify.align(on, thumbnail, *verify.align_coarse(on, thumbnail))
        alike.append(fit.correlation > SAME_PRINT)
    return alike


def reprints(page: Sequence[PrintedLine], other: Sequence[PrintedLine]) -> bool:
    """Whether the other page holds much of this one's text, wherever it has it."""
    wanted = {piece for line in page for piece in pieces(line.text)}
    held = "\n".join(line.text for line in other)
    return sum(piece in held for piece in wanted) > SAME_TEXT * len(wanted)
