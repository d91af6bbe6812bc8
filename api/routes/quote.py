"""What a request would cost."""

from __future__ import annotations

from fastapi import APIRouter

from api.problems import declare
from api.routes.images import REFUSALS
from api.schemas import BatchRequestBody, QuoteAnswer, QuoteBody
from api.services import Served

router = APIRouter(tags=["costs"])


@router.post("/quote", response_model=QuoteAnswer, responses=declare(*REFUSALS))
async def quote(body: QuoteBody, to: Served) -> QuoteAnswer:
    """The price of what `generate` or `batch-generate` would make of the same body.

    Nothing starts and nothing is stored.
    """
    if isinstance(body, BatchRequestBody):
        return to.quotes.batch(body)
    return to.quotes.image(body)
