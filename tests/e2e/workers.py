"""Workers of a stack's own fleet, as an operator starts them beside `darkroom up`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from cli.embedded import REGION, StoreKeys, store_keys
from cli.up import CODE_ROOT
from tests.e2e.stack import Stack
from tests.e2e.waiting import eventually

_READY = "ready on"


class Worker:
    """One process, which has not begun to work yet."""

    def __init__(self, environment: Mapping[str, str], folder: Path, log: Path) -> None:
        self._log = log
        with log.open("wb") as sink:
            self._process = subprocess.Popen(
                [sys.executable, CODE_ROOT / "worker.py"],
                env=environment,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
            )

    def is_ready(self) -> bool:
        said = self._log.read_text()
        assert self._process.poll() is None, said
        return _READY in said

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        """`kill -9`."""
        self._process.kill()
        self._process.wait()

    @contextmanager
    def held(self) -> Iterator[None]:
        """It stands still while the block runs."""
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)


@contextmanager
def fleet(stack: Stack, environment: Mapping[str, str]) -> Iterator[Callable[[], Worker]]:
    """What starts a worker and waits for it, while `darkroom up` has none of its own.

    What is alive of them at the end is killed; `environment` is added to the stack's.
    """
    told = {**environment_of_worker(stack), **environment}
    workers: list[Worker] = []

    def start() -> Worker:
        log = stack.home / "logs" / f"worker-{len(workers)}.log"
        workers.append(Worker(told, stack.folder, log))
        eventually(workers[-1].is_ready, "the worker is ready")
        return workers[-1]

    with stack.without("worker"):
        try:
            yield start
        finally:
            for worker in workers:
                worker.kill()


def environment_of_worker(stack: Stack) -> Mapping[str, str]:
    """What a worker beside that of `darkroom up` is started with."""
    told = {
        **stack.env,
        "TEMPORAL_ADDRESS": stack.engine_address,
        "TEMPORAL_CONFIG_FILE": os.devnull,
    }
    del told["DARKROOM_WORKER_METRICS_PORT"]
    if "DARKROOM_S3_ENDPOINT" not in told:
        url = f"http://127.0.0.1:{stack.env['DARKROOM_S3_PORT']}"
        told |= store_environment(url, store_keys(stack.home))
    return told


def store_environment(url: str, keys: StoreKeys) -> Mapping[str, str]:
    """How an S3 server from the wheel is reached."""
    return {
        "DARKROOM_S3_ENDPOINT": url,
        "AWS_ACCESS_KEY_ID": keys.access_key_id,
        "AWS_SECRET_ACCESS_KEY": keys.secret_access_key,
        "AWS_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
