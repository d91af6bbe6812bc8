"""`python -m bench.load`: steady traffic for half an hour, and what grows with it.

Beside the measures of `python -m bench`: memory of each process over time, the same latencies after
100, 1,000 and 10,000 jobs, batches of 10 to 1,000 images, and which process is the limit. CPU and
memory are read from `/proc`; where there is none these tables stay empty.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean
from typing import Annotated

import typer
from rich.console import Console

from bench.calls import calls_so_far, of_the_door, settled_calls
from bench.flights import Flight, fly
from bench.measures import API, IN_FLIGHT, floor_door, run_batch, studio_door
from bench.meters import machine_cpu, milliseconds, percentile, resident_mb, slope
from bench.report import Report
from bench.running import run
from bench.stack import Stack
from bench.traffic import COMPLETED, KINDS, POLL, SUBMIT, Pace, Seen, Traffic, floor_traffic

MARKS = (100, 1_000, 10_000)
_WINDOW = 1_000
"""At most so many jobs before a mark are what is told of it, and at least the first hundred."""
_SAMPLE_SECONDS = 5.0
_WARM = 0.2
"""The share of a run that does not count for what memory does later."""
_TELL_SECONDS = 60.0
_OTHERS = "everything else on the machine"
_ON_ONE_CORE = ("api", "worker")
"""Processes that one interpreter lock keeps on a core."""
_FULL = 0.85

app = typer.Typer(add_completion=False)


@dataclass(frozen=True)
class Extent:
    """How much of everything."""

    minutes: float
    rate: float
    pollers: int
    streams: int
    flight_jobs: int
    floor_seconds: float
    batches: tuple[int, ...]


@dataclass(frozen=True)
class Mark:
    """What there was after so many jobs."""

    jobs: int
    resident: dict[str, float]
    disk: dict[str, float]
    calls: Counter[str]


@dataclass(frozen=True)
class Sample:
    seconds: float
    jobs: int
    resident: dict[str, float]


@dataclass
class Watch:
    """Looks at a run from outside, every few seconds."""

    stack: Stack
    traffic: Traffic
    samples: list[Sample] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)

    async def keep(self, marks: Sequence[int]) -> None:
        begun = time.monotonic()
        ahead, told = [*marks], begun
        while True:
            resident = resident_mb(self.stack.cpu.pids)
            now = time.monotonic()
            self.samples.append(Sample(now - begun, self.traffic.ended, resident))
            if now - told >= _TELL_SECONDS:
                told = now
                _tell(self.samples[-1])
            due = now + _SAMPLE_SECONDS
            while time.monotonic() < due:
                if ahead and self.traffic.ended >= ahead[0]:
                    await self.mark(ahead.pop(0))
                await asyncio.sleep(0.2)

    async def mark(self, jobs: int) -> None:
        calls = await calls_so_far(self.stack.metrics_port)
        disk = await asyncio.to_thread(_disk_mb, self.stack.home)
        self.marks.append(Mark(jobs, resident_mb(self.stack.cpu.pids), disk, calls))


@app.command()
def load(
    minutes: Annotated[float, typer.Option(min=0.1, help="Of steady traffic.")] = 30.0,
    rate: Annotated[
        float, typer.Option(min=0, help="Jobs a second; half of what is possible unless said.")
    ] = 0.0,
    pollers: Annotated[int, typer.Option(min=1, help="Each asks twice a second.")] = 20,
    streams: Annotated[int, typer.Option(min=1, help="Open on drafts all the time.")] = 20,
    quick: Annotated[bool, typer.Option(help="A minute, small batches.")] = False,
    into: Annotated[Path | None, typer.Option("--json", help="Write the results here.")] = None,
) -> None:
    """Load Darkroom steadily: latencies, engine calls, memory and how all of it grows."""
    extent = Extent(minutes, rate, pollers, streams, 300, 60.0, (10, 100, 1_000))
    if quick:
        extent = Extent(min(minutes, 1.0), rate, pollers, streams, 100, 15.0, (10, 100))
    report = Report(Console(width=120))
    run(lambda stack: _load(stack, report, extent), report, into)


async def _load(stack: Stack, report: Report, extent: Extent) -> None:
    capacity = await _capacity(stack, report, "at the start", extent)
    rate = extent.rate or round(capacity / 2, 1)
    await _steady(stack, report, extent, rate)
    await _capacity(stack, report, "at the end", extent)
    await _batches(stack, report, extent.batches)


async def _capacity(stack: Stack, report: Report, when: str, extent: Extent) -> float:
    """Jobs a second with 200 in flight, and who is busy then."""
    section = f"{IN_FLIGHT} in flight, {when}"
    busy = machine_cpu()
    other = await fly(stack, floor_door(stack), extent.flight_jobs, IN_FLIGHT)
    between = machine_cpu()
    ours = await fly(stack, studio_door(stack), extent.flight_jobs, IN_FLIGHT)
    after = machine_cpu()
    report.add(section, "jobs a second", ours.jobs_per_second, other.jobs_per_second)
    report.add_latencies(section, SUBMIT, ours.submit_seconds, other.submit_seconds)
    report.add_cpu(section, ours.cpu_ms_per_job, other.cpu_ms_per_job)
    report.show(section)
    cores = os.cpu_count() or 1
    shares = [_shares(ours, after - between), _shares(other, between - busy)]
    names = dict.fromkeys([*shares[0], *shares[1]])
    report.show_grid(
        f"{section}: cores that each uses, of {cores}",
        ("darkroom", "floor"),
        {name: [each.get(name) for each in shares] for name in names},
        digits=2,
    )
    report.console.print(f"The limit, {when}: {limit(shares[0], cores)}\n", soft_wrap=True)
    return ours.jobs_per_second


def limit(cores: Mapping[str, float], of: int) -> str:
    """What keeps jobs from being more a second, by how much of a core each process uses."""
    if not cores:
        return "not known: there is no /proc"
    used = ", ".join(f"{name} {share:.2f}" for name, share in sorted(cores.items(), key=_by_share))
    full = [name for name in _ON_ONE_CORE if cores.get(name, 0.0) >= _FULL]
    if full:
        return f"one core, which {' and '.join(full)} cannot leave: {used}"
    if sum(cores.values()) >= _FULL * of:
        return f"the {of} cores: {used}"
    return f"no CPU, but something waited for: {used}"


def _by_share(named: tuple[str, float]) -> float:
    return -named[1]


def _shares(flight: Flight, busy: float) -> dict[str, float]:
    return _cores(flight.cpu, busy, flight.seconds)


def _cores(cpu: dict[str, float], busy: float, seconds: float) -> dict[str, float]:
    """How much of a core each process used; what nobody of ours did is another's."""
    cores = {name: used / seconds for name, used in cpu.items() if used / seconds >= 0.005}
    return {**cores, _OTHERS: max(0.0, busy - sum(cpu.values())) / seconds} if cores else {}


async def _steady(stack: Stack, report: Report, extent: Extent, rate: float) -> None:
    floor = await floor_traffic(stack, floor_door(stack), rate, extent.floor_seconds)
    door = studio_door(stack)
    traffic = Traffic(door, API, Pace(rate, extent.pollers, extent.streams))
    watch = Watch(stack, traffic)
    await watch.mark(0)
    keeping = asyncio.create_task(watch.keep(MARKS))
    cpu, busy, begun = stack.cpu.read(), machine_cpu(), time.perf_counter()
    held = await traffic.run(extent.minutes * 60, {**_body(door.body(0)), "quality": "draft"})
    seconds = time.perf_counter() - begun
    used, busy = stack.cpu.since(cpu), machine_cpu() - busy
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)
    await watch.mark(traffic.ended)

    section = (
        f"Steady: {rate:g} jobs a second for {extent.minutes:g} minutes, {extent.pollers} pollers, "
        f"{extent.streams} streams"
    )
    report.add(section, "jobs ended", traffic.ended, digits=0)
    report.add(section, "jobs a second", traffic.ended / seconds, digits=2)
    report.add(section, "polls a second", len(traffic.seen[POLL]) / seconds)
    report.add(section, "held back, of all", held, unit="s")
    beside = {SUBMIT: floor[0], COMPLETED: floor[1]}
    for kind in KINDS:
        waits = [seen.seconds for seen in traffic.seen[kind]]
        if waits:
            report.add_latencies(section, kind, waits, beside.get(kind))
    report.add(section, "load average, of the last quarter hour", os.getloadavg()[2])
    for mishap, times in traffic.mishaps.items():
        report.add(section, f"! {mishap}", times, digits=0)
    report.show(section)
    _show_calls(report, watch.marks[0], watch.marks[-1])
    report.show_grid(
        f"Steady: cores that each uses, of {os.cpu_count()}",
        ("cores",),
        {name: [share] for name, share in _cores(used, busy, seconds).items()},
        digits=2,
    )
    _show_growth(report, watch)
    _show_memory(report, watch.samples)


def _body(body: object) -> dict[str, object]:
    if not isinstance(body, dict):
        raise TypeError("a job's body is a dict")
    return body


def _show_calls(report: Report, first: Mark, last: Mark) -> None:
    section = "Engine calls a job, steady"
    calls = last.calls - first.calls
    door = of_the_door(calls)
    for name, count in door.most_common():
        if count / last.jobs >= 0.005:
            report.add(section, name, count / last.jobs, digits=2)
    report.add(section, "all of the API's", door.total() / last.jobs, digits=2)
    report.add(section, "all of the workers'", (calls - door).total() / last.jobs, digits=2)
    report.show(section)


def _show_growth(report: Report, watch: Watch) -> None:
    """The same measures after 100, 1,000 and 10,000 jobs."""
    marks = watch.marks[1:]
    rows: dict[str, list[float | None]] = {}
    for kind in KINDS[:-1]:
        windows = [_window(watch.traffic.seen[kind], mark.jobs) for mark in marks]
        for share in (0.5, 0.99):
            rows[f"{kind}, p{share * 100:.0f}, ms"] = [
                milliseconds(percentile(waits, share)) if waits else None for waits in windows
            ]
    before = [watch.marks[0], *marks]
    rows["engine calls of the API a job"] = [
        of_the_door(mark.calls - earlier.calls).total() / (mark.jobs - earlier.jobs)
        for earlier, mark in zip(before, marks, strict=False)
        if mark.jobs > earlier.jobs
    ]
    for name in _steady_ones(marks[-1].resident):
        rows[f"memory: {name}, MB"] = [mark.resident[name] for mark in marks]
    for name in marks[-1].disk:
        rows[f"disk: {name}, MB"] = [mark.disk.get(name, 0.0) for mark in marks]
    report.show_grid(
        "What grows with the jobs there are", [f"{mark.jobs:,} jobs" for mark in marks], rows
    )


def _window(seen: Sequence[Seen], jobs: int) -> list[float]:
    begin = max(0, min(jobs - _WINDOW, round(jobs * 0.9)) if jobs > MARKS[0] else 0)
    return [each.seconds for each in seen if begin <= each.jobs <= jobs]


def _show_memory(report: Report, samples: list[Sample]) -> None:
    """After the run has warmed up: how it began and ended, and how fast it grew meanwhile."""
    warm = samples[int(len(samples) * _WARM) :]
    late = warm[len(warm) // 2 :]
    few = max(1, len(warm) // 20)
    rows: dict[str, list[float | None]] = {}
    for name in _steady_ones(warm[-1].resident):
        rows[name] = [
            mean(sample.resident[name] for sample in warm[:few]),
            mean(sample.resident[name] for sample in warm[-few:]),
            _per(warm, name, "jobs", 1_000),
            _per(late, name, "jobs", 1_000),
            _per(late, name, "seconds", 3_600),
        ]
    report.show_grid(
        "Memory over the run, after its first fifth, MB",
        ("first", "last", "per 1,000 jobs", "same, second half", "an hour, second half"),
        rows,
    )


def _per(samples: list[Sample], name: str, of: str, many: float) -> float | None:
    grown = slope([(getattr(sample, of), sample.resident[name]) for sample in samples])
    return None if grown is None else grown * many


def _steady_ones(resident: dict[str, float]) -> list[str]:
    """Not those of the floor and the naive way, which only wait."""
    return [name for name in resident if not name.startswith(("floor", "naive"))]


async def _batches(stack: Stack, report: Report, sizes: Sequence[int]) -> None:
    """One batch of each size, alone."""
    columns: list[dict[str, float | None]] = []
    for size in sizes:
        before = await settled_calls(stack.metrics_port)
        resident, cpu = resident_mb(stack.cpu.pids), stack.cpu.read()
        made, closed = await run_batch(stack, size)
        used, after = stack.cpu.since(cpu), resident_mb(stack.cpu.pids)
        calls = (await settled_calls(stack.metrics_port) - before).total()
        columns.append(
            {
                "last image made, s": made,
                "batch closed, s": closed,
                "an image, ms": milliseconds(made / size),
                "CPU an image, ms": milliseconds(sum(used.values()) / size),
                "engine calls of no worker, an image": calls / size,
                **{f"memory grown: {n}, MB": after[n] - resident[n] for n in _steady_ones(after)},
            }
        )
    report.show_grid(
        "Batches, 64x64, 20 at once",
        [f"{size:,} images" for size in sizes],
        {name: [column[name] for column in columns] for name in columns[0]},
    )


def _disk_mb(home: Path) -> dict[str, float]:
    """What lies in the home, by its topmost names; a database with what SQLite keeps beside it."""
    sizes: Counter[str] = Counter()
    for folder, _, files in os.walk(home):
        for name in files:
            path = Path(folder, name)
            topmost = path.relative_to(home).parts[0].removesuffix("-wal").removesuffix("-shm")
            try:
                sizes[topmost] += path.stat().st_size
            except FileNotFoundError:
                continue
    return {name: size / 2**20 for name, size in sizes.items() if size > 2**20}


def _tell(sample: Sample) -> None:
    memory = ", ".join(f"{n} {mb:.0f}" for n, mb in sample.resident.items())
    sys.stderr.write(f"{sample.seconds / 60:.0f} min, {sample.jobs:,} jobs; MB: {memory}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    app()
