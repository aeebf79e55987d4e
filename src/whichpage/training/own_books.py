"""The whichpage recipe on a user's own books: from the shipped weights to a model, and whether it is better.

Everything is in one folder: the pages, the checkpoint (a killed run goes on from it), the log and its
curves, `encoder.onnx`, and the verdict.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch

from whichpage.encoder import SHIPPED_ENCODER, Encoder
from whichpage.training import curves, encoder_training, runs, shelf, verdict, weights
from whichpage.training.encoder_training import EncoderRecipe
from whichpage.training.export import export
from whichpage.training.pages import PageCache
from whichpage.training.verdict import Verdict
from whichpage.types import ENCODER_HEIGHT, ENCODER_WIDTH

logger = logging.getLogger(__name__)

# From trained weights: short, and gentle enough not to lose what they know. They ended on signs, so it begins
# with signs.
FINE_TUNING = EncoderRecipe(steps=300, learning_rate=3e-4, signs=-1.0)
FROM_SCRATCH = EncoderRecipe()
PAGES_A_BOOK = 100
PANELS = {
    "loss": ("loss",),
    "top-1": ("batch_top1", "top1", "fused_top1"),
    "top-20 of held-out pages": ("top20", "fused_top20"),
}


@dataclass(frozen=True)
class OwnBooks:
    """What to train on and from.

    books: files and folders, as `add` takes them.
    out: the run's folder.
    rival: the encoder to begin with and to be better than; None for the shipped one.
    scratch: begin with random weights instead.
    steps: None for what the recipe says.
    pages_a_book: neighbouring pages taken of each book at most.
    """

    books: Sequence[Path]
    out: Path
    rival: Path | None = None
    scratch: bool = False
    steps: int | None = None
    pages_a_book: int = PAGES_A_BOOK
    workers: int = 1

    @property
    def recipe(self) -> EncoderRecipe:
        """The recipe with the steps that were asked for."""
        recipe = FROM_SCRATCH if self.scratch else FINE_TUNING
        return recipe if self.steps is None else replace(recipe, steps=self.steps)


def pages(run: OwnBooks) -> PageCache:
    """The books' pages, rendered if they are not there yet.

    Raises:
        TrainingError: too few books, or the folder holds another run.
    """
    runs.require_same(run.recipe, run.out)  # before pages are rendered, which takes a while
    return shelf.open_or_build(
        run.books, run.out / "pages", pages_a_book=run.pages_a_book, workers=run.workers
    )


def train(run: OwnBooks, cache: PageCache, *, progress: Callable[[int], None] | None = None) -> Path:
    """Trains, or goes on training, and exports; returns the path of the model.

    Raises:
        ModelError: the weights to begin with cannot be read.
    """
    rival = run.rival or SHIPPED_ENCODER
    recipe = run.recipe
    model = encoder_training.train(
        cache,
        recipe,
        run.out,
        start=None if run.scratch else weights.read(rival),
        validate_every=max(25, recipe.steps // 6 // 25 * 25),
        progress=progress,
    )
    generator = torch.Generator().manual_seed(recipe.seed)
    example = torch.rand(3, 1, ENCODER_HEIGHT, ENCODER_WIDTH, generator=generator) * 255
    out = run.out / "encoder.onnx"
    export(model, example, ("grey", ["vectors"]), out)
    curves.draw(run.out / "log.csv", run.out / "curves.png", PANELS, along="steps")
    return out


def judge(run: OwnBooks, cache: PageCache, model: Path) -> Verdict:
    """Compares the new model with its rival on the held-out books, and keeps the result."""
    found = verdict.compare(Encoder.load(run.rival), Encoder.load(model), cache)
    (run.out / "verdict.json").write_text(
        json.dumps({"verdict": found.kind, **asdict(found)}, indent=1) + "\n", encoding="utf-8"
    )
    return found
