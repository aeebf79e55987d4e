"""The door: who may ask, under which name, from which page; and the headers that every answer carries."""

from __future__ import annotations

import hmac
import ipaddress
import logging
import socket
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from whichpage.web.bodies import drain
from whichpage.web.options import ServeOptions
from whichpage.web.problems import ForeignOrigin, KeyMissing, UnknownHost, WebError, problem, problem_of
from whichpage.web.schema import BASE

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:;"
        " media-src 'self' blob:; font-src 'self'; connect-src 'self'; manifest-src 'self';"
        " worker-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
# Browsers show a PDF in a page of their own, whose scripts and styles this policy would stop.
_PDF_POLICY = "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

_log = logging.getLogger(__name__)

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
# As long as browsers keep one; each time the page is opened it begins anew.
_COOKIE_SECONDS = 400 * 24 * 3600
_PAGE = frozenset({"/", "/index.html"})
# Whoever watches the server need not know the key; it learns nothing about the books.
_OPEN = f"{BASE}/health"


class Guard:
    """Lets a request in, or says why not."""

    def __init__(self, app: ASGIApp, options: ServeOptions) -> None:
        self._app = app
        self._key = options.key.encode() if options.key else None
        self._names = {"localhost", *own_names(), options.host.lower(), *(n.lower() for n in options.names)}
        # Cookies are shared by all ports of a host; another server's must not push out this one's.
        self._cookie = f"whichpage-{options.port}"
        self._secure = "; Secure" if options.tls else ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        started = False
        renewed: str | None = None

        async def send_guarded(message: Message) -> None:
            nonlocal started
            started = True
            if message["type"] == "http.response.start":
                answer = MutableHeaders(scope=message)
                if renewed is not None:
                    answer["Set-Cookie"] = renewed
                    # A cache that several share would hand the key to all of them.
                    answer["Cache-Control"] = "private, no-cache"
                _protect(answer)
            await send(message)

        try:
            self._check_host(headers)
            self._check_origin(scope, headers)
            if redirect := self._let_in(scope):
                await redirect(scope, receive, send_guarded)
                return
            self._check_key(scope, headers)
            renewed = self._renewed(scope, headers)
        except WebError as error:
            await drain(receive)
            await problem_of(error)(scope, receive, send_guarded)
            return
        try:
            await self._app(scope, receive, send_guarded)
        except Exception:
            # Caught here: past the framework's own end, the connection would be closed without a word.
            _log.exception("%s %s", scope["method"], scope["path"])
            if started:
                raise
            await problem(500, "There was an unexpected error; the server's log says more.")(
                scope, receive, send_guarded
            )

    def _check_host(self, headers: Headers) -> None:
        """A page elsewhere whose name was made to lead here would be of the same origin as our own."""
        given = headers.get("host", "")
        try:
            host = (urlsplit(f"//{given}").hostname or "").rstrip(".")
        except ValueError:  # an open bracket, a sign that is none in a name
            host = given
        if host not in self._names and not _is_address(host):
            raise UnknownHost(
                f"this server is not called {host[:100]!r}; start it with `--name` if it should be"
            )

    def _check_origin(self, scope: Scope, headers: Headers) -> None:
        """Browsers send cookies along with what the pages of others ask for."""
        if scope["method"] in _SAFE:
            return
        origin = headers.get("origin")
        foreign = origin is not None and _host_of(origin) != headers.get("host")
        if foreign or headers.get("sec-fetch-site") in ("cross-site", "same-site"):
            raise ForeignOrigin("pages of other sites may change nothing here")

    def _let_in(self, scope: Scope) -> RedirectResponse | None:
        """The answer to the QR code's link: the key goes into a cookie, and out of the address."""
        if scope["method"] != "GET" or scope["path"].startswith("/api/") or not scope["query_string"]:
            return None
        query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        given = query.pop("key", None)
        if given is None:
            return None
        rest = urlencode(query, doseq=True)
        # One slash: two would name another host.
        path = "/" + scope["path"].lstrip("/")
        response = RedirectResponse(f"{path}?{rest}" if rest else path, 303, {"Cache-Control": "no-store"})
        if self._key is not None and self._knows(given[-1]):
            response.headers["Set-Cookie"] = self._cookie_with(given[-1])
        return response

    def _renewed(self, scope: Scope, headers: Headers) -> str | None:
        """The cookie anew for who opens the page with it: as long as the page is used, it does not end."""
        if self._key is None or scope["method"] != "GET" or scope["path"] not in _PAGE:
            return None
        given = self._from_cookie(headers)
        return self._cookie_with(given) if given is not None and self._knows(given) else None

    def _cookie_with(self, key: str) -> str:
        return (
            f"{self._cookie}={key}; Max-Age={_COOKIE_SECONDS}; Path=/; HttpOnly; SameSite=Lax{self._secure}"
        )

    def _check_key(self, scope: Scope, headers: Headers) -> None:
        """The page itself is no secret; without the key, it asks for the QR code to be scanned."""
        if self._key is None or not scope["path"].startswith("/api/") or scope["path"] == _OPEN:
            return
        scheme, _, token = headers.get("authorization", "").partition(" ")
        given = token.strip() if scheme.lower() == "bearer" else self._from_cookie(headers)
        if given is None or not self._knows(given):
            raise KeyMissing(
                "scan the QR code that `whichpage serve` shows, or send its key as a bearer token"
            )

    def _from_cookie(self, headers: Headers) -> str | None:
        try:
            cookies = SimpleCookie(headers.get("cookie", ""))
        except CookieError:
            return None
        return cookies[self._cookie].value if self._cookie in cookies else None

    def _knows(self, given: str) -> bool:
        return self._key is not None and hmac.compare_digest(given.encode(errors="replace"), self._key)


def own_names() -> set[str]:
    """The names under which this computer is known to itself and, by multicast DNS, to its neighbours."""
    name = socket.gethostname().lower()
    return {name, f"{name.partition('.')[0]}.local"} if name else set()


def _host_of(origin: str) -> str | None:
    """Host and port of an origin; None where it is no address."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None


def _is_address(host: str) -> bool:
    """Whether a host is a plain address: nobody can make that lead elsewhere."""
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def _protect(headers: MutableHeaders) -> None:
    for name, value in HEADERS.items():
        headers.setdefault(name, value)
    if headers.get("content-type") == "application/pdf":
        headers["Content-Security-Policy"] = _PDF_POLICY
    # What the API says is of now, unless it says otherwise itself.
    headers.setdefault("Cache-Control", "no-store")
