"""Whether the process lives, and whether the service can do its work."""

from __future__ import annotations

from fastapi import APIRouter, Response

from api.schemas import Alive, Health
from api.services import Served

router = APIRouter(prefix="/health", tags=["health"])


@router.get("/live")
async def live() -> Alive:
    """The process answers."""
    return Alive(status="alive")


@router.get("/ready", responses={503: {"model": Health, "description": "A part is down"}})
async def ready(to: Served, response: Response) -> Health:
    """Engine, store and at least one worker, each named with its state; 503 when one is down."""
    health = await to.health.look()
    response.status_code = 200 if health.status == "healthy" else 503
    return health


@router.get("")
async def health(to: Served) -> Health:
    """`healthy` while the service can do its work, else `degraded` with what is wrong."""
    return await to.health.look()
