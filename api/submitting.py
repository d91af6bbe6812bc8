"""Accepts jobs and batches, and renders in this process when the engine is away."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from pydantic import AnyHttpUrl

from api import context
from api.auth import Caller
from api.budgets import BudgetDesk
from api.claims import Claims
from api.engine_room import SEND_AGAIN, EngineRoom
from api.estimates import Estimates
from api.once import Repeatable, promised
from api.problems import refused_as_of
from api.reading import Reader
from api.rework_bodies import SourceBody
from api.reworking import Reworks
from api.schemas import BatchRequestBody, ImageRequest
from api.snapshots import JobSnapshot
from domain.batches import BatchRequest
from domain.errors import (
    BudgetSpent,
    DeadlineExceeded,
    EngineAway,
    JobFailure,
    QueueUnavailable,
    StorageUnavailable,
)
from domain.ids import item_id, new_asset_token, new_batch_id, new_job_id
from domain.jobs import Attempt, JobCard, JobRequest, JobState, JobStatus
from domain.renders import DevelopOrder, Rendered, RenderOrder, render_order, targets_after
from observing.meters import Meters
from pipeline.developing import Developer, state_after
from pipeline.paying import InMemoryJournal
from pipeline.planning import Planner
from pipeline.rendering import Renderer, attempt_of
from pipeline.subscribing import Subscriptions
from storage.archive import Archive

_WAIT_SECONDS = 300.0
_INLINE_AT_ONCE = 2
_LOOK_AGAIN_SECONDS = 1.0

T = TypeVar("T")
Accepted = tuple[str, JobCard, int]
"""A job's id, its card, and the whole seconds that it is expected to take."""

logger = logging.getLogger("darkroom.api")


class Submissions:
    """Takes wishes; raises `Refusal`s, and for `generate` also the job's own failure."""

    def __init__(
        self,
        engine: EngineRoom,
        planner: Planner,
        reworks: Reworks,
        archive: Archive,
        reader: Reader,
        estimates: Estimates,
        claims: Claims,
        inline: InlineRunner,
        budgets: BudgetDesk,
        *,
        batch_concurrency: int,
        subscriptions: Subscriptions,
    ) -> None:
        self._engine = engine
        self._planner = planner
        self._reworks = reworks
        self._archive = archive
        self._reader = reader
        self._estimates = estimates
        self._claims = claims
        self._inline = inline
        self._budgets = budgets
        self._batch_concurrency = batch_concurrency
        self._subscriptions = subscriptions

    async def submit(
        self,
        body: ImageRequest | SourceBody,
        blog_id: str | None,
        blog_job_id: str | None,
        caller: Caller,
        once: Repeatable | None = None,
    ) -> Accepted:
        """Start a job; where the same request has started one before, that one is returned."""
        if once is not None:
            card = await _from_the_queue(self._claims.job(once, caller.tenant))
            if card is not None:
                return once.job_id(caller.tenant), card, promised(card.once)
        request = await self._request(body, blog_id, blog_job_id, caller)
        seconds = self._seconds(request)
        if once is None:
            job_id = new_job_id()
            await self._engine.start_job(job_id, request)
            return job_id, request.card(), seconds
        return await self._start_once(request, seconds, once)

    async def _start_once(self, request: JobRequest, seconds: int, once: Repeatable) -> Accepted:
        """Start a job by its key's id, unless the same request does so at the same time."""
        job_id = once.job_id(request.tenant)
        kept = once.kept(promised_seconds=seconds)
        request = request.model_copy(update={"once": kept})
        if await self._engine.start_job(job_id, request):
            return job_id, request.card(), seconds
        card = await self._claims.first_job(once, request.tenant)
        return job_id, card, promised(card.once)

    async def submit_batch(
        self,
        body: BatchRequestBody,
        blog_id: str | None,
        blog_job_id: str | None,
        caller: Caller,
        once: Repeatable | None = None,
    ) -> tuple[str, BatchRequest, int]:
        """Store a batch's manifest and start it; returns id, request and expected seconds.

        Where the same request has started one before, that one is returned.
        """
        if once is not None:
            before = await _from_the_queue(self._claims.batch(once, caller.tenant))
            if before is not None:
                return once.batch_id(caller.tenant), before, promised(before.once)
        self._check_webhook(body.webhook_url, caller.tenant)
        batch_id = once.batch_id(caller.tenant) if once is not None else new_batch_id()
        blog_id, blog_job_id = body.blog_id or blog_id, body.blog_job_id or blog_job_id
        requests = []
        for index, image in enumerate(body.images):
            with refused_as_of(index):
                self._check_webhook(image.webhook_url, caller.tenant)
                wish = image.wish(
                    tenant=caller.tenant,
                    blog_id=blog_id,
                    blog_job_id=blog_job_id,
                    **body.webhook_of(image),
                )
                planned = _of(caller, self._planner.batch_item(wish, body.workflow))
                requests.append(self._subscriptions.attached(planned, context.base_url.get()))
        await self._budgets.admit(requests)
        manifest = [request.model_copy(update={"batch_id": batch_id}) for request in requests]
        first = manifest[0]
        request = BatchRequest(
            total_images=len(manifest),
            max_concurrency=body.max_concurrency or self._batch_concurrency,
            expected_seconds=first.targets[0].expected_seconds,
            created_at=datetime.now(UTC),
            flow=body.workflow,
            tenant=caller.tenant,
            blog_id=blog_id,
            blog_job_id=blog_job_id,
            webhook_url=str(body.webhook_url) if body.webhook_url else None,
            webhook_events=body.webhook_events,
        )
        request = self._subscriptions.attached(request, context.base_url.get())
        rounds = -(-len(manifest) // request.max_concurrency)
        seconds = self._estimates.whole_seconds(first.recipe, request.expected_seconds, rounds)
        if once is None:
            await self._store_manifest(batch_id, manifest)
            await self._engine.start_batch(batch_id, request)
            return batch_id, request, seconds
        return await self._start_batch_once(request, manifest, seconds, once)

    async def _start_batch_once(
        self, request: BatchRequest, manifest: list[JobRequest], seconds: int, once: Repeatable
    ) -> tuple[str, BatchRequest, int]:
        """Claim the key, and start a batch with a manifest that no other submission writes over."""
        batch_id, name = once.batch_id(request.tenant), new_asset_token()
        kept = once.kept(promised_seconds=seconds)
        request = request.model_copy(update={"manifest": name, "once": kept})
        await _from_the_queue(self._claims.keep(once, request.tenant))
        await self._store_manifest(batch_id, manifest, name)
        if await self._engine.start_batch(batch_id, request):
            return batch_id, request, seconds
        with suppress(StorageUnavailable):
            await self._archive.delete_manifest(batch_id, name)
        first = await self._claims.first_batch(once, request.tenant)
        return batch_id, first, promised(first.once)

    async def generate(
        self,
        body: ImageRequest,
        blog_id: str | None,
        blog_job_id: str | None,
        caller: Caller,
        once: Repeatable | None = None,
    ) -> JobSnapshot:
        """Start a job and wait for it, or render here when the engine does not take it."""
        begun = await self.begin(body, blog_id, blog_job_id, caller, once)
        job_id = begun.job_id
        if begun.rendering is not None:
            return await begun.rendering
        snapshot = await self._finished(job_id, caller.tenant)
        if snapshot.state.status is JobStatus.COMPLETED:
            return snapshot
        if snapshot.state.error is None:
            raise DeadlineExceeded(f"The job is still running; poll it as '{job_id}'.")
        failure = failure_of(snapshot.state)
        if isinstance(failure, BudgetSpent):
            # Refused where it was to be rendered; the budget itself knows when to come again.
            await self._budgets.admit([await self._plan(body, blog_id, blog_job_id, caller)])
        raise failure

    async def begin(
        self,
        body: ImageRequest,
        blog_id: str | None,
        blog_job_id: str | None,
        caller: Caller,
        once: Repeatable | None = None,
    ) -> Begun:
        """Start a job, or begin to render it here when the engine does not take it.

        Without the engine no money can be held and no request be known again: what a budget covers
        is not rendered here, nor is what was sent to be carried out once.
        """
        try:
            job_id, card, _ = await self.submit(body, blog_id, blog_job_id, caller, once)
        except QueueUnavailable:
            request = await self._plan(body, blog_id, blog_job_id, caller)
            if once is not None or self._budgets.holds(request):
                raise
            logger.warning("the engine is away: rendering in this process")
            job_id = new_job_id()
            return Begun(job_id, request.card(), self._inline.begin(job_id, request))
        return Begun(job_id, card, None)

    async def _finished(self, job_id: str, tenant: str) -> JobSnapshot:
        """Wait through an outage of the engine: the job was accepted, it will go on."""
        deadline = asyncio.get_running_loop().time() + _WAIT_SECONDS
        while True:
            left = deadline - asyncio.get_running_loop().time()
            try:
                return await self._reader.finished_job(job_id, tenant, left)
            except EngineAway:
                if left <= 0:
                    raise
                await asyncio.sleep(self._reader.interval_seconds)

    async def _request(
        self,
        body: ImageRequest | SourceBody,
        blog_id: str | None,
        blog_job_id: str | None,
        caller: Caller,
    ) -> JobRequest:
        request = await self._plan(body, blog_id, blog_job_id, caller)
        self._check_webhook(request.webhook_url, request.tenant)
        await self._budgets.admit([request])
        return self._subscriptions.attached(request, context.base_url.get())

    async def _plan(
        self,
        body: ImageRequest | SourceBody,
        blog_id: str | None,
        blog_job_id: str | None,
        caller: Caller,
    ) -> JobRequest:
        try:
            wish = await self._reworks.wish(
                body, caller.tenant, blog_id=blog_id, blog_job_id=blog_job_id
            )
        except (EngineAway, StorageUnavailable) as error:
            raise QueueUnavailable(
                "The picture to begin from cannot be looked at now; nothing was started."
                " Try again soon."
            ) from error
        return _of(caller, self._planner.job(wish))

    def _seconds(self, request: JobRequest) -> int:
        by_catalogue = request.targets[0].expected_seconds
        return self._estimates.whole_seconds(request.recipe, by_catalogue)

    def _check_webhook(self, url: AnyHttpUrl | str | None, tenant: str) -> None:
        if url is not None:
            self._subscriptions.check(tenant, str(url), "webhook_url")

    async def _store_manifest(
        self, batch_id: str, manifest: list[JobRequest], name: str | None = None
    ) -> None:
        try:
            await self._archive.write_manifest(batch_id, manifest, name)
        except StorageUnavailable as error:
            raise QueueUnavailable(
                "The image store does not answer; nothing was started. Try again soon."
            ) from error


@dataclass(frozen=True)
class Begun:
    """A job that was accepted, by the engine or by this process."""

    job_id: str
    card: JobCard
    rendering: asyncio.Task[JobSnapshot] | None
    """As `InlineRunner.begin` gives it; None where the engine has the job."""


class InlineRunner:
    """Renders a job in the API's own process, with the same steps and the same record."""

    def __init__(self, renderer: Renderer, developer: Developer, meters: Meters) -> None:
        self._renderer = renderer
        self._developer = developer
        self._meters = meters
        self._places = asyncio.Semaphore(_INLINE_AT_ONCE)
        self._begun: set[asyncio.Task[JobSnapshot]] = set()

    def begin(self, job_id: str, request: JobRequest) -> asyncio.Task[JobSnapshot]:
        """The finished job, or the last target's `JobFailure`.

        It goes on when nobody waits any more: it may be paid for, and its record will be there.
        A draft that was rendered here awaits no review: there is no engine to wait in.
        """
        task = asyncio.create_task(self._rendered(job_id, request))
        self._begun.add(task)
        task.add_done_callback(self._end)
        return task

    def _end(self, task: asyncio.Task[JobSnapshot]) -> None:
        self._begun.discard(task)
        failure = None if task.cancelled() else task.exception()
        is_completed = failure is None and not task.cancelled()
        self._meters.inline_renders.labels("completed" if is_completed else "failed").inc()
        if failure is not None:
            logger.warning("rendering in this process failed: %s", failure)

    async def _rendered(self, job_id: str, request: JobRequest) -> JobSnapshot:
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
            tried_at, clock = datetime.now(UTC), time.monotonic()
            try:
                rendered = await self._followed(order)
            except JobFailure as failure:
                earlier.append(attempt_of(order, tried_at, failure))
                self._meters.tried(earlier[-1], time.monotonic() - clock)
                left = targets_after(failure.code, target, left)
                if not left:
                    raise
                continue
            self._meters.tried(rendered.attempts[-1], time.monotonic() - clock)
            rendered.attempts = earlier + rendered.attempts
            wanted = DevelopOrder(job_id=job_id, request=request, rendered=rendered)
            return state_after(wanted, await self._developer.develop(wanted))

    async def _followed(self, order: RenderOrder) -> Rendered:
        """Render; where a vendor is at work for us and only looking at it failed, look again."""
        journal = InMemoryJournal()
        while True:
            try:
                return await self._renderer.render(order, journal)
            except JobFailure as failure:
                if journal.call is None or not failure.retryable:
                    raise
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)


def _of(caller: Caller, request: JobRequest) -> JobRequest:
    """The request as one of the caller's tenant."""
    return request.model_copy(update={"tenant": caller.tenant})


async def _from_the_queue(look: Awaitable[T]) -> T:
    """What the engine says of a key; raises `QueueUnavailable` where it is away."""
    try:
        return await look
    except EngineAway as error:
        raise QueueUnavailable(SEND_AGAIN) from error


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
