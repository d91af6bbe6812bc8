from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import httpcore
import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from domain.batches import Milestone
from domain.jobs import JobStatus
from domain.webhooks import Delivery, WebhookEvent
from pipeline.delivering import WebhookSender
from pipeline.guarding import AddressRefused

SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef01234567").decode()
LOOPBACK = frozenset({"127.0.0.1"})


class Receiver:
    """Takes HTTP requests and keeps them."""

    def __init__(self, status: str) -> None:
        self.port = 0
        self.heads: list[str] = []
        self.bodies: list[bytes] = []
        self._status = status

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?site=1"

    def headers(self, place: int = 0) -> dict[str, str]:
        """The headers of a request, in the order they came."""
        lines = self.heads[place].split("\r\n")[1:]
        return {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().strip()
        self.heads.append(head)
        length = int(self.headers(-1).get("content-length", "0"))
        self.bodies.append(await reader.readexactly(length))
        answer = f"HTTP/1.1 {self._status}\r\nContent-Length: 0\r\nLocation: {self.url}\r\n"
        writer.write(f"{answer}Connection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()
        await writer.wait_closed()


@asynccontextmanager
async def receiving(status: str = "200 OK") -> AsyncIterator[Receiver]:
    receiver = Receiver(status)
    server = await asyncio.start_server(receiver.take, "127.0.0.1", 0)
    receiver.port = server.sockets[0].getsockname()[1]
    async with server:
        yield receiver


def delivery(url: str) -> Delivery:
    return Delivery(
        message_id="img_1.job.completed",
        url=url,
        event=WebhookEvent.JOB_COMPLETED,
        happened_at=datetime.now(UTC),
        data=Milestone(job_id="img_1", status=JobStatus.COMPLETED, image_key="assets/1.png"),
    )


class TestPost:
    async def test_the_receiver_can_verify_what_it_gets(self) -> None:
        async with receiving() as receiver:
            status = await WebhookSender(SECRET, LOOPBACK).post(delivery(receiver.url))
        assert status == 200
        body = Webhook(SECRET).verify(receiver.bodies[0], receiver.headers())
        assert body["event"] == "job.completed"
        assert body["data"]["job_id"] == "img_1"
        assert body["data"]["status"] == "completed"
        assert receiver.heads[0].startswith("POST /hook?site=1 HTTP/1.1")
        assert receiver.headers()["webhook-id"] == "img_1.job.completed"
        assert receiver.headers()["host"] == f"127.0.0.1:{receiver.port}"

    async def test_nobody_else_can_have_sent_it(self) -> None:
        async with receiving() as receiver:
            await WebhookSender(SECRET, LOOPBACK).post(delivery(receiver.url))
        other = "whsec_" + base64.b64encode(b"another secret of others").decode()
        with pytest.raises(WebhookVerificationError):
            Webhook(other).verify(receiver.bodies[0], receiver.headers())
        forged = json.dumps({**json.loads(receiver.bodies[0]), "event": "job.failed"})
        with pytest.raises(WebhookVerificationError):
            Webhook(SECRET).verify(forged, receiver.headers())

    async def test_a_second_try_carries_the_same_message_id(self) -> None:
        async with receiving("503 Busy") as receiver:
            sender, message = WebhookSender(SECRET, LOOPBACK), delivery(receiver.url)
            assert [await sender.post(message) for _ in range(2)] == [503, 503]
        assert all("webhook-id: img_1.job.completed" in head.lower() for head in receiver.heads)

    async def test_a_redirect_is_not_followed(self) -> None:
        async with receiving("302 Found") as receiver:
            assert await WebhookSender(SECRET, LOOPBACK).post(delivery(receiver.url)) == 302
        assert len(receiver.heads) == 1

    @pytest.mark.parametrize(
        "host", ["127.0.0.1", "localhost", "0.0.0.0", "[::1]", "169.254.169.254", "10.0.0.1"]
    )
    async def test_a_private_address_is_refused(self, host: str) -> None:
        async with receiving() as receiver:
            message = delivery(f"http://{host}:{receiver.port}/hook")
            with pytest.raises(AddressRefused):
                await WebhookSender(SECRET, frozenset()).post(message)
        assert receiver.heads == []

    async def test_a_name_that_is_allowed_lets_no_other_through(self) -> None:
        async with receiving() as receiver:
            sender = WebhookSender(SECRET, frozenset({"localhost"}))
            with pytest.raises(AddressRefused):
                await sender.post(delivery(receiver.url))
            by_name = delivery(f"http://localhost:{receiver.port}/hook")
            assert await sender.post(by_name) == 200

    async def test_credentials_in_the_address_do_not_spoil_the_host(self) -> None:
        async with receiving() as receiver:
            message = delivery(f"http://user:word@127.0.0.1:{receiver.port}/hook")
            await WebhookSender(SECRET, LOOPBACK).post(message)
        assert receiver.headers()["host"] == f"127.0.0.1:{receiver.port}"

    async def test_a_receiver_that_is_away_is_an_error(self) -> None:
        async with receiving() as receiver:
            gone = receiver.url
        with pytest.raises((httpcore.NetworkError, OSError)):
            await WebhookSender(SECRET, LOOPBACK).post(delivery(gone))
