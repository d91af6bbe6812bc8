from __future__ import annotations

import io
import threading
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi import Response
from PIL import Image

from domain.errors import (
    Billed,
    Cancelled,
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
from providers.models import Model, Price
from providers.registry import KINDS, Connection
from tests.fakes import FakeCall, png
from tests.providers.vendors import CATALOGUE, PROMPT, build, nowhere, order
from tests.vendors.stand_in import Fault, StandIn, Truncated, Vendor

QUICK = 0.001
SCHNELL = "black-forest-labs/flux-schnell"
DEV = "black-forest-labs/flux-dev"
PRO = "black-forest-labs/flux-2-pro"
REMOVED = Response('{"title": "Not found", "status": 404}', 404)


@pytest.fixture
def vendor(stand_in: StandIn) -> Vendor:
    return stand_in["replicate"]


@pytest.fixture
async def replicate(vendor: Vendor) -> AsyncIterator[Provider]:
    provider = build("replicate", vendor.base_url, poll_seconds=QUICK)
    yield provider
    await provider.close()


def size_of(data: bytes) -> tuple[int, int]:
    return Image.open(io.BytesIO(data)).size


def prediction(status: str, **more: Any) -> dict[str, Any]:
    return {"id": "prediction1", "status": status, "logs": "", "output": None, **more}


class CancelledAtOnce(FakeCall):
    """Somebody cancels as soon as there is a ticket."""

    def __init__(self, provider: Provider) -> None:
        super().__init__()
        self._provider = provider

    async def submitted(self, ticket: str) -> None:
        await super().submitted(ticket)
        await self._provider.cancel(ticket)


def long_ago() -> datetime:
    return datetime.now(UTC) - timedelta(seconds=30)


class TestGenerate:
    async def test_a_draft_is_one_prediction_of_the_default_model(
        self, replicate: Provider, vendor: Vendor
    ) -> None:
        call = FakeCall()
        (made,) = await replicate.generate(order("replicate"), call)
        (charge,) = vendor.charges
        assert charge.path == f"/v1/models/{SCHNELL}/predictions"
        asked = charge.body["input"]
        assert (asked["prompt"], asked["seed"], asked["num_outputs"]) == (PROMPT, 41, 1)
        assert (asked["aspect_ratio"], asked["megapixels"]) == ("1:1", "0.25")
        assert (asked["output_format"], asked["go_fast"]) == ("png", False)
        assert size_of(made.data) == (512, 512)
        assert made.seed == 41
        assert call.story == ["sending", "submitted prediction1"]

    async def test_progress_is_what_the_logs_tell(
        self, replicate: Provider, vendor: Vendor
    ) -> None:
        vendor.polls_until_done = 3
        call = FakeCall()
        await replicate.generate(order("replicate"), call)
        assert call.shares == [0.5, 0.5, 0.5]
        assert len(vendor.charges) == 1

    @pytest.mark.parametrize(
        ("quality", "ratio", "megapixels"),
        [
            (Quality.DRAFT, AspectRatio.WIDE, "0.25"),
            (Quality.DRAFT, AspectRatio.R9_21, "0.25"),
            (Quality.STANDARD, AspectRatio.R4_5, "1"),
        ],
    )
    async def test_a_size_is_asked_for_as_a_ratio_and_an_area(
        self,
        replicate: Provider,
        vendor: Vendor,
        quality: Quality,
        ratio: AspectRatio,
        megapixels: str,
    ) -> None:
        wanted = order(
            "replicate",
            model=SCHNELL,
            quality=quality,
            size=size_for(quality, ratio),
            aspect_ratio=ratio,
        )
        (made,) = await replicate.generate(wanted, FakeCall())
        asked = vendor.charges[0].body["input"]
        assert (asked["aspect_ratio"], asked["megapixels"]) == (ratio, megapixels)
        assert size_of(made.data) == wanted.size

    async def test_a_size_is_asked_for_in_pixels_where_the_model_takes_them(
        self, replicate: Provider, vendor: Vendor
    ) -> None:
        wanted = order("replicate", quality=Quality.HIGH, size=Size(1536, 1024))
        (made,) = await replicate.generate(wanted, FakeCall())
        asked = vendor.charges[0].body["input"]
        assert vendor.charges[0].path == f"/v1/models/{PRO}/predictions"
        assert (asked["aspect_ratio"], asked["width"], asked["height"]) == ("custom", 1536, 1024)
        assert size_of(made.data) == (1536, 1024)

    async def test_style_and_negative_prompt_are_folded_into_the_prompt(
        self, replicate: Provider, vendor: Vendor
    ) -> None:
        wanted = order("replicate", style="oil-on-canvas", negative_prompt="people")
        await replicate.generate(wanted, FakeCall())
        asked = vendor.charges[0].body["input"]
        assert asked["prompt"] == f"{PROMPT}\n\nStyle: oil on canvas.\n\nAvoid: people."
        assert not asked.keys() & {"style", "negative_prompt"}

    async def test_several_pictures_are_one_prediction(
        self, replicate: Provider, vendor: Vendor
    ) -> None:
        made = await replicate.generate(order("replicate", indices=(0, 1, 2)), FakeCall())
        (charge,) = vendor.charges
        assert charge.body["input"]["num_outputs"] == 3
        assert len({picture.data for picture in made}) == 3
        assert [picture.seed for picture in made] == [41, None, None]

    async def test_a_price_that_nobody_names_is_unknown(self, replicate: Provider) -> None:
        (made,) = await replicate.generate(order("replicate"), FakeCall())
        assert (made.cost_usd, made.cost_basis) == (None, CostBasis.UNKNOWN)

    async def test_a_model_of_the_operator_may_have_a_version_a_price_and_other_names(
        self, vendor: Vendor
    ) -> None:
        model = Model(
            negative_prompt=True,
            seed=True,
            price=Price(per_image_usd=0.01, source="the test", date=datetime.now(UTC).date()),
            expected_seconds={Quality.DRAFT: 1},
            options={
                "slug": "stability-ai/sdxl:7762fd07",
                "fields": {"prompt": "prompt", "seed": "seed", "negative_prompt": "negative_prompt"}
                | {"width": "width", "height": "height"},
            },
        )
        entry = CATALOGUE.providers["replicate"]
        entry = entry.model_copy(
            update={"models": {SCHNELL: model}, "options": {"poll_seconds": QUICK}}
        )
        provider = KINDS["replicate"].build(
            Connection("replicate", entry, vendor.base_url, "replicate-key")
        )
        wanted = order("replicate", negative_prompt="people")
        (made,) = await provider.generate(wanted, FakeCall())
        found = await provider.find(wanted, "img_1.0.0", long_ago())
        await provider.close()
        (charge,) = vendor.charges
        assert (charge.path, charge.body["version"]) == ("/v1/predictions", "7762fd07")
        assert charge.body["input"] == {
            "prompt": PROMPT,
            "seed": 41,
            "negative_prompt": "people",
            "width": 512,
            "height": 512,
        }
        assert (made.cost_usd, made.cost_basis) == (0.01, CostBasis.CATALOGUE)
        assert found == "prediction1"

    async def test_a_model_that_is_no_slug_is_refused_before_anything_is_sent(
        self, vendor: Vendor
    ) -> None:
        entry = CATALOGUE.providers["replicate"]
        model = entry.models[SCHNELL]
        nameless = model.model_copy(update={"options": model.options | {"slug": "flux"}})
        entry = entry.model_copy(update={"models": {SCHNELL: nameless}})
        provider = KINDS["replicate"].build(Connection("replicate", entry, vendor.base_url, None))
        call = FakeCall()
        with pytest.raises(RequestRejected):
            await provider.generate(order("replicate"), call)
        await provider.close()
        assert (call.story, vendor.requests) == ([], [])


class TestReferences:
    async def test_a_final_is_given_its_draft(self, replicate: Provider, vendor: Vendor) -> None:
        draft = Reference(png(512, 512), "image/png", is_draft=True)
        bound = order("replicate", quality=Quality.HIGH, size=Size(1536, 1536), references=(draft,))
        call = FakeCall()
        (made,) = await replicate.generate(bound, call)
        asked = vendor.charges[0].body["input"]
        assert asked["input_images"] == [f"{vendor.base_url}/v1/files/file-1"]
        assert vendor.jobs["file-1"]["data"] == draft.data
        assert "attached draft" in asked["prompt"]
        assert size_of(made.data) == (1536, 1536)
        assert vendor.requests.index("POST /v1/files") == 0
        assert call.story[0] == "sending"

    async def test_a_model_that_follows_its_reference_is_given_one_of_the_right_size(
        self, replicate: Provider, vendor: Vendor
    ) -> None:
        draft = Reference(png(512, 512), "image/png", is_draft=True)
        bound = order(
            "replicate", quality=Quality.STANDARD, size=Size(1024, 1024), references=(draft,)
        )
        await replicate.generate(bound, FakeCall())
        asked = vendor.charges[0].body["input"]
        assert asked["image"] == f"{vendor.base_url}/v1/files/file-1"
        assert 0 < asked["prompt_strength"] < 0.5
        assert not asked.keys() & {"aspect_ratio", "megapixels"}
        assert size_of(vendor.jobs["file-1"]["data"]) == (1024, 1024)

    async def test_a_reference_that_cannot_be_uploaded_costs_nothing(
        self, replicate: Provider, vendor: Vendor
    ) -> None:
        bound = order(
            "replicate",
            quality=Quality.HIGH,
            references=(Reference(png(64, 64), "image/png"),),
        )
        faults = (Fault.answer(504, "gateway timeout"), Fault(Truncated()), Fault.answer(201, "{}"))
        for fault in faults:
            vendor.poll_faults.append(fault)
            call = FakeCall()
            with pytest.raises(ProviderUnavailable) as failed:
                await replicate.generate(bound, call)
            assert (failed.value.billed, call.story) == (Billed.NO, [])
        assert vendor.charges == []


class TestTickets:
    async def test_a_ticket_is_taken_up_and_nothing_submitted(
        self, replicate: Provider, vendor: Vendor
    ) -> None:
        first = FakeCall()
        await replicate.generate(order("replicate"), first)
        again = FakeCall(first.ticket)
        (made,) = await replicate.generate(order("replicate"), again)
        assert made.seed == 41
        assert again.story == []
        assert len(vendor.charges) == 1

    async def test_the_rest_of_a_call_that_is_taken_up_are_its_last_pictures(
        self, replicate: Provider
    ) -> None:
        first = FakeCall()
        made = await replicate.generate(order("replicate", indices=(0, 1, 2)), first)
        rest = await replicate.generate(order("replicate", indices=(1, 2)), FakeCall(first.ticket))
        assert [picture.data for picture in rest] == [picture.data for picture in made[1:]]
        assert [picture.seed for picture in rest] == [None, None]

    async def test_a_ticket_that_the_vendor_does_not_know_is_not_submitted_again(
        self, replicate: Provider, vendor: Vendor
    ) -> None:
        with pytest.raises(OutcomeUnknown) as failed:
            await replicate.generate(order("replicate"), FakeCall("gone"))
        assert failed.value.billed is Billed.UNKNOWN
        assert vendor.charges == []

    @pytest.mark.parametrize(
        ("fault", "kind", "billed"),
        [
            (Fault.answer(500, "oops"), ProviderUnavailable, Billed.NO),
            (Fault.answer(504, "gateway timeout"), ProviderUnavailable, Billed.NO),
            (Fault(Truncated()), ProviderUnavailable, Billed.NO),
            (Fault.answer(200, "<html>"), ProviderUnavailable, Billed.NO),
            (Fault.answer(429, {"detail": "slow down"}), ProviderRateLimited, Billed.NO),
            (Fault.answer(401, {"detail": "r8_secret"}), ProviderAuth, Billed.UNKNOWN),
        ],
    )
    async def test_a_poll_that_fails_is_asked_once_and_leaves_the_ticket(
        self,
        replicate: Provider,
        vendor: Vendor,
        fault: Fault,
        kind: type[JobFailure],
        billed: Billed,
    ) -> None:
        vendor.poll_faults.append(fault)
        call = FakeCall()
        with pytest.raises(JobFailure) as failed:
            await replicate.generate(order("replicate"), call)
        assert type(failed.value) is kind
        assert (failed.value.provider, failed.value.billed) == ("replicate", billed)
        assert vendor.requests[1:] == ["GET /v1/predictions/prediction1"]
        assert call.ticket == "prediction1"
        await replicate.generate(order("replicate"), FakeCall(call.ticket))
        assert len(vendor.charges) == 1

    async def test_a_prediction_that_is_stopped_ends_as_cancelled(
        self, replicate: Provider, vendor: Vendor
    ) -> None:
        vendor.polls_until_done = 10**9
        with pytest.raises(Cancelled) as failed:
            await replicate.generate(order("replicate"), CancelledAtOnce(replicate))
        assert failed.value.billed is Billed.NO
        assert "POST /v1/predictions/prediction1/cancel" in vendor.requests

    @pytest.mark.parametrize(
        ("status", "started_at", "billed"),
        [
            ("canceled", "2026-11-23T06:00:00Z", Billed.UNKNOWN),
            ("aborted", None, Billed.NO),
        ],
    )
    async def test_only_what_had_started_may_be_charged(
        self,
        replicate: Provider,
        vendor: Vendor,
        status: str,
        started_at: str | None,
        billed: Billed,
    ) -> None:
        vendor.poll_faults.append(Fault.answer(200, prediction(status, started_at=started_at)))
        with pytest.raises(Cancelled) as failed:
            await replicate.generate(order("replicate"), FakeCall())
        assert failed.value.billed is billed

    async def test_a_cancel_that_fails_says_so(self, replicate: Provider, vendor: Vendor) -> None:
        with pytest.raises(OutcomeUnknown):
            await replicate.cancel("gone")
        vendor.poll_faults.append(Fault.answer(503, "down"))
        with pytest.raises(ProviderUnavailable):
            await replicate.cancel("gone")


class TestFind:
    async def test_a_prediction_whose_answer_was_lost_is_found_and_taken_up(
        self, replicate: Provider, vendor: Vendor
    ) -> None:
        vendor.faults.append(Fault(Truncated(), is_paid=True))
        call = FakeCall()
        with pytest.raises(OutcomeUnknown):
            await replicate.generate(order("replicate"), call)
        assert call.story == ["sending"]
        found = await replicate.find(order("replicate"), call.key, datetime.now(UTC))
        assert found == "prediction1"
        await replicate.generate(order("replicate"), FakeCall(found))
        assert len(vendor.charges) == 1

    async def test_it_is_looked_for_on_every_page(
        self, replicate: Provider, vendor: Vendor
    ) -> None:
        for seed in (41, 1, 2, 3, 4):
            await replicate.generate(order("replicate", seed=seed), FakeCall())
        assert await replicate.find(order("replicate"), "k", long_ago()) == "prediction1"
        assert vendor.requests.count("GET /v1/predictions") == 3

    async def test_what_never_arrived_is_none(self, replicate: Provider, vendor: Vendor) -> None:
        await replicate.generate(order("replicate", seed=7), FakeCall())
        await replicate.generate(order("replicate", model=DEV), FakeCall())
        assert await replicate.find(order("replicate"), "k", long_ago()) is None

    async def test_a_prediction_from_before_is_another(
        self, replicate: Provider, vendor: Vendor
    ) -> None:
        await replicate.generate(order("replicate"), FakeCall())
        vendor.jobs["prediction1"]["created_at"] = "2026-11-01T00:00:00Z"
        assert await replicate.find(order("replicate"), "k", long_ago()) is None

    async def test_references_are_told_apart_by_their_bytes(
        self, replicate: Provider, vendor: Vendor
    ) -> None:
        teal, red = (Reference(png(64, 64, color), "image/png") for color in ("teal", "red"))
        sent = order("replicate", quality=Quality.HIGH, references=(teal,))
        other = order("replicate", quality=Quality.HIGH, references=(red,))
        await replicate.generate(sent, FakeCall())
        ticket = next(name for name, job in vendor.jobs.items() if "input" in job)
        assert await replicate.find(sent, "k", long_ago()) == ticket
        with pytest.raises(OutcomeUnknown):
            await replicate.find(other, "k", long_ago())

    async def test_what_the_vendor_has_forgotten_stays_unknown(
        self, replicate: Provider, vendor: Vendor
    ) -> None:
        await replicate.generate(order("replicate", seed=7), FakeCall())
        vendor.jobs["prediction1"]["data_removed"] = True
        with pytest.raises(OutcomeUnknown):
            await replicate.find(order("replicate"), "k", long_ago())

    async def test_a_list_that_goes_on_elsewhere_is_not_followed(
        self, replicate: Provider, vendor: Vendor
    ) -> None:
        page = {"results": [], "next": f"{nowhere()}/v1/predictions?cursor=2"}
        vendor.poll_faults.append(Fault.answer(200, page))
        with pytest.raises(OutcomeUnknown):
            await replicate.find(order("replicate"), "k", long_ago())

    async def test_a_list_without_an_end_is_given_up(
        self, replicate: Provider, vendor: Vendor
    ) -> None:
        page = {"results": [], "next": f"{vendor.base_url}/v1/predictions?cursor=0"}
        vendor.poll_faults.extend([Fault.answer(200, page)] * 100)
        with pytest.raises(OutcomeUnknown):
            await replicate.find(order("replicate"), "k", long_ago())

    async def test_a_file_that_lies_elsewhere_is_not_asked_for(
        self, replicate: Provider, vendor: Vendor
    ) -> None:
        reference = Reference(png(64, 64), "image/png")
        sent = order("replicate", quality=Quality.HIGH, references=(reference,))
        await replicate.generate(sent, FakeCall())
        job = next(job for job in vendor.jobs.values() if "input" in job)
        job["input"]["input_images"] = [f"{nowhere()}/v1/files/file-1"]
        with pytest.raises(OutcomeUnknown):
            await replicate.find(sent, "k", long_ago())


def problem(status: int, title: str, detail: str) -> dict[str, Any]:
    return {"status": status, "title": title, "detail": detail}


THROTTLED = {"detail": "Request was throttled. Your rate limit resets in ~30s."}
REFUSALS = [
    (401, problem(401, "Unauthenticated", "r8_secret is no token"), ProviderAuth),
    (402, problem(402, "Insufficient credit", "You have insufficient credit"), ProviderQuota),
    (404, problem(404, "Not found", "could not be found"), ProviderModelShutDown),
    (422, problem(422, "Input validation failed", "- input.seed: Expected"), RequestRejected),
    (429, THROTTLED, ProviderRateLimited),
    (500, problem(500, "Internal server error", "oops"), ProviderUnavailable),
    (503, "upstream is down", ProviderUnavailable),
    (504, "gateway timeout", OutcomeUnknown),
]

FAILURES = [
    ("The input or output was flagged as sensitive. (E005)", ContentRejected, "prompt"),
    ("All generated images contained NSFW content. Try again", ContentRejected, "output"),
    ("NSFW content detected. Try running it again", ContentRejected, "output"),
    ("Error generating image: Request Moderated", ContentRejected, "prompt"),
    ("Input validation error: safety_tolerance is too high", RequestRejected, None),
    ("E1001: CUDA out of memory", GenerationFailed, None),
    (None, GenerationFailed, None),
]


class TestFailures:
    @pytest.mark.parametrize(("status", "body", "kind"), REFUSALS)
    async def test_each_refusal_becomes_one_error_after_one_request(
        self,
        replicate: Provider,
        vendor: Vendor,
        status: int,
        body: Any,
        kind: type[JobFailure],
    ) -> None:
        vendor.faults.append(Fault.answer(status, body))
        call = FakeCall()
        with pytest.raises(JobFailure) as failed:
            await replicate.generate(order("replicate"), call)
        assert type(failed.value) is kind
        assert failed.value.provider == "replicate"
        assert len(vendor.requests) == 1
        assert call.story == ["sending"]
        assert "r8_secret" not in str(failed.value)
        if kind is ProviderRateLimited:
            assert failed.value.retry_after_seconds == 30

    async def test_the_stand_in_refuses_what_the_vendor_would(
        self, replicate: Provider, vendor: Vendor
    ) -> None:
        stranger = build("replicate", vendor.base_url, "another-key", poll_seconds=QUICK)
        with pytest.raises(ProviderAuth) as failed:
            await stranger.generate(order("replicate"), FakeCall())
        await stranger.close()
        assert "another-key" not in str(failed.value)
        assert vendor.charges == []

    @pytest.mark.parametrize(("reason", "kind", "flagged"), FAILURES)
    async def test_each_failed_prediction_becomes_one_error(
        self,
        replicate: Provider,
        vendor: Vendor,
        reason: str | None,
        kind: type[JobFailure],
        flagged: str | None,
    ) -> None:
        vendor.poll_faults.append(Fault.answer(200, prediction("failed", error=reason)))
        with pytest.raises(JobFailure) as failed:
            await replicate.generate(order("replicate"), FakeCall())
        assert type(failed.value) is kind
        assert (failed.value.flagged, failed.value.billed) == (flagged, Billed.UNKNOWN)
        assert (reason or "no reason") in failed.value.message
        assert len(vendor.charges) == 1

    @pytest.mark.parametrize(
        ("more", "kind", "flagged"),
        [
            ({"logs": "NSFW content detected in image 0", "output": []}, ContentRejected, "output"),
            ({"output": []}, InvalidOutput, None),
            ({"output": None, "data_removed": True}, InvalidOutput, None),
        ],
    )
    async def test_a_success_without_the_picture_was_paid(
        self,
        replicate: Provider,
        vendor: Vendor,
        more: dict[str, Any],
        kind: type[JobFailure],
        flagged: str | None,
    ) -> None:
        vendor.poll_faults.append(Fault.answer(200, prediction("succeeded", **more)))
        with pytest.raises(JobFailure) as failed:
            await replicate.generate(order("replicate"), FakeCall())
        assert type(failed.value) is kind
        assert (failed.value.flagged, failed.value.billed) == (flagged, Billed.YES)

    async def test_a_picture_that_has_expired_was_paid(
        self, replicate: Provider, vendor: Vendor
    ) -> None:
        vendor.poll_faults.extend([Fault(), Fault(), Fault(REMOVED)])
        with pytest.raises(InvalidOutput) as failed:
            await replicate.generate(order("replicate"), FakeCall())
        assert failed.value.billed is Billed.YES

    @pytest.mark.parametrize("fault", [Fault(Truncated(), is_paid=True), Fault.answer(201, "{}")])
    async def test_a_broken_answer_leaves_the_outcome_unknown(
        self, replicate: Provider, vendor: Vendor, fault: Fault
    ) -> None:
        vendor.faults.append(fault)
        with pytest.raises(OutcomeUnknown) as failed:
            await replicate.generate(order("replicate"), FakeCall())
        assert failed.value.billed is Billed.UNKNOWN
        assert len(vendor.requests) == 1

    async def test_an_answer_that_never_comes_leaves_the_outcome_unknown(
        self, vendor: Vendor
    ) -> None:
        hold = threading.Event()
        vendor.faults.append(Fault(hold=hold))
        provider = build("replicate", vendor.base_url, answer_seconds=0.05, poll_seconds=QUICK)
        with pytest.raises(OutcomeUnknown):
            await provider.generate(order("replicate"), FakeCall())
        hold.set()
        await provider.close()

    async def test_a_vendor_that_cannot_be_reached_was_paid_nothing(self) -> None:
        provider = build("replicate", nowhere())
        with pytest.raises(ProviderUnavailable) as failed:
            await provider.generate(order("replicate"), FakeCall())
        assert failed.value.billed is Billed.NO
        await provider.close()
