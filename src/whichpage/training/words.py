"""Visual words: the centres under which the library files local features, kept in the features' model file.

usage: python -m whichpage.training.words FEATURES.onnx --pages DIR [--pages DIR] [--words N] [--sample N]

Spherical k-means over the codes of training pages' features; the signs of a centre are the word, so that the
nearest word is that of the fewest different bits.
"""

from __future__ import annotations

import argparse
import base64
from pathlib import Path

import faiss
import numpy as np
import onnx
from numpy.typing import NDArray

from whichpage.bits import sign_bits, signs
from whichpage.encoder import open_session
from whichpage.features import WORDS, FeatureExtractor
from whichpage.training.pages import PageCache
from whichpage.types import FEATURE_BYTES


def learn_words(
    codes: NDArray[np.float32], *, count: int, seed: int = 1, rounds: int = 12
) -> NDArray[np.uint8]:
    """(count, bits / 8) uint8, packed: the words of codes (N, bits) float32, each number -1 or 1."""
    means = faiss.Kmeans(
        codes.shape[1], count, niter=rounds, spherical=True, max_points_per_centroid=80, seed=seed
    )
    means.train(codes)
    return sign_bits(np.asarray(means.centroids))


def codes_of(path: Path, cache: PageCache, *, pages: int, seed: int = 1) -> NDArray[np.float32]:
    """(N, bits) float32, -1 or 1: the codes of the features of so many training pages."""
    extractor = FeatureExtractor(open_session(path, threads=1), "", np.empty((0, FEATURE_BYTES), np.uint8))
    rows = np.concatenate(cache.books("train"))
    chosen = np.random.default_rng(seed).permutation(rows)[:pages]
    vectors = [
        extractor.extract((cache.read(np.array([row]))[0, 0].numpy() * 255).astype(np.uint8)).vectors
        for row in chosen
    ]
    return signs(sign_bits(np.concatenate(vectors)))


def keep_words(path: Path, words: NDArray[np.uint8]) -> None:
    """Writes the words into the model's file."""
    model = onnx.load(path)
    onnx.helper.set_model_props(model, {WORDS: base64.b64encode(words.tobytes()).decode()})
    onnx.save(model, path)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("--pages", type=Path, action="append", required=True)
    parser.add_argument("--words", type=int, default=4096)
    parser.add_argument("--sample", type=int, default=1500, help="pages to learn from")
    arguments = parser.parse_args()
    codes = codes_of(arguments.model, PageCache.open(*arguments.pages), pages=arguments.sample)
    keep_words(arguments.model, learn_words(codes, count=arguments.words))


if __name__ == "__main__":
    main()
