"""What a client raises, as one tree.

DarkroomError
├── ConnectionFailed          no answer came, also after every try
├── Refused                   an answer that is not 2xx: `status`, `code`, `errors`
│   ├── Unauthenticated 401, Forbidden 403
│   ├── NotFound                                                 404
│   ├── Conflict                                                 409
│   ├── InvalidRequest                                           413, 415, 422
│   ├── LimitReached                                             429
│   └── ServerFailed                                             5xx
│       └── QueueUnavailable                                     500 `queue_unavailable`
├── JobFailed                 the job ended without an image
├── WaitedTooLong             it may still come: the job goes on
├── WebhookInvalid            not signed by who knows the secret, or not now
└── DownloadFailed            the bytes are not the image's
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx

    from darkroom_client.types import FieldProblem, ImageJobStatusResponse


class DarkroomError(Exception):
    """The root; its text is one sentence for whoever reads it."""


class ConnectionFailed(DarkroomError):
    """Nothing answers at the address."""


class Refused(DarkroomError):
    """The server's answer was a problem (RFC 9457); `code` is stable, the text is its `detail`."""

    def __init__(
        self,
        detail: str,
        *,
        status: int,
        code: str,
        errors: list[FieldProblem] | None = None,
        retry_after_seconds: float | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.errors = errors or []
        self.retry_after_seconds = retry_after_seconds
        self.request_id = request_id
        """What the server's log knows the request by."""


class Unauthenticated(Refused):
    """No key was sent, or none that is known."""


class Forbidden(Refused):
    """The key lacks the scope."""


class NotFound(Refused):
    """There is no such thing, or it is another tenant's."""


class Conflict(Refused):
    """It is not in a state for this: `code` says which."""


class InvalidRequest(Refused):
    """`errors` names each field and what is wrong with it."""


class LimitReached(Refused):
    """Too many requests, or a budget that is used up: `code` says which."""


class ServerFailed(Refused):
    """The server cannot do it now."""


class QueueUnavailable(ServerFailed):
    """No job can be started now; `generate` may still make the image."""


class JobFailed(DarkroomError):
    """The job ended without an image; the text is its `error_message`."""

    def __init__(self, job: ImageJobStatusResponse) -> None:
        super().__init__(job.get("error_message", "The job failed."))
        self.job = job
        error = job.get("error")
        self.code = error["code"] if error else "internal"


class WaitedTooLong(DarkroomError):
    """The time to wait is over; the job is not."""

    def __init__(self, job_id: str, seconds: float) -> None:
        super().__init__(f"'{job_id}' has not ended after {seconds:g} seconds; it goes on.")
        self.job_id = job_id


class WebhookInvalid(DarkroomError):
    """The message is not to be believed."""


class DownloadFailed(DarkroomError):
    """What came is not the image that was promised."""


_BY_STATUS: dict[int, type[Refused]] = {
    401: Unauthenticated,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    413: InvalidRequest,
    415: InvalidRequest,
    422: InvalidRequest,
    429: LimitReached,
}


def refusal(response: httpx.Response) -> Refused:
    """The error of an answer that is not 2xx and has been read; a proxy's page has no code."""
    status = response.status_code
    try:
        problem = response.json()
    except ValueError:
        problem = None
    if not isinstance(problem, dict):
        problem = {}
    code = str(problem.get("code", ""))
    kind = _BY_STATUS.get(status, ServerFailed if status >= 500 else Refused)
    if code == "queue_unavailable":
        kind = QueueUnavailable
    return kind(
        str(problem.get("detail") or f"The server answered {status}."),
        status=status,
        code=code,
        errors=problem.get("errors"),
        retry_after_seconds=retry_after(response),
        request_id=response.headers.get("X-Request-ID"),
    )


def retry_after(response: httpx.Response) -> float | None:
    """Seconds, where the answer names them."""
    try:
        seconds = float(response.headers.get("Retry-After", ""))
    except ValueError:
        return None
    return seconds if 0 <= seconds < float("inf") else None
