"""Who is let in, and what every answer carries."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from running import running

from whichpage.library import Library
from whichpage.web import kept
from whichpage.web.options import ServeOptions
from whichpage.web.server import Wishes, choose

pytest_plugins = ["api_fixtures"]

KEY = "0123456789abcdef"


@pytest.fixture
def locked(library: Library) -> Iterator[httpx.Client]:
    """A server that asks for `KEY`."""
    with running(library, key=KEY, names=("books.example",)) as client:
        yield client


def test_without_the_key_there_is_the_page_and_health_alone(locked: httpx.Client) -> None:
    refused = locked.get("books")
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"] == 'Bearer realm="whichpage"'
    assert refused.json()["type"] == "urn:whichpage:problem:key-missing"
    closed = (("POST", "find"), ("GET", "metrics"), ("GET", "openapi.json"), ("DELETE", "books/1"))
    for method, path in closed:
        assert locked.request(method, path).status_code == 401
    assert locked.get("health").status_code == 200
    assert locked.get(locked.base_url.join("/")).status_code == 200


def test_the_key_opens_as_a_token(locked: httpx.Client) -> None:
    for given, status in ((f"Bearer {KEY}", 200), (f"bearer  {KEY}", 200), ("Bearer x", 401), (KEY, 401)):
        assert locked.get("books", headers={"Authorization": given}).status_code == status
    assert locked.get("books", headers=[(b"Authorization", b"Bearer \xff")]).status_code == 401
    assert locked.get("books", params={"key": KEY}).status_code == 401


def test_the_link_of_the_qr_code_opens_for_good(locked: httpx.Client) -> None:
    came = locked.get(locked.base_url.join(f"/?key={KEY}&book=3"))
    assert (came.status_code, came.headers["location"]) == (303, "/?book=3")
    cookie = came.headers["set-cookie"]
    assert cookie.startswith(f"whichpage-{locked.base_url.port}={KEY}; ")
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(cookie.split("; "))
    assert locked.get("books").status_code == 200  # the client keeps it
    wrong = httpx.get(locked.base_url.join("/?key=wrong"))
    assert (wrong.status_code, wrong.headers["location"]) == (303, "/")
    assert "set-cookie" not in wrong.headers


def test_the_cookie_is_renewed_whenever_the_page_is_opened(locked: httpx.Client) -> None:
    page = str(locked.base_url.join("/"))
    assert "set-cookie" not in locked.get(page).headers
    came = locked.get(f"{page}?key={KEY}")
    assert "Max-Age=34560000" in came.headers["set-cookie"].split("; ")  # 400 days
    opened = locked.get(page)
    assert opened.headers["set-cookie"] == came.headers["set-cookie"]
    assert opened.headers["cache-control"] == "private, no-cache"
    known = locked.get(page, headers={"If-None-Match": opened.headers["etag"]})
    assert (known.status_code, known.headers["set-cookie"]) == (304, came.headers["set-cookie"])
    for other in ("/js/main.js", "/api/v1/books"):
        assert "set-cookie" not in locked.get(locked.base_url.join(other)).headers
    wrong = {"Cookie": f"whichpage-{locked.base_url.port}=wrong"}
    assert "set-cookie" not in httpx.get(page, headers=wrong).headers


def test_a_link_leads_nowhere_else(locked: httpx.Client) -> None:
    came = locked.get(f"{str(locked.base_url).removesuffix('/api/v1/')}//evil.example/?key={KEY}")
    assert came.headers["location"] == "/evil.example/"


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LOCALHOST:1234", 200),
        ("192.168.1.7:8765", 200),
        ("[::1]:8765", 200),
        ("books.example", 200),
        ("evil.example", 421),
        ("localhost.evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("", 421),
        ("[", 421),
        ("[::1", 421),
        ("[localhost]", 421),
        ("localhost\u2100", 421),
    ],
)
def test_other_names_are_not_this_server(locked: httpx.Client, host: str, status: int) -> None:
    answer = locked.get("health", headers=[(b"Host", host.encode())])
    assert answer.status_code == status
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_other_sites_change_nothing(client: httpx.Client) -> None:
    own = f"http://127.0.0.1:{client.base_url.port}"
    for headers, status in (
        ({"Origin": own}, 404),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://["}, 403),
        ({"Origin": "http://[::1"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 404),
        ({}, 404),
    ):
        assert client.delete("books/1", headers=headers).status_code == status, headers
    refused = client.post("books", content=bytes(2_000_000), headers={"Origin": "https://evil.example"})
    assert refused.status_code == 403
    assert client.get("books", headers={"Origin": "https://evil.example"}).status_code == 200


@pytest.mark.parametrize("path", ["/", "/api/v1/health", "/api/v1/nowhere", "/api/v1/books/x", "/missing.js"])
def test_every_answer_is_protected(client: httpx.Client, path: str) -> None:
    headers = client.get(client.base_url.join(path)).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "access-control-allow-origin" not in headers
    assert "cache-control" in headers
    assert "server" not in headers


def test_the_page_has_its_types(client: httpx.Client) -> None:
    for path, kind in (
        ("/", "text/html; charset=utf-8"),
        ("/index.html", "text/html; charset=utf-8"),
        ("/manifest.webmanifest", "application/manifest+json"),
        ("/sw.js", "text/javascript; charset=utf-8"),
    ):
        answer = client.get(client.base_url.join(path))
        assert (answer.status_code, answer.headers["content-type"]) == (200, kind), path
        assert answer.headers["cache-control"] == "no-cache"
        known = client.get(client.base_url.join(path), headers={"If-None-Match": answer.headers["etag"]})
        assert known.status_code == 304
    assert client.get(client.base_url.join("/sw.js")).headers["service-worker-allowed"] == "/"


def test_wrong_methods_and_paths_are_problems(client: httpx.Client) -> None:
    wrong = client.put("books")
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "GET, POST")
    for answer in (wrong, client.get("nowhere"), client.get("books/x")):
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == answer.status_code


def test_an_unexpected_error_tells_nothing(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: object) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr("whichpage.catalog.Catalog.books", fail)
    with running(library) as client:
        failed = client.get("books")
        assert failed.status_code == 500
        assert "secret" not in failed.text
        assert failed.headers["content-type"] == "application/problem+json"
        assert failed.headers["x-content-type-options"] == "nosniff"
        assert client.get("health").status_code == 200


def test_metrics_count_by_route(client: httpx.Client) -> None:
    client.get("books/7")
    client.get("books/8")
    client.get("nowhere")
    client.request("BREW", "nowhere")
    text = client.get("metrics").text
    assert 'whichpage_requests_total{method="GET",route="/books/{id}",status="404"} 2.0' in text
    assert 'whichpage_requests_total{method="other",route="other",status="405"} 1.0' in text
    assert 'whichpage_jobs{state="done"} 0.0' in text
    assert "whichpage_photos_in_progress 0.0" in text
    assert "process_resident_memory_bytes" in text


def test_a_key_is_needed_where_others_can_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "own_folder", lambda: tmp_path)

    def wishes(host: str | None, key: str | None = None, *names: str) -> Wishes:
        return Wishes(host=host, port=None, key=key, names=names, tls=False)

    def anew() -> Wishes:
        return Wishes(host=None, port=None, key=None, names=(), tls=False, new_key=True)

    assert choose(wishes("127.0.0.1")).key is None
    assert choose(wishes("::1")).key is None
    assert choose(wishes("localhost")).key is None
    assert choose(wishes("127.0.0.1", KEY)).key == KEY
    for own in ("localhost", "LOCALHOST.", "books.localhost", "127.0.0.2", "::1", "[::1]"):
        assert choose(wishes("127.0.0.1", None, own)).key is None, own
    # Who names it to others has a proxy in front, which asks from loopback for whoever asks it.
    for public in ("books.example", "192.168.1.7", "localhost.evil.example"):
        behind = choose(wishes("127.0.0.1", None, "localhost", public))
        assert len(behind.key or "") == 32, public
    everywhere = choose(wishes(None))
    assert (everywhere.host, everywhere.port) == (ServeOptions().host, ServeOptions().port)
    assert len(everywhere.key or "") == 32
    # Phones know it: it outlasts the server, until another is asked for.
    assert choose(wishes(None)).key == everywhere.key
    other = choose(anew()).key
    assert other != everywhere.key
    assert choose(wishes(None)).key == other
    assert choose(wishes(None, KEY)).key == KEY


@pytest.mark.skipif(os.name != "posix", reason="permissions")
def test_the_key_is_kept_for_its_owner_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    key = kept.access_key(folder=tmp_path / "data")
    path = tmp_path / "data" / "access-key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert kept.access_key(folder=tmp_path / "data") == key
    path.chmod(0o644)  # others may have read it
    other = kept.access_key(folder=tmp_path / "data")
    assert other != key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.write_text("no key")
    assert kept.access_key(folder=tmp_path / "data") not in (key, other)
    # Where nothing can be kept, there is one for this start.
    (tmp_path / "file").write_text("")
    assert len(kept.access_key(folder=tmp_path / "file")) == 32
    assert "the access key holds for this start alone" in caplog.text
