"""The article's training, small: it learns, goes on after a kill, and a library is built with its result."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
import torch
from books import make_pdf
from PIL import Image
from torch.nn.functional import normalize

from whichpage import sources
from whichpage.bits import sign_bits
from whichpage.cli import run as whichpage
from whichpage.encoder import Encoder
from whichpage.errors import TrainingError
from whichpage.training.article import network, training
from whichpage.training.article.network import GreyPages, HashNet
from whichpage.training.article.training import Article, ArticleRecipe, run, top1

SMALL = ArticleRecipe(learn=2, hold=1, epochs=2, every=1, batch=3)


@pytest.fixture(autouse=True)
def small_and_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of 96 x 64 pixels instead of 672 x 480, none of them augmented at full size, no download."""
    monkeypatch.setattr(network, "begin", lambda weights, backbone: HashNet(backbone))
    monkeypatch.setattr(training, "EXPORTED_SIZE", (96, 64))
    monkeypatch.setattr("whichpage.training.article.pages.DPI", 20)
    monkeypatch.setattr("whichpage.training.article.augmentation.CROP", 64)
    monkeypatch.setattr("whichpage.training.article.augmentation.GALLERY", 64)
    monkeypatch.setattr("whichpage.training.article.training.usable_cores", lambda: 1)


@pytest.fixture
def books(tmp_path: Path) -> Path:
    for seed, name in enumerate("abc"):
        make_pdf(tmp_path / "books" / f"{name}.pdf", 3, seed=seed)
    return tmp_path / "books"


def test_each_epoch_is_kept_before_the_next_validation(
    books: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed in its second epoch, which alone is validated, a run goes on from its first."""
    out = tmp_path / "run"
    recipe = replace(SMALL, every=2)
    step, calls = Article.training_step, []

    def killed(self: Article, batch: tuple[torch.Tensor, torch.Tensor], number: int) -> torch.Tensor:
        calls.append(number)
        if len(calls) == 3:  # two batches an epoch
            raise KeyboardInterrupt
        return step(self, batch, number)

    monkeypatch.setattr(Article, "training_step", killed)
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        run([books], out, recipe, weights=None)
    assert torch.load(out / "last.ckpt", weights_only=False)["global_step"] == 2
    run([books], out, recipe, weights=None)
    assert len(calls) == 5
    assert (out / "log.csv").read_text().count("\n") == 3


def test_top1_is_counted_by_cosine() -> None:
    undistorted = normalize(torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]))
    queries = normalize(torch.tensor([[5.0, 1.0], [1.0, 0.2], [0.9, 1.0]]))
    assert top1(queries, undistorted) == pytest.approx(2 / 3)


def test_two_learning_rates(tmp_path: Path) -> None:
    module = Article(HashNet(), ArticleRecipe(), classes=4, log=tmp_path / "log.csv")
    optimiser = module.configure_optimizers()
    assert isinstance(optimiser, torch.optim.Adam)
    rates = [(group["lr"], group["weight_decay"]) for group in optimiser.param_groups]
    assert rates == [(1e-5, 1e-4), (1e-3, 1e-4)]
    assert [parameter.shape for parameter in optimiser.param_groups[1]["params"]] == [(4, 256)]


def test_steps_make_the_loss_smaller(tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = Article(HashNet(), ArticleRecipe(), classes=4, log=tmp_path / "log.csv")
    optimiser = module.configure_optimizers()
    batch = (torch.randn(4, 3, 64, 64), torch.arange(4))
    losses = []
    for _ in range(8):
        loss = module.training_step(batch, 0)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss))
    assert losses[-1] < losses[0] - 2


def test_run_is_gone_on_with_and_its_model_finds(
    books: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    run([books], out, replace(SMALL, epochs=1), weights=None)
    first = torch.load(out / "last.ckpt", weights_only=False)
    trained = run([books], out, SMALL, weights=None)
    last = torch.load(out / "last.ckpt", weights_only=False)
    assert (first["global_step"], last["global_step"]) == (2, 4)
    rows = [row.split(",") for row in (out / "log.csv").read_text().splitlines()]
    assert rows[0] == ["epoch", "loss", "top1"]
    assert [row[0] for row in rows[1:]] == ["1", "2"]
    assert all(row[2] for row in rows[1:])
    assert trained.pages == 3
    assert trained.top1 in [pytest.approx(n / 3) for n in range(4)]
    assert Image.open(out / "curves.png").width > 600

    encoder = Encoder.load(trained.model)
    assert (encoder.size, encoder.views) == ((96, 64), ("page",))
    weights = {name.removeprefix("network."): value for name, value in last["state_dict"].items()}
    module = GreyPages(HashNet()).eval()
    module.network.load_state_dict({k: v for k, v in weights.items() if not k.startswith("arcface.")})
    page = np.random.RandomState(0).randint(0, 256, (96, 64)).astype(np.uint8)
    with torch.no_grad():
        expected = module(torch.from_numpy(page)[None, None].float()).numpy()
    codes = encoder.encode([page])
    np.testing.assert_allclose(codes.vectors, expected, atol=1e-2)
    certain = np.abs(expected) > 1e-2
    signs = np.unpackbits(codes.bits ^ sign_bits(expected), axis=-1).astype(bool)
    assert not (signs & certain).any()
    assert certain.sum() > 100

    library = str(tmp_path / "library")
    assert whichpage(["--model", str(trained.model), "-l", library, "add", str(books)]) == 0
    Image.fromarray(sources.render_colour(books / "b.pdf", 2, long_side=1200)).save(tmp_path / "scan.png")
    capsys.readouterr()
    assert whichpage(["--model", str(trained.model), "-l", library, "find", str(tmp_path / "scan.png")]) == 0
    assert capsys.readouterr().out.split("\t")[1:3] == [str(books / "b.pdf"), "2"]

    with pytest.raises(TrainingError, match="holds a training of another recipe"):
        run([books], out, replace(SMALL, margin=0.2), weights=None)


def test_another_backbone_is_trained_and_takes_images_of_any_size(books: Path, tmp_path: Path) -> None:
    recipe = replace(SMALL, epochs=1, backbone="efficientnet-lite0")
    trained = run([books], tmp_path / "run", recipe, weights=None)
    kept = torch.load(tmp_path / "run" / "last.ckpt", weights_only=False)["state_dict"]
    weights = {name.removeprefix("network."): value for name, value in kept.items() if "arcface" not in name}
    module = GreyPages(HashNet("efficientnet-lite0")).eval()
    module.network.load_state_dict(weights)
    session = ort.InferenceSession(str(trained.model))
    assert session.get_modelmeta().custom_metadata_map["backbone"] == "EfficientNet-Lite0"
    random = np.random.RandomState(0)
    for size in ((96, 64), (133, 71), (50, 97)):
        pages = random.randint(0, 256, (2, 1, *size)).astype(np.float32)
        with torch.no_grad():
            expected = module(torch.from_numpy(pages)).numpy()
        np.testing.assert_allclose(session.run(None, {"grey": pages})[0], expected, atol=1e-3)
    with pytest.raises(TrainingError, match="holds a training of another recipe"):
        run([books], tmp_path / "run", replace(recipe, backbone="resnet18"), weights=None)


def test_command_says_what_came_out(
    books: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[ArticleRecipe] = []

    def told(
        books: tuple[Path, ...], out: Path, recipe: ArticleRecipe, *, weights: Path | None
    ) -> training.Trained:
        asked.append(recipe)
        return training.Trained(out / "encoder.onnx", 0.75, 132)

    monkeypatch.setattr(training, "run", told)
    command = ["train", str(books), "--out", str(tmp_path / "run"), "--recipe", "article"]
    assert whichpage([*command, "--epochs", "7", "--learn", "2", "--hold", "1", "--batch", "9"]) == 0
    assert whichpage([*command, "--backbone", "efficientnet-lite0"]) == 0
    assert asked == [
        ArticleRecipe(epochs=7, learn=2, hold=1, batch=9),
        ArticleRecipe(backbone="efficientnet-lite0"),
    ]
    said = capsys.readouterr().out
    assert f"{tmp_path / 'run' / 'encoder.onnx'}: 75.0% of 132 pages of held-out books come first" in said
    assert whichpage([*command[:2], "--model", "x.onnx", *command[2:]]) == 2
    assert "begins with ImageNet weights, not with --model" in capsys.readouterr().err
