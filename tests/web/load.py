# ruff: noqa: T201 (a program that a person runs may print)
"""Sends many photos to a server of its own and says how it stood up. Run by hand:

    python tests/web/load.py [--requests 2000] [--clients 1 4 16] [--photos DIR]

Prints throughput and latency for each number of clients, what was refused or failed, how fast /health
answered meanwhile, and the server's memory as it went. The server is `whichpage serve` on loopback with
the demo's books; it and everything else end with the program.
"""

from __future__ import annotations

import argparse
import itertools
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from whichpage.library import Library

DEMO = Path(__file__).parents[2] / "demo"
_PATIENCE = 300.0


@dataclass(frozen=True)
class Round:
    """What one number of clients met.

    seconds: of each answered request, sorted. statuses: how many answers of each; 0 for a lost connection.
    health: the slowest answer of /health meanwhile, in seconds. memory: bytes now and then.
    """

    clients: int
    wall: float
    seconds: tuple[float, ...]
    statuses: Counter[int]
    health: float
    memory: tuple[int, ...]

    def at(self, share: float) -> float:
        """The latency that this share of the requests stayed below."""
        return self.seconds[min(len(self.seconds) - 1, int(share * len(self.seconds)))]

    def __str__(self) -> str:
        statuses = ", ".join(f"{count} x {status}" for status, count in sorted(self.statuses.items()))
        memory = " ".join(f"{size / 1e6:.0f}" for size in self.memory)
        return (
            f"{self.clients:3} clients: {len(self.seconds) / self.wall:.2f} photos/s;"
            f" median {self.at(0.5):.2f} s, 90 % {self.at(0.9):.2f} s, 99 % {self.at(0.99):.2f} s;"
            f" {statuses}; slowest /health {self.health:.3f} s; memory (MB) {memory}"
        )


@contextmanager
def serving(library: Path, *options: str) -> Iterator[str]:
    """`whichpage serve` in a process of its own; yields its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "whichpage", "-l", str(library), *options]
    process = subprocess.Popen(
        [*command, "serve", "--host", "127.0.0.1", "--port", str(port)],
        stdout=subprocess.DEVNULL,
        env={**os.environ, "OMP_WAIT_POLICY": "PASSIVE"},
    )
    try:
        end = time.monotonic() + _PATIENCE
        while True:
            try:
                httpx.get(f"{address}/api/v1/health", timeout=_PATIENCE)
                break
            except httpx.TransportError:
                assert process.poll() is None, "the server did not start"
                assert time.monotonic() < end, "the server does not answer"
                time.sleep(0.2)
        yield address
    finally:
        process.terminate()
        process.wait(_PATIENCE)
    assert process.returncode == 0, process.returncode


def memory(address: str) -> int:
    """The server's resident memory in bytes, as its metrics say."""
    text = httpx.get(f"{address}/api/v1/metrics", timeout=_PATIENCE).text
    found = re.search(r"^process_resident_memory_bytes (\S+)", text, re.MULTILINE)
    return int(float(found.group(1))) if found else 0


def put_to_work(address: str, photos: Sequence[bytes], *, requests: int, clients: int) -> Round:
    """Sends `requests` photos in all, one after the other from each of the clients."""
    turns = iter(range(requests))
    taking = threading.Lock()
    seconds: list[float] = []
    statuses: Counter[int] = Counter()
    sizes = [memory(address)]

    def work() -> None:
        with httpx.Client(timeout=_PATIENCE) as client:
            while True:
                with taking:
                    turn = next(turns, None)
                    if turn is None:
                        return
                    if turn and turn % max(1, requests // 10) == 0:
                        sizes.append(memory(address))
                began = time.perf_counter()
                try:
                    answer = client.post(f"{address}/api/v1/find", content=photos[turn % len(photos)])
                    status = answer.status_code
                except httpx.TransportError:
                    status = 0
                with taking:
                    seconds.append(time.perf_counter() - began)
                    statuses[status] += 1

    done = threading.Event()
    with ThreadPoolExecutor(clients + 1) as threads:
        watching = threads.submit(_watch, address, done)
        began = time.perf_counter()
        for future in [threads.submit(work) for _ in range(clients)]:
            future.result()
        wall = time.perf_counter() - began
        done.set()
        slowest = watching.result()
    sizes.append(memory(address))
    return Round(clients, wall, tuple(sorted(seconds)), statuses, slowest, tuple(sizes))


def _watch(address: str, done: threading.Event) -> float:
    """The slowest of the answers of /health until it is done, in seconds."""
    slowest = 0.0
    with httpx.Client(timeout=_PATIENCE) as client:
        for _ in itertools.count():
            began = time.perf_counter()
            assert client.get(f"{address}/api/v1/health").status_code == 200
            slowest = max(slowest, time.perf_counter() - began)
            if done.wait(0.2):
                return slowest
    raise AssertionError("not reached")


def main() -> None:
    """Runs the rounds and prints a line for each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=2000, help="in all, shared out to the rounds")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--photos", type=Path, default=DEMO / "photos", help="a folder of JPEG files")
    arguments = parser.parse_args()
    photos = [path.read_bytes() for path in sorted(arguments.photos.glob("*.jpg"))]
    share = arguments.requests // len(arguments.clients)
    with tempfile.TemporaryDirectory() as temporary:
        with Library.open(Path(temporary, "library"), create=True) as library:
            library.add(DEMO / "library")
        with serving(Path(temporary, "library")) as address:
            for clients in arguments.clients:
                print(put_to_work(address, photos, requests=share, clients=clients), flush=True)


if __name__ == "__main__":
    main()
