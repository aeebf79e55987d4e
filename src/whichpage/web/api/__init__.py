"""The routes of /api/v1, a file a subject."""

from __future__ import annotations

from typing import Any

from whichpage.web.problems import MEDIA_TYPE
from whichpage.web.schema import ProblemOut

_WHY = {
    400: "The body is no upload as described here.",
    401: "The access key is missing or wrong.",
    403: "A page of another site asks for a change.",
    404: "There is no such thing.",
    408: "The sender paused for too long.",
    409: "The library, or the book's file, is not as the request needs it.",
    413: "The upload is too large.",
    415: "The body is of a kind that is not read.",
    421: "Asked under a name that is not this server's.",
    422: "The request, the photo or the book cannot be read, or is empty.",
    503: "Too many requests at once; `Retry-After` says when to come again.",
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The problems that a route may answer with, for OpenAPI; every route may be refused at the door."""
    return {
        status: {"description": _WHY[status], "content": {MEDIA_TYPE: {"schema": _SCHEMA}}}
        for status in sorted({401, 403, 421, *statuses})
    }


_SCHEMA = {"$ref": f"#/components/schemas/{ProblemOut.__name__}"}
