"""Commands that live elsewhere: loaded when asked for, and clear about what they need."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from whichpage.errors import WhichpageError
from whichpage.lazy import LazyGroup, needs_extra

MODULE = """
import click

@click.command()
def far():
    click.echo("far away")
"""

# Stands for an environment in which nothing of any extra is installed, whatever this one has.
WITHOUT = (
    "import sys\n"
    "for name in ('torch', 'torchvision', 'onnx', 'matplotlib', 'imagehash', 'rapidocr', 'pdf2image'):\n"
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


def test_the_bench_without_its_extra_says_what_to_install(tmp_path: Path) -> None:
    truth = tmp_path / "truth.csv"
    truth.write_text("photo,pdf,page,stratum\n", encoding="ascii")
    done = without_the_extra("bench", "photos", str(truth))
    assert done.returncode == 2
    assert done.stdout == ""
    assert re.fullmatch(
        r"whichpage: matplotlib\S* is not installed: `pip install 'whichpage\[bench\]'`.*\n", done.stderr
    )


@pytest.fixture
def group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LazyGroup:
    (tmp_path / "elsewhere_for_a_test.py").write_text(MODULE, encoding="ascii")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "elsewhere_for_a_test", raising=False)
    found = LazyGroup("group", elsewhere={"far": "elsewhere_for_a_test:far"})
    found.add_command(click.Command("near", callback=lambda: click.echo("near by")))
    return found


def test_only_what_runs_is_loaded(group: LazyGroup, capsys: pytest.CaptureFixture[str]) -> None:
    assert group.list_commands(click.Context(group)) == ["far", "near"]
    group.main(["near"], standalone_mode=False)
    assert "elsewhere_for_a_test" not in sys.modules
    group.main(["far"], standalone_mode=False)
    assert "elsewhere_for_a_test" in sys.modules
    assert capsys.readouterr().out == "near by\nfar away\n"


def test_a_name_that_no_one_has(group: LazyGroup) -> None:
    with pytest.raises(click.UsageError, match="No such command 'gone'"):
        group.main(["gone"], standalone_mode=False)
