"""What became of a delivery, as its workflow's description and history tell it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import TypeVar

from temporalio.api.common.v1 import Payloads
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.client import WorkflowExecutionDescription, WorkflowExecutionStatus
from temporalio.converter import DataConverter
from temporalio.exceptions import ApplicationError

from api.schemas import DeliveryAnswer, DeliveryState
from domain.model import Model
from domain.webhooks import Answered, Delivery, shown

M = TypeVar("M", bound=Model)

_STATES = {
    WorkflowExecutionStatus.RUNNING: DeliveryState.PENDING,
    WorkflowExecutionStatus.COMPLETED: DeliveryState.DELIVERED,
    WorkflowExecutionStatus.CANCELED: DeliveryState.CANCELLED,
    WorkflowExecutionStatus.TERMINATED: DeliveryState.CANCELLED,
}
"""All others have failed."""
_WITHOUT_A_WORD = "the attempt did not end in time; the worker that made it may have died"


@dataclass(frozen=True)
class Attempts:
    """How it went so far."""

    attempts: int = 0
    last_attempt_at: datetime | None = None
    last_status: int | None = None
    last_error: str | None = None
    next_attempt_at: datetime | None = None
    delivered_at: datetime | None = None


def answer(
    delivery: Delivery, state: DeliveryState, attempts: Attempts | None = None
) -> DeliveryAnswer:
    """A delivery as callers see it."""
    return DeliveryAnswer(
        delivery_id=delivery.id,
        message_id=delivery.message_id,
        event=delivery.event,
        url=shown(delivery.url),
        state=state,
        happened_at=delivery.happened_at,
        **asdict(attempts or Attempts()),
    )


class DeliveryReader:
    """Reads what the engine keeps of deliveries."""

    def __init__(self, converter: DataConverter) -> None:
        self._converter = converter

    async def read(
        self, description: WorkflowExecutionDescription, history: Sequence[HistoryEvent]
    ) -> DeliveryAnswer:
        """The delivery and how it went."""
        delivery = await self.delivery(history)
        status = description.status
        state = _STATES.get(status, DeliveryState.FAILED) if status else DeliveryState.FAILED
        if state is not DeliveryState.PENDING:
            return answer(delivery, state, await self._ended(history))
        pending = list(description.raw_description.pending_activities)
        return answer(delivery, state, await self._trying(pending[0]) if pending else None)

    async def delivery(self, history: Sequence[HistoryEvent]) -> Delivery:
        """What was to be delivered."""
        started = history[0].workflow_execution_started_event_attributes
        return await self._decoded(started.input, Delivery)

    async def _trying(self, activity: PendingActivityInfo) -> Attempts:
        is_under_way = activity.state == PendingActivityState.PENDING_ACTIVITY_STATE_STARTED
        found = Attempts(attempts=activity.attempt if is_under_way else activity.attempt - 1)
        if activity.HasField("last_failure"):
            found = await self._with_failure(found, activity.last_failure)
        if activity.HasField("last_started_time"):
            found = replace(found, last_attempt_at=activity.last_started_time.ToDatetime(UTC))
        if not is_under_way and activity.HasField("scheduled_time"):
            found = replace(found, next_attempt_at=activity.scheduled_time.ToDatetime(UTC))
        return found

    async def _ended(self, history: Sequence[HistoryEvent]) -> Attempts:
        found = Attempts()
        for event in history:
            if event.HasField("activity_task_started_event_attributes"):
                attempt = event.activity_task_started_event_attributes.attempt
                at = event.event_time.ToDatetime(UTC)
                found = replace(found, attempts=attempt, last_attempt_at=at)
            elif event.HasField("workflow_execution_completed_event_attributes"):
                result = event.workflow_execution_completed_event_attributes.result
                said = await self._decoded(result, Answered)
                found = replace(found, last_status=said.status, delivered_at=said.at)
            elif event.HasField("workflow_execution_failed_event_attributes"):
                failed = event.workflow_execution_failed_event_attributes
                found = await self._with_failure(found, failed.failure)
        return found

    async def _with_failure(self, found: Attempts, failure: Failure) -> Attempts:
        decoded = await self._converter.decode_failure(failure)
        for error in _causes(decoded):
            if isinstance(error, ApplicationError):
                found = replace(found, last_error=error.message)
                if not error.details:
                    return found
                said = Answered.model_validate(error.details[0])
                return replace(found, last_status=said.status, last_attempt_at=said.at)
        return replace(found, last_error=_WITHOUT_A_WORD)

    async def _decoded(self, payloads: Payloads, kind: type[M]) -> M:
        decoded: list[M] = await self._converter.decode(payloads.payloads, [kind])
        return decoded[0]


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__
