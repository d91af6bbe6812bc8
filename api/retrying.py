"""Starts failed jobs again, each as a job of its own."""

from __future__ import annotations

from api import context
from api.auth import Caller
from api.budgets import BudgetDesk
from api.claims import Claims
from api.engine_room import EngineRoom
from api.estimates import Estimates
from api.once import Repeatable, promised
from api.reading import Reader
from domain.errors import JobNotFound, NotRetryable, StorageUnavailable
from domain.ids import batch_item, predecessor, retry_id
from domain.jobs import JobCard, JobRequest, JobStatus
from domain.once import Once
from pipeline.planning import Planner
from pipeline.subscribing import Subscriptions
from storage.archive import Archive


class Retries:
    """The id of a retry is derived from the failed job's: two at once start one."""

    def __init__(
        self,
        engine: EngineRoom,
        reader: Reader,
        archive: Archive,
        planner: Planner,
        estimates: Estimates,
        budgets: BudgetDesk,
        subscriptions: Subscriptions,
        claims: Claims,
    ) -> None:
        self._engine = engine
        self._reader = reader
        self._archive = archive
        self._planner = planner
        self._estimates = estimates
        self._budgets = budgets
        self._subscriptions = subscriptions
        self._claims = claims

    async def retry(
        self, job_id: str, caller: Caller, once: Repeatable | None = None
    ) -> tuple[str, JobCard, int]:
        """Start a failed job's request again; returns the new job as a submission does.

        Raises `JobNotFound`, `NotRetryable`, and what a submission and the engine refuse.
        """
        await self._claims.kept(once, caller.tenant)
        failed = await self._reader.job(job_id, caller.tenant, fresh=True)
        status = failed.state.status
        if status is not JobStatus.FAILED:
            raise NotRetryable(f"The job '{job_id}' has not failed: it is {status}.")
        request = None if failed.retry_job_id else await self._request(job_id, caller)
        await self._claims.keep(once, caller.tenant)
        if request is not None and await self._engine.start_job(retry_id(job_id), request):
            return retry_id(job_id), request.card(), promised(request.once)
        first = await self._reader.job(retry_id(job_id), caller.tenant, fresh=True)
        return first.job_id, first.card, promised(first.card.once)

    async def _request(self, job_id: str, caller: Caller) -> JobRequest:
        """What the job is tried again with, checked as a new request is."""
        request = self._planner.retry(await self._failed_request(job_id, caller), job_id)
        if request.webhook_url is not None:
            self._subscriptions.check(request.tenant, request.webhook_url, "webhook_url")
        await self._budgets.admit([request])
        request = self._subscriptions.attached(request, context.base_url.get())
        seconds = self._estimates.whole_seconds(request.recipe, request.targets[0].expected_seconds)
        return request.model_copy(update={"once": Once(promised_seconds=seconds)})

    async def _failed_request(self, job_id: str, caller: Caller) -> JobRequest:
        """By its record; by the engine where it has none; by its batch where it never started."""
        try:
            record = await self._archive.read_job(job_id)
        except StorageUnavailable:
            record = None
        if record is not None:
            return record.request
        request = await self._engine.request_of(job_id)
        return request or await self._unstarted_request(job_id, caller)

    async def _unstarted_request(self, job_id: str, caller: Caller) -> JobRequest:
        place = batch_item(job_id)
        if place is not None and predecessor(job_id) is None:
            batch = await self._reader.batch(place[0], caller.tenant)
            requests = await self._archive.read_manifest(place[0], batch.request.manifest)
            if requests is not None:
                return requests[place[1]]
        raise JobNotFound(f"What the job '{job_id}' was to make is not kept any more.")
