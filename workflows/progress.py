"""How a job's progress is shared out among the providers that may have to be tried."""

from __future__ import annotations

from domain.jobs import PROGRESS_GENERATING, PROGRESS_UPLOADING


def render_span(place: int, targets: int) -> tuple[int, int]:
    """From and to, in percent, of the target at `place`.

    Each target but the last gets half of what is left, so that falling back never goes down.
    """
    whole = PROGRESS_UPLOADING - PROGRESS_GENERATING
    start = PROGRESS_UPLOADING - whole * 0.5**place
    end = (
        PROGRESS_UPLOADING
        if place + 1 == targets
        else PROGRESS_UPLOADING - whole * 0.5 ** (place + 1)
    )
    return int(start), int(end)
