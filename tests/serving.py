"""A real HTTP server on a thread of its own, which outlives any process that a test kills."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from starlette.types import ASGIApp


@contextmanager
def serving(app: ASGIApp, port: int, **options: Any) -> Iterator[None]:
    """Serve on a loopback port for as long as the block runs; `options` are uvicorn's."""
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="critical", **options))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.01)
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(10)
