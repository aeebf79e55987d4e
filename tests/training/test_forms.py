"""Sheets of firms that do not exist: the same sheet for the same number, the same head on all of a firm."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
import pytest

from whichpage.training.forms import Firm

FOLDER = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
FONTS = (FOLDER / "DejaVuSans.ttf", FOLDER / "DejaVuSans-Bold.ttf")
SIZE = (480, 336)


def test_same_number_same_sheet() -> None:
    firm, again = Firm(FONTS, seed=3, size=SIZE), Firm(FONTS, seed=3, size=SIZE)
    assert firm.page(7).shape == SIZE
    again.page(1)
    np.testing.assert_array_equal(firm.page(7), again.page(7))


@pytest.mark.parametrize("seed", range(8))
def test_sheets_of_a_firm_share_their_head_and_differ_below(seed: int) -> None:
    firm = Firm(FONTS, seed=seed, size=SIZE)
    one, other = firm.page(1).astype(int), firm.page(2).astype(int)
    changed = np.abs(one - other) > 40
    head = slice(0, int(0.15 * SIZE[0]))
    assert not changed[head].any()
    assert 0.001 < changed.mean() < 0.2
    # Much paper, little print.
    assert 0.005 < 1 - one.mean() / 255 < 0.2


def test_firms_have_heads_of_their_own() -> None:
    heads = [Firm(FONTS, seed=seed, size=SIZE).page(1)[:72].astype(int) for seed in range(5)]
    for k, head in enumerate(heads[1:], 1):
        assert (np.abs(head - heads[k - 1]) > 40).mean() > 0.01
