"""Books, their pages as pictures and text, and their files."""

from __future__ import annotations

import io
import os
import socket
from pathlib import Path

import httpx
import pytest
from books import TINY_MODEL, make_archive, make_pdf, pdf_bytes
from PIL import Image
from running import DEMO, running

from whichpage.library import Library
from whichpage.pool import Pool
from whichpage.tasks import Task

pytest_plugins = ["api_fixtures"]


def size(answer: httpx.Response) -> tuple[int, int]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "image/jpeg"
    with Image.open(io.BytesIO(answer.content)) as image:
        assert image.format == "JPEG"
        return image.size


def test_books_are_listed_and_looked_at(demo: httpx.Client, demo_library: Library) -> None:
    books = demo.get("books").json()["books"]
    assert [(one["id"], one["path"], one["pages"]) for one in books] == [
        (book.id, str(book.path), book.pages) for book in demo_library.books()
    ]
    for one in books:
        assert (one["state"], one["error"]) == ("complete", None)
        assert demo.get(f"books/{one['id']}").json() == one
        assert one["file"] == f"/api/v1/books/{one['id']}/file"
    assert demo.get("books", params={"count": 1}).json()["books"] == books[:1]
    assert demo.get("books", params={"count": 0}).status_code == 422
    missing = demo.get("books/999")
    assert missing.headers["content-type"] == "application/problem+json"
    assert missing.json() == {
        "type": "urn:whichpage:problem:book-not-found",
        "title": "Not Found",
        "status": 404,
        "detail": "The library has no book 999.",
    }
    assert demo.get("books/99999999999999999999999").status_code == 422


def test_pages_come_in_portions(library: Library, tmp_path: Path) -> None:
    library.add(make_pdf(tmp_path / "a.pdf", 5, blank=[4]))
    (book,) = library.books()
    with running(library) as client:
        pages = client.get(f"books/{book.id}/pages", params={"first": 2, "count": 3}).json()
        assert [(one["page"], one["blank"]) for one in pages["pages"]] == [(2, False), (3, False), (4, True)]
        assert pages["next"] == 5
        rest = client.get(f"books/{book.id}/pages", params={"first": 5}).json()
        assert ([one["page"] for one in rest["pages"]], rest["next"]) == ([5], None)
        assert client.get(f"books/{book.id}/pages", params={"count": 1001}).status_code == 422
        assert client.get("books/77/pages").status_code == 404


def test_a_page_is_as_wide_as_asked(demo: httpx.Client) -> None:
    for width in (100, 1000):
        wide, high = size(demo.get("books/1/pages/2/image", params={"width": width}))
        assert wide == width
        assert 1.3 < high / wide < 1.5
    assert size(demo.get("books/1/cover"))[0] == 240
    for wrong in (15, 2401, "x"):
        assert demo.get("books/1/pages/2/image", params={"width": wrong}).status_code == 422
    assert demo.get("books/1/pages/7/image").json()["type"] == "urn:whichpage:problem:page-not-found"
    assert demo.get("books/1/pages/0/image").status_code == 422


def test_a_picture_is_asked_for_once(demo: httpx.Client) -> None:
    first = demo.get("books/1/pages/1/image")
    again = demo.get("books/1/pages/1/image", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = demo.get("books/1/pages/1/image?width=99", headers={"If-None-Match": first.headers["etag"]})
    assert other.status_code == 200


def test_no_picture_of_another_library_is_shown(tmp_path: Path) -> None:
    """Two libraries, one after the other at one address: each has a book 1."""
    pictures: list[httpx.Response] = []
    for name in ("a", "b"):
        with Library.open(tmp_path / name, model=TINY_MODEL, create=True) as library:
            library.add(make_pdf(tmp_path / f"{name}.pdf", 1))
            with running(library) as client:
                asked = {"If-None-Match": pictures[-1].headers["etag"]} if pictures else {}
                pictures.append(client.get("books/1/cover", headers=asked))
    assert [one.status_code for one in pictures] == [200, 200]
    assert {one.headers["cache-control"] for one in pictures} == {"private, no-cache"}


def test_text_is_that_of_the_page(demo: httpx.Client, demo_library: Library, tmp_path: Path) -> None:
    (math,) = [book for book in demo_library.books() if book.path.name == "testmath.pdf"]
    text = demo.get(f"books/{math.id}/pages/1/text").json()["text"]
    assert "Sample Paper for the amsmath Package" in text
    assert "\r" not in text
    (kanbun,) = [book for book in demo_library.books() if book.path.name == "kanbun-ja.pdf"]
    assert "漢文" in demo.get(f"books/{kanbun.id}/pages/1/text").json()["text"]
    assert demo.get(f"books/{math.id}/pages/999/text").status_code == 404


def test_a_book_of_images_has_pictures_alone(library: Library, tmp_path: Path) -> None:
    library.add(make_archive(tmp_path / "a.cbz", ["1.jpg", "2.jpg"]))
    with running(library) as client:
        (book,) = client.get("books").json()["books"]
        assert book["file"] is None
        assert size(client.get(f"books/{book['id']}/pages/2/image"))[0] == 420  # never enlarged
        assert client.get(f"books/{book['id']}/pages/2/text").json() == {"text": None}
        assert client.get(f"books/{book['id']}/file").status_code == 404


def test_the_file_is_served_in_parts(demo: httpx.Client) -> None:
    whole = (DEMO / "library" / "kanbun-ja.pdf").read_bytes()
    answer = demo.get("books/1/file")
    # Bytes are compared as a bool: pytest would explain a difference of half a megabyte for hours.
    same = answer.content == whole
    assert same
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.headers["content-disposition"] == 'inline; filename="kanbun-ja.pdf"'
    assert "default-src" not in answer.headers["content-security-policy"]
    part = demo.get("books/1/file", headers={"Range": "bytes=100-199"})
    assert (part.status_code, part.content) == (206, whole[100:200])
    beyond = demo.get("books/1/file", headers={"Range": f"bytes={len(whole)}-"})
    assert beyond.status_code == 416


def test_a_changed_file_is_not_served(library: Library, tmp_path: Path) -> None:
    path = make_pdf(tmp_path / "a.pdf", 2, blank=[1])
    library.add(path)
    (book,) = library.books()
    with running(library) as client:
        assert client.get(f"books/{book.id}/file").status_code == 200
        make_pdf(path, 3, seed=5)
        for what in ("file", "pages/1/text"):
            refused = client.get(f"books/{book.id}/{what}")
            assert (refused.status_code, refused.json()["type"]) == (
                409,
                "urn:whichpage:problem:file-changed",
            )
        path.unlink()
        assert client.get("books").json()["books"][0]["error"] == "The file does not exist."
        # What was indexed can still be seen, small and grey.
        assert size(client.get(f"books/{book.id}/pages/2/image")) == (337, 478)
        # Nothing is kept of a blank page.
        blank = client.get(f"books/{book.id}/pages/1/image")
        assert (blank.status_code, blank.json()["type"]) == (409, "urn:whichpage:problem:file-changed")


def test_books_of_one_title_are_told_apart_by_their_files(library: Library, tmp_path: Path) -> None:
    for number, name in enumerate(("one.pdf", "two.pdf")):
        path = tmp_path / name
        path.write_bytes(pdf_bytes(1, seed=number, title="book.html"))
        library.add(path)
    with running(library) as client:
        books = client.get("books").json()["books"]
        assert [(one["title"], one["name"]) for one in books] == [
            ("book.html", "one.pdf"),
            ("book.html", "two.pdf"),
        ]


def test_books_of_one_file_name_are_told_apart_by_their_folders(library: Library, tmp_path: Path) -> None:
    places = ["saga/1/scan.pdf", "saga/2/scan.pdf", "other/2/scan.pdf", "other/notes.pdf", "copy/notes.pdf"]
    for number, place in enumerate(places):
        path = tmp_path / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pdf_bytes(1, seed=min(number, 3)))
        library.add(path)
    names = {"1/scan.pdf", "saga/2/scan.pdf", "other/2/scan.pdf", "notes.pdf"}
    with running(library) as client:
        books = client.get("books").json()["books"]
        assert {book["name"] for book in books} == names
        for book in books:
            assert book["path"].endswith(book["name"])
            assert client.get(f"books/{book['id']}").json()["name"] == book["name"]
            assert client.get(f"books/{book['id']}/pages").json()["book"]["name"] == book["name"]


def test_what_became_of_a_books_files_is_told(library: Library, tmp_path: Path) -> None:
    path, copy = make_pdf(tmp_path / "a.pdf", 2), tmp_path / "b.pdf"
    copy.write_bytes(path.read_bytes())
    library.add(path)
    library.add(copy)
    with running(library) as client:

        def told() -> tuple[bool, str | None, str | None]:
            (book,) = client.get("books").json()["books"]
            assert client.get(f"books/{book['id']}").json() == book
            short = client.get(f"books/{book['id']}/pages").json()["book"]
            assert short == {key: book[key] for key in short}
            return book["missing"], book["problem"], book["error"]

        assert told() == (False, None, None)
        path.unlink()
        assert told() == (False, None, None)  # the copy does
        make_pdf(copy, 3, seed=5)
        assert told() == (False, "changed", "The file may have changed since it was indexed.")
        copy.unlink()
        assert told() == (True, "missing", "The file does not exist.")


def test_removing_leaves_the_users_files_alone(library: Library, tmp_path: Path) -> None:
    path = make_pdf(tmp_path / "a.pdf", 2)
    library.add(path)
    (book,) = library.books()
    with running(library) as client:
        assert client.get("books").json()["books"][0]["uploaded"] is False
        gone = client.delete(f"books/{book.id}")
        assert (gone.status_code, gone.content) == (204, b"")
        assert path.exists()
        assert client.get("books").json() == {"books": []}
        assert client.delete(f"books/{book.id}").status_code == 404


@pytest.mark.skipif(os.name != "posix", reason="names of any bytes")
def test_a_name_of_any_bytes_is_served(library: Library, tmp_path: Path) -> None:
    library.add(make_pdf(tmp_path / os.fsdecode(b"\xff\xfe.pdf"), 1))
    with running(library) as client:
        (book,) = client.get("books").json()["books"]
        assert (book["title"], book["name"]) == ("\ufffd\ufffd", "\ufffd\ufffd.pdf")
        assert client.get(f"books/{book['id']}/file").status_code == 200


def test_a_page_that_crashes_its_reader_is_a_problem_and_the_next_is_shown(
    demo: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    give = Pool.give

    def give_and_kill(pool: Pool, task: Task) -> None:
        give(pool, task)
        pool._busy[-1]._child.kill()

    monkeypatch.setattr(Pool, "give", give_and_kill)
    broken = demo.get("books/1/pages/3/image?width=333")
    assert (broken.status_code, broken.json()["detail"]) == (
        422,
        "The book crashes the program that reads it.",
    )
    monkeypatch.undo()
    assert size(demo.get("books/1/pages/3/image?width=334"))[0] == 334


@pytest.mark.parametrize(
    "path",
    [
        "/../pyproject.toml",
        "/%2e%2e/app.py",
        "/..%2fapp.py",
        "/js/..%2f..%2fapp.py",
        "//etc/passwd",
        "/%00",
        "/api/v1/books/..%2f..%2fetc/file",
        "/api/v1/../../app.py",
        "/__pycache__/x.pyc",
        "/.git/config",
    ],
)
def test_nothing_else_can_be_reached(demo: httpx.Client, path: str) -> None:
    with socket.create_connection((demo.base_url.host, demo.base_url.port or 0)) as raw:
        raw.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: raw.recv(65536), b""))
    assert answer.split()[1] in (b"400", b"404", b"422"), answer
