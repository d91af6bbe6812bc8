"""What one picture of a call cost, and how that is known."""

from __future__ import annotations

from collections.abc import Mapping

from domain.jobs import CostBasis
from domain.sizes import Quality
from providers.models import Fit, Model


def cost_of(
    model: Model,
    quality: Quality,
    fit: Fit,
    tokens: Mapping[str, int] | None = None,
    pictures: int = 1,
) -> tuple[float | None, CostBasis]:
    """USD a picture, by the `tokens` that the answer says the whole call used, else the list price.

    `tokens` are by the kinds of the catalogue's `tokens_usd`.
    """
    used = model.price.of_tokens(tokens) if model.price and tokens else None
    if used is not None:
        return round(used / pictures, 6), CostBasis.USAGE
    listed = model.price_usd(quality, fit)
    return listed, CostBasis.UNKNOWN if listed is None else CostBasis.CATALOGUE
