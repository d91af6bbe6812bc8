from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from temporalio.client import Client

from api.answers import Addresses, job_answer
from api.engine_room import EngineRoom
from api.estimates import Estimates
from api.snapshots import JobSnapshot
from domain.errors import Billed, OutcomeUnknown, ProviderUnavailable
from domain.jobs import (
    Attempt,
    CostBasis,
    ImageAsset,
    JobCard,
    JobError,
    JobResult,
    JobState,
    JobStatus,
    Outcome,
)
from domain.variants import Variant
from settings import Settings
from tests.api.conftest import Caller, Json, Serve, small
from tests.conftest import WorkerFactory

NOW = datetime(2026, 11, 23, tzinfo=UTC)
AT = Addresses(api="https://example.com", assets=None, temporal_ui=None, namespace="default")
DYING = """
[providers.studio.models.studio-1]
shutdown_on = 2099-01-01
successor = "studio-2"
"""
WARNING = "The model 'studio-1' is shut down on 2099-01-01; use 'studio-2' instead."


def attempt(failure: ProviderUnavailable | OutcomeUnknown) -> Attempt:
    return Attempt(
        provider="openai",
        model="gpt-image-2",
        started_at=NOW,
        outcome=Outcome.FAILED,
        error=JobError.of(failure),
    )


LOST = attempt(OutcomeUnknown("lost", billed=Billed.UNKNOWN))
DOWN = attempt(ProviderUnavailable("down"))


def result(cost_usd: float | None, basis: CostBasis | None = None) -> JobResult:
    image = ImageAsset(
        variants=[Variant(name="0.png", width_px=64, height_px=64, format="png")],
        size_bytes=1,
        sha256="0",
        alt_text="sea",
        thumbhash="0",
        dominant_color="#000000",
        digital_source_type="trainedAlgorithmicMedia",
    )
    return JobResult(
        asset_prefix="assets/img_1/token",
        images=[image],
        generation_time_seconds=1,
        provider="openai",
        model="gpt-image-2",
        cost_usd=cost_usd,
        cost_basis=basis,
    )


def answer(client: Client, **state: Any) -> Json:
    card = JobCard(created_at=NOW, is_draft=False, recipe="r", expected_seconds=1)
    ended = JobState.model_validate({"status": JobStatus.COMPLETED, **state})
    snapshot = JobSnapshot("img_1", card, ended, is_final=True)
    return dict(job_answer(snapshot, AT, Estimates(EngineRoom(client))).model_dump(mode="json"))


class TestCost:
    @pytest.mark.parametrize(
        ("made", "cost", "number"),
        [
            (result(0.05, CostBasis.USAGE), {"amount_usd": 0.05, "basis": "usage"}, 0.05),
            (result(0.04, CostBasis.CATALOGUE), {"amount_usd": 0.04, "basis": "catalogue"}, 0.04),
            (result(0.04), {"amount_usd": 0.04, "basis": "catalogue"}, 0.04),
            (result(None, CostBasis.UNKNOWN), {"amount_usd": None, "basis": "unknown"}, 0),
            (result(None), {"amount_usd": None, "basis": "unknown"}, 0),
        ],
    )
    async def test_it_says_how_it_is_known(
        self, client: Client, made: JobResult, cost: Json, number: float
    ) -> None:
        job = answer(client, result=made)
        assert job["cost"] == cost
        assert job["result"]["cost"] == number

    async def test_calls_that_may_have_been_paid_are_counted(self, client: Client) -> None:
        job = answer(client, result=result(0.04), attempts=[LOST, DOWN, LOST])
        assert job["cost"] == {"amount_usd": 0.04, "basis": "catalogue", "unknown_calls": 2}

    async def test_a_failed_job_that_may_have_been_paid_says_so(self, client: Client) -> None:
        failed = answer(client, status=JobStatus.FAILED, attempts=[LOST])
        assert failed["cost"] == {"amount_usd": None, "basis": "unknown", "unknown_calls": 1}
        assert "cost" not in answer(client, status=JobStatus.FAILED, attempts=[DOWN])


class TestWarnings:
    @pytest.fixture
    def dying(self, settings: Settings) -> None:
        settings.config.write_text(DYING)

    @pytest.mark.usefixtures("dying")
    async def test_they_are_in_every_answer_about_the_job(
        self, serve: Serve, new_worker: WorkerFactory
    ) -> None:
        async with new_worker(), serve() as api:
            accepted = (await api.post("/generate-async", small())).json()
            job = await api.completed(accepted["job_id"])
            generated = (await api.post("/generate", small())).json()
        assert accepted["message"] == f"The job is accepted. {WARNING}"
        assert accepted["warnings"] == job["warnings"] == generated["warnings"] == [WARNING]

    @pytest.mark.usefixtures("dying")
    async def test_they_are_told_also_by_what_is_rendered_without_the_engine(
        self, serve: Serve, closed_address: str
    ) -> None:
        async with serve(engine=closed_address) as api:
            generated = (await api.post("/generate", small())).json()
        assert generated["warnings"] == [WARNING]

    async def test_without_any_there_is_no_field(
        self, api: Caller, new_worker: WorkerFactory
    ) -> None:
        async with new_worker():
            accepted = (await api.post("/generate-async", small())).json()
            job = await api.completed(accepted["job_id"])
        assert accepted["message"] == "The job is accepted."
        assert "warnings" not in accepted
        assert "warnings" not in job


class TestFinalOffer:
    async def test_a_draft_tells_what_approving_it_starts(
        self, api: Caller, new_worker: WorkerFactory
    ) -> None:
        async with new_worker():
            draft = await api.job(await api.draft(aspect_ratio="16:9"))
        assert draft["review"]["final"] == {
            "provider": "studio",
            "model": "studio-1",
            "quality": "high",
            "width": 1536,
            "height": 864,
            "price_usd": 0,
        }
