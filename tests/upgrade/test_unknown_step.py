"""A worker that meets a job of a later version, whose steps it does not know."""

from __future__ import annotations

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowExecutionStatus

import worker
from domain.ids import final_id
from domain.jobs import JobRequest, JobState, JobStatus
from domain.reviews import Approval
from tests.conftest import WorkerFactory
from tests.starting import JobHandle, start_job
from tests.upgrade.tomorrow import Tomorrow
from tests.waiting import eventually
from workflows.image_job import ImageJobWorkflow

FAILED = EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED


async def test_it_leaves_the_job_to_a_worker_that_knows_them(
    client: Client,
    draft_request: JobRequest,
    new_worker: WorkerFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    today = list(worker.WORKFLOWS)
    tomorrow = [Tomorrow if kind is ImageJobWorkflow else kind for kind in today]

    monkeypatch.setattr(worker, "WORKFLOWS", tomorrow)
    async with new_worker():
        job = await start_job(client, draft_request)

        async def awaits_review() -> bool:
            return (await job.query(ImageJobWorkflow.status)).awaits_review

        await eventually(awaits_review, "the draft awaits review")
    await job.signal(ImageJobWorkflow.approve, Approval(reviewer="ann"))

    monkeypatch.setattr(worker, "WORKFLOWS", today)
    async with new_worker():

        async def is_left() -> bool:
            history = await job.fetch_history()
            return any(event.event_type == FAILED for event in history.events)

        await eventually(is_left, "the step is left")
    assert (await job.describe()).status is WorkflowExecutionStatus.RUNNING

    monkeypatch.setattr(worker, "WORKFLOWS", tomorrow)
    async with new_worker():
        assert (await job.result()).final_job_id == final_id(job.id)
        final: JobHandle = client.get_workflow_handle(final_id(job.id), result_type=JobState)
        assert (await final.result()).status is JobStatus.COMPLETED
