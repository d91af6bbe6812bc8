"""Polling the naive way: every poll is one query to the workflow. To compare with, never to use.

Run it with `uvicorn bench.naive:create_app --factory`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from temporalio.client import Client

import engine
from domain.jobs import JobState

PATH = "/jobs"


def create_app() -> FastAPI:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.client = await engine.connect()
        yield

    app = FastAPI(lifespan=lifespan)

    @app.get(f"{PATH}/{{job_id}}")
    async def status(job_id: str) -> JobState:
        client: Client = app.state.client
        handle = client.get_workflow_handle(job_id)
        state: JobState = await handle.query("status", result_type=JobState)
        return state

    return app
