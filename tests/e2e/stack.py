"""A whole Darkroom as an operator starts it, and the ways to hurt it.

Processes are found among the children of our own `darkroom up` and signalled by their id.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.e2e.processes import Process, living
from tests.e2e.waiting import eventually
from tests.waiting import free_port

API = "/api/v1/images"
WEBHOOK_SECRET = "whsec_ZW5kLXRvLWVuZC1zZWNyZXQtb2YtdGhlLXRlc3Rz"  # pragma: allowlist secret

FEW_FILES = """
[assets]
formats = ["jpeg"]
widths = [480, 1536]
social = false
"""
"""Of a `darkroom.toml` for tests of jobs: most of their time would go into encoding."""

PARTS = {
    "engine": "server start-dev",
    "store": "serve s3",
    "worker": "worker.py",
    "api": "uvicorn",
}
"""What the command line of each part says."""

_OURS = ("DARKROOM_", "TEMPORAL_", "AWS_")
_READY = "curl -s"
_STOP_SECONDS = 60.0

Json = dict[str, Any]


class Stack:
    """One home with ports of its own; it may be stopped, killed, and brought up again.

    `environment` is what `up` finds besides, such as vendors' keys.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        self.home = folder / "home"
        self.folder = folder
        self.temporal_port = free_port()
        self.url = f"http://127.0.0.1:{free_port()}"
        self.worker_metrics_url = f"http://127.0.0.1:{free_port()}"
        self._env = {
            **{name: os.environ[name] for name in os.environ if not name.startswith(_OURS)},
            "DARKROOM_HOME": str(self.home),
            "DARKROOM_PORT": self.url.rpartition(":")[2],
            "DARKROOM_TEMPORAL_PORT": str(self.temporal_port),
            "DARKROOM_TEMPORAL_UI_PORT": str(free_port()),
            "DARKROOM_S3_PORT": str(free_port()),
            "DARKROOM_WORKER_METRICS_PORT": self.worker_metrics_url.rpartition(":")[2],
            "DARKROOM_STUDIO_CONCURRENCY": "2",
            "DARKROOM_KEEP_REJECTED_DAYS": "0",
            "DARKROOM_WEBHOOK_SECRET": WEBHOOK_SECRET,
            **(environment or {}),
        }
        self.output = folder / "up.out"
        self.http = httpx.Client(base_url=self.url, trust_env=False, timeout=60)
        self._up: subprocess.Popen[bytes] | None = None

    @property
    def engine_address(self) -> str:
        return f"127.0.0.1:{self.temporal_port}"

    @property
    def env(self) -> Mapping[str, str]:
        """What `up` was started with."""
        return self._env

    @property
    def said(self) -> str:
        """All that `up` printed since it was started last."""
        return self.output.read_text()

    def up(self) -> None:
        """Start `darkroom up` and wait for its banner."""
        with self.output.open("wb") as sink:
            self._up = subprocess.Popen(
                [Path(sys.executable).with_name("darkroom"), "up"],
                env=self._env,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # its groups are killed, and must not be ours
            )
        eventually(self._has_come_up, "the banner of `darkroom up`")

    def ensure_up(self) -> None:
        """Bring it to health, whatever a test before has left."""
        if self._up is None or self._up.poll() is not None:
            self.up()
        self.until_healthy()

    def until_healthy(self) -> None:
        eventually(lambda: self.answers("/health/ready"), "every part is healthy")

    def answers(self, path: str) -> bool:
        try:
            return self.http.get(path).status_code == 200
        except httpx.TransportError:
            return False

    def stop(self) -> int:
        """Ask it to stop, as an operator does; returns its exit status."""
        assert self._up is not None
        self._up.send_signal(signal.SIGTERM)
        return self._up.wait(_STOP_SECONDS)

    def kill(self, part: str) -> None:
        """`kill -9` one part; `up` starts it again."""
        os.kill(self._process(part).pid, signal.SIGKILL)

    @contextmanager
    def without(self, part: str) -> Iterator[None]:
        """`kill -9` one part and keep it away: `up` is held still while the block runs."""
        self._process(part)  # which `up` could not start while it is held still
        with self.held("up"):
            self.kill(part)
            yield
        self.until_healthy()

    @contextmanager
    def held(self, part: str) -> Iterator[None]:
        """One part, or `up` itself, stands still while the block runs."""
        assert self._up is not None
        pid = self._up.pid if part == "up" else self._process(part).pid
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def kill_everything(self) -> None:
        """`kill -9` all of it at one moment."""
        if self._up is None:
            return
        if self._up.poll() is None:
            self._up.send_signal(signal.SIGSTOP)  # else it could start what was killed again
            for group in {child.group for child in self.children()}:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(group, signal.SIGKILL)
            self._up.kill()
        self._up.wait()

    def close(self) -> None:
        self.kill_everything()
        self.http.close()

    def children(self) -> list[Process]:
        """What `up` runs now: the parts, and what ends them should it die."""
        assert self._up is not None
        return [process for process in living() if process.parent == self._up.pid]

    def _process(self, part: str) -> Process:
        def look() -> Process | None:
            found = [child for child in self.children() if PARTS[part] in child.command]
            return found[0] if found else None

        return eventually(look, f"{part} runs")

    def _has_come_up(self) -> bool:
        assert self._up is not None
        assert self._up.poll() is None, self.said
        return _READY in self.said
