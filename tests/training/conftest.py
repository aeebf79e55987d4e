"""Tests of the training: `make test-training` runs them, where PyTorch is installed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from drawn import text_page

from whichpage.training.pages import CACHE_SIZE, PageCache

# Tensors this small gain nothing from a second core.
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> PageCache:
    """Three books of 12 drawn pages to train on, one of 6 to validate on."""
    folder = tmp_path_factory.mktemp("cache")
    index = [("train", f"book {n // 12}", n % 12 + 1) for n in range(36)]
    index += [("val", "book 3", n + 1) for n in range(6)]
    pages = [text_page(seed).reshape(480, 2, 336, 2).mean((1, 3)) for seed in range(len(index))]
    assert pages[0].shape == CACHE_SIZE
    np.save(folder / "cache.npy", np.array(pages).astype(np.uint8))
    (Path(folder) / "index.json").write_text(json.dumps(index))
    return PageCache.open(folder)
