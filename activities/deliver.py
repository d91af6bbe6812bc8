"""`deliver` posts a webhook; Temporal tries again until it is taken."""

from __future__ import annotations

from http import HTTPStatus

import httpcore
from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from domain.webhooks import Delivery
from pipeline.delivering import WebhookSender
from pipeline.guarding import AddressRefused

_UNREACHABLE = (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError)


class DeliverActivities:
    """Registered on the `darkroom` task queue."""

    def __init__(self, sender: WebhookSender | None) -> None:
        self._sender = sender

    @activity.defn
    async def deliver(self, delivery: Delivery) -> None:
        """Post the message; any answer but 2xx is tried again, 410 and a refused address never."""
        if self._sender is None:
            raise ApplicationError("this worker has no DARKROOM_WEBHOOK_SECRET")
        try:
            status = await self._sender.post(delivery)
        except AddressRefused as refused:
            raise ApplicationError(str(refused), non_retryable=True) from refused
        except (*_UNREACHABLE, OSError) as error:
            raise _not_taken("the receiver cannot be reached") from error
        if status == HTTPStatus.GONE:
            raise ApplicationError("the receiver is gone", non_retryable=True)
        if not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            raise _not_taken(f"the receiver answered {status}")


def _not_taken(message: str) -> ApplicationError:
    return ApplicationError(message, category=ApplicationErrorCategory.BENIGN)
