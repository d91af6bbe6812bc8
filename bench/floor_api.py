"""The floor's API: validate, start the workflow, answer.

Run it with `uvicorn bench.floor_api:create_app --factory`.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from pydantic import BaseModel
from temporalio.client import Client
from temporalio.envconfig import ClientConfig

from bench.floor import TASK_QUEUE, FloorWorkflow

PATH = "/jobs"


class FloorRequest(BaseModel):
    prompt: str


class FloorAnswer(BaseModel):
    job_id: str


def create_app() -> FastAPI:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.client = await Client.connect(**ClientConfig.load_client_connect_config())
        yield

    app = FastAPI(lifespan=lifespan)

    @app.post(PATH, status_code=202)
    async def start(request: FloorRequest) -> FloorAnswer:
        client: Client = app.state.client
        job_id = f"floor-{uuid.uuid4().hex}"
        await client.start_workflow(
            FloorWorkflow.run, request.prompt, id=job_id, task_queue=TASK_QUEUE
        )
        return FloorAnswer(job_id=job_id)

    return app
