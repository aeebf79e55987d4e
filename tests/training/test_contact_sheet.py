"""The contact sheet shows what it was asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from books import make_pdf
from PIL import Image

from whichpage.errors import TrainingError
from whichpage.pictures import captioned
from whichpage.training import contact_sheet


def test_same_numbers_same_sheet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contact_sheet, "PARTS", ("shadows", "noise"))
    monkeypatch.setattr(contact_sheet, "_PHOTO", (160, 120))
    captions: list[str] = []

    def remembered(image: Image.Image, *text: str) -> Image.Image:
        captions.append("".join(text))
        return captioned(image, *text)

    monkeypatch.setattr(contact_sheet, "captioned", remembered)
    make_pdf(tmp_path / "books" / "a.pdf", 3)
    make_pdf(tmp_path / "books" / "b.pdf", 1, blank=[1])
    sheets = [
        np.asarray(contact_sheet.draw([tmp_path / "books"], count=2, seed=seed)).astype(int)
        for seed in (1, 1, 2)
    ]
    np.testing.assert_array_equal(sheets[0], sheets[1])
    assert sheets[0].shape != sheets[2].shape or np.abs(sheets[0] - sheets[2]).mean() > 5
    ours = captions[: len(captions) // 3]
    assert len(ours) == 2 + 4 + 6
    assert all(caption.startswith("a.pdf  p. ") for caption in ours[:2])
    assert ours[2].startswith("a.pdf  p. ")
    assert ours[3] == "its photo, rectified"
    assert ours[6:] == ["no part"] * 2 + ["only shadows"] * 2 + ["only noise"] * 2


def test_nothing_to_show_is_said(tmp_path: Path) -> None:
    make_pdf(tmp_path / "a.pdf", 1, blank=[1])
    for books in ([tmp_path], [tmp_path / "none"]):
        with pytest.raises(TrainingError, match="No page was found"):
            contact_sheet.draw(books, count=1, seed=0)
