"""Waits for a job or a batch to change. All who wait for one share the reader's looks at it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from enum import StrEnum
from typing import Protocol, TypeVar

from api.closing import Closing
from api.versions import Version
from domain.errors import EngineAway, Refusal, StorageUnavailable

_LOOKS_SKIPPED_IN_REVIEW = 4
"""An editor takes minutes; so many intervals lie between two looks then."""


class Until(StrEnum):
    """What ends a stream of events."""

    COMPLETED = "completed"
    """The image is there, or never will be."""
    DECIDED = "decided"
    """So is the decision on a draft: nothing can change any more."""


class Watched(Protocol):
    """A snapshot of what changes."""

    @property
    def version(self) -> Version:
        """Which state this is."""

    @property
    def is_whole(self) -> bool:
        """Whether all is known that can be told of the state."""

    @property
    def has_ended(self) -> bool:
        """Whether pollers stop here."""

    @property
    def is_settled(self) -> bool:
        """Whether nothing can change any more."""


S = TypeVar("S", bound=Watched)
Look = Callable[[], Awaitable[S]]


class Watchman:
    """Looks again and again; ends at once when the server does."""

    def __init__(self, closing: Closing, interval_seconds: float) -> None:
        self._closing = closing
        self._interval = interval_seconds

    async def changed(
        self,
        look: Look[S],
        seen: Version | None,
        seconds: float,
        is_gone: Callable[[], Awaitable[bool]],
    ) -> S:
        """The snapshot once it is news to who saw `seen`, has ended, or the time is up.

        Without `seen` it is the first snapshot that others are news to. Raises as `look` does.
        """
        snapshot = await look()
        seen = seen or snapshot.version
        deadline = asyncio.get_running_loop().time() + seconds
        while not (snapshot.has_ended or snapshot.version.is_news_to(seen) or self._closing.is_set):
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0 or await is_gone():
                break
            await self._closing.sleep(min(self._interval, left))
            snapshot = await look()
        return snapshot

    async def changes(
        self, first: S, look: Look[S], seen: Version | None, until: Until
    ) -> AsyncGenerator[S]:
        """Every snapshot that is news, from the first on, up to the last that there will be.

        A snapshot is taken when it is asked for: who is slow sees fewer of them. An engine or a
        store that is away is waited for; what is not found any more has ended.
        """
        snapshot = first
        while True:
            if snapshot.is_whole and snapshot.version.is_news_to(seen):
                yield snapshot
                seen = snapshot.version
            if is_over(snapshot, until) or self._closing.is_set:
                return
            await self._closing.sleep(self._pause_seconds(snapshot))
            try:
                snapshot = await look()
            except (EngineAway, StorageUnavailable):
                continue
            except Refusal:
                return

    def _pause_seconds(self, snapshot: Watched) -> float:
        return self._interval * (_LOOKS_SKIPPED_IN_REVIEW if snapshot.has_ended else 1)


def is_over(snapshot: Watched, until: Until) -> bool:
    """Whether nothing can follow that a stream should show."""
    return snapshot.has_ended if until is Until.COMPLETED else snapshot.is_settled


def has_nothing_for(seen: Version | None, snapshot: Watched, until: Until) -> bool:
    """Whether a stream that is taken up again would end without an event."""
    if seen is None or not is_over(snapshot, until):
        return False
    return not snapshot.version.is_news_to(seen) or (until is Until.COMPLETED and seen.has_ended)
