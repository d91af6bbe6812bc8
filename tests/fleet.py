"""API processes and workers as an operator starts them, on an engine and a store that are there."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import httpx

from tests.e2e.waiting import DEADLINE_SECONDS, eventually
from tests.waiting import free_port

_READY = "ready on"
_API = (
    *(sys.executable, "-m", "uvicorn", "api.app:create_app", "--factory"),
    "--no-access-log",
)

P = TypeVar("P", "Api", "Worker")


def running_from(code: Path) -> Mapping[str, str]:
    """What makes a process run what is in a folder, whatever else is installed."""
    return {"PYTHONPATH": str(code), "PYTHONSAFEPATH": "1"}


class Process:
    """One that was started, and may not have begun to work yet."""

    def __init__(
        self, argv: Sequence[str | Path], environment: Mapping[str, str], folder: Path, log: Path
    ) -> None:
        self.log = log
        with log.open("wb") as sink:
            self._process = subprocess.Popen(
                argv,
                env=environment,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
            )

    @property
    def said(self) -> str:
        return self.log.read_text()

    def is_ready(self) -> bool:
        """Whether it works; fails where it has ended."""
        assert self._process.poll() is None, self.said
        return True

    def is_alive(self) -> bool:
        return self._process.poll() is None

    @contextmanager
    def held(self) -> Iterator[None]:
        """It stands still while the block runs."""
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def ask_to_stop(self) -> None:
        """As an operator's platform does."""
        self._process.send_signal(signal.SIGTERM)

    def stopped(self, seconds: float = DEADLINE_SECONDS) -> int:
        """Its exit status, once it has ended."""
        return self._process.wait(seconds)

    def kill(self) -> None:
        """`kill -9`."""
        self._process.kill()
        self._process.wait()


class Worker(Process):
    """A worker for all queues."""

    def __init__(self, environment: Mapping[str, str], folder: Path, log: Path) -> None:
        super().__init__([sys.executable, "-m", "worker"], environment, folder, log)

    def is_ready(self) -> bool:
        return super().is_ready() and _READY in self.said


class Api(Process):
    """An API process at a port of its own."""

    def __init__(self, environment: Mapping[str, str], folder: Path, log: Path) -> None:
        self.url = f"http://127.0.0.1:{free_port()}"
        argv = [*_API, "--port", self.url.rpartition(":")[2]]
        super().__init__(argv, environment, folder, log)
        self.http = httpx.Client(base_url=self.url, trust_env=False, timeout=60)

    def is_ready(self) -> bool:
        try:
            return super().is_ready() and self.http.get("/health/live").is_success
        except httpx.TransportError:
            return False

    def kill(self) -> None:
        self.http.close()
        super().kill()


class Fleet:
    """Starts API processes and workers; `close` kills what is left of them."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._environment = environment
        self._all: list[Process] = []

    def start(
        self, *, apis: int = 0, workers: int = 0, code: Path | None = None
    ) -> tuple[list[Api], list[Worker]]:
        """Processes of today's code or of that in a folder, once all of them are ready."""
        started_apis = [self._add(Api, code) for _ in range(apis)]
        started_workers = [self._add(Worker, code) for _ in range(workers)]
        for process in (*started_apis, *started_workers):
            eventually(process.is_ready, f"{process.log.stem} is ready")
        return started_apis, started_workers

    def start_worker(self, code: Path | None = None) -> Worker:
        return self.start(workers=1, code=code)[1][0]

    def start_api(self, code: Path | None = None) -> Api:
        return self.start(apis=1, code=code)[0][0]

    def close(self) -> None:
        for process in self._all:
            process.kill()

    def _add(self, kind: type[P], code: Path | None) -> P:
        chosen = running_from(code) if code else {}
        log = self._folder / f"{kind.__name__.lower()}-{len(self._all)}.log"
        process = kind({**self._environment, **chosen}, self._folder, log)
        self._all.append(process)
        return process
