"""What is said of images that were kept for a while and are gone."""

from __future__ import annotations

import asyncio
import hmac
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from api.snapshots import JobSnapshot
from domain.errors import FileGone, FileNotFound, Refusal, StorageUnavailable
from domain.ids import is_job_id
from storage.archive import Archive

_STORE_SECONDS = 1.0


class Keeping:
    """Asks the store, in a bounded time, what is gone: of that the engine knows nothing."""

    def __init__(self, archive: Archive, settled_seconds: float = 60.0) -> None:
        self._archive = archive
        self.settled_seconds = settled_seconds
        """For so long an answer may be kept that says otherwise."""

    async def of_job(self, job: JobSnapshot) -> JobSnapshot:
        """The job, with what became of its images where it may have lost them."""
        if not job.may_go or self._is_fresh(job.state.completed_at):
            return job
        with suppress(StorageUnavailable, TimeoutError):
            async with asyncio.timeout(_STORE_SECONDS):
                record = await self._archive.read_job(job.job_id)
            if record is not None and record.state.gone_at is not None:
                state = job.state.model_copy(update={"gone_at": record.state.gone_at})
                return replace(job, state=state)
        return job

    async def of_batch(self, batch_id: str, created_at: datetime) -> frozenset[str]:
        """The jobs of a batch whose images are gone."""
        if not self._is_fresh(created_at):
            with suppress(StorageUnavailable, TimeoutError):
                async with asyncio.timeout(_STORE_SECONDS):
                    return await self._archive.gone_of_batch(batch_id)
        return frozenset()

    async def why_missing(self, key: str) -> Refusal:
        """Why there is no file under a key, less `assets/`: it is gone, or never was there."""
        job_id, _, rest = key.partition("/")
        record = await self._archive.read_job(job_id) if is_job_id(job_id) else None
        if record is not None and record.state.gone_at is not None:
            token = rest.partition("/")[0]
            if hmac.compare_digest(token.encode(), record.request.asset_token.encode()):
                return FileGone(f"The image was deleted; what it was, the job '{job_id}' tells.")
        return FileNotFound("There is no such file.")

    def _is_fresh(self, moment: datetime | None) -> bool:
        """Whether it was too short a while ago for anything to be missed yet."""
        age = datetime.now(UTC) - moment if moment is not None else None
        return age is not None and age < timedelta(seconds=self.settled_seconds)
