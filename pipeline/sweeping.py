"""Deletes what is kept no longer: first its record says so, then its files go."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from pydantic import ValidationError

from domain.ids import final_id, is_job_id
from domain.jobs import JobRecord
from domain.retention import (
    Policy,
    RetentionClass,
    Step,
    SweepOrder,
    Swept,
    Tally,
    class_of,
    ended_at,
    together,
)
from storage.archive import Archive
from storage.condemned import Condemned
from storage.keys import ASSETS, job_files, job_notes
from storage.objects import Listed, ObjectStore

IsOpen = Callable[[str], Awaitable[bool]]
"""Whether the engine may still change a job, or knows it to be approved."""
InUse = Callable[[], Awaitable[set[str]]]
"""The jobs whose images those are made from that are under way or await review."""

_PAGE = 1000
_DELETED_PAGE = 200
_AT_ONCE = 16
_LEFTOVERS_AGE = timedelta(days=2)
"""For so long a job may be about to write its record."""

logger = logging.getLogger("darkroom.worker")


class Sweeper:
    """Does a sweep's steps page by page; doing one again is harmless, however it ended.

    Raises `StorageUnavailable`, and what the engine's answers raise.
    """

    def __init__(self, store: ObjectStore, policy: Policy, is_open: IsOpen, in_use: InUse) -> None:
        self._store = store
        self._archive = Archive(store)
        self._condemned = Condemned(store)
        self._policy = policy
        self._is_open = is_open
        self._in_use = in_use
        self._places = asyncio.Semaphore(_AT_ONCE)

    async def sweep(self, order: SweepOrder) -> Swept:
        """One page of one step."""
        if order.step is Step.CONDEMN:
            return await self._condemn_page(order)
        if order.step is Step.LEFTOVERS:
            return await self._leftovers_page(order)
        return await self._delete_page(order)

    async def _condemn_page(self, order: SweepOrder) -> Swept:
        youngest = self._policy.youngest
        if youngest is None:
            return Swept()
        jobs = await self._archive.list_jobs(order.after, _PAGE)
        # A record is written with its decision or later: one that is younger is not due.
        old = [job_id for job_id, written_at in jobs if written_at <= order.at - youngest]
        read = await asyncio.gather(*(self._due(job_id, order.at) for job_id in old))
        due = [found for found in read if found is not None]
        used = await self._in_use() if due else set()
        free = [found for found in due if found[0].job_id not in used]
        swept = await asyncio.gather(*(self._condemn(*found, order) for found in free))
        return _page(swept, jobs[-1][0] if len(jobs) == _PAGE else None)

    async def _due(self, job_id: str, at: datetime) -> tuple[JobRecord, RetentionClass] | None:
        async with self._places:
            record = await self._record(job_id)
            if record is None or record.swept_at is not None:
                return None
            kind = class_of(record)
            if kind is None or not self._is_due(record, kind, at):
                return None
            return (record, kind) if await self._may_go(record) else None

    def _is_due(self, record: JobRecord, kind: RetentionClass, at: datetime) -> bool:
        age, ended = self._policy.age(record.request.tenant, kind), ended_at(record)
        return age is not None and ended is not None and ended <= at - age

    async def _may_go(self, record: JobRecord) -> bool:
        """Whether the job has ended for good, and no final was made from it."""
        if await self._is_open(record.job_id):
            return False
        final = final_id(record.job_id)
        return not record.request.is_draft or await self._archive.read_job(final) is None

    async def _condemn(self, record: JobRecord, kind: RetentionClass, order: SweepOrder) -> Swept:
        async with self._places:
            if order.dry_run:
                return _tallied(kind, await self._files(record.job_id))
            await self._condemned.add(record.job_id)
            await self._say_gone(record, order.at)
        return Swept()

    async def _say_gone(self, record: JobRecord, at: datetime) -> None:
        """A job that has no images says nothing of them; one that has says it once."""
        if record.state.result is None or record.state.gone_at is not None:
            return
        state = record.state.model_copy(update={"gone_at": at})
        await self._archive.write_job(record.model_copy(update={"state": state}))

    async def _delete_page(self, order: SweepOrder) -> Swept:
        jobs = await self._condemned.after(order.after, _DELETED_PAGE)
        used = await self._in_use() if jobs else set()
        free = [job_id for job_id in jobs if job_id not in used]
        swept = await asyncio.gather(*(self._delete(job_id, order) for job_id in free))
        return _page(swept, jobs[-1] if len(jobs) == _DELETED_PAGE else None)

    async def _delete(self, job_id: str, order: SweepOrder) -> Swept:
        async with self._places:
            record = await self._record(job_id)
            kind = class_of(record) if record is not None else None
            if record is None or kind is None or not await self._may_go(record):
                await self._condemned.remove(job_id)
                return Swept()
            gone_at = record.state.gone_at
            if gone_at is None and record.state.result is not None:
                # Condemned by a sweep that was killed right then, or since then not due any more.
                if self._is_due(record, kind, order.at):
                    await self._say_gone(record, order.at)
                else:
                    await self._condemned.remove(job_id)
                return Swept()
            if gone_at is not None and gone_at > order.at - timedelta(seconds=order.grace_seconds):
                return Swept()
            files = await self._files(job_id)
            await self._remove(job_id, files)
            if record.swept_at is None:
                await self._archive.write_job(record.model_copy(update={"swept_at": order.at}))
            await self._condemned.remove(job_id)
            return _tallied(kind, files)

    async def _leftovers_page(self, order: SweepOrder) -> Swept:
        age = self._policy.leftovers_age
        if age is None:
            return Swept()
        folders = await self._store.folders_after(ASSETS, order.after, _PAGE)
        jobs = [folder for folder in folders if is_job_id(folder)]
        unknown = set(jobs) - await self._archive.known_among(jobs)
        written_before = order.at - max(age, _LEFTOVERS_AGE)
        swept = await asyncio.gather(
            *(self._leftover(job_id, written_before, order) for job_id in sorted(unknown))
        )
        return _page(swept, folders[-1] if len(folders) == _PAGE else None)

    async def _leftover(self, job_id: str, written_before: datetime, order: SweepOrder) -> Swept:
        async with self._places:
            files = await self._files(job_id)
            is_old = all(file.changed_at <= written_before for file in files)
            if not is_old or await self._is_open(job_id):
                return Swept()
            if await self._archive.read_job(job_id) is not None:
                return Swept()
            if not order.dry_run:
                await self._remove(job_id, files)
            return _tallied(RetentionClass.FAILED, files)

    async def _record(self, job_id: str) -> JobRecord | None:
        try:
            return await self._archive.read_job(job_id)
        except ValidationError:
            logger.warning("a record cannot be read and is left alone [job=%s]", job_id)
            return None

    async def _files(self, job_id: str) -> list[Listed]:
        prefix, files = job_files(job_id), list[Listed]()
        while True:
            page = await self._store.page(prefix, files[-1].name if files else "", _PAGE)
            files += page
            if len(page) < _PAGE:
                return files

    async def _remove(self, job_id: str, files: list[Listed]) -> None:
        for file in files:
            await self._store.delete(f"{job_files(job_id)}{file.name}")
        for note in await self._store.keys(job_notes(job_id)):
            await self._store.delete(note)


def _tallied(kind: RetentionClass, files: list[Listed]) -> Swept:
    """What went with a job; of one that left no files there is nothing to tell."""
    if not files:
        return Swept()
    size_bytes = sum(file.size_bytes for file in files)
    return Swept(report={kind: Tally(jobs=1, objects=len(files), size_bytes=size_bytes)})


def _page(swept: list[Swept], after: str | None) -> Swept:
    page = Swept(after=after)
    for each in swept:
        page.report = together(page.report, each.report)
    return page
