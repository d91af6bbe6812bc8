"""What a request would cost."""

from __future__ import annotations

from fastapi import APIRouter

from api.auth import Generating
from api.once import REPEATS, OnlyOnce
from api.problems import declare
from api.rework_bodies import QuoteBody
from api.routes.images import REFUSALS
from api.schemas import QuoteAnswer
from api.services import Served
from domain.errors import EngineAway, JobNotFound, StorageUnavailable

router = APIRouter(tags=["costs"])


@router.post(
    "/quote",
    response_model=QuoteAnswer,
    responses=declare(*REFUSALS, *REPEATS, JobNotFound, EngineAway, StorageUnavailable),
)
async def quote(body: QuoteBody, caller: Generating, to: Served, once: OnlyOnce) -> QuoteAnswer:
    """The price of what `generate` or `batch-generate` would make of the same body.

    With `operation`, of what `variations`, `edit` or `upscale` would.
    Nothing starts; only with an `Idempotency-Key` the answer itself is kept for a while.
    """
    return await to.quotes.give(body, caller, once)
