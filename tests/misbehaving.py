"""Encoders that make a worker misbehave on purpose; workers load them by name."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import numpy as np

from whichpage.encoder import Encoder
from whichpage.errors import ModelError
from whichpage.sources import ImagesSource, PdfSource
from whichpage.types import Grey, PageCodes, PageImage


def load(model: Path | None, *, threads: int) -> Encoder:
    """The tiny encoder, in a worker that dies, hangs, or runs out of memory on pages that are all dark.

    A page darker than 100 on average kills it; darker than 150, hangs; darker than 200, eats memory.
    """
    for source in (PdfSource, ImagesSource):
        _spoil(source)
    return Encoder.load(model, threads=threads)


def refuse(model: Path | None, *, threads: int) -> NoReturn:
    """No encoder at all."""
    raise ModelError(f"{model} is not a model")


def die(model: Path | None, *, threads: int) -> NoReturn:
    """A worker that does not live to see its first task."""
    raise SystemExit("the encoder is broken")


class Slow:
    """An encoder that takes a tenth of a second a page."""

    def encode(self, images: Sequence[Grey]) -> PageCodes:
        time.sleep(0.1 * len(images))
        return PageCodes(
            np.zeros((len(images), 3, 32), np.uint8), np.zeros((len(images), 3, 256), np.float32)
        )


def slow(model: Path | None, *, threads: int) -> Slow:
    """See `Slow`."""
    return Slow()


def _spoil(source: type[PdfSource] | type[ImagesSource]) -> None:
    render = source.render

    def spoiled(self: PdfSource | ImagesSource, number: int) -> PageImage:
        page = render(self, number)  # type: ignore[arg-type]
        mean = page.grey.mean()
        if mean < 100:
            os.abort()
        if mean < 150:
            time.sleep(1000)
        if mean < 200:
            bytearray(4 << 30)
        return page

    source.render = spoiled  # type: ignore[assignment, method-assign]
