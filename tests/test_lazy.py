"""Commands that live elsewhere: loaded when asked for, and clear about what they need."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from whichpage.errors import WhichpageError
from whichpage.lazy import needs_extra

# Stands for an environment in which nothing of the extra is installed, whatever this one has.
WITHOUT = (
    "import sys\n"
    "for name in ('torch', 'torchvision', 'onnx', 'matplotlib'):\n"
    "    sys.modules[name] = None\n"
    "from whichpage.cli import run\n"
    "sys.exit(run(sys.argv[1:]))\n"
)


def without_the_extra(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", WITHOUT, *arguments], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(("recipe", "extra"), [("whichpage", "train"), ("article", "article")])
def test_training_without_its_extra_says_what_to_install(tmp_path: Path, recipe: str, extra: str) -> None:
    done = without_the_extra("train", str(tmp_path), "--out", str(tmp_path / "run"), "--recipe", recipe)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (
        f"whichpage: torch is not installed: `pip install 'whichpage[{extra}]'` brings what this needs\n"
    )
    assert not (tmp_path / "run").exists()


def test_simulate_without_its_extra_says_so_too(tmp_path: Path) -> None:
    done = without_the_extra("simulate", str(tmp_path), str(tmp_path / "sheet.png"))
    assert done.returncode == 2
    assert "pip install 'whichpage[train]'" in done.stderr


def test_help_needs_no_extra() -> None:
    done = without_the_extra("train", "--help")
    assert done.returncode == 0
    assert "--recipe" in done.stdout
    assert {"add", "find", "train", "simulate"} <= set(without_the_extra("--help").stdout.split())


def test_own_module_that_is_missing_is_no_extra() -> None:
    """A mistake of ours must not be told as something to install."""
    with pytest.raises(ModuleNotFoundError), needs_extra("train"):
        import whichpage.nothing  # type: ignore[import-not-found]  # noqa: F401
    with (
        pytest.raises(WhichpageError, match=r"^no_such is not installed: .*whichpage\[train\]"),
        needs_extra("train"),
    ):
        import no_such.module  # type: ignore[import-not-found]  # noqa: F401
