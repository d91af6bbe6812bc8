"""The log of deliveries: each is a workflow, found by its id, and may be started again."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import suppress
from typing import Any

from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHandle
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

from api.auth import Caller
from api.claims import Claims
from api.delivery_reading import DeliveryReader, answer
from api.engine_room import EngineRoom, NotKnown
from api.once import Repeatable
from api.schemas import DeliveryAnswer, DeliveryState
from domain.errors import DeliveryNotFound
from domain.names import TASK_QUEUE, WEBHOOK_WORKFLOW, webhook_id
from domain.webhooks import Delivery
from workflows.webhook import WebhookWorkflow

_LISTED = 50


class Deliveries:
    """For as long as the engine keeps them. Raises `EngineAway`."""

    def __init__(self, engine: EngineRoom, claims: Claims) -> None:
        self._engine = engine
        self._claims = claims
        self._reader = DeliveryReader(engine.client.data_converter)

    async def of(self, subject_id: str) -> list[DeliveryAnswer]:
        """What was told, and is being told, of a job or a batch; the newest first."""
        found = await self._engine.call(self._list(subject_id))
        read = await asyncio.gather(*(self._read(workflow_id) for workflow_id in found))
        return [delivery for delivery in read if delivery is not None]

    async def again(
        self, subject_id: str, delivery_id: str, caller: Caller, once: Repeatable | None = None
    ) -> DeliveryAnswer:
        """Deliver once more, from now on in place of the one named; raises `DeliveryNotFound`."""
        workflow_id = webhook_id(delivery_id)
        if not delivery_id.startswith(f"{subject_id}."):
            raise _not_found(delivery_id)
        try:
            earlier = await self._reader.delivery(await self._history(workflow_id))
        except NotKnown:
            raise _not_found(delivery_id) from None
        again = await self._claims.keep(once, caller.tenant, secrets.token_hex(4))
        delivery = earlier.model_copy(update={"again": again})
        with suppress(WorkflowAlreadyStartedError):
            await self._engine.call(self._start(delivery))
        with suppress(NotKnown):  # It has ended.
            await self._engine.cancel(workflow_id)
        return answer(delivery, DeliveryState.PENDING)

    async def _start(self, delivery: Delivery) -> None:
        await self._engine.client.start_workflow(
            WebhookWorkflow.run,
            delivery,
            id=webhook_id(delivery.id),
            task_queue=TASK_QUEUE,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            static_summary=delivery.event,
        )

    async def _list(self, subject_id: str) -> list[str]:
        query = (
            f"WorkflowType = '{WEBHOOK_WORKFLOW}'"
            f" AND WorkflowId STARTS_WITH '{webhook_id(subject_id)}.'"
        )
        found = self._engine.client.list_workflows(query, limit=_LISTED, page_size=_LISTED)
        return [execution.id async for execution in found]

    async def _read(self, workflow_id: str) -> DeliveryAnswer | None:
        try:
            description = await self._engine.describe(workflow_id)
            return await self._reader.read(description, await self._history(workflow_id))
        except NotKnown:
            return None

    async def _history(self, workflow_id: str) -> list[HistoryEvent]:
        handle: WorkflowHandle[Any, Any] = self._engine.client.get_workflow_handle(workflow_id)
        return list((await self._engine.call(handle.fetch_history())).events)


def _not_found(delivery_id: str) -> DeliveryNotFound:
    return DeliveryNotFound(f"There is no delivery '{delivery_id[:200]}', or it is forgotten.")
