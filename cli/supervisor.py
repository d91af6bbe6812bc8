"""Child processes: started and checked, restarted when they die, stopped in the reverse order."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import subprocess
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from cli.errors import CommandError
from cli.home import ChildrenLock
from cli.process_group import REAPER_GRACE_SECONDS, ProcessGroup

POLL_SECONDS = 0.05
LOG_BYTES_KEPT = 10 * 1024 * 1024
LOG_LINES_TOLD = 8


class NotReadyError(Exception):
    """A child does not serve yet; the message says what is still missing."""


ReadyCheck = Callable[[], Awaitable[None]]
"""Returns once the child serves, else raises `NotReadyError`."""


@dataclass(frozen=True, kw_only=True)
class Child:
    """How one process is started, known to be ready, and given time to stop."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str]
    ready: ReadyCheck | None = None
    ready_seconds: float = 30.0
    stop_seconds: float = 5.0


@dataclass(frozen=True, kw_only=True)
class Backoff:
    """How long a child that died waits for its next start."""

    first_seconds: float = 0.2
    longest_seconds: float = 10.0
    steady_seconds: float = 30.0
    """A child that lived this long starts from `first_seconds` again."""

    def next(self, previous_seconds: float, lived_seconds: float) -> float:
        """The wait after a life of `lived_seconds`; `previous_seconds` is 0 for the first death."""
        if not previous_seconds or lived_seconds >= self.steady_seconds:
            return self.first_seconds
        return min(previous_seconds * 2, self.longest_seconds)


@dataclass(kw_only=True)
class _Running:
    child: Child
    log: Path
    process: asyncio.subprocess.Process
    started_at: float
    keeper: asyncio.Task[None] | None = None


class Supervisor:
    """Keeps children running for as long as it is entered, and leaves none behind."""

    def __init__(
        self,
        *,
        logs: Path,
        children_lock: ChildrenLock,
        say: Callable[[str], None],
        backoff: Backoff | None = None,
        orphan_grace_seconds: float = REAPER_GRACE_SECONDS,
    ) -> None:
        self._logs = logs
        self._children_lock = children_lock
        self._say = say
        self._backoff = backoff or Backoff()
        self._group = ProcessGroup(children_lock.path, grace_seconds=orphan_grace_seconds)
        self._running: list[_Running] = []

    async def __aenter__(self) -> Self:
        await self._group.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            await self.stop()
        finally:
            await self._group.close()

    async def start(self, *children: Child) -> None:
        """Start the children side by side and return when each is ready, in the order given.

        Raises `CommandError` for a child that exits or stays silent instead.
        """
        launched = [await self._launch(child) for child in children]
        for running in launched:
            await self._until_ready(running)
            running.keeper = asyncio.create_task(self._keep(running))

    async def stop(self) -> None:
        """Ask each child to stop, the last started first; kill one that outstays its time."""
        self._let_go()
        while self._running:
            running = self._running[-1]
            await _end(running.process, running.child.stop_seconds)
            self._running.pop()

    def kill(self) -> None:
        """Kill everything at once, without a chance to drain."""
        self._let_go()
        self._group.kill()

    def _let_go(self) -> None:
        for running in self._running:
            if running.keeper:
                running.keeper.cancel()

    async def _launch(self, child: Child) -> _Running:
        log = self._logs / f"{child.name}.log"
        try:
            _rotate(log)
            process = await self._spawn(child, log)
        except OSError as error:
            problem = f"{error.strerror}: {error.filename}"
            raise CommandError(f"{child.name} cannot be started ({problem})") from error
        running = _Running(child=child, log=log, process=process, started_at=time.monotonic())
        self._running.append(running)
        return running

    async def _spawn(self, child: Child, log: Path) -> asyncio.subprocess.Process:
        with log.open("ab") as output:
            return await asyncio.create_subprocess_exec(
                *child.argv,
                env=child.env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=(self._children_lock.descriptor,),
                process_group=self._group.id,
            )

    async def _until_ready(self, running: _Running) -> None:
        child = running.child
        deadline = time.monotonic() + child.ready_seconds
        missing = "it gave no answer"
        while running.process.returncode is None:
            try:
                if child.ready:
                    await child.ready()
            except NotReadyError as error:
                missing = str(error)
            else:
                return
            if time.monotonic() > deadline:
                problem = f"was not ready within {child.ready_seconds:g} s: {missing}"
                raise CommandError(_with_log(f"{child.name} {problem}", running.log))
            await asyncio.sleep(POLL_SECONDS)
        how = _how_it_ended(running.process.returncode)
        raise CommandError(
            _with_log(f"{child.name} stopped before it was ready ({how})", running.log)
        )

    async def _keep(self, running: _Running) -> None:
        name = running.child.name
        wait_seconds = 0.0
        while True:
            how = _how_it_ended(await running.process.wait())
            wait_seconds = self._backoff.next(wait_seconds, time.monotonic() - running.started_at)
            self._say(
                f"{name} stopped ({how}); starting it again in {wait_seconds:g} s, "
                f"its log is {running.log}"
            )
            await asyncio.sleep(wait_seconds)
            try:
                running.process = await self._spawn(running.child, running.log)
            except OSError as error:
                self._say(f"{name} did not start: {error}")
            running.started_at = time.monotonic()


async def _end(process: asyncio.subprocess.Process, patience_seconds: float) -> None:
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), patience_seconds)
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _how_it_ended(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"


def _with_log(problem: str, log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()[-LOG_LINES_TOLD:]
    told = "".join(f"\n  {line}" for line in lines) or "\n  (it is empty)"
    return f"{problem}. The end of its log, {log}:{told}"


def _rotate(log: Path) -> None:
    if log.exists() and log.stat().st_size > LOG_BYTES_KEPT:
        log.replace(log.with_name(f"{log.name}.1"))
