"""What an operator sees of one image: metrics of both processes, log lines, one trace."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from cli.up import CODE_ROOT
from tests.e2e.collector import Collector, Span, collecting
from tests.e2e.jobs import Watch, approve, assert_completed
from tests.e2e.stack import API, Json, Stack
from tests.e2e.waiting import eventually

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{TRACE_ID}-b7ad6b7169203331-01"
REQUEST_ID = "request-of-the-test"
REQUEST = f"POST {API}/generate-async"
PROMPT = "an unmistakable walrus in the fog"

DEPLOY = CODE_ROOT / "deploy"
_KINDS = "darkroom|temporal|process" if sys.platform == "linux" else "darkroom|temporal"
_METRIC = re.compile(rf"\b(?:{_KINDS})_\w+")


class Watched(NamedTuple):
    stack: Stack
    collector: Collector
    job_id: str
    """Of a draft that was made and approved, in a trace of the caller's."""


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    with collecting() as collector:
        stack = Stack(
            tmp_path_factory.mktemp("watched"),
            {
                "DARKROOM_LOG_FORMAT": "json",
                "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
                "OTEL_BSP_SCHEDULE_DELAY": "100",
                "DARKROOM_WEBHOOK_ALLOW_HOSTS": "127.0.0.1",
            },
        )
        try:
            stack.up()
            yield Watched(stack, collector, draft_and_final(stack, collector.hook))
        finally:
            stack.close()


def draft_and_final(stack: Stack, hook: str) -> str:
    answer = stack.http.post(
        f"{API}/generate-async",
        json={"prompt": PROMPT, "quality": "draft", "webhook_url": hook},
        headers={"traceparent": TRACEPARENT, "X-Request-ID": REQUEST_ID},
    )
    assert answer.status_code == 202, answer.text
    job_id = str(answer.json()["job_id"])
    watch = Watch(stack)
    assert_completed(stack, watch.until_ended([job_id]))
    assert_completed(stack, watch.until_ended([approve(stack, job_id)]))
    return job_id


def scraped(url: str) -> str:
    answer = httpx.get(f"{url}/metrics", trust_env=False)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    return answer.text


def samples(text: str) -> dict[tuple[str, frozenset[str]], float]:
    """Each sample by its name and the values of its labels."""
    return {
        (sample.name, frozenset(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def names_in(text: str) -> set[str]:
    """Every name that a query could use, of metrics without a sample too."""
    names = set()
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            suffixes = ("_bucket", "_sum", "_count") if kind == "histogram" else ("",)
            names |= {f"{name}{suffix}" for suffix in suffixes}
    return names


def log_lines(stack: Stack, part: str) -> list[Json]:
    log = stack.home / "logs" / f"{part}.log"
    return [json.loads(line) for line in log.read_text().splitlines()]


class TestMetrics:
    def test_the_api_counts_submissions_requests_and_engine_calls(self, watched: Watched) -> None:
        found = samples(scraped(watched.stack.url))
        assert found["darkroom_submissions_total", frozenset({"job", "accepted"})] == 1
        assert found["darkroom_submissions_total", frozenset({"final", "accepted"})] == 1
        asked = frozenset({"POST", "/generate-async", "202"})
        assert found["darkroom_http_requests_total", asked] == 1
        measured = frozenset({"POST", "/generate-async"})
        assert found["darkroom_http_request_seconds_count", measured] == 1
        assert found["darkroom_engine_calls_total", frozenset({"start", "ok"})] == 1
        assert found["darkroom_engine_calls_total", frozenset({"signal", "ok"})] == 1
        assert found["darkroom_queue_pollers", frozenset({"darkroom-studio"})] == 1
        assert found["darkroom_queue_backlog", frozenset({"darkroom-studio"})] == 0

    def test_the_worker_counts_tries_jobs_and_reviews(self, watched: Watched) -> None:
        def look() -> bool:
            # The record of the review is written a moment after the final has begun.
            text = scraped(watched.stack.worker_metrics_url)
            return samples(text).get(("darkroom_reviews_total", frozenset({"approved"}))) == 1

        eventually(look, "the review is counted")
        found = samples(scraped(watched.stack.worker_metrics_url))
        tried = frozenset({"studio", "studio-1", "completed", ""})
        assert found["darkroom_provider_calls_total", tried] == 2
        rendered = frozenset({"studio", "studio-1", "completed"})
        assert found["darkroom_render_seconds_count", rendered] == 2
        assert found["darkroom_develop_seconds_count", rendered] == 2
        assert found["darkroom_render_queue_seconds_count", frozenset({"studio"})] == 2
        for kind in ("draft", "final"):
            assert found["darkroom_jobs_total", frozenset({kind, "completed", ""})] == 1

    def test_the_worker_counts_what_it_delivers(self, watched: Watched) -> None:
        event = "draft.awaiting_review"

        def look() -> bool:
            found = samples(scraped(watched.stack.worker_metrics_url))
            told = found.get(("darkroom_webhook_deliveries_total", frozenset({event, "delivered"})))
            lag = found.get(("darkroom_webhook_lag_seconds_count", frozenset({event})))
            return told == lag == 1

        eventually(look, "the webhook is delivered")

    def test_the_worker_tells_what_the_engines_client_counts(self, watched: Watched) -> None:
        names = names_in(scraped(watched.stack.worker_metrics_url))
        assert "temporal_workflow_task_execution_latency_seconds_bucket" in names
        assert "temporal_request_total" in names

    def test_no_label_tells_an_id(self, watched: Watched) -> None:
        for url in (watched.stack.url, watched.stack.worker_metrics_url):
            assert "img_" not in scraped(url)

    @pytest.mark.parametrize("file", ["grafana/darkroom.json", "prometheus/alerts.yml"])
    def test_what_is_deployed_asks_for_metrics_that_there_are(
        self, watched: Watched, file: str
    ) -> None:
        api, worker = scraped(watched.stack.url), scraped(watched.stack.worker_metrics_url)
        asked = set(_METRIC.findall(" ".join(expressions(DEPLOY / file))))
        assert len(asked) > 5
        assert asked - names_in(api) - names_in(worker) == set()


def expressions(file: Path) -> list[str]:
    """The PromQL in a dashboard or a file of rules."""
    text = file.read_text()
    if file.suffix == ".json":
        panels = json.loads(text)["panels"]
        return [target["expr"] for panel in panels for target in panel.get("targets", [])]
    return re.findall(r"^\s+expr: (.+)$", text, re.M)


class TestLogs:
    def test_every_line_of_both_processes_is_json(self, watched: Watched) -> None:
        for part in ("api", "worker"):
            lines = log_lines(watched.stack, part)
            assert lines
            assert all({"time", "level", "logger", "message"} <= line.keys() for line in lines)

    def test_the_api_tells_which_request_started_which_job(self, watched: Watched) -> None:
        [line] = [
            line for line in log_lines(watched.stack, "api") if line.get("request_id") == REQUEST_ID
        ]
        assert line["job_id"] == watched.job_id
        assert line["tenant"] == "default"
        assert line["trace_id"] == TRACE_ID
        assert "POST /api/v1/images/generate-async 202" in line["message"]

    def test_the_worker_tells_whose_work_it_does(self, watched: Watched) -> None:
        lines = log_lines(watched.stack, "worker")
        told = [line for line in lines if line.get("job_id") == watched.job_id]
        assert {"render", "develop", "archive_job"} <= {line.get("activity") for line in told}
        assert {line["tenant"] for line in told if "activity" in line} == {"default"}
        assert TRACE_ID in {line.get("trace_id") for line in told}


class TestTraces:
    def test_one_trace_leads_from_the_request_to_the_vendors_answer(self, watched: Watched) -> None:
        collector = watched.collector

        def look() -> bool:
            return {"RunActivity:develop", REQUEST} <= {
                span.name for span in collector.trace(TRACE_ID)
            }

        eventually(look, "the spans of the trace arrive")
        by_id = {span.span_id: span for span in collector.trace(TRACE_ID)}
        assert "RunWorkflow:ImageJobWorkflow" in {span.name for span in by_id.values()}
        # The other one is the final's, which starts where its draft is.
        call = min(
            (span for span in by_id.values() if span.name == "generate studio"),
            key=lambda span: len(path_of(span, by_id)),
        )
        assert path_of(call, by_id) == [
            REQUEST,
            "StartWorkflow:ImageJobWorkflow",
            "StartActivity:render",
            "RunActivity:render",
            "generate studio",
        ]
        assert call.service == "darkroom-worker"
        assert call.attributes["gen_ai.request.model"] == "studio-1"

    def test_it_goes_on_where_the_caller_is(self, watched: Watched) -> None:
        [request] = [span for span in watched.collector.named(REQUEST) if span.trace_id == TRACE_ID]
        assert request.service == "darkroom-api"
        assert request.parent_id == TRACEPARENT.split("-")[2]
        assert request.attributes["http.response.status_code"] == 202
        assert request.attributes["darkroom.request_id"] == REQUEST_ID

    def test_probes_and_scrapes_are_left_out(self, watched: Watched) -> None:
        scraped(watched.stack.url)
        assert watched.stack.answers("/health")
        routes = {span.attributes.get("http.route", "") for span in watched.collector.spans}
        assert not any(route.startswith(("/health", "/metrics")) for route in routes)

    def test_no_span_tells_a_prompt(self, watched: Watched) -> None:
        assert watched.collector.spans
        assert not [span.name for span in watched.collector.spans if "walrus" in span.text]


def path_of(span: Span, by_id: dict[str, Span]) -> list[str]:
    """The names from the first span that we have down to this one."""
    names = [span.name]
    while span.parent_id in by_id:
        span = by_id[span.parent_id]
        names.insert(0, span.name)
    return names
