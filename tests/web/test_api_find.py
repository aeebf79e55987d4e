"""POST /find: what goes in by either way, what comes out, and what is refused."""

from __future__ import annotations

import io
import json
import socket
import threading
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest
from books import image_bytes, page_image
from PIL import Image
from running import DEMO, running

from whichpage import files
from whichpage.answers import answer_object
from whichpage.catalog import Book, Catalog
from whichpage.errors import BookNotFound, PhotoError
from whichpage.library import Library
from whichpage.web import links

pytest_plugins = ["api_fixtures"]

# As demo/photos/truth.csv says.
PHOTO, PAGE = DEMO / "photos" / "05-written-on.jpg", 4


def png(width: int, height: int) -> bytes:
    """A PNG that claims a size; its pixels are missing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4)

    header = width.to_bytes(4) + height.to_bytes(4) + b"\x08\x02\0\0\0"
    body = zlib.compress(b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def gif_bomb() -> bytes:
    """A few bytes that claim 65,000 x 65,000 pixels."""
    side = (65_000).to_bytes(2, "little")
    return (
        b"GIF89a" + side + side + b"\x80\0\0\xff\xff\xff\0\0\0,\0\0\0\0" + side + side + b"\0\x02\x02D\x01\0;"
    )


def photo_of(seed: int) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.pad(page_image(seed), 40)).save(out, "JPEG")
    return out.getvalue()


def held(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Makes every search wait for the event, and then end with an error."""
    go = threading.Event()

    def slow(self: Library, photo: object, *, top: int) -> None:
        go.wait(60)
        raise PhotoError("seen")

    monkeypatch.setattr(Library, "find", slow)
    return go


def test_a_photo_is_found_by_either_way(demo: httpx.Client) -> None:
    data = PHOTO.read_bytes()
    form = demo.post("find", files={"photo": ("IMG.jpg", data, "image/jpeg")})
    raw = demo.post("find", content=data, headers={"Content-Type": "image/jpeg"})
    assert (form.status_code, raw.status_code) == (200, 200)
    answer = form.json()
    assert (answer["photo"], raw.json()["photo"]) == ("IMG.jpg", "-")
    assert answer["matches"] == raw.json()["matches"]
    with Image.open(PHOTO) as image:
        assert (answer["width"], answer["height"]) == image.size
    assert answer["status"] == "found"
    best = answer["matches"][0]
    assert (best["verified"], best["page"]) == (True, PAGE)
    assert best["source"] == str(DEMO / "library" / "kanbun-ja.pdf")
    book = demo.get(f"books/{best['book']['id']}").json()
    assert best["book"] == {key: book[key] for key in ("id", "title", "name", "pages", "missing")}
    assert best["image"] == f"/api/v1/books/{book['id']}/pages/{best['page']}/image"
    assert best["text"] == f"/api/v1/books/{book['id']}/pages/{best['page']}/text"
    assert best["file"] == f"/api/v1/books/{book['id']}/file#page={best['page']}"
    for link in ("image", "text", "file"):
        assert demo.get(demo.base_url.join(best[link])).status_code == 200


def test_the_answer_is_that_of_the_command(demo: httpx.Client, demo_library: Library) -> None:
    expected = answer_object(demo_library.find(PHOTO))
    answer = demo.post("find", content=PHOTO.read_bytes()).json()
    assert set(expected) <= set(answer)
    assert expected["status"] == answer["status"]
    for plain, match in zip(expected["matches"], answer["matches"], strict=True):
        assert {key: match[key] for key in plain} == plain


def test_a_page_that_is_not_there_is_not_found(demo: httpx.Client) -> None:
    answer = demo.post("find", content=(DEMO / "photos" / "09-absent.jpg").read_bytes()).json()
    assert answer["status"] == "not_found"
    assert not any(match["verified"] for match in answer["matches"])


def test_files_of_books_are_not_opened_on_the_event_loop(
    demo: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a slow disk all other requests would wait."""
    threads: list[str] = []

    def noted(look: Callable[[Path], object]) -> Callable[[Path], object]:
        def noting(path: Path) -> object:
            threads.append(threading.current_thread().name)
            return look(path)

        return noting

    monkeypatch.setattr(links, "kind_of", noted(files.kind_of))
    monkeypatch.setattr(links, "gone", noted(files.gone))
    best = demo.post("find", content=PHOTO.read_bytes()).json()["matches"][0]
    for link in ("text", "file"):
        assert demo.get(demo.base_url.join(best[link])).status_code == 200
    assert demo.get("books").status_code == 200
    assert len(threads) >= 8
    assert all(name.startswith("whichpage-") for name in threads)


@pytest.mark.parametrize(("times", "status"), [(1, 200), (100, 409)])
def test_a_photo_is_looked_for_again_when_the_book_that_it_shows_is_removed_meanwhile(
    demo: httpx.Client, monkeypatch: pytest.MonkeyPatch, times: int, status: int
) -> None:
    book_at, missed = Catalog.book_at, list[Path]()

    def missing(self: Catalog, path: Path) -> Book:
        if len(missed) < times:
            missed.append(path)
            raise BookNotFound("no book of the library is there")
        return book_at(self, path)

    monkeypatch.setattr(Catalog, "book_at", missing)
    answer = demo.post("find", content=PHOTO.read_bytes())
    assert answer.status_code == status
    assert missed


def test_a_page_that_is_an_image_says_which(client: httpx.Client, library: Library, tmp_path: Path) -> None:
    folder = tmp_path / "scans"
    folder.mkdir()
    names = ["page2.png", "page10.png", "page11.png"]
    for seed, name in enumerate(names, 1):
        (folder / name).write_bytes(image_bytes(seed, "PNG"))
    library.add(folder)
    matches = client.post("find", content=photo_of(2)).json()["matches"]
    assert matches[0]["verified"]
    for match in matches:
        assert match["image_name"] == (names[match["page"] - 1] if match["verified"] else None)


def test_an_empty_library_finds_nothing(client: httpx.Client) -> None:
    answer = client.post("find", content=photo_of(1)).json()
    assert (answer["status"], answer["matches"]) == ("not_found", [])


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"", 422, "The photo is empty."),
        (b"<html>", 422, "is not a photo that can be read"),
        (PHOTO.read_bytes()[:2000], 422, "is not a photo that can be read"),
        (b"%PDF-1.4", 422, "is a PDF, not a photo"),
        (png(60_000, 60_000), 413, "pixels"),
        (gif_bomb(), 413, "pixels"),
        (png(8, 8), 422, "too small"),
    ],
    ids=["empty", "html", "cut", "pdf", "png bomb", "gif bomb", "tiny"],
)
def test_a_bad_photo_is_one_sentence(client: httpx.Client, body: bytes, status: int, words: str) -> None:
    for answer in (
        client.post("find", content=body, headers={"Content-Type": "image/jpeg"}),
        client.post("find", files={"photo": ("p.jpg", body)}),
    ):
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
        problem = answer.json()
        assert words in problem["detail"]
        assert problem["status"] == status


def test_a_body_that_is_no_photo_is_refused(client: httpx.Client) -> None:
    assert client.post("find", json={"photo": "x"}).status_code == 415
    other = client.post("find", files={"image": ("p.jpg", b"x")})
    assert (other.status_code, other.json()["detail"]) == (
        400,
        "The multipart form has no file in the field 'photo'.",
    )
    twice = client.post("find", files=[("photo", ("1.jpg", b"x")), ("photo", ("2.jpg", b"x"))])
    assert twice.status_code == 400
    broken = {"Content-Type": "multipart/form-data; boundary=b"}
    assert client.post("find", content=b"rubbish", headers=broken).status_code == 400
    cut = b'--b\r\nContent-Disposition: form-data; name="photo"; filename="x"\r\n\r\nabc'
    assert "ends within" in client.post("find", content=cut, headers=broken).json()["detail"]
    unbounded = client.post("find", content=b"x", headers={"Content-Type": "multipart/form-data"})
    assert unbounded.json()["detail"] == "The multipart form names no boundary."


def test_too_many_bytes_are_refused_announced_or_not(library: Library) -> None:
    with running(library, photo_bytes=1000) as client:
        announced = client.post("find", content=bytes(3_000_000))
        assert (announced.status_code, announced.json()["detail"]) == (
            413,
            "The upload has 3 MB; at most 0 MB are taken.",
        )
        streamed = client.post("find", content=iter([bytes(900)] * 2000))
        assert streamed.status_code == 413
        assert client.get("health").status_code == 200


def test_a_full_queue_says_when_to_come_again_and_health_answers(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = held(monkeypatch)
    with running(library, finding=1, waiting=2) as client, ThreadPoolExecutor(3) as senders:
        sent = [senders.submit(client.post, "find", content=b"photo") for _ in range(3)]
        while client.get("health").json()["finding"] < 3:
            pass
        assert client.get("health").json()["waiting"] == 2
        refused = client.post("find", content=b"photo")
        assert refused.status_code == 503
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        assert refused.json()["type"] == "urn:whichpage:problem:overloaded"
        go.set()
        assert [one.result().status_code for one in sent] == [422, 422, 422]
        assert client.get("health").json() | {"version": ""} == {
            "status": "ok",
            "version": "",
            "finding": 0,
            "waiting": 0,
        }


def test_whoever_waits_too_long_is_told(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    go = held(monkeypatch)
    with running(library, finding=1, waiting=2, patience=0.2) as client, ThreadPoolExecutor(1) as senders:
        first = senders.submit(client.post, "find", content=b"photo")
        while client.get("health").json()["finding"] < 1:
            pass
        assert client.post("find", content=b"photo").status_code == 503
        go.set()
        assert first.result().status_code == 422


def test_a_sender_that_pauses_is_told(library: Library) -> None:
    with running(library, idle_seconds=0.3) as client:
        with socket.create_connection((client.base_url.host, client.base_url.port or 0)) as slow:
            head = b"POST /api/v1/find HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nabc"
            slow.sendall(head)
            answer = slow.recv(65536)
            assert answer.startswith(b"HTTP/1.1 408 ")
            assert json.loads(answer.partition(b"\r\n\r\n")[2] or slow.recv(65536))["status"] == 408
        assert client.get("health").json()["finding"] == 0
