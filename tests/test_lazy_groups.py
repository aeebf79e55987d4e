"""Groups load their commands when they are asked for; the bench says what it needs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from whichpage.lazy import LazyGroup

MODULE = """
import click

@click.command()
def far():
    click.echo("far away")
"""

# Stands for an environment in which nothing of the extra is installed, whatever this one has.
WITHOUT = (
    "import sys\n"
    "for name in ('matplotlib', 'onnx', 'imagehash', 'rapidocr', 'pdf2image'):\n"
    "    sys.modules[name] = None\n"
    "from whichpage.cli import run\n"
    "sys.exit(run(sys.argv[1:]))\n"
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


def test_the_bench_without_its_extra_says_what_to_install(tmp_path: Path) -> None:
    truth = tmp_path / "truth.csv"
    truth.write_text("photo,pdf,page,stratum\n", encoding="ascii")
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, "bench", "photos", str(truth)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert re.fullmatch(
        r"whichpage: matplotlib\S* is not installed: `pip install 'whichpage\[bench\]'`.*\n",
        done.stderr,
    )
