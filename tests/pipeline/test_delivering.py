from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from pipeline.delivering import Answer, Message, NeverDeliverable, NotDelivered, WebhookSender
from pipeline.guarding import Resolve
from tests.receivers import LOOPBACK, SECRET, Receiver, receiving, secret
from tests.waiting import eventually

MESSAGE = Message(
    type="job.completed",
    timestamp=datetime.now(UTC) - timedelta(days=2),
    data={"job_id": "img_1", "status": "completed"},
)


async def post(
    url: str,
    allowed: frozenset[str] = LOOPBACK,
    *,
    secrets: tuple[str, ...] = (SECRET,),
    resolve: Resolve | None = None,
    timeout_seconds: float = 15,
) -> Answer:
    sender = WebhookSender(allowed, resolve, timeout_seconds=timeout_seconds)
    return await sender.post(url, "img_1.job.completed", MESSAGE, secrets)


class TestPost:
    async def test_the_receiver_can_verify_what_it_gets(self) -> None:
        async with receiving() as receiver:
            answer = await post(receiver.url)
        assert (answer.status, answer.problem) == (200, None)
        body = Webhook(SECRET).verify(receiver.bodies[0], receiver.headers())
        assert set(body) == {"type", "timestamp", "data"}
        assert body["type"] == "job.completed"
        assert datetime.fromisoformat(body["timestamp"]) == MESSAGE.timestamp
        assert body["data"] == {"job_id": "img_1", "status": "completed"}
        assert receiver.heads[0].startswith("POST /hook?site=1 HTTP/1.1")
        assert receiver.headers()["webhook-id"] == "img_1.job.completed"
        assert receiver.headers()["host"] == f"127.0.0.1:{receiver.port}"
        assert receiver.headers()["content-type"] == "application/json"

    async def test_nobody_else_can_have_sent_it(self) -> None:
        async with receiving() as receiver:
            await post(receiver.url)
        other = Webhook(secret(b"another secret of others"))
        with pytest.raises(WebhookVerificationError):
            other.verify(receiver.bodies[0], receiver.headers())
        forged = json.dumps({**receiver.told[0], "type": "job.failed"})
        with pytest.raises(WebhookVerificationError):
            Webhook(SECRET).verify(forged, receiver.headers())

    async def test_while_secrets_are_rotated_each_of_them_verifies_it(self) -> None:
        newer = secret(b"the one that comes after")
        async with receiving() as receiver:
            await post(receiver.url, secrets=(newer, SECRET))
        for each in (newer, SECRET):
            Webhook(each).verify(receiver.bodies[0], receiver.headers())

    async def test_a_second_try_carries_the_same_message_id(self) -> None:
        async with receiving("503 Busy") as receiver:
            assert [(await post(receiver.url)).status for _ in range(2)] == [503, 503]
        ids = [receiver.headers(place)["webhook-id"] for place in range(2)]
        assert ids == ["img_1.job.completed"] * 2

    async def test_a_redirect_is_not_followed_and_said(self) -> None:
        async with receiving("302 Found") as receiver:
            answer = await post(receiver.url)
        assert answer.problem is not None
        assert "redirects are not followed" in answer.problem
        assert len(receiver.heads) == 1

    async def test_how_long_to_wait_is_the_receivers_to_say(self) -> None:
        async with receiving("429 Slow", headers="Retry-After: 90\r\n") as receiver:
            assert (await post(receiver.url)).retry_after_seconds == 90
        async with receiving("503 Busy", headers="Retry-After: tomorrow\r\n") as receiver:
            assert (await post(receiver.url)).retry_after_seconds is None

    async def test_a_receiver_that_is_away_is_told_from_one_that_refuses(self) -> None:
        async with receiving() as receiver:
            gone = receiver.url
        with pytest.raises(NotDelivered, match="cannot be reached"):
            await post(gone)

    async def test_a_name_that_leads_nowhere_may_lead_somewhere_later(self) -> None:
        with pytest.raises(NotDelivered, match="cannot be reached"):
            await post("http://nowhere.invalid/hook")

    async def test_what_is_no_http_is_not_taken_for_an_answer(self) -> None:
        async with receiving("not a status") as receiver:
            with pytest.raises(NotDelivered, match="does not speak HTTP"):
                await post(receiver.url)

    async def test_credentials_in_the_address_do_not_spoil_the_host(self) -> None:
        async with receiving() as receiver:
            url = f"http://user:word@127.0.0.1:{receiver.port}/"  # pragma: allowlist secret
            await post(url)
        assert receiver.headers()["host"] == f"127.0.0.1:{receiver.port}"


class TestPatience:
    async def test_a_receiver_that_hangs_is_given_up(self) -> None:
        async with receiving("hang") as receiver:
            with pytest.raises(NotDelivered, match="in time"):
                await post(receiver.url, timeout_seconds=0.2)
        assert receiver.hanging == 1

    async def test_a_body_without_end_is_not_read(self) -> None:
        async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            await reader.read()
            writer.close()

        server = await asyncio.start_server(pour, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            assert (await post(f"http://127.0.0.1:{port}/")).status == 200

    async def test_one_receiver_that_hangs_leaves_places_to_the_others(self) -> None:
        sender = WebhookSender(LOOPBACK)
        async with receiving("hang") as hanging, receiving() as other, asyncio.TaskGroup() as group:
            for place in range(50):
                group.create_task(given_up(sender, hanging.url, place))

            async def look() -> bool:
                return hanging.hanging == 50

            await eventually(look, "the receiver lets 50 wait")
            with pytest.raises(NotDelivered, match="under way"):
                await sender.post(hanging.url, "51", MESSAGE, (SECRET,))
            assert (await sender.post(other.url, "52", MESSAGE, (SECRET,))).status == 200
            hanging.let_go.set()
        assert len(hanging.heads) == 50


async def given_up(sender: WebhookSender, url: str, place: int) -> None:
    with pytest.raises(NotDelivered):
        await sender.post(url, str(place), MESSAGE, (SECRET,))


class TestWhereTo:
    @pytest.fixture
    async def receiver(self) -> AsyncIterator[Receiver]:
        async with receiving() as receiver:
            yield receiver

    @pytest.mark.parametrize(
        "host",
        [
            *("127.0.0.1", "localhost", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]"),
            *("169.254.169.254", "10.0.0.1", "100.100.100.200", "168.63.129.16"),
            *("[64:ff9b::7f00:1]", "[fd00:ec2::254]"),
        ],
    )
    async def test_a_private_address_is_never_reached(self, receiver: Receiver, host: str) -> None:
        with pytest.raises(NeverDeliverable, match="private"):
            await post(f"http://{host}:{receiver.port}/hook", frozenset())
        assert receiver.heads == []

    async def test_a_name_that_is_allowed_lets_no_other_through(self, receiver: Receiver) -> None:
        allowed = frozenset({"localhost"})
        with pytest.raises(NeverDeliverable):
            await post(receiver.url, allowed)
        assert (await post(f"http://LOCALHOST:{receiver.port}/", allowed)).status == 200

    async def test_a_name_that_changes_its_mind_is_checked_where_it_leads_now(
        self, receiver: Receiver
    ) -> None:
        async def rebinding(host: str, port: int) -> list[str]:
            return ["127.0.0.1"]

        url = f"http://rebinds.example:{receiver.port}/hook"
        with pytest.raises(NeverDeliverable, match="private"):
            await post(url, frozenset(), resolve=rebinding)
        assert receiver.heads == []

    async def test_a_name_is_resolved_once_for_the_check_and_the_connection(
        self, receiver: Receiver
    ) -> None:
        answers = [["127.0.0.1"], ["127.0.0.2"]]

        async def changing(host: str, port: int) -> list[str]:
            return answers.pop(0)

        url = f"http://changes.example:{receiver.port}/hook"
        answer = await post(url, frozenset({"changes.example"}), resolve=changing)
        assert answer.status == 200
        assert answers == [["127.0.0.2"]]

    async def test_of_many_addresses_the_first_that_answers_is_taken(
        self, receiver: Receiver
    ) -> None:
        async def many(host: str, port: int) -> list[str]:
            return ["127.0.0.2", "127.0.0.1"]

        url = f"http://many.example:{receiver.port}/hook"
        assert (await post(url, frozenset({"many.example"}), resolve=many)).status == 200
        assert len(receiver.heads) == 1

    async def test_where_none_of_many_addresses_is_public_none_is_tried(
        self, receiver: Receiver
    ) -> None:
        async def many(host: str, port: int) -> list[str]:
            return ["10.0.0.1", "::ffff:127.0.0.1", "127.0.0.1"]

        url = f"http://many.example:{receiver.port}/hook"
        with pytest.raises(NeverDeliverable, match="private"):
            await post(url, frozenset(), resolve=many)
        assert receiver.heads == []
