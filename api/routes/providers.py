"""What can be asked for here."""

from __future__ import annotations

from fastapi import APIRouter

from api.auth import Reading
from api.schemas import ModelsAnswer, ProvidersAnswer
from api.services import Served

router = APIRouter(tags=["providers"])


@router.get("/providers")
async def providers(caller: Reading, to: Served) -> ProvidersAnswer:
    """Every provider of the catalogue; one that is not configured says what would fix it."""
    return to.offering.providers()


@router.get("/models")
async def models(caller: Reading, to: Served) -> ModelsAnswer:
    """Every model: what it can, what it costs, how long it lives."""
    return to.offering.models()
