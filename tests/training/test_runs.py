"""What all trainings share: steps that are logged, kept, and gone on from."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import nn

from whichpage.errors import TrainingError
from whichpage.training import runs


@dataclass(frozen=True)
class Recipe:
    steps: int = 60
    learning_rate: float = 0.1
    weight_decay: float = 0.0
    seed: int = 1


def begin(out: Path, recipe: Recipe, validated: list[int]) -> tuple[nn.Module, runs.Run]:
    torch.manual_seed(1)
    model = nn.Linear(2, 1)

    def validate() -> dict[str, float]:
        validated.append(1)
        return {"top1": 0.5}

    run = runs.Run.begin(
        model,
        recipe,
        out,
        columns=("step", "loss", "size", "seconds", "top1"),
        validate=validate,
        validate_every=50,
        checkpoint_every=20,
    )
    return model, run


def learn(model: nn.Module, run: runs.Run, *, until: int) -> None:
    for step in run.steps():
        x = torch.tensor([[float(step % 3), 1.0]])
        run.learn((model(x) - 2 * x[:, :1]).square().mean(), size=float(step))
        if step == until:
            break


def rows(out: Path) -> list[dict[str, str]]:
    with (out / "log.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_figures_are_means_of_25_steps_and_the_end_is_validated(tmp_path: Path) -> None:
    validated: list[int] = []
    model, run = begin(tmp_path, Recipe(), validated)
    learn(model, run, until=60)
    logged = rows(tmp_path)
    assert [row["step"] for row in logged] == ["25", "50", "60"]
    assert [float(row["size"]) for row in logged] == [13, 38, 55.5]
    assert [row["top1"] for row in logged] == ["", "0.5", "0.5"]
    assert len(validated) == 2
    assert float(logged[-1]["loss"]) < float(logged[0]["loss"])
    assert json.loads((tmp_path / "recipe.json").read_text())["steps"] == 60


def test_a_killed_run_goes_on_from_its_checkpoint_and_ends_as_an_unbroken_one(tmp_path: Path) -> None:
    model, run = begin(tmp_path / "whole", Recipe(), [])
    learn(model, run, until=60)
    killed, run = begin(tmp_path / "killed", Recipe(), [])
    learn(killed, run, until=47)  # the last seven steps are lost
    again, run = begin(tmp_path / "killed", Recipe(), [])
    assert run.done == 40
    learn(again, run, until=60)
    for mine, theirs in zip(again.parameters(), model.parameters(), strict=True):
        assert torch.allclose(mine, theirs, atol=1e-6)


def test_a_run_that_is_done_has_no_steps_left(tmp_path: Path) -> None:
    model, run = begin(tmp_path, Recipe(), [])
    learn(model, run, until=60)
    _, again = begin(tmp_path, Recipe(), [])
    assert (again.done, list(again.steps())) == (60, [])


def test_a_run_of_another_recipe_is_not_gone_on_with(tmp_path: Path) -> None:
    model, run = begin(tmp_path, Recipe(), [])
    learn(model, run, until=30)
    before = (tmp_path / "recipe.json").read_bytes()
    with pytest.raises(TrainingError, match="another recipe"):
        begin(tmp_path, Recipe(learning_rate=0.2), [])
    assert (tmp_path / "recipe.json").read_bytes() == before
    _, longer = begin(tmp_path, Recipe(steps=90), [])
    assert longer.done == 20


def test_command_line_makes_the_recipe_and_an_error_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[tuple[object, ...]] = []

    def train(pages: Sequence[Path], recipe: Recipe, out: Path, start: Path | None) -> None:
        asked.append((*pages, recipe, out, start))
        if start:
            raise TrainingError("no such weights.")

    words = ["x", "--pages", "a", "--pages", "b", "--out", str(tmp_path), "--steps", "7", "--seed", "5"]
    monkeypatch.setattr("sys.argv", words)
    runs.command("Trains.", Recipe, train)
    assert asked == [(Path("a"), Path("b"), Recipe(steps=7, seed=5), tmp_path, None)]
    monkeypatch.setattr(
        "sys.argv", [*words, "--start", "w.pt", "--learning-rate", "0.5", "--weight-decay", "0.25"]
    )
    with pytest.raises(SystemExit) as ended:
        runs.command("Trains.", Recipe, train)
    assert ended.value.code == 2
    assert capsys.readouterr().err == "x: no such weights.\n"
    assert asked[1] == (Path("a"), Path("b"), Recipe(7, 0.5, 0.25, 5), tmp_path, Path("w.pt"))


@pytest.mark.parametrize("has", [True, False])
def test_half_precision_is_used_where_it_is_fast(has: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "_has_bfloat16", lambda device: has)
    for wanted in (True, False):
        with runs.half_precision(torch.device("cpu"), wanted=wanted):
            product = torch.ones(2, 2) @ torch.ones(2, 2)
        assert product.dtype == (torch.bfloat16 if has and wanted else torch.float32)
