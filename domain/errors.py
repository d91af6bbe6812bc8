"""Everything that can go wrong, as one tree; each error knows its consequences.

DarkroomError            code, title, http_status
├── Refusal              the request is not taken
│   ├── Unauthenticated 401, Forbidden 403
│   ├── InvalidRequest, CapabilityMissing, ModelShutDown, ProviderNotConfigured      422
│   ├── JobNotFound, BatchNotFound, FileNotFound, RouteNotFound, DeliveryNotFound    404
│   ├── MethodNotAllowed                                                             405
│   ├── FileGone                                                                     410
│   ├── NotReviewable, AlreadyTerminal, NotRetryable, IdempotencyInFlight            409
│   ├── IdempotencyKeyReused                                                         422
│   ├── BodyTooLarge 413, UnsupportedMediaType 415, RangeNotSatisfiable 416
│   ├── BudgetExhausted, TooManyRequests                                             429
│   ├── QueueUnavailable                                                             500
│   └── EngineAway                                                                   503
└── JobFailure           an accepted job ends without an image
    ├── ContentRejected, ProviderAuth, ProviderQuota, ProviderModelShutDown, RequestRejected
    ├── ProviderRateLimited                                                      retryable
    ├── ProviderUnavailable                                                      retryable
    │   └── GenerationFailed
    ├── InvalidOutput, DeadlineExceeded, Cancelled, OutcomeUnknown, BudgetSpent
    ├── SigningFailed
    │   └── SigningUnavailable                                                   retryable
    └── StorageUnavailable (retryable), InternalFailure
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar


class Billed(StrEnum):
    """Whether the vendor charges for a call that failed."""

    NO = "no"
    YES = "yes"
    UNKNOWN = "unknown"


class DarkroomError(Exception):
    """The root: `code` is stable and machine-readable, the message is one human sentence."""

    code: ClassVar[str]
    title: ClassVar[str]
    http_status: ClassVar[int]

    @property
    def message(self) -> str:
        """The sentence shown to the caller."""
        return str(self.args[0]) if self.args else self.title


def codes(root: type[DarkroomError]) -> list[str]:
    """The codes of a branch of the tree, sorted."""
    own = {root.code} if "code" in root.__dict__ else set[str]()
    return sorted(own.union(*(codes(kind) for kind in root.__subclasses__())))


class Refusal(DarkroomError):
    """The request is refused as a whole; nothing was started and nothing was paid."""

    retry_after_seconds: int | None = None


class Unauthenticated(Refusal):
    """No key was sent, or none that is known."""

    code, title, http_status = "unauthenticated", "A key is needed", 401


class Forbidden(Refusal):
    """The key lacks the scope, or no key is set up and the caller is not on this machine."""

    code, title, http_status = "forbidden", "Not allowed", 403


class InvalidRequest(Refusal):
    """The request does not fit the schema; `errors` names field and problem."""

    code, title, http_status = "invalid_request", "The request is not valid", 422

    def __init__(self, message: str, errors: list[tuple[str, str]] | None = None) -> None:
        super().__init__(message)
        self.errors = errors or []


class CapabilityMissing(InvalidRequest):
    """The chosen model cannot do what was asked."""

    code, title = "capability_missing", "The model cannot do this"


class ModelShutDown(InvalidRequest):
    """The vendor has shut the model down."""

    code, title = "model_shut_down", "The model is shut down"


class ProviderNotConfigured(InvalidRequest):
    """The provider is unknown here, or lacks its package or key."""

    code, title = "provider_not_configured", "The provider is not configured"


class JobNotFound(Refusal):
    """No such job, or another tenant's."""

    code, title, http_status = "job_not_found", "Job not found", 404


class BatchNotFound(Refusal):
    """No such batch, or another tenant's."""

    code, title, http_status = "batch_not_found", "Batch not found", 404


class DeliveryNotFound(Refusal):
    """No such webhook delivery of that job or batch, or one that the engine has forgotten."""

    code, title, http_status = "delivery_not_found", "Delivery not found", 404


class FileNotFound(Refusal):
    """No stored file under that key."""

    code, title, http_status = "file_not_found", "File not found", 404


class FileGone(Refusal):
    """What lay under that key was deleted, as the operator has set it up."""

    code, title, http_status = "file_gone", "The file is gone", 410


class RouteNotFound(Refusal):
    """No such path in this API."""

    code, title, http_status = "not_found", "Not found", 404


class MethodNotAllowed(Refusal):
    """The path exists, the method does not."""

    code, title, http_status = "method_not_allowed", "Method not allowed", 405


class NotReviewable(Refusal):
    """The job is not a completed draft that awaits review."""

    code, title, http_status = "not_reviewable", "Not reviewable", 409


class AlreadyTerminal(Refusal):
    """The job has ended; there is nothing left to cancel."""

    code, title, http_status = "already_terminal", "Already finished", 409


class NotRetryable(Refusal):
    """The job has not failed."""

    code, title, http_status = "not_retryable", "Not retryable", 409


class IdempotencyInFlight(Refusal):
    """The key is another request's, and whether it was the same one cannot be told now."""

    code, title, http_status = "idempotency_in_flight", "The first request is under way", 409
    retry_after_seconds = 2


class IdempotencyKeyReused(Refusal):
    """The tenant has sent this key with another request."""

    code, title, http_status = "idempotency_key_reused", "The key was used before", 422


class BodyTooLarge(Refusal):
    """The request body is over the limit."""

    code, title, http_status = "body_too_large", "The body is too large", 413


class UnsupportedMediaType(Refusal):
    """The body is not JSON, or, where a picture is taken, no picture."""

    code, title, http_status = "unsupported_media_type", "Unsupported media type", 415


class RangeNotSatisfiable(Refusal):
    """The byte range lies outside the file."""

    code, title, http_status = "range_not_satisfiable", "The range is not satisfiable", 416


class BudgetExhausted(Refusal):
    """A budget of the tenant or the blog has no room for the price."""

    code, title, http_status = "budget_exhausted", "The budget is used up", 429

    def __init__(self, message: str, retry_after_seconds: int) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class TooManyRequests(Refusal):
    """The key has used up its requests for now."""

    code, title, http_status = "too_many_requests", "Too many requests", 429

    def __init__(self, message: str, retry_after_seconds: int) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class QueueUnavailable(Refusal):
    """The engine cannot take a job now; deployed clients fall back to `generate` on exactly 500."""

    code, title, http_status = "queue_unavailable", "The job queue is unavailable", 500
    retry_after_seconds = 5


class EngineAway(Refusal):
    """Where a job stands cannot be asked now, nor a decision be taken; the job goes on.

    Not 500: deployed clients would make the image again.
    """

    code, title, http_status = "status_unavailable", "The status is unavailable", 503
    retry_after_seconds = 2


class JobFailure(DarkroomError):
    """A job ends, or an attempt at it does, without an image."""

    retryable: ClassVar[bool] = False
    fallback: ClassVar[bool] = False
    """Whether another provider could do better with the same request."""

    def __init__(
        self,
        message: str,
        *,
        provider: str | None = None,
        billed: Billed = Billed.NO,
        retry_after_seconds: float | None = None,
        flagged: str | None = None,
        context: str | None = None,
    ) -> None:
        super().__init__(message)
        self.context = context
        """For logs only: what callers need not see, such as keys."""
        self.provider = provider
        self.billed = billed
        self.retry_after_seconds = retry_after_seconds
        self.flagged = flagged
        """What was refused: `prompt`, `reference` or `output`."""

    def __str__(self) -> str:
        return f"{self.message} [{self.context}]" if self.context else self.message


class ContentRejected(JobFailure):
    """The vendor's moderation refused the prompt, the reference or the output."""

    code, title, http_status = "content_rejected", "The content was rejected", 422
    fallback = True


class ProviderUnavailable(JobFailure):
    """The vendor is down, unreachable or answers 5xx."""

    code, title, http_status = "provider_unavailable", "The provider is unavailable", 502
    retryable = fallback = True


class GenerationFailed(ProviderUnavailable):
    """The vendor took the job, failed at it, and the submission is over: another one may work."""


class ProviderRateLimited(JobFailure):
    """The vendor asks us to slow down; `retry_after_seconds` is its own word where it gave one."""

    code, title, http_status = "provider_rate_limited", "The provider limits our rate", 502
    retryable = fallback = True


class ProviderAuth(JobFailure):
    """The vendor does not accept our credentials."""

    code, title, http_status = "provider_auth", "The provider refused our credentials", 502
    fallback = True


class ProviderQuota(JobFailure):
    """The account at the vendor has no credit left."""

    code, title, http_status = "provider_quota", "The provider's quota is used up", 502
    fallback = True


class ProviderModelShutDown(JobFailure):
    """The vendor says that the model is gone or unknown."""

    code, title, http_status = "model_shut_down", "The model is shut down", 502
    fallback = True


class RequestRejected(JobFailure):
    """The vendor calls the request itself invalid."""

    code, title, http_status = "invalid_request", "The provider refused the request", 422
    fallback = True


class InvalidOutput(JobFailure):
    """What the vendor sent is not the picture that was asked for."""

    code, title, http_status = "invalid_output", "The provider's output is not usable", 502
    fallback = True


class DeadlineExceeded(JobFailure):
    """The job ran out of time."""

    code, title, http_status = "deadline_exceeded", "The job ran out of time", 504
    fallback = True


class Cancelled(JobFailure):
    """Somebody cancelled the job."""

    code, title, http_status = "cancelled", "The job was cancelled", 409


class OutcomeUnknown(JobFailure):
    """A paid call was sent and its answer never seen."""

    code, title, http_status = "outcome_unknown", "The outcome of a paid call is unknown", 502


class BudgetSpent(JobFailure):
    """A budget had room when the job was accepted and has none now; nothing was sent."""

    code, title, http_status = "budget_exhausted", "The budget is used up", 429
    fallback = True


class StorageUnavailable(JobFailure):
    """The object store does not take or give the bytes."""

    code, title, http_status = "storage_unavailable", "The image store is unavailable", 503
    retryable = True


class SigningFailed(JobFailure):
    """A final cannot be signed, though a certificate is set up; the picture exists."""

    code, title, http_status = "signing_failed", "The final could not be signed", 500


class SigningUnavailable(SigningFailed):
    """It can be signed once the certificate is renewed or the timestamp authority is back."""

    retryable = True


class InternalFailure(JobFailure):
    """A defect of ours."""

    code, title, http_status = "internal", "Something went wrong on our side", 500
