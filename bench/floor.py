"""The floor: a bare Temporal workflow with one no-op activity, behind the same kind of FastAPI.

`python -m bench.floor` is its worker, `uvicorn bench.floor:create_app --factory` its API. It is
what any service on this engine pays before it does anything; Darkroom is told against it.
"""

from __future__ import annotations

import asyncio
import signal
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from fastapi import FastAPI
from pydantic import BaseModel
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.envconfig import ClientConfig
from temporalio.worker import Worker

TASK_QUEUE = "bench-floor"
PATH = "/jobs"


@activity.defn
async def do_nothing(prompt: str) -> str:
    return prompt


@workflow.defn
class FloorWorkflow:
    @workflow.run
    async def run(self, prompt: str) -> str:
        return await workflow.execute_activity(
            do_nothing, prompt, start_to_close_timeout=timedelta(seconds=60)
        )


class FloorRequest(BaseModel):
    prompt: str


class FloorAnswer(BaseModel):
    job_id: str


def create_app() -> FastAPI:
    """One endpoint: validate, start the workflow, answer."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.client = await _connect()
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


async def _connect() -> Client:
    return await Client.connect(**ClientConfig.load_client_connect_config())


async def _work() -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    client = await _connect()
    async with Worker(
        client, task_queue=TASK_QUEUE, workflows=[FloorWorkflow], activities=[do_nothing]
    ):
        await stop.wait()


if __name__ == "__main__":
    asyncio.run(_work())
