"""Sweeps on a real engine and a real store; what a sweep does is `tests/pipeline`'s."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest
from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError

from domain.batches import BatchFlow
from domain.ids import final_id, new_job_id
from domain.jobs import JobRequest, JobStatus
from domain.names import RETENTION_SCHEDULE, TASK_QUEUE
from domain.retention import Report, RetentionClass, RetentionRequest, Tally
from domain.reviews import Approval, Rejection, ReviewState
from domain.sizes import Quality
from engine import ensure_retention_schedule
from pipeline.planning import Planner
from settings import Settings
from storage.archive import Archive
from storage.keys import job_files, original_key
from storage.objects import ObjectStore
from tests.conftest import WorkerFactory
from tests.fakes import FakeProvider, Gate
from tests.starting import BatchStarter, JobHandle, start_job, wish
from tests.waiting import eventually
from workflows.image_job import ImageJobWorkflow
from workflows.options import job_options
from workflows.retention import RetentionWorkflow


@pytest.fixture
def client(scheduling_client: Client) -> Client:
    return scheduling_client


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """All that can be swept is, at once."""
    classes = ("rejected", "expired", "unreviewed", "failed")
    return settings.model_copy(update={f"keep_{name}_days": 0 for name in classes})


async def swept(client: Client, **request: Any) -> Report:
    return await client.execute_workflow(
        RetentionWorkflow.run,
        RetentionRequest.model_validate({"grace_seconds": 0, **request}),
        id=f"{RETENTION_SCHEDULE}-{new_job_id()}",
        task_queue=TASK_QUEUE,
    )


async def awaiting(client: Client, request: JobRequest, job_id: str | None = None) -> JobHandle:
    job = await client.start_workflow(
        ImageJobWorkflow.run, request, id=job_id or new_job_id(), **job_options(request)
    )

    async def look() -> bool:
        return (await job.query(ImageJobWorkflow.status)).awaits_review

    await eventually(look, "the draft awaits review")
    return job


class TestSweep:
    async def test_rejected_drafts_go_and_others_stay(
        self,
        client: Client,
        store: ObjectStore,
        archive: Archive,
        draft_request: JobRequest,
        new_worker: WorkerFactory,
    ) -> None:
        async with new_worker():
            rejected, approved, waiting = [await awaiting(client, draft_request) for _ in range(3)]
            await rejected.signal(ImageJobWorkflow.reject, Rejection())
            await approved.signal(ImageJobWorkflow.approve, Approval())
            await asyncio.gather(rejected.result(), approved.result())
            final: JobHandle = client.get_workflow_handle(final_id(approved.id))
            await final.result()
            would = await swept(client, dry_run=True)
            report = await swept(client)
        assert report == would
        assert list(report) == [RetentionClass.REJECTED]
        assert report[RetentionClass.REJECTED].jobs == 1
        assert await store.keys(job_files(rejected.id)) == []
        for kept in (approved, final, waiting):
            assert await store.keys(job_files(kept.id)) != []
        record = await archive.read_job(rejected.id)
        assert record is not None
        assert record.state.gone_at is not None
        assert record.state.status is JobStatus.COMPLETED

    async def test_a_terminated_draft_is_swept_once_its_review_would_have_expired(
        self,
        client: Client,
        store: ObjectStore,
        draft_request: JobRequest,
        new_worker: WorkerFactory,
    ) -> None:
        soon = draft_request.model_copy(update={"review_seconds": 3600.0})
        past = draft_request.model_copy(update={"review_seconds": 0.0})
        async with new_worker():
            stays = await awaiting(client, soon)
            await stays.terminate()
            job = await start_job(client, past)
            await job.result()
            report = await swept(client)
        assert report[RetentionClass.EXPIRED].jobs == 1
        assert await store.keys(job_files(stays.id)) != []

    async def test_what_an_open_job_or_a_pending_image_follows_is_left(
        self,
        client: Client,
        store: ObjectStore,
        planner: Planner,
        start_batch: BatchStarter,
        new_worker: WorkerFactory,
    ) -> None:
        gate = Gate()

        def following(source: JobRequest, job_id: str) -> JobRequest:
            request = planner.job(wish(quality=Quality.STANDARD))
            key = original_key(job_id, source.asset_token, 0)
            url = f"http://127.0.0.1/api/v1/images/files/{key.removeprefix('assets/')}"
            spec = request.spec.model_copy(update={"reference_image_url": url})
            return request.model_copy(update={"spec": spec})

        sources = {new_job_id(): planner.job(wish()) for _ in range(2)}
        async with new_worker():
            for job_id, request in sources.items():
                source = await awaiting(client, request, job_id)
                await source.signal(ImageJobWorkflow.reject, Rejection())
                await source.result()
        follows_now, follows_later = (following(r, job_id) for job_id, r in sources.items())
        async with new_worker(FakeProvider(gate)):
            batch = await start_batch(2, max_concurrency=1, flow=BatchFlow.FINAL_ONLY)
            manifest = [follows_later, follows_later]
            await Archive(store).write_manifest(batch.id, manifest)
            follower = await start_job(client, follows_now)

            async def listed() -> bool:
                return (await client.count_workflows("ExecutionStatus = 'Running'")).count >= 3

            await eventually(listed, "they are listed")
            assert await swept(client) == {}
            await batch.terminate()
            gate.open()
            await follower.result()

            async def unlisted() -> bool:
                return (await client.count_workflows("ExecutionStatus = 'Running'")).count == 0

            await eventually(unlisted, "they are not listed any more")
            report = await swept(client)
        assert report[RetentionClass.REJECTED].jobs == 2
        assert report[RetentionClass.UNREVIEWED].jobs == 2


class TestRace:
    async def test_an_approval_that_was_taken_finds_the_drafts_original(
        self,
        client: Client,
        store: ObjectStore,
        archive: Archive,
        draft_request: JobRequest,
        new_worker: WorkerFactory,
    ) -> None:
        """Sweep after sweep, while half of the drafts expire in the moment they are approved."""

        async def sweep_again_and_again() -> None:
            for _ in range(3):
                await swept(client)

        async def approved(number: int) -> tuple[str, ReviewState | None]:
            review_seconds = 3600.0 if number % 2 else 0.1
            request = draft_request.model_copy(update={"review_seconds": review_seconds})
            job = await start_job(client, request)

            async def is_made() -> bool:
                return await archive.read_job(job.id) is not None

            await eventually(is_made, "it is made")
            with suppress(RPCError):  # of one that has expired
                await job.signal(ImageJobWorkflow.approve, Approval())
            state = await job.result()
            return job.id, state.review.state if state.review else None

        async with new_worker(cached_workflows=100):
            sweeping = asyncio.create_task(sweep_again_and_again())
            decided = await asyncio.gather(*(approved(number) for number in range(6)))
            await sweeping
            await swept(client)
        states = dict(decided)
        assert ReviewState.APPROVED in states.values()
        for job_id, state in states.items():
            if state is ReviewState.APPROVED:
                await store.get(original_key(job_id, draft_request.asset_token, 0))


class TestSchedule:
    async def test_it_is_made_once_and_stays_as_the_operator_left_it(self, client: Client) -> None:
        for _ in range(2):
            await ensure_retention_schedule(client, is_wanted=True)
        schedule = client.get_schedule_handle(RETENTION_SCHEDULE)
        await schedule.pause(note="the store moves")
        await ensure_retention_schedule(client, is_wanted=True)
        described = await schedule.describe()
        assert described.schedule.state.paused
        assert described.schedule.state.note == "the store moves"
        assert described.info.next_action_times

    async def test_it_is_removed_when_everything_is_kept(self, client: Client) -> None:
        await ensure_retention_schedule(client, is_wanted=True)
        for _ in range(2):
            await ensure_retention_schedule(client, is_wanted=False)
        with pytest.raises(RPCError):
            await client.get_schedule_handle(RETENTION_SCHEDULE).describe()

    async def test_it_starts_a_sweep(self, client: Client, new_worker: WorkerFactory) -> None:
        await ensure_retention_schedule(client, is_wanted=True)
        schedule = client.get_schedule_handle(RETENTION_SCHEDULE)
        await schedule.trigger()

        async def look() -> str | None:
            actions = (await schedule.describe()).info.running_actions
            return str(getattr(actions[0], "workflow_id", "")) if actions else None

        async with new_worker():
            started = await eventually(look, "it has started a sweep")
            sweep: WorkflowHandle[Any, Any] = client.get_workflow_handle(started)
            assert started.startswith(RETENTION_SCHEDULE)

            async def waits() -> bool:
                history = await sweep.fetch_history()
                return any(e.HasField("timer_started_event_attributes") for e in history.events)

            await eventually(waits, "it waits before it deletes")
            await sweep.terminate()


class TestReport:
    async def test_it_is_carried_over_a_continue_as_new(
        self, client: Client, new_worker: WorkerFactory
    ) -> None:
        before = {RetentionClass.REJECTED: Tally(jobs=2, objects=3, size_bytes=4)}
        async with new_worker():
            assert await swept(client, step="leftovers", report=before) == before
