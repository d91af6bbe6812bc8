"""A real HTTP server that plays the vendors: their documented shapes, settable faults, a till.

Each vendor answers below `/<vendor>`, from a module of its own here. Run it by hand with
`python -m tests.vendors`.
"""

from __future__ import annotations

import asyncio
import io
import json
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from PIL import Image
from starlette.requests import HTTPConnection
from starlette.types import Receive, Scope, Send

from tests.serving import on_a_thread
from tests.waiting import free_port

_HELD_SECONDS = 120.0


class Truncated(Response):
    """Promises more bytes than it sends, then hangs up."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-length", b"100000"), (b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b'{"', "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


@dataclass
class Fault:
    """What a vendor does with its next request instead of answering it well."""

    response: Response | None = None
    """None to answer as ever, which makes sense with `hold`."""
    is_paid: bool = False
    """The vendor has done the work and charges for it, whatever it answers."""
    hold: threading.Event | None = None
    """Nothing is answered until it is set; `reached` is set when the request is there."""
    reached: threading.Event = field(default_factory=threading.Event)

    @classmethod
    def answer(
        cls, status: int, body: Any, headers: dict[str, str] | None = None, *, is_paid: bool = False
    ) -> Fault:
        """An answer with that JSON (or text) body."""
        text = body if isinstance(body, str) else json.dumps(body)
        kind = "text/plain" if isinstance(body, str) else "application/json"
        return cls(Response(text, status, headers, kind), is_paid)


@dataclass
class Charge:
    """One request that the vendor charges for."""

    path: str
    body: dict[str, Any]


@dataclass
class Vendor:
    """One vendor's till and temper."""

    name: str
    base_url: str
    charges: list[Charge] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    """Every request, as `POST /path`."""
    faults: deque[Fault] = field(default_factory=deque)
    """For the next paying requests, one each."""
    poll_faults: deque[Fault] = field(default_factory=deque)
    """For the next other requests, one each."""
    polls_until_done: int = 1
    """How often a queued job is still said to be at work."""
    latency_seconds: float = 0.0
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Submissions of vendors that have a queue, by the vendor's id."""
    files: dict[str, bytes] = field(default_factory=dict)
    """What was uploaded or made, of vendors that name files."""
    refuses_sockets: bool = False

    async def begin(
        self, request: Request, body: dict[str, Any], *, charges: bool = True
    ) -> Response | None:
        """Note a paying request; a response to give instead of the good one, if any.

        The caller charges by itself where `charges` is false.
        """
        self.requests.append(f"{request.method} {request.url.path.removeprefix('/' + self.name)}")
        fault = self.faults.popleft() if self.faults else None
        response = await self._suffer(fault)
        if (fault is None or response is None or fault.is_paid) and charges:
            self.charge(request, body)
        if self.latency_seconds:
            await asyncio.sleep(self.latency_seconds)
        return response

    def charge(self, request: Request, body: dict[str, Any]) -> None:
        """Ring the till."""
        self.charges.append(Charge(request.url.path.removeprefix("/" + self.name), body))

    async def begin_free(self, request: Request) -> Response | None:
        """Note a request that costs nothing; a response to give instead, if any."""
        self.requests.append(f"{request.method} {request.url.path.removeprefix('/' + self.name)}")
        return await self._suffer(self.poll_faults.popleft() if self.poll_faults else None)

    @staticmethod
    async def _suffer(fault: Fault | None) -> Response | None:
        if fault is None:
            return None
        fault.reached.set()
        if fault.hold is not None:
            await asyncio.to_thread(fault.hold.wait, _HELD_SECONDS)
        return fault.response


def picture(width_px: int, height_px: int, seed: int = 0, kind: str = "PNG") -> bytes:
    """A picture whose colours tell its seed."""
    colour = (seed % 256, seed // 256 % 256, seed // 65536 % 256)
    encoded = io.BytesIO()
    image = Image.new("RGB", (width_px, height_px), colour)
    image.paste((255 - colour[0], 128, 64), (0, 0, width_px // 2, height_px // 3))
    image.save(encoded, kind)
    return encoded.getvalue()


class StandIn:
    """All vendors behind one address."""

    def __init__(self, port: int) -> None:
        from tests.vendors import ROUTERS

        self.port = port
        self.app = FastAPI(openapi_url=None)
        self.vendors: dict[str, Vendor] = {}
        for name, router in ROUTERS.items():
            self._mount(name, router)

    def _mount(self, name: str, router: APIRouter) -> None:
        self.vendors[name] = Vendor(name, f"http://127.0.0.1:{self.port}/{name}")
        self.app.include_router(router, prefix=f"/{name}")
        self.app.state.vendors = self.vendors

    def reset(self) -> None:
        """Forget everything that happened."""
        for name, vendor in self.vendors.items():
            self.vendors[name] = Vendor(name, vendor.base_url)

    def __getitem__(self, name: str) -> Vendor:
        return self.vendors[name]


def vendor_of(request: HTTPConnection) -> Vendor:
    """The vendor that a request came to."""
    vendors: dict[str, Vendor] = request.app.state.vendors
    return vendors[request.url.path.split("/")[1]]


async def form_of(request: Request) -> dict[str, Any]:
    """A multipart body: text, and the bytes of files; a list where a name comes repeatedly."""
    body: dict[str, Any] = {}
    async with request.form() as form:
        for name in form:
            values = [
                value if isinstance(value, str) else await value.read()
                for value in form.getlist(name)
            ]
            body[name] = values[0] if len(values) == 1 else values
    return body


@contextmanager
def running_stand_in() -> Iterator[StandIn]:
    """The server, on a thread of its own; it outlives any process that a test kills."""
    stand_in = StandIn(free_port())
    with on_a_thread(stand_in.app, stand_in.port, ws="websockets-sansio"):
        yield stand_in
