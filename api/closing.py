"""Tells who holds a request open that the server was asked to stop."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

_LOOK_SECONDS = 0.1


class Closing:
    """Set once and for good; a server waits for its open requests before it ends the lifespan."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    @property
    def is_set(self) -> bool:
        """Whether open requests should end now."""
        return self._event.is_set()

    def set(self) -> None:
        """End all open requests."""
        self._event.set()

    async def sleep(self, seconds: float) -> None:
        """Wait so long, or until it is set."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._event.wait()

    @asynccontextmanager
    async def with_the_server(self) -> AsyncIterator[None]:
        """Set it as soon as the server that runs this process has its signal to stop."""
        watching = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            watching.cancel()

    async def _watch(self) -> None:
        # uvicorn tells an application nothing before all requests have ended; its handler of the
        # signal is a method of the server, which knows.
        server = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
        while not getattr(server, "should_exit", False):  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_SECONDS)
        self.set()
