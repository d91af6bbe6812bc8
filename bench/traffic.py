"""Steady traffic, as frontends make it.

Jobs are submitted at an even pace whatever the answers take, and each is watched on a stream of its
own until it has ended. Beside them pollers ask for the newest job twice a second, and streams stay
open on drafts; at the end these are approved, which every stream must tell.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager, closing
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from bench import wire
from bench.flights import Door
from bench.stack import Stack

POLL_SECONDS = 0.5
SUBMIT = "submit"
POLL = "poll"
FIRST_EVENT = "first event of a stream"
END_EVENT = "event `completed`, after the image is there"
COMPLETED = "submit to event `completed`"
REVIEW_EVENT = "approve to event `review`"
KINDS = (SUBMIT, POLL, FIRST_EVENT, END_EVENT, COMPLETED, REVIEW_EVENT)

_AT_ONCE = 50
"""More jobs than these are not in flight: beyond them the pace is held back, and that is told."""
_LAST_SECONDS = 120.0
_OK = 200
_ENDED = ("completed", "failed")


@dataclass(frozen=True)
class Pace:
    """How much traffic."""

    jobs_per_second: float
    pollers: int
    streams: int


class Seen(NamedTuple):
    """Seconds that something took, and how many jobs had ended by then."""

    jobs: int
    seconds: float


class Traffic:
    """One run of it, and what was seen."""

    def __init__(self, door: Door, path: str, pace: Pace) -> None:
        self._door = door
        self._path = path
        self._pace = pace
        self._pool = wire.Pool(door.port)
        self._newest: str | None = None
        self._approved: dict[str, float] = {}
        self.ended = 0
        self.mishaps: Counter[str] = Counter()
        self.seen: dict[str, list[Seen]] = {kind: [] for kind in KINDS}

    async def run(self, seconds: float, draft: object) -> float:
        """Submit jobs for so long and see all of them end; seconds that the pace was held back.

        `draft` is the body of a draft that a stream stays open on.
        """
        with closing(self._pool):
            drafts = [await self._submit(draft) for _ in range(self._pace.streams)]
            standing = [asyncio.create_task(self._stand(job_id)) for job_id in drafts]
            async with self._pollers():
                held = await at_a_pace(self._pace.jobs_per_second, seconds, self._journey)
            await self._approve(drafts)
            await self._told(standing)
        return held

    def _saw(self, kind: str, seconds: float) -> None:
        self.seen[kind].append(Seen(self.ended, seconds))

    async def _submit(self, body: object) -> str:
        answer = await self._pool.send(wire.post(self._door.path, body))
        return str(answer.json()["job_id"])

    async def _journey(self, number: int) -> None:
        begun = time.perf_counter()
        try:
            job_id = await self._submit(self._door.body(number))
            self._saw(SUBMIT, time.perf_counter() - begun)
            self._newest = job_id
            await self._watch(job_id, begun)
        except (OSError, RuntimeError) as error:
            self.mishaps[str(error).partition(": ")[0]] += 1

    async def _watch(self, job_id: str, begun: float) -> None:
        asked = time.perf_counter()
        is_first = True
        async with aclosing(wire.events(self._door.port, self._events(job_id))) as events:
            async for name, data in events:
                now = time.perf_counter()
                if is_first:
                    self._saw(FIRST_EVENT, now - asked)
                    is_first = False
                if name in _ENDED:
                    made_at = datetime.fromisoformat(json.loads(data)["completed_at"])
                    self._saw(END_EVENT, time.time() - made_at.timestamp())
                    self._saw(COMPLETED, now - begun)
                    self.ended += 1
                    self.mishaps += Counter({"jobs failed": name == "failed"})
                    return
        self.mishaps["streams that broke"] += 1

    @asynccontextmanager
    async def _pollers(self) -> AsyncIterator[None]:
        count = self._pace.pollers
        tasks = [asyncio.create_task(self._poll(POLL_SECONDS * i / count)) for i in range(count)]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            ends = await asyncio.gather(*tasks, return_exceptions=True)
            self.mishaps.update(
                f"a poller stopped: {end}"[:100] for end in ends if isinstance(end, Exception)
            )

    async def _poll(self, phase: float) -> None:
        """Follow the newest job to its end, then the newest again; a refusal is asked again."""
        await asyncio.sleep(phase)
        job_id = None
        while True:
            job_id = job_id or self._newest
            if job_id is not None:
                begun = time.perf_counter()
                answer = await self._pool.send(wire.get(f"{self._path}/jobs/{job_id}"))
                self._saw(POLL, time.perf_counter() - begun)
                if answer.status != _OK:
                    self.mishaps[f"polls answered {answer.status}"] += 1
                elif answer.json()["status"] in _ENDED:
                    job_id = None
            await asyncio.sleep(POLL_SECONDS)

    async def _stand(self, job_id: str) -> None:
        async with aclosing(wire.events(self._door.port, self._events(job_id))) as events:
            async for name, _ in events:
                if name == "review":
                    self._saw(REVIEW_EVENT, time.perf_counter() - self._approved[job_id])
                    return
        self.mishaps["drafts' streams that ended early"] += 1

    async def _approve(self, drafts: list[str]) -> None:
        for job_id in drafts:
            self._approved[job_id] = time.perf_counter()
            answer = await self._pool.send(wire.post(f"{self._path}/jobs/{job_id}/approve", {}))
            answer.json()

    async def _told(self, standing: list[asyncio.Task[None]]) -> None:
        if not standing:
            return
        _, silent = await asyncio.wait(standing, timeout=_LAST_SECONDS)
        for task in silent:
            task.cancel()
        ends = await asyncio.gather(*standing, return_exceptions=True)
        broken = sum(end is not None for end in ends)
        self.mishaps += Counter({"drafts' streams that told no review": broken})

    def _events(self, job_id: str) -> str:
        return f"{self._path}/jobs/{job_id}/events"


async def floor_traffic(
    stack: Stack, door: Door, jobs_per_second: float, seconds: float
) -> tuple[list[float], list[float]]:
    """Seconds of each POST at that pace, and of each job until its end is known."""
    submits, totals = [], []
    with closing(wire.Pool(door.port)) as pool:

        async def journey(number: int) -> None:
            begun = time.perf_counter()
            answer = await pool.send(wire.post(door.path, door.body(number)))
            submits.append(time.perf_counter() - begun)
            await stack.client.get_workflow_handle(answer.json()["job_id"]).result()
            totals.append(time.perf_counter() - begun)

        await at_a_pace(jobs_per_second, seconds, journey)
    return submits, totals


async def at_a_pace(
    per_second: float, seconds: float, journey: Callable[[int], Awaitable[None]]
) -> float:
    """Begin so many journeys a second for so long; seconds that they were held back."""
    places, begun, held = asyncio.Semaphore(_AT_ONCE), time.perf_counter(), 0.0

    async def travel(number: int) -> None:
        try:
            await journey(number)
        finally:
            places.release()

    async with asyncio.TaskGroup() as group:
        number = 0
        while (due := begun + held + number / per_second) < begun + seconds:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            waiting = time.perf_counter()
            await places.acquire()
            held += time.perf_counter() - waiting
            group.create_task(travel(number))
            number += 1
    return held
