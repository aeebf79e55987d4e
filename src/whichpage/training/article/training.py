"""Trains the article's network as the article does, with PyTorch Lightning, and exports it.

Everything is in one folder: `pages/` with the JPEG files, `last.ckpt` (a killed run goes on from it),
`log.csv` and `curves.png`, and `encoder.onnx`.
"""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pytorch_lightning as lightning
import torch
import torch.nn.functional as F
from pytorch_lightning.callbacks import ModelCheckpoint
from torch import Tensor
from torch.utils.data import DataLoader

from whichpage.cores import usable_cores
from whichpage.training import curves, runs
from whichpage.training.article import network, pages
from whichpage.training.article.augmentation import GALLERY, Pages, augmented, gallery
from whichpage.training.article.loss import ArcFace
from whichpage.training.article.network import GreyPages, HashNet
from whichpage.training.export import export
from whichpage.types import CODE_BITS

logger = logging.getLogger(__name__)

# What a library's pages are brought to: the gallery's size, for pages of the usual shape, and a multiple of
# the network's stride. Otherwise the file takes images of any size, as the network does.
EXPORTED_SIZE = (672, GALLERY)
_LOGGED = ("epoch", "loss", "top1")
_PANELS = {"loss": ("loss",), "top-1 of held-out pages": ("top1",)}


@dataclass(frozen=True)
class ArticleRecipe:
    """What decides a run; saved beside its result. What the article leaves open is marked so."""

    backbone: str = "resnet18"  # one of `network.BACKBONES`
    learn: int = 15  # books, the first by name
    hold: int = 5  # books, the next
    epochs: int = 100  # open: "about 24 h on one GTX 1080 Ti"
    every: int = 5  # epochs between validations
    batch: int = 64  # open
    margin: float = 0.5  # open; this and the scale are the ArcFace paper's
    scale: float = 64.0  # open
    network_rate: float = 1e-5
    class_rate: float = 1e-3
    weight_decay: float = 1e-4
    seed: int = 1


@dataclass(frozen=True)
class Trained:
    """What came out.

    model: the ONNX file. top1: the share of the `pages` held-out pages that come first for an augmented
    view of themselves, by cosine.
    """

    model: Path
    top1: float
    pages: int


class Article(lightning.LightningModule):
    """The network with its loss, its optimiser and its validation."""

    def __init__(self, hash_net: HashNet, recipe: ArticleRecipe, *, classes: int, log: Path) -> None:
        super().__init__()
        # Channels last, as the images are: on a CPU depthwise convolutions take a quarter of the time.
        self.network = hash_net.to(memory_format=torch.channels_last)
        self.recipe, self._log_file = recipe, log
        self.arcface = ArcFace(CODE_BITS, classes, margin=recipe.margin, scale=recipe.scale)
        self._losses: list[float] = []
        self._sets: tuple[list[Tensor], list[Tensor]] = ([], [])
        self.top1: float | None = None

    def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
        images, classes = batch
        images = images.to(memory_format=torch.channels_last)
        loss = self.arcface(self.network(images), classes)
        self._losses.append(loss.item())
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], _: int, dataloader_idx: int) -> None:
        """Of loader 0 the gallery, of loader 1 the queries, both in page order."""
        self._sets[dataloader_idx].append(F.normalize(self.network(batch[0])).cpu())

    def on_validation_epoch_end(self) -> None:
        undistorted, queries = (torch.cat(vectors) for vectors in self._sets)
        self.top1 = top1(queries, undistorted)
        for vectors in self._sets:
            vectors.clear()

    def on_train_epoch_end(self) -> None:
        row = {"epoch": self.current_epoch + 1, "loss": sum(self._losses) / len(self._losses)}
        self._losses.clear()
        if self.top1 is not None:  # validation, if there is one, comes before
            row["top1"], self.top1 = self.top1, None
        runs.log(self._log_file, _LOGGED, row)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        groups = [
            {"params": self.network.parameters(), "lr": self.recipe.network_rate},
            {"params": self.arcface.parameters(), "lr": self.recipe.class_rate},
        ]
        return torch.optim.Adam(groups, weight_decay=self.recipe.weight_decay)


def top1(queries: Tensor, undistorted: Tensor) -> float:
    """The share of queries (N, D), unit length, whose nearest by cosine is the page (N, D) of their row."""
    nearest = (queries @ undistorted.T).argmax(1)
    return (nearest == torch.arange(len(queries))).float().mean().item()


def run(books: Sequence[Path], out: Path, recipe: ArticleRecipe, *, weights: Path | None) -> Trained:
    """Converts the books, trains or goes on training, validates, exports.

    weights: a state dict of the backbone with its classifier; None for what its package or a download has.

    Raises:
        TrainingError: too few books, no poppler, or the folder holds another run.
    """
    runs.require_same(recipe, out, but=("epochs",))
    train, val = pages.split(pages.convert(books, out / "pages"), learn=recipe.learn, hold=recipe.hold)
    pages.record(out, train, val)
    (out / runs.RECIPE).write_text(json.dumps(asdict(recipe), indent=1) + "\n", encoding="utf-8")
    learned = [file for book in train for file in book.pages]
    held_out = [file for book in val for file in book.pages]
    logger.info("%d pages to learn from, %d held out", len(learned), len(held_out))

    lightning.seed_everything(recipe.seed, verbose=False)
    last = out / "last.ckpt"
    # What a checkpoint will replace need not be fetched.
    backbone = recipe.backbone
    hash_net = HashNet(backbone) if last.exists() else network.begin(weights, backbone)
    module = Article(hash_net, recipe, classes=len(learned), log=out / "log.csv")
    trainer = _trainer(out, recipe)
    loaders = _validation_loaders(held_out, seed=recipe.seed)
    with warnings.catch_warnings():
        # Lightning advises on numbers of workers and logging that suit other machines than this one.
        warnings.filterwarnings("ignore", module="pytorch_lightning")
        trainer.fit(
            module, _training_loader(learned, recipe), loaders, ckpt_path=last if last.exists() else None
        )
        trainer.validate(module, loaders, verbose=False)
    assert module.top1 is not None
    found = module.top1
    curves.draw(out / "log.csv", out / "curves.png", _PANELS, along="epochs")
    example = torch.rand(2, 1, *EXPORTED_SIZE) * 255
    # Tanh of what this loss makes large: rounded to half precision, numbers near 0 were off by over 0.01.
    names = ("grey", ["vectors"])
    notes = {"backbone": network.BACKBONES[backbone].model}
    file = out / "encoder.onnx"
    export(GreyPages(module.network), example, names, file, half=False, any_size=True, notes=notes)
    return Trained(file, found, len(held_out))


def _trainer(out: Path, recipe: ArticleRecipe) -> lightning.Trainer:
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    return lightning.Trainer(
        max_epochs=recipe.epochs,
        check_val_every_n_epoch=min(recipe.every, recipe.epochs),
        num_sanity_val_steps=0,
        accelerator=runs.device().type,
        devices=1,
        logger=False,
        callbacks=[_each_epoch(out)],
        enable_model_summary=False,
        enable_progress_bar=False,
        use_distributed_sampler=False,
    )


def _each_epoch(out: Path) -> ModelCheckpoint:
    """Keeps the run in `last.ckpt` after each epoch, and not as late as its validation."""
    return ModelCheckpoint(
        out, filename="last", save_top_k=1, save_on_train_epoch_end=True, enable_version_counter=False
    )


def _training_loader(files: Sequence[Path], recipe: ArticleRecipe) -> DataLoader[tuple[Tensor, int]]:
    workers = usable_cores()
    # A last batch of one page would leave batch normalisation nothing to normalise by.
    odd = len(files) % recipe.batch == 1
    return DataLoader(
        Pages(files, augmented()),
        batch_size=recipe.batch,
        shuffle=True,
        drop_last=odd and len(files) > recipe.batch,
        num_workers=workers,
        persistent_workers=True,
    )


def _validation_loaders(files: Sequence[Path], *, seed: int) -> list[DataLoader[tuple[Tensor, int]]]:
    """The gallery, one page at a time since they differ in shape, and the queries."""
    return [
        DataLoader(Pages(files, gallery()), batch_size=1),
        DataLoader(Pages(files, augmented(), seed=seed * 1_000_003), batch_size=32),
    ]
