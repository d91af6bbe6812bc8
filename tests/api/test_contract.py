"""The contract with callers, line by line: what each route of the OpenAPI document takes and gives,
and every error, produced. Two instances of the API answer in turn.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from functools import partial, wraps
from typing import ParamSpec, TypeVar

import httpx
import pytest
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from domain.errors import (
    AlreadyTerminal,
    BatchNotFound,
    BodyTooLarge,
    BudgetExhausted,
    CapabilityMissing,
    DarkroomError,
    DeliveryNotFound,
    EngineAway,
    FileGone,
    FileNotFound,
    Forbidden,
    IdempotencyInFlight,
    IdempotencyKeyReused,
    InternalFailure,
    InvalidRequest,
    JobFailure,
    JobNotFound,
    MethodNotAllowed,
    ModelShutDown,
    NotRetryable,
    NotReviewable,
    ProviderNotConfigured,
    QueueUnavailable,
    RangeNotSatisfiable,
    Refusal,
    RouteNotFound,
    TooManyRequests,
    Unauthenticated,
    UnsupportedMediaType,
)
from domain.keys import Scope
from providers.base import Order, Report
from settings import Settings
from storage.objects import ObjectStore
from tests.api.conftest import API, DOCUMENT, Caller, Json, Serve, problem, put_behind, small
from tests.api.keys import bearer, key
from tests.api.test_budgets import PRICED, budget
from tests.api.test_keeping import path_of, rejected, settled, sweep
from tests.api.test_once import Overtaken, connected, new_key, send
from tests.api.test_retrying import SHUT_DOWN
from tests.conftest import WorkerFactory
from tests.fakes import FakeProvider

REFUSED = "invalid_request body_too_large unsupported_media_type"
PLANNED = f"{REFUSED} capability_missing model_shut_down provider_not_configured budget_exhausted"
ONCE = "idempotency_key_reused idempotency_in_flight"
SUBMITTED = f"{PLANNED} {ONCE} queue_unavailable"
READ = "invalid_request status_unavailable storage_unavailable"
FAILURES = " ".join(sorted({kind.code for kind in JobFailure.__subclasses__()}))


@dataclass(frozen=True)
class Line:
    """One line of the contract."""

    route: str
    status: int
    fields: str = ""
    """Those of the answer that are always there, and after a `/` those that may be."""
    codes: str = ""
    takes: str = ""
    """Parameters and fields of the body."""
    media_type: str = "application/json"
    operation: Json = field(init=False)

    def __post_init__(self) -> None:
        method, path = self.route.split()
        whole = path if path.startswith("/health") or path == "/metrics" else f"{API}{path}"
        object.__setattr__(self, "operation", DOCUMENT["paths"][whole][method.lower()])


CONTRACT = [
    Line(
        "POST /generate-async",
        202,
        "job_id status message estimated_completion_time is_draft",
        SUBMITTED,
        "prompt quality aspect_ratio width height style negative_prompt seed num_images provider"
        " model fallback_providers reference_image_url blog_id blog_job_id tags metadata"
        " webhook_url ?blog_id ?blog_job_id Idempotency-Key",
    ),
    Line(
        "GET /jobs/{job_id}",
        200,
        "job_id status progress_percentage created_at is_draft / current_stage started_at"
        " completed_at result error_message estimated_time_remaining final_job_id batch_id blog_id"
        " blog_job_id tags metadata review revision_of revision_job_id draft_job_id attempts error"
        " cost links",
        f"job_not_found {READ}",
        "?wait",
    ),
    Line(
        "POST /batch-generate",
        202,
        "batch_id job_ids status total_images estimated_completion_time",
        SUBMITTED,
        "images blog_id blog_job_id workflow webhook_url max_concurrency Idempotency-Key",
    ),
    Line(
        "POST /generate",
        200,
        "success images generation_time_seconds provider model cost",
        f"{SUBMITTED} {FAILURES}",
        "prompt Idempotency-Key",
    ),
    Line(
        "POST /jobs/{job_id}/approve",
        202,
        "job_id final_job_id",
        f"{PLANNED} {ONCE} job_not_found not_reviewable status_unavailable",
        "reviewer comment final Idempotency-Key",
    ),
    Line(
        "POST /jobs/{job_id}/reject",
        202,
        "job_id / revision_job_id",
        f"{PLANNED} {ONCE} job_not_found not_reviewable status_unavailable",
        "reviewer comment revise Idempotency-Key",
    ),
    *(
        Line(
            f"POST /batches/{{batch_id}}/{verb}",
            202,
            "batch_id decided results",
            f"{PLANNED} {ONCE} batch_not_found status_unavailable",
            "job_ids reviewer comment Idempotency-Key",
        )
        for verb in ("approve", "reject")
    ),
    Line(
        "GET /jobs",
        200,
        "jobs / next_cursor",
        "invalid_request status_unavailable",
        "?status ?blog_id ?blog_job_id ?batch_id ?review ?provider ?tag ?created_after"
        " ?created_before ?limit ?cursor",
    ),
    Line("DELETE /jobs/{job_id}", 202, "job_id status", "job_not_found already_terminal"),
    Line(
        "POST /jobs/{job_id}/cancel",
        202,
        "job_id status / cancellation",
        f"job_not_found already_terminal {ONCE}",
        "Idempotency-Key",
    ),
    Line(
        "POST /jobs/{job_id}/retry",
        202,
        "job_id status retry_of",
        f"job_not_found not_retryable {SUBMITTED}",
        "Idempotency-Key",
    ),
    Line(
        "GET /jobs/{job_id}/events",
        200,
        "id event data",
        f"job_not_found {READ}",
        "Last-Event-ID",
        "text/event-stream",
    ),
    Line(
        "GET /batches/{batch_id}/events",
        200,
        "id event data",
        f"batch_not_found {READ}",
        "Last-Event-ID",
        "text/event-stream",
    ),
    Line(
        "POST /generate/stream",
        200,
        "data",
        SUBMITTED,
        "prompt Idempotency-Key",
        "text/event-stream",
    ),
    Line(
        "GET /batches/{batch_id}",
        200,
        "batch_id status progress_percentage counts review_counts total_images cost jobs",
        f"batch_not_found {READ}",
        "?wait",
    ),
    Line("DELETE /batches/{batch_id}", 202, "batch_id", "batch_not_found already_terminal"),
    Line(
        "GET /blogs/{blog_id}",
        200,
        "blog_id images / next_cursor",
        "invalid_request storage_unavailable",
        "?limit ?cursor",
    ),
    *(
        Line(
            f"POST /{verb}",
            202,
            "job_id status message estimated_completion_time is_draft",
            f"{SUBMITTED} job_not_found",
            "source_image_url source_job_id provider model webhook_url ?blog_id Idempotency-Key",
        )
        for verb in ("variations", "upscale", "edit")
    ),
    Line("POST /quote", 200, "images total", f"{REFUSED} {ONCE}", "Idempotency-Key"),
    Line("GET /providers", 200, "providers"),
    Line("GET /models", 200, "models"),
    Line(
        "GET /files/{key}",
        200,
        codes="file_not_found file_gone range_not_satisfiable storage_unavailable",
        takes="Range If-None-Match",
        media_type="image/webp",
    ),
    *(
        Line(f"GET /{kind}/{{{name}_id}}/webhooks", 200, "deliveries", f"{name}_not_found")
        for kind, name in (("jobs", "job"), ("batches", "batch"))
    ),
    *(
        Line(
            f"POST /{kind}/{{{name}_id}}/webhooks/{{delivery_id}}/redeliver",
            202,
            "delivery_id state",
            f"{name}_not_found delivery_not_found {ONCE}",
            "Idempotency-Key",
        )
        for kind, name in (("jobs", "job"), ("batches", "batch"))
    ),
    Line("POST /webhooks/test", 200, "event receivers", f"{REFUSED} {ONCE}", "url Idempotency-Key"),
    Line("GET /costs", 200, "total rows budgets", "invalid_request storage_unavailable"),
    Line("GET /health/live", 200, "status"),
    Line("GET /health/ready", 200, "status parts"),
    Line("GET /health", 200, "status parts"),
    Line("GET /metrics", 200, media_type="text/plain"),
]
BY_ROUTE = [pytest.param(line, id=line.route) for line in CONTRACT]
INSTANCES = 2
GUARDED = {"unauthenticated", "forbidden", "too_many_requests"}


class TestDocument:
    @pytest.mark.parametrize("line", BY_ROUTE)
    def test_a_route_gives_the_fields_of_the_contract(self, line: Line) -> None:
        described = line.operation["responses"][str(line.status)]["content"][line.media_type]
        always, _, sometimes = line.fields.partition("/")
        schema = resolved(described.get("itemSchema") or described.get("schema") or {})
        assert set(always.split()) <= set(schema.get("required", []))
        assert set(sometimes.split()) <= set(schema.get("properties", {}))

    @pytest.mark.parametrize("line", BY_ROUTE)
    def test_a_route_declares_the_codes_of_the_contract(self, line: Line) -> None:
        assert set(line.codes.split()) <= declared_codes(line.operation)
        if "security" in line.operation:
            assert declared_codes(line.operation) >= GUARDED

    @pytest.mark.parametrize("line", BY_ROUTE)
    def test_a_route_takes_what_the_contract_says(self, line: Line) -> None:
        assert set(line.takes.split()) <= taken(line.operation)

    def test_every_code_is_declared_by_a_route(self) -> None:
        declared = set().union(*(declared_codes(each) for each in operations()))
        everywhere = {RouteNotFound.code, MethodNotAllowed.code}
        assert {kind.code for kind in kinds_below(DarkroomError)} == declared | everywhere

    def test_every_body_is_described(self) -> None:
        for operation in operations():
            for answer in operation["responses"].values():
                for described in answer.get("content", {}).values():
                    assert described.get("schema") or described.get("itemSchema"), operation

    def test_every_operation_has_a_name_that_a_client_can_call(self) -> None:
        names = [operation["operationId"] for operation in operations()]
        assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", name) for name in names), names
        assert len(set(names)) == len(names)


P = ParamSpec("P")
E = TypeVar("E", bound=DarkroomError)


def kinds_below(root: type[E]) -> Iterator[type[E]]:
    """Every error of a branch that is raised, its root included."""
    if hasattr(root, "code"):
        yield root
    for child in root.__subclasses__():
        yield from kinds_below(child)


def failures() -> list[type[JobFailure]]:
    return [kind for kind in kinds_below(JobFailure) if "code" in vars(kind)]


PRODUCED: set[type[DarkroomError]] = set()


def produces(
    kind: type[DarkroomError],
) -> Callable[[Callable[P, Awaitable[httpx.Response]]], Callable[P, Awaitable[None]]]:
    """Of a test that returns an answer: it is checked to be that error."""
    PRODUCED.add(kind)

    def decorate(
        test: Callable[P, Awaitable[httpx.Response]],
    ) -> Callable[P, Awaitable[None]]:
        @wraps(test)
        async def checked(*args: P.args, **kwargs: P.kwargs) -> None:
            problem(await test(*args, **kwargs), kind.http_status, kind.code)

        return checked

    return decorate


@pytest.fixture
def serve(serve: Serve) -> Serve:
    return partial(serve, instances=INSTANCES)


@pytest.fixture
def new_worker(new_worker: WorkerFactory) -> WorkerFactory:
    return partial(new_worker, crews=3)


class TestSwept:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"keep_rejected_days": 0})

    @produces(FileGone)
    async def test_a_file_that_was_deleted(
        self, api: Caller, client: Client, new_worker: WorkerFactory
    ) -> httpx.Response:
        async with new_worker():
            job_id = await api.draft()
            path = path_of(await api.job(job_id))
            await rejected(api, job_id)
            await settled(client, job_id)
            await sweep(client)
            return await api.get(path)


class TestRefusals:
    def test_each_is_produced_here(self) -> None:
        """One that is new needs a test here that is answered with it."""
        assert set(kinds_below(Refusal)) == PRODUCED

    @produces(Unauthenticated)
    async def test_no_key(self, serve: Serve) -> httpx.Response:
        async with serve(api_keys=(key("ours"),)) as api:
            return await api.get("/jobs")

    @produces(Forbidden)
    async def test_a_key_that_may_not(self, serve: Serve) -> httpx.Response:
        async with serve(api_keys=(key("reader", Scope.READ),)) as api:
            return await api.http.post(
                f"{API}/generate-async", json=small(), headers=bearer("reader")
            )

    @produces(TooManyRequests)
    async def test_a_key_that_asks_too_often(self, serve: Serve) -> httpx.Response:
        async with serve(api_keys=(key("busy", requests_per_minute=1),)) as api:
            for _ in range(INSTANCES):  # each counts for itself
                await api.http.get(f"{API}/models", headers=bearer("busy"))
            return await api.http.get(f"{API}/models", headers=bearer("busy"))

    @produces(InvalidRequest)
    async def test_what_does_not_fit(self, door: Caller) -> httpx.Response:
        return await door.post("/generate-async", {"prompt": ""})

    @produces(CapabilityMissing)
    async def test_what_no_model_can(self, door: Caller) -> httpx.Response:
        return await door.post("/generate-async", small(width=4096, height=4096))

    @produces(ModelShutDown)
    async def test_a_model_that_is_gone(self, serve: Serve, settings: Settings) -> httpx.Response:
        settings.config.write_text(SHUT_DOWN)
        async with serve() as api:
            return await api.post("/generate-async", small(model="studio-1", provider="studio"))

    @produces(ProviderNotConfigured)
    async def test_a_provider_without_a_key(self, serve: Serve) -> httpx.Response:
        async with serve(stand_in=False) as api:
            return await api.post("/generate-async", small(provider="stability_ai"))

    @produces(BudgetExhausted)
    async def test_more_than_is_left(self, serve: Serve, settings: Settings) -> httpx.Response:
        settings.config.write_text(PRICED + budget(0.01))
        async with serve() as api:
            return await api.post("/generate-async", small())

    @produces(BodyTooLarge)
    async def test_too_much(self, serve: Serve) -> httpx.Response:
        async with serve(max_body_bytes=1024) as api:
            return await api.post("/generate-async", small(negative_prompt="x" * 1024))

    @produces(UnsupportedMediaType)
    async def test_what_is_not_json(self, door: Caller) -> httpx.Response:
        return await door.http.post(f"{API}/generate-async", data={"prompt": "a boat"})

    @produces(RouteNotFound)
    async def test_an_address_of_nothing(self, door: Caller) -> httpx.Response:
        return await door.get("/nothing")

    @produces(MethodNotAllowed)
    async def test_a_method_of_nothing(self, door: Caller) -> httpx.Response:
        return await door.delete("/generate-async")

    @produces(JobNotFound)
    async def test_no_job(self, door: Caller) -> httpx.Response:
        return await door.get("/jobs/img_0")

    @produces(BatchNotFound)
    async def test_no_batch(self, door: Caller) -> httpx.Response:
        return await door.get("/batches/bat_0")

    @produces(FileNotFound)
    async def test_no_file(self, door: Caller) -> httpx.Response:
        return await door.get("/files/img_0/0/0.png")

    @produces(DeliveryNotFound)
    async def test_no_delivery(self, door: Caller) -> httpx.Response:
        return await door.post(f"/jobs/{await door.create()}/webhooks/0/redeliver")

    @produces(RangeNotSatisfiable)
    async def test_bytes_behind_the_end(self, staffed: Caller) -> httpx.Response:
        job = await staffed.completed(await staffed.create())
        url = job["result"]["images"][0]["url"]
        return await staffed.http.get(url, headers={"Range": "bytes=99999999-"})

    @produces(NotReviewable)
    async def test_a_review_of_no_draft(self, door: Caller) -> httpx.Response:
        return await door.post(f"/jobs/{await door.create()}/approve")

    @produces(AlreadyTerminal)
    async def test_an_end_after_the_end(self, staffed: Caller) -> httpx.Response:
        job_id = await staffed.create()
        await staffed.completed(job_id)
        return await staffed.delete(f"/jobs/{job_id}")

    @produces(NotRetryable)
    async def test_another_try_without_a_failure(self, door: Caller) -> httpx.Response:
        return await door.post(f"/jobs/{await door.create()}/retry")

    @produces(IdempotencyKeyReused)
    async def test_a_key_of_another_request(self, door: Caller) -> httpx.Response:
        same = new_key()
        await send(door, "/quote", small(), same)
        return await send(door, "/quote", small(seed=1), same)

    @produces(IdempotencyInFlight)
    async def test_a_key_that_nobody_can_tell_of(
        self, api: Caller, client: Client, store: ObjectStore, settings: Settings
    ) -> httpx.Response:
        put_behind(api, await connected(client, Overtaken()), store, settings)
        return await send(api, "/quote", small(), new_key())

    @produces(QueueUnavailable)
    async def test_a_job_for_an_engine_that_is_away(self, engineless: Caller) -> httpx.Response:
        return await engineless.post("/generate-async", small())

    @produces(EngineAway)
    async def test_a_question_to_an_engine_that_is_away(self, engineless: Caller) -> httpx.Response:
        return await engineless.get("/jobs")


class TestFailures:
    """A provider fails as its order's prompt says."""

    @pytest.mark.parametrize("kind", failures(), ids=lambda kind: kind.code)
    async def test_who_waits_for_an_image_is_answered_with_it(
        self,
        serve: Serve,
        store: ObjectStore,
        settings: Settings,
        closed_address: str,
        kind: type[JobFailure],
    ) -> None:
        async def fail(order: Order, report: Report) -> None:
            raise kind("It does not work.", provider="studio")

        away = await Client.connect(
            closed_address, lazy=True, data_converter=pydantic_data_converter
        )
        async with serve(engine=closed_address) as api:
            put_behind(api, away, store, settings, FakeProvider(fail))
            answer = await api.post("/generate", small())
        problem(answer, kind.http_status, kind.code)

    async def test_a_failed_job_says_which(self, api: Caller, new_worker: WorkerFactory) -> None:
        """Less those that are tried again for a day."""
        final = {kind.code: kind for kind in failures() if not kind.retryable}

        async def fail(order: Order, report: Report) -> None:
            if order.spec.prompt == InternalFailure.code:
                raise RuntimeError("a defect")
            raise final[order.spec.prompt]("It does not work.", provider="studio")

        async with new_worker(FakeProvider(fail)):
            jobs = {code: await api.create(prompt=code) for code in final}
            told = {code: await api.ended(job_id) for code, job_id in jobs.items()}
        assert all(job["error"]["code"] == code for code, job in told.items()), told


def operations() -> list[Json]:
    return [each for methods in DOCUMENT["paths"].values() for each in methods.values()]


def declared_codes(operation: Json) -> set[str]:
    problems = [
        answer["content"]["application/problem+json"]["examples"]
        for answer in operation["responses"].values()
        if "application/problem+json" in answer.get("content", {})
    ]
    return set().union(*problems)


def taken(operation: Json) -> set[str]:
    """Names of headers and fields, and with a `?` those of the query."""
    parameters = {
        ("?" if each["in"] == "query" else "") + each["name"]
        for each in operation.get("parameters", [])
    }
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    return {name.title() if name == "if-none-match" else name for name in parameters} | set(
        resolved(body.get("schema", {})).get("properties", {})
    )


def resolved(schema: Json) -> Json:
    name = schema.get("$ref", "").rpartition("/")[2]
    return dict(DOCUMENT["components"]["schemas"][name]) if name else schema
