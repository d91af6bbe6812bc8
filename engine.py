"""How Darkroom's processes connect to the Temporal engine, and what they register with it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import (
    AddSearchAttributesRequest,
    ListSearchAttributesRequest,
)
from temporalio.client import Client, Interceptor, RetryConfig
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import DataConverter
from temporalio.runtime import Runtime
from temporalio.service import RPCError

from domain.names import SEARCH_ATTRIBUTE_TYPES
from settings import temporal_client_config

_INDEXED_TYPES = {
    "Keyword": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
    "KeywordList": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD_LIST,
    "Double": IndexedValueType.INDEXED_VALUE_TYPE_DOUBLE,
}


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


def _commands() -> str:
    return "; ".join(
        f"temporal operator search-attribute create --name {name} --type {kind}"
        for name, kind in SEARCH_ATTRIBUTE_TYPES.items()
    )
