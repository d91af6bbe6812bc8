"""What is measured, one function each, from the smallest load to the largest.

Ratios are between neighbours in time: floor and Darkroom take turns, and of several rounds the
median counts, since other work on the machine comes and goes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from statistics import mean, median

from bench import developing, floor_api, naive, wire
from bench.calls import settled_calls
from bench.flights import Door, Flight, closed_count, fly, one_at_a_time, poll, until_closed
from bench.history import history_size
from bench.listing import measure_lists
from bench.picture import Size, picture_costs
from bench.prompts import PLAIN_PROMPT, PLAIN_SEED, prompt
from bench.report import Report
from bench.stack import Stack
from domain.names import BATCH_ID

API = "/api/v1/images"
SMALL: Size = (64, 64)
DRAFT: Size = (512, 288)
"""What `quality: draft` with `aspect_ratio: 16:9` gives."""

IN_FLIGHT = 200
POLLERS = 50
_ACCEPTED_SECONDS = 120.0


@dataclass(frozen=True)
class Scale:
    """How much of everything."""

    flight_jobs: int
    rounds: int
    single_jobs: int
    poll_seconds: float
    batches: tuple[int, ...]
    pictures: int
    listed: tuple[int, int]


FULL = Scale(600, 3, 40, 5.0, (20, 100), 40, (100, 10_000))
QUICK = Scale(200, 1, 10, 2.0, (20,), 10, (100, 2_000))


def studio_door(stack: Stack, size: Size = SMALL) -> Door:
    """Plain jobs of that size: they close when they are done, as the floor's do."""

    def body(number: int) -> object:
        return {**_picture(number, size), "quality": "standard"}

    return Door("darkroom", stack.api_port, f"{API}/generate-async", "ImageJobWorkflow", body)


def floor_door(stack: Stack) -> Door:
    def body(number: int) -> object:
        return {"prompt": prompt(number)}

    return Door("floor", stack.floor_port, floor_api.PATH, "FloorWorkflow", body)


async def warm_up(stack: Stack) -> None:
    """Let every process load and connect what it does once."""
    for door in (studio_door(stack), floor_door(stack)):
        await one_at_a_time(stack, door, 5)
        await fly(stack, door, 40, 40)


async def singles(stack: Stack, report: Report, scale: Scale) -> None:
    """Submit latency, and one job at a time from submission to completion."""
    section = "One at a time, 64x64"
    ours, other, cpu_ours, cpu_other = await _singles(stack, scale, SMALL)
    report.add_latencies(section, "submit", ours[0], other[0])
    report.add_latencies(section, "submit to completed", ours[1], other[1])
    overhead = median(ours[1]) - median(other[1])
    report.add(section, "over the floor, p50", overhead * 1000, unit="ms")
    report.add_cpu(section, cpu_ours, cpu_other)
    report.show(section)


async def _singles(
    stack: Stack, scale: Scale, size: Size
) -> tuple[
    tuple[list[float], list[float]],
    tuple[list[float], list[float]],
    dict[str, float],
    dict[str, float],
]:
    results: dict[str, tuple[list[float], list[float]]] = {}
    cpus: dict[str, dict[str, float]] = {}
    for _ in range(4):
        for door in (floor_door(stack), studio_door(stack, size)):
            before = stack.cpu.read()
            submits, totals = await one_at_a_time(stack, door, scale.single_jobs // 4 + 1)
            used, cpu = stack.cpu.since(before), cpus.setdefault(door.name, {})
            for name, seconds in used.items():
                cpu[name] = cpu.get(name, 0.0) + seconds
            kept = results.setdefault(door.name, ([], []))
            kept[0].extend(submits)
            kept[1].extend(totals)
    jobs = len(results["floor"][0])
    per_job = {d: {n: s / jobs * 1000 for n, s in cpu.items()} for d, cpu in cpus.items()}
    return results["darkroom"], results["floor"], per_job["darkroom"], per_job["floor"]


async def flight(stack: Stack, report: Report, scale: Scale) -> None:
    """Jobs per second with 200 in flight."""
    ratio = await _flight(stack, report, scale, SMALL)
    report.target("time a job at 200 in flight, 64x64, against the floor's", ratio, 2.2)


async def flight_of_drafts(stack: Stack, report: Report, scale: Scale) -> None:
    """The same with pictures of a draft's size, so that the picture's own cost is seen."""
    await _flight(stack, report, scale, DRAFT)
    section = "One at a time, 512x288"
    ours, other, cpu_ours, cpu_other = await _singles(stack, scale, DRAFT)
    report.add_latencies(section, "submit to completed", ours[1], other[1])
    report.add_cpu(section, cpu_ours, cpu_other)
    report.show(section)


async def _flight(stack: Stack, report: Report, scale: Scale, size: Size) -> float:
    section = f"{IN_FLIGHT} in flight, {size[0]}x{size[1]}"
    ours: list[Flight] = []
    other: list[Flight] = []
    for _ in range(scale.rounds):
        other.append(await fly(stack, floor_door(stack), scale.flight_jobs, IN_FLIGHT))
        ours.append(await fly(stack, studio_door(stack, size), scale.flight_jobs, IN_FLIGHT))
    report.add(
        section,
        "jobs a second",
        median(f.jobs_per_second for f in ours),
        median(f.jobs_per_second for f in other),
    )
    for number, (mine, theirs) in enumerate(zip(ours, other, strict=True), start=1):
        pair = 1000 / mine.jobs_per_second, 1000 / theirs.jobs_per_second
        report.add(section, f"time a job, round {number}", *pair, unit="ms")
    report.add_latencies(section, "submit", _submits(ours), _submits(other))
    report.add_cpu(section, _mean_cpu(ours), _mean_cpu(other))
    report.show(section)
    return median(
        theirs.jobs_per_second / mine.jobs_per_second
        for mine, theirs in zip(ours, other, strict=True)
    )


def _submits(flights: list[Flight]) -> list[float]:
    return [seconds for each in flights for seconds in each.submit_seconds]


def _mean_cpu(flights: list[Flight]) -> dict[str, float]:
    return {
        name: mean(each.cpu_ms_per_job[name] for each in flights)
        for name in flights[0].cpu_ms_per_job
    }


async def polls(stack: Stack, report: Report, scale: Scale) -> None:
    """Polls by 50 pollers, beside an endpoint that queries the workflow on each of them.

    Latency is taken at two polls a second each, as frontends do; the rate as fast as answers come.
    """
    finished = await _submitted(stack, POLLERS, {"quality": "standard"})
    running = await _submitted(stack, POLLERS, {"quality": "draft"})
    kinds = {"a finished job": (finished, 5.0), "a running job": (running, 3.0)}
    for kind, (ids, limit) in kinds.items():
        section = f"Polls of {kind} by {POLLERS} pollers"
        each = await _polls(stack, report, scale, section, "each its own job", ids)
        await _polls(stack, report, scale, section, "all the same job", ids[:1])
        report.show(section, other="naive")
        report.target(f"polls a second of {kind}, against a query each", each, limit, at_least=True)


async def _polls(
    stack: Stack, report: Report, scale: Scale, section: str, shape: str, ids: list[str]
) -> float:
    ours = stack.api_port, [f"{API}/jobs/{job_id}" for job_id in ids]
    other = stack.naive_port, [f"{naive.PATH}/{job_id}" for job_id in ids]
    calm = [await poll(stack, *at, POLLERS, scale.poll_seconds, 0.5) for at in (ours, other)]
    report.add_latencies(section, f"{shape}: calm", calm[0].latencies, calm[1].latencies)
    rounds = [
        (
            await poll(stack, *other, POLLERS, scale.poll_seconds),
            await poll(stack, *ours, POLLERS, scale.poll_seconds),
        )
        for _ in range(max(2, scale.rounds))
    ]
    waits = [
        [wait for each in fast for wait in each.latencies] for fast in zip(*rounds, strict=True)
    ]
    report.add_latencies(section, f"{shape}: flat out", waits[1], waits[0])
    rates = [median(each.per_second for each in fast) for fast in zip(*rounds, strict=True)]
    report.add(section, f"{shape}: polls a second", rates[1], rates[0], digits=0)
    return median(mine.per_second / theirs.per_second for theirs, mine in rounds)


async def batch(stack: Stack, report: Report, scale: Scale) -> None:
    """From the POST of a batch until its last image is made, and until its workflow has closed."""
    section = "Batches, 64x64, 20 at once"
    for size in scale.batches:
        made, closed = [], []
        for _ in range(scale.rounds):
            images, whole = await run_batch(stack, size)
            made.append(images)
            closed.append(whole)
        report.add(section, f"{size} images made", median(made), unit="s", digits=2)
        report.add(section, f"{size} images, batch closed", median(closed), unit="s", digits=2)
        report.add(section, f"{size} images, an image", median(made) / size * 1000, unit="ms")
    report.show(section)


async def run_batch(stack: Stack, size: int) -> tuple[float, float]:
    """Seconds until the last image of a batch is made, and until its workflow has closed."""
    images = [{**_picture(i, SMALL), "quality": "standard"} for i in range(size)]
    body = {"images": images, "workflow": "final_only", "max_concurrency": 20}
    begun = time.time()
    async with wire.wires(stack.api_port, 1) as [connection]:
        answer = (await connection.send(wire.post(f"{API}/batch-generate", body))).json()
    await stack.client.get_workflow_handle(answer["batch_id"]).result()
    closed = time.time() - begun
    listed = stack.client.list_workflows(
        f"{BATCH_ID.name} = '{answer['batch_id']}'", page_size=1000
    )
    times = [job.close_time.timestamp() async for job in listed if job.close_time]
    return max(times) - begun, closed


async def history(stack: Stack, report: Report, scale: Scale) -> None:
    """Events and bytes of a plain job and of a draft that awaits review."""
    kinds = {"plain job": "standard", "draft awaiting review": "draft"}
    for kind, quality in kinds.items():
        section = f"History of a {kind}"
        [job_id] = await _submitted(stack, 1, {"quality": quality})
        size = await history_size(stack, job_id)
        report.add(section, "events", size.events, digits=0)
        report.add(section, "bytes, as the engine counts", size.engine_bytes, digits=0)
        report.add(section, "bytes, events serialised", size.serialised_bytes, digits=0)
        report.add(section, "payload bytes (len of data)", size.payload_bytes, digits=0)
        report.add(section, "the request's JSON", size.request_bytes, digits=0)
        beyond = size.beyond_request_bytes
        report.add(section, "payload beyond the request", beyond, digits=0)
        report.show(section)
        if quality == "standard":
            report.target("history events of a plain job", size.events, 23)
            report.target("payload bytes beyond the request", beyond, 2048)


async def calls(stack: Stack, report: Report, scale: Scale) -> None:
    """Engine calls that accepting jobs costs: the frontend's requests less those of workers.

    Nobody waits for the jobs here, so every other request is the API's. Its look at measured
    durations, once per recipe and half minute, is among them.
    """
    section = "Engine calls a job accepted"
    total = max(scale.flight_jobs // 3, 50)
    door = studio_door(stack)
    closed = await closed_count(stack.client, door)
    before = await settled_calls(stack.metrics_port)
    async with wire.wires(door.port, 4) as connections:
        for number in range(0, total, len(connections)):
            requests = [
                wire.post(door.path, door.body(number + i)) for i in range(len(connections))
            ]
            pairs = zip(connections, requests, strict=True)
            await asyncio.gather(*(connection.send(request) for connection, request in pairs))
    accepted = -(-total // len(connections)) * len(connections)
    made = await settled_calls(stack.metrics_port) - before
    for name, count in made.most_common():
        report.add(section, name, count / accepted, digits=3)
    report.show(section)
    report.target(f"engine calls a job accepted ({accepted} jobs)", made.total() / accepted, 1.05)
    await until_closed(stack.client, door, closed + accepted)


async def picture(stack: Stack, report: Report, scale: Scale) -> None:
    """The picture's own cost on one core, in this process, while the stack idles."""
    for size in (SMALL, DRAFT):
        section = f"The picture alone, {size[0]}x{size[1]}, CPU"
        costs = picture_costs(size, scale.pictures)
        for name, cost in costs.items():
            report.add(section, name, cost, unit="ms", digits=2)
        report.add(section, "all", sum(costs.values()), unit="ms", digits=2)
        report.show(section)


async def develop(stack: Stack, report: Report, scale: Scale) -> None:
    """All assets of a large final beside the same encodes bare, each in a process of its own."""
    section = f"All assets of a final, {developing.SIZE[0]}x{developing.SIZE[1]}"
    costs = await asyncio.to_thread(developing.compare, scale.pictures)
    for name, cost in costs.items():
        report.add(section, f"{name}: CPU", cost["cpu_ms"], unit="ms", digits=0)
        report.add(section, f"{name}: wall", cost["wall_ms"], unit="ms", digits=0)
        report.add(section, f"{name}: peak memory", cost["peak_mb"], unit="MB", digits=0)
    report.show(section)
    ratio = costs["develop"]["cpu_ms"] / costs["Pillow, bare"]["cpu_ms"]
    report.target("develop of a 1536x1024, CPU, as a multiple of Pillow bare", ratio, 1.15)


async def lists(stack: Stack, report: Report, scale: Scale) -> None:
    """Pages of many jobs beside pages of few; the last, since it leaves thousands behind."""
    await measure_lists(stack, report, scale.listed)


Measure = Callable[[Stack, Report, Scale], Awaitable[None]]

MEASURES: dict[str, Measure] = {
    "picture": picture,
    "develop": develop,
    "singles": singles,
    "flight": flight,
    "polls": polls,
    "batch": batch,
    "history": history,
    "calls": calls,
    "drafts": flight_of_drafts,
    "list": lists,
}


async def _submitted(stack: Stack, count: int, fields: dict[str, object]) -> list[str]:
    """Jobs that have completed; a draft among them is a workflow that runs on."""
    async with wire.wires(stack.api_port, 1) as [connection]:
        ids = []
        for number in range(count):
            body = {**_picture(number, SMALL), **fields}
            answer = await connection.send(wire.post(f"{API}/generate-async", body))
            ids.append(str(answer.json()["job_id"]))
        for job_id in ids:
            await _completed(connection, job_id)
    return ids


async def _completed(connection: wire.Wire, job_id: str) -> None:
    deadline = time.monotonic() + _ACCEPTED_SECONDS
    while time.monotonic() < deadline:
        job = (await connection.send(wire.get(f"{API}/jobs/{job_id}"))).json()
        if job["status"] == "completed":
            return
        if job["status"] == "failed":
            raise RuntimeError(f"{job_id} failed: {job}")
        await asyncio.sleep(0.1)
    raise RuntimeError(f"{job_id} did not complete")


def _picture(number: int, size: Size) -> dict[str, object]:
    pixels = {"width": size[0], "height": size[1]}
    if size == SMALL:
        return {"prompt": PLAIN_PROMPT, "seed": PLAIN_SEED, **pixels}
    return {"prompt": prompt(number), "seed": number, **pixels}
