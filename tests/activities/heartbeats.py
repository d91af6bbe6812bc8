"""The engine's side of heartbeats that wait for an answer."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from temporalio.service import RPCError

from domain.jobs import PaidCall, Progress


class Engine:
    """Keeps what it takes; the first are answered as is said, an event once it is set."""

    def __init__(self, *answers: Exception | asyncio.Event) -> None:
        self._answers = list(answers)
        self.taken: list[Progress] = []
        self.is_asked = asyncio.Event()

    @property
    def calls(self) -> list[PaidCall | None]:
        """What each said is under way."""
        return [progress.call for progress in self.taken]

    def get_async_activity_handle(self, *, task_token: bytes) -> Engine:
        return self

    async def heartbeat(self, progress: Progress, *, rpc_timeout: timedelta) -> None:
        answer = self._answers.pop(0) if self._answers else None
        self.is_asked.set()
        if isinstance(answer, asyncio.Event):
            await answer.wait()
        if not isinstance(answer, RPCError):
            self.taken.append(progress)
        if isinstance(answer, Exception):
            raise answer
