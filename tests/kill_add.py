# ruff: noqa: T201 (a program that a person runs may print)
"""Kills adders twenty times at random moments; the library must end as an undisturbed one. Run by hand:

    python tests/kill_add.py PATH... [--kills 20] [--adders 1] [--model encoder.onnx] [--seed 1]

Adds the paths once undisturbed, for the comparison and for the time it takes. Then starts adders on
another library, kills them (SIGKILL on POSIX) after a random part of that time, again and again, and
lets a last one end. Compares books, files, pages, codes, thumbnails, text and local features; exits with
1 if any differs.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from books import contents

from whichpage.library import Library

_ADD = (
    "import sys; from pathlib import Path; from whichpage.library import Library\n"
    "library, model, *paths = sys.argv[1:]\n"
    "Library.open(library, model=Path(model) if model else None, create=True).add(*paths)\n"
)


def main() -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--adders", type=int, default=1, help="at the same time, killed together")
    parser.add_argument("--model", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        undisturbed, killed = Path(folder, "undisturbed"), Path(folder, "killed")
        began = time.monotonic()
        _start(undisturbed, arguments).wait()
        whole = time.monotonic() - began
        print(f"undisturbed: {whole:.1f} s", flush=True)
        hits = _kill(killed, arguments, whole=whole)
        last = _start(killed, arguments).wait()
        return _compare(undisturbed, killed, last, hits, arguments)


def _start(library: Path, arguments: argparse.Namespace) -> subprocess.Popen[bytes]:
    paths = [str(path) for path in arguments.paths]
    return subprocess.Popen([sys.executable, "-c", _ADD, str(library), str(arguments.model or ""), *paths])


def _kill(library: Path, arguments: argparse.Namespace, *, whole: float) -> int:
    """How many adders were killed before they had ended."""
    chance = random.Random(arguments.seed)
    hits = 0
    for turn in range(1, arguments.kills + 1):
        adders = [_start(library, arguments) for _ in range(arguments.adders)]
        # So that the kills fall over the whole of the work; each start takes its second, too.
        time.sleep(chance.uniform(0.3, 1.5 * arguments.adders + 2 * whole / arguments.kills))
        hits += sum(adder.poll() is None for adder in adders)
        for adder in adders:
            adder.kill()
            adder.wait()
        with Library.open(library, create=True) as opened:
            info = opened.info()
            done = sum(book.done for book in opened.books())
        print(f"kill {turn}: {info.books} books complete, {done} pages written", flush=True)
    return hits


def _compare(undisturbed: Path, killed: Path, last: int, hits: int, arguments: argparse.Namespace) -> int:
    first, second = contents(undisturbed), contents(killed)
    with Library.open(killed) as opened:
        problems = opened.check().problems
        info = opened.info()
    for problem in problems:
        print(problem)
    same = first == second and not problems and last == 0
    print(
        f"{hits} of {arguments.kills * arguments.adders} adders killed at work; {info.books} books,"
        f" {info.pages} pages, {info.copies} copies; catalogue"
        f" {'identical to' if same else 'DIFFERENT from'} the undisturbed one"
    )
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
