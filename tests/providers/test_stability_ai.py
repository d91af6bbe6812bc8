from __future__ import annotations

import io
from collections.abc import AsyncIterator
from typing import Any

import pytest
from PIL import Image

from domain.errors import (
    Billed,
    ContentRejected,
    JobFailure,
    OutcomeUnknown,
    ProviderAuth,
    ProviderModelShutDown,
    ProviderQuota,
    ProviderRateLimited,
    ProviderUnavailable,
    RequestRejected,
)
from domain.sizes import Quality, Size
from providers.base import Provider, Reference
from tests.fakes import FakeCall, png
from tests.providers.vendors import PROMPT, build, nowhere, order
from tests.vendors.stand_in import Fault, StandIn, Truncated, Vendor, picture


@pytest.fixture
def vendor(stand_in: StandIn) -> Vendor:
    return stand_in["stability_ai"]


@pytest.fixture
async def stability(vendor: Vendor) -> AsyncIterator[Provider]:
    provider = build("stability_ai", vendor.base_url, "stability-key")
    yield provider
    await provider.close()


class TestGenerate:
    async def test_a_draft_is_one_request_of_the_default_model(
        self, stability: Provider, vendor: Vendor
    ) -> None:
        call = FakeCall()
        (made,) = await stability.generate(order("stability_ai", size=Size(1344, 768)), call)
        (charge,) = vendor.charges
        assert charge.path == "/v2beta/stable-image/generate/core"
        assert charge.body["prompt"] == PROMPT
        assert (charge.body["aspect_ratio"], charge.body["seed"]) == ("16:9", "41")
        assert Image.open(io.BytesIO(made.data)).size == (1344, 768)
        assert (made.seed, made.cost_usd) == (41, 0.03)
        assert call.story == ["sending"]

    async def test_a_style_it_knows_is_a_parameter_and_another_is_folded_in(
        self, stability: Provider, vendor: Vendor
    ) -> None:
        await stability.generate(order("stability_ai", style="cinematic"), FakeCall())
        await stability.generate(order("stability_ai", style="oil-on-canvas"), FakeCall())
        known, folded = (charge.body for charge in vendor.charges)
        assert (known["style_preset"], known["prompt"]) == ("cinematic", PROMPT)
        assert "style_preset" not in folded
        assert folded["prompt"].endswith("Style: oil on canvas.")

    async def test_a_negative_prompt_is_a_parameter(
        self, stability: Provider, vendor: Vendor
    ) -> None:
        await stability.generate(order("stability_ai", negative_prompt="people"), FakeCall())
        assert vendor.charges[0].body["negative_prompt"] == "people"

    async def test_a_final_is_bound_to_its_draft(self, stability: Provider, vendor: Vendor) -> None:
        draft = Reference(png(64, 64), "image/png", is_draft=True)
        bound = order("stability_ai", quality=Quality.HIGH, references=(draft,))
        await stability.generate(bound, FakeCall())
        body = vendor.charges[0].body
        assert vendor.charges[0].path.endswith("/ultra")
        assert body["image"] == draft.data
        assert 0 < float(body["strength"]) < 0.5
        assert "aspect_ratio" not in body

    @pytest.mark.parametrize(("seed", "sent"), [(0, "1"), (2**32 - 1, "4294967294"), (9, "9")])
    async def test_a_seed_is_one_that_the_vendor_takes(
        self, stability: Provider, vendor: Vendor, seed: int, sent: str
    ) -> None:
        await stability.generate(order("stability_ai", seed=seed), FakeCall())
        assert vendor.charges[0].body["seed"] == sent


def said(name: str, *errors: str) -> dict[str, Any]:
    return {"id": "a1b2", "name": name, "errors": list(errors)}


FAILURES = [
    (400, said("bad_request", "aspect_ratio: not one of"), RequestRejected),
    (401, said("unauthorized", "key sk-123 is wrong"), ProviderAuth),
    (402, said("payment_required", "no credits"), ProviderQuota),
    (403, said("content_moderation", "flagged"), ContentRejected),
    (404, said("not_found", "no such service"), ProviderModelShutDown),
    (413, said("payload_too_large", "too large"), RequestRejected),
    (422, said("invalid_language", "English only"), RequestRejected),
    (429, said("rate_limit_exceeded", "150 in 10 s"), ProviderRateLimited),
    (500, said("internal_error", "oops"), ProviderUnavailable),
    (503, "upstream is down", ProviderUnavailable),
    (504, "gateway timeout", OutcomeUnknown),
]


class TestFailures:
    @pytest.mark.parametrize(("status", "body", "kind"), FAILURES)
    async def test_each_answer_becomes_one_error_after_one_request(
        self,
        stability: Provider,
        vendor: Vendor,
        status: int,
        body: Any,
        kind: type[JobFailure],
    ) -> None:
        vendor.faults.append(Fault.answer(status, body, {"retry-after": "7"}))
        with pytest.raises(JobFailure) as failed:
            await stability.generate(order("stability_ai"), FakeCall())
        assert type(failed.value) is kind
        assert failed.value.provider == "stability_ai"
        assert len(vendor.requests) == 1
        assert "sk-123" not in str(failed.value)
        if kind is ProviderRateLimited:
            assert failed.value.retry_after_seconds == 7
        if kind is ContentRejected:
            assert failed.value.flagged == "prompt"

    async def test_a_filtered_picture_is_a_rejection_that_was_paid(
        self, stability: Provider, vendor: Vendor
    ) -> None:
        blurred = Fault.answer(200, "", {"finish-reason": "CONTENT_FILTERED"}, is_paid=True)
        assert blurred.response is not None
        blurred.response.body = picture(64, 64)
        vendor.faults.append(blurred)
        with pytest.raises(ContentRejected) as failed:
            await stability.generate(order("stability_ai"), FakeCall())
        assert (failed.value.flagged, failed.value.billed) == ("output", Billed.YES)

    async def test_a_broken_answer_leaves_the_outcome_unknown(
        self, stability: Provider, vendor: Vendor
    ) -> None:
        vendor.faults.append(Fault(Truncated(), is_paid=True))
        with pytest.raises(OutcomeUnknown) as failed:
            await stability.generate(order("stability_ai"), FakeCall())
        assert failed.value.billed is Billed.UNKNOWN
        assert len(vendor.requests) == 1

    async def test_a_vendor_that_cannot_be_reached_was_paid_nothing(self) -> None:
        provider = build("stability_ai", nowhere())
        with pytest.raises(ProviderUnavailable) as failed:
            await provider.generate(order("stability_ai"), FakeCall())
        assert failed.value.billed is Billed.NO
        await provider.close()
