"""Servers for the tests of the API: a plugin of pytest that their modules name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from books import TINY_MODEL
from running import DEMO, running

from whichpage.library import Library


@pytest.fixture(scope="session")
def demo_library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    """Two of the demo's books, indexed with the shipped model; only to be looked at."""
    with Library.open(tmp_path_factory.mktemp("demo") / "library", create=True) as library:
        # One after the other, so that they are books 1 and 2: together, whichever is read first is 1.
        for name in ("kanbun-ja.pdf", "testmath.pdf"):
            library.add(DEMO / "library" / name)
        yield library


@pytest.fixture(scope="session")
def demo(demo_library: Library) -> Iterator[httpx.Client]:
    """A server with `demo_library`."""
    with running(demo_library) as client:
        yield client


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    """An empty library of the tests' tiny model."""
    with Library.open(tmp_path / "library", model=TINY_MODEL, create=True) as opened:
        yield opened


@pytest.fixture
def client(library: Library) -> Iterator[httpx.Client]:
    """A server with `library`."""
    with running(library) as opened:
        yield opened
