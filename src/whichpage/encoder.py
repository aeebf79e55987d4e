"""Page images -> codes, through ONNX Runtime. Owns the preprocessing and the order of bits."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import onnxruntime as ort

from whichpage.bits import sign_bits
from whichpage.errors import ModelError
from whichpage.types import CODE_BITS, ENCODER_HEIGHT, ENCODER_WIDTH, VIEWS, Grey, PageCodes

SHIPPED_ENCODER = Path(__file__).parent / "models" / "encoder.onnx"
# More pixels a call than this gain nothing on a CPU and cost memory: eight pages for the shipped model.
_PIXELS = 8 * ENCODER_HEIGHT * ENCODER_WIDTH
# The sides an input may have, and how many numbers of views: the page alone, or all of them.
_LEAST_SIDE, _LARGEST_SIDE = 32, 2048
_VIEW_COUNTS = (1, len(VIEWS))


class Encoder:
    """A page encoder; make one with `Encoder.load`.

    model_id: what a library remembers of it.
    size: (H, W) of the images it reads.
    views: the views of a page it gives codes of, the whole page first.
    """

    def __init__(
        self, session: ort.InferenceSession, model_id: str, *, size: tuple[int, int], views: tuple[str, ...]
    ) -> None:
        self._session = session
        self.model_id = model_id
        self.size = size
        self.views = views

    @classmethod
    def load(cls, path: Path | None = None, *, threads: int = 1) -> Encoder:
        """Loads an ONNX encoder.

        Args:
            path: the model file; None for the one that ships with whichpage.
            threads: cores one call may use.

        Raises:
            ModelError: the file is missing, is no ONNX model, or does not map "grey" (N, 1, H, W), levels
                0..255, to vectors (N, V, 256), V being 1 (the page alone) or 3 (all views). The shipped one
                reads 320 x 224 pixels and has three views. One that reads any size says in its metadata, as
                "size", which one pages are brought to: "672x480".
        """
        path = path or SHIPPED_ENCODER
        session = open_session(path, threads=threads)
        images, vectors = session.get_inputs()[0], session.get_outputs()[0]
        size = _size(images.shape, session.get_modelmeta().custom_metadata_map.get("size", ""))
        if size is None or not _is_encoder(images.name, images.shape, vectors.shape):
            raise ModelError(f"{path} is not a whichpage encoder: it maps {images.shape} to {vectors.shape}.")
        return cls(session, model_id(path), size=size, views=VIEWS[: vectors.shape[1]])

    def encode(self, images: Sequence[Grey]) -> PageCodes:
        """Encodes N images of pages, (H, W) uint8 of any sizes, each showing one page from edge to edge."""
        vectors = [np.empty((0, len(self.views), CODE_BITS), np.float32)]
        count = max(1, _PIXELS // (self.size[0] * self.size[1]))
        for start in range(0, len(images), count):
            batch = np.stack([_squeeze(image, self.size) for image in images[start : start + count]])
            vectors.append(self._session.run(None, {"grey": batch[:, None].astype(np.float32)})[0])
        stacked = np.concatenate(vectors)
        return PageCodes(sign_bits(stacked), stacked)


def open_session(path: Path, *, threads: int) -> ort.InferenceSession:
    """An ONNX Runtime session on the CPU that leaves the other cores alone.

    Raises:
        ModelError: the file is missing or no ONNX model.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Its threads spin while they wait for work, which is well, but would do so on cores that others need.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    if not path.is_file():
        raise ModelError(f"There is no model file {path}.")
    try:
        return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises a class of its own for each kind of damage
        raise ModelError(f"{path} is not a model that ONNX Runtime can load.") from error


@lru_cache(maxsize=8)
def model_id(path: Path | None = None) -> str:
    """The first 16 hex digits of the model file's SHA-256: what a library remembers of its encoder."""
    path = path or SHIPPED_ENCODER
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    except OSError as error:
        raise ModelError(f"The model file {path} cannot be read: {error.strerror}.") from error


def _is_encoder(source: str, images: Sequence[object], vectors: Sequence[object]) -> bool:
    """Whether a model with an input of this name maps (N, 1, H, W) to (N, V, 256)."""
    if source != "grey" or len(images) != 4 or len(vectors) != 3:
        return False
    return images[1] == 1 and vectors[1] in _VIEW_COUNTS and vectors[2] == CODE_BITS


def _size(images: Sequence[object], said: str) -> tuple[int, int] | None:
    """(H, W) of the images that a model reads, or is given where it reads any; None if it reads none."""
    free = len(images) == 4 and all(isinstance(side, str) for side in images[2:])
    sides = [int(side) for side in said.split("x") if side.isdecimal()] if free else images[2:]
    if len(sides) != 2:
        return None
    height, width = sides
    if not isinstance(height, int) or not isinstance(width, int):
        return None
    return (height, width) if all(_LEAST_SIDE <= side <= _LARGEST_SIDE for side in (height, width)) else None


def _squeeze(image: Grey, size: tuple[int, int]) -> Grey:
    """To the encoder's (H, W), whatever the page's shape: layout counts in fractions of the page."""
    shrinks = image.shape[0] >= size[0] and image.shape[1] >= size[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cv2.resize(image, size[::-1], interpolation=method).astype(np.uint8, copy=False)
