from __future__ import annotations

import pytest
from temporalio.client import Client, WorkflowHandle
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.batch import BatchActivities
from domain.batches import Inspection, Milestone, Page
from domain.ids import new_job_id
from domain.jobs import JobRecord, JobState, JobStatus
from domain.reviews import Review, ReviewState
from storage import objects
from storage.archive import Archive
from tests.activities.orders import job_request
from workflows.image_job import ImageJobWorkflow
from workflows.options import job_options


@pytest.fixture
def activities(client: Client, archive: Archive) -> BatchActivities:
    return BatchActivities(client, archive)


async def started(client: Client) -> WorkflowHandle[ImageJobWorkflow, JobState]:
    """A job that no worker looks at."""
    request = job_request()
    return await client.start_workflow(
        ImageJobWorkflow.run, request, id=new_job_id(), **job_options(request)
    )


async def inspected(activities: BatchActivities, *job_ids: str) -> list[Milestone]:
    inspection = Inspection(job_ids=list(job_ids))
    return (await ActivityEnvironment().run(activities.inspect_jobs, inspection)).milestones


class TestLoadItems:
    async def test_it_is_a_slice_of_the_manifest(
        self, activities: BatchActivities, archive: Archive
    ) -> None:
        requests = [
            job_request().model_copy(update={"asset_token": str(number)}) for number in range(10)
        ]
        await archive.write_manifest("bat_1", requests)
        for start, count, tokens in ((0, 3, "012"), (8, 5, "89"), (10, 5, "")):
            page = Page(batch_id="bat_1", start=start, count=count)
            items = await ActivityEnvironment().run(activities.load_items, page)
            assert "".join(request.asset_token for request in items.requests) == tokens

    async def test_a_manifest_that_is_gone_is_not_waited_for(
        self, activities: BatchActivities
    ) -> None:
        page = Page(batch_id="bat_0", start=0, count=1)
        with pytest.raises(ApplicationError) as gone:
            await ActivityEnvironment().run(activities.load_items, page)
        assert gone.value.non_retryable

    async def test_a_store_that_is_away_is_waited_for(self, client: Client) -> None:
        away = BatchActivities(client, Archive(objects.connect("http://127.0.0.1:9", "bucket")))
        page = Page(batch_id="bat_1", start=0, count=1)
        with pytest.raises(ApplicationError) as failed:
            await ActivityEnvironment().run(away.load_items, page)
        assert failed.value.type == "storage_unavailable"
        assert not failed.value.non_retryable


class TestInspectJobs:
    async def test_of_a_job_that_runs_there_is_no_news(
        self, activities: BatchActivities, client: Client
    ) -> None:
        job = await started(client)
        assert await inspected(activities, job.id) == []

    async def test_a_job_that_was_terminated_or_never_was_is_cancelled(
        self, activities: BatchActivities, client: Client
    ) -> None:
        job = await started(client)
        await job.terminate()
        found = await inspected(activities, job.id, "bat_1-0")
        assert [(news.job_id, news.status, news.error_code) for news in found] == [
            (job.id, JobStatus.FAILED, "cancelled"),
            ("bat_1-0", JobStatus.FAILED, "cancelled"),
        ]

    async def test_a_record_tells_what_became_of_a_job(
        self, activities: BatchActivities, archive: Archive
    ) -> None:
        state = JobState(status=JobStatus.COMPLETED)
        await archive.write_job(JobRecord(job_id="img_1", request=job_request(), state=state))
        (news,) = await inspected(activities, "img_1")
        assert news == Milestone.of("img_1", state)

    async def test_a_review_that_nobody_can_decide_any_more_has_expired(
        self, activities: BatchActivities, archive: Archive, client: Client
    ) -> None:
        job = await started(client)
        state = JobState(status=JobStatus.COMPLETED, review=Review())
        await archive.write_job(JobRecord(job_id=job.id, request=job_request(), state=state))
        (running,) = await inspected(activities, job.id)
        await job.terminate()
        (stopped,) = await inspected(activities, job.id)
        assert running.review is ReviewState.AWAITING
        assert stopped.review is ReviewState.EXPIRED
