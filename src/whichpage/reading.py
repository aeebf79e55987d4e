"""Reads lines of text off a photo by OCR: RapidOCR, which runs PP-OCRv6 in ONNX Runtime.

Reading a whole page takes seconds. A few long lines are enough to look a page up, so the lines are
detected on a reduced photo, and only the longest of them are read, each when it is asked for. Where it is
known where the photo shows pages, it is cut down to them before and turned so that their lines run level.
"""

from __future__ import annotations

import threading
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from whichpage import hypotheses
from whichpage.photo import Photo, side_lengths
from whichpage.printed import normalise
from whichpage.types import Colour, PageView

# Long side, in pixels, of the photo in which lines are detected. A smaller one is magnified: the detector
# does not see lines a few pixels high. Of a page on 640 x 480 pixels 2 of 16 lines were read, magnified 10.
_DETECTED_SIDE, _MOST_MAGNIFIED = 960, 3.0
# What is cut out around the pages, as a share of the longer side of what the photo shows of them; and how
# many degrees off level their lines may be left.
_AROUND, _LEVEL = 0.02, 4.0
# Lines are read this high, as the recogniser was trained, and cut off where they are longer than this.
_HEIGHT, _LONGEST = 48, 1920
# What the recogniser is less sure of is noise more often than text.
_LEAST_SCORE = 0.6
# Lines that tell which way up the text is; the others follow them. RapidOCR's own classifier is often wrong.
_ASKED = 3
# If all of them have so many letters and are read so surely, they are not read the other way up as well: of
# 165 groups of lines in 200 simulated photos none was read that well upside down, 0.58 at most.
_SURE_SCORE, _SURE_LENGTH = 0.9, 8
# Lines that are read of a photo, at most.
MOST_LINES = 16
# Names of the letters that PP-OCRv6 reads well; of Greek it knows a few, of other scripts none.
_SCRIPTS = ("LATIN", "CJK", "HIRAGANA", "KATAKANA")
# From its edge to the middle of its first character, a detected line in parts of its height: half a
# character, and the border that the detector leaves around a line.
_INSET = 0.4


@dataclass(frozen=True, slots=True)
class ReadLine:
    """A line of text in a photo.

    text: its letters and digits, normalised as those of books are.
    start, end: (x, y) of the middles of its first and last characters, in working pixels.
    score: how sure the reader is of its letters, 0 to 1.
    """

    text: str
    start: tuple[float, float]
    end: tuple[float, float]
    score: float = 1.0

    def moved(self, matrix: NDArray[np.float64]) -> ReadLine:
        """The line where an affine map, (2, 3), brings its ends."""
        (x0, y0), (x1, y1) = (np.array([self.start, self.end]) @ matrix[:, :2].T + matrix[:, 2]).tolist()
        return replace(self, start=(x0, y0), end=(x1, y1))


@lru_cache(maxsize=1 << 14)
def is_legible(character: str) -> bool:
    """Whether the reader was taught to read this letter or digit: Latin, Chinese and Japanese ones."""
    return character.isdecimal() or unicodedata.name(character, "").startswith(_SCRIPTS)


class TextReader:
    """Reads photos, one line at a time; threads may share it. The models are loaded when it is first asked.

    threads: how many it uses.
    """

    def __init__(self, *, threads: int) -> None:
        self._threads = threads
        self._engine: Any = None
        self._lock = threading.Lock()

    def read(
        self, photo: Photo, views: Sequence[PageView] = (), *, most: int = MOST_LINES
    ) -> Iterator[ReadLine]:
        """The `most` longest lines in a photo, wherever they are and whichever way they run, one by one.

        views: where it shows pages; the text beside them is left out, and how the first one lies tells how
            lines run. All of the photo is read if there are none.
        """
        pixels, to_photo = _level(photo, views)
        boxes = self._detect(pixels)[:most]
        lying = [box for box in boxes if not _stands(box)]
        # Of a line that stands, the side on the right is taken for its top.
        tall = [np.roll(box, -1, axis=0) for box in boxes if _stands(box)]
        for group in (lying, tall):
            for line in self._lines(pixels, group):
                yield line.moved(to_photo)

    def _detect(self, pixels: Colour) -> list[NDArray[np.float32]]:
        """(4, 2) corners of each line as it stands in the photo, from its upper left; longest first."""
        found = self._run(pixels, use_det=True)
        boxes = [np.asarray(box, np.float32) for box in (found.boxes if found.boxes is not None else ())]
        return sorted(boxes, key=lambda box: -max(side_lengths(box)))

    def _lines(self, pixels: Colour, boxes: list[NDArray[np.float32]]) -> Iterator[ReadLine]:
        """The lines in the boxes, all as they stand or all upside down, as the first are read better."""
        first = [self._recognise(pixels, box) for box in boxes[:_ASKED]]
        if sum(map(_is_sure, first)) < _ASKED:
            turned = [np.roll(box, 2, axis=0) for box in boxes]
            other = [self._recognise(pixels, box) for box in turned[:_ASKED]]
            if sum(score for _, score in other) > sum(score for _, score in first):
                boxes, first = turned, other
        for number, box in enumerate(boxes):
            text, score = first[number] if number < len(first) else self._recognise(pixels, box)
            if score >= _LEAST_SCORE and (line := _line(text, box, score)).text:
                yield line

    def _recognise(self, pixels: Colour, box: NDArray[np.float32]) -> tuple[str, float]:
        """The text in a box, and how sure the recogniser is of it, 0 to 1."""
        found = self._run(_cut(pixels, box), use_rec=True)
        return (found.txts[0], float(found.scores[0])) if found.txts else ("", 0.0)

    def _run(self, pixels: Colour, **steps: bool) -> Any:
        # RapidOCR keeps the options of a call in itself.
        with self._lock:
            if self._engine is None:
                # Here and not above: most photos are answered without it.
                from rapidocr import RapidOCR

                self._engine = RapidOCR(
                    params={
                        "Global.log_level": "critical",
                        "Det.limit_type": "max",
                        "Det.limit_side_len": _DETECTED_SIDE,
                        "EngineConfig.onnxruntime.intra_op_num_threads": self._threads,
                        "EngineConfig.onnxruntime.inter_op_num_threads": 1,
                    }
                )
                # It would cut out every line that it detects; those that are read are cut out here.
                self._engine.crop_text_regions = lambda pixels, boxes: []
            wanted = {"use_det": False, "use_cls": False, "use_rec": False, **steps}
            return self._engine(np.ascontiguousarray(pixels[:, :, ::-1]), **wanted)


def _level(photo: Photo, views: Sequence[PageView]) -> tuple[Colour, NDArray[np.float64]]:
    """The part of a photo that shows the pages, their lines level or upright, and (2, 3), whence it came.

    Where that is small it is magnified, to the size that lines are detected in or three times.
    """
    shown = [hypotheses.shown(view, photo) for view in views]
    # Of a page without any side in sight the finder knows neither how it lies nor where it ends.
    edged = [view for view in views if any(view.seen)]
    corners = np.concatenate(shown if edged else [photo.outline]).astype(np.float64)
    angle = hypotheses.slant(edged[0]) if edged else 0.0
    turn = np.deg2rad(angle if abs(angle) > _LEVEL else 0.0)
    matrix = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    corners = corners @ matrix.T
    low, high = corners.min(0), corners.max(0)
    if edged:
        around = _AROUND * float((high - low).max())
        low, high = low - around, high + around
    if not turn:
        frame = photo.outline
        low, high = np.maximum(np.floor(low + 0.5) - 0.5, frame.min(0)), np.minimum(high, frame.max(0))
    scale = max(1.0, min(_DETECTED_SIDE / float((high - low).max()), _MOST_MAGNIFIED))
    # The middle of the first pixel lies half a pixel from the edge, here as there.
    to_part = scale * np.concatenate([matrix, -low[:, None]], axis=1)
    to_part[:, 2] -= 0.5
    width, height = np.ceil(scale * (high - low)).astype(int).tolist()
    part = cv2.warpAffine(
        photo.pixels, to_part, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(part, np.uint8), np.asarray(cv2.invertAffineTransform(to_part), np.float64)


def _is_sure(read: tuple[str, float]) -> bool:
    """Whether a text, read with this score, is certainly read the right way up."""
    text, score = read
    return score >= _SURE_SCORE and len(normalise(text)) >= _SURE_LENGTH


def _line(text: str, box: NDArray[np.float32], score: float) -> ReadLine:
    first, last = (box[0] + box[3]) / 2, (box[1] + box[2]) / 2
    length, height = side_lengths(box)
    inset = (last - first) * min(_INSET * height / max(length, 1.0), 0.4)
    start, end = first + inset, last - inset
    (x0, y0), (x1, y1) = start.tolist(), end.tolist()
    return ReadLine(normalise(text), (x0, y0), (x1, y1), score)


def _stands(box: NDArray[np.float32]) -> bool:
    across, down = side_lengths(box)
    return down > 1.5 * across


def _cut(pixels: Colour, box: NDArray[np.float32]) -> Colour:
    """The line within the box, (48, W, 3)."""
    length, height = side_lengths(box)
    width = int(np.clip(round(_HEIGHT * length / max(height, 1.0)), _HEIGHT // 2, _LONGEST))
    corners = np.array([[0, 0], [width, 0], [width, _HEIGHT], [0, _HEIGHT]], np.float32)
    matrix = cv2.getPerspectiveTransform(box, corners)
    return np.asarray(cv2.warpPerspective(pixels, matrix, (width, _HEIGHT), flags=cv2.INTER_CUBIC), np.uint8)
