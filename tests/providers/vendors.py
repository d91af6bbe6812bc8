"""Adapters against the stand-in: how a test builds one, and an order for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from domain.jobs import ImageSpec
from domain.sizes import Quality, Size
from providers.base import Order, Provider, Reference
from providers.catalogue import load_catalogue
from providers.registry import KINDS, Connection
from tests.waiting import free_port

CATALOGUE = load_catalogue(Path("there-is-no-such.toml"))
DRAFT = Size(512, 512)
PROMPT = "a lighthouse above the sea"


def build(name: str, base_url: str | None, api_key: str | None = None, **options: Any) -> Provider:
    """The adapter as the registry builds it, with some of the provider's options changed."""
    entry = CATALOGUE.providers[name]
    entry = entry.model_copy(update={"options": entry.options | options})
    return KINDS[name].build(Connection(name, entry, base_url, api_key or f"{name}-key"))


def order(
    name: str,
    *,
    model: str | None = None,
    quality: Quality = Quality.DRAFT,
    size: Size = DRAFT,
    indices: tuple[int, ...] = (0,),
    references: tuple[Reference, ...] = (),
    source: Reference | None = None,
    mask: bytes | None = None,
    **more: Any,
) -> Order:
    """An order as the planner and the renderer make it for that provider."""
    spec = ImageSpec(
        prompt=PROMPT,
        quality=quality,
        width_px=size.width_px,
        height_px=size.height_px,
        **{"seed": 41, **more},
    )
    target = CATALOGUE.target(name, model, spec)
    fitted = Size(target.width_px or size.width_px, target.height_px or size.height_px)
    return Order(spec, target.model, indices, fitted, references, source, mask)


def nowhere() -> str:
    """An address where no server listens."""
    return f"http://127.0.0.1:{free_port()}"
