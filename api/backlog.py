"""How much work waits in the engine's queues, also where no worker is there to say so."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import timedelta

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.service import RPCError

from domain.names import TASK_QUEUE, WEBHOOK_QUEUE, provider_queue
from observing.meters import Meters

_LOOK_SECONDS = 1.0
_WORKFLOWS = TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW
_ACTIVITIES = TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY


class Backlog:
    """Asks the engine at each scrape; where it does not answer, nothing is told of its queues."""

    def __init__(self, client: Client, providers: Iterable[str], meters: Meters) -> None:
        self._client = client
        self._meters = meters
        self._queues = {
            f"{TASK_QUEUE}/workflows": (TASK_QUEUE, _WORKFLOWS),
            f"{TASK_QUEUE}/activities": (TASK_QUEUE, _ACTIVITIES),
            WEBHOOK_QUEUE: (WEBHOOK_QUEUE, _ACTIVITIES),
            **{queue: (queue, _ACTIVITIES) for queue in map(provider_queue, providers)},
        }

    async def look(self) -> None:
        """Set the gauges anew; takes a second at most."""
        for gauge in (
            self._meters.backlog,
            self._meters.backlog_age_seconds,
            self._meters.pollers,
        ):
            gauge.clear()
        looks = (self._look_at(label, *queue) for label, queue in self._queues.items())
        await asyncio.gather(*looks)

    async def _look_at(self, label: str, queue: str, kind: TaskQueueType.ValueType) -> None:
        request = DescribeTaskQueueRequest(
            namespace=self._client.namespace,
            task_queue=TaskQueue(name=queue),
            task_queue_type=kind,
            report_stats=True,
        )
        call = self._client.workflow_service.describe_task_queue(
            request, timeout=timedelta(seconds=_LOOK_SECONDS)
        )
        try:
            found = await asyncio.wait_for(call, _LOOK_SECONDS)
        except (RPCError, TimeoutError, RuntimeError):
            return
        age = found.stats.approximate_backlog_age.ToTimedelta().total_seconds()
        self._meters.backlog.labels(label).set(found.stats.approximate_backlog_count)
        self._meters.backlog_age_seconds.labels(label).set(age)
        self._meters.pollers.labels(label).set(len(found.pollers))
