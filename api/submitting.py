"""Accepts jobs and batches, and renders in this process when the engine is away."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime

from api.budgets import BudgetDesk
from api.engine_room import EngineRoom
from api.estimates import Estimates
from api.reading import Reader
from api.schemas import BatchRequestBody, ImageRequest
from api.snapshots import JobSnapshot
from domain.batches import BatchRequest
from domain.errors import (
    BudgetSpent,
    DeadlineExceeded,
    EngineAway,
    InvalidRequest,
    JobFailure,
    QueueUnavailable,
    StorageUnavailable,
)
from domain.ids import item_id, new_batch_id, new_job_id
from domain.jobs import Attempt, JobRequest, JobState, JobStatus
from domain.renders import DevelopOrder, render_order, targets_after
from pipeline.developing import Developer, state_after
from pipeline.paying import InMemoryJournal
from pipeline.planning import Planner
from pipeline.rendering import Renderer, attempt_of
from storage.archive import Archive

_WAIT_SECONDS = 300.0
_INLINE_AT_ONCE = 2

logger = logging.getLogger("darkroom.api")


class Submissions:
    """Takes wishes; raises `Refusal`s, and for `generate` also the job's own failure."""

    def __init__(
        self,
        engine: EngineRoom,
        planner: Planner,
        archive: Archive,
        reader: Reader,
        estimates: Estimates,
        inline: InlineRunner,
        budgets: BudgetDesk,
        *,
        batch_concurrency: int,
        takes_webhooks: bool,
    ) -> None:
        self._engine = engine
        self._planner = planner
        self._archive = archive
        self._reader = reader
        self._estimates = estimates
        self._inline = inline
        self._budgets = budgets
        self._batch_concurrency = batch_concurrency
        self._takes_webhooks = takes_webhooks

    async def submit(
        self, body: ImageRequest, blog_id: str | None, blog_job_id: str | None
    ) -> tuple[str, JobRequest, int]:
        """Start a job; returns its id, its request and the whole seconds it is expected to take."""
        request = await self._request(body, blog_id, blog_job_id)
        job_id = new_job_id()
        await self._engine.start_job(job_id, request)
        first = request.targets[0]
        return (
            job_id,
            request,
            self._estimates.whole_seconds(request.recipe, first.expected_seconds),
        )

    async def submit_batch(
        self, body: BatchRequestBody, blog_id: str | None, blog_job_id: str | None
    ) -> tuple[str, BatchRequest, int]:
        """Store a batch's manifest and start it; returns id, request and expected seconds."""
        self._check_webhook(str(body.webhook_url) if body.webhook_url else None)
        batch_id = new_batch_id()
        blog_id, blog_job_id = body.blog_id or blog_id, body.blog_job_id or blog_job_id
        requests = []
        for index, image in enumerate(body.images):
            try:
                self._check_webhook(str(image.webhook_url) if image.webhook_url else None)
                wish = image.wish(blog_id=blog_id, blog_job_id=blog_job_id)
                requests.append(self._planner.batch_item(wish, body.workflow))
            except InvalidRequest as refused:
                refused.errors = [(f"images.{index}.{f}", m) for f, m in refused.errors]
                raise
        await self._budgets.admit(requests)
        manifest = [request.model_copy(update={"batch_id": batch_id}) for request in requests]
        first = manifest[0]
        request = BatchRequest(
            total_images=len(manifest),
            max_concurrency=body.max_concurrency or self._batch_concurrency,
            expected_seconds=first.targets[0].expected_seconds,
            created_at=datetime.now(UTC),
            flow=body.workflow,
            blog_id=blog_id,
            blog_job_id=blog_job_id,
            webhook_url=str(body.webhook_url) if body.webhook_url else None,
        )
        await self._store_manifest(batch_id, manifest)
        await self._engine.start_batch(batch_id, request)
        rounds = -(-len(manifest) // request.max_concurrency)
        seconds = self._estimates.whole_seconds(first.recipe, request.expected_seconds, rounds)
        return batch_id, request, seconds

    async def generate(
        self, body: ImageRequest, blog_id: str | None, blog_job_id: str | None
    ) -> JobSnapshot:
        """Start a job and wait for it, or render here when the engine does not take it.

        What a budget covers is not rendered here: without the engine no money can be held.
        """
        request = await self._request(body, blog_id, blog_job_id)
        job_id = new_job_id()
        try:
            await self._engine.start_job(job_id, request)
        except QueueUnavailable:
            if self._budgets.holds(request):
                raise
            logger.warning("the engine is away: rendering in this process")
            return await self._inline.run(new_job_id(), request)
        snapshot = await self._finished(job_id)
        if snapshot.state.status is JobStatus.COMPLETED:
            return snapshot
        if snapshot.state.error is None:
            raise DeadlineExceeded(f"The job is still running; poll it as '{job_id}'.")
        failure = failure_of(snapshot.state)
        if isinstance(failure, BudgetSpent):
            # Refused where it was to be rendered; the budget itself knows when to come again.
            await self._budgets.admit([request])
        raise failure

    async def _finished(self, job_id: str) -> JobSnapshot:
        """Wait through an outage of the engine: the job was accepted, it will go on."""
        deadline = asyncio.get_running_loop().time() + _WAIT_SECONDS
        while True:
            left = deadline - asyncio.get_running_loop().time()
            try:
                return await self._reader.finished_job(job_id, left)
            except EngineAway:
                if left <= 0:
                    raise
                await asyncio.sleep(self._reader.interval_seconds)

    async def _request(
        self, body: ImageRequest, blog_id: str | None, blog_job_id: str | None
    ) -> JobRequest:
        request = self._planner.job(body.wish(blog_id=blog_id, blog_job_id=blog_job_id))
        self._check_webhook(request.webhook_url)
        await self._budgets.admit([request])
        return request

    def _check_webhook(self, url: str | None) -> None:
        if url is not None and not self._takes_webhooks:
            raise InvalidRequest(
                "Webhooks are not set up here: DARKROOM_WEBHOOK_SECRET signs them.",
                [("webhook_url", "needs DARKROOM_WEBHOOK_SECRET")],
            )

    async def _store_manifest(self, batch_id: str, manifest: list[JobRequest]) -> None:
        try:
            await self._archive.write_manifest(batch_id, manifest)
        except StorageUnavailable as error:
            raise QueueUnavailable(
                "The image store does not answer; nothing was started. Try again soon."
            ) from error


class InlineRunner:
    """Renders a job in the API's own process, with the same steps and the same record."""

    def __init__(self, renderer: Renderer, developer: Developer) -> None:
        self._renderer = renderer
        self._developer = developer
        self._places = asyncio.Semaphore(_INLINE_AT_ONCE)

    async def run(self, job_id: str, request: JobRequest) -> JobSnapshot:
        """The finished job; raises the last target's `JobFailure`.

        A draft that was rendered here awaits no review: there is no engine to wait in.
        """
        unreviewed = request.model_copy(update={"review_seconds": 0.0})
        async with self._places:
            state = await self._run(job_id, unreviewed)
        return JobSnapshot(job_id, request.card(), state, is_final=True)

    async def _run(self, job_id: str, request: JobRequest) -> JobState:
        left = list(request.targets)
        earlier: list[Attempt] = []
        while True:
            target = left.pop(0)
            order = render_order(job_id, request, target, (0, 100), has_fallback=bool(left))
            tried_at = datetime.now(UTC)
            try:
                rendered = await self._renderer.render(order, InMemoryJournal())
            except JobFailure as failure:
                left = targets_after(failure.code, target, left)
                if not left:
                    raise
                earlier.append(attempt_of(order, tried_at, failure))
                continue
            rendered.attempts = earlier + rendered.attempts
            wanted = DevelopOrder(job_id=job_id, request=request, rendered=rendered)
            return state_after(wanted, await self._developer.develop(wanted))


def failure_of(state: JobState) -> JobFailure:
    """A failed job's error as the exception it was."""
    kinds = {kind.code: kind for kind in JobFailure.__subclasses__()}
    error = state.error
    if error is None:
        raise AssertionError("only a failed job has a failure")
    return kinds[error.code](error.message, provider=error.provider, billed=error.billed)


def batch_job_ids(batch_id: str, total: int) -> list[str]:
    """The job ids of a batch's images, in order."""
    return [item_id(batch_id, index) for index in range(total)]
