"""`find_idle_jobs` tells a budget which jobs will not settle any more what is held for them."""

from __future__ import annotations

import asyncio

from temporalio import activity
from temporalio.client import Client, WorkflowExecutionDescription, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from activities.failures import translated
from domain.budgets import IdleJobs, OpenJobs

_LOOKS_AT_ONCE = 20


class BudgetActivities:
    """Registered on the `darkroom` task queue."""

    def __init__(self, client: Client) -> None:
        self._client = client

    @activity.defn
    async def find_idle_jobs(self, jobs: OpenJobs) -> IdleJobs:
        """The jobs that have closed, or only wait for an editor."""
        bound = asyncio.Semaphore(_LOOKS_AT_ONCE)

        async def is_idle(job_id: str) -> bool:
            async with bound:
                activity.heartbeat()
                return await self._is_idle(job_id)

        with translated():
            idle = await asyncio.gather(*(is_idle(job_id) for job_id in jobs.job_ids))
        found = (job_id for job_id, is_so in zip(jobs.job_ids, idle, strict=True) if is_so)
        return IdleJobs(job_ids=list(found))

    async def _is_idle(self, job_id: str) -> bool:
        try:
            return not _is_under_way(await self._client.get_workflow_handle(job_id).describe())
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return True
            raise


def _is_under_way(job: WorkflowExecutionDescription) -> bool:
    """Whether an activity of the job runs or is about to; only those pay, and then settle."""
    raw = job.raw_description
    is_busy = bool(raw.pending_activities) or raw.HasField("pending_workflow_task")
    return job.status is WorkflowExecutionStatus.RUNNING and is_busy
