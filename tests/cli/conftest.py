"""Real processes, free ports and deadlines for the tests of the command line."""

from __future__ import annotations

import asyncio
import fcntl
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from cli.up import CODE_ROOT
from tests.waiting import free_port

DEADLINE_SECONDS = 30.0

_ROW = re.compile(r"\s*(\d+)\s+(\d+)\s+(\d+)\s+(\S+)\s+(.*)")


RUN_UP = Path(__file__).parent / "stand_in" / "run_up.py"

_OURS = ("DARKROOM_", "TEMPORAL_", "AWS_")


class Process(NamedTuple):
    pid: int
    parent: int
    group: int
    command: str


def running() -> list[Process]:
    """Every process of the machine that has not exited."""
    listing = subprocess.run(
        ["ps", "-A", "-ww", "-o", "pid=,ppid=,pgid=,stat=,args="],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    rows = [match.groups() for line in listing.splitlines() if (match := _ROW.match(line))]
    return [
        Process(int(pid), int(parent), int(group), command)
        for pid, parent, group, state, command in rows
        if not state.startswith("Z") and not command.startswith("ps -A")
    ]


class Watch:
    """Looks at the processes started since it was made, and waits for something to be true."""

    def __init__(self) -> None:
        self._earlier = {process.pid for process in running()}

    def children_of(self, parent: int) -> list[Process]:
        since = (process for process in running() if process.pid not in self._earlier)
        return [process for process in since if process.parent == parent]

    def group(self, group: int) -> list[Process]:
        return [process for process in running() if process.group == group]

    def until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not condition():
            assert time.monotonic() < deadline, "it did not become true in time"
            time.sleep(0.02)

    async def until_async(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not condition():
            assert time.monotonic() < deadline, "it did not become true in time"
            await asyncio.sleep(0.02)


class Command:
    """A command of ours that runs in the background, its output in a file."""

    def __init__(self, argv: list[str], env: Mapping[str, str], cwd: Path, output: Path) -> None:
        self._output = output
        inherited = {name: os.environ[name] for name in os.environ if not name.startswith(_OURS)}
        with output.open("wb") as sink:
            self.process = subprocess.Popen(
                [sys.executable, "-P", *argv],
                env={**inherited, "PYTHONPATH": str(CODE_ROOT), **env},
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
            )

    @property
    def output(self) -> str:
        return self._output.read_text()

    def has_said(self, text: str) -> bool:
        assert self.process.poll() is None or text in self.output, self.output
        return text in self.output

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


Launch = Callable[[list[str], Mapping[str, str], Path], Command]


@contextmanager
def launcher(outputs: Path) -> Iterator[Launch]:
    """Start commands; at the end they are killed, and what they started with them."""
    commands: list[Command] = []

    def start(argv: list[str], env: Mapping[str, str], cwd: Path) -> Command:
        commands.append(Command(argv, env, cwd, outputs / f"command-{len(commands)}.out"))
        return commands[-1]

    yield start
    for command in commands:
        command.kill()


class House:
    """One home with free ports of its own, and the way to start `darkroom up` on it."""

    def __init__(self, folder: Path, launch: Launch) -> None:
        self.home = folder / "a home"
        self.elsewhere = folder / "elsewhere"
        self.elsewhere.mkdir()
        # A project of the user's own, whose modules are named like ours.
        for name in ("settings.py", "worker.py", "api.py"):
            (self.elsewhere / name).write_text("raise SystemExit('the wrong module')")
        self.port, self.temporal_port, self.s3_port = free_port(), free_port(), free_port()
        self.metrics_port = free_port()
        self._launch = launch

    def up(self, **env: str) -> Command:
        ours = {
            "DARKROOM_HOME": str(self.home),
            "DARKROOM_PORT": str(self.port),
            "DARKROOM_TEMPORAL_PORT": str(self.temporal_port),
            "DARKROOM_TEMPORAL_UI_PORT": str(free_port()),
            "DARKROOM_S3_PORT": str(self.s3_port),
            "DARKROOM_WORKER_METRICS_PORT": str(self.metrics_port),
        }
        return self._launch([str(RUN_UP)], {**ours, **env}, self.elsewhere)

    def get(self, path: str) -> httpx.Response:
        return httpx.get(f"http://127.0.0.1:{self.port}{path}", trust_env=False)

    def answers(self, path: str) -> bool:
        try:
            return self.get(path).status_code == 200
        except httpx.HTTPError:
            return False

    def is_empty(self) -> bool:
        """Whether no child of any `darkroom up` runs on this home any more."""
        with (self.home / "children.lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True


@pytest.fixture(scope="session")
def watch() -> Watch:
    return Watch()


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launch]:
    with launcher(tmp_path) as start:
        yield start


@pytest.fixture
def house(tmp_path: Path, launch: Launch) -> House:
    return House(tmp_path, launch)
