"""Reads the records of many jobs at once."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable

from domain.errors import StorageUnavailable
from domain.jobs import JobRecord
from domain.retention import class_of
from storage.archive import Archive

_Test = Callable[[JobRecord], bool]

_READS_AT_ONCE = 16
_KEPT = 2_000


class Records:
    """Keeps the records read last, so that who looks at the same page again is spared the way.

    One whose images may be given up is kept for `settled_seconds` only.
    """

    def __init__(self, archive: Archive, settled_seconds: float = 60.0) -> None:
        self._archive = archive
        self._settled = settled_seconds
        self._kept: OrderedDict[str, tuple[JobRecord, float]] = OrderedDict()
        self._places = asyncio.Semaphore(_READS_AT_ONCE)

    async def read(self, job_ids: Iterable[str]) -> list[JobRecord | None]:
        """The records as they are now, None where there is none; raises `StorageUnavailable`."""
        return await asyncio.gather(*(self._read(job_id, _is_settled) for job_id in job_ids))

    async def ends(self, job_ids: list[str], timeout_seconds: float) -> dict[str, JobRecord]:
        """How jobs ended, of which only the review may be out of date, in a bounded time.

        A store that is away or slow leaves jobs out.
        """
        tasks = [asyncio.create_task(self._read(job_id, _has_ended)) for job_id in job_ids]
        if not tasks:
            return {}
        done, late = await asyncio.wait(tasks, timeout=timeout_seconds)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        read = [_found(task) for task in done]
        return {record.job_id: record for record in read if record is not None}

    async def _read(self, job_id: str, will_do: _Test) -> JobRecord | None:
        kept = self._kept.get(job_id)
        if kept is not None and will_do(kept[0]) and self._is_current(*kept):
            self._kept.move_to_end(job_id)
            return kept[0]
        async with self._places:
            record = await self._archive.read_job(job_id)
        if record is not None:
            self._keep(record)
        return record

    def _is_current(self, record: JobRecord, read_at: float) -> bool:
        has_images = record.state.result is not None and record.state.gone_at is None
        may_go = has_images and class_of(record) is not None
        return not may_go or asyncio.get_running_loop().time() - read_at < self._settled

    def _keep(self, record: JobRecord) -> None:
        self._kept[record.job_id] = record, asyncio.get_running_loop().time()
        self._kept.move_to_end(record.job_id)
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)


def _has_ended(record: JobRecord) -> bool:
    return record.state.status.is_terminal


def _is_settled(record: JobRecord) -> bool:
    """Whether it will not be written again."""
    return _has_ended(record) and not record.state.awaits_review


def _found(task: asyncio.Task[JobRecord | None]) -> JobRecord | None:
    return None if isinstance(task.exception(), StorageUnavailable) else task.result()
