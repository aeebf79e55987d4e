"""Page images -> codes, through ONNX Runtime. Owns the preprocessing and the order of bits."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import onnxruntime as ort

from whichpage.errors import ModelError
from whichpage.types import CODE_BITS, ENCODER_HEIGHT, ENCODER_WIDTH, VIEWS, Grey, PageCodes

SHIPPED_ENCODER = Path(__file__).parent / "models" / "encoder.onnx"
# More images a call than this gain nothing on a CPU and cost memory.
_BATCH = 8


class Encoder:
    """A page encoder; make one with `Encoder.load`."""

    def __init__(self, session: ort.InferenceSession, model_id: str) -> None:
        self._session = session
        self.model_id = model_id

    @classmethod
    def load(cls, path: Path | None = None, *, threads: int = 1) -> Encoder:
        """Loads an ONNX encoder.

        Args:
            path: the model file; None for the one that ships with whichpage.
            threads: cores one call may use.

        Raises:
            ModelError: the file is missing, is no ONNX model, or maps other shapes than
                (N, 1, 320, 224) -> (N, 3, 256).
        """
        path = path or SHIPPED_ENCODER
        session = open_session(path, threads=threads)
        images, vectors = session.get_inputs()[0], session.get_outputs()[0]
        maps = (images.name, images.shape[1:], vectors.shape[1:])
        if maps != ("grey", [1, ENCODER_HEIGHT, ENCODER_WIDTH], [len(VIEWS), CODE_BITS]):
            raise ModelError(f"{path} is not a whichpage encoder: it maps {images.shape} to {vectors.shape}.")
        return cls(session, model_id(path))

    def encode(self, images: Sequence[Grey]) -> PageCodes:
        """Encodes N images of pages, (H, W) uint8 of any sizes, each showing one page from edge to edge."""
        vectors = [np.empty((0, len(VIEWS), CODE_BITS), np.float32)]
        for start in range(0, len(images), _BATCH):
            batch = np.stack([_squeeze(image) for image in images[start : start + _BATCH]])
            vectors.append(self._session.run(None, {"grey": batch[:, None].astype(np.float32)})[0])
        stacked = np.concatenate(vectors)
        return PageCodes(pack(stacked), stacked)


def pack(vectors: np.ndarray) -> np.ndarray:
    """(..., 256) float -> (..., 32) uint8: bit = number > 0, the first bit highest, as `np.packbits` does."""
    return np.packbits(vectors > 0, axis=-1)


def open_session(path: Path, *, threads: int) -> ort.InferenceSession:
    """An ONNX Runtime session on the CPU that leaves the other cores alone.

    Raises:
        ModelError: the file is missing or no ONNX model.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
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


def _squeeze(image: Grey) -> Grey:
    """(H, W) -> (320, 224), whatever the page's shape: layout counts in fractions of the page."""
    shrinks = image.shape[0] >= ENCODER_HEIGHT and image.shape[1] >= ENCODER_WIDTH
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cv2.resize(image, (ENCODER_WIDTH, ENCODER_HEIGHT), interpolation=method).astype(
        np.uint8, copy=False
    )
