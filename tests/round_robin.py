"""A reverse proxy that gives each request to the next of several APIs."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Mount
from starlette.types import Receive, Scope, Send

from tests.serving import on_a_thread
from tests.waiting import free_port

_OF_ONE_CONNECTION = {b"connection", b"keep-alive", b"transfer-encoding"}


@contextmanager
def round_robin(urls: Sequence[str]) -> Iterator[str]:
    """The proxy's address while the block runs; behind it each API hears that address."""
    turns = itertools.cycle(urls)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(trust_env=False, timeout=None, limits=limits) as http:
            app.state.http = http
            yield

    async def pass_on(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        http: httpx.AsyncClient = request.app.state.http
        query: bytes = scope["query_string"]
        asked = http.build_request(
            request.method,
            next(turns),
            headers=request.headers.raw,
            content=await request.body(),
            extensions={"target": scope["raw_path"] + (b"?" + query if query else b"")},
        )
        answer = await http.send(asked, stream=True)
        passed = StreamingResponse(_bytes_of(answer), answer.status_code)
        passed.raw_headers = [
            (name.lower(), value)
            for name, value in answer.headers.raw
            if name.lower() not in _OF_ONE_CONNECTION
        ]
        await passed(scope, receive, send)

    port = free_port()
    app = Starlette(routes=[Mount("/", pass_on)], lifespan=lifespan)
    with on_a_thread(app, port, date_header=False, server_header=False):
        yield f"http://127.0.0.1:{port}"


async def _bytes_of(answer: httpx.Response) -> AsyncIterator[bytes]:
    try:
        async for chunk in answer.aiter_raw():
            yield chunk
    finally:
        await answer.aclose()
