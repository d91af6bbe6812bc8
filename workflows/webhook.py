"""Delivers one webhook for as long as it takes, beside the job and never in its way."""

from __future__ import annotations

from temporalio import workflow
from temporalio.exceptions import WorkflowAlreadyStartedError

with workflow.unsafe.imports_passed_through():
    import workflows.policies as policies
    from activities.deliver import DeliverActivities
    from domain.batches import Milestone
    from domain.jobs import JobStatus
    from domain.reviews import ReviewState
    from domain.webhooks import BatchSummary, Delivery, WebhookEvent


@workflow.defn
class WebhookWorkflow:
    """One message for one receiver; the workflow id is derived from the message's."""

    @workflow.run
    async def run(self, delivery: Delivery) -> None:
        """Deliver, trying again for days."""
        await workflow.execute_activity_method(
            DeliverActivities.deliver, delivery, **policies.DELIVER
        )


async def start_delivery(url: str, news: Milestone | BatchSummary) -> None:
    """Start delivering news to a receiver, from a workflow that may close before it arrives."""
    event = _event_of(news)
    message_id = f"{workflow.info().workflow_id}.{event}"
    delivery = Delivery(
        message_id=message_id, url=url, event=event, happened_at=workflow.now(), data=news
    )
    try:
        await workflow.start_child_workflow(
            WebhookWorkflow.run,
            delivery,
            id=f"webhook-{message_id}",
            parent_close_policy=workflow.ParentClosePolicy.ABANDON,
            static_summary=event,
        )
    except WorkflowAlreadyStartedError:
        workflow.logger.info("the delivery runs already [message=%s]", message_id)


def _event_of(news: Milestone | BatchSummary) -> WebhookEvent:
    if isinstance(news, BatchSummary):
        return WebhookEvent.BATCH_COMPLETED
    if news.status is JobStatus.FAILED:
        return WebhookEvent.JOB_FAILED
    decided = {
        ReviewState.AWAITING: WebhookEvent.DRAFT_AWAITING_REVIEW,
        ReviewState.APPROVED: WebhookEvent.DRAFT_APPROVED,
        ReviewState.REJECTED: WebhookEvent.DRAFT_REJECTED,
        ReviewState.EXPIRED: WebhookEvent.DRAFT_EXPIRED,
    }
    return decided[news.review] if news.review else WebhookEvent.JOB_COMPLETED
