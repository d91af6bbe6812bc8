"""Who calls."""

from __future__ import annotations

from fastapi import APIRouter

from api.auth import Anybody
from api.schemas import CallerAnswer
from version import VERSION

router = APIRouter(tags=["keys"])


@router.get("/caller")
async def caller(caller: Anybody) -> CallerAnswer:
    """Whose the key is that was sent, and what it may do; any key may ask."""
    return CallerAnswer(
        tenant=caller.tenant,
        key_name=caller.key_name,
        scopes=sorted(caller.scopes),
        version=VERSION,
    )
