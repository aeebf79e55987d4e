"""Local contrast: what it forgives, and that it is what a plain loop over windows gives."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from drawn import text_page

from whichpage.contrast import local_contrast


def test_local_contrast_forgives_gain_and_shade() -> None:
    page = text_page(1).reshape(480, 2, 336, 2).mean((1, 3)).astype(np.uint8)
    plain = local_contrast(page, window=33)
    assert plain.dtype == np.float32
    assert (float(plain.min()), float(plain.max())) >= (-3, 0)
    assert np.abs(plain).max() <= 3
    ramp = np.linspace(0.95, 0.45, 336)
    for light in (0.5, ramp[None], 0.6 * ramp[None, ::-1] + 0.1):
        seen = local_contrast(np.round(page * light + 10).astype(np.uint8), window=33)
        assert np.corrcoef(plain.ravel(), seen.ravel())[0, 1] > 0.985
        assert np.abs(plain - seen).mean() < 0.08


def test_local_contrast_of_nothing_is_nothing() -> None:
    assert np.abs(local_contrast(np.full((60, 60), 200, np.uint8), window=9)).max() == 0


def test_only_what_is_looked_at_counts() -> None:
    """A page on a dark desk has the contrast that it has on paper that goes on."""
    page = text_page(1).reshape(480, 2, 336, 2).mean((1, 3)).astype(np.uint8)
    where = np.zeros(page.shape, bool)
    where[100:300, 60:250] = True
    on_desk, on_paper = (np.where(where, page, ground).astype(np.uint8) for ground in (20, 240))
    found = local_contrast(on_desk, window=33, where=where)
    assert (found[~where] == 0).all()
    assert (found == local_contrast(on_paper, window=33, where=where)).all()
    whole = local_contrast(page, window=33)
    inner = np.s_[120:280, 80:230]
    assert np.abs(found - whole)[inner].mean() < 0.06
    assert np.abs(local_contrast(on_desk, window=33) - whole)[100:104, 60:250].mean() > 0.3
    assert (local_contrast(page, window=33, where=np.zeros(page.shape, bool)) == 0).all()
    everywhere = local_contrast(page, window=33, where=np.ones(page.shape, bool))
    np.testing.assert_allclose(everywhere, whole, atol=1e-3)


def test_local_contrast_is_the_plain_one() -> None:
    grey = np.random.RandomState(4).randint(0, 256, (40, 30)).astype(np.uint8)
    found = local_contrast(grey, window=7)
    windows = {
        (y, x): grey[y - 3 : y + 4, x - 3 : x + 4].astype(float) for y in range(3, 37) for x in range(3, 27)
    }
    reflected = cv2.copyMakeBorder(grey, 3, 3, 3, 3, cv2.BORDER_REFLECT_101).astype(float)
    deviations = [reflected[y : y + 7, x : x + 7].std() for y in range(40) for x in range(30)]
    floor = 0.3 * np.mean(deviations) + 1
    for (y, x), window in windows.items():
        expected = (float(grey[y, x]) - window.mean()) / (window.std() + floor)
        assert found[y, x] == pytest.approx(np.clip(expected, -3, 3), abs=2e-3)
