"""Ablations: each changes one thing, trains, and is a line of a table."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import pytest

from whichpage.errors import TrainingError
from whichpage.training import ablations
from whichpage.training.ablations import ABLATIONS, ablate
from whichpage.training.encoder_training import AROUND, EncoderRecipe, HeldOut
from whichpage.training.pages import PageCache
from whichpage.training.parts import PARTS

TINY = EncoderRecipe(steps=1, batch=6, same_book=3, bfloat16=False)


def test_each_changes_one_field_of_the_recipe() -> None:
    for name, changes in ABLATIONS.items():
        assert len(changes) == (name != "recipe")
        other = replace(TINY, **changes)
        changed = [f.name for f in fields(TINY) if getattr(TINY, f.name) != getattr(other, f.name)]
        assert changed == list(changes)
    assert {f"without-{part}" for part in (*PARTS, *AROUND)} < set(ABLATIONS)


@pytest.mark.parametrize("name", ["layout-averaged", "512-bits", "without-jpeg"])
def test_ablation_trains_and_is_measured(name: str, cache: PageCache, tmp_path: Path) -> None:
    held_out = HeldOut(cache)
    found = ablate(name, cache, tmp_path, recipe=TINY, held_out=held_out)
    assert list(found) == ["top1", "top20", "fused_top1", "fused_top20"]
    assert found["top20"] == found["fused_top20"] == 1.0  # of six pages
    assert 0 <= found["top1"] <= 1
    assert ablate(name, cache, tmp_path, recipe=TINY, held_out=held_out) == found  # nothing is left to do
    for other in (replace(TINY, memory=6), replace(TINY, steps=2)):
        with pytest.raises(TrainingError, match="another recipe"):
            ablate(name, cache, tmp_path, recipe=other, held_out=held_out)
    assert ablations.line(name, {"top1": 0.5, "top20": 1.0}) == f"| {name} | 50.0% | 100.0% |"


def test_unknown_name_is_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["ablations", "--pages", "x", "--out", "y", "without-luck"])
    with pytest.raises(SystemExit):
        ablations.main()
    assert "no ablation is called without-luck" in capsys.readouterr().err
    monkeypatch.setattr("sys.argv", ["ablations", "--list"])
    ablations.main()
    assert capsys.readouterr().out.split() == list(ABLATIONS)
