"""What a job leaves in the engine: events, bytes, and how much of them is payload.

Bytes are counted three ways. The engine's own count is what `describe` says. Serialised is the sum
of each event's protobuf size. Payload is the sum of `len(payload.data)` over every payload in every
event, found by walking the messages, so that memo, search attributes, summaries and details count;
what is beyond the request is that minus the JSON of the workflow's input, counted once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from temporalio.api.common.v1 import Payload
from temporalio.client import Client

from bench.stack import Stack


@dataclass(frozen=True)
class HistorySize:
    """One closed workflow's history."""

    events: int
    engine_bytes: int
    serialised_bytes: int
    payload_bytes: int
    request_bytes: int

    @property
    def beyond_request_bytes(self) -> int:
        return self.payload_bytes - self.request_bytes


async def history_size(stack: Stack, workflow_id: str) -> HistorySize:
    """Of the workflow as it is now."""
    handle = stack.client.get_workflow_handle(workflow_id)
    events = (await handle.fetch_history()).events
    started = events[0].workflow_execution_started_event_attributes
    return HistorySize(
        events=len(events),
        engine_bytes=await _engine_bytes(stack.client, workflow_id),
        serialised_bytes=sum(event.ByteSize() for event in events),
        payload_bytes=sum(len(p.data) for event in events for p in _payloads(event)),
        request_bytes=sum(len(payload.data) for payload in started.input.payloads),
    )


async def _engine_bytes(client: Client, workflow_id: str) -> int:
    description = await client.get_workflow_handle(workflow_id).describe()
    return description.raw_description.workflow_execution_info.history_size_bytes


def _payloads(message: Message) -> Iterator[Payload]:
    if isinstance(message, Payload):
        yield message
        return
    for field, value in message.ListFields():
        for part in _messages(field, value):
            yield from _payloads(part)


def _messages(field: FieldDescriptor, value: Any) -> list[Message]:
    """The messages that a field holds: none, itself, or those in its list or map."""
    if field.message_type is None:
        return []
    if field.message_type.GetOptions().map_entry:
        return [part for part in value.values() if isinstance(part, Message)]
    return list(value) if field.is_repeated else [value]
