"""One image job: render, develop, and for a draft the editor's review."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import SearchAttributeUpdate
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    FailureError,
    WorkflowAlreadyStartedError,
    is_cancelled_exception,
)

with workflow.unsafe.imports_passed_through():
    import domain.names as names
    import workflows.policies as policies
    from activities.develop import DevelopActivities
    from activities.plan import PlanActivities
    from activities.render import RenderActivities
    from domain.batches import Milestone
    from domain.errors import Cancelled
    from domain.ids import final_id, revision_id
    from domain.jobs import JobRecord, JobRequest, JobState
    from domain.renders import (
        DevelopOrder,
        Rendered,
        RenderOrder,
        SuccessorOrder,
        TakeUpOrder,
        render_order,
        targets_after,
    )
    from domain.reviews import (
        Approval,
        Decision,
        Endorsement,
        FinalChoices,
        Rejection,
        ReviewState,
        Revision,
    )
    from workflows.failures import is_timeout, problem_of, progress_of
    from workflows.options import job_options
    from workflows.progress import render_span
    from workflows.story import details_of
    from workflows.webhook import event_of, tell

_TAKES_UP = "takes-up-paid-calls"


@workflow.defn
class ImageJobWorkflow:
    """The workflow id is the job id; the result is a `JobState`.

    A job that fails ends as a failed workflow whose failure carries the `JobState`; one that is
    cancelled ends as a cancelled workflow, its state in the archive.
    """

    @workflow.init
    def __init__(self, request: JobRequest) -> None:
        self._request = request
        self._state = JobState()
        self._decisions: deque[Decision] = deque()

    @workflow.run
    async def run(self, request: JobRequest) -> JobState:
        """Make the image; for a draft, wait for the review and carry its decision out."""
        self._tell()
        try:
            await self._make()
        except (FailureError, asyncio.CancelledError) as failure:
            await self._end(failure)
        await self._announce()
        while self._state.awaits_review:
            await self._review()
        return self._state

    @workflow.signal
    def approve(self, approval: Approval | None = None) -> None:
        """An editor says yes: a completed draft's final is started, once."""
        self._decisions.append(approval or Approval())

    @workflow.signal
    def reject(self, rejection: Rejection | None = None) -> None:
        """An editor says no; with `revise` the next round is started."""
        self._decisions.append(rejection or Rejection())

    @workflow.query
    def status(self) -> JobState:
        """Where the job stands."""
        return self._state

    async def _make(self) -> None:
        rendered = await self._render()
        self._state = self._state.uploading(
            rendered.started_at, rendered.attempts, cancel_too_late=rendered.cancel_too_late
        )
        self._tell()
        order = DevelopOrder(
            job_id=workflow.info().workflow_id,
            request=self._request,
            rendered=rendered.model_copy(
                update={
                    "started_at": self._state.started_at,
                    "attempts": self._state.attempts,
                }
            ),
        )
        developed = await workflow.execute_activity_method(
            DevelopActivities.develop, order, **policies.DEVELOP
        )
        self._state = self._state.completed(self._request, developed)
        self._publish(names.GENERATION_SECONDS.value_set(rendered.generation_time_seconds))

    async def _render(self) -> Rendered:
        """The first target that can; the last one's failure ends the job."""
        place, left = 0, list(self._request.targets)
        while True:
            target = left.pop(0)
            span = render_span(place, place + 1 + len(left))
            order = render_order(
                workflow.info().workflow_id, self._request, target, span, has_fallback=bool(left)
            )
            try:
                return await self._render_by(order)
            except ActivityError as failure:
                left = targets_after(problem_of(failure).code, target, left)
                if not left or _is_called_off():
                    raise
                self._state = self._state.advanced(progress_of(failure))
                place += 1

    async def _render_by(self, order: RenderOrder) -> Rendered:
        """By one target; a paid call that was under way when the engine gave up is taken up."""
        options = policies.render_by(order.target, workflow.info().priority)
        try:
            return await workflow.execute_activity_method(RenderActivities.render, order, **options)
        except ActivityError as failure:
            left = progress_of(failure) if is_timeout(failure) else None
            if left is None or left.call is None or not workflow.patched(_TAKES_UP):
                raise
        return await workflow.execute_activity_method(
            RenderActivities.take_up,
            TakeUpOrder(order=order, earlier=left, is_called_off=_is_called_off()),
            **options,
        )

    async def _end(self, failure: FailureError | asyncio.CancelledError) -> None:
        """Record why there is no image, tell who waits for it, and close accordingly."""
        cancelled = is_cancelled_exception(failure)
        is_called_off = cancelled or (_is_called_off() and is_timeout(failure))
        error = problem_of(Cancelled("The job was cancelled.") if is_called_off else failure)
        self._state = self._state.advanced(progress_of(failure)).failed(error, workflow.now())
        self._publish()
        await self._archive()
        await self._announce()
        if cancelled:
            raise failure
        raise ApplicationError(error.message, self._state, type=error.code, non_retryable=True)

    async def _review(self) -> None:
        """Carry out the first decision that can be, or let the review expire."""
        decision = await self._next_decision()
        followed: dict[str, str] | None = {}
        if isinstance(decision, Approval):
            followed = await self._start_final(decision)
            state = ReviewState.APPROVED
        elif isinstance(decision, Rejection):
            followed = await self._start_revision(decision) if decision.revise else {}
            state = ReviewState.REJECTED
        else:
            state = ReviewState.EXPIRED
        if followed is None or self._state.review is None:
            self._tell()
            return
        review = self._state.review.decide(state, workflow.now(), decision)
        self._state = self._state.model_copy(update={"review": review, **followed})
        self._publish()
        await self._archive()
        await self._announce()

    async def _next_decision(self) -> Decision | None:
        """The next decision, or None when the review has expired or was cancelled."""
        review = self._state.review
        expires_at = review.expires_at if review and review.expires_at else workflow.now()
        left = max(expires_at - workflow.now(), timedelta(0))
        try:
            await workflow.wait_condition(
                lambda: bool(self._decisions), timeout=left, timeout_summary="the review expires"
            )
        except (TimeoutError, asyncio.CancelledError):
            return None
        return self._decisions.popleft()

    async def _start_final(self, approval: Approval) -> dict[str, str] | None:
        job_id = final_id(workflow.info().workflow_id)
        endorsed = {"endorsement": Endorsement.of(approval, workflow.now())}
        planned = workflow.execute_activity_method(
            PlanActivities.plan_final,
            args=[
                self._draft(approval.image_index).model_copy(update=endorsed),
                approval.final or FinalChoices(),
            ],
            **policies.PLAN,
        )
        return {"final_job_id": job_id} if await self._start_successor(planned, job_id) else None

    async def _start_revision(self, rejection: Rejection) -> dict[str, str] | None:
        job_id = revision_id(workflow.info().workflow_id)
        planned = workflow.execute_activity_method(
            PlanActivities.plan_revision,
            args=[self._draft(), rejection.revise or Revision()],
            **policies.PLAN,
        )
        return {"revision_job_id": job_id} if await self._start_successor(planned, job_id) else None

    async def _start_successor(self, planned: Awaitable[JobRequest], job_id: str) -> bool:
        """Start the job that follows this draft; False when what was wished is refused."""
        try:
            request = await planned
        except ActivityError as failure:
            if self._state.review is not None:
                self._state.review.problem = problem_of(failure).message
            return False
        try:
            await workflow.start_child_workflow(
                ImageJobWorkflow.run,
                request,
                id=job_id,
                parent_close_policy=workflow.ParentClosePolicy.ABANDON,
                **job_options(request),
            )
        except WorkflowAlreadyStartedError:
            workflow.logger.info("the successor runs already [job=%s]", job_id)
        return True

    def _draft(self, image_index: int | None = None) -> SuccessorOrder:
        result = self._state.result
        if result is None:
            raise AssertionError("only a completed draft has successors")
        return SuccessorOrder(
            job_id=workflow.info().workflow_id,
            asset_token=workflow.uuid4().hex,
            seed=workflow.random().getrandbits(32),
            request=self._request,
            provider=result.provider,
            model=result.model,
            drawn_seed=result.drawn_seed(image_index or 0),
            image_index=image_index,
        )

    async def _archive(self) -> None:
        """Write the record again; the engine's own history stands in while the store is away."""
        record = JobRecord(
            job_id=workflow.info().workflow_id,
            request=self._request,
            state=self._state,
        )
        try:
            await workflow.execute_activity_method(
                DevelopActivities.archive_job, record, **policies.ARCHIVE
            )
        except ActivityError:
            workflow.logger.warning("the record could not be written")

    async def _announce(self) -> None:
        """Tell the batch and the webhooks; neither can hold the job back."""
        if self._request.batch_id is not None:
            batch = workflow.get_external_workflow_handle(self._request.batch_id)
            milestone = Milestone.of(workflow.info().workflow_id, self._state)
            try:
                await batch.signal("milestone", milestone)
            except FailureError:
                workflow.logger.info("the batch is closed [batch=%s]", self._request.batch_id)
        await tell(event_of(self._state), self._request)

    def _publish(self, *extra: SearchAttributeUpdate[Any]) -> None:
        """One upsert of what lists filter by."""
        review = self._state.review
        updates = [names.STATUS.value_set(self._state.status), *extra]
        if review is not None:
            updates.append(names.REVIEW.value_set(review.state))
        workflow.upsert_search_attributes(updates)
        self._tell()

    def _tell(self) -> None:
        """The story as the Temporal Web UI shows it."""
        namespace = workflow.info().namespace
        workflow.set_current_details(details_of(self._request, self._state, namespace))


def _is_called_off() -> bool:
    """Whether the job was cancelled, too late for the provider that failed at it to hear of it."""
    return workflow.cancellation_reason() is not None
