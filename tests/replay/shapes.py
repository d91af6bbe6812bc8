"""The stories whose histories are golden: one for every path a job or batch can take.

Each is played on a real server; what is replayed later are the files in `histories/`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from temporalio.client import Client, WorkflowHandle

from activities.purse import BudgetPurse
from domain.batches import BatchApproval, BatchFlow, BatchState
from domain.budgets import Bill, Books, Budget, Budgets, Period
from domain.errors import Billed, BudgetSpent, ContentRejected, OutcomeUnknown, ProviderUnavailable
from domain.ids import final_id, item_id, keyed_job_id
from domain.jobs import JobState, JobStatus
from domain.names import RETENTION_SCHEDULE, TASK_QUEUE
from domain.once import Held, Once
from domain.operations import Operation, Source
from domain.retention import RetentionRequest
from domain.reviews import Approval, FinalChoices, Rejection, ReviewState, Revision
from domain.sizes import Quality
from domain.wishes import Wish
from pipeline.planning import Planner
from providers.base import Order, Report
from tests.fakes import FakeProvider, Gate
from tests.holding import unheard
from tests.starting import BatchStarter, JobHandle, start_job
from tests.waiting import eventually
from workflows.claim import ClaimWorkflow
from workflows.image_batch import ImageBatchWorkflow
from workflows.image_job import ImageJobWorkflow
from workflows.options import claim_options
from workflows.retention import RetentionWorkflow

Handle = WorkflowHandle[object, object]


@dataclass
class Stage:
    """What a story is played with."""

    client: Client
    planner: Planner
    start_batch: BatchStarter
    new_worker: Callable[..., AbstractAsyncContextManager[FakeProvider]]


Story = Callable[[Stage], Awaitable[str]]
"""Plays a story; returns the id of the workflow whose history it is."""


def _wish(quality: Quality) -> Wish:
    return Wish(prompt="a lighthouse", quality=quality, width=64, height=64, seed=7)


async def _awaits_review(client: Client, job_id: str) -> None:
    async def look() -> bool:
        job: JobHandle = client.get_workflow_handle(job_id)
        return (await job.query(ImageJobWorkflow.status)).awaits_review

    await eventually(look, "the draft awaits review")


async def _closed(client: Client, workflow_id: str) -> None:
    async def look() -> bool:
        return (await client.get_workflow_handle(workflow_id).describe()).close_time is not None

    await eventually(look, "the workflow is closed")


async def plain_job(stage: Stage) -> str:
    async with stage.new_worker():
        job = await start_job(stage.client, stage.planner.job(_wish(Quality.STANDARD)))
        await _closed(stage.client, job.id)
    return job.id


async def fallen_back_job(stage: Stage) -> str:
    async def refuse_first(order: Order, report: Report) -> None:
        if order.model != "other":
            raise ContentRejected("not here", provider="studio")

    request = stage.planner.job(_wish(Quality.STANDARD))
    request.targets.append(request.targets[0].model_copy(update={"model": "other"}))
    async with stage.new_worker(FakeProvider(refuse_first)):
        job = await start_job(stage.client, request)
        await _closed(stage.client, job.id)
    return job.id


async def failed_job(stage: Stage) -> str:
    async def refuse(order: Order, report: Report) -> None:
        raise ContentRejected("not that", provider="studio", flagged="prompt")

    async with stage.new_worker(FakeProvider(refuse)):
        job = await start_job(stage.client, stage.planner.job(_wish(Quality.DRAFT)))
        await _closed(stage.client, job.id)
    return job.id


async def retried_job(stage: Stage) -> str:
    calls = 0

    async def fail_once(order: Order, report: Report) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise ProviderUnavailable("down", provider="studio", retry_after_seconds=0.05)

    async with stage.new_worker(FakeProvider(fail_once)):
        job = await start_job(stage.client, stage.planner.job(_wish(Quality.STANDARD)))
        await _closed(stage.client, job.id)
    return job.id


async def cancelled_job(stage: Stage) -> str:
    gate = Gate()
    async with stage.new_worker(FakeProvider(gate)):
        job = await start_job(stage.client, stage.planner.job(_wish(Quality.DRAFT)))
        await gate.reached.wait()
        await job.cancel()
        await _closed(stage.client, job.id)
    return job.id


async def cancelled_too_late(stage: Stage) -> str:
    gate = Gate()
    async with stage.new_worker(FakeProvider(gate, is_paid=True)):
        job = await start_job(stage.client, stage.planner.job(_wish(Quality.STANDARD)))
        await gate.reached.wait()
        await job.cancel()
        gate.open()
        await _closed(stage.client, job.id)
    return job.id


async def taken_up_job(stage: Stage) -> str:
    gate = Gate()
    async with stage.new_worker(FakeProvider(gate, is_paid=True)):
        job = await start_job(stage.client, stage.planner.job(_wish(Quality.STANDARD)))
        await gate.reached.wait()
        with unheard("render"):
            await job.cancel()
            await _closed(stage.client, job.id)
    return job.id


async def outcome_unknown(stage: Stage) -> str:
    async def lose(order: Order, report: Report) -> None:
        raise OutcomeUnknown("lost", provider="studio", billed=Billed.UNKNOWN)

    async with stage.new_worker(FakeProvider(lose, is_paid=True)):
        job = await start_job(stage.client, stage.planner.job(_wish(Quality.STANDARD)))
        await _closed(stage.client, job.id)
    return job.id


async def _draft(stage: Stage) -> WorkflowHandle[ImageJobWorkflow, JobState]:
    job = await start_job(stage.client, stage.planner.job(_wish(Quality.DRAFT)))
    await _awaits_review(stage.client, job.id)
    return job


async def approved_draft(stage: Stage) -> str:
    async with stage.new_worker():
        job = await _draft(stage)
        await job.signal(ImageJobWorkflow.approve, Approval(reviewer="ann"))
        await _closed(stage.client, job.id)
    return job.id


async def edited_image(stage: Stage) -> str:
    """An edit of a job's picture, a draft, to its approval."""
    async with stage.new_worker():
        made = await start_job(stage.client, stage.planner.job(_wish(Quality.STANDARD)))
        state = await made.result()
        assert state.result is not None
        source = Source(
            key=f"{state.result.asset_prefix}/0.original",
            width_px=64,
            height_px=64,
            job_id=made.id,
            image_index=0,
            digital_source_type="trainedAlgorithmicMedia",
            provider="studio",
            prompt="a lighthouse",
            seed=7,
        )
        wish = _wish(Quality.DRAFT).model_copy(
            update={"operation": Operation.EDIT, "source": source, "prompt": "at night"}
        )
        job = await start_job(stage.client, stage.planner.job(wish))
        await _awaits_review(stage.client, job.id)
        await job.signal(ImageJobWorkflow.approve, Approval(reviewer="ann"))
        await _closed(stage.client, job.id)
    return job.id


async def approved_early(stage: Stage) -> str:
    job = await start_job(stage.client, stage.planner.job(_wish(Quality.DRAFT)))
    await job.signal(ImageJobWorkflow.approve, Approval(reviewer="ann"))
    async with stage.new_worker():
        await _closed(stage.client, job.id)
    return job.id


async def final_of_a_draft(stage: Stage) -> str:
    async with stage.new_worker():
        job = await _draft(stage)
        await job.signal(ImageJobWorkflow.approve, Approval())
        await _closed(stage.client, job.id)
        await _closed(stage.client, final_id(job.id))
    return final_id(job.id)


async def refused_approval(stage: Stage) -> str:
    async with stage.new_worker():
        job = await _draft(stage)
        impossible = Approval(final=FinalChoices(model="no-such-model"))
        await job.signal(ImageJobWorkflow.approve, impossible)
        await job.signal(ImageJobWorkflow.reject, Rejection(comment="then not"))
        await _closed(stage.client, job.id)
    return job.id


async def chosen_image(stage: Stage) -> str:
    """Of three; one that is not there was named before."""
    wish = _wish(Quality.DRAFT).model_copy(update={"num_images": 3})
    async with stage.new_worker():
        job = await start_job(stage.client, stage.planner.job(wish))
        await _awaits_review(stage.client, job.id)
        for index in (3, 2):
            await job.signal(ImageJobWorkflow.approve, Approval(image_index=index))
        await _closed(stage.client, job.id)
    return job.id


async def revised_draft(stage: Stage) -> str:
    async with stage.new_worker():
        job = await _draft(stage)
        revise = Revision(prompt="a lighthouse in fog")
        await job.signal(ImageJobWorkflow.reject, Rejection(revise=revise))
        await _closed(stage.client, job.id)
    return job.id


async def cancelled_review(stage: Stage) -> str:
    async with stage.new_worker():
        job = await _draft(stage)
        await job.cancel()
        await _closed(stage.client, job.id)
    return job.id


async def job_with_webhook(stage: Stage) -> str:
    request = stage.planner.job(_wish(Quality.STANDARD)).model_copy(
        update={"webhook_url": "http://127.0.0.1:9/hook"}
    )
    async with stage.new_worker():
        job = await start_job(stage.client, request)
        await _closed(stage.client, job.id)
        delivery = stage.client.get_workflow_handle(f"webhook-{job.id}.job.completed")

        async def look() -> bool:
            return bool((await delivery.describe()).raw_description.pending_activities)

        await eventually(look, "the webhook is being tried")
        await delivery.terminate()
    return job.id


async def delivery(stage: Stage) -> str:
    """A webhook that is being tried while its job has long ended."""
    return f"webhook-{await job_with_webhook(stage)}.job.completed"


async def batch_of_finals(stage: Stage) -> str:
    async with stage.new_worker(cached_workflows=100):
        batch = await stage.start_batch(30, max_concurrency=8, flow=BatchFlow.FINAL_ONLY)
        await _closed(stage.client, batch.id)
    return batch.id


async def approved_batch(stage: Stage) -> str:
    async with stage.new_worker(cached_workflows=100):
        batch = await stage.start_batch(3)

        async def look() -> bool:
            state: BatchState = await batch.query(ImageBatchWorkflow.status)
            return all(item.review is ReviewState.AWAITING for item in state.items)

        await eventually(look, "all drafts await review")
        await batch.signal(ImageBatchWorkflow.approve, BatchApproval(reviewer="ann"))
        await _closed(stage.client, batch.id)
    return batch.id


async def cancelled_batch(stage: Stage) -> str:
    gate = Gate()
    async with stage.new_worker(FakeProvider(gate)):
        batch = await stage.start_batch(4, max_concurrency=2, flow=BatchFlow.FINAL_ONLY)
        await gate.reached.wait()
        await batch.cancel()
        await _closed(stage.client, batch.id)
    return batch.id


async def batch_with_a_terminated_job(stage: Stage) -> str:
    gate = Gate()
    async with stage.new_worker(FakeProvider(gate)):
        batch = await stage.start_batch(2, flow=BatchFlow.FINAL_ONLY)

        async def look() -> bool:
            state: BatchState = await batch.query(ImageBatchWorkflow.status)
            return state.items[0].status is JobStatus.QUEUED

        await eventually(look, "the first image has started")
        await gate.reached.wait()
        await stage.client.get_workflow_handle(item_id(batch.id, 0)).terminate()
        gate.open()
        await _closed(stage.client, batch.id)
    return batch.id


async def claimed_key(stage: Stage) -> str:
    held = Held(once=Once(fingerprint="0a" * 32, answer={"job_id": "img_0"}))
    async with stage.new_worker():
        claim = await stage.client.start_workflow(
            ClaimWorkflow.run, id=keyed_job_id("default", "a key"), **claim_options(held, "default")
        )
        await _closed(stage.client, claim.id)
    return claim.id


_BUDGETS = Budgets([Budget(blog="travel", amount_usd=0.1, period=Period.DAY)])
_BUDGET = _BUDGETS.accounts[0].workflow_id


def _bill(key: str, job_id: str = "img_0") -> Bill:
    return Bill(key=key, job_id=job_id, tenant="default", blog_id="travel", amount_usd=0.04)


async def used_budget(stage: Stage) -> str:
    """Held, settled, given back, unknown, refused, corrected."""
    purse = BudgetPurse(stage.client, _BUDGETS)
    async with stage.new_worker():
        for key, amount in (("a", 0.03), ("b", 0.0), ("c", None)):
            await purse.reserve(_bill(key))
            await purse.settle(_bill(key), amount)
        with contextlib.suppress(BudgetSpent):
            await purse.reserve(_bill("d"))
        await purse.settle(_bill("c"), 0.02)
    return _BUDGET


async def budget_with_a_leak(stage: Stage) -> str:
    """A job is terminated while money is held for it; the next look finds that out."""
    gate = Gate()
    purse = BudgetPurse(stage.client, _BUDGETS, look_seconds=0.2)
    async with stage.new_worker(FakeProvider(gate)):
        job = await start_job(stage.client, stage.planner.job(_wish(Quality.STANDARD)))
        await gate.reached.wait()
        await purse.reserve(_bill("a", job.id))
        await purse.reserve(_bill("b", job.id))
        await purse.settle(_bill("b", job.id), 0.04)
        await job.terminate()

        async def look() -> bool:
            budget = stage.client.get_workflow_handle(_BUDGET)
            books: Books = await budget.query("status", result_type=Books)
            return not books.reservations

        await eventually(look, "nothing is held any more")
    return _BUDGET


async def sweep(stage: Stage) -> str:
    async with stage.new_worker():
        job = await _draft(stage)
        await job.signal(ImageJobWorkflow.reject, Rejection())
        await _closed(stage.client, job.id)
        await stage.client.execute_workflow(
            RetentionWorkflow.run,
            RetentionRequest(grace_seconds=0.05),
            id=RETENTION_SCHEDULE,
            task_queue=TASK_QUEUE,
        )
    return RETENTION_SCHEDULE


STORIES: dict[str, Story] = {
    story.__name__.replace("_", "-"): story
    for story in (
        plain_job,
        fallen_back_job,
        failed_job,
        retried_job,
        cancelled_job,
        cancelled_too_late,
        taken_up_job,
        outcome_unknown,
        approved_draft,
        edited_image,
        approved_early,
        final_of_a_draft,
        refused_approval,
        chosen_image,
        revised_draft,
        cancelled_review,
        job_with_webhook,
        delivery,
        batch_of_finals,
        approved_batch,
        cancelled_batch,
        batch_with_a_terminated_job,
        claimed_key,
        used_budget,
        budget_with_a_leak,
        sweep,
    )
}
