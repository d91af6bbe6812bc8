"""A reverse proxy that gives each request to the next of several APIs."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from tests.serving import on_a_thread
from tests.waiting import free_port

_METHODS = ["GET", "HEAD", "POST", "DELETE", "OPTIONS"]
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

    async def pass_on(request: Request) -> Response:
        http: httpx.AsyncClient = request.app.state.http
        asked = http.build_request(
            request.method,
            f"{next(turns)}{request.url.path}?{request.url.query}",
            headers=request.headers.raw,
            content=await request.body(),
        )
        answer = await http.send(asked, stream=True)
        passed = StreamingResponse(_bytes_of(answer), answer.status_code)
        passed.raw_headers = [
            (name.lower(), value)
            for name, value in answer.headers.raw
            if name.lower() not in _OF_ONE_CONNECTION
        ]
        return passed

    port = free_port()
    app = Starlette(routes=[Route("/{path:path}", pass_on, methods=_METHODS)], lifespan=lifespan)
    with on_a_thread(app, port):
        yield f"http://127.0.0.1:{port}"


async def _bytes_of(answer: httpx.Response) -> AsyncIterator[bytes]:
    try:
        async for chunk in answer.aiter_raw():
            yield chunk
    finally:
        await answer.aclose()
