"""Webhooks after Standard Webhooks 1.0: what happened, who wants to know, what is delivered."""

from __future__ import annotations

import base64
from datetime import datetime
from enum import StrEnum
from urllib.parse import urlsplit

from domain.model import Model

_SECRET_PREFIX = "whsec_"  # noqa: S105  it says what follows, it is no secret
_FAIRNESS_BYTES = 64


class WebhookEvent(StrEnum):
    """What happened."""

    JOB_STARTED = "job.started"
    """A provider begins to work on the image. Only told to those who name it."""
    JOB_COMPLETED = "job.completed"
    """An image that awaits no review is there."""
    JOB_FAILED = "job.failed"
    DRAFT_AWAITING_REVIEW = "draft.awaiting_review"
    DRAFT_APPROVED = "draft.approved"
    DRAFT_REJECTED = "draft.rejected"
    DRAFT_EXPIRED = "draft.expired"
    BATCH_COMPLETED = "batch.completed"
    """Every image of a batch is made, every review decided, every final finished."""


JOB_EVENTS = tuple(event for event in WebhookEvent if event is not WebhookEvent.BATCH_COMPLETED)
TEST_EVENT = "webhook.test"
"""Sent when somebody asks for it; nothing has happened then."""


class Subscription(Model):
    """Somebody who wants to know."""

    url: str
    events: list[WebhookEvent] | None = None
    """None for all but `job.started`."""

    def wants(self, event: WebhookEvent) -> bool:
        """Whether the event is to be told."""
        if self.events is None:
            return event is not WebhookEvent.JOB_STARTED
        return event in self.events


class Receiver(Model):
    """Who is told of one event, and the place among all who subscribed to its job or batch."""

    url: str
    place: int


def receivers(
    own: Subscription | None, tenants: list[Subscription] | None, event: WebhookEvent
) -> list[Receiver]:
    """Who is told: the request's own subscription at place 0, then its tenant's; no URL twice."""
    everybody = [(0, own)] if own is not None else []
    everybody += list(enumerate(tenants or [], start=1))
    places: dict[str, int] = {}
    for place, subscription in everybody:
        if subscription.wants(event):
            places.setdefault(subscription.url, place)
    return [Receiver(url=url, place=place) for url, place in places.items()]


class Delivery(Model):
    """The input of `WebhookWorkflow`: one message for one receiver.

    What it says of its job or batch is read when it is sent; the history holds no copy.
    """

    subject_id: str
    """The job's, or the batch's for `batch.completed`."""
    event: WebhookEvent
    happened_at: datetime
    url: str
    place: int = 0
    """The receiver's among all who subscribed; 0 for the request's own."""
    again: str | None = None
    """Tells a delivery that was asked for by hand from the others of its message."""
    tenant: str = "default"
    base_url: str | None = None
    """Where the one who asked for the image reaches the API."""

    @property
    def message_id(self) -> str:
        """The same whenever and to whomever it is sent, so that receivers know a repetition."""
        return f"{self.subject_id}.{self.event}"

    @property
    def id(self) -> str:
        """Of this message to this receiver."""
        place = str(self.place) if self.place else None
        return ".".join(filter(None, (self.message_id, place, self.again)))

    @property
    def receiver(self) -> str:
        """Who is kept waiting when the receiver is slow: host and port."""
        return receiver_of(self.url)

    @property
    def fairness_key(self) -> str:
        """By which the engine hands deliveries out in turn."""
        return self.receiver[-_FAIRNESS_BYTES:]


class Answered(Model):
    """What came of one attempt; the result of `deliver`, and the detail of its failures."""

    at: datetime
    status: int | None = None
    """None where there was no answer."""


def receiver_of(url: str) -> str:
    """Host and port of an address, in lower case, without credentials."""
    return urlsplit(url).netloc.rpartition("@")[2].lower()


def shown(url: str) -> str:
    """An address as logs and answers may show it: no credentials, no query, no fragment."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def signing_secrets(text: str) -> tuple[str, ...]:
    """The secrets in a setting, the newest first; several stand there while they are rotated.

    Raises `ValueError` where one is not `whsec_` and base64.
    """
    found = tuple(text.replace(",", " ").split())
    for secret in found:
        try:
            decoded = base64.b64decode(secret.removeprefix(_SECRET_PREFIX), validate=True)
        except ValueError:
            decoded = b""
        if not decoded:
            raise ValueError("must be 'whsec_' and base64, as `openssl rand -base64 32` gives")
    if not found:
        raise ValueError("is empty")
    return found
