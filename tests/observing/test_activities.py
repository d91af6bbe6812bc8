"""What a worker counts of jobs that really run."""

from __future__ import annotations

import json
import logging

import pytest
from temporalio.client import Client, WorkflowFailureError

from domain.errors import Billed, ContentRejected, OutcomeUnknown, ProviderUnavailable
from domain.jobs import JobRequest
from domain.reviews import Rejection
from observing import logs
from observing.meters import Meters
from providers.base import Order, Report
from tests.fakes import FakeProvider
from tests.observing.conftest import CountedWorker, count
from tests.starting import start_job

MODEL = {"provider": "studio", "model": "studio-1"}


async def test_a_draft_is_counted_when_it_is_made_and_when_it_is_decided(
    client: Client, meters: Meters, counted_worker: CountedWorker, draft_request: JobRequest
) -> None:
    registry = meters.registry
    async with counted_worker(FakeProvider()):
        job = await start_job(client, draft_request)
        await job.signal("reject", Rejection())
        await job.result()
    done = {"outcome": "completed", **MODEL}
    assert count(registry, "darkroom_provider_calls_total", code="", **done) == 1
    assert count(registry, "darkroom_render_seconds_count", **done) == 1
    assert count(registry, "darkroom_develop_seconds_count", **done) == 1
    assert count(registry, "darkroom_render_queue_seconds_count", provider="studio") == 1
    ended = {"kind": "draft", "status": "completed", "code": ""}
    assert count(registry, "darkroom_jobs_total", **ended) == 1
    assert count(registry, "darkroom_reviews_total", decision="rejected") == 1


async def test_a_failed_job_is_counted_by_its_code(
    client: Client, meters: Meters, counted_worker: CountedWorker, draft_request: JobRequest
) -> None:
    async def refuse(order: Order, report: Report) -> None:
        raise ContentRejected("The prompt was refused.", provider="studio")

    async with counted_worker(FakeProvider(refuse)):
        job = await start_job(client, draft_request)
        with pytest.raises(WorkflowFailureError):
            await job.result()
    failed = {"outcome": "failed", "code": "content_rejected", **MODEL}
    assert count(meters.registry, "darkroom_provider_calls_total", **failed) == 1
    ended = {"kind": "draft", "status": "failed", "code": "content_rejected"}
    assert count(meters.registry, "darkroom_jobs_total", **ended) == 1


async def test_every_try_is_counted_the_job_once(
    client: Client, meters: Meters, counted_worker: CountedWorker, draft_request: JobRequest
) -> None:
    tries = iter([True, False])

    async def be_away_once(order: Order, report: Report) -> None:
        if next(tries):
            raise ProviderUnavailable("The vendor is away.", retry_after_seconds=0.01)

    async with counted_worker(FakeProvider(be_away_once)):
        job = await start_job(client, draft_request)
        await job.signal("reject", Rejection())
        await job.result()
    name = "darkroom_provider_calls_total"
    away = {"outcome": "failed", "code": "provider_unavailable", **MODEL}
    assert count(meters.registry, name, **away) == 1
    assert count(meters.registry, name, outcome="completed", code="", **MODEL) == 1
    ended = {"kind": "draft", "status": "completed", "code": ""}
    assert count(meters.registry, "darkroom_jobs_total", **ended) == 1


async def test_what_was_paid_is_counted_in_dollars(
    client: Client, meters: Meters, counted_worker: CountedWorker, draft_request: JobRequest
) -> None:
    async with counted_worker(FakeProvider(is_paid=True, cost_usd=0.04)):
        job = await start_job(client, draft_request)
        await job.signal("reject", Rejection())
        await job.result()
    assert count(meters.registry, "darkroom_paid_usd_total", **MODEL) == pytest.approx(0.04)
    assert count(meters.registry, "darkroom_paid_calls_total", **MODEL) == 1
    assert count(meters.registry, "darkroom_unknown_calls_total", **MODEL) == 0


async def test_what_nobody_knows_is_counted_at_list_price(
    client: Client, meters: Meters, counted_worker: CountedWorker, draft_request: JobRequest
) -> None:
    async def hang_up(order: Order, report: Report) -> None:
        raise OutcomeUnknown("No answer.", provider="studio", billed=Billed.UNKNOWN)

    targets = [draft_request.targets[0].model_copy(update={"price_usd": 0.05})]
    request = draft_request.model_copy(update={"targets": targets})
    async with counted_worker(FakeProvider(hang_up, is_paid=True)):
        job = await start_job(client, request)
        with pytest.raises(WorkflowFailureError):
            await job.result()
    # Tried once more, as a paid call whose answer was never seen is by default.
    assert count(meters.registry, "darkroom_unknown_calls_total", **MODEL) == 2
    assert count(meters.registry, "darkroom_unknown_usd_total", **MODEL) == pytest.approx(0.10)
    assert count(meters.registry, "darkroom_paid_calls_total", **MODEL) == 0
    unknown = {"outcome": "unknown", "code": "outcome_unknown", **MODEL}
    assert count(meters.registry, "darkroom_provider_calls_total", **unknown) == 2


async def test_what_is_logged_says_whose_work_it_is(
    client: Client,
    counted_worker: CountedWorker,
    draft_request: JobRequest,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.handler.setFormatter(logs.formatter("json"))
    request = draft_request.model_copy(update={"tenant": "acme", "batch_id": "bat_1"})
    with caplog.at_level(logging.INFO):
        async with counted_worker(FakeProvider()):
            job = await start_job(client, request)
            await job.signal("reject", Rejection())
            await job.result()
    whose = {"job_id": job.id, "tenant": "acme"}
    lines = [json.loads(line) for line in caplog.text.splitlines()]
    for said, more in (
        ("render ended", {"activity": "render", "attempt": "1"}),
        ("develop ended", {"activity": "develop", "batch_id": "bat_1"}),
        ("the batch is closed", {"workflow": "ImageJobWorkflow"}),
    ):
        line = next(line for line in lines if said in line["message"])
        assert line.items() >= {**whose, **more}.items()
