"""Workers that crash, hang, eat memory, or never start; real processes all of them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from books import TINY_MODEL, make_pdf
from PIL import Image

from whichpage.errors import ModelError, WhichpageError
from whichpage.files import stamp
from whichpage.pool import Done, Lost, Pool
from whichpage.tasks import Failed, Index, Inspect, Setup, Task

MEMORY = 800 << 20
SETUP = Setup("misbehaving:load", TINY_MODEL, MEMORY)


def folder_of(path: Path, *greys: int) -> Path:
    """A folder of plain images; see `misbehaving` for what their darkness does."""
    path.mkdir()
    for number, grey in enumerate(greys, 1):
        Image.new("L", (40, 60), grey).save(path / f"{number}.png")
    return path


def outcome(pool: Pool, task: Task, *, seconds: float = 30) -> Done | Lost:
    pool.give(task)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if event := pool.wait():
            return event
    raise AssertionError("the pool has lost a task")


def test_lost_workers_are_replaced(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "a", 255, 50, 120, 255)
    with Pool(SETUP, size=1, seconds=2) as pool:

        def index(*numbers: int) -> Done | Lost:
            return outcome(pool, Index(folder, stamp(folder), numbers))

        first = index(1)
        assert isinstance(first, Done)
        assert [row.number for row in first.result] == [1]
        died = index(1, 2)
        assert isinstance(died, Lost)
        assert (died.page, died.reason) == (2, "crashes the program that reads it")
        hung = index(3)
        assert isinstance(hung, Lost)
        assert (hung.page, hung.reason) == (3, "takes longer than 2 s to read")
        assert isinstance(index(4), Done)
        assert pool.free == 1


def test_hung_worker_is_noticed_while_others_are_busy(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "a", 120, *[255] * 400)
    with Pool(SETUP, size=2, seconds=1) as pool:
        for _ in range(2):
            pool.give(Index(folder, stamp(folder), (2, 3)))
        while pool.free < 2:  # until both have started
            pool.wait()
        pool.give(Index(folder, stamp(folder), (1,)))
        pool.give(Index(folder, stamp(folder), (2, 3)))
        lost: list[int | None] = []
        done = 0
        while not lost:
            event = pool.wait()
            if isinstance(event, Lost):
                lost.append(event.page)
            elif event:
                done += 1
                pool.give(Index(folder, stamp(folder), (2, 3)))
    assert lost == [1]
    assert done > 1


def test_worker_is_not_blamed_for_the_time_in_which_nobody_listened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the adding process is stopped for a while: of 4 silent seconds 3 are not listened to."""
    monkeypatch.setattr("whichpage.pool._ABSENT_SECONDS", 1)
    book = make_pdf(tmp_path / "a.pdf", 40)
    with Pool(Setup("misbehaving:slow", None, MEMORY), size=1, seconds=2) as pool:
        pool.give(Index(book, stamp(book), tuple(range(1, 41))))
        for rendering in (True, False):
            while (pool._busy[0].page is not None) is not rendering:
                time.sleep(0.01)
        time.sleep(3)
        while (event := pool.wait()) is None:
            pass
        assert isinstance(event, Done)
        assert len(event.result) == 40


def test_worker_whose_answer_waits_to_be_read_is_not_overdue(tmp_path: Path) -> None:
    book = make_pdf(tmp_path / "a.pdf", 1)
    with Pool(SETUP, size=1, seconds=2) as pool:
        pool.give(Inspect(book))
        while pool._messages.empty():
            time.sleep(0.01)
        pool._listened = time.monotonic()
        pool._busy[0].heard -= 100
        assert isinstance(pool.wait(), Done)
        pool.give(Index(folder_of(tmp_path / "b", 120), stamp(tmp_path / "b"), (1,)))
        while pool._busy[0].page is None:
            time.sleep(0.01)
        pool._busy[0].heard -= 100
        assert isinstance(pool.wait(), Lost)  # over the next task it hangs


@pytest.mark.parametrize("is_noticed", [False, True])
def test_a_worker_that_dies_while_it_has_nothing_to_do_is_no_fault_of_the_next_task(
    tmp_path: Path, is_noticed: bool
) -> None:
    """As by the kernel, for want of memory."""
    book = make_pdf(tmp_path / "a.pdf", 1)
    with Pool(SETUP, size=1, seconds=5) as pool:
        assert isinstance(outcome(pool, Inspect(book)), Done)
        (process,) = pool._idle
        process._child.kill()
        process._child.wait()
        process._listener.join()
        if is_noticed:
            assert pool.wait() is None
        assert isinstance(outcome(pool, Inspect(book)), Done)
        assert pool.free == 1


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not limit a process's memory")
def test_memory_is_limited(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "a", 180)
    with Pool(SETUP, size=1, seconds=20) as pool:
        done = outcome(pool, Index(folder, stamp(folder), (1,)))
    assert isinstance(done, Done)
    assert done.result == Failed("needs too much memory")


def test_workers_work_at_the_same_time(tmp_path: Path) -> None:
    book = make_pdf(tmp_path / "a.pdf", 8)
    with Pool(Setup("misbehaving:slow", None, MEMORY), size=2, seconds=20) as pool:
        chunks = [(1, 2, 3, 4), (5, 6, 7, 8)]
        for numbers in chunks:
            pool.give(Index(book, stamp(book), numbers))
        assert pool.free == 0
        assert len({process._child.pid for process in pool._busy}) == 2
        done: list[list[int]] = []
        while len(done) < 2:
            if event := pool.wait():
                assert isinstance(event, Done)
                done.append([row.number for row in event.result])
        assert sorted(done) == [[1, 2, 3, 4], [5, 6, 7, 8]]
        assert pool.free == 2


def test_encoder_that_cannot_be_loaded(tmp_path: Path) -> None:
    with (
        Pool(Setup("misbehaving:refuse", Path("x.onnx"), MEMORY), size=1, seconds=5) as pool,
        pytest.raises(ModelError, match=r"x\.onnx is not a model"),
    ):
        outcome(pool, Inspect(tmp_path))


def test_worker_that_cannot_start(tmp_path: Path) -> None:
    with (
        Pool(Setup("misbehaving:die", None, MEMORY), size=1, seconds=5) as pool,
        pytest.raises(WhichpageError, match="no worker process can be started: the encoder is broken"),
    ):
        outcome(pool, Inspect(tmp_path))


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_killed_adder_leaves_no_worker(tmp_path: Path) -> None:
    """The worker sleeps for a thousand seconds in a page; it ends all the same when its adder is killed."""
    folder = folder_of(tmp_path / "a", 120)
    program = f"""
from pathlib import Path
from whichpage.files import stamp
from whichpage.pool import Pool
from whichpage.tasks import Index, Setup
folder = Path({str(folder)!r})
with Pool(Setup("misbehaving:load", Path({str(TINY_MODEL)!r}), {MEMORY}), size=1, seconds=999) as pool:
    pool.give(Index(folder, stamp(folder), (1,)))
    while pool._busy[0].page is None:
        pool.wait()
    print(pool._busy[0]._child.pid, flush=True)
    while True:
        pool.wait()
"""
    path = os.pathsep.join(entry for entry in sys.path if entry)
    adder = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": path}
    )
    assert adder.stdout is not None
    worker = Path("/proc") / adder.stdout.readline().decode().strip()
    assert worker.exists()
    adder.kill()
    adder.communicate()
    deadline = time.monotonic() + 10
    while worker.exists() and time.monotonic() < deadline:
        # Nobody may be there to collect the dead: a zombie has ended too.
        if (worker / "stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
            break
        time.sleep(0.05)
    else:
        assert not worker.exists()
