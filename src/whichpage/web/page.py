"""The page for the phone: the files of `static`, served from the server's root."""

from __future__ import annotations

from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

STATIC = Path(__file__).parent / "static"

# Not left to the system, whose tables differ, and which a program on Windows may change.
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".ico": "image/vnd.microsoft.icon",
    ".woff2": "font/woff2",
}


class PhonePage(StaticFiles):
    """Static files with types of our own, revalidated at each use so that an update is seen at once."""

    def __init__(self) -> None:
        super().__init__(directory=STATIC, html=True)

    async def get_response(self, path: str, scope: Scope) -> Response:
        # Hidden files, and Python's own, are no part of the page.
        if any(part.startswith((".", "__")) for part in Path(path).parts):
            raise HTTPException(404)
        response = await super().get_response(path, scope)
        kind = _TYPES.get(Path(path).suffix.lower() or ".html")
        if kind is not None and response.status_code in (200, 206):
            response.headers["content-type"] = kind
        response.headers["cache-control"] = "no-cache"
        # The service worker looks after the whole page, wherever its file lies.
        response.headers["service-worker-allowed"] = "/"
        return response
