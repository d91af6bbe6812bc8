"""`load_items` reads a slice of a batch's manifest; `inspect_jobs` finds jobs that went silent."""

from __future__ import annotations

import asyncio

from temporalio import activity
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from activities.failures import translated
from domain.batches import Findings, Inspection, Items, Milestone, Page
from domain.errors import Cancelled, InternalFailure
from domain.jobs import JobStatus
from domain.reviews import ReviewState
from storage.archive import Archive

_INSPECTIONS_AT_ONCE = 20
_STOPPED_BY_SOMEBODY = (
    WorkflowExecutionStatus.TERMINATED,
    WorkflowExecutionStatus.CANCELED,
    None,
)
"""None: it was called off before it started."""


class BatchActivities:
    """Registered on the `darkroom` task queue."""

    def __init__(self, client: Client, archive: Archive) -> None:
        self._client = client
        self._archive = archive

    @activity.defn
    async def load_items(self, page: Page) -> Items:
        """The requests `start` to `start + count` of the batch's manifest."""
        with translated():
            requests = await self._archive.read_manifest(page.batch_id, page.manifest)
        if requests is None:
            raise ApplicationError(
                f"the batch's manifest is gone [batch={page.batch_id}]",
                type=InternalFailure.code,
                non_retryable=True,
            )
        return Items(requests=requests[page.start : page.start + page.count])

    @activity.defn
    async def inspect_jobs(self, inspection: Inspection) -> Findings:
        """What became of jobs, by their records, and by the engine where there is no record."""
        bound = asyncio.Semaphore(_INSPECTIONS_AT_ONCE)

        async def inspect(job_id: str) -> Milestone | None:
            async with bound:
                activity.heartbeat()
                return await self._inspect(job_id)

        with translated():
            found = await asyncio.gather(*(inspect(job_id) for job_id in inspection.job_ids))
        return Findings(milestones=[milestone for milestone in found if milestone])

    async def _inspect(self, job_id: str) -> Milestone | None:
        status = await self._execution_status(job_id)
        record = await self._archive.read_job(job_id)
        if record is None:
            return None if status is WorkflowExecutionStatus.RUNNING else _lost(job_id, status)
        milestone = Milestone.of(job_id, record.state)
        abandoned = (
            status is not WorkflowExecutionStatus.RUNNING
            and milestone.review is ReviewState.AWAITING
        )
        if abandoned:
            return milestone.model_copy(update={"review": ReviewState.EXPIRED})
        return milestone

    async def _execution_status(self, job_id: str) -> WorkflowExecutionStatus | None:
        try:
            return (await self._client.get_workflow_handle(job_id).describe()).status
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return None
            raise


def _lost(job_id: str, status: WorkflowExecutionStatus | None) -> Milestone:
    stopped = status in _STOPPED_BY_SOMEBODY
    code = Cancelled.code if stopped else InternalFailure.code
    return Milestone(job_id=job_id, status=JobStatus.FAILED, error_code=code)
