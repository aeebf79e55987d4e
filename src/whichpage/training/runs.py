"""What every training run does alike: its steps, a checkpoint to resume from, a log in a CSV."""

from __future__ import annotations

import argparse
import csv
import ctypes
import json
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self, TypeVar

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, OneCycleLR

from whichpage.errors import TrainingError, WhichpageError

logger = logging.getLogger(__name__)

# In a run's folder.
CHECKPOINT = "checkpoint.pt"
RECIPE = "recipe.json"
_LOG_EVERY = 25


def device() -> torch.device:
    """Where training computes: on a GPU when there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def keep_freed_memory() -> None:
    """Has glibc keep what is freed, tensors of many megabytes too, instead of giving it back at once.

    Else every step asks the kernel for the same pages again, cleared: half of the time on a CPU.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # another C library; it has its own ways
        return
    mmap_threshold, trim_threshold = -3, -1  # M_MMAP_THRESHOLD, M_TRIM_THRESHOLD of malloc.h
    mallopt(mmap_threshold, 1 << 30)
    mallopt(trim_threshold, -1)


class SavedRecipe(Protocol):
    """A frozen dataclass that is saved beside a run's result."""

    __dataclass_fields__: ClassVar[dict[str, Any]]


def require_same(recipe: SavedRecipe, out: Path, *, but: Sequence[str] = ("steps",)) -> None:
    """A run goes on only as it began: its checkpoint and its log are of one recipe.

    Args:
        recipe: of the run that is to be begun or gone on with.
        out: the run's folder.
        but: what may change, since it says no more than how long the run is.

    Raises:
        TrainingError: the folder holds a run of another recipe.
    """
    before = out / RECIPE
    if not before.exists():
        return
    # What the recipe did not have yet when the run began was as it is now where nothing else is said.
    absent = {one.name: one.default for one in fields(recipe) if one.default is not MISSING}
    kept = absent | json.loads(before.read_text(encoding="utf-8"))
    wanted = json.loads(json.dumps(asdict(recipe)))
    if any(kept.get(name) != wanted.get(name) for name in {*kept, *wanted}.difference(but)):
        raise TrainingError(f"{out} holds a training of another recipe; name another folder.")


class Recipe(SavedRecipe, Protocol):
    """What a run needs to know of its recipe."""

    @property
    def steps(self) -> int:
        """Batches to learn from."""
        ...

    @property
    def learning_rate(self) -> float:
        """The highest of the one-cycle schedule."""
        ...

    @property
    def weight_decay(self) -> float:
        """As AdamW has it."""
        ...

    @property
    def seed(self) -> int:
        """Of all that is drawn by chance."""
        ...


@dataclass(eq=False)
class Run:
    """The steps of one training: each learns from a loss, some are logged, some kept as a checkpoint.

    done: the step last done: 0, or that of the checkpoint in the run's folder.
    """

    model: nn.Module
    recipe: Recipe
    out: Path
    optimiser: Optimizer
    schedule: LRScheduler
    done: int
    columns: Sequence[str]
    validate: Callable[[], dict[str, float]]
    validate_every: int
    checkpoint_every: int
    _figures: list[dict[str, Tensor | float]] = field(default_factory=list)
    _started: float = 0.0

    @classmethod
    def begin(
        cls,
        model: nn.Module,
        recipe: Recipe,
        out: Path,
        *,
        columns: Sequence[str],
        validate: Callable[[], dict[str, float]],
        validate_every: int,
        checkpoint_every: int = 50,
    ) -> Self:
        """Begins a run in a folder, or goes on with the one that is there: then the model gets its weights.

        Args:
            model: learns, by AdamW under a one-cycle schedule; on the device that it is to compute on.
            recipe: what decides the run.
            out: the run's folder: `recipe.json`, `log.csv` and `checkpoint.pt` go there.
            columns: of the log, "step", "loss" and "seconds" among them.
            validate: figures of a validation.
            validate_every: steps between two of them, a multiple of 25; there is always one at the end.
            checkpoint_every: steps between checkpoints.

        Raises:
            TrainingError: the folder holds a run of another recipe; of other steps it may be.
        """
        require_same(recipe, out)
        out.mkdir(parents=True, exist_ok=True)
        (out / RECIPE).write_text(json.dumps(asdict(recipe), indent=1), encoding="utf-8")
        optimiser = torch.optim.AdamW(
            model.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
        )
        done, checkpoint = 0, out / CHECKPOINT
        if checkpoint.exists():
            state = torch.load(checkpoint, weights_only=True, map_location="cpu")
            model.load_state_dict(state["model"])
            optimiser.load_state_dict(state["optimiser"])
            done = state["step"]
        # Made from the step, not restored: a resumed run may be given another number of steps.
        schedule = OneCycleLR(
            optimiser, recipe.learning_rate, total_steps=recipe.steps + 1, pct_start=0.08, last_epoch=done - 1
        )
        return cls(
            model, recipe, out, optimiser, schedule, done, columns, validate, validate_every, checkpoint_every
        )

    def steps(self) -> Iterator[int]:
        """The numbers of the steps that are left; `learn` is to be called in each."""
        self.model.train()
        self._started = time.perf_counter()
        yield from range(self.done + 1, self.recipe.steps + 1)

    def learn(self, loss: Tensor, **figures: Tensor | float) -> None:
        """Takes a step down the loss; what the log says of it and of other figures are means of 25 steps."""
        self.optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 5.0)
        self.optimiser.step()
        self.schedule.step()
        self.done += 1
        # Left on the device until they are logged: to ask for a number waits for all that a GPU has to do.
        self._figures.append({"loss": loss.detach(), **figures})
        last = self.done == self.recipe.steps
        if self.done % _LOG_EVERY == 0 or last:
            self._log(validate=last or self.done % self.validate_every == 0)
        if self.done % self.checkpoint_every == 0 or last:
            keep(self.model, self.optimiser, self.done, self.out / CHECKPOINT)

    def _log(self, *, validate: bool) -> None:
        count = len(self._figures)
        row: dict[str, float] = {"step": self.done}
        row |= {name: sum(float(one[name]) for one in self._figures) / count for name in self._figures[0]}
        row["seconds"] = (time.perf_counter() - self._started) / count
        if validate:
            row |= self.validate()
        log(self.out / "log.csv", self.columns, row)
        self._figures, self._started = [], time.perf_counter()


def half_precision(device: torch.device, *, wanted: bool = True) -> torch.autocast:
    """A context in which convolutions compute in bfloat16, if the device does so at speed.

    Processors without AVX-512 emulate it, ten times as slowly as float32.
    """
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=wanted and _has_bfloat16(device))


def _has_bfloat16(device: torch.device) -> bool:
    if device.type != "cpu":
        return True
    return torch.backends.mkldnn.is_available() and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


R = TypeVar("R", bound=Recipe)


def command(
    description: str | None,
    recipe: Callable[..., R],
    train: Callable[[Sequence[Path], R, Path, Path | None], object],
) -> None:
    """Runs or resumes a training as the command line says; if it can't, exits with 2 and a sentence.

    Args:
        description: of the program.
        recipe: a dataclass with a default for each field; its numbers are options.
        train: is given the folders of pages, the recipe, the run's folder, and the file whose weights a new
            run begins with, if there is one.
    """
    usual = recipe()
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pages", type=Path, action="append", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--start", type=Path, help="whose weights a new run begins with")
    parser.add_argument("--threads", type=int, default=2)
    numbers = {name: value for name, value in asdict(usual).items() if type(value) in (int, float)}
    group = parser.add_argument_group("recipe")
    for name, value in numbers.items():
        said = f"else {value}; of all that is drawn by chance" if name == "seed" else f"else {value}"
        group.add_argument("--" + name.replace("_", "-"), type=type(value), default=value, help=said)
    named = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(named.threads)
    keep_freed_memory()
    asked = recipe(**{name: getattr(named, name) for name in numbers})
    try:
        train(named.pages, asked, named.out, named.start)
    except WhichpageError as error:
        parser.exit(2, f"{parser.prog}: {error}\n")


def keep(model: nn.Module, optimiser: Optimizer, step: int, checkpoint: Path) -> None:
    """Writes the checkpoint whole or not at all."""
    state = {"model": model.state_dict(), "optimiser": optimiser.state_dict(), "step": step}
    torch.save(state, checkpoint.with_suffix(".part"))
    checkpoint.with_suffix(".part").replace(checkpoint)


def kept_weights(checkpoint: Path) -> dict[str, Tensor]:
    """The model's weights in a checkpoint, on the CPU, wherever they were learned."""
    weights: dict[str, Tensor] = torch.load(checkpoint, weights_only=True, map_location="cpu")["model"]
    return weights


def log(path: Path, columns: Sequence[str], row: dict[str, float]) -> None:
    """Appends a row to a CSV, with its heading if the file is new, and tells the logger."""
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, columns)
        if new:
            writer.writeheader()
        writer.writerow({key: f"{value:.4g}" for key, value in row.items()})
    logger.info(" ".join(f"{key} {value:.4g}" for key, value in row.items()))
