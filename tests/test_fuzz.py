"""A small slice of `fuzz`, which see; run that by hand for hundreds of cases."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from books import TINY_MODEL
from fuzz import add_all, make_cases

from whichpage.library import Library


@pytest.mark.skipif(os.name != "posix", reason="names that other file systems refuse")
def test_hostile_files_are_added_or_named(tmp_path: Path) -> None:
    cases = make_cases(tmp_path / "cases", count=40, seed=2)
    assert cases >= 60
    with Library.open(tmp_path / "library", model=TINY_MODEL, create=True) as library:
        report = add_all(library, tmp_path / "cases", cases=cases)
    named = {path.name: reason for path, reason in report.failed}
    assert named["hostile empty.pdf"] == "is empty"
    assert named["hostile locked.pdf"] == "is encrypted"
    assert named["hostile zip bomb.cbz"] == "page 1 (1.png) unpacks to more than 128 MB"
    assert named["pipe.pdf"] == "is neither a file nor a folder"
    assert report.added + len(report.copies) + len(report.failed) >= 60
