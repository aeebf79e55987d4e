"""Visual words: learned as the signs of clusters, and kept in the model's file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from whichpage.encoder import open_session
from whichpage.errors import ModelError
from whichpage.features import FeatureExtractor
from whichpage.training import words
from whichpage.training.export import export
from whichpage.training.feature_network import FeatureNetwork
from whichpage.training.pages import PageCache


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """An untrained network of local features, without words."""
    torch.manual_seed(0)
    path = tmp_path / "features.onnx"
    export(FeatureNetwork(), torch.rand(1, 1, 64, 48) * 6 - 3, ("contrast", ["vectors"]), path, any_size=True)
    return path


def some_words(count: int, *, seed: int) -> NDArray[np.uint8]:
    return np.random.RandomState(seed).randint(0, 256, (count, 16)).astype(np.uint8)


@pytest.mark.parametrize("count", [2, 24])
def test_words_are_the_signs_of_clusters(count: int) -> None:
    """Codes that are met 1,000 times each, a tenth of their bits wrong; words to spare are between."""
    dice = np.random.RandomState(1)
    centres = some_words(2 if count == 2 else 4, seed=2)
    signs = np.unpackbits(centres, axis=-1).astype(np.float32).repeat(1000, 0) * 2 - 1
    codes = np.where(dice.uniform(size=signs.shape) < 0.1, -signs, signs)
    shuffled = codes[dice.permutation(len(codes))]
    for seed in (1, 2, 3):
        found = words.learn_words(shuffled, count=count, seed=seed)
        assert found.shape == (count, 16)
        assert set(map(bytes, found)) >= set(map(bytes, centres))
        np.testing.assert_array_equal(found, words.learn_words(shuffled, count=count, seed=seed))


def test_file_has_the_words_that_were_kept_last(model: Path) -> None:
    with pytest.raises(ModelError, match="no visual words"):
        FeatureExtractor.load(model)
    contrast = torch.rand(1, 1, 64, 48, generator=torch.Generator().manual_seed(3)).numpy() * 6 - 3
    before = open_session(model, threads=1).run(None, {"contrast": contrast})
    for seed in (4, 5):
        kept = some_words(20, seed=seed)
        words.keep_words(model, kept)
        np.testing.assert_array_equal(FeatureExtractor.load(model).vocabulary, kept)
    np.testing.assert_array_equal(open_session(model, threads=1).run(None, {"contrast": contrast}), before)


def test_codes_are_those_of_training_pages(cache: PageCache, model: Path) -> None:
    codes = words.codes_of(model, cache, pages=3, seed=6)
    words.keep_words(model, some_words(2, seed=7))
    extractor = FeatureExtractor.load(model)
    pages = np.random.default_rng(6).permutation(36)[:3]
    vectors = np.concatenate([extractor.extract(cache.images[0][page]).vectors for page in pages])
    assert len(vectors) == 3 * 256
    np.testing.assert_array_equal(codes, np.where(vectors > 0, 1.0, -1.0))


def test_command_learns_and_keeps(cache: PageCache, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PageCache, "open", lambda *folders: cache)
    line = ["words", str(model), "--pages", "x", "--words", "6", "--sample", "2"]
    monkeypatch.setattr("sys.argv", line)
    words.main()
    expected = words.learn_words(words.codes_of(model, cache, pages=2), count=6)
    assert expected.shape == (6, 16)
    np.testing.assert_array_equal(FeatureExtractor.load(model).vocabulary, expected)
