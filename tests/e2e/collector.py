"""An OpenTelemetry collector: takes spans over OTLP HTTP and keeps them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from tests.serving import posts_to


class Span(NamedTuple):
    service: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    attributes: dict[str, Any]
    text: str
    """All of it, as protobuf prints it."""


class Collector:
    """What it was sent so far."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.hook = f"{url}/hook"
        """Takes any webhook and forgets it."""
        self.spans: list[Span] = []

    def named(self, name: str) -> list[Span]:
        return [span for span in self.spans if span.name == name]

    def trace(self, trace_id: str) -> list[Span]:
        return [span for span in self.spans if span.trace_id == trace_id]

    def take(self, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        """What is answered to spans, or to a webhook."""
        if path == "/v1/traces":
            self._keep(ExportTraceServiceRequest.FromString(body))
        return 200, ExportTraceServiceResponse().SerializeToString()

    def _keep(self, request: ExportTraceServiceRequest) -> None:
        for of_resource in request.resource_spans:
            service = _plain(of_resource.resource.attributes)["service.name"]
            for of_scope in of_resource.scope_spans:
                self.spans += [_span(service, span) for span in of_scope.spans]


def _span(service: str, span: Any) -> Span:
    return Span(
        service,
        span.name,
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        _plain(span.attributes),
        str(span),
    )


def _plain(attributes: Any) -> dict[str, Any]:
    return {attribute.key: _value(attribute.value) for attribute in attributes}


def _value(value: AnyValue) -> Any:
    return getattr(value, value.WhichOneof("value") or "string_value")


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector on a loopback port of its own."""
    with posts_to(lambda *sent: collector.take(*sent)) as url:
        collector = Collector(url)
        yield collector
