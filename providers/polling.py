"""Following a submission that goes on at a vendor: what polls say, and what their failures mean.

Nothing is paid by a poll: one that fails is repeated with the ticket that is put down.
"""

from __future__ import annotations

import re
from typing import Any

import httpx

from domain.errors import Billed, JobFailure, OutcomeUnknown
from providers.http import VendorHttp

_PERCENT = re.compile(r"(\d{1,3})%\s*\|")
"""A line of tqdm's, as image models log them: ` 43%|████▎     | 12/28 [00:01<00:01, 9.8it/s]`."""
_LAST_CHARACTERS = 1000


def json_of(answer: httpx.Response) -> dict[str, Any]:
    """The JSON object of an answer, empty where there is none."""
    try:
        body = answer.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def share_in(logs: str) -> float | None:
    """How much of the work is done, 0 to 1, by a model's progress bar."""
    percents = _PERCENT.findall(logs[-_LAST_CHARACTERS:])
    return min(int(percents[-1]) / 100, 1.0) if percents else None


def lost_track(name: str, what: str) -> OutcomeUnknown:
    """A submission of which the vendor tells nothing."""
    return OutcomeUnknown(
        f"{name} {what}; it may have been paid.", provider=name, billed=Billed.UNKNOWN
    )


def poll_failure(http: VendorHttp, answer: httpx.Response, said: str) -> JobFailure:
    """Why the vendor does not tell how a submission stands; `said` is its message."""
    if answer.status_code in (404, 410):
        return lost_track(http.name, "does not know the submission")
    failure = http.failure(answer.status_code, said, answer.headers, is_paid=False)
    if not failure.retryable:
        # The work goes on there, whatever keeps us from asking for it.
        failure.billed = Billed.UNKNOWN
    return failure


def below(base_url: str, address: str) -> str | None:
    """The address relative to the vendor's own; None for another host's, which gets no key."""
    return address.removeprefix(base_url) if address.startswith(f"{base_url}/") else None
