"""How the server is set up; each default is written here once."""

from __future__ import annotations

from dataclasses import dataclass

from whichpage.cores import usable_cores

CORES = usable_cores()


@dataclass(frozen=True)
class ServeOptions:
    """What `whichpage serve` serves, where, and how much of it at once.

    host, port: where it listens.
    names: host names, besides addresses and this computer's own name, under which it may be asked.
    key: what a request must know; None where nobody but this computer reaches the server, by no proxy either.
    tls: whether it speaks HTTPS.
    finding: photos looked for at once. waiting: photos that may wait for their turn, `patience` seconds
        at most; more are told to come again.
    showing: pages rendered at once, each in a process of its own, within `page_seconds`.
    photo_bytes, book_bytes: what an upload may have. idle_seconds: how long a sender may pause.
    indexing: processes that index uploads; the others are left for finding.
    """

    host: str = "0.0.0.0"
    port: int = 8765
    names: tuple[str, ...] = ()
    key: str | None = None
    tls: bool = False
    finding: int = CORES
    waiting: int = 16
    patience: float = 30.0
    showing: int = min(2, CORES)
    page_seconds: float = 20.0
    photo_bytes: int = 32_000_000
    book_bytes: int = 2_000_000_000
    idle_seconds: float = 20.0
    indexing: int = max(1, CORES // 2)
