"""Temporal's core, the engine's side of every client and worker: its log lines and its metrics."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from functools import cache
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector
from temporalio.runtime import PrometheusConfig, Runtime, TelemetryConfig

from observing import logs

_LOOPBACK = "127.0.0.1"
_TRIES = 3
_READ_SECONDS = 2.0
_open = build_opener(ProxyHandler({})).open


@cache
def quiet_runtime(log_level: str) -> Runtime:
    """A runtime whose log lines are ours; one for the process."""
    return Runtime(telemetry=TelemetryConfig(logging=logs.of_core(log_level)))


def metered_runtime(log_level: str) -> tuple[Runtime, CoreMetrics]:
    """The same with metrics, which it serves on a loopback port of its own for us to read."""
    for tries_left in reversed(range(_TRIES)):
        port = _free_port()
        metrics = PrometheusConfig(
            bind_address=f"{_LOOPBACK}:{port}",
            counters_total_suffix=True,
            unit_suffix=True,
            durations_as_seconds=True,
        )
        config = TelemetryConfig(logging=logs.of_core(log_level), metrics=metrics)
        try:
            return Runtime(telemetry=config), CoreMetrics(f"http://{_LOOPBACK}:{port}/metrics")
        except RuntimeError:
            # Somebody took the port in between.
            if not tries_left:
                raise
    raise AssertionError("it was tried at least once")


class CoreMetrics(Collector):
    """`temporal_…`, read where core serves them: counting them costs Python nothing."""

    def __init__(self, url: str) -> None:
        self._url = url

    def collect(self) -> Iterator[Metric]:
        """Each family; none where core does not answer."""
        try:
            with _open(self._url, timeout=_READ_SECONDS) as answer:
                text = answer.read().decode()
        except (URLError, OSError):
            return
        yield from text_string_to_metric_families(text)

    def describe(self) -> Iterator[Metric]:
        """Nothing is known before it is read."""
        return iter(())


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_LOOPBACK, 0))
        return int(probe.getsockname()[1])
