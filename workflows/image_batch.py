"""A batch: starts its images in a sliding window, hears of them by signal, relays decisions."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError, FailureError, WorkflowAlreadyStartedError

with workflow.unsafe.imports_passed_through():
    import workflows.policies as policies
    from activities.batch import BatchActivities
    from activities.develop import DevelopActivities
    from domain.batches import (
        BatchApproval,
        BatchItem,
        BatchRecord,
        BatchRejection,
        BatchRequest,
        BatchState,
        Inspection,
        Milestone,
        Page,
        Relay,
    )
    from domain.errors import Cancelled
    from domain.ids import batch_item, item_id
    from domain.jobs import JobRequest, JobStatus
    from domain.reviews import Approval, Decision, Rejection, ReviewState
    from domain.webhooks import WebhookEvent
    from workflows.image_job import ImageJobWorkflow
    from workflows.options import job_options
    from workflows.story import batch_details_of
    from workflows.webhook import tell

_PAGE = 25
_FIRST_INSPECTION = timedelta(minutes=1)
_LAST_INSPECTION = timedelta(hours=1)


@workflow.defn
class ImageBatchWorkflow:
    """The workflow id is the batch id; the result is a `BatchState`.

    It stays open until every image is made, every review decided and every final finished. The
    images outlive it: they are abandoned, not terminated, when it closes.
    """

    @workflow.init
    def __init__(self, request: BatchRequest) -> None:
        self._id = workflow.info().workflow_id
        self._request = request
        self._state = request.state or BatchState(
            items=[BatchItem() for _ in range(request.total_images)]
        )
        self._relays: dict[int, list[Decision]] = {}
        for relay in request.relays or []:
            self._hold(relay.index, relay.approval or relay.rejection or Approval())
        self._page: dict[int, JobRequest] = {}
        self._closed: set[str] = set()

    @workflow.run
    async def run(self, request: BatchRequest) -> BatchState:
        """Start what is pending, then wait until everything is settled."""
        inspector = asyncio.create_task(self._inspect_for_ever())
        try:
            await self._start_pending()
            await self._until_settled()
        except asyncio.CancelledError:
            await self._cancel()
            await self._until_settled()
        inspector.cancel()
        await self._finish()
        return self._state

    @workflow.signal
    def milestone(self, news: Milestone) -> None:
        """A job of this batch was made, decided or finished."""
        place = batch_item(news.job_id)
        if place is not None and place[1] < len(self._state.items):
            self._state.items[place[1]].learn(news)
            workflow.set_current_details(batch_details_of(self._request, self._state))

    @workflow.signal
    async def approve(self, approval: BatchApproval | None = None) -> None:
        """Approve the images named, else all that await review."""
        approval = approval or BatchApproval()
        decision = Approval.model_validate(approval.model_dump(exclude={"job_ids"}))
        await self._decide(approval.job_ids, decision)

    @workflow.signal
    async def reject(self, rejection: BatchRejection | None = None) -> None:
        """Reject the images named, else all that await review."""
        rejection = rejection or BatchRejection()
        decision = Rejection.model_validate(rejection.model_dump(exclude={"job_ids"}))
        await self._decide(rejection.job_ids, decision)

    @workflow.signal
    def withdraw(self, job_id: str) -> None:
        """Cancel an image that has not started; one that has is cancelled as the job it is."""
        place = batch_item(job_id)
        if place is None or place[1] >= len(self._state.items):
            return
        item = self._state.items[place[1]]
        if item.status is JobStatus.PENDING:
            item.status, item.error_code = JobStatus.FAILED, Cancelled.code

    @workflow.query
    def status(self) -> BatchState:
        """Where the batch stands."""
        return self._state

    async def _start_pending(self) -> None:
        while (index := self._next_pending()) is not None:
            await workflow.wait_condition(
                lambda: self._free_places() > 0 or self._lost_jobs() != []
            )
            await self._look_after_closed()
            await self._continue_when_long()
            if index not in self._page:
                await self._load(index)
            room = range(index, index + self._free_places())
            ready = [place for place in room if place in self._page and self._is_pending(place)]
            await asyncio.gather(*(self._start(place) for place in ready))

    async def _until_settled(self) -> None:
        while not self._state.is_settled:
            await workflow.wait_condition(self._has_something_to_do)
            await self._look_after_closed()
            await self._continue_when_long()

    async def _load(self, index: int) -> None:
        items = await workflow.execute_activity_method(
            BatchActivities.load_items,
            Page(
                batch_id=self._id,
                manifest=self._request.manifest,
                start=index,
                count=_PAGE,
            ),
            **policies.LOAD_ITEMS,
        )
        self._page = dict(enumerate(items.requests, start=index))

    async def _start(self, index: int) -> None:
        """Start one image as a job of its own, and pass on what was decided of it already."""
        request, job_id = self._page.pop(index), item_id(self._id, index)
        self._state.items[index].status = JobStatus.QUEUED
        try:
            job = await workflow.start_child_workflow(
                ImageJobWorkflow.run,
                request,
                id=job_id,
                parent_close_policy=workflow.ParentClosePolicy.ABANDON,
                **job_options(request),
            )
        except WorkflowAlreadyStartedError:
            workflow.logger.info("the job runs already [job=%s]", job_id)
            return
        asyncio.create_task(self._watch(job_id, job))  # noqa: RUF006  the event loop is the workflow's
        for decision in self._relays.pop(index, []):
            await self._relay(job_id, decision)

    async def _watch(self, job_id: str, job: workflow.ChildWorkflowHandle[Any, Any]) -> None:
        try:
            await job
        except FailureError:
            workflow.logger.debug("the job did not complete [job=%s]", job_id)
        self._closed.add(job_id)

    def _next_pending(self) -> int | None:
        return next(
            (i for i, item in enumerate(self._state.items) if item.status is JobStatus.PENDING),
            None,
        )

    def _is_pending(self, index: int) -> bool:
        return self._state.items[index].status is JobStatus.PENDING

    def _free_places(self) -> int:
        flying = sum(item.status is JobStatus.QUEUED for item in self._state.items)
        return self._request.max_concurrency - flying

    def _has_something_to_do(self) -> bool:
        return (
            self._state.is_settled
            or bool(self._lost_jobs())
            or workflow.info().is_continue_as_new_suggested()
        )

    async def _decide(self, job_ids: list[str] | None, decision: Decision) -> None:
        if job_ids is None:
            chosen = [
                (index, item.job_id or item_id(self._id, index))
                for index, item in enumerate(self._state.items)
                if item.review is ReviewState.AWAITING
            ]
        else:
            places = ((job_id, batch_item(job_id)) for job_id in job_ids)
            chosen = [(place[1], job_id) for job_id, place in places if place is not None]
        known = [(index, job_id) for index, job_id in chosen if index < len(self._state.items)]
        for index, _ in known:
            self._state.items[index].is_decided = True
            if self._is_pending(index):
                self._hold(index, decision)
        started = [job_id for index, job_id in known if not self._is_pending(index)]
        await asyncio.gather(*(self._relay(job_id, decision) for job_id in started))

    def _hold(self, index: int, decision: Decision) -> None:
        self._relays.setdefault(index, []).append(decision)

    async def _relay(self, job_id: str, decision: Decision) -> None:
        verb = "approve" if isinstance(decision, Approval) else "reject"
        job = workflow.get_external_workflow_handle(job_id)
        try:
            await job.signal(verb, decision)
        except FailureError:
            workflow.logger.info("the job takes no decision any more [job=%s]", job_id)

    def _lost_jobs(self) -> list[str]:
        """Jobs that closed without a word that settles them: somebody terminated them."""
        return [
            job_id
            for job_id in self._closed
            if (place := batch_item(job_id)) and not self._has_settled(place[1], job_id)
        ]

    def _has_settled(self, index: int, job_id: str) -> bool:
        item = self._state.items[index]
        is_latest = job_id == (item.job_id or item_id(self._id, index))
        return not is_latest or (item.is_made and item.review is not ReviewState.AWAITING)

    async def _look_after_closed(self) -> None:
        lost = self._lost_jobs()
        if lost:
            self._closed.difference_update(lost)
            await self._inspect(lost)

    async def _inspect_for_ever(self) -> None:
        """Ask after jobs that may have vanished where no event tells of it."""
        pause = _FIRST_INSPECTION
        while True:
            await workflow.sleep(pause, summary="until the next look at silent jobs")
            await self._inspect(self._unsettled_jobs())
            pause = min(pause * 2, _LAST_INSPECTION)

    def _unsettled_jobs(self) -> list[str]:
        jobs = []
        for index, item in enumerate(self._state.items):
            if item.status is JobStatus.PENDING or item.is_settled:
                continue
            jobs.append(item.final_job_id or item.job_id or item_id(self._id, index))
        return jobs

    async def _inspect(self, job_ids: list[str]) -> None:
        if not job_ids:
            return
        try:
            findings = await workflow.execute_activity_method(
                BatchActivities.inspect_jobs, Inspection(job_ids=job_ids), **policies.INSPECT
            )
        except ActivityError:
            workflow.logger.warning("jobs could not be inspected; they are asked after again")
            return
        for news in findings.milestones:
            self.milestone(news)

    async def _continue_when_long(self) -> None:
        if not workflow.info().is_continue_as_new_suggested():
            return
        await workflow.wait_condition(workflow.all_handlers_finished)
        relays = [
            Relay(
                index=index,
                approval=decision if isinstance(decision, Approval) else None,
                rejection=decision if isinstance(decision, Rejection) else None,
            )
            for index, decisions in self._relays.items()
            for decision in decisions
        ]
        workflow.continue_as_new(
            self._request.model_copy(update={"state": self._state, "relays": relays})
        )

    async def _cancel(self) -> None:
        """Cancel what is not finished; images that were never started are said to be cancelled."""
        running = self._unsettled_jobs()
        for item in self._state.items:
            if item.status is JobStatus.PENDING:
                item.status, item.error_code = JobStatus.FAILED, Cancelled.code
        self._state.cancelled = True
        for job_id in running:
            await self._cancel_job(job_id)

    async def _cancel_job(self, job_id: str) -> None:
        try:
            await workflow.get_external_workflow_handle(job_id).cancel()
        except FailureError:
            workflow.logger.info("the job has ended already [job=%s]", job_id)

    async def _finish(self) -> None:
        """Write the record, and tell by webhook."""
        await workflow.wait_condition(workflow.all_handlers_finished)
        self._state.completed_at = workflow.now()
        record = BatchRecord(
            batch_id=self._id,
            request=self._request.model_copy(update={"state": None, "relays": None}),
            state=self._state,
        )
        try:
            await workflow.execute_activity_method(
                DevelopActivities.archive_batch, record, **policies.ARCHIVE
            )
        except ActivityError:
            workflow.logger.warning("the record could not be written")
        await tell(WebhookEvent.BATCH_COMPLETED, self._request)
