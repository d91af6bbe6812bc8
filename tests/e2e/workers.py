"""Processes of a stack's own fleet, as an operator starts them beside `darkroom up`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from cli.embedded import REGION, StoreKeys, store_keys
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
    started = Fleet(stack.folder, {**environment_beside(stack), **(environment or {})})
    try:
        yield started
    finally:
        started.close()


def environment_beside(stack: Stack) -> Mapping[str, str]:
    """What a process beside those of `darkroom up` is started with."""
    told = {
        **stack.env,
        "TEMPORAL_ADDRESS": stack.engine_address,
        "TEMPORAL_CONFIG_FILE": os.devnull,
        "DARKROOM_STAND_IN": "true",
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
