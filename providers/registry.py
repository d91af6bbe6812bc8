"""Builds the providers that are configured."""

from __future__ import annotations

from providers.base import Provider
from providers.studio.provider import Studio
from settings import Settings


def build_providers(settings: Settings) -> dict[str, Provider]:
    """Every provider that can be used here, by name."""
    return {Studio.name: Studio(settings.studio_concurrency)}
