"""Results of a long run, kept as they come, so that a run that was ended goes on where it stopped.

A file of JSON lines: the first holds the key (what the results depend on: data, models, code), each
other one a result under a name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self, TextIO


class ResultLog:
    """Results by name, each on disk before the next is begun; a context manager.

    done: the results of this run and of those it goes on with, as JSON knows them.
    """

    def __init__(self, file: TextIO, done: dict[str, Any]) -> None:
        self._file = file
        self.done = done

    @classmethod
    def open(cls, path: Path, *, key: Mapping[str, Any]) -> Self:
        """Opens the results under a key; those of another key, or of no readable file, are dropped.

        Raises:
            OSError: the file cannot be written.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        done, whole = _read(path, key)
        if whole:
            # What a killed run wrote of its last line is cut off.
            with path.open("r+b") as file:
                file.truncate(whole)
        else:
            path.write_text(json.dumps({"key": dict(key)}) + "\n", encoding="ascii")
        return cls(path.open("a", encoding="ascii"), done)

    def add(self, name: str, result: Any) -> None:
        """Keeps a result; what was under the name before is replaced."""
        line = json.dumps({"name": name, "result": result})
        self._file.write(line + "\n")
        self._file.flush()
        # As JSON knows it, so that a resumed run sees what an undisturbed one does.
        self.done[name] = json.loads(line)["result"]

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _read(path: Path, key: Mapping[str, Any]) -> tuple[dict[str, Any], int]:
    """The results under the key, and how many bytes of the file are whole lines of them (0: none)."""
    done: dict[str, Any] = {}
    whole = 0
    try:
        lines = path.read_bytes().splitlines(keepends=True)
    except FileNotFoundError:
        return done, whole
    for number, line in enumerate(lines):
        try:
            entry = json.loads(line)
            if not line.endswith(b"\n"):
                break
            if number == 0:
                if entry["key"] != json.loads(json.dumps(dict(key))):
                    return {}, 0
            else:
                done[entry["name"]] = entry["result"]
        except (ValueError, KeyError, TypeError):
            break
        whole += len(line)
    return done, whole
