from __future__ import annotations

import io
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from domain.errors import (
    Billed,
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
from domain.jobs import CostBasis, ImageSpec
from domain.sizes import Quality, Size
from providers.base import Order, Provider, Reference
from providers.catalogue import load_catalogue
from providers.registry import build_roster
from tests.fakes import FakeCall, png
from tests.providers.vendors import PROMPT, build, nowhere, order
from tests.vendors.openai import PROMPT_TOKENS, REFERENCE_TOKENS, TOKENS, refused
from tests.vendors.stand_in import Fault, StandIn, Truncated, Vendor, picture

OWN_SERVER = """
[providers.mine]
title = "Mine"
kind = "openai"
base_url = "{base_url}"
defaults = {{ draft = "z-image", standard = "z-image", high = "z-image", ultra = "z-image" }}

[providers.mine.models.z-image]
seed = true
negative_prompt = true
images_per_call = 2
styles = ["vivid"]
expected_seconds = {{ draft = 1, standard = 1, high = 1, ultra = 1 }}

[providers.mine.models.z-image-inline]
options.parameters = {{ response_format = "b64_json", steps = 8 }}
expected_seconds = {{ draft = 1, standard = 1, high = 1, ultra = 1 }}
"""


def own_server(base_url: str, config: Path) -> Provider:
    """A server that wants no key, although the user has one for OpenAI."""
    config.write_text(OWN_SERVER.format(base_url=base_url))
    roster = build_roster(load_catalogue(config), {"OPENAI_API_KEY": "openai-key"}, 1)
    return roster.providers["mine"]


def own_order(model: str = "z-image", indices: tuple[int, ...] = (0,)) -> Order:
    spec = ImageSpec(
        prompt=PROMPT,
        negative_prompt="people",
        style="vivid",
        quality=Quality.DRAFT,
        width_px=512,
        height_px=384,
        seed=41,
    )
    return Order(spec, model, indices, Size(512, 384))


@pytest.fixture
def vendor(stand_in: StandIn) -> Vendor:
    return stand_in["openai"]


@pytest.fixture
async def openai(vendor: Vendor) -> AsyncIterator[Provider]:
    provider = build("openai", vendor.base_url)
    yield provider
    await provider.close()


def ordered(**more: Any) -> Order:
    return order("openai", **more)


class TestGenerate:
    async def test_a_draft_is_one_request_of_the_default_model(
        self, openai: Provider, vendor: Vendor
    ) -> None:
        call = FakeCall()
        (made,) = await openai.generate(ordered(), call)
        (charge,) = vendor.charges
        assert charge.path == "/images/generations"
        assert charge.body == {
            "model": "gpt-image-2.5-flare",
            "prompt": PROMPT,
            "n": 1,
            "size": "832x832",
            "quality": "low",
        }
        assert Image.open(io.BytesIO(made.data)).size == (832, 832)
        assert made.seed is None
        assert call.story == ["sending"]

    @pytest.mark.parametrize(
        ("quality", "word"),
        [("draft", "low"), ("standard", "medium"), ("high", "high"), ("ultra", "max")],
    )
    async def test_a_quality_is_said_in_the_vendors_word(
        self, openai: Provider, vendor: Vendor, quality: str, word: str
    ) -> None:
        await openai.generate(ordered(quality=Quality(quality)), FakeCall())
        assert vendor.charges[0].body["quality"] == word

    @pytest.mark.parametrize(
        ("asked", "sent"),
        [
            (Size(1536, 864), "1536x864"),
            (Size(504, 216), "1280x560"),
            (Size(1023, 682), "1024x688"),
            (Size(3840, 2160), "3840x2160"),
        ],
    )
    async def test_a_size_is_one_that_the_vendor_takes(
        self, openai: Provider, vendor: Vendor, asked: Size, sent: str
    ) -> None:
        await openai.generate(ordered(quality=Quality.HIGH, size=asked), FakeCall())
        assert vendor.charges[0].body["size"] == sent

    async def test_a_model_of_few_sizes_is_asked_for_one_of_them(
        self, openai: Provider, vendor: Vendor
    ) -> None:
        spec = ordered(size=Size(768, 512)).spec
        await openai.generate(Order(spec, "gpt-image-1.5", (0,), Size(1248, 832)), FakeCall())
        assert vendor.charges[0].body["size"] == "1536x1024"

    def test_a_dead_model_is_refused_with_its_successor(self) -> None:
        with pytest.raises(ModelShutDown, match=r"Use 'gpt-image-2\.5-flare' instead"):
            ordered(model="dall-e-3")

    async def test_style_and_negative_prompt_are_folded_into_the_prompt(
        self, openai: Provider, vendor: Vendor
    ) -> None:
        await openai.generate(ordered(style="oil-on-canvas", negative_prompt="people"), FakeCall())
        assert vendor.charges[0].body["prompt"] == (
            f"{PROMPT}\n\nStyle: oil on canvas.\n\nAvoid: people."
        )

    async def test_a_final_is_bound_to_its_draft(self, openai: Provider, vendor: Vendor) -> None:
        draft = Reference(png(64, 64), "image/png", is_draft=True)
        await openai.generate(ordered(quality=Quality.HIGH, references=(draft,)), FakeCall())
        (charge,) = vendor.charges
        assert charge.path == "/images/edits"
        assert charge.body["model"] == "gpt-image-2.5-sunburst"
        assert charge.body["image"] == draft.data
        assert "Render the attached draft again" in charge.body["prompt"]

    async def test_several_references_are_sent_in_order(
        self, openai: Provider, vendor: Vendor
    ) -> None:
        references = (
            Reference(png(64, 64), "image/png", is_draft=True),
            Reference(png(32, 32, "red"), "image/png"),
        )
        await openai.generate(ordered(references=references), FakeCall())
        assert vendor.charges[0].body["image[]"] == [one.data for one in references]

    async def test_several_pictures_are_made_by_one_request(
        self, openai: Provider, vendor: Vendor
    ) -> None:
        made = await openai.generate(ordered(indices=(0, 1, 3)), FakeCall())
        assert [one.data for one in made] == [picture(832, 832, n) for n in range(3)]
        assert [charge.body["n"] for charge in vendor.charges] == [3]


class TestCost:
    async def test_it_is_what_the_answer_says_was_used(self, openai: Provider) -> None:
        draft = Reference(png(64, 64), "image/png", is_draft=True)
        bound = ordered(size=Size(1024, 1024), references=(draft,))
        (made,) = await openai.generate(bound, FakeCall())
        used = 5 * PROMPT_TOKENS + 8 * REFERENCE_TOKENS + 30 * TOKENS["low"]
        assert made.cost_usd == pytest.approx(used / 1_000_000, abs=1e-6)
        assert made.cost_basis is CostBasis.USAGE

    async def test_it_is_shared_by_the_pictures_of_a_call(self, openai: Provider) -> None:
        one, other = await openai.generate(
            ordered(size=Size(1024, 1024), indices=(0, 1)), FakeCall()
        )
        used = (5 * PROMPT_TOKENS + 2 * 30 * TOKENS["low"]) / 1_000_000
        assert one.cost_usd == other.cost_usd == pytest.approx(used / 2, abs=1e-6)

    @pytest.mark.parametrize(
        "usage",
        [
            None,
            {"total_tokens": 208},
            {"input_tokens_details": {"text_tokens": 12}, "output_tokens": None},
        ],
    )
    async def test_it_is_the_list_price_where_the_answer_does_not_tell(
        self, openai: Provider, vendor: Vendor, usage: Any
    ) -> None:
        vendor.faults.append(good(usage=usage))
        (made,) = await openai.generate(ordered(size=Size(1024, 1024)), FakeCall())
        assert (made.cost_usd, made.cost_basis) == (0.006, CostBasis.CATALOGUE)

    async def test_it_is_unknown_rather_than_nothing(
        self, openai: Provider, vendor: Vendor
    ) -> None:
        vendor.faults.append(good())
        (made,) = await openai.generate(ordered(model="gpt-image-2.6-flare"), FakeCall())
        assert (made.cost_usd, made.cost_basis) == (None, CostBasis.UNKNOWN)


def good(**more: Any) -> Fault:
    encoded = "iVBORw0KGgo="
    return Fault.answer(200, {"data": [{"b64_json": encoded}], **more}, is_paid=True)


MODERATED = refused(
    "Your request was rejected by the safety system.",
    "moderation_blocked",
    moderation_details={"moderation_stage": "input", "categories": ["violence", "harassment"]},
)
FAILURES = [
    (400, refused("Invalid size '7x7'.", "invalid_value", "size"), RequestRejected),
    (
        400,
        refused("The model 'x' does not exist.", "invalid_value", "model"),
        ProviderModelShutDown,
    ),
    (400, refused("Billing hard limit", "billing_hard_limit_reached"), ProviderQuota),
    (400, MODERATED, ContentRejected),
    (400, refused("Rejected.", "content_policy_violation"), ContentRejected),
    (401, refused("Incorrect API key: sk-123", "invalid_api_key"), ProviderAuth),
    (403, refused("Verify your organization, sk-123", None), ProviderAuth),
    (404, refused("no such model", "model_not_found"), ProviderModelShutDown),
    (413, "too large", RequestRejected),
    (429, refused("You exceeded your quota.", "insufficient_quota"), ProviderQuota),
    (429, refused("Rate limit reached", "rate_limit_exceeded"), ProviderRateLimited),
    (500, refused("The server had an error.", None), ProviderUnavailable),
    (503, "overloaded", ProviderUnavailable),
    (504, "gateway timeout", OutcomeUnknown),
]


class TestFailures:
    @pytest.mark.parametrize(("status", "body", "kind"), FAILURES)
    async def test_each_answer_becomes_one_error_after_one_request(
        self, openai: Provider, vendor: Vendor, status: int, body: Any, kind: type[JobFailure]
    ) -> None:
        vendor.faults.append(Fault.answer(status, body, {"retry-after": "7"}))
        with pytest.raises(JobFailure) as failed:
            await openai.generate(ordered(), FakeCall())
        assert type(failed.value) is kind
        assert failed.value.provider == "openai"
        assert len(vendor.requests) == 1
        assert "sk-123" not in f"{failed.value}{failed.value.__cause__}"
        if kind is ProviderRateLimited:
            assert failed.value.retry_after_seconds == 7

    async def test_the_wait_may_be_said_in_the_message(
        self, openai: Provider, vendor: Vendor
    ) -> None:
        said = "Rate limit reached for images per minute. Please try again in 12s."
        vendor.faults.append(Fault.answer(429, refused(said, "rate_limit_exceeded")))
        with pytest.raises(ProviderRateLimited) as failed:
            await openai.generate(ordered(), FakeCall())
        assert failed.value.retry_after_seconds == 12

    async def test_a_refused_prompt_names_the_vendors_categories(
        self, openai: Provider, vendor: Vendor
    ) -> None:
        vendor.faults.append(Fault.answer(400, MODERATED))
        with pytest.raises(ContentRejected) as failed:
            await openai.generate(ordered(), FakeCall())
        assert (failed.value.flagged, failed.value.billed) == ("prompt", Billed.NO)
        assert "violence, harassment" in failed.value.message

    async def test_a_refused_reference_is_told_from_the_prompt(
        self, openai: Provider, vendor: Vendor
    ) -> None:
        vendor.faults.append(
            Fault.answer(400, refused("Rejected.", "moderation_blocked", "image[0]"))
        )
        given = Reference(png(64, 64), "image/png")
        with pytest.raises(ContentRejected) as failed:
            await openai.generate(ordered(references=(given,)), FakeCall())
        assert failed.value.flagged == "reference"

    async def test_a_withheld_picture_may_have_been_paid(
        self, openai: Provider, vendor: Vendor
    ) -> None:
        details = {"moderation_stage": "output", "categories": ["sexual"]}
        body = refused("Rejected.", "moderation_blocked", moderation_details=details)
        vendor.faults.append(Fault.answer(400, body))
        with pytest.raises(ContentRejected) as failed:
            await openai.generate(ordered(), FakeCall())
        assert (failed.value.flagged, failed.value.billed) == ("output", Billed.UNKNOWN)

    @pytest.mark.parametrize(
        "body",
        [
            {"created": 1, "data": []},
            {"created": 1, "data": None},
            {"created": 1, "data": [{"b64_json": "iVBOR*"}]},
            {"created": 1, "data": [{}]},
            {"error": "nothing here"},
            "<html>a proxy's page</html>",
        ],
    )
    async def test_an_answer_without_a_picture_was_paid(
        self, openai: Provider, vendor: Vendor, body: Any
    ) -> None:
        vendor.faults.append(Fault.answer(200, body, is_paid=True))
        with pytest.raises(InvalidOutput) as failed:
            await openai.generate(ordered(), FakeCall())
        assert failed.value.billed is Billed.YES
        assert len(vendor.requests) == 1

    async def test_a_broken_answer_leaves_the_outcome_unknown(
        self, openai: Provider, vendor: Vendor
    ) -> None:
        vendor.faults.append(Fault(Truncated(), is_paid=True))
        with pytest.raises(OutcomeUnknown) as failed:
            await openai.generate(ordered(), FakeCall())
        assert failed.value.billed is Billed.UNKNOWN
        assert len(vendor.requests) == 1

    async def test_a_vendor_that_cannot_be_reached_was_paid_nothing(self) -> None:
        provider = build("openai", nowhere())
        with pytest.raises(ProviderUnavailable) as failed:
            await provider.generate(ordered(), FakeCall())
        assert failed.value.billed is Billed.NO
        await provider.close()

    async def test_a_key_that_the_vendor_repeats_is_not_shown(
        self, openai: Provider, vendor: Vendor
    ) -> None:
        vendor.faults.append(Fault.answer(400, refused("openai-key may not do this", None)))
        with pytest.raises(RequestRejected) as failed:
            await openai.generate(ordered(), FakeCall())
        assert "openai-key" not in f"{failed.value}{failed.value.__cause__}"

    async def test_what_was_sent_cannot_be_found_again(self, openai: Provider) -> None:
        with pytest.raises(OutcomeUnknown):
            await openai.find(ordered(), FakeCall().key, datetime.now(UTC))


class TestOwnServer:
    @pytest.fixture
    async def own(self, vendor: Vendor, tmp_path: Path) -> AsyncIterator[Provider]:
        provider = own_server(f"{vendor.base_url}/own", tmp_path / "darkroom.toml")
        yield provider
        await provider.close()

    async def test_it_is_sent_what_its_model_takes(self, own: Provider, vendor: Vendor) -> None:
        (made,) = await own.generate(own_order(), FakeCall())
        assert vendor.charges[0].body == {
            "model": "z-image",
            "prompt": PROMPT,
            "n": 1,
            "size": "512x384",
            "seed": 41,
            "negative_prompt": "people",
            "style": "vivid",
        }
        assert (made.data, made.seed) == (picture(512, 384, 41), 41)
        assert (made.cost_usd, made.cost_basis) == (None, CostBasis.UNKNOWN)

    async def test_one_seed_is_not_said_of_two_pictures(
        self, own: Provider, vendor: Vendor
    ) -> None:
        made = await own.generate(own_order(indices=(0, 1)), FakeCall())
        assert [one.seed for one in made] == [None, None]
        assert "seed" not in vendor.charges[0].body

    async def test_parameters_of_the_catalogue_are_sent_as_they_are(
        self, own: Provider, vendor: Vendor
    ) -> None:
        call = FakeCall()
        await own.generate(own_order("z-image-inline"), call)
        body = vendor.charges[0].body
        assert (body["response_format"], body["steps"]) == ("b64_json", 8)
        assert call.story == ["sending"]

    async def test_it_is_not_shown_the_key_for_openai(
        self, vendor: Vendor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("OPENAI_API_KEY", "openai-key")
        provider = own_server(vendor.base_url, tmp_path / "darkroom.toml")
        with pytest.raises(ProviderAuth):
            await provider.generate(own_order(), FakeCall())
        await provider.close()

    async def test_pictures_behind_urls_are_fetched_and_not_paid_again(
        self, own: Provider, vendor: Vendor
    ) -> None:
        vendor.poll_faults.append(Fault.answer(503, "not now"))
        call = FakeCall()
        with pytest.raises(ProviderUnavailable):
            await own.generate(own_order(), call)
        (made,) = await own.generate(own_order(), FakeCall(call.ticket))
        assert made.data == picture(512, 384, 41)
        assert len(vendor.charges) == 1
        assert call.story == ["sending", f"submitted {call.ticket}"]

    async def test_a_picture_whose_url_expired_is_gone(self, own: Provider, vendor: Vendor) -> None:
        vendor.poll_faults.append(Fault.answer(404, "expired"))
        with pytest.raises(InvalidOutput) as failed:
            await own.generate(own_order(), FakeCall())
        assert failed.value.billed is Billed.YES
