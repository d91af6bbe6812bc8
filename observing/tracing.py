"""OpenTelemetry traces, from a request to the vendor's answer, where a collector is named.

Where none is, nothing is imported but the API that libraries call, and every span is a no-op.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode

from domain.errors import JobFailure

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter
    from temporalio.contrib.opentelemetry import TracingInterceptor

ERROR_TYPE = "error.type"

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_FLUSH_SECONDS = 1.0

_tracer = trace.get_tracer("darkroom")


class Tracing:
    """The traces of one process; `interceptor` is for its client of the engine.

    Of Temporal's two integrations it is the one whose workflow spans have no length: the other
    one's are sent when a workflow ends, and drafts await review for days.
    """

    def __init__(self, provider: TracerProvider) -> None:
        from temporalio.contrib.opentelemetry import TracingInterceptor

        self._provider = provider
        self.interceptor: TracingInterceptor = TracingInterceptor(provider.get_tracer("temporalio"))

    def close(self) -> None:
        """Send what is left; a collector that is away holds nobody up for long."""
        flush = threading.Thread(target=self._provider.shutdown, daemon=True)
        flush.start()
        flush.join(_FLUSH_SECONDS)


def start_tracing(service: str, version: str, environment: Mapping[str, str]) -> Tracing | None:
    """Trace this process as `OTEL_…` variables say; None where they name no collector.

    Source: the OpenTelemetry specification's environment variables, read by its SDK.
    """
    is_off = environment.get("OTEL_SDK_DISABLED", "").lower() == "true"
    if is_off or not any(environment.get(name) for name in _ENDPOINTS):
        return None
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    name = environment.get("OTEL_SERVICE_NAME", service)
    resource = Resource.create({"service.name": name, "service.version": version})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(_wordless(OTLPSpanExporter())))
    trace.set_tracer_provider(provider)
    return Tracing(provider)


@contextmanager
def vendor_call(provider: str, model: str, images: int) -> Iterator[None]:
    """The span of one call to a vendor; its error is the code of the failure."""
    attributes: dict[str, str | int] = {
        "gen_ai.operation.name": "generate_content",
        "gen_ai.provider.name": provider,
        "gen_ai.request.model": model,
        "gen_ai.request.choice.count": images,
    }
    with _tracer.start_as_current_span(
        f"generate {provider}",
        kind=SpanKind.CLIENT,
        attributes=attributes,
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        try:
            yield
        except JobFailure as failure:
            span.set_attribute(ERROR_TYPE, failure.code)
            span.set_status(StatusCode.ERROR)
            raise


def _wordless(exporter: SpanExporter) -> SpanExporter:
    """The exporter without the messages of exceptions: vendors quote prompts in them."""
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

    class Wordless(SpanExporter):
        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            return exporter.export([_without_words(span) for span in spans])

        def shutdown(self) -> None:
            exporter.shutdown()

        def force_flush(self, timeout_millis: int = 30000) -> bool:
            return exporter.force_flush(timeout_millis)

    return Wordless()


def _without_words(span: ReadableSpan) -> ReadableSpan:
    from opentelemetry.sdk.trace import Event, ReadableSpan

    kept = "exception.type"
    events = [
        Event(
            event.name,
            {kept: event.attributes[kept]} if event.attributes and kept in event.attributes else {},
            event.timestamp,
        )
        for event in span.events
    ]
    return ReadableSpan(
        name=span.name,
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=span.attributes,
        events=events,
        links=span.links,
        kind=span.kind,
        status=trace.Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )
