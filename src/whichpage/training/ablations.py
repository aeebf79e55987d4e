"""What each choice is worth: the encoder trained anew without it, for as many steps, on the same pages.

usage: python -m whichpage.training.ablations --pages CACHE --out runs/ablations [--steps 300] [--seed 1]
           NAME...

Prints a line a NAME (`--list` shows them; none: all of them): how often codes find the page of a simulated
photo among validation pages. The photos are the same for all, and have every part of the simulator. Each
has a folder of its own below OUT and goes on from its checkpoint.
"""

from __future__ import annotations

import argparse
import logging
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before PyTorch is loaded, see `command`

import torch

from whichpage.errors import TrainingError
from whichpage.training import runs
from whichpage.training.curves import read_log
from whichpage.training.encoder_training import AROUND, EncoderRecipe, HeldOut, train
from whichpage.training.pages import PageCache
from whichpage.training.parts import PARTS

# What each changes of the recipe.
ABLATIONS: Mapping[str, Mapping[str, Any]] = {
    "recipe": {},
    "layout-averaged": {"layout": False},
    "random-batch": {"same_book": 0},
    "memory": {"memory": 2048},
    "without-signs": {"signs": 1.0},
    "128-bits": {"bits": 128},
    "512-bits": {"bits": 512},
    **{f"without-{part}": {"without": (part,)} for part in (*PARTS, *AROUND)},
    "without-simulator": {"without": (*PARTS, *AROUND)},
}


def ablate(
    name: str, cache: PageCache, out: Path, *, recipe: EncoderRecipe, held_out: HeldOut
) -> dict[str, float]:
    """Trains one of `ABLATIONS`; returns what the last validation said, of one view and of all fused.

    Raises:
        TrainingError: there is a run of another recipe in its folder.
    """
    folder = out / name
    changed = replace(recipe, **ABLATIONS[name])
    runs.require_same(changed, folder, but=())  # nor is a longer run what was asked for
    train(cache, changed, folder, held_out=held_out, validate_every=recipe.steps)
    columns = read_log(folder / "log.csv")
    return {column: columns[column][-1][1] for column in ("top1", "top20", "fused_top1", "fused_top20")}


def line(name: str, found: Mapping[str, float]) -> str:
    """A row of a Markdown table."""
    return f"| {name} | " + " | ".join(f"{found[column]:.1%}" for column in found) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--pages", type=Path, action="append")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--batch", type=int, default=EncoderRecipe.batch)
    parser.add_argument("--seed", type=int, default=EncoderRecipe.seed)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--list", action="store_true")
    arguments = parser.parse_args()
    if arguments.list:
        print(*ABLATIONS, sep="\n")
        return
    unknown = [name for name in arguments.names if name not in ABLATIONS]
    if unknown or not arguments.pages or not arguments.out:
        parser.error(f"no ablation is called {unknown[0]}" if unknown else "--pages and --out are needed")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(arguments.threads)
    runs.keep_freed_memory()
    cache = PageCache.open(*arguments.pages).on(runs.device())
    recipe = EncoderRecipe(steps=arguments.steps, batch=arguments.batch, seed=arguments.seed)
    held_out = HeldOut(cache, device=runs.device())
    print("| encoder | top-1 | top-20 | all views, top-1 | all views, top-20 |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for name in arguments.names or ABLATIONS:
        try:
            found = ablate(name, cache, arguments.out, recipe=recipe, held_out=held_out)
        except TrainingError as error:
            parser.exit(2, f"{parser.prog}: {error}\n")
        print(line(name, found), flush=True)


if __name__ == "__main__":
    main()
