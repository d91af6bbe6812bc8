"""A process group whose members never outlive this process; `cli.reaper` sees to that."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

REAPER = Path(__file__).with_name("reaper.py")
REAPER_GRACE_SECONDS = 5.0
"""How long members may take to stop after we died, before they are killed."""


class ProcessGroup:
    """The group that children join by its `id`; it is swept when closed, or when we die."""

    def __init__(self, children_lock: Path, *, grace_seconds: float) -> None:
        self.id = 0
        self._command = [str(children_lock), str(grace_seconds)]
        self._owner_pipe = os.pipe()
        self._reaper: asyncio.subprocess.Process | None = None
        self._guard: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Start the reaper, which leads the group, before any child can exist."""
        self._reaper = await self._start_reaper()
        self._guard = asyncio.create_task(self._keep(self._reaper))

    async def close(self) -> None:
        """Leave nothing of the group running."""
        if self._guard:
            self._guard.cancel()
            await asyncio.wait({self._guard})
        self.kill()
        if self._reaper:
            await self._reaper.wait()
        for end in self._owner_pipe:
            os.close(end)

    def kill(self) -> None:
        """Kill every member at once, the reaper among them."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.id, signal.SIGKILL)

    async def _keep(self, reaper: asyncio.subprocess.Process) -> None:
        while True:
            await reaper.wait()
            reaper = self._reaper = await self._start_reaper()

    async def _start_reaper(self) -> asyncio.subprocess.Process:
        """Join the group while any member lives, else lead a new one."""
        if self.id:
            with contextlib.suppress(OSError):
                return await self._spawn(self.id)
        reaper = await self._spawn(0)
        self.id = reaper.pid
        return reaper

    async def _spawn(self, group: int) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", str(REAPER), *self._command),
            stdin=self._owner_pipe[0],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            process_group=group,
        )
