from __future__ import annotations

import pytest
from temporalio.client import Client
from temporalio.testing import ActivityEnvironment

from activities.budget import BudgetActivities
from domain.budgets import OpenJobs
from domain.ids import new_job_id
from domain.jobs import JobRequest
from domain.sizes import Quality
from pipeline.planning import Planner
from tests.conftest import WorkerFactory
from tests.fakes import FakeProvider, Gate
from tests.starting import start_job, wish


@pytest.fixture
def activities(client: Client) -> BudgetActivities:
    return BudgetActivities(client)


async def idle(activities: BudgetActivities, *job_ids: str) -> list[str]:
    jobs = OpenJobs(job_ids=list(job_ids))
    return (await ActivityEnvironment().run(activities.find_idle_jobs, jobs)).job_ids


async def test_a_job_that_waits_for_a_worker_is_under_way(
    activities: BudgetActivities, client: Client, draft_request: JobRequest
) -> None:
    job = await start_job(client, draft_request)
    assert await idle(activities, job.id) == []


async def test_a_job_that_renders_is_under_way(
    activities: BudgetActivities,
    client: Client,
    draft_request: JobRequest,
    new_worker: WorkerFactory,
) -> None:
    gate = Gate()
    async with new_worker(FakeProvider(gate)):
        job = await start_job(client, draft_request)
        await gate.reached.wait()
        assert await idle(activities, job.id) == []
        gate.open()


async def test_closed_and_unknown_jobs_are_not(
    activities: BudgetActivities, client: Client, planner: Planner, new_worker: WorkerFactory
) -> None:
    async with new_worker():
        completed = await start_job(client, planner.job(wish(quality=Quality.STANDARD)))
        await completed.result()
    terminated = await start_job(client, planner.job(wish()))
    await terminated.terminate()
    unknown = new_job_id()
    ids = [completed.id, terminated.id, unknown]
    assert await idle(activities, *ids) == ids
