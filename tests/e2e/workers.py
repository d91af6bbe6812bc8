"""Workers of a stack's own fleet, as an operator starts them beside `darkroom up`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from cli.embedded import REGION
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

    def kill(self) -> None:
        """`kill -9`."""
        self._process.kill()
        self._process.wait()


@contextmanager
def fleet(stack: Stack, environment: Mapping[str, str]) -> Iterator[Callable[[], Worker]]:
    """What starts a worker and waits for it, while `darkroom up` has none of its own.

    What is alive of them at the end is killed; `environment` is added to the stack's.
    """
    told = {**stack.env, **_connections(stack), **environment}
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


def _connections(stack: Stack) -> Mapping[str, str]:
    keys = json.loads((stack.home / "s3-credentials.json").read_text())
    return {
        "TEMPORAL_ADDRESS": stack.engine_address,
        "TEMPORAL_CONFIG_FILE": os.devnull,
        "DARKROOM_S3_ENDPOINT": f"http://127.0.0.1:{stack.env['DARKROOM_S3_PORT']}",
        "AWS_ACCESS_KEY_ID": keys["access_key_id"],
        "AWS_SECRET_ACCESS_KEY": keys["secret_access_key"],
        "AWS_REGION": REGION,
    }
