"""Training on one's own books, from the command to a library that the model finds in."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from books import make_pdf
from PIL import Image

from whichpage import sources
from whichpage.cli import run
from whichpage.encoder import Encoder
from whichpage.training import own_books, runs, verdict
from whichpage.training.encoder_training import EncoderRecipe
from whichpage.training.verdict import Verdict

TINY = EncoderRecipe(steps=2, batch=6, same_book=3, learning_rate=1e-5, bfloat16=False)


@pytest.fixture
def books(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three small PDFs, and a recipe as small."""
    monkeypatch.setattr(own_books, "FINE_TUNING", TINY)
    monkeypatch.setattr(verdict, "PHOTOS", 8)
    for seed in range(3):
        make_pdf(tmp_path / "books" / f"{seed}.pdf", 6, seed=seed)
    return tmp_path / "books"


def test_from_books_to_a_library_of_their_own_model(
    books: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out, library = tmp_path / "run", str(tmp_path / "library")
    killed = runs.keep

    def once(*state: object) -> None:
        killed(*state)  # type: ignore[arg-type,unused-ignore]
        raise KeyboardInterrupt

    command = ["train", str(books), "--out", str(out), "--pages", "5"]
    with monkeypatch.context() as patched:
        patched.setattr(runs, "keep", once)
        assert run([*command, "--steps", "1"]) == 130
    capsys.readouterr()
    assert run(command) == 0  # goes on from step 1

    said = capsys.readouterr().out
    model = out / "encoder.onnx"
    kept = json.loads((out / "verdict.json").read_text())
    assert "to learn from: 10 pages of 2 books\nheld out: 5 pages of 1 books\n" in said
    assert f"{model} is no clear improvement on the shipped model: " in said
    assert kept["verdict"] == "alike"
    assert "not advised for use: keep to the shipped model" in said
    assert Image.open(out / "curves.png").width > 600
    assert [row.split(",")[0] for row in (out / "log.csv").read_text().splitlines()] == ["step", "1", "2"]

    # Two gentle steps from the shipped weights: another file, nearly the same codes.
    page = sources.open_source(books / "1.pdf").render(3).grey
    before, after = (Encoder.load(path).encode([page]) for path in (None, model))
    differing = np.unpackbits(before.bits ^ after.bits, axis=-1).sum(-1)
    assert np.abs(before.vectors - after.vectors).max() > 0
    assert differing.max() < 40

    assert run(["--model", str(model), "-l", library, "add", str(books)]) == 0
    Image.fromarray(sources.render_colour(books / "1.pdf", 3, long_side=1200)).save(tmp_path / "scan.png")
    capsys.readouterr()
    assert run(["--model", str(model), "-l", library, "find", str(tmp_path / "scan.png")]) == 0
    assert capsys.readouterr().out.split("\t")[1:3] == [str(books / "1.pdf"), "3"]
    assert run(["-l", library, "find", str(tmp_path / "scan.png")]) == 2  # the shipped model is another


@pytest.mark.parametrize(
    ("chance", "advice"), [(0.001, "to use it: whichpage --model"), (0.3, "not advised")]
)
def test_advice_follows_the_verdict(
    chance: float,
    advice: str,
    books: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = Verdict(100, 1, 5, (0.9, 1.0), (0.95, 1.0), chance)
    monkeypatch.setattr(own_books, "train", lambda run, cache, progress: run.out / "encoder.onnx")
    monkeypatch.setattr(own_books, "judge", lambda run, cache, model: found)
    assert run(["train", str(books), "--out", str(tmp_path / "run")]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith(advice)


def test_folder_of_another_recipe_is_refused(
    books: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "recipe.json").write_text(json.dumps({"steps": 9, "batch": 64}))
    assert run(["train", str(books), "--out", str(tmp_path / "run")]) == 2
    assert "holds a training of another recipe" in capsys.readouterr().err


def test_options_of_the_other_recipe_are_refused(books: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["train", str(books), "--out", "x", "--epochs", "3"]) == 2
    assert "--epochs is of --recipe article" in capsys.readouterr().err
    assert run(["train", str(books), "--out", "x", "--recipe", "article", "--scratch"]) == 2
    assert "--scratch is of --recipe whichpage" in capsys.readouterr().err


def test_simulate_writes_the_sheet(books: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from whichpage.training import contact_sheet

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(contact_sheet, "PARTS", ("jpeg",))
        patched.setattr(contact_sheet, "_PHOTO", (160, 120))
        assert run(["simulate", str(books), str(tmp_path / "sheet.png"), "--count", "1"]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'sheet.png'}\n"
    assert Image.open(tmp_path / "sheet.png").height > 3 * 320
