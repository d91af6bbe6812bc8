from __future__ import annotations

import base64
import io
import json
from collections.abc import AsyncIterator
from dataclasses import replace
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
    ModelShutDown,
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
from providers.base import Order, Provider, Reference
from providers.huggingface import HuggingFace
from providers.models import Model
from providers.registry import Connection
from tests.fakes import FakeCall, png
from tests.providers.vendors import CATALOGUE, PROMPT, build, nowhere, order
from tests.vendors.stand_in import Fault, StandIn, Truncated, Vendor

DRAFT = Reference(png(64, 64), "image/png", is_draft=True)
SDXL = "stabilityai/stable-diffusion-xl-base-1.0"


@pytest.fixture
def vendor(stand_in: StandIn) -> Vendor:
    return stand_in["huggingface"]


@pytest.fixture
async def hugging_face(vendor: Vendor) -> AsyncIterator[Provider]:
    provider = build("huggingface", vendor.base_url, poll_seconds=0)
    yield provider
    await provider.close()


def pinned(base_url: str | None, **options: Any) -> HuggingFace:
    """A provider with one more model, `own/model`."""
    model = {"seed": True, "references": 1, "options": options, "expected_seconds": {"draft": 1}}
    entry = CATALOGUE.providers["huggingface"]
    models = {**entry.models, "own/model": Model.model_validate(model)}
    entry = entry.model_copy(update={"models": models})
    return HuggingFace(Connection("huggingface", entry, base_url, "huggingface-key"))


def own(*references: Reference) -> Order:
    return replace(order("huggingface"), model="own/model", references=references)


def final() -> Order:
    size = size_for(Quality.HIGH, AspectRatio.SQUARE)
    return order("huggingface", quality=Quality.HIGH, size=size, references=(DRAFT,))


class TestGenerate:
    async def test_a_draft_is_one_request_to_the_vendor_that_the_model_is_pinned_to(
        self, hugging_face: Provider, vendor: Vendor
    ) -> None:
        call = FakeCall()
        (made,) = await hugging_face.generate(order("huggingface"), call)
        (charge,) = vendor.charges
        assert charge.path == "/fal-ai/fal-ai/flux/schnell"
        assert charge.body == {
            "prompt": PROMPT,
            "image_size": {"width": 512, "height": 512},
            "seed": 41,
            "num_inference_steps": 4,
        }
        assert Image.open(io.BytesIO(made.data)).size == (512, 512)
        assert (made.seed, made.cost_usd, made.cost_basis) == (41, None, CostBasis.UNKNOWN)
        assert call.story[0] == "sending"

    async def test_the_organisation_that_pays_is_named(self, vendor: Vendor) -> None:
        provider = build("huggingface", vendor.base_url, bill_to="acme")
        await provider.generate(order("huggingface"), FakeCall())
        assert vendor.charges[0].body["billed_to"] == "acme"
        await provider.close()

    async def test_a_picture_in_the_answer_is_kept_byte_for_byte(
        self, hugging_face: Provider, vendor: Vendor
    ) -> None:
        asked = order("huggingface", model=SDXL, negative_prompt="people", indices=(1,))
        call = FakeCall()
        (made,) = await hugging_face.generate(asked, call)
        (charge,) = vendor.charges
        assert charge.path == f"/hf-inference/models/{SDXL}"
        assert charge.body["inputs"] == PROMPT
        assert charge.body["parameters"] == {
            "width": 512,
            "height": 512,
            "seed": 42,
            "negative_prompt": "people",
        }
        assert made.data.startswith(b"\x89PNG")
        assert made.seed == 42
        assert call.story == ["sending"]

    async def test_a_final_is_bound_to_its_draft(
        self, hugging_face: Provider, vendor: Vendor
    ) -> None:
        (made,) = await hugging_face.generate(final(), FakeCall())
        (charge,) = vendor.charges
        assert charge.path == "/fal-ai/fal-ai/qwen-image-edit-plus"
        (sent,) = charge.body["image_urls"]
        assert base64.b64decode(sent.removeprefix("data:image/png;base64,")) == DRAFT.data
        assert charge.body["image_size"] == {"width": 1536, "height": 1536}
        assert charge.body["seed"] == made.seed == 41
        assert "composition" in charge.body["prompt"]
        assert Image.open(io.BytesIO(made.data)).size == (1536, 1536)

    @pytest.mark.parametrize("ratio", list(AspectRatio))
    async def test_every_ratio_is_made_at_a_size_that_the_model_takes(
        self, hugging_face: Provider, vendor: Vendor, ratio: AspectRatio
    ) -> None:
        size = size_for(Quality.STANDARD, ratio)
        asked = order("huggingface", quality=Quality.STANDARD, size=size, aspect_ratio=ratio)
        (made,) = await hugging_face.generate(asked, FakeCall())
        width, height = Image.open(io.BytesIO(made.data)).size
        assert (width % 16, height % 16) == (0, 0)
        assert abs(width / height / ratio.width_to_height - 1) < 0.04

    async def test_style_and_negative_prompt_are_folded_in_where_the_model_takes_none(
        self, hugging_face: Provider, vendor: Vendor
    ) -> None:
        asked = order("huggingface", style="oil-on-canvas", negative_prompt="people")
        await hugging_face.generate(asked, FakeCall())
        body = vendor.charges[0].body
        assert body["prompt"] == f"{PROMPT}\n\nStyle: oil on canvas.\n\nAvoid: people."
        assert "negative_prompt" not in body

    def test_a_model_that_left_the_hub_is_refused_with_its_successor(self) -> None:
        with pytest.raises(ModelShutDown, match=SDXL):
            order("huggingface", model="runwayml/stable-diffusion-v1-5")


class TestVendors:
    @pytest.mark.parametrize("name", ["together", "nscale"])
    async def test_a_picture_in_base64_is_unpacked(self, vendor: Vendor, name: str) -> None:
        provider = pinned(vendor.base_url, provider=name)
        (made,) = await provider.generate(own(), FakeCall())
        (charge,) = vendor.charges
        assert (charge.body["model"], charge.body["seed"]) == ("own/model", 41)
        assert made.data.startswith(b"\x89PNG")
        await provider.close()

    async def test_an_edit_may_take_its_size_plainly(self, vendor: Vendor) -> None:
        provider = pinned(vendor.base_url, provider="together", plain_size=True)
        await provider.generate(own(DRAFT), FakeCall())
        body = vendor.charges[0].body
        assert (body["width"], body["height"]) == (512, 512)
        assert body["reference_images"][0].startswith("data:image/png;base64,")
        assert "target_size" not in body
        await provider.close()

    async def test_what_replicate_made_is_fetched(self, vendor: Vendor) -> None:
        provider = pinned(vendor.base_url, provider="replicate", provider_id="org/made")
        (made,) = await provider.generate(own(), FakeCall())
        assert vendor.charges[0].path == "/replicate/v1/models/org/made/predictions"
        assert made.data.startswith(b"\x89PNG")
        await provider.close()

    async def test_an_endpoint_of_ones_own_is_the_base_url_itself(self, vendor: Vendor) -> None:
        provider = pinned(vendor.base_url)
        await provider.generate(own(DRAFT), FakeCall())
        (charge,) = vendor.charges
        assert charge.path == ""
        assert base64.b64decode(charge.body["inputs"]) == DRAFT.data
        assert charge.body["parameters"]["target_size"] == {"width": 512, "height": 512}
        await provider.close()

    @pytest.mark.parametrize(
        ("base_url", "options", "references"),
        [
            (None, {}, ()),
            (None, {"provider": "wavespeed"}, ()),
            (None, {"provider": "zai-org"}, ()),
            (None, {"provider": "no-such-vendor"}, ()),
            (None, {"provider": "nscale"}, (DRAFT,)),
        ],
    )
    async def test_a_vendor_that_cannot_serve_it_is_sent_nothing(
        self, base_url: str | None, options: dict[str, Any], references: tuple[Reference, ...]
    ) -> None:
        provider, call = pinned(base_url, **options), FakeCall()
        with pytest.raises(RequestRejected) as failed:
            await provider.generate(own(*references), call)
        assert (failed.value.billed, call.story) == (Billed.NO, [])
        await provider.close()


class TestTicket:
    async def test_a_job_is_put_down_before_it_is_polled(
        self, hugging_face: Provider, vendor: Vendor
    ) -> None:
        call = FakeCall()
        await hugging_face.generate(final(), call)
        sending, submitted = call.story
        job = "/fal-ai/fal-ai/qwen-image-edit-plus/requests/job-1"
        assert sending == "sending"
        assert json.loads(submitted.removeprefix("submitted ")) == {
            "job": f"{job}?_subdomain=queue"
        }
        assert vendor.requests == [
            "POST /fal-ai/fal-ai/qwen-image-edit-plus",
            f"GET {job}/status",
            f"GET {job}/status",
            f"GET {job}",
            "GET /pictures/picture-2.png",
        ]

    async def test_a_job_is_taken_up_and_nothing_submitted(
        self, hugging_face: Provider, vendor: Vendor
    ) -> None:
        first = FakeCall()
        vendor.poll_faults.append(Fault.answer(502, "bad gateway"))
        with pytest.raises(ProviderUnavailable):
            await hugging_face.generate(final(), first)
        second = FakeCall(first.ticket)
        (made,) = await hugging_face.generate(replace(final(), references=()), second)
        assert made.seed == 41
        assert second.story == []
        assert len(vendor.charges) == 1

    async def test_a_picture_that_waits_somewhere_is_fetched_by_the_next_try(
        self, hugging_face: Provider, vendor: Vendor
    ) -> None:
        first = FakeCall()
        vendor.poll_faults.append(Fault.answer(503, "try later"))
        with pytest.raises(ProviderUnavailable) as failed:
            await hugging_face.generate(order("huggingface"), first)
        assert failed.value.retryable
        (made,) = await hugging_face.generate(order("huggingface"), FakeCall(first.ticket))
        assert (made.seed, made.data[:4]) == (41, b"\x89PNG")
        assert len(vendor.charges) == 1

    async def test_a_job_that_the_vendor_does_not_know_may_have_been_paid(
        self, hugging_face: Provider, vendor: Vendor
    ) -> None:
        lost = '{"job": "/fal-ai/fal-ai/qwen-image/requests/job-9?_subdomain=queue"}'
        with pytest.raises(OutcomeUnknown) as failed:
            await hugging_face.generate(order("huggingface"), FakeCall(lost))
        assert failed.value.billed is Billed.UNKNOWN
        assert vendor.charges == []

    async def test_our_key_follows_no_address_out_of_an_answer(
        self, hugging_face: Provider, vendor: Vendor
    ) -> None:
        elsewhere = {"response_url": "https://evil.example/fal-ai/a/requests/job-1"}
        vendor.faults.append(Fault.answer(200, elsewhere, is_paid=True))
        with pytest.raises(OutcomeUnknown):
            await hugging_face.generate(final(), FakeCall())
        assert vendor.requests[1:] == ["GET /fal-ai/fal-ai/a/requests/job-1/status"]

    async def test_a_lost_submission_cannot_be_looked_for(self, hugging_face: Provider) -> None:
        with pytest.raises(OutcomeUnknown):
            await hugging_face.find(order("huggingface"), "img_1.0.0", datetime.now(UTC))


POLICY = {"detail": [{"type": "content_policy_violation", "msg": "not allowed", "loc": ["prompt"]}]}
UNSUPPORTED = {"error": {"message": "not served", "code": "model_not_supported"}}

FAILURES = [
    (400, {"error": "guidance_scale: not a number"}, RequestRejected),
    (400, UNSUPPORTED, ProviderModelShutDown),
    (400, {"error": {"message": "NSFW content was asked for", "code": None}}, ContentRejected),
    (401, {"error": "Invalid credentials: hf_123"}, ProviderAuth),
    (402, {"error": "You have exceeded your monthly included credits"}, ProviderQuota),
    (403, {"error": "hf_123 lacks permissions"}, ProviderAuth),
    (404, {"error": "Not Found"}, ProviderModelShutDown),
    (410, {"message": "the model is gone"}, ProviderModelShutDown),
    (422, POLICY, ContentRejected),
    (422, {"detail": [{"type": "int_parsing", "msg": "bad", "loc": ["seed"]}]}, RequestRejected),
    (422, {"detail": []}, RequestRejected),
    (429, {"error": "Too Many Requests"}, ProviderRateLimited),
    (500, {"error": "CUDA out of memory"}, ProviderUnavailable),
    (503, "upstream is down", ProviderUnavailable),
    (504, "gateway timeout", OutcomeUnknown),
    (307, "moved", RequestRejected),
]


class TestFailures:
    @pytest.mark.parametrize(("status", "body", "kind"), FAILURES)
    async def test_each_answer_becomes_one_error_after_one_request(
        self, hugging_face: Provider, vendor: Vendor, status: int, body: Any, kind: type[JobFailure]
    ) -> None:
        headers = {"retry-after": "7", "location": f"{vendor.base_url}/elsewhere"}
        vendor.faults.append(Fault.answer(status, body, headers))
        with pytest.raises(JobFailure) as failed:
            await hugging_face.generate(order("huggingface"), FakeCall())
        assert type(failed.value) is kind
        assert failed.value.provider == "huggingface"
        assert len(vendor.requests) == 1
        assert "hf_123" not in str(failed.value)
        if kind is ProviderRateLimited:
            assert failed.value.retry_after_seconds == 7
        if kind is ContentRejected:
            assert (failed.value.flagged, failed.value.billed) == ("prompt", Billed.NO)

    @pytest.mark.parametrize(
        ("status", "body", "headers", "seconds"),
        [
            (429, {"error": "slow down"}, {"ratelimit": '"api";r=0;t=55'}, 55),
            (503, {"error": "is currently loading", "estimated_time": 20.5}, {}, 20.5),
            (503, {"error": "down"}, {}, None),
        ],
    )
    async def test_the_wait_is_the_vendors_own_word(
        self,
        hugging_face: Provider,
        vendor: Vendor,
        status: int,
        body: Any,
        headers: dict[str, str],
        seconds: float | None,
    ) -> None:
        vendor.faults.append(Fault.answer(status, body, headers))
        with pytest.raises(JobFailure) as failed:
            await hugging_face.generate(order("huggingface"), FakeCall())
        assert failed.value.retry_after_seconds == seconds

    async def test_a_blackened_picture_is_a_rejection_that_was_paid(
        self, hugging_face: Provider, vendor: Vendor
    ) -> None:
        black = {"images": [{"url": "https://x.example/1.png"}], "has_nsfw_concepts": [True]}
        vendor.faults.append(Fault.answer(200, black, is_paid=True))
        with pytest.raises(ContentRejected) as failed:
            await hugging_face.generate(order("huggingface"), FakeCall())
        assert (failed.value.flagged, failed.value.billed) == ("output", Billed.YES)

    @pytest.mark.parametrize(
        "body", [{}, {"images": []}, {"data": [{}]}, {"data": [{"b64_json": "%"}]}, "<html>", []]
    )
    async def test_an_answer_without_a_picture_was_paid(
        self, hugging_face: Provider, vendor: Vendor, body: Any
    ) -> None:
        vendor.faults.append(Fault.answer(200, body, is_paid=True))
        with pytest.raises(InvalidOutput) as failed:
            await hugging_face.generate(order("huggingface"), FakeCall())
        assert failed.value.billed is Billed.YES

    @pytest.mark.parametrize(
        ("body", "kind"),
        [
            ({"status": "failed", "error": "E001: GPU is gone"}, GenerationFailed),
            ({"status": "failed", "error": "E005: flagged as sensitive"}, ContentRejected),
            ({"status": "canceled"}, GenerationFailed),
            ({"status": "processing", "output": None}, OutcomeUnknown),
        ],
    )
    async def test_a_prediction_without_a_picture_may_have_been_paid(
        self, hugging_face: Provider, vendor: Vendor, body: Any, kind: type[JobFailure]
    ) -> None:
        vendor.faults.append(Fault.answer(201, body, is_paid=True))
        with pytest.raises(JobFailure) as failed:
            await hugging_face.generate(order("huggingface"), FakeCall())
        assert (type(failed.value), failed.value.billed) == (kind, Billed.UNKNOWN)
        assert len(vendor.requests) == 1

    async def test_an_address_that_has_expired_was_paid(
        self, hugging_face: Provider, vendor: Vendor
    ) -> None:
        vendor.poll_faults.append(Fault.answer(404, "gone"))
        with pytest.raises(InvalidOutput) as failed:
            await hugging_face.generate(order("huggingface"), FakeCall())
        assert failed.value.billed is Billed.YES

    @pytest.mark.parametrize(
        "address", ["ftp://files.example/1.png", "https://x.example:port/", "nowhere"]
    )
    async def test_an_address_that_is_none_was_paid(
        self, hugging_face: Provider, vendor: Vendor, address: str
    ) -> None:
        vendor.faults.append(Fault.answer(200, {"images": [{"url": address}]}, is_paid=True))
        with pytest.raises(InvalidOutput) as failed:
            await hugging_face.generate(order("huggingface"), FakeCall())
        assert failed.value.billed is Billed.YES

    async def test_a_broken_answer_leaves_the_outcome_unknown(
        self, hugging_face: Provider, vendor: Vendor
    ) -> None:
        vendor.faults.append(Fault(Truncated(), is_paid=True))
        with pytest.raises(OutcomeUnknown) as failed:
            await hugging_face.generate(order("huggingface"), FakeCall())
        assert failed.value.billed is Billed.UNKNOWN
        assert len(vendor.requests) == 1

    async def test_a_vendor_that_cannot_be_reached_was_paid_nothing(self) -> None:
        provider = build("huggingface", nowhere())
        with pytest.raises(ProviderUnavailable) as failed:
            await provider.generate(order("huggingface"), FakeCall())
        assert failed.value.billed is Billed.NO
        await provider.close()

    async def test_a_wrong_key_is_the_vendors_word(self, vendor: Vendor) -> None:
        provider = build("huggingface", vendor.base_url, "other-key")
        with pytest.raises(ProviderAuth):
            await provider.generate(order("huggingface"), FakeCall())
        assert vendor.charges == []
        await provider.close()


class TestJobFailures:
    @pytest.mark.parametrize(
        ("status", "body", "kind", "billed"),
        [
            (200, {"status": "COMPLETED", "error": "oops"}, GenerationFailed, Billed.UNKNOWN),
            (200, {"status": "COMPLETED", "error": "NSFW"}, ContentRejected, Billed.UNKNOWN),
            (200, "<html>", ProviderUnavailable, Billed.NO),
            (401, {"error": "no"}, ProviderAuth, Billed.UNKNOWN),
            (422, {"detail": "bad"}, RequestRejected, Billed.UNKNOWN),
            (422, POLICY, ContentRejected, Billed.NO),
            (429, {"error": "slow down"}, ProviderRateLimited, Billed.NO),
            (500, "oops", ProviderUnavailable, Billed.NO),
            (504, "gateway timeout", ProviderUnavailable, Billed.NO),
        ],
    )
    async def test_asking_pays_nothing_and_is_not_repeated(
        self,
        hugging_face: Provider,
        vendor: Vendor,
        status: int,
        body: Any,
        kind: type[JobFailure],
        billed: Billed,
    ) -> None:
        vendor.poll_faults.append(Fault.answer(status, body))
        with pytest.raises(JobFailure) as failed:
            await hugging_face.generate(final(), FakeCall())
        assert (type(failed.value), failed.value.billed) == (kind, billed)
        assert failed.value.provider == "huggingface"
        assert len(vendor.requests) == 2

    async def test_a_result_that_names_no_picture_was_paid(
        self, hugging_face: Provider, vendor: Vendor
    ) -> None:
        vendor.polls_until_done = 0
        vendor.poll_faults.extend([Fault(), Fault.answer(200, {"images": []})])
        with pytest.raises(InvalidOutput) as failed:
            await hugging_face.generate(final(), FakeCall())
        assert failed.value.billed is Billed.YES

    async def test_a_larger_picture_than_the_model_makes_is_asked_for_in_its_size(
        self, hugging_face: Provider, vendor: Vendor
    ) -> None:
        size = Size(2048, 2048)
        asked = order("huggingface", quality=Quality.ULTRA, size=size, aspect_ratio="1:1")
        (made,) = await hugging_face.generate(asked, FakeCall())
        assert Image.open(io.BytesIO(made.data)).size == (1616, 1616)
