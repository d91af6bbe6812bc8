"""Receivers of webhooks over real HTTP: one that answers as told, and one that never does."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from tests.waiting import eventually


def secret(text: bytes) -> str:
    return "whsec_" + base64.b64encode(text).decode()


SECRET = secret(b"0123456789abcdef01234567")
LOOPBACK = frozenset({"127.0.0.1"})


class Receiver:
    """Takes HTTP requests and keeps them."""

    def __init__(self, *statuses: str, headers: str = "") -> None:
        self.port = 0
        self.heads: list[str] = []
        self.bodies: list[bytes] = []
        self.hanging = 0
        self.let_go = asyncio.Event()
        self._statuses = list(statuses)
        self._headers = headers

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?site=1"

    @property
    def told(self) -> list[dict[str, Any]]:
        """The bodies, in the order they came."""
        return [json.loads(body) for body in self.bodies]

    @property
    def types(self) -> list[str]:
        return [str(told["type"]) for told in self.told]

    def headers(self, place: int = 0) -> dict[str, str]:
        """The headers of a request, in the order they came."""
        lines = self.heads[place].split("\r\n")[1:]
        return {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}

    async def hears(self, count: int) -> list[str]:
        """The types of the first messages, once there are so many."""

        async def look() -> bool:
            return len(self.bodies) >= count

        await eventually(look, f"{count} messages arrive")
        return self.types

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode().strip()
            self.heads.append(head)
            length = int(self.headers(-1).get("content-length", "0"))
            self.bodies.append(await reader.readexactly(length))
            await self._answer(writer)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    async def _answer(self, writer: asyncio.StreamWriter) -> None:
        status = self._statuses.pop(0) if len(self._statuses) > 1 else self._statuses[0]
        if status == "hang":
            self.hanging += 1
            await self.let_go.wait()
            return
        answer = f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nLocation: {self.url}\r\n"
        writer.write(f"{answer}{self._headers}Connection: close\r\n\r\n".encode())
        await writer.drain()


@asynccontextmanager
async def receiving(*statuses: str, headers: str = "") -> AsyncIterator[Receiver]:
    """A receiver that answers each request with the next status, the last one for ever.

    `hang` for a status keeps the connection open and says nothing until the end.
    """
    receiver = Receiver(*(statuses or ("200 OK",)), headers=headers)
    server = await asyncio.start_server(receiver.take, "127.0.0.1", 0)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        receiver.let_go.set()
        server.close()
        await server.wait_closed()
