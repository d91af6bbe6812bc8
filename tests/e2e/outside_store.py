"""An S3 server of the operator's own, on a small disk, behind a gate that can be told to misbehave.

The gate passes requests on as they are, the `Host` that the signature covers included.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from cli import embedded
from tests.e2e.workers import store_environment
from tests.serving import on_a_thread
from tests.waiting import free_port

BUCKET = "darkroom"
DISK_BYTES = 768 * 1024 * 1024
_METHODS = ["GET", "HEAD", "PUT", "POST", "DELETE"]
_ONE_BY_ONE = frozenset({b"connection", b"keep-alive", b"transfer-encoding", b"date", b"server"})
"""Headers of a connection, which has another one behind the gate."""


@dataclass(frozen=True)
class Temper:
    """What the gate does with a request besides passing it on."""

    delay_seconds: float = 0.0
    status: int | None = None
    """What it answers instead; every other change is made all the same, and its answer lost."""
    code: str = ""

    def answer(self) -> Response:
        """As S3 words it."""
        body = f"<Error><Code>{self.code}</Code><Message>{self.code}</Message></Error>"
        return Response(body, self.status or 500, media_type="application/xml")


CALM = Temper()
SLOW = Temper(delay_seconds=1.5)
FAILING = Temper(status=500, code="InternalError")
BUSY = Temper(status=503, code="SlowDown")


class OutsideStore:
    """It may be killed, held, slowed down, and its disk filled; `start` brings it back."""

    def __init__(self, home: Path) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self._home = home
        self._keys = embedded.store_keys(home)
        self._child = embedded.store(home, free_port(), BUCKET, self._keys)
        self._server = httpx.URL(f"http://{self._child.argv[self._child.argv.index('--addr') + 1]}")
        self._process: subprocess.Popen[bytes] | None = None
        self._temper = CALM
        self._seen = 0
        self.url = f"http://127.0.0.1:{free_port()}"

    @property
    def environment(self) -> Mapping[str, str]:
        """How it is reached, through the gate."""
        return store_environment(self.url, self._keys)

    def start(self) -> None:
        """Start the server, where it does not run."""
        if self._process is None or self._process.poll() is not None:
            with (self._home / "store.log").open("ab") as log:
                self._process = subprocess.Popen(
                    self._child.argv, env=self._child.env, stdout=log, stderr=log
                )

    @contextmanager
    def killed(self) -> Iterator[None]:
        """`kill -9`; it is away while the block runs."""
        self.stop()
        try:
            yield
        finally:
            self.start()

    @contextmanager
    def held(self) -> Iterator[None]:
        """The server stands still while the block runs."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    @contextmanager
    def tempered(self, temper: Temper) -> Iterator[None]:
        """The gate misbehaves while the block runs."""
        self._temper = temper
        try:
            yield
        finally:
            self._temper = CALM

    @contextmanager
    def full(self) -> Iterator[None]:
        """Nothing of any size can be stored while the block runs, as nothing is left of the disk.

        Where it has no disk of its own, the gate answers as the server was seen to do then.
        """
        if not self.has_disk:
            with self.tempered(FAILING):
                yield
            return
        ballast = self._home / "s3" / "ballast"
        try:
            with ballast.open("wb", buffering=0) as file, suppress(OSError):
                while True:
                    file.write(bytes(1024 * 1024))
            yield
        finally:
            ballast.unlink()

    @property
    def has_disk(self) -> bool:
        return (self._home / "s3").is_mount()

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def gate(self) -> Starlette:
        """What stands before the server."""

        @asynccontextmanager
        async def lifespan(app: Starlette) -> AsyncIterator[None]:
            async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
                app.state.client = client
                yield

        async def pass_on(request: Request) -> Response:
            body, temper = await request.body(), self._temper
            self._seen += 1
            is_change = request.method in ("PUT", "DELETE")
            await asyncio.sleep(temper.delay_seconds)
            if temper.status is not None and not (is_change and self._seen % 2):
                return temper.answer()
            query = b"?" + request.scope["query_string"] if request.scope["query_string"] else b""
            try:
                answer = await request.app.state.client.request(
                    request.method,
                    self._server.copy_with(raw_path=request.scope["raw_path"] + query),
                    headers=request.headers.raw,
                    content=body,
                )
            except httpx.TransportError:
                return Response("nobody answers behind the gate", 502)
            return temper.answer() if temper.status is not None else _passed_back(answer)

        routes = [Route("/{path:path}", pass_on, methods=_METHODS)]
        return Starlette(routes=routes, lifespan=lifespan)


def _passed_back(answer: httpx.Response) -> Response:
    passed = Response(answer.content, answer.status_code)
    passed.raw_headers = [
        (name.lower(), value)
        for name, value in answer.headers.raw
        if name.lower() not in _ONE_BY_ONE
    ]
    return passed


@contextmanager
def running_outside_store(home: Path) -> Iterator[OutsideStore]:
    """Server and gate, for as long as the block runs; on a disk of its own where one may mount."""
    with _small_disk(home / "s3"):
        store = OutsideStore(home)
        store.start()
        try:
            with on_a_thread(store.gate(), httpx.URL(store.url).port or 0):
                yield store
        finally:
            store.stop()


@contextmanager
def _small_disk(folder: Path) -> Iterator[None]:
    """Linux mounts one for root."""
    folder.mkdir(parents=True)
    if sys.platform != "linux" or os.geteuid() != 0:
        yield
        return
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES},mode=0700", "tmpfs", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        yield  # a container may be forbidden to
        return
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True, capture_output=True)
