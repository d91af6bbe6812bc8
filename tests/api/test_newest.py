"""Whatever order an engine lists in, the newest are found, each once."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from temporalio.client import WorkflowExecution, WorkflowExecutionStatus

from api.newest import Finder, Part, Place, newest

BEGAN = datetime(2026, 11, 23, tzinfo=UTC)
COMPLETED = WorkflowExecutionStatus.COMPLETED
RUNNING = WorkflowExecutionStatus.RUNNING
FAR_LATER = BEGAN + timedelta(days=1000)


@dataclass
class Execution:
    """What is asked of an execution here."""

    id: str
    start_time: datetime
    close_time: datetime | None

    @property
    def status(self) -> WorkflowExecutionStatus:
        return COMPLETED if self.close_time else RUNNING


class Engine:
    """Lists as Temporal does: what runs first, then what closed last."""

    def __init__(self, executions: list[Execution]) -> None:
        self.executions: list[Execution] = []
        self.rows: list[int] = []
        self.add(*executions)

    def add(self, *executions: Execution) -> None:
        self.executions = sorted(
            [*self.executions, *executions],
            key=lambda each: (each.close_time or FAR_LATER, each.start_time),
            reverse=True,
        )

    async def list_page(self, query: str, size: int, token: bytes | None) -> Part:
        first, end = (_moment(query, sign) for sign in (">=", "<"))
        fitting = [
            each
            for each in self.executions
            if (first is None or each.start_time >= first)
            and (end is None or each.start_time < end)
            and ("!= 'Running'" not in query or each.close_time)
        ]
        begin = int(token or b"0")
        page = fitting[begin : begin + size]
        self.rows.append(len(page))
        goes_on = begin + size < len(fitting)
        return cast(Any, page), str(begin + size).encode() if goes_on else None


def _moment(query: str, sign: str) -> datetime | None:
    found = re.search(rf"StartTime {sign} '([^']+)'", query)
    return datetime.fromisoformat(found.group(1)) if found else None


def at(seconds: float) -> datetime:
    return BEGAN + timedelta(seconds=seconds)


def executions(total: int, shape: str) -> list[Execution]:
    chance = random.Random(total)

    def closed(number: int) -> datetime | None:
        return {
            "in turn": at(number + 5),
            "one in ten awaits review": None if number % 10 == 0 else at(number + 5),
            "all run": None,
            "the oldest last": at(3 * total - number),
            "as it comes": at(number + chance.uniform(0, total)),
            "one in ten long after": at(3 * total if number % 10 == 0 else number + 5),
            "all at once": at(number + 5),
        }[shape]

    return [
        Execution(f"img_{number:05d}", at(0 if shape == "all at once" else number), closed(number))
        for number in range(total)
    ]


SHAPES = [
    *("in turn", "one in ten awaits review", "all run", "the oldest last", "as it comes"),
    *("one in ten long after", "all at once"),
]


async def pages(engine: Engine, count: int) -> list[list[WorkflowExecution]]:
    found, place, goes_on = [], None, True
    while goes_on:
        page, goes_on = await newest(engine.list_page, "x", place, count)
        found.append(page)
        place = Place.of(page[-1]) if page else place
    return found


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("total", [0, 1, 50, 51, 66, 67, 1234])
async def test_pages_hold_all_in_order_each_once(shape: str, total: int) -> None:
    engine = Engine(executions(total, shape))
    told = [each.id for page in await pages(engine, 50) for each in page]
    assert told == [f"img_{number:05d}" for number in reversed(range(total))]


@pytest.mark.parametrize("shape", ["in turn", "one in ten awaits review", "all run"])
async def test_a_page_of_ten_thousand_is_a_few_looks_at_little(shape: str) -> None:
    engine = Engine(executions(10_000, shape))
    for place in (None, Place(at=at(5_000), id="")):
        engine.rows.clear()
        page, goes_on = await newest(engine.list_page, "x", place, 50)
        assert (len(page), goes_on) == (50, True)
        assert len(engine.rows) <= 3
        assert sum(engine.rows) < 200


async def test_the_first_page_is_one_look_when_it_is_asked_for_again() -> None:
    engine = Engine(executions(1000, "one in ten awaits review"))
    finder = Finder(engine.list_page)
    first, goes_on = await finder.newest("x", None, 50)
    engine.rows.clear()
    assert await finder.newest("x", None, 50) == (first, goes_on)
    assert engine.rows == [50]
    engine.add(*(Execution(f"img_1{number:04d}", at(1000 + number), None) for number in range(20)))
    newer, _ = await finder.newest("x", None, 50)
    assert newer[20:] == first[:30]
    assert engine.rows == [50, 70]


@pytest.mark.parametrize("more", [51, 5000])
async def test_the_first_page_is_right_whatever_came_or_went_since(more: int) -> None:
    engine = Engine(executions(100, "in turn"))
    finder = Finder(engine.list_page)
    await finder.newest("x", None, 50)
    engine.add(
        *(Execution(f"img_1{number:04d}", at(1000 + number), None) for number in range(more))
    )
    assert (await finder.newest("x", None, 50))[0][0].id == f"img_1{more - 1:04d}"
    gone = {each.id for each in engine.executions} - {"img_00003", "img_00002"}
    engine.executions = [each for each in engine.executions if each.id not in gone]
    left, goes_on = await finder.newest("x", None, 50)
    assert ([each.id for each in left], goes_on) == (["img_00003", "img_00002"], False)


async def test_what_starts_or_closes_while_somebody_pages_moves_nothing() -> None:
    running = executions(300, "all run")
    engine = Engine(running)
    first, _ = await newest(engine.list_page, "x", None, 100)
    changed = [
        Execution(each.id, each.start_time, at(1000) if int(each.id[4:]) % 2 else None)
        for each in running
    ]
    engine = Engine([*changed, Execution("img_new", at(2000), None)])
    second, _ = await newest(engine.list_page, "x", Place.of(first[-1]), 100)
    assert [int(each.id[4:]) for each in second] == list(reversed(range(100, 200)))
