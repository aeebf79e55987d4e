"""A server with the demo's books, and Chromium to look at it: what the browser's tests share.

The server is `whichpage serve` in a process of its own, the browser is Debian's.
"""

from __future__ import annotations

import io
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Page, Playwright, expect

ROOT = Path(__file__).parents[2]
PHOTOS = ROOT / "demo" / "photos"
CHROMIUM = os.environ.get("WHICHPAGE_CHROMIUM", "/usr/bin/chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "is_mobile": True,
    "has_touch": True,
}
DESKTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 860}}
# A machine that does other work beside is given time; a condition that holds ends the waiting at once.
PATIENCE = 120_000.0  # milliseconds
# An address (reserved for documentation) that is made to lead to this computer: browsers do not trust it as
# they trust localhost, and a server asked under an address needs no `--name`, and so no key.
INSECURE = "192.0.2.1"

expect.set_options(timeout=PATIENCE)


@contextmanager
def serving(library: Path, *more: str) -> Iterator[str]:
    """Runs `whichpage serve` with the library and yields its address, "http://127.0.0.1:1234/".

    more: options of the command.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}/"
    options = ["--host", "127.0.0.1", "--port", str(port), *more]
    command = [sys.executable, "-m", "whichpage", "--library", str(library), "serve", *options]
    log = library.parent / "serve.log"
    with log.open("w") as output:
        server = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        _wait_for(f"{address}api/v1/health", server, log)
        yield address
    finally:
        server.terminate()
        try:
            server.wait(60)
        except subprocess.TimeoutExpired:
            server.kill()


def _wait_for(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end:
        if server.poll() is not None:
            break
        try:
            with urllib.request.urlopen(url, timeout=10):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise RuntimeError(f"the server did not start: {log.read_text()}")


def make_library(folder: Path) -> Path:
    """A library of the demo's books in a new folder."""
    library = folder / "library"
    command = [
        sys.executable,
        "-m",
        "whichpage",
        "--library",
        str(library),
        "add",
        str(ROOT / "demo" / "library"),
    ]
    subprocess.run(command, check=True, capture_output=True)
    return library


def camera_film(folder: Path, photo: str) -> Path:
    """A film for Chromium's fake camera: a photo of the demo, motion JPEG, 960 x 1280."""
    still = io.BytesIO()
    with Image.open(PHOTOS / photo) as image:
        image.convert("RGB").resize((960, 1280), Image.Resampling.LANCZOS).save(still, "JPEG", quality=90)
    film = folder / f"{Path(photo).stem}.mjpeg"
    film.write_bytes(still.getvalue() * 20)
    return film


def launch(playwright: Playwright, *flags: str) -> Browser:
    """Debian's Chromium without a window."""
    return playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, *flags])


@contextmanager
def opened(browser: Browser, address: str, **options: Any) -> Iterator[Page]:
    """A page of a browser context of its own, closed at the end; it must end without an error in the page.

    options: those of a context; a phone in English, motion reduced, without service worker where not given.
    """
    settings = {**PHONE, "locale": "en-US", "reduced_motion": "reduce", "service_workers": "block", **options}
    context = browser.new_context(base_url=address, **settings)
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    # What the content security policy forbids is told on the console alone.
    page.on(
        "console", lambda message: errors.append(message.text) if "Security Policy" in message.text else None
    )
    try:
        yield page
        assert errors == []
    finally:
        context.close()


def until(page: Page, condition: str) -> None:
    """Waits for an expression in the page to be true; `wait_for_function` needs what the page forbids."""
    end = time.monotonic() + PATIENCE / 1000
    while not page.evaluate(f"Boolean({condition})"):
        assert time.monotonic() < end, condition
        page.wait_for_timeout(50)


def made_up(*matches: dict[str, Any], width: int = 640, height: int = 960) -> dict[str, Any]:
    """An answer with these matches: {"book": ..., "page": ...} and what else differs from the usual."""
    usual = {"source": "a.pdf", "verified": True, "confidence": 0.97, "file": None, "text": None}
    quad = [[10, 20], [600, 20], [600, 900], [10, 900]]
    found = [{**usual, "quad": quad, **match} for match in matches]
    status = "found" if matches else "not_found"
    return {
        "photo": "a.jpg",
        "status": status,
        "seconds": 0.1,
        "width": width,
        "height": height,
        "matches": found,
    }


def books_of(address: str) -> dict[str, dict[str, Any]]:
    """The server's books by title."""
    with urllib.request.urlopen(f"{address}api/v1/books") as answer:
        return {book["title"]: book for book in json.load(answer)["books"]}


def give(page: Page, *photos: str) -> None:
    """Chooses photos of the demo with the file input of the finding screen."""
    page.goto("/#/")
    page.locator(".welcome input[type=file]").last.set_input_files([PHOTOS / photo for photo in photos])


def found(page: Page, photo: str) -> None:
    """Gives a photo and waits for the answer's page to be drawn."""
    give(page, photo)
    expect(page.locator(".answer")).to_be_visible()
    expect(page.locator(".leaf:not([inert]) img")).to_have_js_property("complete", True)
