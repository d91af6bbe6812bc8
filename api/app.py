"""The API process: `uvicorn api.app:create_app --factory`, as many as there is traffic for."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi.telemetry import TelemetryConfig

import encryption
import engine
from api import context, problems
from api.answers import API
from api.backlog import Backlog
from api.defects import Defects
from api.doorkeeper import Doorkeeper
from api.envelope import REQUEST_ID, Envelope
from api.keyring import KeyRing
from api.limits import BodyLimits
from api.metering import Metering
from api.routes import (
    batches,
    blogs,
    caller,
    codec,
    costs,
    desk,
    edits,
    files,
    health,
    images,
    jobs,
    metrics,
    provenance,
    providers,
    quote,
    streams,
    webhooks,
)
from api.services import Services
from observing import logs
from observing.core import quiet_runtime
from observing.engine_calls import EngineWatch
from observing.meters import Meters
from observing.tracing import start_tracing
from providers.catalogue import load_catalogue
from providers.registry import build_roster
from settings import Settings, load_settings
from storage import objects
from version import VERSION

_DESCRIPTION = """Durable image generation with editorial approval.

Post a prompt, poll the job, approve its draft, and get the final that is bound to it.
Errors are `application/problem+json` with a stable `code`."""

_HEADERS_TAKEN = (
    *("Authorization", "X-API-Key", "Content-Type", "If-None-Match", "Range"),
    *("Idempotency-Key", "Last-Event-ID", REQUEST_ID, "X-Namespace"),
)
_ROUTES = (
    *(images, edits, quote, jobs, batches, blogs),
    *(streams, costs, providers, files, provenance, webhooks, caller),
)
_UNTRACED = ("/health", "/metrics")
_HEADERS_SHOWN = ("Content-Range", "ETag", "Location", "Retry-After", REQUEST_ID)


def create_app(settings: Settings | None = None) -> FastAPI:
    """The application; the engine and the store may come up later than it does."""
    settings = settings or load_settings()
    logs.install(
        settings.log_level, settings.log_format, logs.secrets_in(os.environ), context.facts
    )
    meters, tracing = Meters(), start_tracing("darkroom-api", VERSION, os.environ)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        outside = [tracing.interceptor] if tracing else []
        client = await engine.connect(
            encryption.converter(settings.encryption_keys),
            lazy=True,
            runtime=quiet_runtime(settings.log_level),
            interceptors=[*outside, EngineWatch(meters)],
        )
        store = objects.connect(settings.s3_url, settings.s3_bucket)
        catalogue = load_catalogue(settings.config)
        roster = build_roster(catalogue, os.environ, settings.studio_concurrency)
        meters.know({name: entry.models for name, entry in catalogue.providers.items()})
        app.state.meters = meters
        app.state.backlog = Backlog(client, roster.offered, meters)
        services = Services.build(settings, client, store, catalogue, roster, meters)
        app.state.services = services
        async with services.closing.with_the_server():
            yield
        await roster.close()
        if tracing is not None:
            tracing.close()

    app = FastAPI(
        title="Darkroom",
        version=VERSION,
        summary="Durable image generation with editorial approval",
        description=_DESCRIPTION,
        lifespan=lifespan,
        # A redirect would be an answer that no route declares, to an address that the caller chose.
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
        telemetry=_telemetry(is_traced=tracing is not None),
    )
    problems.install(app)
    _stand_before(app, settings, meters)
    for module in _ROUTES:
        app.include_router(module.router, prefix=API)
    app.include_router(codec.router)
    app.include_router(health.router)
    app.include_router(metrics.router)
    app.include_router(desk.router)
    app.openapi = cache(lambda: problems.document(app))  # type: ignore[method-assign]
    return app


def _telemetry(*, is_traced: bool) -> TelemetryConfig:
    """Of what FastAPI tells by itself the span of a request, but of no probe and no scrape."""
    return {
        "tracing": is_traced,
        "operation_spans": False,
        "metrics": False,
        "logs": False,
        "auto_configure": False,
        "exclude": lambda scope: scope["path"].startswith(_UNTRACED),
    }


def _stand_before(app: FastAPI, settings: Settings, meters: Meters) -> None:
    """What a request passes on its way to a route, the last first."""
    keys = KeyRing(settings.config, settings.keys_path, settings.api_keys)
    app.add_middleware(BodyLimits, max_bytes=settings.max_body_bytes)
    app.add_middleware(Doorkeeper, keys=keys, insecure=settings.insecure)
    app.add_middleware(Defects)
    app.add_middleware(Metering, meters=meters)
    if settings.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=sorted(settings.origins),
            allow_methods=("GET", "HEAD", "POST", "DELETE"),
            allow_headers=_HEADERS_TAKEN,
            expose_headers=_HEADERS_SHOWN,
        )
    app.add_middleware(Envelope)
