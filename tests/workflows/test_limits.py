"""Limits of a provider with two workers: one of them is for the fleet, the other for each worker."""

from __future__ import annotations

import asyncio
import itertools
import time

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


async def start_jobs(client: Client, planner: Planner, count: int) -> list[JobHandle]:
    requests = [planner.job(wish(f"picture {number}", Quality.STANDARD)) for number in range(count)]
    return await asyncio.gather(*(start_job(client, request) for request in requests))


async def test_a_rate_limit_is_kept_by_the_whole_fleet(
    client: Client, planner: Planner, settings: Settings, new_worker: WorkerFactory
) -> None:
    called: list[float] = []

    async def note(order: Order, report: Report) -> None:
        called.append(time.monotonic())

    settings.config.write_text(f"[providers.studio]\nrequests_per_second = {_PER_SECOND}\n")
    begun = time.monotonic()
    async with new_worker(FakeProvider(note), cached_workflows=100, crews=_WORKERS):
        jobs = await start_jobs(client, planner, 14)
        await asyncio.gather(*(job.result() for job in jobs))
    print([round(at - begun, 2) for at in called])
