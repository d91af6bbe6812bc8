"""The shapes of load, the same for Darkroom and the floor.

How the end of a job is seen: with 200 in flight, one `count_workflows` every 0.2 s says how many
have closed, and as many are submitted again; it costs both sides the same fraction of a job. The
times themselves are not polled: afterwards one list gives the engine's own start and close time of
each workflow. One at a time, the engine's long poll for the closing event answers at once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from temporalio.client import Client

from bench import wire
from bench.stack import Stack

LOOK_SECONDS = 0.2
_SUBMITTERS = 8
_STALLED_SECONDS = 120.0


@dataclass(frozen=True)
class Door:
    """Where jobs are submitted, and what they become in the engine."""

    name: str
    port: int
    path: str
    workflow_type: str
    body: Callable[[int], object]


@dataclass
class Flight:
    """A run with many jobs in flight."""

    jobs: int
    seconds: float
    submit_seconds: list[float]
    cpu: dict[str, float] = field(default_factory=dict)

    @property
    def jobs_per_second(self) -> float:
        return self.jobs / self.seconds

    @property
    def cpu_ms_per_job(self) -> dict[str, float]:
        return {name: used / self.jobs * 1000 for name, used in self.cpu.items()}


async def fly(stack: Stack, door: Door, total: int, depth: int) -> Flight:
    """Run `total` jobs, never more than `depth` of them unfinished."""
    cpu = stack.cpu.read()
    already = await closed_count(stack.client, door)
    begun = time.time()
    latencies: list[float] = []
    with closing(wire.Pool(door.port)) as pool:
        closed, moved = 0, time.monotonic()
        while closed < total:
            room = min(total, closed + depth) - len(latencies)
            if room > 0:
                requests = [
                    wire.post(door.path, door.body(len(latencies) + i)) for i in range(room)
                ]
                latencies += await _submit(pool, requests)
            await asyncio.sleep(LOOK_SECONDS)
            before, closed = closed, await closed_count(stack.client, door) - already
            moved = time.monotonic() if closed > before else moved
            if time.monotonic() - moved > _STALLED_SECONDS:
                raise RuntimeError(f"{door.name}: no job has finished for two minutes")
    used = stack.cpu.since(cpu)
    last = max(await _close_times(stack.client, door, begun))
    return Flight(total, last - begun, latencies, used)


async def one_at_a_time(stack: Stack, door: Door, total: int) -> tuple[list[float], list[float]]:
    """Seconds of each POST, and of each job from before its POST until its close is known."""
    submits, totals = [], []
    with closing(wire.Pool(door.port)) as pool:
        for number in range(total):
            begun = time.perf_counter()
            answer = await pool.send(wire.post(door.path, door.body(number)))
            submits.append(time.perf_counter() - begun)
            await stack.client.get_workflow_handle(answer.json()["job_id"]).result()
            totals.append(time.perf_counter() - begun)
    return submits, totals


@dataclass
class Polls:
    """What pollers got."""

    per_second: float
    latencies: list[float]
    cpu: dict[str, float]


async def poll(
    stack: Stack, port: int, paths: list[str], pollers: int, seconds: float, pause: float = 0.0
) -> Polls:
    """Poll the paths for a while with that many connections, each one path, with that pause."""
    async with wire.wires(port, pollers) as connections:
        cpu, begun = stack.cpu.read(), time.perf_counter()
        until = begun + seconds
        waits = await asyncio.gather(
            *(
                _poll_until(until, connection, wire.get(paths[i % len(paths)]), pause, i / pollers)
                for i, connection in enumerate(connections)
            )
        )
        took = time.perf_counter() - begun
        latencies = [wait for each in waits for wait in each]
        return Polls(len(latencies) / took, latencies, stack.cpu.since(cpu))


async def _poll_until(
    until: float, connection: wire.Wire, request: bytes, pause: float, phase: float
) -> list[float]:
    """With a pause, pollers are spread over it, as strangers' clocks are."""
    latencies = []
    await asyncio.sleep(pause * phase)
    while (begun := time.perf_counter()) < until:
        answer = await connection.send(request)
        latencies.append(time.perf_counter() - begun)
        if answer.status != 200:
            raise RuntimeError(f"a poll was answered {answer.status}: {answer.body[:300]!r}")
        if pause:
            await asyncio.sleep(pause)
    return latencies


async def closed_count(client: Client, door: Door) -> int:
    """How many of the door's workflows have closed, ever."""
    query = f"WorkflowType = '{door.workflow_type}' AND ExecutionStatus != 'Running'"
    return (await client.count_workflows(query)).count


async def until_closed(client: Client, door: Door, total: int) -> None:
    """Wait until that many of the door's workflows have closed, ever."""
    while await closed_count(client, door) < total:  # noqa: ASYNC110  it is in the engine
        await asyncio.sleep(LOOK_SECONDS)


async def _close_times(client: Client, door: Door, since: float) -> list[float]:
    """The engine's close time of each of the door's workflows started since then."""
    start = datetime.fromtimestamp(since, UTC) - timedelta(milliseconds=5)
    query = f"WorkflowType = '{door.workflow_type}' AND StartTime >= '{start.isoformat()}'"
    listed = client.list_workflows(query, page_size=1000)
    return [each.close_time.timestamp() async for each in listed if each.close_time]


async def _submit(pool: wire.Pool, requests: list[bytes]) -> list[float]:
    queue = list(requests)
    latencies: list[float] = []

    async def work() -> None:
        while queue:
            request = queue.pop()
            begun = time.perf_counter()
            (await pool.send(request)).json()
            latencies.append(time.perf_counter() - begun)

    await asyncio.gather(*(work() for _ in range(_SUBMITTERS)))
    return latencies
