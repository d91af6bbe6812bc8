"""The typed client for Darkroom: `Client` for plain code, `AsyncClient` for `asyncio`."""

from darkroom_client.aio import AsyncClient
from darkroom_client.client import Client
from darkroom_client.errors import (
    Conflict,
    ConnectionFailed,
    DarkroomError,
    DownloadFailed,
    Forbidden,
    InvalidRequest,
    JobFailed,
    LimitReached,
    NotFound,
    QueueUnavailable,
    Refused,
    ServerFailed,
    Unauthenticated,
    WaitedTooLong,
    WebhookInvalid,
)
from darkroom_client.events import Event
from darkroom_client.pacing import Retries
from darkroom_client.webhooks import verify_webhook

__all__ = [
    "AsyncClient",
    "Client",
    "Conflict",
    "ConnectionFailed",
    "DarkroomError",
    "DownloadFailed",
    "Event",
    "Forbidden",
    "InvalidRequest",
    "JobFailed",
    "LimitReached",
    "NotFound",
    "QueueUnavailable",
    "Refused",
    "Retries",
    "ServerFailed",
    "Unauthenticated",
    "WaitedTooLong",
    "WebhookInvalid",
    "verify_webhook",
]
