"""Processes of a stack's own fleet, as an operator starts them beside `darkroom up`."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from cli.embedded import REGION
from tests.e2e.stack import Stack
from tests.fleet import Fleet, Worker


@contextmanager
def fleet(stack: Stack, environment: Mapping[str, str]) -> Iterator[Callable[[], Worker]]:
    """What starts a worker and waits for it, while `darkroom up` has none of its own.

    What is alive of them at the end is killed; `environment` is added to the stack's.
    """
    with stack.without("worker"), beside(stack, environment) as workers:
        yield workers.start_worker


@contextmanager
def beside(stack: Stack, environment: Mapping[str, str] | None = None) -> Iterator[Fleet]:
    """A fleet on the stack's engine and store; what is alive of it at the end is killed."""
    started = Fleet(stack.folder, {**stack.env, **_told(stack), **(environment or {})})
    try:
        yield started
    finally:
        started.close()


def _told(stack: Stack) -> Mapping[str, str]:
    """What `up` tells its own children."""
    keys = json.loads((stack.home / "s3-credentials.json").read_text())
    return {
        "TEMPORAL_ADDRESS": stack.engine_address,
        "TEMPORAL_CONFIG_FILE": os.devnull,
        "DARKROOM_STAND_IN": "true",
        "DARKROOM_S3_ENDPOINT": f"http://127.0.0.1:{stack.env['DARKROOM_S3_PORT']}",
        "AWS_ACCESS_KEY_ID": keys["access_key_id"],
        "AWS_SECRET_ACCESS_KEY": keys["secret_access_key"],
        "AWS_REGION": REGION,
    }
