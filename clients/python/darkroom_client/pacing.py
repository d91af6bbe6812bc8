"""How long to wait: between the tries of a request, and between two looks at a job. Pure."""

from __future__ import annotations

import random
from dataclasses import dataclass

from darkroom_client.errors import ConnectionFailed, DarkroomError, Refused

_WORTH_ANOTHER = frozenset(
    (
        *("queue_unavailable", "status_unavailable", "storage_unavailable"),
        *("too_many_requests", "idempotency_in_flight"),
    )
)
_GATEWAYS = frozenset((429, 502, 503, 504))


@dataclass(frozen=True)
class Retries:
    """How often a request is sent and how long it rests in between.

    Every request may be sent again: each `POST` carries an `Idempotency-Key`.
    """

    attempts: int = 4
    first_pause_seconds: float = 0.5
    longest_pause_seconds: float = 30.0

    def pause_seconds(self, attempt: int, error: DarkroomError) -> float | None:
        """Before the next try after `attempt`, counted from 1; None where there is none."""
        if attempt >= self.attempts or not is_worth_another(error):
            return None
        asked = error.retry_after_seconds if isinstance(error, Refused) else None
        if asked is not None:
            return asked if asked <= self.longest_pause_seconds else None
        pause = self.first_pause_seconds * 2 ** max(attempt - 1, 0)
        return float(min(pause, self.longest_pause_seconds) * random.uniform(0.5, 1))  # noqa: S311


def is_worth_another(error: DarkroomError) -> bool:
    """Whether the same request may fare better a moment later."""
    if isinstance(error, Refused):
        # An answer without a code is not Darkroom's: a proxy in front of it has lost its way.
        return error.code in _WORTH_ANOTHER or (not error.code and error.status in _GATEWAYS)
    return isinstance(error, ConnectionFailed)


def poll_seconds(looks: int, retry_after_seconds: float | None) -> float:
    """Before the next look after `looks` of them: the server's word, else 1 s x 1.5 up to 10 s."""
    if retry_after_seconds is not None:
        return min(max(retry_after_seconds, 0.1), 60.0)
    return float(min(1.5 ** min(looks - 1, 10), 10.0))
