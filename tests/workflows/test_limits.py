"""Limits of a provider with two workers: its rate is for both, its calls in flight for each."""

from __future__ import annotations

import asyncio
import time

import pytest
from temporalio.client import Client

from domain.sizes import Quality
from pipeline.planning import Planner
from providers.base import Order, Report
from settings import Settings
from tests.conftest import WorkerFactory
from tests.fakes import FakeProvider, Gate
from tests.starting import JobHandle, start_job, wish
from tests.waiting import eventually

_WORKERS = 2
_PER_SECOND = 4
_AT_ONCE = 2


@pytest.fixture
def settings(settings: Settings) -> Settings:
    settings.config.write_text(f"[providers.studio]\nrequests_per_second = {_PER_SECOND}\n")
    return settings.model_copy(update={"studio_concurrency": _AT_ONCE})


async def start_jobs(client: Client, planner: Planner, count: int) -> list[JobHandle]:
    requests = [planner.job(wish(f"picture {number}", Quality.STANDARD)) for number in range(count)]
    return await asyncio.gather(*(start_job(client, request) for request in requests))


async def test_no_second_sees_more_calls_than_the_fleet_may_make(
    client: Client, planner: Planner, new_worker: WorkerFactory
) -> None:
    """The engine lets a second's calls through at once, and then none before its time.

    Counted from before the first: whatever is slow makes a call later, never earlier.
    """
    called: list[float] = []

    async def note(order: Order, report: Report) -> None:
        called.append(time.monotonic() - begun)

    begun = time.monotonic()
    async with new_worker(FakeProvider(note), cached_workflows=100, crews=_WORKERS):
        jobs = await start_jobs(client, planner, 4 * _PER_SECOND)
        await asyncio.gather(*(job.result() for job in jobs))
    for count, at in enumerate(called, start=1):
        assert count <= _PER_SECOND * (1 + at), called


async def test_each_worker_keeps_so_many_calls_in_flight(
    client: Client, planner: Planner, new_worker: WorkerFactory
) -> None:
    gate, in_flight, most = Gate(), 0, 0

    async def hold(order: Order, report: Report) -> None:
        nonlocal in_flight, most
        in_flight += 1
        most = max(most, in_flight)
        await gate(order, report)
        in_flight -= 1

    async def both_are_full() -> bool:
        return in_flight == _WORKERS * _AT_ONCE

    async with new_worker(FakeProvider(hold), cached_workflows=100, crews=_WORKERS):
        jobs = await start_jobs(client, planner, 2 * _WORKERS * _AT_ONCE)
        await eventually(both_are_full, "both workers are at work")
        gate.open()
        await asyncio.gather(*(job.result() for job in jobs))
    assert most == _WORKERS * _AT_ONCE
