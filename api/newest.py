"""Finds the executions that were started last, of an engine that lists by the time of closing.

That time changes while somebody pages, and the engine takes no order. So a span of start times is
looked for that it lists whole and that holds enough: whatever part of a list is seen tells how late
the span can begin. The order of the engine makes this quick; it is right with any.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime, timedelta

from pydantic import AwareDatetime, BaseModel
from temporalio.client import WorkflowExecution, WorkflowExecutionStatus

from api.filters import CLOSED, started_between

Part = tuple[list[WorkflowExecution], bytes | None]
ListPage = Callable[[str, int, bytes | None], Awaitable[Part]]
"""A page of a list filter's finds, by its size and the token that the page before gave."""

_KEPT = 1_000
_SPARE = 16
_NARROWINGS = 4
_LONG_PAGE = 500
_INSTANT = timedelta(microseconds=1)


class Place(BaseModel):
    """Where an execution stands: its start, and its id among those of that instant."""

    at: AwareDatetime
    id: str

    @classmethod
    def of(cls, execution: WorkflowExecution) -> Place:
        """The execution's place."""
        return cls(at=execution.start_time, id=execution.id)

    def __lt__(self, other: Place) -> bool:
        return (self.at, self.id) < (other.at, other.id)


class Finder:
    """Remembers how far back the first pages of lists went, for who asks for one again."""

    def __init__(self, list_page: ListPage) -> None:
        self._list_page = list_page
        self._went_to: OrderedDict[tuple[str, int], datetime] = OrderedDict()

    async def newest(
        self, where: str, before: Place | None, count: int
    ) -> tuple[list[WorkflowExecution], bool]:
        """The newest executions before a place, in order, and whether there are older ones."""
        if before is not None:
            return await newest(self._list_page, where, before, count)
        again = await self._again(where, count)
        if again is not None:
            return again, True
        found, goes_on = await newest(self._list_page, where, None, count)
        if goes_on:
            self._remember(where, count, found)
        return found, goes_on

    async def _again(self, where: str, count: int) -> list[WorkflowExecution] | None:
        """Usually there is little more than there was; None where that does not help."""
        first = self._went_to.get((where, count))
        if first is None:
            return None
        part, token = await self._list_page(_within(where, first, None), 2 * count, None)
        if token is not None or len(part) < count:
            return None
        found, _ = _chosen(part, None, count)
        self._remember(where, count, found)
        return found

    def _remember(self, where: str, count: int, found: list[WorkflowExecution]) -> None:
        self._went_to[where, count] = found[-1].start_time
        self._went_to.move_to_end((where, count))
        while len(self._went_to) > _KEPT:
            self._went_to.popitem(last=False)


async def newest(
    list_page: ListPage, where: str, before: Place | None, count: int
) -> tuple[list[WorkflowExecution], bool]:
    """The newest executions before a place, in order, and whether there are older ones."""
    end = before.at + _INSTANT if before else None
    seen, token = await list_page(_within(where, None, end), count + _SPARE, None)
    if token is None:
        return _chosen(seen, before, count)
    if all(each.status is WorkflowExecutionStatus.RUNNING for each in seen):
        # They are listed first, however old.
        seen += (await list_page(_within(f"{where} AND {CLOSED}", None, end), count, None))[0]
    for _ in range(_NARROWINGS):
        first = _start_of(seen, before, count)
        part, token = await list_page(_within(where, first, end), 2 * count + 100, None)
        if token is None:
            return _chosen(part, before, count)
        seen += part
    first = _start_of(seen, before, count)
    whole = await _whole(list_page, _within(where, first, end))
    return _chosen(whole, before, count)


async def _whole(list_page: ListPage, query: str) -> list[WorkflowExecution]:
    whole, token = await list_page(query, _LONG_PAGE, None)
    while token is not None:
        part, token = await list_page(query, _LONG_PAGE, token)
        whole += part
    return whole


def _within(where: str, first: datetime | None, end: datetime | None) -> str:
    return " AND ".join([where, *started_between(first, end)])


def _start_of(
    seen: Iterable[WorkflowExecution], before: Place | None, count: int
) -> datetime | None:
    """Since when there are certainly enough, and one more that tells that the list goes on."""
    starts = sorted({each.id: each.start_time for each in _older(seen, before)}.values())
    return starts[-count - 1] if len(starts) > count else None


def _chosen(
    whole: Iterable[WorkflowExecution], before: Place | None, count: int
) -> tuple[list[WorkflowExecution], bool]:
    ordered = sorted(_older(whole, before), key=Place.of, reverse=True)
    return ordered[:count], len(ordered) > count


def _older(
    executions: Iterable[WorkflowExecution], before: Place | None
) -> list[WorkflowExecution]:
    return [each for each in executions if before is None or Place.of(each) < before]
