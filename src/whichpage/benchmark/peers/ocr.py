"""OCR by RapidOCR: PP-OCRv6 through ONNX Runtime, one model for Chinese, Japanese and Latin script."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from rapidocr import RapidOCR

from whichpage.cores import usable_cores
from whichpage.types import Colour


class Reader:
    """Reads the lines of text in an image; as RapidOCR is installed, with the models that it brings."""

    def __init__(self, *, threads: int) -> None:
        self._engine: Any = RapidOCR(
            params={
                "Global.log_level": "critical",
                "EngineConfig.onnxruntime.intra_op_num_threads": threads,
                "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            }
        )

    def lines(self, image: Colour) -> list[str]:
        """The lines in an image (H, W, 3) RGB, wherever and whichever way up they are."""
        read = self._engine(np.ascontiguousarray(image[:, :, ::-1]))
        return list(read.txts or ())


@lru_cache(maxsize=1)
def reader(threads: int | None = None) -> Reader:
    """The process's reader, loaded when it is first needed; None for as many threads as there are cores."""
    return Reader(threads=threads or usable_cores())
