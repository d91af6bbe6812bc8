from __future__ import annotations

from datetime import UTC, datetime

import pytest
from temporalio.client import Client, WorkflowHandle

from domain.ids import final_id, new_job_id
from domain.jobs import JobRequest, JobState, JobStatus
from domain.sizes import Quality
from domain.wishes import Wish
from pipeline.planning import Planner
from providers.catalogue import load_catalogue
from settings import Settings
from tests.conftest import WorkerFactory
from workflows.image_job import ImageJobWorkflow
from workflows.options import job_options

JobHandle = WorkflowHandle[ImageJobWorkflow, JobState]


@pytest.fixture
def planner(settings: Settings) -> Planner:
    return Planner(
        load_catalogue(settings.config), frozenset({"studio"}), stand_in=True, review_seconds=3600
    )


async def start(client: Client, request: JobRequest) -> JobHandle:
    return await client.start_workflow(
        ImageJobWorkflow.run, request, id=new_job_id(), **job_options(request, datetime.now(UTC))
    )


class TestPlainJob:
    async def test_it_completes_with_its_image(
        self, client: Client, planner: Planner, new_worker: WorkerFactory
    ) -> None:
        request = planner.job(
            Wish(prompt="a lighthouse", quality=Quality.STANDARD, width=64, height=64)
        )
        async with new_worker():
            job = await start(client, request)
            state = await job.result()
        assert state.status is JobStatus.COMPLETED
        assert state.review is None
        history = await job.fetch_history()
        import json

        total = 0
        for e in history.events:
            b = e.ByteSize()
            total += b
            print(e.event_type, b)
        print(len(history.events), total)
        print(json.dumps(state.model_dump(mode="json"), indent=1))
