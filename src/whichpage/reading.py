"""Reads lines of text off a photo by OCR: RapidOCR, which runs PP-OCRv6 in ONNX Runtime.

Reading a whole page takes seconds. A few long lines are enough to look a page up, so the lines are
detected on a reduced photo, and only the longest of them are read.
"""

from __future__ import annotations

import threading
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from whichpage.photo import Photo, side_lengths
from whichpage.printed import normalise
from whichpage.types import Colour

# Long side, in pixels, of the photo in which lines are detected.
_DETECTED_SIDE = 960
# Lines are read this high, as the recogniser was trained, and cut off where they are longer than this.
_HEIGHT, _LONGEST = 48, 1920
# What the recogniser is less sure of is noise more often than text.
_LEAST_SCORE = 0.6
# Lines that are read both ways up; the others follow them. RapidOCR's own classifier is often wrong.
_ASKED = 3
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


@lru_cache(maxsize=1 << 14)
def is_legible(character: str) -> bool:
    """Whether the reader was taught to read this letter or digit: Latin, Chinese and Japanese ones."""
    return character.isdecimal() or unicodedata.name(character, "").startswith(_SCRIPTS)


class TextReader:
    """Reads photos, one at a time; threads may share it. The models are loaded when it is first asked.

    threads: how many it uses.
    """

    def __init__(self, *, threads: int) -> None:
        self._threads = threads
        self._engine: Any = None
        self._lock = threading.Lock()

    def read(self, photo: Photo, *, most: int = 16) -> list[ReadLine]:
        """The `most` longest lines in a photo, wherever they are and whichever way they run."""
        # RapidOCR keeps the options of a call in itself.
        with self._lock:
            boxes = self._detect(photo.pixels)[:most]
            lying = [box for box in boxes if not _stands(box)]
            # Of a line that stands, the side on the right is taken for its top.
            tall = [np.roll(box, -1, axis=0) for box in boxes if _stands(box)]
            return [line for group in (lying, tall) for line in self._lines(photo.pixels, group)]

    def _detect(self, pixels: Colour) -> list[NDArray[np.float32]]:
        """(4, 2) corners of each line as it stands in the photo, from its upper left; longest first."""
        found = self._run(pixels, use_det=True)
        boxes = [np.asarray(box, np.float32) for box in (found.boxes if found.boxes is not None else ())]
        return sorted(boxes, key=lambda box: -max(side_lengths(box)))

    def _lines(self, pixels: Colour, boxes: list[NDArray[np.float32]]) -> list[ReadLine]:
        """The lines in the boxes, all as they stand or all upside down, as the first are read better."""
        ways = boxes, [np.roll(box, 2, axis=0) for box in boxes]
        first = [[self._recognise(pixels, box) for box in way[:_ASKED]] for way in ways]
        upside_down = sum(score for _, score in first[1]) > sum(score for _, score in first[0])
        chosen = ways[upside_down]
        read = first[upside_down] + [self._recognise(pixels, box) for box in chosen[_ASKED:]]
        lines = (
            _line(text, box, score)
            for (text, score), box in zip(read, chosen, strict=True)
            if score >= _LEAST_SCORE
        )
        return [line for line in lines if line.text]

    def _recognise(self, pixels: Colour, box: NDArray[np.float32]) -> tuple[str, float]:
        """The text in a box, and how sure the recogniser is of it, 0 to 1."""
        found = self._run(_cut(pixels, box), use_rec=True)
        return (found.txts[0], float(found.scores[0])) if found.txts else ("", 0.0)

    def _run(self, pixels: Colour, **steps: bool) -> Any:
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
        wanted = {"use_det": False, "use_cls": False, "use_rec": False, **steps}
        return self._engine(np.ascontiguousarray(pixels[:, :, ::-1]), **wanted)


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
