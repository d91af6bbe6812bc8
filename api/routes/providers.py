"""What can be asked for here."""

from __future__ import annotations

from fastapi import APIRouter

from api.auth import Reading
from api.schemas import ModelsAnswer, PlacementsAnswer, ProvidersAnswer, StylesAnswer
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


@router.get("/styles")
async def styles(caller: Reading, to: Served) -> StylesAnswer:
    """The house styles that `style` may name; other names go to the model as they are."""
    return to.offering.styles(caller.tenant)


@router.get("/placements")
async def placements(caller: Reading, to: Served) -> PlacementsAnswer:
    """What `placement` may name, and how large its pictures are at each quality."""
    return to.offering.placements()
