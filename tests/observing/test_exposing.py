from __future__ import annotations

import logging
import socket

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from observing.core import CoreMetrics, metered_runtime
from observing.exposing import exposed
from observing.meters import Meters
from tests.waiting import free_port

HERE = "127.0.0.1"


async def scraped(port: int) -> str:
    async with httpx.AsyncClient(trust_env=False) as http:
        answer = await http.get(f"http://{HERE}:{port}/metrics")
    assert answer.status_code == 200
    return answer.text


class TestExposed:
    async def test_metrics_are_served_for_as_long_as_the_block_runs(self) -> None:
        meters, port = Meters(), free_port()
        meters.reviews.labels("approved").inc()
        async with exposed(meters.registry, HERE, port):
            assert 'darkroom_reviews_total{decision="approved"} 1.0' in await scraped(port)
        with pytest.raises(httpx.ConnectError):
            await scraped(port)

    async def test_without_a_port_nothing_is_served(self) -> None:
        async with exposed(Meters().registry, HERE, None):
            pass

    async def test_a_port_that_is_taken_stops_no_worker(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.ERROR), socket.create_server((HERE, 0)) as taken:
            port = taken.getsockname()[1]
            async with exposed(Meters().registry, HERE, port):
                assert f"cannot be served at {HERE}:{port}" in caplog.text


class TestCoreMetrics:
    async def test_they_are_served_beside_ours(self) -> None:
        runtime, core = metered_runtime("info")
        runtime.metric_meter.create_counter("answers", "Answers", "1").add(42)
        meters, port = Meters(), free_port()
        meters.registry.register(core)
        async with exposed(meters.registry, HERE, port):
            families = text_string_to_metric_families(await scraped(port))
            counted = {s.name: s.value for family in families for s in family.samples}
        assert [value for name, value in counted.items() if "answers" in name] == [42]

    async def test_where_core_does_not_answer_ours_are_served_all_the_same(self) -> None:
        meters, port = Meters(), free_port()
        meters.registry.register(CoreMetrics(f"http://{HERE}:{free_port()}/metrics"))
        async with exposed(meters.registry, HERE, port):
            assert "darkroom_reviews_total" in await scraped(port)


class TestMeters:
    def test_models_that_the_catalogue_does_not_know_share_a_label(self) -> None:
        meters = Meters()
        meters.know({"fal": ["flux"]})
        assert meters.named("fal", "flux") == ("fal", "flux")
        assert meters.named("fal", "whatever a caller wrote") == ("fal", "other")
        assert meters.named("nobody", "flux") == ("other", "other")
