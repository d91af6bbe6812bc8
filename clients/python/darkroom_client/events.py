"""Server-Sent Events: from bytes to what they tell. Pure.

Source: the HTML standard, 9.2 "Server-sent events".
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from darkroom_client.errors import DarkroomError

_MAX_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True)
class Event:
    """One event; `data` is what a poll would be answered: a job, or a batch."""

    name: str
    """`status`, `completed`, `failed` or `review`."""
    id: str
    """Where to go on from: `stream(…, last_event_id=…)`."""
    data: Any


SILENCE = Event("", "", None)
"""Nothing new, but the connection lives."""


class Decoder:
    """Takes chunks as they come, gives the events that are whole."""

    def __init__(self) -> None:
        self._rest = b""
        self._name = ""
        self._data: list[str] = []
        self._id = ""

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that end in this chunk."""
        # Lines end with CR, LF or both; a CR at the very end may be half of one.
        whole = self._rest + chunk
        if len(whole) > _MAX_BYTES:
            raise DarkroomError("A line of the stream is too long.")
        held = whole.endswith(b"\r")
        lines = whole.removesuffix(b"\r").replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        self._rest = lines.pop() + (b"\r" if held else b"")
        found = (self._line(line.decode("utf-8", "replace")) for line in lines)
        return [event for event in found if event is not None]

    def _line(self, line: str) -> Event | None:
        if not line:
            return self._dispatched()
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            self._name = value
        elif field == "data":
            self._data.append(value)
        elif field == "id" and "\0" not in value:
            self._id = value
        return None

    def _dispatched(self) -> Event | None:
        name, data = self._name, "\n".join(self._data)
        self._name, self._data = "", []
        if not data:
            return None
        try:
            return Event(name or "message", self._id, json.loads(data))
        except ValueError:
            raise DarkroomError("The stream is not one of Darkroom's events.") from None
