"""Serving an application from this process, out of reach of what a test does to others."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from starlette.types import ASGIApp


@contextmanager
def on_a_thread(app: ASGIApp, port: int, **config: Any) -> Iterator[None]:
    """The application at a loopback port while the block runs."""
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="critical", **config))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.01)
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(10)
