from __future__ import annotations

import subprocess
import sys

import pytest
from opentelemetry import trace

from domain.errors import ContentRejected
from observing.tracing import start_tracing, vendor_call

_COLLECTOR = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}


@pytest.mark.parametrize("environment", [{}, {**_COLLECTOR, "OTEL_SDK_DISABLED": "true"}])
def test_nothing_is_traced_unless_a_collector_is_named(environment: dict[str, str]) -> None:
    assert start_tracing("darkroom-test", "1", environment) is None


def test_what_is_not_used_is_not_loaded() -> None:
    program = (
        "import sys, observing.tracing as tracing\n"
        "assert tracing.start_tracing('darkroom-test', '1', {}) is None\n"
        "loaded = [m for m in sys.modules if m.startswith('opentelemetry')]\n"
        "print([m for m in loaded if '.sdk' in m or '.exporter' in m])\n"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    assert loaded.stdout.strip() == "[]"


def test_a_call_that_is_not_traced_is_a_call_all_the_same() -> None:
    with vendor_call("fal", "flux", 1):
        assert not trace.get_current_span().is_recording()
    with pytest.raises(ContentRejected), vendor_call("fal", "flux", 1):
        raise ContentRejected("no")
