"""Delivers one webhook for as long as it takes, beside the job and never in its way."""

from __future__ import annotations

from temporalio import workflow
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

with workflow.unsafe.imports_passed_through():
    import domain.names as names
    import workflows.policies as policies
    from activities.deliver import DeliverActivities
    from domain.batches import BatchRequest
    from domain.jobs import JobRequest, JobState, JobStatus
    from domain.reviews import ReviewState
    from domain.webhooks import Answered, Delivery, WebhookEvent


@workflow.defn(name=names.WEBHOOK_WORKFLOW)
class WebhookWorkflow:
    """One message for one receiver; the workflow id is derived from both."""

    @workflow.run
    async def run(self, delivery: Delivery) -> Answered:
        """Deliver, trying again for days."""
        return await workflow.execute_activity_method(
            DeliverActivities.deliver, delivery, **policies.deliver_to(delivery)
        )


async def tell(event: WebhookEvent, request: JobRequest | BatchRequest) -> None:
    """Start telling all who want to know, from a workflow that may close before they are told."""
    for receiver in request.receivers(event):
        delivery = Delivery(
            subject_id=workflow.info().workflow_id,
            event=event,
            happened_at=workflow.now(),
            url=receiver.url,
            place=receiver.place,
            tenant=request.tenant,
            base_url=request.base_url,
        )
        await _start(delivery)


async def _start(delivery: Delivery) -> None:
    try:
        await workflow.start_child_workflow(
            WebhookWorkflow.run,
            delivery,
            id=names.webhook_id(delivery.id),
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            parent_close_policy=workflow.ParentClosePolicy.ABANDON,
            static_summary=delivery.event,
        )
    except WorkflowAlreadyStartedError:
        workflow.logger.info("the delivery runs already [delivery=%s]", delivery.id)


def event_of(state: JobState) -> WebhookEvent:
    """What a job's latest change is called."""
    if state.status is JobStatus.FAILED:
        return WebhookEvent.JOB_FAILED
    return _DECIDED[state.review.state] if state.review else WebhookEvent.JOB_COMPLETED


_DECIDED = {
    ReviewState.AWAITING: WebhookEvent.DRAFT_AWAITING_REVIEW,
    ReviewState.APPROVED: WebhookEvent.DRAFT_APPROVED,
    ReviewState.REJECTED: WebhookEvent.DRAFT_REJECTED,
    ReviewState.EXPIRED: WebhookEvent.DRAFT_EXPIRED,
}
