"""Counts and logs each request: its path without the query, in which the key may stand."""

from __future__ import annotations

import logging
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from whichpage.terminal import printable

_log = logging.getLogger(__name__)


class Observe:
    """Tells the metrics and the log what became of each request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        status = 500

        async def send_noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_noted)
        finally:
            seconds = time.perf_counter() - began
            # The route's pattern: a label a book would be a label too many.
            route = getattr(scope.get("route"), "path", "other")
            metrics = scope["app"].state.service.metrics
            metrics.requests.labels(route, _method(scope["method"]), status).inc()
            metrics.seconds.labels(route).observe(seconds)
            path = printable(scope["path"])
            _log.info("%s %s %d %.3f s", printable(scope["method"]), path, status, seconds)


def _method(method: str) -> str:
    """The method, if it is a known one: anybody can make up others without end."""
    return method if method in ("GET", "HEAD", "POST", "DELETE", "OPTIONS", "PUT", "PATCH") else "other"
