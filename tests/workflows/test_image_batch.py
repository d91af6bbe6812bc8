from __future__ import annotations

from collections.abc import Callable

import pytest
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError

from domain.batches import BatchApproval, BatchFlow, BatchRejection, BatchState
from domain.ids import final_id, item_id
from domain.jobs import JobStatus
from domain.reviews import ReviewState, Revision
from providers.base import Order, Report
from storage.archive import Archive
from storage.keys import manifest_key
from storage.objects import ObjectStore
from tests.conftest import WorkerFactory
from tests.fakes import FakeProvider, Gate
from tests.starting import BatchHandle, BatchStarter
from tests.waiting import eventually
from workflows.image_batch import ImageBatchWorkflow


async def batch_when(batch: BatchHandle, holds: Callable[[BatchState], bool]) -> BatchState:
    async def look() -> BatchState | None:
        state = await batch.query(ImageBatchWorkflow.status)
        return state if holds(state) else None

    return await eventually(look, "the batch's state")


def all_await_review(state: BatchState) -> bool:
    return all(item.review is ReviewState.AWAITING for item in state.items)


class TestBatch:
    async def test_a_batch_without_drafts_completes_with_all_images(
        self, new_worker: WorkerFactory, start_batch: BatchStarter, archive: Archive
    ) -> None:
        async with new_worker() as provider:
            batch = await start_batch(7, flow=BatchFlow.FINAL_ONLY)
            state = await batch.result()
        assert state.status is JobStatus.COMPLETED
        assert state.progress_percentage == 100
        assert len(provider.orders) == 7
        assert all(item.image_key for item in state.items)
        record = await archive.read_batch(batch.id)
        assert record is not None
        assert record.state == state

    async def test_no_more_images_than_max_concurrency_are_in_flight(
        self, new_worker: WorkerFactory, start_batch: BatchStarter
    ) -> None:
        gate = Gate()
        async with new_worker(FakeProvider(gate)):
            batch = await start_batch(5, max_concurrency=2, flow=BatchFlow.FINAL_ONLY)
            await gate.reached.wait()
            state = await batch_when(
                batch, lambda s: sum(i.status is JobStatus.QUEUED for i in s.items) == 2
            )
            assert sum(item.status is JobStatus.PENDING for item in state.items) == 3
            gate.open()
            assert (await batch.result()).status is JobStatus.COMPLETED

    async def test_approving_the_batch_gives_every_draft_its_final(
        self, client: Client, new_worker: WorkerFactory, start_batch: BatchStarter
    ) -> None:
        async with new_worker() as provider:
            batch = await start_batch(4)
            await batch_when(batch, all_await_review)
            await batch.signal(ImageBatchWorkflow.approve, BatchApproval(reviewer="ann"))
            state = await batch.result()
        assert [item.final_job_id for item in state.items] == [
            final_id(item_id(batch.id, index)) for index in range(4)
        ]
        assert all(item.final_status is JobStatus.COMPLETED for item in state.items)
        assert len(provider.orders) == 8

    async def test_only_the_named_images_are_decided(
        self, new_worker: WorkerFactory, start_batch: BatchStarter
    ) -> None:
        async with new_worker():
            batch = await start_batch(3)
            await batch_when(batch, all_await_review)
            named = [item_id(batch.id, 1)]
            await batch.signal(ImageBatchWorkflow.approve, BatchApproval(job_ids=named))
            await batch_when(batch, lambda s: s.items[1].review is ReviewState.APPROVED)
            await batch.signal(ImageBatchWorkflow.reject, BatchRejection(comment="no"))
            state = await batch.result()
        assert [item.review for item in state.items] == [
            ReviewState.REJECTED,
            ReviewState.APPROVED,
            ReviewState.REJECTED,
        ]

    async def test_a_decision_on_an_image_that_has_not_started_is_kept_for_it(
        self, new_worker: WorkerFactory, start_batch: BatchStarter
    ) -> None:
        gate = Gate()
        async with new_worker(FakeProvider(gate)):
            batch = await start_batch(2, max_concurrency=1)
            await gate.reached.wait()
            early = BatchApproval(job_ids=[item_id(batch.id, 1)], reviewer="early")
            await batch.signal(ImageBatchWorkflow.approve, early)
            gate.open()
            await batch_when(batch, lambda s: s.items[1].final_status is JobStatus.COMPLETED)
            await batch.signal(ImageBatchWorkflow.reject, BatchRejection())
            state = await batch.result()
        assert state.items[1].review is ReviewState.APPROVED

    async def test_a_revised_image_is_followed_through_its_next_round(
        self, new_worker: WorkerFactory, start_batch: BatchStarter
    ) -> None:
        async with new_worker():
            batch = await start_batch(2)
            await batch_when(batch, all_await_review)
            first = item_id(batch.id, 0)
            revise = BatchRejection(job_ids=[first], revise=Revision(prompt="with more fog"))
            await batch.signal(ImageBatchWorkflow.reject, revise)
            state = await batch_when(
                batch, lambda s: s.items[0].job_id is not None and all_await_review(s)
            )
            assert state.items[0].job_id == f"{first}-r2"
            assert state.progress_percentage == 100
            await batch.signal(ImageBatchWorkflow.approve, BatchApproval())
            state = await batch.result()
        assert state.items[0].final_job_id == f"{first}-r2-final"

    async def test_a_failed_image_does_not_hold_the_others_up(
        self, new_worker: WorkerFactory, start_batch: BatchStarter
    ) -> None:
        async def fail_one(order: Order, report: Report) -> None:
            if order.spec.prompt == "picture 1":
                raise KeyError("a defect")

        async with new_worker(FakeProvider(fail_one)):
            batch = await start_batch(3, flow=BatchFlow.FINAL_ONLY)
            state = await batch.result()
        assert state.status is JobStatus.COMPLETED
        assert [item.error_code for item in state.items] == [None, "internal", None]

    async def test_a_job_that_somebody_terminated_does_not_wedge_the_batch(
        self, client: Client, new_worker: WorkerFactory, start_batch: BatchStarter
    ) -> None:
        gate = Gate()
        async with new_worker(FakeProvider(gate)):
            batch = await start_batch(2, flow=BatchFlow.FINAL_ONLY)
            await gate.reached.wait()
            await batch_when(batch, lambda s: s.items[0].status is JobStatus.QUEUED)
            doomed = client.get_workflow_handle(item_id(batch.id, 0))
            await doomed.terminate("by hand")
            gate.open()
            state = await batch.result()
        assert [item.status for item in state.items] == [JobStatus.FAILED, JobStatus.COMPLETED]
        assert state.items[0].error_code == "cancelled"

    async def test_a_terminated_draft_counts_as_expired(
        self, client: Client, new_worker: WorkerFactory, start_batch: BatchStarter
    ) -> None:
        async with new_worker():
            batch = await start_batch(1)
            await batch_when(batch, all_await_review)
            await client.get_workflow_handle(item_id(batch.id, 0)).terminate("by hand")
            state = await batch.result()
        assert state.items[0].review is ReviewState.EXPIRED

    async def test_cancelling_the_batch_cancels_what_is_not_finished(
        self, client: Client, new_worker: WorkerFactory, start_batch: BatchStarter
    ) -> None:
        gate = Gate()

        async def only_the_first(order: Order, report: Report) -> None:
            if order.spec.prompt != "picture 0":
                await gate(order, report)

        async with new_worker(FakeProvider(only_the_first)):
            batch = await start_batch(4, max_concurrency=2, flow=BatchFlow.FINAL_ONLY)
            await batch_when(batch, lambda s: s.items[0].status is JobStatus.COMPLETED)
            await gate.reached.wait()
            await batch.cancel()
            state = await batch.result()
        assert state.cancelled
        assert state.items[0].status is JobStatus.COMPLETED
        assert [item.error_code for item in state.items[1:]] == ["cancelled"] * 3

    async def test_an_image_can_be_withdrawn_before_it_starts(
        self, new_worker: WorkerFactory, start_batch: BatchStarter
    ) -> None:
        gate = Gate()
        async with new_worker(FakeProvider(gate)) as provider:
            batch = await start_batch(2, max_concurrency=1, flow=BatchFlow.FINAL_ONLY)
            await gate.reached.wait()
            await batch.signal(ImageBatchWorkflow.withdraw, item_id(batch.id, 1))
            gate.open()
            state = await batch.result()
        assert state.items[1].error_code == "cancelled"
        assert len(provider.orders) == 1

    async def test_milestones_of_strangers_are_ignored(
        self, new_worker: WorkerFactory, start_batch: BatchStarter
    ) -> None:
        async with new_worker():
            batch = await start_batch(1)
            await batch.signal("milestone", {"job_id": f"{batch.id}-99", "status": "failed"})
            await batch.signal("milestone", {"job_id": "img_0", "status": "failed"})
            await batch.signal("milestone", "garbage")
            state = await batch_when(batch, all_await_review)
            await batch.terminate()
        assert state.items[0].status is JobStatus.COMPLETED


class TestContinueAsNew:
    async def test_a_long_history_is_continued_without_losing_state(
        self,
        client: Client,
        new_worker: WorkerFactory,
        start_batch: BatchStarter,
    ) -> None:
        """The server suggests it by history size; here the carried state is started from."""
        async with new_worker() as provider:
            first = await start_batch(3, flow=BatchFlow.FINAL_ONLY)
            carried = await first.result()
            carried.items[2].status = JobStatus.PENDING
            carried.items[2].image_key = None
            carried.completed_at = None

            second = await start_batch(
                3,
                flow=BatchFlow.FINAL_ONLY,
                adapt=lambda request: request.model_copy(update={"state": carried}),
            )
            state = await second.result()
        assert len(provider.orders) == 4
        assert [item.image_key is not None for item in state.items] == [True, True, True]


async def test_a_batch_whose_manifest_is_gone_fails_instead_of_waiting_for_ever(
    new_worker: WorkerFactory, start_batch: BatchStarter, store: ObjectStore
) -> None:
    batch = await start_batch(1)
    await store.delete(manifest_key(batch.id))
    async with new_worker():
        with pytest.raises(WorkflowFailureError):
            await batch.result()
    assert (await batch.describe()).status is WorkflowExecutionStatus.FAILED
