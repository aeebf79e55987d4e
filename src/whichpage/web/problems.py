"""What goes wrong over HTTP: whichpage's own errors as problem details (RFC 9457)."""

from __future__ import annotations

import http
import logging
import re
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response
from starlette.routing import Match

from whichpage.errors import SourceError, WhichpageError

MEDIA_TYPE = "application/problem+json"

_OF_PAGES = re.compile(r"(no )?page |[\d,]+ of [\d,]+ pages ")

_log = logging.getLogger(__name__)


class WebError(WhichpageError):
    """Base of the errors that only a server has."""

    http_status = 400
    headers: Mapping[str, str] = {}


class BadUpload(WebError):
    """A body that is no upload as the API describes it."""


class KeyMissing(WebError):
    """A request without the access key, or with a wrong one."""

    http_status = 401
    headers: Mapping[str, str] = {"WWW-Authenticate": 'Bearer realm="whichpage"'}


class ForeignOrigin(WebError):
    """A page of another site asks for a change."""

    http_status = 403


class NotFound(WebError):
    """What is asked for is not there."""

    http_status = 404


class TooSlow(WebError):
    """The sender paused for too long."""

    http_status = 408


class FileChanged(WebError):
    """A book's file is gone, or no longer what was indexed."""

    http_status = 409


class TooLarge(WebError):
    """An upload has more bytes than are taken."""

    http_status = 413


class UnsupportedMedia(WebError):
    """A body of a kind that the route does not read."""

    http_status = 415


class UnknownHost(WebError):
    """Asked under a name that is not this server's, as by a page that rebinds its name to our address."""

    http_status = 421


class Overloaded(WebError):
    """More requests than can wait."""

    http_status = 503

    def __init__(self, message: str, *, retry_after: int) -> None:
        super().__init__(message)
        self.headers = {"Retry-After": str(retry_after)}


def problem(
    status: int,
    detail: str,
    *,
    kind: str | None = None,
    headers: Mapping[str, str] | None = None,
    errors: Sequence[Mapping[str, str]] = (),
) -> JSONResponse:
    """A problem as a response.

    kind: what a program can tell it by, "book-not-found"; None where the status says it all.
    errors: what is wrong with which part of the request.
    """
    body: dict[str, Any] = {
        "type": f"urn:whichpage:problem:{kind}" if kind else "about:blank",
        "title": http.HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    if errors:
        body["errors"] = list(errors)
    return JSONResponse(body, status, dict(headers or {}), MEDIA_TYPE)


def problem_of(error: WhichpageError) -> JSONResponse:
    """One of whichpage's errors as a response."""
    # The reason alone: the path of a book on this computer says nothing to who has sent it.
    detail = book_sentence(error.reason) if isinstance(error, SourceError) else sentence(str(error))
    headers = error.headers if isinstance(error, WebError) else None
    return problem(error.http_status, detail, kind=_kind(type(error)), headers=headers)


def sentence(text: str) -> str:
    """A message of an error as a whole sentence, for those who read it after another one."""
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?", "…")) else ".")


def book_sentence(reason: str) -> str:
    """Why a book, or a page of it, cannot be read, as a whole sentence."""
    # Reasons are what the book does ("is encrypted"), or say themselves of which pages they are.
    return sentence(reason if _OF_PAGES.match(reason) else f"the book {reason}")


def install(app: FastAPI) -> None:
    """Makes an app answer every error as a problem."""

    @app.exception_handler(WhichpageError)
    async def known(request: Request, error: WhichpageError) -> Response:
        if error.http_status >= 500 and not isinstance(error, WebError):
            _log.error("%s %s: %s", request.method, request.url.path, error)
        return problem_of(error)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        found = [
            {"where": ".".join(str(part) for part in one["loc"]), "what": str(one["msg"])}
            for one in error.errors()
        ]
        detail = "; ".join(f"{one['where']}: {one['what']}" for one in found)
        return problem(422, detail, kind="invalid-request", errors=found)

    @app.exception_handler(HTTPException)
    async def plain(request: Request, error: HTTPException) -> Response:
        headers = dict(error.headers or {})
        if error.status_code == 405:
            headers["Allow"] = _allowed(request)
        return problem(error.status_code, error.detail, headers=headers)

    @app.exception_handler(ClientDisconnect)
    async def gone(request: Request, error: ClientDisconnect) -> Response:
        # Nobody reads it; the status is for the log and the metrics.
        return problem(400, "the sender has gone")


def _allowed(request: Request) -> str:
    """The methods of all routes of a path; the framework names those of the first one."""
    path, methods = request.url.path, set[str]()
    for method in ("GET", "HEAD", "POST", "DELETE"):
        scope = {**request.scope, "method": method, "path": path}
        if any(one.matches(scope)[0] is Match.FULL for one in request.app.routes):
            methods.add(method)
    return ", ".join(sorted(methods or {"GET", "HEAD"}))


def _kind(error: type[WhichpageError]) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", error.__name__).lower()
