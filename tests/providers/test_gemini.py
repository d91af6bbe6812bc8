from __future__ import annotations

import base64
import io
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from domain.errors import (
    Billed,
    CapabilityMissing,
    ContentRejected,
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
from domain.sizes import Quality, Size
from providers.base import Order, Provider, Reference
from providers.catalogue import load_catalogue
from providers.registry import Roster, build_roster
from tests.fakes import FakeCall, png
from tests.providers.vendors import CATALOGUE, PROMPT, build, nowhere, order
from tests.vendors.gemini import (
    PROMPT_TOKENS,
    REFERENCE_TOKENS,
    THOUGHT_TOKENS,
    TOKENS,
    answer,
    failed,
    inline,
)
from tests.vendors.stand_in import Fault, StandIn, Truncated, Vendor, picture


@pytest.fixture
def vendor(stand_in: StandIn) -> Vendor:
    return stand_in["gemini"]


@pytest.fixture
async def gemini(vendor: Vendor) -> AsyncIterator[Provider]:
    provider = build("gemini", vendor.base_url)
    yield provider
    await provider.close()


def ordered(**more: Any) -> Order:
    return order("gemini", **more)


class TestGenerate:
    async def test_a_draft_is_one_request_of_the_default_model(
        self, gemini: Provider, vendor: Vendor
    ) -> None:
        call = FakeCall()
        (made,) = await gemini.generate(ordered(size=Size(512, 288)), call)
        (charge,) = vendor.charges
        assert charge.path == "/v1/models/gemini-3.1-flash-lite-image:generateContent"
        assert charge.body["contents"] == [{"parts": [{"text": PROMPT}], "role": "user"}]
        assert charge.body["generationConfig"] == {
            "responseModalities": ["IMAGE"],
            "imageConfig": {"aspectRatio": "16:9", "imageSize": "1K"},
        }
        assert Image.open(io.BytesIO(made.data)).size == (1376, 768)
        assert made.seed is None
        assert call.story == ["sending"]

    @pytest.mark.parametrize(
        ("asked", "ratio", "tier"),
        [
            (Size(512, 512), "1:1", "512"),
            (Size(1023, 682), "3:2", "1K"),
            (Size(864, 1536), "9:16", "2K"),
            (Size(2037, 873), "21:9", "2K"),
            (Size(4096, 3072), "4:3", "4K"),
        ],
    )
    async def test_a_size_is_asked_for_by_ratio_and_tier(
        self, gemini: Provider, vendor: Vendor, asked: Size, ratio: str, tier: str
    ) -> None:
        await gemini.generate(ordered(model="gemini-3.1-flash-image", size=asked), FakeCall())
        sent = vendor.charges[0].body["generationConfig"]["imageConfig"]
        assert sent == {"aspectRatio": ratio, "imageSize": tier}

    def test_a_ratio_that_no_model_makes_is_refused(self) -> None:
        with pytest.raises(CapabilityMissing):
            ordered(size=Size(216, 504))

    def test_a_dead_model_is_refused_with_its_successor(self) -> None:
        with pytest.raises(ModelShutDown, match=r"Use 'gemini-3\.1-flash-image' instead"):
            ordered(model="imagen-4.0-generate-001")

    async def test_style_and_negative_prompt_are_folded_into_the_prompt(
        self, gemini: Provider, vendor: Vendor
    ) -> None:
        await gemini.generate(ordered(style="oil-on-canvas", negative_prompt="people"), FakeCall())
        assert vendor.charges[0].body["contents"][0]["parts"] == [
            {"text": f"{PROMPT}\n\nStyle: oil on canvas.\n\nAvoid: people."}
        ]

    async def test_a_final_is_bound_to_its_draft(self, gemini: Provider, vendor: Vendor) -> None:
        draft = Reference(png(64, 64), "image/png", is_draft=True)
        given = Reference(png(32, 32, "red"), "image/webp")
        bound = ordered(quality=Quality.HIGH, references=(draft, given))
        await gemini.generate(bound, FakeCall())
        (charge,) = vendor.charges
        *pictures, text = charge.body["contents"][0]["parts"]
        assert charge.path.endswith("/gemini-3-pro-image:generateContent")
        assert [sent(picture["inlineData"]) for picture in pictures] == [
            (draft.data, "image/png"),
            (given.data, "image/webp"),
        ]
        assert "Render the attached draft again" in text["text"]

    async def test_a_seed_is_sent_where_the_operator_trusts_the_model_with_it(
        self, vendor: Vendor, tmp_path: Path
    ) -> None:
        config = tmp_path / "darkroom.toml"
        config.write_text('[providers.gemini.models."gemini-3.1-flash-image"]\nseed = true\n')
        environment = {"GEMINI_API_KEY": "gemini-key", "GEMINI_BASE_URL": vendor.base_url}
        roster = build_roster(load_catalogue(config), environment, 1)
        seeded = ordered(model="gemini-3.1-flash-image", seed=2**31 + 5)
        (made,) = await roster.providers["gemini"].generate(seeded, FakeCall())
        assert vendor.charges[0].body["generationConfig"]["seed"] == made.seed == 5
        await roster.close()

    async def test_what_the_model_thought_is_not_its_picture(
        self, gemini: Provider, vendor: Vendor
    ) -> None:
        thought = {**inline(png(8, 8)), "thought": True}
        parts = [{"text": "Here it is."}, thought, inline(picture(64, 64))]
        vendor.faults.append(Fault.answer(200, answer(parts), is_paid=True))
        (made,) = await gemini.generate(ordered(), FakeCall())
        assert made.data == picture(64, 64)

    async def test_an_answer_to_be_continued_is_not_paid_on(
        self, gemini: Provider, vendor: Vendor
    ) -> None:
        body = answer([{"text": "…"}], "CONTINUATION")
        body["candidates"][0]["continuationToken"] = "bW9yZQ=="
        vendor.faults.append(Fault.answer(200, body, is_paid=True))
        with pytest.raises(InvalidOutput):
            await gemini.generate(ordered(), FakeCall())
        assert len(vendor.requests) == 1


def sent(part: dict[str, str]) -> tuple[bytes, str]:
    return base64.urlsafe_b64decode(part["data"]), part["mime_type"]


class TestCost:
    async def test_it_is_what_the_answer_says_was_used(self, gemini: Provider) -> None:
        draft = Reference(png(64, 64), "image/png", is_draft=True)
        bound = ordered(quality=Quality.HIGH, references=(draft,))
        (made,) = await gemini.generate(bound, FakeCall())
        used = (
            2 * (PROMPT_TOKENS + REFERENCE_TOKENS) + 12 * THOUGHT_TOKENS + 120 * TOKENS["1K"]
        ) / 1_000_000
        assert made.cost_usd == pytest.approx(used, abs=1e-6)
        assert made.cost_basis is CostBasis.USAGE

    async def test_tokens_that_are_not_told_apart_are_text_in_and_picture_out(
        self, gemini: Provider, vendor: Vendor
    ) -> None:
        usage = {"promptTokenCount": 1000, "candidatesTokenCount": 1120}
        body = answer([inline(png(8, 8))], usage=usage)
        vendor.faults.append(Fault.answer(200, body, is_paid=True))
        (made,) = await gemini.generate(ordered(model="gemini-3.1-flash-image"), FakeCall())
        assert made.cost_usd == pytest.approx((0.5 * 1000 + 60 * 1120) / 1_000_000)

    @pytest.mark.parametrize(
        ("size", "listed"),
        [(512, 0.045), (1024, 0.067), (2048, 0.101), (4096, 0.151)],
    )
    async def test_it_is_the_list_price_where_the_answer_does_not_tell(
        self, gemini: Provider, vendor: Vendor, size: int, listed: float
    ) -> None:
        vendor.faults.append(Fault.answer(200, answer([inline(png(8, 8))]), is_paid=True))
        square = ordered(model="gemini-3.1-flash-image", size=Size(size, size))
        (made,) = await gemini.generate(square, FakeCall())
        assert (made.cost_usd, made.cost_basis) == (listed, CostBasis.CATALOGUE)


def retry_in(delay: str) -> dict[str, str]:
    return {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}


def quota(quota_id: str) -> dict[str, Any]:
    kind = "type.googleapis.com/google.rpc.QuotaFailure"
    return {"@type": kind, "violations": [{"quotaId": quota_id}]}


BAD_KEY = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
PER_MINUTE = quota("GenerateRequestsPerMinutePerProjectPerModel")
PER_DAY = quota("GenerateRequestsPerDayPerProjectPerModel")
FAILURES = [
    (400, failed(400, "INVALID_ARGUMENT", "Invalid aspect ratio."), RequestRejected),
    (400, failed(400, "INVALID_ARGUMENT", "AIza-123 is not valid.", BAD_KEY), ProviderAuth),
    (400, failed(400, "FAILED_PRECONDITION", "Not in your country."), RequestRejected),
    (403, failed(403, "PERMISSION_DENIED", "AIza-123 was leaked."), ProviderAuth),
    (404, failed(404, "NOT_FOUND", "models/x is not found."), ProviderModelShutDown),
    (429, failed(429, "RESOURCE_EXHAUSTED", "Slow down.", PER_MINUTE), ProviderRateLimited),
    (429, failed(429, "RESOURCE_EXHAUSTED", "Enough.", PER_MINUTE, PER_DAY), ProviderQuota),
    (429, "too many", ProviderRateLimited),
    (500, failed(500, "INTERNAL", "An internal error."), ProviderUnavailable),
    (503, failed(503, "UNAVAILABLE", "The model is overloaded."), ProviderUnavailable),
    (504, failed(504, "DEADLINE_EXCEEDED", "Deadline expired."), OutcomeUnknown),
]
REFUSALS = [
    ("IMAGE_SAFETY", "output"),
    ("PROHIBITED_CONTENT", "output"),
    ("IMAGE_PROHIBITED_CONTENT", "output"),
    ("IMAGE_RECITATION", "output"),
    ("SAFETY", "output"),
    ("NO_IMAGE", "prompt"),
]


class TestFailures:
    @pytest.mark.parametrize(("status", "body", "kind"), FAILURES)
    async def test_each_answer_becomes_one_error_after_one_request(
        self, gemini: Provider, vendor: Vendor, status: int, body: Any, kind: type[JobFailure]
    ) -> None:
        vendor.faults.append(Fault.answer(status, body, {"retry-after": "7"}))
        with pytest.raises(JobFailure) as failure:
            await gemini.generate(ordered(), FakeCall())
        assert type(failure.value) is kind
        assert failure.value.provider == "gemini"
        assert len(vendor.requests) == 1
        assert "AIza-123" not in f"{failure.value}{failure.value.__cause__}"
        if kind is ProviderRateLimited:
            assert failure.value.retry_after_seconds == 7

    @pytest.mark.parametrize(
        ("message", "details", "seconds"),
        [
            ("Slow down.", [PER_MINUTE, retry_in("34.5s")], 34.5),
            ("Please retry in 12.25s.", [PER_MINUTE], 12.25),
            ("Slow down.", [retry_in("soon")], None),
        ],
    )
    async def test_the_wait_may_be_said_in_the_body(
        self, gemini: Provider, vendor: Vendor, message: str, details: Any, seconds: float | None
    ) -> None:
        body = failed(429, "RESOURCE_EXHAUSTED", message, *details)
        vendor.faults.append(Fault.answer(429, body))
        with pytest.raises(ProviderRateLimited) as failure:
            await gemini.generate(ordered(), FakeCall())
        assert failure.value.retry_after_seconds == seconds

    @pytest.mark.parametrize(("reason", "flagged"), REFUSALS)
    async def test_a_refusal_comes_as_a_good_answer(
        self, gemini: Provider, vendor: Vendor, reason: str, flagged: str
    ) -> None:
        said = [{"text": "Try another prompt."}]
        body = answer(said, reason, usage={"promptTokenCount": 9, "thoughtsTokenCount": 240})
        vendor.faults.append(Fault.answer(200, body, is_paid=True))
        with pytest.raises(ContentRejected) as failure:
            await gemini.generate(ordered(), FakeCall())
        assert (failure.value.flagged, failure.value.billed) == (flagged, Billed.YES)
        assert f"({reason}): Try another prompt." in failure.value.message
        assert len(vendor.requests) == 1

    @pytest.mark.parametrize(
        ("usage", "billed"), [(None, Billed.UNKNOWN), ({"promptTokenCount": 9}, Billed.NO)]
    )
    async def test_a_refusal_was_paid_where_something_was_made(
        self, gemini: Provider, vendor: Vendor, usage: Any, billed: Billed
    ) -> None:
        body = {**answer([], "IMAGE_SAFETY"), "usageMetadata": usage}
        vendor.faults.append(Fault.answer(200, body))
        with pytest.raises(ContentRejected) as failure:
            await gemini.generate(ordered(), FakeCall())
        assert failure.value.billed is billed

    async def test_a_blocked_prompt_comes_as_a_good_answer(
        self, gemini: Provider, vendor: Vendor
    ) -> None:
        body = {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}
        vendor.faults.append(Fault.answer(200, body))
        with pytest.raises(ContentRejected) as failure:
            await gemini.generate(ordered(), FakeCall())
        assert (failure.value.flagged, failure.value.billed) == ("prompt", Billed.NO)
        assert "PROHIBITED_CONTENT" in failure.value.message

    @pytest.mark.parametrize(
        ("body", "told"),
        [
            ({}, "no candidate"),
            (answer([{"text": "I would rather write."}]), "I would rather write."),
            (answer([], "IMAGE_OTHER"), "IMAGE_OTHER"),
            ({"candidates": [{"finishReason": "MAX_TOKENS"}]}, "MAX_TOKENS"),
            (answer([{"inlineData": {"mimeType": "image/png", "data": "*"}}]), "cannot be read"),
            ("<html>a proxy's page</html>", "cannot be read"),
        ],
    )
    async def test_an_answer_without_a_picture_was_paid(
        self, gemini: Provider, vendor: Vendor, body: Any, told: str
    ) -> None:
        vendor.faults.append(Fault.answer(200, body, is_paid=True))
        with pytest.raises(InvalidOutput) as failure:
            await gemini.generate(ordered(), FakeCall())
        assert failure.value.billed is Billed.YES
        assert told in failure.value.message
        assert len(vendor.requests) == 1

    @pytest.mark.filterwarnings("ignore:.* is not a valid FinishReason")
    async def test_a_reason_of_the_future_is_no_picture(
        self, gemini: Provider, vendor: Vendor
    ) -> None:
        vendor.faults.append(Fault.answer(200, answer([], "IMAGE_BORING"), is_paid=True))
        with pytest.raises(InvalidOutput, match="IMAGE_BORING"):
            await gemini.generate(ordered(), FakeCall())

    async def test_a_broken_answer_leaves_the_outcome_unknown(
        self, gemini: Provider, vendor: Vendor
    ) -> None:
        vendor.faults.append(Fault(Truncated(), is_paid=True))
        with pytest.raises(OutcomeUnknown) as failure:
            await gemini.generate(ordered(), FakeCall())
        assert failure.value.billed is Billed.UNKNOWN
        assert len(vendor.requests) == 1

    async def test_a_redirect_is_not_followed_with_a_paid_request(
        self, gemini: Provider, vendor: Vendor
    ) -> None:
        elsewhere = {"location": f"{vendor.base_url}/v1/models/x:generateContent"}
        vendor.faults.append(Fault.answer(307, "", elsewhere))
        with pytest.raises(RequestRejected):
            await gemini.generate(ordered(), FakeCall())
        assert len(vendor.requests) == 1

    async def test_a_vendor_that_cannot_be_reached_was_paid_nothing(self) -> None:
        provider = build("gemini", nowhere())
        with pytest.raises(ProviderUnavailable) as failure:
            await provider.generate(ordered(), FakeCall())
        assert failure.value.billed is Billed.NO
        await provider.close()

    async def test_what_was_sent_cannot_be_found_again(self, gemini: Provider) -> None:
        with pytest.raises(OutcomeUnknown):
            await gemini.find(ordered(), FakeCall().key, datetime.now(UTC))


class TestVertex:
    """The SDK's own settings choose it and sign in to it."""

    @pytest.fixture(autouse=True)
    def no_cloud(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        for name in ("GOOGLE_CLOUD_PROJECT", "GOOGLE_CLOUD_LOCATION", "GEMINI_API_KEY"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))

    def on_vertex(self, **environment: str) -> Roster:
        return build_roster(CATALOGUE, {"GOOGLE_GENAI_USE_VERTEXAI": "true", **environment}, 1)

    async def test_a_key_of_vertex_is_the_sdks_affair(
        self, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("GOOGLE_API_KEY", "gemini-key")
        roster = self.on_vertex(GEMINI_BASE_URL=vendor.base_url)
        await roster.providers["gemini"].generate(ordered(), FakeCall())
        model = "gemini-3.1-flash-lite-image"
        (charge,) = vendor.charges
        assert charge.path == f"/v1beta1/publishers/google/models/{model}:generateContent"
        await roster.close()

    async def test_its_message_about_a_refusal_is_quoted(
        self, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("GOOGLE_API_KEY", "gemini-key")
        body = answer([], "IMAGE_RECITATION")
        body["candidates"][0]["finishMessage"] = "Try another prompt."
        vendor.faults.append(Fault.answer(200, body))
        roster = self.on_vertex(GEMINI_BASE_URL=vendor.base_url)
        with pytest.raises(ContentRejected, match="Try another prompt"):
            await roster.providers["gemini"].generate(ordered(), FakeCall())
        await roster.close()

    async def test_without_a_project_nothing_is_sent(self) -> None:
        roster = self.on_vertex()
        call = FakeCall()
        with pytest.raises(ProviderAuth):
            await roster.providers["gemini"].generate(ordered(), call)
        assert call.story == []
        await roster.close()

    async def test_credentials_that_are_missing_are_said_so(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "darkroom-tests")
        roster = self.on_vertex()
        with pytest.raises(ProviderAuth) as failure:
            await roster.providers["gemini"].generate(ordered(), FakeCall())
        assert failure.value.billed is Billed.NO
        await roster.close()

    @pytest.mark.parametrize(
        ("environment", "problem"),
        [
            ({}, "set GEMINI_API_KEY"),
            ({"GOOGLE_GENAI_USE_VERTEXAI": "false"}, "set GEMINI_API_KEY"),
            ({"GOOGLE_GENAI_USE_VERTEXAI": "true"}, None),
            (
                {"GOOGLE_GENAI_USE_ENTERPRISE": "0", "GOOGLE_GENAI_USE_VERTEXAI": "1"},
                "set GEMINI_API_KEY",
            ),
            ({"GEMINI_API_KEY": "k"}, None),
        ],
    )
    async def test_a_key_is_needed_unless_the_sdk_signs_in(
        self, environment: dict[str, str], problem: str | None
    ) -> None:
        roster = build_roster(CATALOGUE, environment, 1)
        assert roster.problems.get("gemini") == problem
        await roster.close()
