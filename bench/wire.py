"""HTTP/1.1 that costs so little that the server is the limit.

A keep-alive connection knows only what our servers answer: a status line, a `Content-Length`, a
body; no pipelining. Streams of events have a connection each.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

LOOPBACK = "127.0.0.1"
_IDLE_SECONDS = 2.0
_LONGEST_LINE = 2**20
_LAST_CHUNK = b"0\r\n"


class Answer(NamedTuple):
    """What came back."""

    status: int
    body: bytes

    def json(self) -> Any:
        """The body as JSON; raises `RuntimeError` unless the status says success."""
        if not 200 <= self.status < 300:
            raise RuntimeError(f"answered {self.status}: {self.body[:300]!r}")
        return json.loads(self.body)


class Wire(asyncio.Protocol):
    """One connection; one request at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._waiter: asyncio.Future[Answer] | None = None

    async def send(self, request: bytes) -> Answer:
        """Send a whole request and wait for its answer."""
        if self._transport is None:
            raise ConnectionError("not connected")
        self._waiter = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._waiter

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not isinstance(transport, asyncio.Transport):
            raise TypeError("a TCP connection has a transport to write to")
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head_end = self._buffer.find(b"\r\n\r\n")
        if head_end < 0:
            return
        body_end = head_end + 4 + _content_length(self._buffer[:head_end])
        if len(self._buffer) < body_end or self._waiter is None:
            return
        answer = Answer(int(self._buffer[9:12]), self._buffer[head_end + 4 : body_end])
        self._buffer = self._buffer[body_end:]
        self._waiter.set_result(answer)

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(error or ConnectionError("the server hung up"))


def _content_length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line[15:])
    raise RuntimeError(f"an answer without Content-Length: {head[:200]!r}")


@asynccontextmanager
async def wires(port: int, count: int) -> AsyncIterator[list[Wire]]:
    """That many connections to a port on loopback."""
    opened = [await _connected(port) for _ in range(count)]
    try:
        yield opened
    finally:
        for wire in opened:
            wire.close()


class Pool:
    """As many connections to a port as are needed at once."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: list[tuple[float, Wire]] = []

    async def send(self, request: bytes) -> Answer:
        wire = self._idle_one() or await _connected(self._port)
        answer = await wire.send(request)
        self._idle.append((time.monotonic(), wire))
        return answer

    def close(self) -> None:
        for _, wire in self._idle:
            wire.close()

    def _idle_one(self) -> Wire | None:
        """None where it idled so long that the server may be about to hang up."""
        while self._idle:
            since, wire = self._idle.pop()
            if time.monotonic() - since < _IDLE_SECONDS:
                return wire
            wire.close()
        return None


async def _connected(port: int) -> Wire:
    return (await asyncio.get_running_loop().create_connection(Wire, LOOPBACK, port))[1]


async def events(port: int, path: str) -> AsyncGenerator[tuple[str, bytes]]:
    """Name and data of each event of a stream, until it ends.

    A line of an event is never split into chunks by our servers, so their sizes are passed over.
    """
    reader, writer = await asyncio.open_connection(LOOPBACK, port, limit=_LONGEST_LINE)
    try:
        writer.write(get(path))
        status = await reader.readline()
        if status[9:12] != b"200":
            raise RuntimeError(f"a stream was answered {status!r}")
        name = ""
        while (line := await reader.readline()) not in (b"", _LAST_CHUNK):
            field, _, value = line.strip().partition(b": ")
            if field == b"event":
                name = value.decode()
            elif field == b"data":
                yield name, value
    finally:
        writer.close()


def get(path: str) -> bytes:
    """A GET request as bytes."""
    return f"GET {path} HTTP/1.1\r\nHost: {LOOPBACK}\r\n\r\n".encode()


def post(path: str, body: object) -> bytes:
    """A POST request with a JSON body, as bytes."""
    data = json.dumps(body).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {LOOPBACK}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
    )
    return head.encode() + data
