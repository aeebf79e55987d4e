"""`whichpage serve` as a process: what it prints, how it ends, and what stops it from starting."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import httpx
import numpy as np
import pytest
from books import TINY_MODEL, make_pdf
from running import PATIENCE

from whichpage.cli import run as command
from whichpage.library import Library
from whichpage.web import addresses, server
from whichpage.web.options import ServeOptions

COMMAND = [sys.executable, "-m", "whichpage", "--model", str(TINY_MODEL)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A library with one book."""
    with Library.open(tmp_path / "library", model=TINY_MODEL, create=True) as library:
        library.add(make_pdf(tmp_path / "a.pdf", 2))
    return tmp_path / "library"


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


@contextmanager
def serving(folder: Path, *options: str, **environment: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process, once it answers, and the first line that it has printed."""
    process = subprocess.Popen(
        [*COMMAND, "-v", "-l", str(folder), "serve", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "XDG_DATA_HOME": str(folder.parent / "data"), **environment},
    )
    try:
        assert process.stdout is not None
        yield process, process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


def answers(url: str, **options: object) -> httpx.Response:
    """The answer of a server that may only just have printed where it is."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return httpx.get(url, timeout=PATIENCE, **options)  # type: ignore[arg-type]
        except httpx.ConnectError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_and_ends_when_told(folder: Path, number: signal.Signals) -> None:
    port = free_port()
    with serving(folder, "--host", "127.0.0.1", "--port", str(port)) as (process, line):
        assert line == f"http://127.0.0.1:{port}/"
        assert len(answers(f"{line}api/v1/books").json()["books"]) == 1
        # An answer that never ends by itself must not keep it.
        process.send_signal(number)
        out, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0
        assert out.endswith("stopped\n")
        assert "Traceback" not in err
        assert "GET /api/v1/books 200" in err


def test_the_key_is_in_the_link_and_never_in_the_log(folder: Path) -> None:
    port = free_port()
    with serving(folder, "--host", "0.0.0.0", "--port", str(port), WHICHPAGE_KEY="0123456789") as (
        process,
        line,
    ):
        assert line.endswith(f":{port}/?key=0123456789")
        base = f"http://127.0.0.1:{port}/"
        assert answers(f"{base}api/v1/books").status_code == 401
        with httpx.Client(follow_redirects=True, timeout=PATIENCE) as phone:
            assert phone.get(f"{base}?key=0123456789").status_code == 200
            assert phone.get(f"{base}api/v1/books").status_code == 200
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=PATIENCE)
        assert "GET / 303" in err
        assert "0123456789" not in err


def test_tls_speaks_https_with_a_certificate_of_its_own(folder: Path) -> None:
    port = free_port()
    with serving(folder, "--host", "127.0.0.1", "--port", str(port), "--tls") as (process, line):
        assert line == f"https://127.0.0.1:{port}/"
        assert process.stdout is not None
        assert process.stdout.readline().startswith("certificate (SHA-256): ")
        kept = folder.parent / "data" / "whichpage" / "tls" / "certificate.pem"
        trusting = ssl.create_default_context(cafile=str(kept))
        assert answers(f"{line}api/v1/health", verify=trusting).status_code == 200


def test_a_port_that_is_taken_is_one_sentence(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert command(["-l", str(folder), "serve", "--host", "127.0.0.1", "--port", str(port)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == (
        f"whichpage: cannot listen on 127.0.0.1:{port}: address already in use;"
        " choose another with `--port`\n"
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--host", "203.0.113.9"), "cannot listen on 203.0.113.9:8765"),
        (("--host", "no such name"), "no such name is no address of this computer"),
        (("--key", "short"), "the key must have 8 or more letters and digits (ASCII)"),
        (("--key", "with space in it"), "the key must have 8 or more letters and digits (ASCII)"),
        (("--port", "0"), "--port"),
    ],
)
def test_what_cannot_be_served_is_one_sentence(
    folder: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], words: str
) -> None:
    assert command(["-l", str(folder), "serve", *options]) == 2
    assert words in capsys.readouterr().err


# A process of its own: a browser of other tests may still have an event loop running in this one.
_FULL = """
import sys
from whichpage.cli import run
from whichpage.errors import LibraryError
from whichpage.web.jobs import Jobs

def full(self):
    raise LibraryError("the library cannot be written")

Jobs.resume = full
sys.exit(run(sys.argv[1:]))
"""


def test_a_library_that_cannot_be_used_is_one_sentence(folder: Path) -> None:
    options = ["--host", "127.0.0.1", "--port", str(free_port())]
    words = ["--model", str(TINY_MODEL), "-l", str(folder), "serve", *options]
    ended = subprocess.run(
        [sys.executable, "-c", _FULL, *words], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode, ended.stderr) == (2, "whichpage: the library cannot be written\n")


def test_a_missing_package_is_one_sentence(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "whichpage.web.server", None)
    # As if segno were not there: the import of what imports it fails with its name.
    import builtins

    imported = builtins.__import__

    def without(name: str, *arguments: object, **named: object) -> object:
        if name == "whichpage.web.server":
            raise ModuleNotFoundError("No module named 'segno'", name="segno")
        return imported(name, *arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", without)
    assert command(["serve"]) == 2
    assert capsys.readouterr().err == (
        "whichpage: segno is not installed: `pip install 'whichpage[web]'` brings what this needs\n"
    )


def test_the_qr_code_is_drawn_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(addresses, "local_addresses", lambda: ["192.168.1.7", "fd00::7"])
    options = ServeOptions(key="k" * 32, port=8765)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    server.announce(options)
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [
        f"http://192.168.1.7:8765/?key={'k' * 32}",
        f"http://[fd00::7]:8765/?key={'k' * 32}",
    ]
    # 62 characters of a link: version 4, 33 modules and a border of 2 on each side, two rows a line.
    assert len(lines) - 2 >= 19


def test_the_qr_code_leads_to_the_link() -> None:
    link = "http://192.168.1.7:8765/?key=0123456789abcdef0123456789abcdef"
    lines = server.qr(link, blocks=True).splitlines()
    # A character is two modules, one above the other, white where it is drawn.
    pairs = {"█": (255, 255), "▀": (255, 0), "▄": (0, 255), " ": (0, 0)}
    rows = [
        [pairs[character][half] for character in line.removeprefix("\x1b[97;40m").removesuffix("\x1b[0m")]
        for line in lines
        for half in (0, 1)
    ]
    picture = np.kron(np.array(rows, np.uint8), np.ones((8, 8), np.uint8))
    assert cv2.QRCodeDetector().detectAndDecode(np.pad(picture, 32, constant_values=255))[0] == link


def test_the_qr_code_needs_no_blocks() -> None:
    drawn = server.qr("http://192.168.1.7:8765/", blocks=False)
    assert drawn.isascii()
    assert "\x1b[7m" in drawn


def test_addresses_of_this_computer() -> None:
    assert addresses.is_loopback("127.0.0.1")
    assert addresses.is_loopback("localhost")
    assert not addresses.is_loopback("0.0.0.0")
    for address in addresses.local_addresses():
        assert not addresses.is_loopback(address)
    assert addresses.in_url("fd00::7") == "[fd00::7]"
    assert addresses.in_url("192.168.1.7") == "192.168.1.7"
