"""The supervisor, with real child processes."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.errors import CommandError
from cli.home import ChildrenLock, claimed, prepare_home
from cli.supervisor import LOG_BYTES_KEPT, Backoff, Child, NotReadyError, Supervisor
from tests.cli.conftest import Launch, Watch

PATIENT = "import signal; all(signal.pause() is None for _ in iter(int, 1))"
STUBBORN = f"import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('up')\n{PATIENT}"
PARENT_OF_ANOTHER = (
    f"import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', {PATIENT!r}])\n{PATIENT}"
)
TELLS_WHEN_IT_STOPS = """
import signal, sys
def stop(*_):
    with open(sys.argv[2], "a") as order:
        print(sys.argv[1], file=order)
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
print("up", flush=True)
while True:
    signal.pause()
"""

OWNER = """
import asyncio, os, sys
from pathlib import Path
from cli.home import claimed, prepare_home
from cli.supervisor import Child, Supervisor

def child(name, code):
    return Child(name=name, argv=[sys.executable, "-uc", code], env=dict(os.environ))

async def main(lock, home):
    async with Supervisor(
        logs=home / "logs", children_lock=lock, say=print, orphan_grace_seconds=0.5
    ) as supervisor:
        await supervisor.start(child("patient", sys.argv[2]), child("stubborn", sys.argv[3]))
        print("all up", flush=True)
        await asyncio.Event().wait()

home = prepare_home(Path(sys.argv[1]))
with claimed(home, print) as lock:
    asyncio.run(main(lock, home))
"""


@pytest.fixture
def lock(tmp_path: Path) -> Iterator[ChildrenLock]:
    with claimed(prepare_home(tmp_path / "home"), print) as held:
        yield held


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def supervisor(lock: ChildrenLock, said: list[str]) -> Supervisor:
    return Supervisor(
        logs=lock.path.parent / "logs",
        children_lock=lock,
        say=said.append,
        backoff=Backoff(first_seconds=0.01),
    )


def child(name: str, code: str, *arguments: str, **options: Any) -> Child:
    argv = [sys.executable, "-uc", code, *arguments]
    return Child(name=name, argv=argv, env=dict(os.environ), **options)


def printed(log: Path) -> Callable[[], Any]:
    """Ready once the child has printed something."""

    async def check() -> None:
        if log.stat().st_size == 0:  # noqa: ASYNC240
            raise NotReadyError("it has printed nothing")

    return check


def log_of(lock: ChildrenLock, name: str) -> Path:
    return lock.path.parent / "logs" / f"{name}.log"


async def test_a_killed_child_is_started_again_and_the_others_are_left_alone(
    supervisor: Supervisor, said: list[str], watch: Watch
) -> None:
    def named(name: str) -> list[int]:
        return [row.pid for row in watch.children_of(os.getpid()) if row.command.endswith(name)]

    async with supervisor:
        await supervisor.start(child("first", PATIENT, "first"), child("second", PATIENT, "second"))
        await watch.until_async(lambda: len(named("first")) == len(named("second")) == 1)
        [killed], [other] = named("first"), named("second")
        os.kill(killed, signal.SIGKILL)
        await watch.until_async(lambda: bool(set(named("first")) - {killed}))
        assert named("second") == [other]
    assert len(said) == 1
    assert said[0].startswith("first stopped (killed by SIGKILL); starting it again in 0.01 s")
    assert "first.log" in said[0]


async def test_children_stop_in_the_reverse_order_of_their_start(
    supervisor: Supervisor, lock: ChildrenLock, tmp_path: Path
) -> None:
    order = tmp_path / "order"
    names = ["engine", "store", "worker", "api"]
    async with supervisor:
        for name in names:
            ready = printed(log_of(lock, name))
            await supervisor.start(child(name, TELLS_WHEN_IT_STOPS, name, str(order), ready=ready))
    assert order.read_text().split() == names[::-1]


async def test_a_child_that_ignores_the_request_to_stop_is_killed(
    supervisor: Supervisor, lock: ChildrenLock, watch: Watch
) -> None:
    ready = printed(log_of(lock, "stubborn"))
    async with supervisor:
        await supervisor.start(child("stubborn", STUBBORN, ready=ready, stop_seconds=0.1))
    assert watch.children_of(os.getpid()) == []


async def test_what_a_child_started_itself_does_not_outlive_the_supervisor(
    supervisor: Supervisor, watch: Watch
) -> None:
    async with supervisor:
        await supervisor.start(child("parent", PARENT_OF_ANOTHER))
        [reaper] = [row for row in watch.children_of(os.getpid()) if "reaper.py" in row.command]
        await watch.until_async(lambda: len(watch.group(reaper.pid)) == 3)
    await watch.until_async(lambda: watch.group(reaper.pid) == [])


async def test_killing_ends_children_that_would_still_drain(
    supervisor: Supervisor, lock: ChildrenLock, watch: Watch
) -> None:
    ready = printed(log_of(lock, "stubborn"))
    async with supervisor:
        await supervisor.start(child("stubborn", STUBBORN, ready=ready, stop_seconds=600))
        supervisor.kill()
    assert watch.children_of(os.getpid()) == []


async def test_a_child_that_exits_before_it_is_ready_is_told_with_the_end_of_its_log(
    supervisor: Supervisor,
) -> None:
    async def never() -> None:
        raise NotReadyError("no answer")

    with pytest.raises(CommandError, match=r"worker stopped before .*exit code 3") as told:
        async with supervisor:
            await supervisor.start(child("worker", "print('no engine'); exit(3)", ready=never))
    assert "no engine" in str(told.value)
    assert "worker.log" in str(told.value)


async def test_a_child_whose_program_is_missing_is_told(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    program = str(tmp_path / "no-such-program")
    with pytest.raises(CommandError, match=r"store cannot be started .*no-such-program"):
        async with supervisor:
            await supervisor.start(Child(name="store", argv=[program], env={}))


async def test_a_child_that_never_becomes_ready_is_told_with_what_was_missing(
    supervisor: Supervisor, watch: Watch
) -> None:
    async def never() -> None:
        raise NotReadyError("nobody polls")

    with pytest.raises(CommandError, match=r"worker was not ready within 0\.1 s: nobody polls"):
        async with supervisor:
            await supervisor.start(child("worker", PATIENT, ready=never, ready_seconds=0.1))
    assert watch.children_of(os.getpid()) == []


async def test_a_killed_reaper_is_replaced_in_the_same_group(
    supervisor: Supervisor, watch: Watch
) -> None:
    def reapers() -> list[Any]:
        return [row for row in watch.children_of(os.getpid()) if "reaper.py" in row.command]

    async with supervisor:
        await supervisor.start(child("patient", PATIENT))
        await watch.until_async(lambda: len(reapers()) == 1)
        [first] = reapers()
        os.kill(first.pid, signal.SIGKILL)
        await watch.until_async(lambda: any(row.pid != first.pid for row in reapers()))
        assert [row.group for row in reapers()] == [first.group]
    assert watch.group(first.group) == []


async def test_a_log_that_has_grown_large_is_set_aside_at_the_start(
    supervisor: Supervisor, lock: ChildrenLock
) -> None:
    log = log_of(lock, "worker")
    log.write_bytes(b"x" * (LOG_BYTES_KEPT + 1))
    async with supervisor:
        await supervisor.start(child("worker", PATIENT))
    assert log.read_bytes() == b""
    assert log.with_name("worker.log.1").stat().st_size == LOG_BYTES_KEPT + 1


def test_nothing_outlives_an_owner_that_was_killed(
    tmp_path: Path, launch: Launch, watch: Watch
) -> None:
    home = tmp_path / "home"
    owner = launch(["-c", OWNER, str(home), PATIENT, STUBBORN], {}, tmp_path)
    watch.until(lambda: owner.has_said("all up"))
    group = watch.children_of(owner.process.pid)[0].group
    assert len(watch.group(group)) == 3
    owner.process.kill()
    watch.until(lambda: watch.group(group) == [])
    with claimed(home, print):
        pass


def test_the_wait_before_a_restart_doubles_up_to_a_limit() -> None:
    backoff = Backoff(first_seconds=0.2, longest_seconds=1.0)
    waits = [0.0]
    for _ in range(5):
        waits.append(backoff.next(waits[-1], lived_seconds=0.1))
    assert waits[1:] == [0.2, 0.4, 0.8, 1.0, 1.0]


def test_a_child_that_lived_long_is_started_again_soon() -> None:
    assert Backoff().next(previous_seconds=10.0, lived_seconds=31.0) == 0.2
