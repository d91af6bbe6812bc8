"""Plays the API: alive at once, ready once the stand-in of the worker runs."""

from __future__ import annotations

import json
import os
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

Message = MutableMapping[str, Any]
SHOWN = ("DARKROOM_", "TEMPORAL_", "AWS_")


def create_app() -> Callable[..., Awaitable[None]]:
    if os.environ.get("DARKROOM_STAND_IN_BREAKS"):
        raise SystemExit("broken on purpose")

    async def app(
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        if scope["type"] != "http":
            raise RuntimeError("no lifespan here")
        status, body = _answer(scope["path"])
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": json.dumps(body).encode()})

    return app


def _answer(path: str) -> tuple[int, object]:
    if path == "/environment":
        return 200, {name: value for name, value in os.environ.items() if name.startswith(SHOWN)}
    if path == "/health/ready" and not _worker_runs():
        return 503, {"worker": "none polls"}
    return 200, {}


def _worker_runs() -> bool:
    return (Path(os.environ["DARKROOM_HOME"]) / "worker.pid").exists()
