"""Tells by webhook that a provider begins, without an event in the job's own history."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime

from temporalio import activity
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError

from domain.names import TASK_QUEUE, WEBHOOK_WORKFLOW, webhook_id
from domain.renders import RenderOrder
from domain.webhooks import Delivery, WebhookEvent

_PATIENCE_SECONDS = 2.0

logger = logging.getLogger("darkroom.worker")


async def tell_started(order: RenderOrder) -> None:
    """Start telling those who asked for it, once for each job; never holds the picture back."""
    for receiver in order.told_of_start or []:
        delivery = Delivery(
            subject_id=order.job_id,
            event=WebhookEvent.JOB_STARTED,
            happened_at=datetime.now(UTC),
            url=receiver.url,
            place=receiver.place,
            tenant=order.tenant,
            base_url=order.base_url,
        )
        try:
            await asyncio.wait_for(_start(delivery), _PATIENCE_SECONDS)
        except WorkflowAlreadyStartedError:
            continue
        except (RPCError, TimeoutError, RuntimeError) as error:
            logger.warning("the start is not told [delivery=%s]: %s", delivery.id, error)


async def _start(delivery: Delivery) -> None:
    await activity.client().start_workflow(
        WEBHOOK_WORKFLOW,
        delivery,
        id=webhook_id(delivery.id),
        task_queue=TASK_QUEUE,
        id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
        static_summary=delivery.event,
    )
