"""What the API's own process counts, read as Prometheus reads it."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from api import context
from domain.keys import Scope
from observing import logs
from tests.api.conftest import Caller, Serve, problem, small
from tests.api.events import streaming
from tests.api.keys import key, with_key
from tests.conftest import WorkerFactory
from tests.waiting import eventually


async def count(api: Caller, name: str, **labels: object) -> float:
    """A sample's value now, 0 where it was never counted."""
    answer = await api.http.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    wanted = {label: str(value) for label, value in labels.items()}
    found = [
        sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
        if sample.name == name and sample.labels == wanted
    ]
    return found[0] if found else 0


class TestRequests:
    async def test_they_are_counted_by_the_templates_of_their_routes(self, api: Caller) -> None:
        for job_id in ("img_0a", "img_0b"):
            problem(await api.get(f"/jobs/{job_id}"), 404, "job_not_found")
        asked = {"method": "GET", "route": "/jobs/{job_id}"}
        assert await count(api, "darkroom_http_requests_total", status=404, **asked) == 2
        assert await count(api, "darkroom_http_request_seconds_count", **asked) == 2

    async def test_what_no_route_knows_is_one_label(self, api: Caller) -> None:
        for path in ("/wp-login.php", "/.env"):
            await api.http.get(path)
        await api.http.request("PROPFIND", "/dav")
        nowhere = {"route": "none", "status": 404}
        assert await count(api, "darkroom_http_requests_total", method="GET", **nowhere) == 2
        assert await count(api, "darkroom_http_requests_total", method="other", **nowhere) == 1

    async def test_a_long_poll_is_no_slow_answer(self, api: Caller) -> None:
        await api.get("/jobs/img_0a?wait=1")
        asked = {"method": "GET", "route": "/jobs/{job_id}"}
        assert await count(api, "darkroom_http_requests_total", status=404, **asked) == 1
        assert await count(api, "darkroom_http_request_seconds_count", **asked) == 0

    async def test_a_stream_is_open_for_as_long_as_somebody_listens(self, api: Caller) -> None:
        job_id = await api.create()
        route = {"route": "/jobs/{job_id}/events"}
        async with streaming(api, f"/jobs/{job_id}/events"):
            assert await count(api, "darkroom_open_streams", **route) == 1

        async def look() -> bool:
            return await count(api, "darkroom_open_streams", **route) == 0

        await eventually(look, "the stream is closed")


class TestSubmissions:
    async def test_they_are_counted_by_kind_and_outcome(self, api: Caller) -> None:
        await api.create()
        await api.create_batch({}, {})
        problem(await api.post("/generate-async", {"prompt": ""}), 422, "invalid_request")
        name = "darkroom_submissions_total"
        assert await count(api, name, kind="job", outcome="accepted") == 1
        assert await count(api, name, kind="batch", outcome="accepted") == 1
        assert await count(api, name, kind="job", outcome="invalid_request") == 1
        started = {"call": "start", "outcome": "ok"}
        assert await count(api, "darkroom_engine_calls_total", **started) == 2

    async def test_a_budgets_refusal_is_counted(self, serve: Serve, tmp_path: Path) -> None:
        config = tmp_path / "poor.toml"
        config.write_text(
            "[providers.studio.models.studio-1]\n"
            'price = { per_image_usd = 0.5, source = "here", date = 2026-11-23 }\n'
            "[[budgets]]\namount_usd = 0\nperiod = 'day'\n"
        )
        async with serve(config=config) as api:
            problem(await api.post("/generate-async", small()), 429, "budget_exhausted")
            assert await count(api, "darkroom_budget_refusals_total", at="submission") == 1

    async def test_what_is_rendered_here_is_counted(
        self, serve: Serve, closed_address: str
    ) -> None:
        async with serve(engine=closed_address) as api:
            assert (await api.post("/generate", small())).status_code == 200
            assert await count(api, "darkroom_inline_renders_total", outcome="completed") == 1
            tried = {"provider": "studio", "model": "studio-1", "outcome": "completed"}
            assert await count(api, "darkroom_provider_calls_total", code="", **tried) == 1


class TestQueues:
    async def test_work_that_no_worker_takes_is_seen(
        self, api: Caller, new_worker: WorkerFactory
    ) -> None:
        job_id = await api.create()
        queue = {"queue": "darkroom/workflows"}

        async def look() -> bool:
            return await count(api, "darkroom_queue_backlog", **queue) == 1

        await eventually(look, "the engine tells of the task that waits")
        assert await count(api, "darkroom_queue_pollers", **queue) == 0
        async with new_worker():
            await api.completed(job_id)
            assert await count(api, "darkroom_queue_pollers", **queue) == 1

    async def test_without_an_engine_nothing_is_told_of_them(
        self, serve: Serve, closed_address: str
    ) -> None:
        async with serve(engine=closed_address) as api:
            text = (await api.http.get("/metrics")).text
            assert "darkroom_queue_backlog{" not in text
            await api.get("/jobs/img_0a")
            away = {"call": "describe", "outcome": "unavailable"}
            assert await count(api, "darkroom_engine_calls_total", **away) == 1


class TestWhoMayAsk:
    async def test_a_key_must_be_an_administrators(self, serve: Serve) -> None:
        keys = (key("admin", Scope.ADMIN), key("read", Scope.READ))
        async with serve(api_keys=keys) as api:
            problem(await api.http.get("/metrics"), 401, "unauthenticated")
            async with with_key(api, "read") as reader:
                problem(await reader.http.get("/metrics"), 403, "forbidden")
            async with with_key(api, "admin") as administrator:
                assert await count(administrator, "darkroom_open_streams") == 0


class TestLogLines:
    async def test_what_changes_something_is_told_with_its_request_and_its_job(
        self, api: Caller, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.handler.setFormatter(logs.formatter("json", more_facts=context.facts))
        with caplog.at_level(logging.INFO, "darkroom.api"):
            answer = await api.post("/generate-async", small())
            await api.job(answer.json()["job_id"])
            refused = await api.post("/jobs/img_0a/approve", {})
        [accepted, unknown] = [json.loads(line) for line in caplog.text.splitlines()]
        assert accepted["job_id"] == answer.json()["job_id"]
        assert accepted["request_id"] == answer.headers["X-Request-ID"]
        assert accepted["tenant"] == "default"
        assert unknown["request_id"] == refused.headers["X-Request-ID"]
        assert (unknown["job_id"], unknown["code"]) == ("img_0a", "job_not_found")

    async def test_nobody_writes_lines_of_their_own(
        self, api: Caller, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.handler.setFormatter(logs.formatter("text"))
        with caplog.at_level(logging.INFO, "darkroom.api"):
            await api.post("/jobs/img_0%0A2026-11-23 ERROR it burns/approve", {})
        assert len(caplog.text.splitlines()) == 1
        assert "img_0%0A" in caplog.text
