"""How many requests a key may send: a bucket for each key, in the memory of this process."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from domain.errors import TooManyRequests
from domain.keys import ApiKey


@dataclass
class _Bucket:
    tokens: float
    filled_at: float


class RateLimits:
    """Token buckets that hold one minute's requests; two API processes allow twice as many."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._buckets: dict[str, _Bucket] = {}

    def take(self, key: ApiKey) -> None:
        """Count a request; raises `TooManyRequests` with the whole seconds until the next one."""
        limit = key.requests_per_minute
        if limit is None:
            return
        now, per_second = self._now(), limit / 60
        bucket = self._buckets.setdefault(key.sha256, _Bucket(limit, now))
        filled = bucket.tokens + (now - bucket.filled_at) * per_second
        bucket.tokens, bucket.filled_at = min(float(limit), filled), now
        if bucket.tokens < 1:
            raise TooManyRequests(
                f"The key '{key.name}' may send {limit} requests a minute.",
                math.ceil((1 - bucket.tokens) / per_second),
            )
        bucket.tokens -= 1
