"""How long to wait before the next try at what is not repeated by the engine."""

from __future__ import annotations

from collections.abc import Iterator


def backoff(first_seconds: float, longest_seconds: float, factor: float = 2.0) -> Iterator[float]:
    """Seconds between tries, for ever: each longer than the one before, up to the longest."""
    pause = first_seconds
    while True:
        yield pause
        pause = min(factor * pause, longest_seconds)
