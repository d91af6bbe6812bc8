"""Who is served first when much is queued: places in the queue are counted, not seconds."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client

from domain.batches import BatchFlow
from domain.ids import item_id, new_batch_id
from domain.jobs import JobRequest
from domain.names import TASK_QUEUE, provider_queue
from pipeline.planning import Planner
from providers.catalogue import load_catalogue
from providers.registry import Roster
from settings import Settings
from storage.objects import ObjectStore
from tests.fakes import FakeProvider
from tests.starting import JobHandle, start_job, wish
from tests.waiting import eventually
from worker import build_workers
from workflows.image_job import ImageJobWorkflow
from workflows.options import job_options

_BULK = 60
_AT_ONCE = 25


async def start_bulk(client: Client, planner: Planner, tenant: str, images: int) -> list[JobHandle]:
    """The jobs that a batch of so many images starts, all at once."""
    batch_id, places = new_batch_id(), asyncio.Semaphore(_AT_ONCE)

    async def start(index: int) -> JobHandle:
        planned = planner.batch_item(wish(f"{tenant} {index}"), BatchFlow.FINAL_ONLY)
        request = planned.model_copy(update={"tenant": tenant, "batch_id": batch_id})
        async with places:
            return await client.start_workflow(
                ImageJobWorkflow.run, request, id=item_id(batch_id, index), **job_options(request)
            )

    return await asyncio.gather(*(start(index) for index in range(images)))


async def backlog(client: Client) -> int:
    """How many renders wait for a worker."""
    described = await client.workflow_service.describe_task_queue(
        DescribeTaskQueueRequest(
            namespace=client.namespace,
            task_queue=TaskQueue(name=provider_queue("studio")),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
            report_stats=True,
        )
    )
    return int(described.stats.approximate_backlog_count)


async def order_of(
    queued: int, until: list[JobHandle], client: Client, settings: Settings, store: ObjectStore
) -> list[str]:
    """The prompts in the order in which one hand, one at a time, takes them up until some end."""
    fake = FakeProvider()
    workers = {
        worker.task_queue: worker
        for worker in build_workers(
            client,
            settings.model_copy(update={"studio_concurrency": 1}),
            store,
            load_catalogue(settings.config),
            Roster({"studio": fake}),
        )
    }
    async with AsyncExitStack() as running:
        await running.enter_async_context(workers[TASK_QUEUE])

        async def all_wait() -> bool:
            return await backlog(client) >= queued

        await eventually(all_wait, "every render is queued", 0.2)
        await running.enter_async_context(workers[provider_queue("studio")])
        await asyncio.gather(*(job.result() for job in until))
    return [order.spec.prompt for order in fake.orders]


async def test_a_neighbours_image_does_not_wait_behind_a_bulk(
    client: Client, planner: Planner, settings: Settings, store: ObjectStore
) -> None:
    await start_bulk(client, planner, "big", _BULK)
    single: JobRequest = planner.job(wish("the neighbour's").model_copy(update={"quality": "high"}))
    neighbour = await start_job(client, single.model_copy(update={"tenant": "small"}))
    order = await order_of(_BULK + 1, [neighbour], client, settings, store)
    assert order.index("the neighbour's") <= 2


async def test_the_bulks_of_two_tenants_take_turns(
    client: Client, planner: Planner, settings: Settings, store: ObjectStore
) -> None:
    await start_bulk(client, planner, "big", _BULK)
    small = await start_bulk(client, planner, "small", 5)
    order = await order_of(_BULK + 5, small, client, settings, store)
    last = max(place for place, prompt in enumerate(order) if prompt.startswith("small"))
    assert last <= 2 * 5 + 2
