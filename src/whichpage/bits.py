"""Numbers whose signs are a code: how it is packed, and how codes are compared.

A page is kept as bits alone. A photo need not be: it keeps its numbers, so that one that is near 0, whose
sign is chance, counts for little (Gordo et al., "Asymmetric distances for binary embeddings", TPAMI 2014).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def sign_bits(numbers: NDArray[Any]) -> NDArray[np.uint8]:
    """(..., B) -> (..., B / 8) uint8: bit = number > 0, the first bit highest, as `np.packbits` does."""
    return np.packbits(numbers > 0, axis=-1)


def signs(codes: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(..., B / 8) packed bits -> (..., B) float32, 1 and -1."""
    return np.unpackbits(codes, axis=-1).astype(np.float32) * 2 - 1


def soft_signs(numbers: NDArray[np.float32]) -> NDArray[np.float32]:
    """(..., B) float32 `tanh` of the numbers, divided by the sum of what that leaves of them.

    The inner product with a code's signs is the asymmetric likeness, -1 to 1, where all bits agree; it is 0
    with all codes for numbers that are 0, which say nothing.
    """
    bounded = np.tanh(numbers)
    return np.asarray(bounded / np.maximum(np.abs(bounded).sum(-1, keepdims=True), 1e-9), np.float32)
