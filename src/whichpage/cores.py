"""How many cores there are to work with."""

from __future__ import annotations

import os


def usable_cores() -> int:
    """The cores that this process may run on: those that it was given, where the system tells, else all.

    A limit on its time, such as that of a container with `--cpus`, does not show in them.
    """
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
