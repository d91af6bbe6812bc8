"""Reading Server-Sent Events off an answer, as a browser does."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import httpx

from tests.api.conftest import API, Caller, Json


class Event(NamedTuple):
    """`name` is `message` where the event has none, as in browsers."""

    id: str
    name: str
    data: Json

    @property
    def rank(self) -> int:
        return int(self.id.partition("-")[0])


@asynccontextmanager
async def streaming(
    api: Caller, path: str, body: Json | None = None, last_event_id: str = "", **query: str
) -> AsyncIterator[httpx.Response]:
    """An open stream."""
    request = api.http.build_request(
        "GET" if body is None else "POST",
        f"{API}{path}",
        params=query,
        json=body,
        headers={"Last-Event-ID": last_event_id} if last_event_id else {},
        timeout=60,
    )
    answer = await api.http.send(request, stream=True)
    try:
        assert answer.status_code == 200, await answer.aread()
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield answer
    finally:
        await answer.aclose()


async def events(answer: httpx.Response) -> AsyncIterator[Event]:
    """The events of a stream, up to its end."""
    fields: dict[str, str] = {}
    async for line in answer.aiter_lines():
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif "data" in fields:
            data: Any = json.loads(fields["data"])
            yield Event(fields.get("id", ""), fields.get("event", "message"), data)
            fields = {}


async def told(api: Caller, path: str, until: str = "decided") -> list[Event]:
    """All events of a stream that ends."""
    async with streaming(api, path, until=until) as answer:
        return [event async for event in events(answer)]
