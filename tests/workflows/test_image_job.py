from __future__ import annotations

import asyncio

import pytest
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from domain import names
from domain.errors import Billed, ContentRejected, ProviderUnavailable
from domain.ids import final_id, revision_id
from domain.jobs import Consistency, JobRequest, JobState, JobStatus, Outcome, Stage, Target
from domain.reviews import Approval, FinalChoices, Rejection, ReviewState, Revision
from domain.sizes import Quality
from pipeline.planning import Planner
from providers.base import Order, Report
from storage.archive import Archive
from tests.conftest import WorkerFactory
from tests.fakes import FakeProvider, Gate
from tests.starting import JobHandle, start_job, wish
from tests.waiting import eventually
from workflows.image_job import ImageJobWorkflow


async def state_when(job: JobHandle, status: JobStatus) -> JobState:
    async def look() -> JobState | None:
        state = await job.query(ImageJobWorkflow.status)
        return state if state.status is status else None

    return await eventually(look, f"the job is {status}")


async def finished(client: Client, job_id: str) -> JobState:
    async def look() -> JobState | None:
        try:
            state: JobState = await client.get_workflow_handle(
                job_id, result_type=JobState
            ).result()
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return None
            raise
        return state

    return await eventually(look, f"{job_id} is finished")


class TestPlainJob:
    async def test_it_completes_with_its_image_and_needs_no_review(
        self, client: Client, planner: Planner, new_worker: WorkerFactory, archive: Archive
    ) -> None:
        request = planner.job(wish(quality=Quality.STANDARD))
        async with new_worker():
            job = await start_job(client, request)
            state = await job.result()
        assert (state.status, state.stage) == (JobStatus.COMPLETED, Stage.COMPLETED)
        assert state.progress_percentage == 100
        assert state.review is None
        assert state.result is not None
        image = state.result.images[0]
        assert [v.format for v in [image.main, *image.further]] == ["png", "webp"]
        record = await archive.read_job(job.id)
        assert record is not None
        assert record.state == state

    async def test_it_costs_at_most_23_history_events_and_one_upsert(
        self, client: Client, planner: Planner, new_worker: WorkerFactory
    ) -> None:
        async with new_worker():
            job = await start_job(client, planner.job(wish(quality=Quality.STANDARD)))
            await job.result()
        events = [event.event_type for event in (await job.fetch_history()).events]
        upserts = [e for e in events if "UPSERT_WORKFLOW_SEARCH" in _event_name(e)]
        assert len(events) <= 23
        assert len(upserts) == 1

    async def test_its_history_carries_no_image_bytes(
        self, client: Client, planner: Planner, new_worker: WorkerFactory
    ) -> None:
        async with new_worker():
            job = await start_job(client, planner.job(wish(quality=Quality.STANDARD)))
            await job.result()
        history = await job.fetch_history()
        assert sum(event.ByteSize() for event in history.events) < 8_000

    async def test_it_makes_as_many_images_as_were_asked_for_each_with_its_seed(
        self, client: Client, planner: Planner, new_worker: WorkerFactory
    ) -> None:
        asked = wish(quality=Quality.STANDARD).model_copy(update={"num_images": 3, "seed": 7})
        async with new_worker():
            state = await (await start_job(client, planner.job(asked))).result()
        assert state.result is not None
        assert [image.seed for image in state.result.images] == [7, 8, 9]

    async def test_it_is_found_by_its_search_attributes(
        self, client: Client, planner: Planner, new_worker: WorkerFactory
    ) -> None:
        asked = wish(quality=Quality.STANDARD).model_copy(
            update={"blog_id": "blog-7", "tags": ["hero", "spring"]}
        )
        async with new_worker():
            job = await start_job(client, planner.job(asked))
            await job.result()
        query = f"{names.BLOG_ID.name} = 'blog-7' AND {names.TAGS.name} = 'spring'"

        async def look() -> list[str]:
            return [execution.id async for execution in client.list_workflows(query)]

        assert await eventually(look, "the job is listed") == [job.id]


class TestFailure:
    async def test_rejected_content_fails_the_job_without_a_second_call(
        self, client: Client, planner: Planner, new_worker: WorkerFactory, archive: Archive
    ) -> None:
        async def refuse(order: Order, report: Report) -> None:
            raise ContentRejected("not that", provider="studio", flagged="prompt")

        async with new_worker(FakeProvider(refuse)) as provider:
            job = await start_job(client, planner.job(wish()))
            with pytest.raises(WorkflowFailureError) as failed:
                await job.result()
        assert isinstance(failed.value.cause, ApplicationError)
        state = JobState.model_validate(failed.value.cause.details[0])
        assert state.status is JobStatus.FAILED
        assert state.error is not None
        assert (state.error.code, state.error.flagged) == ("content_rejected", "prompt")
        assert len(provider.orders) == 1
        record = await archive.read_job(job.id)
        assert record is not None
        assert record.state.error == state.error

    async def test_an_outage_of_the_provider_is_waited_out(
        self, client: Client, planner: Planner, new_worker: WorkerFactory
    ) -> None:
        calls = 0

        async def fail_twice(order: Order, report: Report) -> None:
            nonlocal calls
            calls += 1
            if calls < 3:
                raise ProviderUnavailable("down", provider="studio", retry_after_seconds=0.05)

        async with new_worker(FakeProvider(fail_twice)):
            job = await start_job(client, planner.job(wish(quality=Quality.STANDARD)))
            state = await job.result()
        assert [attempt.outcome for attempt in state.attempts] == [
            Outcome.FAILED,
            Outcome.FAILED,
            Outcome.COMPLETED,
        ]

    async def test_a_defect_of_an_adapter_ends_the_job_as_internal(
        self, client: Client, planner: Planner, new_worker: WorkerFactory
    ) -> None:
        async def break_down(order: Order, report: Report) -> None:
            raise KeyError("surprise")

        async with new_worker(FakeProvider(break_down)):
            job = await start_job(client, planner.job(wish()))
            with pytest.raises(WorkflowFailureError) as failed:
                await job.result()
        assert isinstance(failed.value.cause, ApplicationError)
        assert failed.value.cause.type == "internal"
        assert "surprise" not in str(failed.value.cause.details)

    async def test_the_next_target_is_tried_and_both_are_in_the_attempts(
        self, client: Client, planner: Planner, new_worker: WorkerFactory
    ) -> None:
        request = planner.job(wish(quality=Quality.STANDARD))
        fallback = request.targets[0].model_copy(update={"model": "other"})
        request.targets.append(fallback)

        async def refuse_first(order: Order, report: Report) -> None:
            if order.model != "other":
                raise ContentRejected("not here", provider="studio", billed=Billed.NO)

        async with new_worker(FakeProvider(refuse_first)):
            state = await (await start_job(client, request)).result()
        assert [(a.model, a.outcome) for a in state.attempts] == [
            ("studio-1", Outcome.FAILED),
            ("other", Outcome.COMPLETED),
        ]
        assert state.result is not None
        assert state.result.model == "other"


class TestReview:
    async def test_a_completed_draft_awaits_review(
        self, client: Client, draft_request: JobRequest, new_worker: WorkerFactory
    ) -> None:
        async with new_worker():
            job = await start_job(client, draft_request)
            state = await state_when(job, JobStatus.COMPLETED)

            async def is_listed() -> bool:
                description = await job.describe()
                assert description.status is WorkflowExecutionStatus.RUNNING
                return description.typed_search_attributes.get(names.REVIEW) == "awaiting"

            await eventually(is_listed, "the review can be listed")
        assert state.review is not None
        assert state.review.state is ReviewState.AWAITING

    async def test_approval_starts_the_final_with_the_drafts_prompt_and_seed(
        self, client: Client, draft_request: JobRequest, new_worker: WorkerFactory, archive: Archive
    ) -> None:
        async with new_worker() as provider:
            job = await start_job(client, draft_request)
            await state_when(job, JobStatus.COMPLETED)
            await job.signal(ImageJobWorkflow.approve, Approval(reviewer="ann"))
            state = await job.result()
            final = await finished(client, final_id(job.id))
        assert state.review is not None
        assert (state.review.state, state.review.reviewer) == (ReviewState.APPROVED, "ann")
        assert state.final_job_id == final_id(job.id)
        assert final.result is not None
        assert final.result.consistency is Consistency.SEED
        draft_order, final_order = (order.spec for order in provider.orders)
        assert final_order.prompt == draft_order.prompt
        assert final_order.seed == draft_order.seed
        assert final_order.quality is Quality.HIGH
        record = await archive.read_job(final_id(job.id))
        assert record is not None
        assert record.request.draft_job_id == job.id

    async def test_the_final_is_bound_to_the_image_that_was_chosen(
        self, client: Client, planner: Planner, new_worker: WorkerFactory
    ) -> None:
        asked = wish().model_copy(update={"num_images": 3, "seed": 7})
        async with new_worker() as provider:
            job = await start_job(client, planner.job(asked))
            await job.signal(ImageJobWorkflow.approve, Approval(image_index=3))

            async def problem() -> str | None:
                review = (await job.query(ImageJobWorkflow.status)).review
                return review.problem if review else None

            told = await eventually(problem, "the approval is refused")
            await job.signal(ImageJobWorkflow.approve, Approval(image_index=2))
            state = await job.result()
            await finished(client, final_id(job.id))
        assert told == f"There is no image 3 of '{job.id}', which has 3: image_index is 0 to 2."
        assert state.review is not None
        assert (state.review.image_index, state.review.problem) == (2, None)
        assert (provider.orders[-1].spec.seed, provider.orders[-1].count) == (9, 1)

    @pytest.mark.parametrize("times", [2, 5])
    async def test_approving_again_does_not_start_a_second_final(
        self, client: Client, draft_request: JobRequest, new_worker: WorkerFactory, times: int
    ) -> None:
        async with new_worker() as provider:
            job = await start_job(client, draft_request)
            await state_when(job, JobStatus.COMPLETED)
            signals = (job.signal(ImageJobWorkflow.approve, Approval()) for _ in range(times))
            await asyncio.gather(*signals, return_exceptions=True)
            await job.result()
            await finished(client, final_id(job.id))
        assert len(provider.orders) == 2

    async def test_an_early_approval_is_kept_until_the_draft_is_there(
        self, client: Client, draft_request: JobRequest, new_worker: WorkerFactory
    ) -> None:
        gate = Gate()
        async with new_worker(FakeProvider(gate)):
            job = await start_job(client, draft_request)
            await gate.reached.wait()
            await job.signal(ImageJobWorkflow.approve, Approval(reviewer="early"))
            gate.open()
            state = await job.result()
        assert state.review is not None
        assert state.review.reviewer == "early"
        assert state.final_job_id is not None

    async def test_the_first_decision_wins(
        self, client: Client, draft_request: JobRequest, new_worker: WorkerFactory
    ) -> None:
        job = await start_job(client, draft_request)
        await job.signal(ImageJobWorkflow.reject, Rejection(comment="no"))
        await job.signal(ImageJobWorkflow.approve, Approval())
        async with new_worker():
            state = await job.result()
        assert state.review is not None
        assert (state.review.state, state.review.comment) == (ReviewState.REJECTED, "no")
        assert state.final_job_id is None

    async def test_rejecting_with_changes_starts_the_next_round(
        self, client: Client, draft_request: JobRequest, new_worker: WorkerFactory, archive: Archive
    ) -> None:
        async with new_worker() as provider:
            job = await start_job(client, draft_request)
            await state_when(job, JobStatus.COMPLETED)
            revise = Revision(prompt="a lighthouse in fog", seed=11)
            await job.signal(ImageJobWorkflow.reject, Rejection(revise=revise))
            state = await job.result()
            second: JobHandle = client.get_workflow_handle(revision_id(job.id))
            await state_when(second, JobStatus.COMPLETED)
        assert state.revision_job_id == revision_id(job.id)
        assert (provider.orders[1].spec.prompt, provider.orders[1].spec.seed) == (
            "a lighthouse in fog",
            11,
        )
        record = await archive.read_job(second.id)
        assert record is not None
        assert record.request.revision_of == job.id

    async def test_an_approval_that_cannot_be_carried_out_leaves_the_draft_awaiting(
        self, client: Client, draft_request: JobRequest, new_worker: WorkerFactory
    ) -> None:
        async with new_worker():
            job = await start_job(client, draft_request)
            impossible = Approval(final=FinalChoices(model="no-such-model"))
            await job.signal(ImageJobWorkflow.approve, impossible)

            async def look() -> JobState | None:
                state = await job.query(ImageJobWorkflow.status)
                return state if state.review and state.review.problem else None

            state = await eventually(look, "the problem is said")
            assert state.awaits_review
            await job.signal(ImageJobWorkflow.approve, Approval())
            state = await job.result()
        assert state.review is not None
        assert (state.review.state, state.review.problem) == (ReviewState.APPROVED, None)

    @pytest.mark.parametrize("garbage", ["words", ["a", "list"], {"reviewer": 5}, 7])
    async def test_a_signal_of_garbage_is_harmless(
        self,
        client: Client,
        draft_request: JobRequest,
        new_worker: WorkerFactory,
        garbage: object,
    ) -> None:
        job = await start_job(client, draft_request)
        await job.signal("approve", garbage)
        await job.signal(ImageJobWorkflow.reject, Rejection(comment="well formed"))
        async with new_worker():
            state = await job.result()
        assert state.review is not None
        assert state.review.comment == "well formed"


class TestCancel:
    async def test_a_running_job_ends_cancelled_and_on_record(
        self, client: Client, draft_request: JobRequest, new_worker: WorkerFactory, archive: Archive
    ) -> None:
        gate = Gate()
        async with new_worker(FakeProvider(gate)):
            job = await start_job(client, draft_request)
            await gate.reached.wait()
            await job.cancel()
            with pytest.raises(WorkflowFailureError):
                await job.result()
            description = await job.describe()
        assert description.status is WorkflowExecutionStatus.CANCELED
        record = await archive.read_job(job.id)
        assert record is not None
        assert record.state.error is not None
        assert record.state.error.code == "cancelled"

    async def test_cancelling_a_draft_that_awaits_review_ends_the_review_and_keeps_the_image(
        self, client: Client, draft_request: JobRequest, new_worker: WorkerFactory
    ) -> None:
        async with new_worker():
            job = await start_job(client, draft_request)
            await state_when(job, JobStatus.COMPLETED)
            await job.cancel()
            state = await job.result()
        assert state.status is JobStatus.COMPLETED
        assert state.review is not None
        assert state.review.state is ReviewState.EXPIRED


class TestStory:
    async def test_the_current_details_tell_of_stage_and_review(
        self, client: Client, draft_request: JobRequest, new_worker: WorkerFactory
    ) -> None:
        async with new_worker():
            job = await start_job(client, draft_request)
            await state_when(job, JobStatus.COMPLETED)
            metadata = await job.query("__temporal_workflow_metadata")
            description = await job.describe()
            summary = await description.static_summary()
        assert "awaiting" in str(metadata)
        assert summary == "draft: a lighthouse"


def test_a_target_knows_what_it_does_not_know() -> None:
    assert Target(provider="p", model="m", expected_seconds=1).price_usd is None


def _event_name(event_type: int) -> str:
    from temporalio.api.enums.v1 import EventType

    return EventType.Name(event_type)  # type: ignore[arg-type]
