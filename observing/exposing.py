"""Serves the worker's metrics over HTTP, beside its work: a thread that only a scrape wakes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prometheus_client import CollectorRegistry, start_http_server

logger = logging.getLogger("darkroom.worker")


@asynccontextmanager
async def exposed(registry: CollectorRegistry, host: str, port: int | None) -> AsyncIterator[None]:
    """Answer `GET /metrics` for as long as the block runs; with `port` None, nowhere.

    An address that is taken is logged: no worker stops working for its metrics.
    """
    if port is None:
        yield
        return
    try:
        server, thread = start_http_server(port, host, registry)
    except OSError as error:
        logger.error("the metrics cannot be served at %s:%s: %s", host, port, error)
        yield
        return
    logger.info("metrics at http://%s:%s/metrics", host, port)
    try:
        yield
    finally:
        await asyncio.to_thread(server.shutdown)
        server.server_close()
        thread.join()
