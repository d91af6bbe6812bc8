"""Sends a signed webhook to an address a caller named, and to no place it must not reach.

Source: Standard Webhooks 1.0, https://www.standardwebhooks.com/.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

import anyio
import httpcore
from httpcore import AnyIOBackend, AsyncNetworkBackend, AsyncNetworkStream
from standardwebhooks import Webhook

from domain.webhooks import Delivery

_TIMEOUT_SECONDS = 15.0


class AddressRefused(Exception):
    """The receiver's name leads to an address that webhooks may not reach."""


class GuardedBackend(AsyncNetworkBackend):
    """Connects to public addresses only, checked on the very address that is connected to.

    `allowed_hosts` are names that may lead to private addresses.
    """

    def __init__(self, allowed_hosts: frozenset[str]) -> None:
        self._allowed_hosts = allowed_hosts
        self._inner = AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  the interface is httpcore's
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> AsyncNetworkStream:
        """Resolve, refuse what is not public, connect to what was checked."""
        found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        address = str(found[0][4][0])
        if host not in self._allowed_hosts and not ipaddress.ip_address(address).is_global:
            raise AddressRefused(f"webhooks may not reach private addresses [host={host}]")
        return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)

    async def sleep(self, seconds: float) -> None:
        """Wait, as httpcore asks for between connection retries."""
        await self._inner.sleep(seconds)


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
