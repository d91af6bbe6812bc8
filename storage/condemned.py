"""Jobs whose files are to be deleted."""

from __future__ import annotations

from storage.keys import CONDEMNED, condemned_key
from storage.objects import ObjectStore

_TEXT = "text/plain"


class Condemned:
    """What a sweep still has to do, so that it may be killed; methods raise `StorageUnavailable`.

    A job stands here before its record says that its images are gone, until its files are.
    """

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    async def add(self, job_id: str) -> None:
        """Note a job whose files are to be deleted."""
        await self._store.put(condemned_key(job_id), b"", _TEXT)

    async def after(self, job_id: str, limit: int) -> list[str]:
        """At most `limit` such jobs, up to 1,000, that sort after one."""
        return await self._store.names_after(CONDEMNED, job_id, limit)

    async def remove(self, job_id: str) -> None:
        """Its files are deleted."""
        await self._store.delete(condemned_key(job_id))
