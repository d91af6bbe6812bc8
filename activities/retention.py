"""`sweep` does one page of a sweep, and asks the engine what must not be swept."""

from __future__ import annotations

from temporalio import activity
from temporalio.client import Client, WorkflowExecutionDescription, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from activities.beating import alive
from activities.failures import translated
from domain.batches import BatchRequest
from domain.ids import final_id
from domain.jobs import JobCard
from domain.names import MEMO_CARD, REVIEW
from domain.retention import Policy, SweepOrder, Swept
from domain.reviews import ReviewState
from pipeline.sweeping import Sweeper
from storage.archive import Archive
from storage.objects import ObjectStore

_RUNNING = WorkflowExecutionStatus.RUNNING
_JOBS = "ExecutionStatus = 'Running' AND WorkflowType = 'ImageJobWorkflow'"
_BATCHES = "ExecutionStatus = 'Running' AND WorkflowType = 'ImageBatchWorkflow'"
_LISTED_AT_ONCE = 1000


class RetentionActivities:
    """Registered on the `darkroom` task queue."""

    def __init__(self, client: Client, store: ObjectStore, policy: Policy) -> None:
        self._client = client
        self._archive = Archive(store)
        self._sweeper = Sweeper(store, policy, self._is_open, self._in_use)

    @activity.defn
    async def sweep(self, order: SweepOrder) -> Swept:
        """One page of one step; done again it does no harm."""
        async with alive():
            with translated():
                return await self._sweeper.sweep(order)

    async def _is_open(self, job_id: str) -> bool:
        """Whether a job may change, or was approved while its record could not be written."""
        job = await self._describe(job_id)
        if job is None:
            return False
        if job.status is _RUNNING or job.typed_search_attributes.get(REVIEW) == _APPROVED:
            return True
        return await self._describe(final_id(job_id)) is not None

    async def _describe(self, workflow_id: str) -> WorkflowExecutionDescription | None:
        try:
            return await self._client.get_workflow_handle(workflow_id).describe()
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return None
            raise

    async def _in_use(self) -> set[str]:
        """What open jobs are made from, and images that have not started of open batches."""
        used: set[str] = set()
        async for job in self._client.list_workflows(_JOBS, page_size=_LISTED_AT_ONCE):
            card: JobCard = await job.memo_value(MEMO_CARD, type_hint=JobCard)
            used |= card.related
        async for batch in self._client.list_workflows(_BATCHES, page_size=_LISTED_AT_ONCE):
            request = await batch.memo_value(MEMO_CARD, type_hint=BatchRequest)
            for image in await self._archive.read_manifest(batch.id, request.manifest) or []:
                used |= image.uses
        return used


_APPROVED = ReviewState.APPROVED.value
