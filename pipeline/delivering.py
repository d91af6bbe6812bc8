"""Sends a signed webhook to an address a caller named, and to no place it must not reach.

Source: Standard Webhooks 1.0, https://www.standardwebhooks.com/.
"""

from __future__ import annotations

from urllib.parse import urlsplit

import httpcore
from standardwebhooks import Webhook

from domain.webhooks import Delivery
from pipeline.guarding import GuardedBackend

_TIMEOUT_SECONDS = 15.0


class WebhookSender:
    """Signs and posts deliveries; redirects are not followed."""

    def __init__(self, secret: str, allowed_hosts: frozenset[str]) -> None:
        self._webhook = Webhook(secret)
        self._pool = httpcore.AsyncConnectionPool(network_backend=GuardedBackend(allowed_hosts))

    async def post(self, delivery: Delivery) -> int:
        """The receiver's HTTP status.

        Raises `AddressRefused`, and `httpcore` or `OSError` errors when it cannot be reached.
        """
        body = delivery.model_dump_json(include={"event", "happened_at", "data"})
        signature = self._webhook.sign(delivery.message_id, delivery.happened_at, body)
        headers: dict[bytes | str, bytes | str] = {
            "host": urlsplit(delivery.url).netloc.rpartition("@")[2],
            "content-type": "application/json",
            "webhook-id": delivery.message_id,
            "webhook-timestamp": str(int(delivery.happened_at.timestamp())),
            "webhook-signature": signature,
        }
        limits = dict.fromkeys(("connect", "read", "write", "pool"), _TIMEOUT_SECONDS)
        answer = await self._pool.request(
            "POST",
            delivery.url,
            headers=headers,
            content=body.encode(),
            extensions={"timeout": limits},
        )
        return answer.status
