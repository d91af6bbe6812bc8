"""How Darkroom's processes connect to the Temporal engine, and what they register with it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import timedelta

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import (
    AddSearchAttributesRequest,
    ListSearchAttributesRequest,
)
from temporalio.client import (
    Client,
    Interceptor,
    RetryConfig,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
)
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import DataConverter
from temporalio.runtime import Runtime
from temporalio.service import RPCError, RPCStatusCode

from domain.names import (
    RETENTION_SCHEDULE,
    RETENTION_WORKFLOW,
    SEARCH_ATTRIBUTE_TYPES,
    TASK_QUEUE,
)
from domain.retention import RetentionRequest
from settings import temporal_client_config

_INDEXED_TYPES = {
    "Keyword": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
    "KeywordList": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD_LIST,
    "Double": IndexedValueType.INDEXED_VALUE_TYPE_DOUBLE,
}
_AT_NIGHT = timedelta(hours=3)
_JITTER = timedelta(hours=1)
_CATCH_UP = timedelta(days=1)
"""A sweep that was due while the engine was away is made up for when it is back."""
_PATIENCE = timedelta(seconds=5)
"""With the engine's scheduler, which may be away while all else is there."""

logger = logging.getLogger("darkroom.worker")


class SearchAttributesMissing(Exception):
    """The namespace lacks search attributes and does not let us add them."""


async def connect(
    converter: DataConverter = pydantic_data_converter,
    *,
    lazy: bool = False,
    runtime: Runtime | None = None,
    interceptors: Sequence[Interceptor] = (),
) -> Client:
    """A client of the engine that `TEMPORAL_*` names; with `lazy` no connection is made yet.

    `converter` writes and reads payloads. Workers of the client have its `interceptors` too, where
    they are for workers.
    """
    return await Client.connect(
        **temporal_client_config(),
        data_converter=converter,
        lazy=lazy,
        runtime=runtime,
        interceptors=interceptors,
        retry_config=RetryConfig(max_elapsed_time_millis=2000) if lazy else None,
    )


async def ensure_search_attributes(client: Client) -> None:
    """Register the search attributes that the namespace lacks; raises `SearchAttributesMissing`."""
    try:
        listed = await client.operator_service.list_search_attributes(
            ListSearchAttributesRequest(namespace=client.namespace)
        )
        missing = [n for n in SEARCH_ATTRIBUTE_TYPES if n not in listed.custom_attributes]
        if missing:
            await client.operator_service.add_search_attributes(
                AddSearchAttributesRequest(
                    namespace=client.namespace,
                    search_attributes={
                        name: _INDEXED_TYPES[SEARCH_ATTRIBUTE_TYPES[name]] for name in missing
                    },
                ),
                timeout=timedelta(seconds=20),
            )
    except RPCError as error:
        raise SearchAttributesMissing(
            f"cannot register search attributes in the namespace '{client.namespace}' "
            f"({error.message}); create them once: {_commands()}"
        ) from error


async def ensure_retention_schedule(client: Client, *, is_wanted: bool) -> None:
    """Sweep daily, or not at all; what an operator paused stays so.

    Where that cannot be set up it is logged: jobs go on.
    """
    schedule = client.get_schedule_handle(RETENTION_SCHEDULE)
    try:
        if not is_wanted:
            await schedule.delete(rpc_timeout=_PATIENCE)
            return
        try:
            await client.create_schedule(RETENTION_SCHEDULE, _daily_sweep(), rpc_timeout=_PATIENCE)
        except ScheduleAlreadyRunningError:
            await schedule.update(_as_we_want_it, rpc_timeout=_PATIENCE)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            logger.warning("the schedule of sweeps cannot be set up: %s", error.message)


def _daily_sweep() -> Schedule:
    return Schedule(
        action=ScheduleActionStartWorkflow(
            RETENTION_WORKFLOW,
            RetentionRequest(),
            id=RETENTION_SCHEDULE,
            task_queue=TASK_QUEUE,
            static_summary="what is kept no longer",
        ),
        spec=ScheduleSpec(
            intervals=[ScheduleIntervalSpec(every=timedelta(days=1), offset=_AT_NIGHT)],
            jitter=_JITTER,
        ),
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=_CATCH_UP),
    )


def _as_we_want_it(found: ScheduleUpdateInput) -> ScheduleUpdate:
    wanted = _daily_sweep()
    wanted.state = found.description.schedule.state
    return ScheduleUpdate(wanted)


def _commands() -> str:
    return "; ".join(
        f"temporal operator search-attribute create --name {name} --type {kind}"
        for name, kind in SEARCH_ATTRIBUTE_TYPES.items()
    )
