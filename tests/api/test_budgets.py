"""What the API refuses because a budget has no room, and what it lets pass."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from functools import partial

import pytest
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from api.services import Services
from domain.budgets import Period
from providers.catalogue import load_catalogue
from providers.registry import Roster
from settings import Settings
from storage.objects import ObjectStore
from tests.api.conftest import Caller, Json, Serve, problem, small
from tests.api.test_reading import Counting
from tests.conftest import WorkerFactory
from tests.fakes import FakeProvider
from tests.waiting import eventually

PRICED = """
[providers.studio.models.studio-1.price]
per_image_usd = 0.04
source = "https://example.com/pricing"
date = 2026-11-01

[providers.studio.models.unpriced]
expected_seconds = { draft = 1, standard = 1, high = 1, ultra = 1 }
"""
FREE = ""

Configure = Callable[[str], object]


def budget(amount_usd: float, period: str = "day", **scope: str) -> str:
    named = "".join(f'{name} = "{value}"\n' for name, value in scope.items())
    return f'[[budgets]]\namount_usd = {amount_usd}\nperiod = "{period}"\n{named}\n'


paid = partial(FakeProvider, is_paid=True, cost_usd=0.04)


@pytest.fixture
def configure(settings: Settings) -> Configure:
    """Write the operator's `darkroom.toml`."""
    return lambda written: settings.config.write_text(written)


async def standing(api: Caller) -> Json:
    [found] = (await api.get("/costs")).json()["budgets"]
    return dict(found)


class TestSubmission:
    async def test_what_fits_is_taken_and_what_does_not_is_refused_until_the_reset(
        self, configure: Configure, serve: Serve, new_worker: WorkerFactory
    ) -> None:
        configure(PRICED + budget(0.09))
        async with new_worker(paid()), serve() as api:
            for _ in range(2):
                await api.completed(await api.create())
            for path, body in (
                ("/generate-async", small()),
                ("/generate", small()),
                ("/batch-generate", {"images": [small()], "workflow": "final_only"}),
            ):
                answer = await api.post(path, body)
                detail = problem(answer, 429, "budget_exhausted")["detail"]
                reset = Period.DAY.resets_at(datetime.now(UTC))
                assert "has $0.01 left, and this costs $0.04" in detail
                assert f"resets at {reset:%Y-%m-%d} 00:00 UTC" in detail
                assert 0 < int(answer.headers["retry-after"]) <= 86_400
            assert (await standing(api))["spent_usd"] == 0.08

    async def test_a_budget_that_was_never_used_has_everything_left(
        self, configure: Configure, serve: Serve, new_worker: WorkerFactory
    ) -> None:
        configure(PRICED + budget(0.1))
        async with new_worker(paid()), serve() as api:
            await api.create(num_images=2)
            answer = await api.post("/generate-async", small(num_images=4))
            assert "this costs $0.16" in problem(answer, 429, "budget_exhausted")["detail"]

    async def test_a_batch_must_fit_as_a_whole_and_starts_nothing_else(
        self, configure: Configure, serve: Serve, new_worker: WorkerFactory
    ) -> None:
        configure(PRICED + budget(0.1, blog="travel"))
        images = {"images": [small(), small(), small()], "workflow": "final_only"}
        async with new_worker(paid()) as provider, serve() as api:
            refused = await api.post("/batch-generate", images, blog_id="travel")
            assert "this costs $0.12" in problem(refused, 429, "budget_exhausted")["detail"]
            assert provider.orders == []
            assert (await api.post("/batch-generate", images, blog_id="food")).status_code == 202

    async def test_what_is_free_is_never_refused(
        self, configure: Configure, serve: Serve, new_worker: WorkerFactory
    ) -> None:
        configure(FREE + budget(0))
        async with new_worker(), serve() as api:
            await api.completed(await api.create())

    async def test_a_model_without_a_price_is_refused_with_the_way_to_give_it_one(
        self, configure: Configure, serve: Serve
    ) -> None:
        configure(PRICED + budget(100, tenant="default"))
        async with serve() as api:
            answer = await api.post("/generate-async", small(model="unpriced"))
            detail = problem(answer, 422, "invalid_request")["detail"]
        assert "set price in [providers.studio.models.unpriced] of darkroom.toml" in detail

    async def test_a_budget_of_another_tenant_is_of_no_concern(
        self, configure: Configure, serve: Serve
    ) -> None:
        configure(PRICED + budget(0, tenant="other"))
        async with serve() as api:
            await api.create()
            await api.create(model="unpriced")

    async def test_without_a_worker_it_is_taken_and_waits_for_its_money_later(
        self, configure: Configure, serve: Serve, new_worker: WorkerFactory
    ) -> None:
        configure(PRICED + budget(0.05))
        async with serve() as api:
            async with new_worker(paid()):
                await api.completed(await api.create())
            job_id = await api.create()
            async with new_worker(paid()) as provider:
                job = await api.ended(job_id)
        assert job["error"]["code"] == "budget_exhausted"
        assert "resets at" in job["error"]["message"]
        assert provider.orders == []


class TestDecisions:
    @pytest.fixture
    async def reviewing(
        self, configure: Configure, serve: Serve, new_worker: WorkerFactory
    ) -> AsyncIterator[Caller]:
        """Room for a draft, but not for anything after it."""
        configure(PRICED + budget(0.05))
        async with new_worker(paid()), serve() as api:
            yield api

    async def test_an_approval_is_refused_whose_final_does_not_fit(self, reviewing: Caller) -> None:
        draft = await reviewing.draft(aspect_ratio="1:1")
        answer = await reviewing.post(f"/jobs/{draft}/approve", {})
        problem(answer, 429, "budget_exhausted")
        assert int(answer.headers["retry-after"]) > 0
        assert (await reviewing.job(draft))["review"]["state"] == "awaiting"
        answer = await reviewing.post(f"/jobs/{draft}/reject", {"revise": {"prompt": "fog"}})
        problem(answer, 429, "budget_exhausted")
        assert (await reviewing.post(f"/jobs/{draft}/reject", {})).status_code == 202

    async def test_a_batch_is_approved_only_where_all_its_finals_fit(
        self, reviewing: Caller
    ) -> None:
        batch = await reviewing.create_batch({"aspect_ratio": "1:1"})

        def awaits(batch: Json) -> bool:
            return bool(batch["review_counts"] == {"awaiting": 1})

        batch_id = str(batch["batch_id"])
        await reviewing.batch_once(batch_id, awaits, "the draft awaits review")
        answer = await reviewing.post(f"/batches/{batch_id}/approve", {})
        problem(answer, 429, "budget_exhausted")
        assert (await reviewing.batch(batch_id))["review_counts"] == {"awaiting": 1}


class TestEngineAway:
    async def test_what_a_budget_covers_is_not_rendered_where_no_money_can_be_held(
        self, configure: Configure, serve: Serve, closed_address: str
    ) -> None:
        configure(PRICED + budget(100))
        async with serve(engine=closed_address) as api:
            answer = await api.post("/generate", small())
            problem(answer, 500, "queue_unavailable")
            problem(await api.post("/generate-async", small()), 500, "queue_unavailable")

    @pytest.mark.parametrize(
        "configured", [FREE + budget(0), PRICED + budget(0, blog="travel"), PRICED]
    )
    async def test_what_is_free_or_under_no_budget_still_is(
        self, configure: Configure, serve: Serve, closed_address: str, configured: str
    ) -> None:
        configure(configured)
        async with serve(engine=closed_address) as api:
            answer = await api.post("/generate", small())
        assert answer.status_code == 200, answer.text
        assert answer.json()["provider"] == "studio"


class TestEngineCalls:
    @pytest.mark.parametrize(
        ("configured", "calls"),
        [(PRICED, 0), (PRICED + budget(1, blog="x"), 0), (PRICED + budget(1), 1)],
    )
    async def test_only_a_budget_that_applies_is_asked_and_once(
        self,
        configure: Configure,
        api: Caller,
        engine_address: str,
        client: Client,
        store: ObjectStore,
        settings: Settings,
        configured: str,
        calls: int,
    ) -> None:
        configure(configured)
        counting = Counting()
        counted = await Client.connect(
            engine_address,
            namespace=client.namespace,
            data_converter=pydantic_data_converter,
            interceptors=[counting],
        )
        catalogue, roster = load_catalogue(settings.config), Roster({"studio": FakeProvider()})
        api.app.state.services = Services.build(settings, counted, store, catalogue, roster)
        await api.create()

        async def is_measured() -> bool:
            return counting.calls["list_workflows"] == 1

        await eventually(is_measured, "the durations are asked for, as ever")
        assert counting.calls["query_workflow"] == calls
        assert counting.calls["start_workflow"] == 1
        assert counting.calls.total() == 2 + calls
