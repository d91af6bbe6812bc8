"""What Prometheus scrapes."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from api.auth import Administering
from api.backlog import Backlog
from observing.meters import Meters

router = APIRouter(tags=["health"])


@router.get(
    "/metrics",
    response_class=Response,
    responses={
        200: {
            "content": {"text/plain": {"schema": {"type": "string"}}},
            "description": "Prometheus's text format",
        }
    },
)
async def metrics(request: Request, caller: Administering) -> Response:
    """The metrics of this API process, and how long the engine's queues are."""
    backlog: Backlog = request.app.state.backlog
    meters: Meters = request.app.state.meters
    await backlog.look()
    return Response(generate_latest(meters.registry), media_type=CONTENT_TYPE_LATEST)
