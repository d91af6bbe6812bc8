"""A receiver of webhooks that believes only what is signed, and keeps what it was told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import NamedTuple

from standardwebhooks import Webhook, WebhookVerificationError

from tests.e2e.stack import WEBHOOK_SECRET, Json


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

    def take(self, headers: dict[str, str], body: bytes) -> int:
        """Returns the status to answer with."""
        with self._lock:
            try:
                told = Webhook(WEBHOOK_SECRET).verify(body, headers)
            except WebhookVerificationError:
                self.refused += 1
                return 400
            self.messages.append(Message(headers["webhook-id"], told["type"], told["data"]))
            return 204


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver on a loopback port of its own."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            self.send_response(receiver.take(headers, body))
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver = Receiver(f"http://127.0.0.1:{server.server_address[1]}/hook")
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()
