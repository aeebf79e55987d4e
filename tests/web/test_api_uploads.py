"""Books by upload: from the form to the library, and every bad one told why."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, BinaryIO

import fuzz
import httpx
import pytest
from books import TINY_MODEL, image_bytes, make_archive, make_pdf, pdf_bytes
from running import ended, running, upload

from whichpage.errors import LibraryError
from whichpage.indexing import AddProgress, AddReport
from whichpage.library import Library
from whichpage.web import jobs
from whichpage.web.uploads import Uploads, safe_name

pytest_plugins = ["api_fixtures"]


def uploads_of(library: Library) -> list[str]:
    folder = library.info().path / "uploads"
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_an_upload_becomes_a_book(client: httpx.Client, library: Library) -> None:
    taken = upload(client, "Ein Buch.pdf", pdf_bytes(40))
    assert taken.status_code == 202
    job = taken.json()
    events = []
    with client.stream("GET", client.base_url.join(job["events"])) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        events = [json.loads(line[6:]) for line in stream.iter_lines() if line.startswith("data: ")]
    assert {event["id"] for event in events} == {job["id"]}
    assert [event["pages_done"] for event in events] == sorted(event["pages_done"] for event in events)
    last = events[-1]
    (book,) = library.books()
    assert last | {"events": ""} == {
        "id": job["id"],
        "name": "Ein Buch.pdf",
        "state": "done",
        "pages_done": 40,
        "pages_total": 40,
        "seconds_left": 0.0,
        "error": None,
        "book": book.id,
        "known": False,
        "events": "",
    }
    assert (book.path.name, book.pages, uploads_of(library)) == ("Ein Buch.pdf", 40, ["Ein Buch.pdf"])
    assert client.get("jobs").json()["jobs"] == [last]
    assert client.get(f"jobs/{'0' * 16}").status_code == 404
    assert client.get(f"jobs/{'0' * 16}/events").status_code == 404

    again = upload(client, "other.pdf", pdf_bytes(40)).json()
    assert (again["state"], again["book"], again["known"]) == ("done", book.id, True)
    assert uploads_of(library) == ["Ein Buch.pdf"]

    (listed,) = client.get("books").json()["books"]
    assert listed["uploaded"] is True
    assert client.get(f"books/{book.id}").json() == listed
    assert client.delete(f"books/{book.id}").status_code == 204
    assert uploads_of(library) == []


def test_a_copy_is_kept_where_the_known_file_has_changed_since(
    client: httpx.Client, library: Library, tmp_path: Path
) -> None:
    path = make_pdf(tmp_path / "own.pdf", 2)
    data = path.read_bytes()
    library.add(path)
    (book,) = library.books()
    assert upload(client, "a.pdf", data).json()["state"] == "done"
    assert uploads_of(library) == []
    make_pdf(path, 3, seed=5)
    job = ended(client, upload(client, "a.pdf", data).json())
    # It is a copy only to the library: what the reader sent is known all the same.
    assert (job["state"], job["book"], job["known"]) == ("done", book.id, True)
    assert uploads_of(library) == ["a.pdf"]
    served = client.get(f"books/{book.id}/file").content == data
    assert served


def test_of_two_uploads_of_one_content_the_second_is_known(
    client: httpx.Client, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both are taken on before either is indexed."""
    go, add = threading.Event(), Library.add

    def later(self: Library, path: Path, **more: Any) -> AddReport:
        go.wait(60)
        return add(self, path, **more)

    monkeypatch.setattr(Library, "add", later)
    sent = [upload(client, name, pdf_bytes(2)).json() for name in ("a.pdf", "b.pdf")]
    go.set()
    assert [ended(client, job)["known"] for job in sent] == [False, True]


def test_names_do_not_replace_each_other(client: httpx.Client, library: Library) -> None:
    for seed in range(3):
        job = upload(client, "../../a.pdf", pdf_bytes(1, seed=seed)).json()
        assert ended(client, job)["state"] == "done"
    assert uploads_of(library) == ["a 2.pdf", "a 3.pdf", "a.pdf"]
    job = upload(client, "comic", make_archive(library.info().path / "x" / "c.cbz", ["1.jpg"]).read_bytes())
    assert ended(client, job.json())["state"] == "done"
    assert "comic.cbz" in uploads_of(library)


def test_older_pages_get_their_local_features_after_an_upload_and_are_not_counted_in_it(
    client: httpx.Client, library: Library
) -> None:
    assert ended(client, upload(client, "a.pdf", pdf_bytes(3)).json())["pages_total"] == 3
    with library.catalog.database.transaction() as connection:
        connection.execute("DELETE FROM feature")
        connection.execute("DELETE FROM meta WHERE key = 'described'")
    job = ended(client, upload(client, "b.pdf", pdf_bytes(1, seed=9)).json())
    assert (job["state"], job["pages_done"], job["pages_total"]) == ("done", 1, 1)
    assert library.info().featureless == 0


def held(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Makes indexing wait for the event, and then fail."""
    go = threading.Event()

    def slow(self: Library, path: Path, **_: object) -> AddReport:
        go.wait(60)
        raise LibraryError("no more room")

    monkeypatch.setattr(Library, "add", slow)
    return go


def bad_books() -> dict[str, tuple[bytes, int, str]]:
    """Bytes of a bad upload, the status and words of its answer."""
    hostile = dict(fuzz._hostile(random.Random(1)))
    return {
        "empty.pdf": (b"", 422, "The book is empty."),
        "page.pdf": (b"<html><body>", 415, "is no PDF, CBZ or ZIP"),
        "photo.pdf": (image_bytes(1), 415, "is no PDF, CBZ or ZIP"),
        "notes.txt": (b"words", 415, "is no PDF, CBZ or ZIP"),
        "locked.pdf": (hostile["locked.pdf"], 422, "The book is encrypted."),
        "cut.pdf": (pdf_bytes(3)[:60], 422, "The book is damaged"),
        "no pages.pdf": (hostile["no pages.pdf"], 422, "The book has no pages."),
        "cut.cbz": (hostile["same name.cbz"][:90], 422, "The book is a damaged archive."),
        "texts.zip": (fuzz._zip({"a.txt": b"a"}), 422, "The book holds no images."),
        "zip bomb.cbz": (hostile["zip bomb.cbz"], 422, "unpacks to more than 128 MB"),
        "pixels.cbz": (fuzz._zip({"1.png": hostile["pixels.png"]}), 422, "too many pixels"),
        "rubbish.cbz": (
            fuzz._zip({"1.jpg": b"rubbish", "2.jpg": b"more"}),
            422,
            "Page 2 (2.jpg) is damaged, or no image",
        ),
    }


@pytest.mark.parametrize("name", sorted(bad_books()))
def test_a_bad_book_is_one_sentence(client: httpx.Client, library: Library, name: str) -> None:
    data, status, words = bad_books()[name]
    refused = upload(client, name, data)
    assert refused.status_code == status, refused.text
    problem = refused.json()
    assert words in problem["detail"]
    assert str(library.info().path) not in refused.text
    assert (uploads_of(library), library.books()) == ([], [])
    assert client.get("jobs").json() == {"jobs": []}


def test_a_book_that_fails_later_says_why(client: httpx.Client, library: Library) -> None:
    pages = {f"{number}.jpg": b"rubbish" for number in range(5)}
    job = ended(client, upload(client, "a.cbz", fuzz._zip(pages)).json())
    assert (job["state"], job["book"]) == ("failed", None)
    assert job["error"] == ("No page can be read; page 1 (0.jpg) is damaged, or no image that can be read.")
    assert uploads_of(library) == []


def test_unreadable_pages_are_told(client: httpx.Client) -> None:
    pages = {"1.jpg": image_bytes(1), "2.jpg": b"rubbish", "3.jpg": image_bytes(3)}
    job = ended(client, upload(client, "a.cbz", fuzz._zip(pages)).json())
    assert job["state"] == "done"
    assert job["error"].startswith("1 of 3 pages cannot be read; page 2 (2.jpg)")
    assert client.get(f"books/{job['book']}").json()["error"] == "1 of 3 pages cannot be read."
    listed = client.get(f"books/{job['book']}/pages").json()["pages"]
    assert [page["error"] is None for page in listed] == [True, False, True]


def test_forms_that_are_none(client: httpx.Client, library: Library) -> None:
    assert client.post("books", content=pdf_bytes(1)).status_code == 415
    assert client.post("books", files={"book": ("a.pdf", pdf_bytes(1))}).status_code == 400
    assert uploads_of(library) == []


def test_a_book_that_is_too_large(library: Library) -> None:
    with running(library, book_bytes=100_000) as client:
        assert upload(client, "a.pdf", bytes(300_000)).status_code == 413
        assert uploads_of(library) == []
        assert upload(client, "a.pdf", pdf_bytes(2)).status_code == 202


def test_what_was_interrupted_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "library" / "uploads"
    with Library.open(tmp_path / "library", model=TINY_MODEL, create=True) as library:
        make_pdf(folder / "done.pdf", 1)
        library.add(folder / "done.pdf")
        make_pdf(folder / "waiting.pdf", 2, seed=3)
        # Of a server that no longer runs, which had not come to note that the first one is done.
        for name in ("done.pdf", "waiting.pdf", "gone.pdf"):
            (folder / f".{name}.adding").write_text("0123")
        (folder / ".0123-4567.part").write_bytes(b"half")
        with running(library) as client:
            (job,) = client.get("jobs").json()["jobs"]
            assert (job["name"], ended(client, job)["state"]) == ("waiting.pdf", "done")
        assert uploads_of(library) == ["done.pdf", "waiting.pdf"]


def endless_add() -> tuple[Callable[..., AddReport], threading.Event]:
    """An add that goes on until it is stopped, and what is set once it has begun."""
    entered = threading.Event()

    def endless(self: Library, path: Path, *, workers: int, progress: Any) -> AddReport:
        entered.set()
        while True:
            progress(AddProgress(1, 2, 0.0, None, path))
            time.sleep(0.01)

    return endless, entered


def test_an_upload_is_asked_for_by_the_same_id_after_a_new_start(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    endless, entered = endless_add()
    with monkeypatch.context() as held_up:
        held_up.setattr(Library, "add", endless)
        with running(library) as client:
            job = upload(client, "a.pdf", pdf_bytes(2)).json()
            assert entered.wait(60)
    with running(library) as client:
        assert ended(client, job)["state"] == "done"
    # Of what is done the next server knows nothing.
    with running(library) as client:
        assert client.get(f"jobs/{job['id']}").status_code == 404


def test_what_was_removed_does_not_come_back(library: Library) -> None:
    with running(library) as client:
        assert ended(client, upload(client, "a.pdf", pdf_bytes(1)).json())["state"] == "done"
    library.remove("a.pdf")  # as `whichpage remove` does: its files are left alone
    with running(library) as client:
        assert client.get("jobs").json() == {"jobs": []}
        assert client.get("books").json() == {"books": []}
    assert uploads_of(library) == ["a.pdf"]


def test_however_much_was_interrupted_it_starts(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "_OPEN", 2)
    folder = library.info().path / "uploads"
    for number in range(4):
        make_pdf(folder / f"{number}.pdf", 1, seed=number)
        (folder / f".{number}.pdf.adding").write_text("0123")
    with running(library) as client:
        waiting = client.get("jobs").json()["jobs"]
        assert [ended(client, job)["state"] for job in waiting] == ["done"] * 4


def test_servers_leave_each_other_what_they_are_at(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    go = held(monkeypatch)
    with running(library) as first:
        job = upload(first, "a.pdf", pdf_bytes(1)).json()
        receiving = Uploads(library.catalog.database, most=10)
        receiving.begin()
        with receiving.receive() as (_, part), running(library) as second:
            assert part.exists()
            assert second.get("jobs").json() == {"jobs": []}
        receiving.end()
        go.set()
        assert ended(first, job)["state"] == "failed"


def test_more_than_can_wait_are_told_when_to_come_again_before_they_are_received(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "_OPEN", 2)
    go = held(monkeypatch)
    received: list[Path] = []
    receive = Uploads.receive

    def note(self: Uploads) -> AbstractContextManager[tuple[BinaryIO, Path]]:
        received.append(self.folder)
        return receive(self)

    monkeypatch.setattr(Uploads, "receive", note)
    with running(library) as client:
        taken = [upload(client, f"{seed}.pdf", pdf_bytes(1, seed=seed)) for seed in range(2)]
        assert [one.status_code for one in taken] == [202, 202]
        refused = upload(client, "3.pdf", bytes(3_000_000))
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "30")
        assert refused.json()["detail"] == "Too many books are waiting to be indexed."
        assert len(received) == 2
        go.set()
        assert [ended(client, one.json())["state"] for one in taken] == ["failed", "failed"]
        assert upload(client, "3.pdf", pdf_bytes(1, seed=3)).status_code == 202


def test_of_what_fails_nothing_is_left(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    go = held(monkeypatch)
    go.set()
    with running(library) as client:
        job = ended(client, upload(client, "a.pdf", pdf_bytes(1)).json())
        assert (job["state"], job["error"]) == ("failed", "No more room.")
        assert uploads_of(library) == []


def test_stopping_does_not_wait_for_a_long_book(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    endless, entered = endless_add()
    monkeypatch.setattr(Library, "add", endless)
    with running(library) as client:
        job = upload(client, "a.pdf", pdf_bytes(2)).json()
        assert entered.wait(60)
        with client.stream("GET", client.base_url.join(job["events"])) as stream:
            assert next(stream.iter_lines()).startswith("data: ")
        began = time.monotonic()
    assert time.monotonic() - began < 15
    # It is there to be gone on with.
    assert uploads_of(library) == [".a.pdf.adding", "a.pdf"]


@pytest.mark.parametrize(
    ("given", "safe"),
    [
        ("a.pdf", "a.pdf"),
        ("../../etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("C:\\x.cbz", "x.cbz"),
        (".hidden.pdf", "hidden.pdf"),
        ("a\n\x1b[31m\u202e.pdf", "a__[31m_.pdf"),
        ("con.pdf", "con_.pdf"),
        ("本.pdf", "本.pdf"),
        ("", "book"),
        ("...", "book"),
        (".pdf", "pdf"),
        ("x" * 300 + ".pdf", "x" * 180 + ".pdf"),
        ("本" * 100 + ".pdf", "本" * 60 + ".pdf"),
        ("\udcff.pdf", "_.pdf"),
    ],
)
def test_safe_names(given: str, safe: str) -> None:
    assert safe_name(given) == safe


def test_only_uploads_are_removed(library: Library, tmp_path: Path) -> None:
    uploads = Uploads(library.catalog.database, most=10)
    mine = make_pdf(uploads.folder / "a.pdf", 1)
    other = make_pdf(tmp_path / "b.pdf", 1)
    uploads.remove(mine)
    uploads.remove(other)
    assert (mine.exists(), other.exists()) == (False, True)
