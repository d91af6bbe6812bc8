"""Every metric of Darkroom, with its name, its labels and where it is counted.

No label ever holds an id, a prompt or anything else that callers choose: models are the
catalogue's, routes are templates, all else is one of our enumerations.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    ProcessCollector,
)

from domain.costs import CostEntry
from domain.errors import BudgetSpent
from domain.jobs import Attempt
from domain.retention import Report

OTHER = "other"

_ANSWER_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_WORK_SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 60, 120, 300, 600, 1800)
_WAIT_SECONDS = (0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60, 300, 1800, 7200, 43200)
_LAG_SECONDS = (0.1, 0.5, 1, 5, 30, 60, 300, 3600, 21600, 86400, 259200)


class Meters:
    """One set for one process, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self._models: Mapping[str, Collection[str]] = {}
        counter = partial(Counter, registry=self.registry)
        gauge = partial(Gauge, registry=self.registry)
        histogram = partial(Histogram, registry=self.registry)

        self.requests = counter(
            "darkroom_http_requests",
            "HTTP requests by route template; 499 is a caller who hung up",
            ["method", "route", "status"],
        )
        self.request_seconds = histogram(
            "darkroom_http_request_seconds",
            "From a request's arrival to the end of its answer, streams and long polls left out",
            ["method", "route"],
            buckets=_ANSWER_SECONDS,
        )
        self.open_streams = gauge(
            "darkroom_open_streams", "Server-Sent Events streams that are open", ["route"]
        )
        self.submissions = counter(
            "darkroom_submissions",
            "Requests for new work; the outcome is 'accepted' or the code of the refusal",
            ["kind", "outcome"],
        )
        self.engine_calls = counter(
            "darkroom_engine_calls", "Calls of the API to the engine", ["call", "outcome"]
        )
        self.engine_call_seconds = histogram(
            "darkroom_engine_call_seconds",
            "How long they took",
            ["call"],
            buckets=_ANSWER_SECONDS,
        )
        self.inline_renders = counter(
            "darkroom_inline_renders",
            "Jobs that were rendered in the API's process while the engine was away",
            ["outcome"],
        )
        self.backlog = gauge(
            "darkroom_queue_backlog", "Tasks in the engine that wait for a worker", ["queue"]
        )
        self.backlog_age_seconds = gauge(
            "darkroom_queue_backlog_age_seconds", "How long the oldest of them waits", ["queue"]
        )
        self.pollers = gauge(
            "darkroom_queue_pollers", "Workers that have lately asked a queue for work", ["queue"]
        )
        self.budget_refusals = counter(
            "darkroom_budget_refusals",
            "What a budget had no room for: at submission, or right before the paid call",
            ["at"],
        )
        self.provider_calls = counter(
            "darkroom_provider_calls",
            "Tries at a provider as `attempts` tells them; `code` is why one failed",
            ["provider", "model", "outcome", "code"],
        )
        self.render_seconds = histogram(
            "darkroom_render_seconds",
            "One try at rendering, storing the originals included",
            ["provider", "model", "outcome"],
            buckets=_WORK_SECONDS,
        )
        self.develop_seconds = histogram(
            "darkroom_develop_seconds",
            "Variants, marks and the record of one job",
            ["provider", "model", "outcome"],
            buckets=_WORK_SECONDS,
        )
        self.queue_seconds = histogram(
            "darkroom_render_queue_seconds",
            "How long a render waited for a worker of its provider",
            ["provider"],
            buckets=_WAIT_SECONDS,
        )
        self.paid_usd = counter(
            "darkroom_paid_usd", "Dollars paid, as the bill has them", ["provider", "model"]
        )
        self.paid_calls = counter(
            "darkroom_paid_calls", "Paid calls whose cost is known", ["provider", "model"]
        )
        self.unknown_calls = counter(
            "darkroom_unknown_calls",
            "Calls of which nobody knows what they cost, or whether they were paid",
            ["provider", "model"],
        )
        self.unknown_usd = counter(
            "darkroom_unknown_usd",
            "What those would cost by list price, where there is one",
            ["provider", "model"],
        )
        self.jobs = counter(
            "darkroom_jobs",
            "Jobs that ended; a draft ends when its picture is there",
            ["kind", "status", "code"],
        )
        self.reviews = counter("darkroom_reviews", "Drafts that were decided", ["decision"])
        self.deliveries = counter(
            "darkroom_webhook_deliveries",
            "Tries at delivering a webhook: delivered, retried or given up",
            ["event", "outcome"],
        )
        self.swept_jobs = counter(
            "darkroom_swept_jobs",
            "Jobs whose files were deleted as they are kept no longer",
            ["kind"],
        )
        self.swept_objects = counter("darkroom_swept_objects", "Those files", ["kind"])
        self.swept_bytes = counter("darkroom_swept_bytes", "Their size", ["kind"])
        self.webhook_lag_seconds = histogram(
            "darkroom_webhook_lag_seconds",
            "From what happened to its delivery",
            ["event"],
            buckets=_LAG_SECONDS,
        )

    def know(self, models: Mapping[str, Collection[str]]) -> None:
        """The models of each provider; any other one is counted as 'other'."""
        self._models = models

    def named(self, provider: str, model: str) -> tuple[str, str]:
        """The labels `provider` and `model`."""
        models = self._models.get(provider)
        if models is None:
            return OTHER, OTHER
        return provider, model if model in models else OTHER

    def tried(self, attempt: Attempt, seconds: float) -> None:
        """One try at one provider has ended."""
        provider, model = self.named(attempt.provider, attempt.model)
        code = attempt.error.code if attempt.error else ""
        self.provider_calls.labels(provider, model, attempt.outcome, code).inc()
        self.render_seconds.labels(provider, model, attempt.outcome).observe(seconds)
        if code == BudgetSpent.code:
            self.budget_refusals.labels("render").inc()

    def swept(self, report: Report) -> None:
        """A page of a sweep has deleted files."""
        for kind, tally in report.items():
            self.swept_jobs.labels(kind).inc(tally.jobs)
            self.swept_objects.labels(kind).inc(tally.objects)
            self.swept_bytes.labels(kind).inc(tally.size_bytes)

    def entered(self, entry: CostEntry, price_usd: float | None) -> None:
        """A call was entered in the bill; `price_usd` is what it costs by list."""
        labels = self.named(entry.provider, entry.model)
        if entry.is_known:
            self.paid_calls.labels(*labels).inc()
            self.paid_usd.labels(*labels).inc(entry.amount_usd or 0.0)
        else:
            self.unknown_calls.labels(*labels).inc()
            self.unknown_usd.labels(*labels).inc(price_usd or 0.0)
