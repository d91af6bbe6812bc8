from __future__ import annotations

import base64
import io
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from PIL import Image

from domain.errors import (
    Billed,
    ContentRejected,
    GenerationFailed,
    InvalidOutput,
    JobFailure,
    OutcomeUnknown,
    ProviderAuth,
    ProviderModelShutDown,
    ProviderQuota,
    ProviderRateLimited,
    ProviderUnavailable,
    RequestRejected,
)
from domain.jobs import CostBasis
from domain.sizes import AspectRatio, Quality, Size, size_for
from providers.base import Provider, Reference
from providers.bfl import is_same_vendor
from tests.fakes import FakeCall, png
from tests.providers.vendors import PROMPT, build, nowhere, order
from tests.vendors.stand_in import Fault, StandIn, Truncated, Vendor


@pytest.fixture
def vendor(stand_in: StandIn) -> Vendor:
    return stand_in["bfl"]


@pytest.fixture
async def bfl(vendor: Vendor) -> AsyncIterator[Provider]:
    provider = build("bfl", vendor.base_url, poll_seconds=0)
    yield provider
    await provider.close()


def reference(color: str = "teal", *, is_draft: bool = False) -> Reference:
    return Reference(png(64, 64, color), "image/png", is_draft)


class TestGenerate:
    async def test_a_draft_is_one_task_of_the_cheapest_model(
        self, bfl: Provider, vendor: Vendor
    ) -> None:
        call = FakeCall()
        (made,) = await bfl.generate(order("bfl"), call)
        (charge,) = vendor.charges
        assert charge.path == "/v1/flux-2-klein-4b"
        assert charge.body == {
            "prompt": PROMPT,
            "seed": 41,
            "width": 512,
            "height": 512,
            "output_format": "png",
        }
        assert Image.open(io.BytesIO(made.data)).size == (512, 512)
        assert made.seed == 41

    async def test_the_task_is_put_down_before_it_is_polled(
        self, bfl: Provider, vendor: Vendor
    ) -> None:
        call = FakeCall()
        await bfl.generate(order("bfl"), call)
        sending, submitted = call.story
        assert sending == "sending"
        assert json.loads(submitted.removeprefix("submitted "))["id"] == "task-1"
        assert vendor.requests == [
            "POST /v1/flux-2-klein-4b",
            "GET /v1/get_result",
            "GET /v1/get_result",
            "GET /delivery/task-1/sample.png",
        ]

    async def test_progress_is_told_while_it_is_at_work(
        self, bfl: Provider, vendor: Vendor
    ) -> None:
        vendor.polls_until_done = 3
        call = FakeCall()
        await bfl.generate(order("bfl"), call)
        assert call.shares == [0.25, 0.5, 0.75]

    async def test_a_final_is_bound_to_its_draft(self, bfl: Provider, vendor: Vendor) -> None:
        draft, given = reference(is_draft=True), reference("red")
        bound = order("bfl", quality=Quality.HIGH, references=(draft, given))
        await bfl.generate(bound, FakeCall())
        (charge,) = vendor.charges
        assert charge.path == "/v1/flux-2-pro"
        assert base64.b64decode(charge.body["input_image"]) == draft.data
        assert base64.b64decode(charge.body["input_image_2"]) == given.data
        assert charge.body["seed"] == 41
        assert "composition" in charge.body["prompt"]

    async def test_no_more_references_are_sent_than_the_model_takes(
        self, bfl: Provider, vendor: Vendor
    ) -> None:
        await bfl.generate(order("bfl", references=(reference(),) * 6), FakeCall())
        sent = [name for name in vendor.charges[0].body if name.startswith("input_image")]
        assert sent == ["input_image", "input_image_2", "input_image_3", "input_image_4"]

    @pytest.mark.parametrize("ratio", list(AspectRatio))
    async def test_every_ratio_is_made_at_a_size_that_the_vendor_takes(
        self, bfl: Provider, vendor: Vendor, ratio: AspectRatio
    ) -> None:
        size = size_for(Quality.STANDARD, ratio)
        asked = order("bfl", quality=Quality.STANDARD, size=size, aspect_ratio=ratio)
        (made,) = await bfl.generate(asked, FakeCall())
        width, height = Image.open(io.BytesIO(made.data)).size
        assert (width % 16, height % 16) == (0, 0)
        assert abs(width / height / ratio.width_to_height - 1) < 0.04

    async def test_style_and_negative_prompt_are_folded_into_the_prompt(
        self, bfl: Provider, vendor: Vendor
    ) -> None:
        await bfl.generate(
            order("bfl", style="oil-on-canvas", negative_prompt="people"), FakeCall()
        )
        prompt = vendor.charges[0].body["prompt"]
        assert prompt == f"{PROMPT}\n\nStyle: oil on canvas.\n\nAvoid: people."

    async def test_each_picture_has_its_own_seed(self, bfl: Provider, vendor: Vendor) -> None:
        (made,) = await bfl.generate(order("bfl", indices=(2,)), FakeCall())
        assert vendor.charges[0].body["seed"] == made.seed == 43


class TestCost:
    async def test_it_is_what_the_answer_names_in_credits(
        self, bfl: Provider, vendor: Vendor
    ) -> None:
        large = order("bfl", quality=Quality.HIGH, size=Size(1536, 1024), references=(reference(),))
        (made,) = await bfl.generate(large, FakeCall())
        assert (made.cost_usd, made.cost_basis) == (0.06, CostBasis.USAGE)

    async def test_it_is_known_too_where_a_task_is_taken_up(
        self, bfl: Provider, vendor: Vendor
    ) -> None:
        vendor.jobs["task-9"] = {"body": {"prompt": PROMPT, "seed": 5}, "polls": 0}
        ticket = json.dumps({"id": "task-9", "cost": 4.5})
        (made,) = await bfl.generate(order("bfl"), FakeCall(ticket))
        assert (made.cost_usd, made.cost_basis, made.seed) == (0.045, CostBasis.USAGE, 5)

    async def test_it_is_the_list_price_where_the_answer_names_none(
        self, bfl: Provider, vendor: Vendor
    ) -> None:
        vendor.jobs["task-9"] = {"body": {"prompt": PROMPT}, "polls": 0}
        vendor.faults.append(Fault.answer(200, {"id": "task-9"}, is_paid=True))
        large = order("bfl", quality=Quality.HIGH, size=Size(1536, 1024))
        (made,) = await bfl.generate(large, FakeCall())
        assert (made.cost_usd, made.cost_basis) == (0.045, CostBasis.CATALOGUE)


class TestTicket:
    async def test_a_task_is_taken_up_and_nothing_submitted(
        self, bfl: Provider, vendor: Vendor
    ) -> None:
        first = FakeCall()
        vendor.poll_faults.append(Fault.answer(503, {"detail": "maintenance"}))
        with pytest.raises(ProviderUnavailable) as failed:
            await bfl.generate(order("bfl"), first)
        assert (failed.value.billed, failed.value.retryable) == (Billed.NO, True)
        second = FakeCall(first.ticket)
        (made,) = await bfl.generate(order("bfl"), second)
        assert made.seed == 41
        assert second.story == []
        assert len(vendor.charges) == 1

    async def test_a_task_that_the_vendor_does_not_know_may_have_been_paid(
        self, bfl: Provider, vendor: Vendor
    ) -> None:
        with pytest.raises(OutcomeUnknown) as failed:
            await bfl.generate(order("bfl"), FakeCall('{"id": "task-404"}'))
        assert failed.value.billed is Billed.UNKNOWN
        assert vendor.requests == ["GET /v1/get_result"]

    async def test_our_key_is_sent_to_no_host_but_the_vendors(
        self, bfl: Provider, vendor: Vendor
    ) -> None:
        vendor.jobs["task-9"] = {"body": {"prompt": PROMPT}, "polls": 9}
        elsewhere = {"id": "task-9", "polling_url": f"{nowhere()}/v1/get_result?id=task-9"}
        vendor.faults.append(Fault.answer(200, elsewhere, is_paid=True))
        await bfl.generate(order("bfl"), FakeCall())
        assert "GET /v1/get_result" in vendor.requests

    @pytest.mark.parametrize(
        ("own", "polling_url", "is_followed"),
        [
            ("https://api.bfl.ai", "https://api.bfl.ai/v1/get_result?id=t", True),
            ("https://api.bfl.ai", "https://api.eu2.bfl.ai/v1/get_result?id=t", True),
            ("https://api.eu.bfl.ai", "https://api.eu1.bfl.ai/v1/get_result?id=t", True),
            ("https://proxy.example/bfl", "https://proxy.example/v1/get_result?id=t", True),
            ("https://proxy.example/bfl", "https://api.bfl.ai/v1/get_result?id=t", False),
            ("https://api.bfl.ai", "http://api.bfl.ai/v1/get_result?id=t", False),
            ("https://api.bfl.ai", "https://api.bfl.ai:8443/v1/get_result?id=t", False),
            ("https://api.bfl.ai", "https://api.bfl.ai.example/v1/get_result?id=t", False),
            ("https://api.bfl.ai", "https://api.bfl.ai@evil.example/v1/get_result", False),
            ("https://api.bfl.ai", "https://evil.example/api.bfl.ai", False),
            ("https://api.bfl.ai", "https://api.bfl.ai:port/", False),
        ],
    )
    def test_only_the_vendors_own_addresses_are_polled(
        self, own: str, polling_url: str, is_followed: bool
    ) -> None:
        assert is_same_vendor(polling_url, own) is is_followed

    async def test_a_lost_submission_cannot_be_looked_for(self, bfl: Provider) -> None:
        with pytest.raises(OutcomeUnknown):
            await bfl.find(order("bfl"), "img_1.0.0", datetime.now(UTC))

    async def test_calling_a_task_off_is_not_offered_and_changes_nothing(
        self, bfl: Provider, vendor: Vendor
    ) -> None:
        await bfl.cancel('{"id": "task-1"}')
        assert vendor.requests == []


SUBMISSION_FAILURES = [
    (400, {"detail": "Malformed request"}, RequestRejected),
    (401, {"detail": "key bfl-123 is wrong"}, ProviderAuth),
    (402, {"detail": "Insufficient credits"}, ProviderQuota),
    (403, {"detail": "Not authenticated"}, ProviderAuth),
    (404, {"detail": "Not Found"}, ProviderModelShutDown),
    (422, {"detail": [{"loc": ["body", "width"], "msg": "too wide"}]}, RequestRejected),
    (429, {"detail": "Too many requests in flight"}, ProviderRateLimited),
    (500, {"detail": "Internal Server Error"}, ProviderUnavailable),
    (503, "maintenance", ProviderUnavailable),
    (504, "gateway timeout", OutcomeUnknown),
    (200, {"status": "accepted"}, OutcomeUnknown),
    (200, "<html>", OutcomeUnknown),
]


class TestSubmissionFailures:
    @pytest.mark.parametrize(("status", "body", "kind"), SUBMISSION_FAILURES)
    async def test_each_answer_becomes_one_error_after_one_request(
        self, bfl: Provider, vendor: Vendor, status: int, body: Any, kind: type[JobFailure]
    ) -> None:
        vendor.faults.append(Fault.answer(status, body, {"retry-after": "7"}))
        with pytest.raises(JobFailure) as failed:
            await bfl.generate(order("bfl"), FakeCall())
        assert type(failed.value) is kind
        assert failed.value.provider == "bfl"
        assert len(vendor.requests) == 1
        assert "bfl-123" not in str(failed.value)
        if kind is ProviderRateLimited:
            assert failed.value.retry_after_seconds == 7
        if kind is OutcomeUnknown:
            assert failed.value.billed is Billed.UNKNOWN

    async def test_a_problem_is_told_with_its_field(self, bfl: Provider, vendor: Vendor) -> None:
        detail = [{"loc": ["body", "width"], "msg": "too wide"}, "and more"]
        vendor.faults.append(Fault.answer(422, {"detail": detail}))
        with pytest.raises(RequestRejected, match=r"body\.width: too wide; and more"):
            await bfl.generate(order("bfl"), FakeCall())

    async def test_a_broken_answer_leaves_the_outcome_unknown(
        self, bfl: Provider, vendor: Vendor
    ) -> None:
        vendor.faults.append(Fault(Truncated(), is_paid=True))
        with pytest.raises(OutcomeUnknown) as failed:
            await bfl.generate(order("bfl"), FakeCall())
        assert failed.value.billed is Billed.UNKNOWN
        assert len(vendor.requests) == 1

    async def test_a_vendor_that_cannot_be_reached_was_paid_nothing(self) -> None:
        provider = build("bfl", nowhere())
        with pytest.raises(ProviderUnavailable) as failed:
            await provider.generate(order("bfl"), FakeCall())
        assert failed.value.billed is Billed.NO
        await provider.close()

    async def test_a_wrong_key_is_the_vendors_word(self, vendor: Vendor) -> None:
        provider = build("bfl", vendor.base_url, "other-key")
        with pytest.raises(ProviderAuth):
            await provider.generate(order("bfl"), FakeCall())
        assert vendor.charges == []
        await provider.close()


def ended(status: str, **more: Any) -> dict[str, Any]:
    return {"id": "task-1", "status": status, "result": None, **more}


class TestTaskFailures:
    @pytest.mark.parametrize(
        ("status", "flagged"), [("Request Moderated", "prompt"), ("Content Moderated", "output")]
    )
    async def test_moderation_is_a_rejection_that_costs_nothing(
        self, bfl: Provider, vendor: Vendor, status: str, flagged: str
    ) -> None:
        reasons = {"Moderation Reasons": ["Violence", "Gore"]}
        vendor.poll_faults.append(Fault.answer(200, ended(status, details=reasons)))
        with pytest.raises(ContentRejected, match="Violence, Gore") as failed:
            await bfl.generate(order("bfl"), FakeCall())
        assert (failed.value.flagged, failed.value.billed) == (flagged, Billed.NO)
        assert vendor.requests == ["POST /v1/flux-2-klein-4b", "GET /v1/get_result"]

    @pytest.mark.parametrize("http_status", [200, 500])
    async def test_a_task_that_failed_is_over_and_another_may_work(
        self, bfl: Provider, vendor: Vendor, http_status: int
    ) -> None:
        vendor.poll_faults.append(
            Fault.answer(http_status, ended("Error", details="out of memory"))
        )
        with pytest.raises(GenerationFailed, match="out of memory") as failed:
            await bfl.generate(order("bfl"), FakeCall())
        assert (failed.value.billed, failed.value.retryable) == (Billed.NO, True)

    async def test_no_reason_is_needed(self, bfl: Provider, vendor: Vendor) -> None:
        vendor.poll_faults.append(Fault.answer(200, ended("Error")))
        with pytest.raises(GenerationFailed, match="no reason"):
            await bfl.generate(order("bfl"), FakeCall())

    @pytest.mark.parametrize(
        ("status", "body", "kind", "billed"),
        [
            (401, {"detail": "no"}, ProviderAuth, Billed.UNKNOWN),
            (404, "no such page", OutcomeUnknown, Billed.UNKNOWN),
            (422, {"detail": "id"}, RequestRejected, Billed.UNKNOWN),
            (429, {"detail": "slow down"}, ProviderRateLimited, Billed.NO),
            (500, {"status": "down"}, ProviderUnavailable, Billed.NO),
            (504, "gateway timeout", ProviderUnavailable, Billed.NO),
            (200, "<html>", ProviderUnavailable, Billed.NO),
        ],
    )
    async def test_a_poll_that_fails_pays_nothing_and_is_not_repeated(
        self,
        bfl: Provider,
        vendor: Vendor,
        status: int,
        body: Any,
        kind: type[JobFailure],
        billed: Billed,
    ) -> None:
        vendor.poll_faults.append(Fault.answer(status, body, {"retry-after": "3"}))
        with pytest.raises(JobFailure) as failed:
            await bfl.generate(order("bfl"), FakeCall())
        assert (type(failed.value), failed.value.billed) == (kind, billed)
        assert vendor.requests == ["POST /v1/flux-2-klein-4b", "GET /v1/get_result"]
        if kind is ProviderRateLimited:
            assert failed.value.retry_after_seconds == 3

    async def test_a_poll_that_gets_no_answer_is_an_outage(
        self, bfl: Provider, vendor: Vendor
    ) -> None:
        vendor.poll_faults.append(Fault(Truncated()))
        with pytest.raises(ProviderUnavailable):
            await bfl.generate(order("bfl"), FakeCall())

    @pytest.mark.parametrize("result", [None, {}, {"sample": None}])
    async def test_ready_without_a_picture_is_a_useless_output_that_was_paid(
        self, bfl: Provider, vendor: Vendor, result: Any
    ) -> None:
        vendor.poll_faults.append(Fault.answer(200, {**ended("Ready"), "result": result}))
        with pytest.raises(InvalidOutput) as failed:
            await bfl.generate(order("bfl"), FakeCall())
        assert failed.value.billed is Billed.YES

    async def test_a_picture_whose_address_has_expired_was_paid(
        self, bfl: Provider, vendor: Vendor
    ) -> None:
        vendor.polls_until_done = 0
        vendor.poll_faults.extend([Fault(), Fault.answer(403, "Signature expired")])
        with pytest.raises(InvalidOutput) as failed:
            await bfl.generate(order("bfl"), FakeCall())
        assert failed.value.billed is Billed.YES

    async def test_a_picture_that_cannot_be_fetched_now_is_fetched_by_the_next_try(
        self, bfl: Provider, vendor: Vendor
    ) -> None:
        vendor.polls_until_done = 0
        vendor.poll_faults.extend([Fault(), Fault.answer(503, "try later")])
        call = FakeCall()
        with pytest.raises(ProviderUnavailable):
            await bfl.generate(order("bfl"), call)
        (made,) = await bfl.generate(order("bfl"), FakeCall(call.ticket))
        assert made.data
        assert len(vendor.charges) == 1
