"""A real server on a real port, in a thread of the tests: what they ask goes through all of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from whichpage.library import Library
from whichpage.web.options import ServeOptions
from whichpage.web.server import Server, listening

DEMO = Path(__file__).parents[2] / "demo"
# A machine that does other work beside is given time.
PATIENCE = 120.0


@contextmanager
def running(library: Library, **options: Any) -> Iterator[httpx.Client]:
    """Serves a library on a free port of loopback; yields a client whose base is the API."""
    with listening(ServeOptions(host="127.0.0.1", port=0)) as listener:
        port = listener.getsockname()[1]
        server = Server(library, ServeOptions(host="127.0.0.1", port=port, **options))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            while not server.started:
                assert thread.is_alive(), "the server did not start"
                time.sleep(0.02)
            with httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v1/", timeout=PATIENCE) as client:
                yield client
        finally:
            server.should_exit = True
            thread.join(PATIENCE)
            assert not thread.is_alive(), "the server did not end"


def ended(client: httpx.Client, job: dict[str, Any]) -> dict[str, Any]:
    """An upload's job once it is done or has failed."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        now: dict[str, Any] = client.get(f"jobs/{job['id']}").json()
        if now["state"] in ("done", "failed"):
            return now
        time.sleep(0.05)
    raise AssertionError(f"still {now['state']}")


def upload(client: httpx.Client, name: str, data: bytes) -> httpx.Response:
    """Sends a book."""
    return client.post("books", files={"file": (name, data)})
