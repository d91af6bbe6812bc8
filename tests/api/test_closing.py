"""A server that is asked to stop while requests are held open."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from temporalio.client import Client

from api.closing import Closing
from settings import Settings
from tests.api.conftest import API, small
from tests.waiting import DEADLINE_SECONDS, eventually, free_port

ROOT = Path(__file__).parents[2]


@pytest.fixture
async def process(
    settings: Settings, engine_address: str, client: Client, store_url: str
) -> AsyncIterator[tuple[asyncio.subprocess.Process, httpx.AsyncClient]]:
    """The API as operators run it, without a limit to its graceful stop."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "uvicorn", "api.app:create_app", "--factory"),
        *("--port", str(port), "--log-level", "warning"),
        cwd=ROOT,
        env={
            **os.environ,
            "DARKROOM_CONFIG": str(settings.config),
            "DARKROOM_S3_ENDPOINT": store_url,
            "DARKROOM_S3_BUCKET": client.namespace,
            "DARKROOM_POLL_INTERVAL_SECONDS": "10",
            "TEMPORAL_ADDRESS": engine_address,
            "TEMPORAL_NAMESPACE": client.namespace,
        },
    )
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=DEADLINE_SECONDS
    ) as http:

        async def answers() -> bool:
            try:
                return (await http.get("/health/live")).status_code == 200
            except httpx.TransportError:
                return False

        await eventually(answers, "the API answers")
        yield process, http
    if process.returncode is None:
        process.kill()
        await process.wait()


async def test_streams_and_long_polls_end_whole_and_do_not_hold_it_up(
    process: tuple[asyncio.subprocess.Process, httpx.AsyncClient],
) -> None:
    server, http = process
    created = await http.post(f"{API}/generate-async", json=small())
    path = f"{API}/jobs/{created.json()['job_id']}"
    waiting = asyncio.create_task(http.get(path, params={"wait": 60}))
    async with (
        http.stream("GET", f"{path}/events") as events,
        http.stream("POST", f"{API}/generate/stream", json=small()) as stages,
    ):
        lines, updates = events.aiter_lines(), stages.aiter_lines()
        await anext(lines)
        await anext(updates)
        server.send_signal(signal.SIGTERM)
        async with asyncio.timeout(DEADLINE_SECONDS):
            assert [line async for line in lines][-1] == ""
            assert [line async for line in updates][-1] == ""
            assert (await waiting).json()["status"] == "queued"
            await server.wait()


class TestClosing:
    async def test_a_sleep_ends_with_its_time_or_with_the_server(self) -> None:
        closing = Closing()
        await closing.sleep(0.001)
        sleeping = asyncio.create_task(closing.sleep(1000))
        await asyncio.sleep(0)
        assert not closing.is_set
        closing.set()
        await sleeping
        assert closing.is_set

    async def test_without_a_server_that_has_the_signal_it_is_never_set(self) -> None:
        closing = Closing()
        async with closing.with_the_server():
            await asyncio.sleep(0)
        assert not closing.is_set
