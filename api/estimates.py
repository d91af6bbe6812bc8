"""How long a job will take: measured where there are measurements, else the catalogue's word."""

from __future__ import annotations

import asyncio
import math
from datetime import UTC, datetime

from api.engine_room import EngineRoom
from domain.errors import EngineAway
from domain.jobs import JobState, JobStatus

_SAMPLE = 20
_FRESH_SECONDS = 30.0


class Estimates:
    """Medians of the latest jobs by recipe, read from the engine beside the requests.

    A first request for a recipe gets the catalogue's seconds and has the measurements fetched.
    """

    def __init__(self, engine: EngineRoom) -> None:
        self._engine = engine
        self._seconds: dict[str, float | None] = {}
        self._fetched_at: dict[str, float] = {}
        self._fetching: set[asyncio.Task[None]] = set()

    def seconds(self, recipe: str, by_catalogue: float) -> float:
        """Expected seconds of one image; never waits."""
        now = asyncio.get_running_loop().time()
        if now - self._fetched_at.get(recipe, -math.inf) > _FRESH_SECONDS:
            self._fetched_at[recipe] = now
            task = asyncio.create_task(self._fetch(recipe))
            self._fetching.add(task)
            task.add_done_callback(self._fetching.discard)
        measured = self._seconds.get(recipe)
        return by_catalogue if measured is None else measured

    def whole_seconds(self, recipe: str, by_catalogue: float, images_in_turn: int = 1) -> int:
        """Expected whole seconds of images made one after the other, at least 1."""
        return max(1, math.ceil(self.seconds(recipe, by_catalogue) * images_in_turn))

    def remaining(self, recipe: str, by_catalogue: float, state: JobState) -> int | None:
        """Whole seconds left; None once the job is terminal."""
        if state.status.is_terminal:
            return None
        expected = self.seconds(recipe, by_catalogue)
        if state.status is JobStatus.PROCESSING and state.started_at is not None:
            expected -= (datetime.now(UTC) - state.started_at).total_seconds()
        return max(1, math.ceil(expected))

    async def _fetch(self, recipe: str) -> None:
        try:
            self._seconds[recipe] = await self._engine.median_seconds(recipe, _SAMPLE)
        except EngineAway:
            self._fetched_at.pop(recipe, None)
