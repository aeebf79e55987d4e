"""A pool of worker processes that outlives its workers: one that crashes or hangs is replaced.

Workers are plain child processes with pipes, not `multiprocessing` ones, which would run the user's
main script a second time wherever processes are spawned rather than forked.
"""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from queue import Empty, Queue
from typing import Any, BinaryIO, Self, cast

from whichpage.errors import ModelError, WhichpageError
from whichpage.tasks import Beat, Broken, Setup, Task, receive, send

# Long enough for numpy and ONNX Runtime from a cold, busy disk.
_START_SECONDS = 120.0
_TICK = 0.2
# Whoever has not listened for so many seconds was busy, or was itself stopped.
_ABSENT_SECONDS = 5.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Done:
    """A task's result, as the worker gave it."""

    task: Task
    result: Any


@dataclass(frozen=True, slots=True)
class Lost:
    """A task whose worker died or was killed.

    reason: what the task did, as words that follow a file's name.
    page: the page that was being rendered, if any.
    """

    task: Task
    reason: str
    page: int | None


class Pool:
    """Processes that do tasks, one at a time each; a context manager, at whose end they are gone.

    size: how many workers. seconds: how long a worker may be silent while `wait` is called time and again.
    """

    def __init__(self, setup: Setup, *, size: int, seconds: float) -> None:
        self._setup = setup
        self._size = size
        self._seconds = seconds
        self._messages: Queue[tuple[_Process, Any]] = Queue()
        self._idle: list[_Process] = []
        self._busy: list[_Process] = []
        self._listened = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._idle + self._busy:
            process.end()

    @property
    def free(self) -> int:
        """How many tasks can be given out now."""
        return self._size - len(self._busy)

    def give(self, task: Task) -> None:
        """Hands a task to a free worker, starting one when there is none yet."""
        process = self._rested() or _Process(self._setup, self._messages)
        self._busy.append(process)
        process.give(task)

    def _rested(self) -> _Process | None:
        """An idle worker that still lives.

        One may have been killed while it had nothing to do, as for want of memory: no task is to blame.
        """
        while self._idle:
            process = self._idle.pop()
            if process.lives:
                return process
            process.end()
        return None

    def wait(self) -> Done | Lost | None:
        """The next end of a task; None when a moment has passed without one.

        Raises:
            ModelError: the encoder cannot be loaded.
            WhichpageError: no worker process can be started.
        """
        if lost := self._overdue():
            return lost
        try:
            process, message = self._messages.get(timeout=_TICK)
        except Empty:
            return None
        if process not in self._busy:
            return None  # the end of one that was killed before, or that died when it had nothing to do
        if message is None:
            return self._lose(process, "crashes the program that reads it")
        if isinstance(message, Broken):
            raise ModelError(message.reason)
        self._busy.remove(process)
        self._idle.append(process)
        return Done(process.task, message)

    def _overdue(self) -> Lost | None:
        now = time.monotonic()
        if now - self._listened > _ABSENT_SECONDS:
            # As by Ctrl-Z or `docker pause`: what the workers said meanwhile may not have been read yet.
            for process in self._busy:
                process.heard = now
        self._listened = now
        for process in self._busy:
            if process.answered:
                continue
            patience = self._seconds if process.started else max(self._seconds, _START_SECONDS)
            if now - process.heard > patience:
                return self._lose(process, f"takes longer than {self._seconds:.0f} s to read")
        return None

    def _lose(self, process: _Process, reason: str) -> Lost:
        self._busy.remove(process)
        words = process.last_words()
        process.end()
        if not process.started:
            raise WhichpageError(f"no worker process can be started: {words}")
        _log.debug("a worker was lost: %s", words)
        return Lost(process.task, reason, process.page)


class _Process:
    """One worker as the adding process sees it."""

    def __init__(self, setup: Setup, messages: Queue[tuple[_Process, Any]]) -> None:
        self.started = False  # has given a sign of life, the last one at `heard`
        self.heard = 0.0
        self.answered = False  # what it has to say of its task, or its end, is among the messages
        self.page: int | None = None
        # What C libraries complain about would spoil the progress bar; it matters when a start fails.
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (end() closes it)
        self._child = subprocess.Popen(
            # -P: a numpy.py in the user's folder is not ours to run.
            [sys.executable, "-P", "-c", "from whichpage.worker import main; main()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=_environment(),
            # Ctrl-C is for the adding process, which ends its workers itself.
            start_new_session=os.name == "posix",
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )
        self._input = cast(BinaryIO, self._child.stdin)
        self._output = cast(BinaryIO, self._child.stdout)
        self._say(setup)
        self._listener = threading.Thread(target=self._listen, args=(messages,), daemon=True)
        self._listener.start()

    def give(self, task: Task) -> None:
        self.task = task
        self.page = None
        self.answered = False
        self.heard = time.monotonic()
        self._say(task)

    def end(self) -> None:
        """Kills the process: it holds nothing that another does not have."""
        self._child.kill()
        self._child.wait()
        self._listener.join()  # it reads to the end of the dead process's pipe
        self._errors.close()
        for pipe in (self._input, self._output):
            with contextlib.suppress(OSError):
                pipe.close()

    @property
    def lives(self) -> bool:
        return self._child.poll() is None

    def last_words(self) -> str:
        """The last line that the process wrote to its standard error."""
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it says nothing"

    def _say(self, message: object) -> None:
        # A dead process is noticed where its answers are read.
        with contextlib.suppress(OSError):
            send(self._input, message)

    def _listen(self, messages: Queue[tuple[_Process, Any]]) -> None:
        # A dying process may leave half a message behind, which pickle meets with any exception.
        with contextlib.suppress(Exception):
            while True:
                message = receive(self._output)
                # Noted here, so that a worker's signs of life count while the adding process is busy.
                self.heard, self.started = time.monotonic(), not isinstance(message, Broken)
                if isinstance(message, Beat):
                    self.page = message.page
                else:
                    self.answered = True
                    messages.put((self, message))
        self.answered = True
        messages.put((self, None))


def _environment() -> dict[str, str]:
    # Workers must find the same modules, and share the cores: one thread each.
    path = os.pathsep.join(entry for entry in sys.path if entry)
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return {**os.environ, **one, "PYTHONPATH": path}
