"""How the server is: GET /health for whoever watches it, GET /metrics for Prometheus."""

from __future__ import annotations

from fastapi import APIRouter
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from starlette.responses import PlainTextResponse

from whichpage import __version__
from whichpage.web.api import problems
from whichpage.web.schema import HealthOut
from whichpage.web.service import Serves

router = APIRouter()


@router.get("/health", summary="Whether the server answers", responses=problems())
async def health(service: Serves) -> HealthOut:
    """Answered at once, whatever else the server is doing; needs no key."""
    desk = service.finding
    return HealthOut(status="ok", version=__version__, finding=desk.inside, waiting=desk.waiting)


@router.get(
    "/metrics",
    summary="Numbers for Prometheus",
    response_class=PlainTextResponse,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **problems()},
)
async def metrics(service: Serves) -> PlainTextResponse:
    """Requests, answers, stages and memory in Prometheus's text format."""
    return PlainTextResponse(service.metrics.text(), media_type=CONTENT_TYPE_PLAIN_0_0_4)
