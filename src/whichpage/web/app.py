"""The application: routes, the page, and the doors that every request goes through."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from whichpage import __version__
from whichpage.library import Library
from whichpage.web import problems
from whichpage.web.api import books, find, pages, status, uploads
from whichpage.web.guard import Guard
from whichpage.web.observe import Observe
from whichpage.web.options import ServeOptions
from whichpage.web.page import PhonePage
from whichpage.web.schema import BASE, ProblemOut
from whichpage.web.service import Service

_DESCRIPTION = "Says which page of the user's own books a photo shows. Errors are problem details (RFC 9457)."


def create_app(library: Library, options: ServeOptions, closing: threading.Event | None = None) -> FastAPI:
    """An application over an open library, which stays the caller's to close.

    closing: set by who runs it when it is to end, for answers that would otherwise go on.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.service = service = Service(library, options, closing or threading.Event())
        try:
            await service.start()
            yield
        finally:
            await service.close()

    app = FastAPI(
        title="whichpage",
        version=__version__,
        description=_DESCRIPTION,
        openapi_url=f"{BASE}/openapi.json",
        # Their pages load scripts from other hosts.
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    for routes in (find, books, pages, uploads, status):
        app.include_router(routes.router, prefix=BASE)
    problems.install(app)
    # Asked last, and not mounted at "/": that would take the API's wrong methods for missing files.
    app.router.default = PhonePage()
    app.openapi = _openapi(app)  # type: ignore[method-assign]
    app.add_middleware(Guard, options=options)
    app.add_middleware(Observe)
    return app


def _openapi(app: FastAPI) -> Callable[[], dict[str, Any]]:
    """What FastAPI describes, with validation errors as the problems that they are here."""

    def describe() -> dict[str, Any]:
        if app.openapi_schema is None:
            found = get_openapi(
                title=app.title, version=app.version, description=app.description, routes=app.routes
            )
            schemas = found["components"]["schemas"]
            for unused in ("HTTPValidationError", "ValidationError"):
                schemas.pop(unused, None)
            schemas[ProblemOut.__name__] = ProblemOut.model_json_schema()
            found["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
            found["security"] = [{"key": []}, {}]
            app.openapi_schema = found
        return app.openapi_schema

    return describe
