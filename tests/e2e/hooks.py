"""A receiver of webhooks that believes only what is signed, and keeps what it was told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Lock
from typing import NamedTuple

from standardwebhooks import Webhook, WebhookVerificationError

from tests.e2e.stack import WEBHOOK_SECRET, Json
from tests.serving import posts_to


class Message(NamedTuple):
    id: str
    type: str
    data: Json

    @property
    def subject(self) -> str:
        """The id of the job or batch it tells of."""
        return str(self.data.get("job_id") or self.data["batch_id"])


class Receiver:
    """What it was told so far, in the order it came."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.messages: list[Message] = []
        self.refused = 0
        """Messages whose signature did not hold, or was not of now."""
        self._lock = Lock()

    def take(self, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        """What is answered to a message."""
        with self._lock:
            try:
                told = Webhook(WEBHOOK_SECRET).verify(body, dict(headers))
            except WebhookVerificationError:
                self.refused += 1
                return 400, b""
            self.messages.append(Message(headers["webhook-id"], told["type"], told["data"]))
            return 200, b""


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver on a loopback port of its own."""
    with posts_to(lambda *sent: receiver.take(*sent)) as url:
        receiver = Receiver(f"{url}/hook")
        yield receiver
