"""`deliver` posts a webhook; Temporal tries again until it is taken."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from domain.errors import DarkroomError
from domain.webhooks import Answered, Delivery
from pipeline.delivering import Answer, Message, NeverDeliverable, NotDelivered, WebhookSender
from pipeline.subscribing import Subscriptions

Look = Callable[[Delivery], Awaitable[dict[str, Any]]]
"""What a GET of the delivery's job or batch answers now; raises `DarkroomError`."""

_LONGEST_PAUSE_SECONDS = 4 * 3600.0


class DeliverActivities:
    """Registered on the task queue of deliveries."""

    def __init__(self, sender: WebhookSender, subscriptions: Subscriptions, look: Look) -> None:
        self._sender = sender
        self._subscriptions = subscriptions
        self._look = look

    @activity.defn
    async def deliver(self, delivery: Delivery) -> Answered:
        """Post the message; any answer but 2xx is tried again, 410 and a refused address never."""
        secrets = self._subscriptions.secrets(delivery.tenant, delivery.url)
        if not secrets:
            raise ApplicationError("this worker has no secret that signs for the receiver")
        message = await self._message(delivery)
        try:
            answer = await self._sender.post(delivery.url, delivery.message_id, message, secrets)
        except NeverDeliverable as error:
            raise _not_taken(str(error), again=False) from error
        except NotDelivered as error:
            raise _not_taken(str(error)) from error
        if answer.problem is not None:
            raise _not_taken(answer.problem, answer, again=not answer.is_final)
        return Answered(at=datetime.now(UTC), status=answer.status)

    async def _message(self, delivery: Delivery) -> Message:
        try:
            data = await self._look(delivery)
        except DarkroomError as error:
            raise _not_taken("the state to tell of cannot be read") from error
        return Message(type=delivery.event, timestamp=delivery.happened_at, data=data)


def _not_taken(
    message: str, answer: Answer | None = None, *, again: bool = True
) -> ApplicationError:
    pause = min(answer.retry_after_seconds or 0, _LONGEST_PAUSE_SECONDS) if answer and again else 0
    return ApplicationError(
        message,
        Answered(at=datetime.now(UTC), status=answer.status if answer else None),
        non_retryable=not again,
        next_retry_delay=timedelta(seconds=pause) if pause else None,
        category=ApplicationErrorCategory.BENIGN,
    )
