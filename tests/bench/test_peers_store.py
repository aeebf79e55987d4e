"""Rows of pages: filled by processes, each page once, whatever was interrupted."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from shelf import put_pages

from whichpage.benchmark.peers.protocol import LibraryPage
from whichpage.benchmark.peers.store import DescribedPages, bytes_on_disk
from whichpage.errors import SourceError, WhichpageError
from whichpage.sources import Source


@dataclass(frozen=True)
class Noted:
    """Describes a page by its number, and notes that it was asked; the page `dies` ends the process."""

    notes: Path
    dies: int = 0

    def __call__(self, source: Source, number: int) -> bytes:
        if number == self.dies:
            os._exit(1)
        with (self.notes / str(number)).open("a") as file:
            file.write("asked\n")
        source.render(number)
        return f"page {number}".encode()


def nobody(done: int, total: int) -> None:
    """Is told how far it is."""


def test_every_page_has_its_row_and_a_second_run_asks_for_none(tmp_path: Path) -> None:
    pages, notes = put_pages(tmp_path / "book", 5), tmp_path / "notes"
    notes.mkdir()
    heard: list[tuple[int, int]] = []
    with DescribedPages(tmp_path / "rows.sqlite") as described:
        described.fill(pages, Noted(notes), lambda done, total: heard.append((done, total)), workers=2)
        assert list(described.rows()) == [(k, f"page {k + 1}".encode()) for k in range(5)]
        assert described.row(3) == b"page 4"
        seconds = described.seconds
    assert heard[0] == (0, 5)
    assert heard[-1] == (5, 5)
    assert seconds > 0
    with DescribedPages(tmp_path / "rows.sqlite") as again:
        again.fill(pages, Noted(notes, dies=1), nobody, workers=1)
        assert again.seconds == seconds
    assert [(notes / str(k)).read_text() for k in range(1, 6)] == ["asked\n"] * 5


def test_a_run_that_died_goes_on_with_the_pages_that_it_had_not_kept(tmp_path: Path) -> None:
    """Chunks are of 16 pages: the one with the fatal page is lost, and nothing else."""
    pages, notes = put_pages(tmp_path / "book", 40), tmp_path / "notes"
    notes.mkdir()
    with DescribedPages(tmp_path / "rows.sqlite") as described:
        with pytest.raises(WhichpageError, match="died"):
            described.fill(pages, Noted(notes, dies=40), nobody, workers=1)
        kept = len(list(described.rows()))
        lost = described.seconds
    assert kept == 32
    with DescribedPages(tmp_path / "rows.sqlite") as again:
        again.fill(pages, Noted(notes), nobody, workers=1)
        assert len(list(again.rows())) == 40
        assert again.seconds > lost
    asked = {k: (notes / str(k)).read_text().count("asked") for k in range(1, 41)}
    assert {k for k, times in asked.items() if times == 1} >= set(range(1, 33))


@dataclass(frozen=True)
class Endless:
    """Notes its process in a folder, and never returns."""

    notes: Path

    def __call__(self, source: Source, number: int) -> bytes:
        (self.notes / str(os.getpid())).touch()
        while True:
            time.sleep(1)


def test_the_workers_of_a_killed_run_end(tmp_path: Path) -> None:
    put_pages(tmp_path / "book", 40)
    (tmp_path / "notes").mkdir()
    program = (
        "import sys; from pathlib import Path\n"
        "from test_peers_store import Endless, nobody\n"
        "from whichpage.benchmark.peers.protocol import LibraryPage\n"
        "from whichpage.benchmark.peers.store import DescribedPages\n"
        "if __name__ == '__main__':\n"
        "    place = Path(sys.argv[1])\n"
        "    pages = [LibraryPage(place / 'book', number) for number in range(1, 41)]\n"
        "    DescribedPages(place / 'rows.sqlite').fill(pages, Endless(place / 'notes'), nobody, workers=2)\n"
    )
    (tmp_path / "run.py").write_text(program)
    places = os.pathsep.join(str(path) for path in (Path(__file__).parent, Path(__file__).parent.parent))
    run = subprocess.Popen(
        [sys.executable, tmp_path / "run.py", tmp_path], env={**os.environ, "PYTHONPATH": places}
    )
    try:
        wait_for(lambda: len(list((tmp_path / "notes").iterdir())) == 2)
        workers = [int(note.name) for note in (tmp_path / "notes").iterdir()]
        assert all(alive(worker) for worker in workers)
    finally:
        run.kill()
        run.wait()
    wait_for(lambda: not any(alive(worker) for worker in workers))


def wait_for(happens: Callable[[], bool]) -> None:
    """Waits for up to two minutes: machines that run tests may be busy."""
    until = time.monotonic() + 120
    while not happens():
        assert time.monotonic() < until, "it never happens"
        time.sleep(0.05)


def alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_a_page_that_cannot_be_read_is_counted_and_empty(tmp_path: Path) -> None:
    pages, notes = put_pages(tmp_path / "book", 2), tmp_path / "notes"
    notes.mkdir()
    (tmp_path / "book" / "02.png").write_bytes(b"no picture")
    gone = LibraryPage(tmp_path / "gone.pdf", 1)
    with DescribedPages(tmp_path / "rows.sqlite") as described:
        described.fill([*pages, gone], Noted(notes), nobody, workers=1)
        assert list(described.rows()) == [(0, b"page 1"), (1, b""), (2, b"")]
        assert described.unreadable == 2


def test_noted_raises_what_a_source_does(tmp_path: Path) -> None:
    """The test above fails if broken pages did not raise."""
    from whichpage.sources import open_source

    put_pages(tmp_path / "book", 1)
    (tmp_path / "book" / "01.png").write_bytes(b"no picture")
    with open_source(tmp_path / "book") as source, pytest.raises(SourceError):
        source.render(1)


def test_bytes_on_disk_counts_every_file(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "a").write_bytes(b"12345")
    (tmp_path / "below" / "b").write_bytes(b"678")
    assert bytes_on_disk(tmp_path) == 8
