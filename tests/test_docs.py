"""The documentation names what there is: commands, options, make targets, files, the version."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

import whichpage
from whichpage.cli import program

ROOT = Path(__file__).parent.parent
CLI = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
PAGES = sorted(p for p in (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "demo").glob("*.md")))
SHARED = {"--library", "--model", "--verbose"}


def commands(group: click.Group = program, before: str = "") -> dict[str, click.Command]:
    """All commands by name, those of groups too ("bench photos"), wherever they are loaded from."""
    context = click.Context(group)
    found = {}
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        found[before + name] = command
        if isinstance(command, click.Group):
            found |= commands(command, f"{before}{name} ")
    return found


COMMANDS = commands()


def section(name: str) -> str:
    """The part of docs/cli.md about a command, without those about the commands of a group."""
    found = re.search(rf"^##+ whichpage {name}( [A-Z[][^\n]*)?$.*?(?=^##|\Z)", CLI, re.MULTILINE | re.DOTALL)
    assert found, f"docs/cli.md has no section on `whichpage {name}`"
    return found.group()


def long_options(command: click.Command) -> set[str]:
    return {o for p in command.params if isinstance(p, click.Option) for o in p.opts if o.startswith("--")}


def code_lines(page: Path) -> list[str]:
    """The indented lines of a page, without what follows a `#`."""
    lines = page.read_text(encoding="utf-8").splitlines()
    return [line.partition("#")[0].strip() for line in lines if line.startswith("    ")]


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_and_option_is_documented(name: str) -> None:
    own = long_options(COMMANDS[name]) - SHARED
    documented = set(re.findall(r"^\| `(?:-\w`, `)?(--[a-z-]+)", section(name), re.MULTILINE))
    assert documented == own


def test_shared_options_are_documented() -> None:
    head = CLI.split("\n## ")[0]
    assert set(re.findall(r"--[a-z]+", head)) == long_options(program) | {"--help"}
    for name, command in COMMANDS.items():
        assert long_options(command) >= SHARED or name == "completion"


def test_no_command_is_documented_that_is_not_there() -> None:
    headings = re.findall(r"^##+ whichpage ([a-z ]*[a-z])", CLI, re.MULTILINE)
    assert sorted(headings) == sorted(COMMANDS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_in_code_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for line in code_lines(page):
        if line.startswith("make "):
            assert line.split()[1] in targets
        elif line.startswith("whichpage ") and "[" not in line:
            words = shlex.split(line.split(">")[0])[1:]
            with program.make_context("whichpage", words) as context:
                command = program.get_command(context, words[0])
                assert command is not None, line
                command.make_context(words[0], words[1:], parent=context)


def test_readmes_show_the_same_code() -> None:
    assert code_lines(ROOT / "README.md") == code_lines(ROOT / "README.ja.md")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_linked_files_exist(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        if not target.startswith("https://"):
            assert (page.parent / target).is_file(), target


def test_changelog_is_of_this_version() -> None:
    versions = re.findall(
        r"^## (\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert versions[0] == whichpage.__version__


def test_version_is_written_once() -> None:
    assert f'"{whichpage.__version__}"' not in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def test_ci_runs_what_the_readme_says() -> None:
    assert "make test" in code_lines(ROOT / "README.md")
    *_, test, _, others = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert test == "make test"
    assert others == "make --jobs=2 --output-sync=target test-web test-training test-bench"


@pytest.mark.parametrize("file", sorted((ROOT / "requirements").glob("*.txt")), ids=lambda file: file.name)
def test_requirements_are_pinned_by_hash_and_name_no_host(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert "://" not in text
    assert "--index" not in text
    assert "--find-links" not in text
    pins = re.findall(r"^([a-z0-9-]+)==\S+ (?:;[^\\]*)?\\\n    --hash=sha256:", text, re.MULTILINE)
    assert len(pins) == len(re.findall(r"^[a-z]", text, re.MULTILINE)) > 0


def test_every_dependency_is_documented() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    listed = project.split("\ndependencies = [")[1].split("]")[0]
    names = set(re.findall(r'"([a-z0-9-]+)>=', listed))
    rows = re.findall(
        r"^\| ([a-z0-9][a-z0-9-]*) \|", (ROOT / "docs" / "dependencies.md").read_text(), re.MULTILINE
    )
    assert set(rows) - {"package"} == names
    assert len(names) == 13


def test_demo_files_are_listed_with_their_source() -> None:
    sources = (ROOT / "demo" / "SOURCES.md").read_text(encoding="utf-8")
    books = {path.name for path in (ROOT / "demo" / "library").iterdir()}
    assert set(re.findall(r"`library/([^`]+)`", sources)) == books
    truth = (ROOT / "demo" / "photos" / "truth.csv").read_text(encoding="utf-8").splitlines()[1:]
    photos = {path.name for path in (ROOT / "demo" / "photos").glob("*.jpg")}
    assert {line.split(",")[0] for line in truth} == photos
    assert {line.split(",")[1] for line in truth} == books | {""}
