"""Stand-ins for the vendors' servers, a module each."""

from __future__ import annotations

from fastapi import APIRouter

from tests.vendors import stability_ai

ROUTERS: dict[str, APIRouter] = {
    "stability_ai": stability_ai.router,
}
"""By the provider's name; the keys are the first part of each path."""
