"""The API process: `uvicorn api.app:create_app --factory`, as many as there is traffic for."""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache

from fastapi import FastAPI

import engine
from api import problems
from api.answers import API
from api.limits import BodyLimits
from api.routes import batches, costs, files, health, images, jobs, providers, quote
from api.services import Services
from providers.catalogue import load_catalogue
from providers.registry import build_roster
from settings import Settings, load_settings
from storage import objects
from version import VERSION

_DESCRIPTION = """Durable image generation with editorial approval.

Post a prompt, poll the job, approve its draft, and get the final that is bound to it.
Errors are `application/problem+json` with a stable `code`."""


def create_app(settings: Settings | None = None) -> FastAPI:
    """The application; the engine and the store may come up later than it does."""
    settings = settings or load_settings()
    logging.basicConfig(
        level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(message)s"
    )

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        client = await engine.connect(lazy=True)
        store = objects.connect(settings.s3_url, settings.s3_bucket)
        catalogue = load_catalogue(settings.config)
        roster = build_roster(catalogue, os.environ, settings.studio_concurrency)
        app.state.services = Services.build(settings, client, store, catalogue, roster)
        yield
        await roster.close()

    app = FastAPI(
        title="Darkroom",
        version=VERSION,
        summary="Durable image generation with editorial approval",
        description=_DESCRIPTION,
        lifespan=lifespan,
    )
    problems.install(app)
    app.add_middleware(BodyLimits, max_bytes=settings.max_body_bytes)
    for module in (images, quote, jobs, batches, costs, providers, files):
        app.include_router(module.router, prefix=API)
    app.include_router(health.router)
    app.openapi = cache(lambda: problems.document(app))  # type: ignore[method-assign]
    return app
