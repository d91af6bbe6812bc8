"""Sends a signed webhook to an address a caller named, and to no place it must not reach.

Source: Standard Webhooks 1.0, https://www.standardwebhooks.com/.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import httpcore
from pydantic import BaseModel
from standardwebhooks import Webhook

from domain.webhooks import receiver_of
from pipeline.guarding import AddressRefused, GuardedBackend, Resolve

DELIVERIES_AT_ONCE = 200
_AT_ONCE_FOR_ONE = 50
"""One receiver that lets us wait leaves most places to the others."""
_TIMEOUT_SECONDS = 15.0


class NotDelivered(Exception):
    """There was no answer; the message says why, and a later try may do better."""


class NeverDeliverable(Exception):
    """There will be no answer however often it is tried."""


@dataclass(frozen=True)
class Answer:
    """What a receiver said; of its body nothing is read."""

    status: int
    retry_after_seconds: float | None = None

    @property
    def is_final(self) -> bool:
        """Whether the receiver wants no message any more, this one included."""
        return self.status == HTTPStatus.GONE

    @property
    def problem(self) -> str | None:
        """Why the message counts as not taken; None where it was taken."""
        if HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES:
            return None
        said = f"the receiver answered {self.status}"
        if HTTPStatus.MULTIPLE_CHOICES <= self.status < HTTPStatus.BAD_REQUEST:
            return f"{said}: redirects are not followed"
        return f"{said}: it is gone for good" if self.is_final else said


class Message(BaseModel):
    """The body, as Standard Webhooks recommends it."""

    type: str
    timestamp: datetime
    """When it happened; when it is sent, the header tells."""
    data: dict[str, Any]


class WebhookSender:
    """Signs and posts messages; redirects are not followed."""

    def __init__(
        self,
        allowed_hosts: frozenset[str],
        resolve: Resolve | None = None,
        *,
        timeout_seconds: float = _TIMEOUT_SECONDS,
    ) -> None:
        self._timeout_seconds = timeout_seconds
        self._under_way: Counter[str] = Counter()
        self._pool = httpcore.AsyncConnectionPool(
            network_backend=GuardedBackend(allowed_hosts, resolve),
            # Bounded by receiver here, and in all by who calls; none is kept, each is checked.
            max_connections=None,
            max_keepalive_connections=0,
        )

    async def post(
        self, url: str, message_id: str, message: Message, secrets: Sequence[str]
    ) -> Answer:
        """Send a message, signed with each of the secrets, and hear what the receiver says.

        Raises `NotDelivered`, `NeverDeliverable`.
        """
        body = message.model_dump_json()
        headers = _headers(url, message_id, body, secrets)
        with self._place_for(receiver_of(url)):
            try:
                async with asyncio.timeout(self._timeout_seconds):
                    return await self._post(url, headers, body.encode())
            except (AddressRefused, httpcore.UnsupportedProtocol, UnicodeError) as error:
                raise NeverDeliverable(str(error)) from error
            except (TimeoutError, httpcore.TimeoutException) as error:
                raise NotDelivered("the receiver does not answer in time") from error
            except httpcore.ProtocolError as error:
                raise NotDelivered("the receiver does not speak HTTP") from error
            except (httpcore.NetworkError, OSError) as error:
                raise NotDelivered("the receiver cannot be reached") from error

    async def _post(self, url: str, headers: dict[str, str], body: bytes) -> Answer:
        async with self._pool.stream(
            "POST",
            url,
            headers=list(headers.items()),
            content=body,
            extensions={"timeout": {"connect": self._timeout_seconds}},
        ) as answer:
            return Answer(answer.status, _retry_after(answer.headers))

    @contextmanager
    def _place_for(self, receiver: str) -> Iterator[None]:
        if self._under_way[receiver] >= _AT_ONCE_FOR_ONE:
            raise NotDelivered(f"{_AT_ONCE_FOR_ONE} deliveries to the receiver are under way")
        self._under_way[receiver] += 1
        try:
            yield
        finally:
            self._under_way[receiver] -= 1
            self._under_way += Counter()  # forgets receivers with none


def _headers(url: str, message_id: str, body: str, secrets: Sequence[str]) -> dict[str, str]:
    """The time is that of the attempt: receivers refuse what was signed long ago."""
    now = datetime.now(UTC)
    signatures = (Webhook(secret).sign(message_id, now, body) for secret in secrets)
    return {
        "host": receiver_of(url),
        "content-type": "application/json",
        "user-agent": "Darkroom",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


def _retry_after(headers: Sequence[tuple[bytes, bytes]]) -> float | None:
    """The seconds that a receiver asks us to wait; a date there is not understood."""
    said = next((value for name, value in headers if name.lower() == b"retry-after"), b"")
    return float(said) if said.isdigit() else None
