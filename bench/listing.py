"""Pages of many jobs: rows in the engine and records in the store as real jobs leave them.

Making ten thousand pictures would take longer than anybody waits, so a stand-in workflow by the
job's name publishes what a job does and ends, and the records are written here. One job in ten is a
draft that awaits review, which the engine lists first; every other job belongs to one big blog.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from temporalio import workflow
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from bench import wire
from bench.report import Report
from bench.stack import Stack
from domain import names
from domain.ids import new_job_id
from domain.jobs import (
    Developed,
    ImageAsset,
    JobRecord,
    JobRequest,
    JobResult,
    JobState,
)
from domain.reviews import ReviewState
from domain.sizes import Quality
from domain.variants import Variant
from domain.wishes import Wish
from pipeline.planning import Planner
from providers.catalogue import load_catalogue
from storage.archive import Archive
from workflows.options import job_options

PATH = "/api/v1/images"
_TASK_QUEUE = "bench-listing"
_AT_ONCE = 50
_SMALL_BLOGS = 50
_PAGES = 200
_LOOK_SECONDS = 0.5
_BIG = "post-big"
_PLANNER = Planner(
    load_catalogue(Path("none.toml")),
    frozenset({"studio"}),
    {},
    stand_in=False,
    review_seconds=86400.0,
)


@workflow.defn(name="ImageJobWorkflow")
class ListedWorkflow:
    @workflow.run
    async def run(self, request: JobRequest) -> None:
        review = [names.REVIEW.value_set(ReviewState.AWAITING)] if request.is_draft else []
        workflow.upsert_search_attributes([names.STATUS.value_set("completed"), *review])
        if request.is_draft:
            await workflow.wait_condition(lambda: False)


async def measure_lists(stack: Stack, report: Report, totals: tuple[int, int]) -> None:
    """A page of 50 of the list and of a blog, as the larger number of jobs and as the smaller."""
    few, many = [await _measured(stack, total) for total in totals]
    section = f"A page of 50, of {totals[1]:,} jobs"
    for name, waits in many.items():
        report.add_latencies(section, name, waits, few[name])
    report.show(section, other=f"of {totals[0]:,}")


async def _measured(stack: Stack, total: int) -> dict[str, list[float]]:
    """Seconds of each page, by what was asked."""
    await _fill(stack, total)
    jobs, blogs = f"{PATH}/jobs?", f"{PATH}/blogs"
    async with wire.wires(stack.api_port, 1) as [connection]:
        walk, again = partial(_walk, connection), partial(_repeat, connection)
        return {
            "all jobs, page after page": await walk(jobs),
            "all jobs, the newest again and again": await again(jobs),
            "review=awaiting, page after page": await walk(f"{jobs}review=awaiting&"),
            "the jobs of a small blog": await again(f"{jobs}blog_id=post-1&"),
            "the images of a small blog": await again(f"{blogs}/post-1?"),
            "the images of a blog of half of all": await walk(f"{blogs}/{_BIG}?"),
        }


async def _walk(connection: wire.Wire, path: str) -> list[float]:
    waits: list[float] = []
    cursor = None
    while len(waits) < _PAGES:
        begun = time.perf_counter()
        more = f"&cursor={cursor}" if cursor else ""
        page = (await connection.send(wire.get(f"{path}limit=50{more}"))).json()
        waits.append(time.perf_counter() - begun)
        cursor = page["next_cursor"]
        if cursor is None:
            break
    return waits


async def _repeat(connection: wire.Wire, path: str) -> list[float]:
    waits = []
    for _ in range(_PAGES // 4):
        begun = time.perf_counter()
        (await connection.send(wire.get(f"{path}limit=50"))).json()
        waits.append(time.perf_counter() - begun)
    return waits


async def _fill(stack: Stack, total: int) -> None:
    """Until there are so many jobs, with all that the warming up has left."""
    places = asyncio.Semaphore(_AT_ONCE)
    archive = Archive(stack.store)

    async def add(number: int) -> None:
        async with places:
            await _add(stack.client, archive, number)

    begin = await _count(stack.client, "")
    async with Worker(
        stack.client,
        task_queue=_TASK_QUEUE,
        workflows=[ListedWorkflow],
        workflow_runner=UnsandboxedWorkflowRunner(),
    ):
        await asyncio.gather(*(add(number) for number in range(begin, total)))
        while await _count(stack.client, f" AND {names.STATUS.name} IS NULL"):  # noqa: ASYNC110  it is in the engine
            await asyncio.sleep(_LOOK_SECONDS)


async def _count(client: Client, more: str) -> int:
    return (await client.count_workflows(f"WorkflowType = 'ImageJobWorkflow'{more}")).count


async def _add(client: Client, archive: Archive, number: int) -> None:
    request, job_id = _request(number), new_job_id()
    await archive.write_job(JobRecord(job_id=job_id, request=request, state=_made(request)))
    options = job_options(request)
    options["task_queue"] = _TASK_QUEUE
    await client.start_workflow(ListedWorkflow.run, request, id=job_id, **options)


def _request(number: int) -> JobRequest:
    blog = _BIG if number % 2 else f"post-{number // 2 % _SMALL_BLOGS}"
    quality = Quality.DRAFT if number % 10 == 0 else Quality.STANDARD
    return _PLANNER.job(
        Wish(prompt=f"picture {number}", quality=quality, width=64, height=64, blog_id=blog)
    )


def _made(request: JobRequest) -> JobState:
    image = ImageAsset(
        variants=[
            Variant(name=f"0.{kind}", width_px=64, height_px=64, format=kind)
            for kind in ("png", "webp")
        ],
        size_bytes=4096,
        sha256="0" * 64,
        seed=request.spec.seed,
        alt_text=request.spec.prompt,
        thumbhash="1QcSHQRnh493V4dIh4eXh1h4kJUI",
        dominant_color="#008080",
        digital_source_type="trainedAlgorithmicMedia",
    )
    result = JobResult(
        asset_prefix=f"assets/none/{request.asset_token}",
        images=[image],
        generation_time_seconds=1.0,
        provider="studio",
        model=request.targets[0].model,
        cost_usd=0.0,
    )
    return JobState().completed(request, Developed(result=result, completed_at=datetime.now(UTC)))
