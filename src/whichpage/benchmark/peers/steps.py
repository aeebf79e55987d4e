"""Steps of indexing that end in a file: done once, timed, never half done."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path


class Steps:
    """Remembers in a JSON file how long each step took that is done."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._seconds: dict[str, float] = json.loads(file.read_text()) if file.exists() else {}

    def do(self, name: str, result: Path, make: Callable[[Path], None]) -> None:
        """Makes the file `result`, unless an earlier run did.

        make: writes the file that it is given; that file becomes `result` once it is whole.
        """
        if name in self._seconds and result.exists():
            return
        # The suffix stays: NumPy appends its own where it misses it.
        half = result.with_name(f"half-{result.name}")
        half.unlink(missing_ok=True)
        started = time.perf_counter()
        make(half)
        self._seconds[name] = time.perf_counter() - started
        half.replace(result)
        self._file.write_text(json.dumps(self._seconds))

    @property
    def seconds(self) -> float:
        """Wall time of all steps that are done."""
        return sum(self._seconds.values())
