from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from fastapi import Response
from sse_starlette import ServerSentEvent
from starlette.types import Message

from api.closing import Closing
from api.snapshots import Body, JobSnapshot
from api.streaming import EventStream, Streams
from api.watching import Until, Watchman
from domain.reviews import ReviewState
from tests.api.test_watching import APPROVED, AWAITING, QUEUED, Look, at, drafted, story

SCOPE = {"type": "http", "method": "GET", "path": "/events"}


def body(snapshot: JobSnapshot) -> Body:
    return Body(str(snapshot.state.progress_percentage).encode(), '"x"', None)


@pytest.fixture
def streams() -> Streams:
    return Streams(Watchman(Closing(), interval_seconds=0.001), keep_alive_seconds=1000)


async def never() -> Message:
    await asyncio.Event().wait()
    raise AssertionError("unreachable")


class Client:
    """Reads as fast as it is let; keeps what it was sent."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.reads = asyncio.Event()
        self.reads.set()

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.body":
            await self.reads.wait()
            self.sent.append(message["body"])

    async def read(self, response: Response) -> list[str]:
        """The name of each event with its data, up to the end."""
        await response(SCOPE, never, self)
        blocks = [sent.decode().strip().split("\n") for sent in self.sent if sent]
        return [" ".join(line.partition(": ")[2] for line in block[1:]) for block in blocks]


async def opened(
    streams: Streams, look: Look, seen: str | None = None, until: Until = Until.DECIDED
) -> Response:
    return await streams.events(look, body, seen, until)


class TestEvents:
    async def test_an_event_is_named_after_what_happened(self, streams: Streams) -> None:
        response = await opened(streams, story(QUEUED, at(47), AWAITING, APPROVED))
        told = await Client().read(response)
        assert told == ["status 0", "status 47", "completed 100", "review 100"]

    async def test_an_end_is_told_even_where_more_followed_at_once(self, streams: Streams) -> None:
        told = await Client().read(await opened(streams, story(QUEUED, APPROVED)))
        assert told == ["status 0", "completed 100", "review 100"]

    async def test_between_the_two_it_can_be_taken_up_again(self, streams: Streams) -> None:
        seen = str(APPROVED.version._replace(rank=200))
        assert await Client().read(await opened(streams, story(APPROVED), seen)) == ["review 100"]

    async def test_an_approval_that_failed_is_an_event_of_the_review(
        self, streams: Streams
    ) -> None:
        problem = drafted(ReviewState.AWAITING)
        assert problem.state.review is not None
        problem.state.review.problem = "The model is shut down."
        told = await Client().read(await opened(streams, story(AWAITING, problem, APPROVED)))
        assert told == ["completed 100", "review 100", "review 100"]

    async def test_an_id_that_we_never_gave_is_ignored(self, streams: Streams) -> None:
        response = await opened(streams, story(APPROVED), "yesterday's")
        assert await Client().read(response) == ["completed 100", "review 100"]


class TestEventStream:
    async def test_who_reads_slowly_skips_to_the_latest_state(self, streams: Streams) -> None:
        looks, latest = 0, 1

        async def look() -> JobSnapshot:
            nonlocal looks
            looks += 1
            return AWAITING if latest > 90 else at(latest)

        client = Client()
        client.reads.clear()
        response = await opened(streams, look, until=Until.COMPLETED)
        reading = asyncio.create_task(client.read(response))
        for progress in range(1, 100):
            latest = progress
            await asyncio.sleep(0)
        assert looks == 1
        client.reads.set()
        assert await reading == ["status 1", "completed 100"]

    async def test_who_reads_nothing_for_long_is_given_up(self) -> None:
        is_closed = False

        async def endless() -> AsyncIterator[ServerSentEvent]:
            nonlocal is_closed
            try:
                while True:
                    yield ServerSentEvent("x")
            finally:
                is_closed = True

        client = Client()
        client.reads.clear()
        response = EventStream(endless(), keep_alive_seconds=1000)
        response.send_timeout = 0.01
        await response(SCOPE, never, client)
        assert is_closed
