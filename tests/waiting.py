"""Waiting for something to become true, with a deadline; never for a time to pass."""

from __future__ import annotations

import asyncio
import itertools
import random
import socket
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from cli.supervisor import Child, NotReadyError

T = TypeVar("T")

DEADLINE_SECONDS = 60.0
_LOOK_SECONDS = 0.02
_PORTS = range(10_000, 32_768)
_ports = itertools.islice(itertools.cycle(_PORTS), random.randrange(len(_PORTS)), None)
"""Each process begins somewhere else."""


async def eventually(
    look: Callable[[], Awaitable[T | None]], why: str, every_seconds: float = _LOOK_SECONDS
) -> T:
    """What `look` gives as soon as it gives something true."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not (found := await look()):
        assert time.monotonic() < deadline, f"it did not happen in time: {why}"
        await asyncio.sleep(every_seconds)
    return found


def free_port() -> int:
    """A port for a server that starts later.

    None that this process has been given before, and below those that systems give to outgoing
    connections: either could be gone by then.
    """
    while True:
        port = next(_ports)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port


@contextmanager
def running(child: Child, log: Path, *extra_arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A server process, ready, for as long as the block runs."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            [*child.argv, *extra_arguments],
            env=dict(child.env),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        asyncio.run(_ready(child))
        yield process
    finally:
        process.kill()
        process.wait()


async def _ready(child: Child) -> None:
    assert child.ready is not None
    check = child.ready

    async def look() -> bool:
        try:
            await check()
        except NotReadyError:
            return False
        return True

    await eventually(look, f"{child.name} is ready")
