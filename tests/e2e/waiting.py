"""Waiting for something to become true, with a deadline, where no event loop runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

DEADLINE_SECONDS = 150.0
_LOOK_SECONDS = 0.1


def eventually(
    look: Callable[[], T | None],
    why: str,
    *,
    seconds: float = DEADLINE_SECONDS,
    every_seconds: float = _LOOK_SECONDS,
) -> T:
    """What `look` gives as soon as it gives something true."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"it did not happen in time: {why}"
        time.sleep(every_seconds)
    return found
