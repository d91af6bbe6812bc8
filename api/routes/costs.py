"""The bill."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from api.auth import Reading
from api.problems import declare
from api.schemas import CostQuery, CostsAnswer
from api.services import Served
from domain.errors import InvalidRequest, StorageUnavailable

router = APIRouter(tags=["costs"])


@router.get(
    "/costs",
    response_model=CostsAnswer,
    responses=declare(InvalidRequest, StorageUnavailable),
)
async def costs(query: Annotated[CostQuery, Query()], caller: Reading, to: Served) -> CostsAnswer:
    """What was paid in a span of days, what is not known of it, and how the budgets stand."""
    return await to.billing.costs(query, caller)
