from __future__ import annotations

import base64
import io
import json
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
from tests.fakes import FakeCall, png
from tests.providers.vendors import PROMPT, build, nowhere, order
from tests.vendors.stand_in import Fault, StandIn, Truncated, Vendor

QUICK = 0.001
DRAFT_REFERENCE = Reference(png(512, 512), "image/png", is_draft=True)


@pytest.fixture
def vendor(stand_in: StandIn) -> Vendor:
    return stand_in["fal"]


@pytest.fixture
async def fal(vendor: Vendor) -> AsyncIterator[Provider]:
    provider = build("fal", vendor.base_url, poll_seconds=QUICK)
    yield provider
    await provider.close()


@pytest.fixture
async def remembering_fal(vendor: Vendor) -> AsyncIterator[Provider]:
    """With the account's history at an address of the stand-in's."""
    history = f"{vendor.base_url}/v1"
    provider = build("fal", vendor.base_url, poll_seconds=QUICK, history_url=history)
    yield provider
    await provider.close()


class CancelledAtOnce(FakeCall):
    """Somebody cancels as soon as there is a ticket."""

    def __init__(self, provider: Provider) -> None:
        super().__init__()
        self._provider = provider

    async def submitted(self, ticket: str) -> None:
        await super().submitted(ticket)
        await self._provider.cancel(ticket)


def decoded(address: str) -> bytes:
    return base64.b64decode(address.removeprefix("data:image/png;base64,"))


def size_of(data: bytes) -> tuple[int, int]:
    return Image.open(io.BytesIO(data)).size


def long_ago() -> datetime:
    return datetime.now(UTC) - timedelta(seconds=30)


def over(status: int, body: Any, headers: dict[str, str] | None = None) -> list[Fault]:
    """The queue says that the request is over; its answer is this."""
    return [
        Fault.answer(200, {"status": "COMPLETED"}),
        Fault.answer(status, body, headers),
    ]


class TestGenerate:
    async def test_a_draft_is_one_request_of_the_default_model(
        self, fal: Provider, vendor: Vendor
    ) -> None:
        call = FakeCall()
        (made,) = await fal.generate(order("fal"), call)
        (charge,) = vendor.charges
        assert charge.path == "/fal-ai/flux/schnell"
        assert (charge.body["prompt"], charge.body["seed"]) == (PROMPT, 41)
        assert (charge.body["num_images"], charge.body["output_format"]) == (1, "png")
        assert size_of(made.data) == (512, 512)
        assert (made.seed, made.cost_usd) == (41, 0.003)
        assert made.cost_basis is CostBasis.CATALOGUE
        assert call.story == ["sending", f"submitted {call.ticket}"]

    async def test_the_vendor_is_told_not_to_repeat_a_request(
        self, fal: Provider, vendor: Vendor
    ) -> None:
        await fal.generate(order("fal"), FakeCall())
        assert vendor.jobs["request-1"]["headers"]["x-fal-no-retry"] == "1"

    async def test_the_queue_is_polled_and_progress_is_what_the_logs_tell(
        self, fal: Provider, vendor: Vendor
    ) -> None:
        vendor.polls_until_done = 3
        call = FakeCall()
        await fal.generate(order("fal"), call)
        assert call.shares == [0.43]
        request = "GET /fal-ai/flux/requests/request-1"
        assert vendor.requests[1:6] == [f"{request}/status"] * 4 + [request]
        assert len(vendor.charges) == 1

    @pytest.mark.parametrize(
        ("quality", "ratio", "made_px"),
        [
            (Quality.DRAFT, AspectRatio.WIDE, (512, 288)),
            (Quality.DRAFT, AspectRatio.R9_21, (256, 608)),
            (Quality.STANDARD, AspectRatio.R4_5, (1024 * 4 // 5 // 16 * 16, 1024)),
        ],
    )
    async def test_a_size_is_asked_for_in_pixels(
        self,
        fal: Provider,
        vendor: Vendor,
        quality: Quality,
        ratio: AspectRatio,
        made_px: tuple[int, int],
    ) -> None:
        asked = size_for(quality, ratio)
        wanted = order("fal", quality=quality, size=asked, aspect_ratio=ratio)
        (made,) = await fal.generate(wanted, FakeCall())
        assert size_of(made.data) == made_px
        width, height = made_px
        assert vendor.charges[0].body["image_size"] == {"width": width, "height": height}

    async def test_style_and_negative_prompt_are_folded_into_the_prompt(
        self, fal: Provider, vendor: Vendor
    ) -> None:
        wanted = order("fal", style="oil-on-canvas", negative_prompt="people")
        await fal.generate(wanted, FakeCall())
        prompt = vendor.charges[0].body["prompt"]
        assert prompt == f"{PROMPT}\n\nStyle: oil on canvas.\n\nAvoid: people."

    async def test_several_pictures_are_one_request(self, fal: Provider, vendor: Vendor) -> None:
        made = await fal.generate(order("fal", indices=(0, 1, 2)), FakeCall())
        (charge,) = vendor.charges
        assert charge.body["num_images"] == 3
        assert len({picture.data for picture in made}) == 3
        assert [picture.seed for picture in made] == [41, None, None]
        assert [picture.cost_usd for picture in made] == [0.003] * 3

    async def test_some_models_answer_with_one_picture(self, fal: Provider, vendor: Vendor) -> None:
        one = {"image": {"url": f"{vendor.base_url}/files/request-1/0.png"}}
        vendor.poll_faults.extend(over(200, one))
        (made,) = await fal.generate(order("fal"), FakeCall())
        assert (size_of(made.data), made.seed) == ((512, 512), None)

    async def test_every_megapixel_begun_is_charged(self, fal: Provider) -> None:
        large = order("fal", quality=Quality.STANDARD, size=Size(1536, 1024))
        (made,) = await fal.generate(large, FakeCall())
        assert made.cost_usd == 0.05


class TestReferences:
    async def test_a_final_is_given_its_draft(self, fal: Provider, vendor: Vendor) -> None:
        bound = order(
            "fal", quality=Quality.HIGH, size=Size(1536, 1024), references=(DRAFT_REFERENCE,)
        )
        (made,) = await fal.generate(bound, FakeCall())
        (charge,) = vendor.charges
        assert charge.path == "/fal-ai/flux-2-pro/edit"
        assert [decoded(address) for address in charge.body["image_urls"]] == [DRAFT_REFERENCE.data]
        assert "attached draft" in charge.body["prompt"]
        assert size_of(made.data) == (1536, 1024)
        # Two megapixels begun, and one of the draft.
        assert made.cost_usd == 0.06

    async def test_a_model_that_follows_its_reference_is_given_one_of_the_right_size(
        self, fal: Provider, vendor: Vendor
    ) -> None:
        bound = order(
            "fal", quality=Quality.STANDARD, size=Size(1024, 768), references=(DRAFT_REFERENCE,)
        )
        (made,) = await fal.generate(bound, FakeCall())
        (charge,) = vendor.charges
        assert charge.path == "/fal-ai/flux/dev/image-to-image"
        assert size_of(decoded(charge.body["image_url"])) == (1024, 768)
        assert "image_size" not in charge.body
        assert 0 < charge.body["strength"] < 0.5
        assert made.cost_usd == 0.03

    async def test_without_a_reference_it_makes_one_from_nothing(
        self, fal: Provider, vendor: Vendor
    ) -> None:
        await fal.generate(order("fal", quality=Quality.STANDARD), FakeCall())
        (charge,) = vendor.charges
        assert charge.path == "/fal-ai/flux/dev"
        assert not charge.body.keys() & {"image_url", "strength"}


class TestTickets:
    async def test_a_ticket_is_taken_up_and_nothing_submitted(
        self, fal: Provider, vendor: Vendor
    ) -> None:
        first = FakeCall()
        await fal.generate(order("fal"), first)
        again = FakeCall(first.ticket)
        (made,) = await fal.generate(order("fal"), again)
        assert (made.seed, again.story) == (41, [])
        assert len(vendor.charges) == 1

    async def test_the_rest_of_a_call_that_is_taken_up_are_its_last_pictures(
        self, fal: Provider
    ) -> None:
        first = FakeCall()
        made = await fal.generate(order("fal", indices=(0, 1, 2)), first)
        rest = await fal.generate(order("fal", indices=(1, 2)), FakeCall(first.ticket))
        assert [picture.data for picture in rest] == [picture.data for picture in made[1:]]
        assert [picture.seed for picture in rest] == [None, None]

    async def test_addresses_of_another_host_are_not_asked_with_our_key(
        self, fal: Provider, vendor: Vendor
    ) -> None:
        await fal.generate(order("fal"), FakeCall())
        stranger = nowhere()
        told = {
            "request_id": "request-1",
            "status_url": f"{stranger}/fal-ai/flux/requests/request-1/status",
            "response_url": f"{vendor.base_url}.example/fal-ai/flux/requests/request-1",
            "cancel_url": f"{vendor.base_url}/fal-ai/flux/requests/request-1/cancel",
        }
        vendor.faults.append(Fault.answer(200, told, is_paid=True))
        call = FakeCall()
        await fal.generate(order("fal"), call)
        assert call.ticket is not None
        assert json.loads(call.ticket) == {
            "status": "/fal-ai/flux/requests/request-1/status",
            "response": "/fal-ai/flux/requests/request-1",
            "cancel": "/fal-ai/flux/requests/request-1/cancel",
        }

    async def test_a_ticket_that_the_vendor_does_not_know_is_not_submitted_again(
        self, fal: Provider, vendor: Vendor
    ) -> None:
        first = FakeCall()
        await fal.generate(order("fal"), first)
        vendor.jobs.clear()
        with pytest.raises(OutcomeUnknown) as failed:
            await fal.generate(order("fal"), FakeCall(first.ticket))
        assert failed.value.billed is Billed.UNKNOWN
        assert len(vendor.charges) == 1

    @pytest.mark.parametrize("after", [0, 2])
    @pytest.mark.parametrize(
        ("fault", "kind", "billed"),
        [
            (Fault.answer(500, "oops"), ProviderUnavailable, Billed.NO),
            (Fault.answer(504, "<html>nginx"), ProviderUnavailable, Billed.NO),
            (Fault(Truncated()), ProviderUnavailable, Billed.NO),
            (Fault.answer(429, {"detail": "slow down"}), ProviderRateLimited, Billed.NO),
            (Fault.answer(401, {"detail": "sk-123"}), ProviderAuth, Billed.UNKNOWN),
        ],
    )
    async def test_a_poll_that_fails_is_asked_once_and_leaves_the_ticket(
        self,
        fal: Provider,
        vendor: Vendor,
        after: int,
        fault: Fault,
        kind: type[JobFailure],
        billed: Billed,
    ) -> None:
        vendor.poll_faults.extend([Fault()] * after + [fault])
        call = FakeCall()
        with pytest.raises(JobFailure) as failed:
            await fal.generate(order("fal"), call)
        assert type(failed.value) is kind
        assert (failed.value.provider, failed.value.billed) == ("fal", billed)
        assert len(vendor.requests) == 2 + after
        await fal.generate(order("fal"), FakeCall(call.ticket))
        assert len(vendor.charges) == 1

    async def test_a_state_that_nobody_knows_leaves_the_ticket(
        self, fal: Provider, vendor: Vendor
    ) -> None:
        vendor.poll_faults.append(Fault.answer(200, "<html>"))
        with pytest.raises(ProviderUnavailable):
            await fal.generate(order("fal"), FakeCall())

    async def test_a_request_that_is_taken_from_the_queue_ends_as_cancelled(
        self, fal: Provider, vendor: Vendor
    ) -> None:
        vendor.polls_until_done = 10**9
        with pytest.raises(Cancelled) as failed:
            await fal.generate(order("fal"), CancelledAtOnce(fal))
        assert failed.value.billed is Billed.NO
        assert "PUT /fal-ai/flux/requests/request-1/cancel" in vendor.requests

    @pytest.mark.parametrize(
        ("status", "body", "headers"),
        [
            (499, {"detail": "Client Closed Request"}, None),
            (500, {"detail": "cancelled", "error_type": "client_cancelled"}, None),
            (500, "cancelled", {"x-fal-error-type": "client_cancelled"}),
        ],
    )
    async def test_a_request_that_is_stopped_at_work_may_have_been_charged(
        self,
        fal: Provider,
        vendor: Vendor,
        status: int,
        body: Any,
        headers: dict[str, str] | None,
    ) -> None:
        vendor.poll_faults.extend(over(status, body, headers))
        with pytest.raises(Cancelled) as failed:
            await fal.generate(order("fal"), FakeCall())
        assert failed.value.billed is Billed.UNKNOWN

    async def test_a_request_that_is_over_cannot_be_cancelled(
        self, fal: Provider, vendor: Vendor
    ) -> None:
        call = FakeCall()
        await fal.generate(order("fal"), call)
        assert call.ticket is not None
        await fal.cancel(call.ticket)
        assert vendor.jobs["request-1"]["is_removed"] is False

    async def test_a_cancel_that_fails_says_so(self, fal: Provider, vendor: Vendor) -> None:
        call = FakeCall()
        await fal.generate(order("fal"), call)
        assert call.ticket is not None
        vendor.poll_faults.append(Fault.answer(503, "down"))
        with pytest.raises(ProviderUnavailable):
            await fal.cancel(call.ticket)
        vendor.jobs.clear()
        with pytest.raises(OutcomeUnknown):
            await fal.cancel(call.ticket)


class TestFind:
    async def test_a_request_whose_answer_was_lost_is_found_and_taken_up(
        self, remembering_fal: Provider, vendor: Vendor
    ) -> None:
        for seed in (1, 2, 3):
            await remembering_fal.generate(order("fal", seed=seed), FakeCall())
        vendor.faults.append(Fault(Truncated(), is_paid=True))
        call = FakeCall()
        with pytest.raises(OutcomeUnknown):
            await remembering_fal.generate(order("fal"), call)
        assert call.story == ["sending"]
        found = await remembering_fal.find(order("fal"), call.key, long_ago())
        assert found is not None
        (made,) = await remembering_fal.generate(order("fal"), FakeCall(found))
        assert made.seed == 41
        assert len(vendor.charges) == 4

    async def test_references_are_told_apart(
        self, remembering_fal: Provider, vendor: Vendor
    ) -> None:
        teal, red = (Reference(png(64, 64, color), "image/png") for color in ("teal", "red"))
        sent = order("fal", quality=Quality.HIGH, references=(teal,))
        await remembering_fal.generate(sent, FakeCall())
        assert await remembering_fal.find(sent, "k", long_ago()) is not None
        other = order("fal", quality=Quality.HIGH, references=(red,))
        with pytest.raises(OutcomeUnknown):
            await remembering_fal.find(other, "k", long_ago())

    async def test_what_is_not_in_the_history_may_be_under_way(
        self, remembering_fal: Provider
    ) -> None:
        with pytest.raises(OutcomeUnknown) as failed:
            await remembering_fal.find(order("fal"), "k", long_ago())
        assert failed.value.billed is Billed.UNKNOWN

    async def test_a_history_that_cannot_be_read_is_asked_again_later(
        self, remembering_fal: Provider, vendor: Vendor
    ) -> None:
        vendor.poll_faults.append(Fault.answer(503, "down"))
        with pytest.raises(ProviderUnavailable):
            await remembering_fal.find(order("fal"), "k", long_ago())

    async def test_the_vendors_history_is_not_asked_with_a_key_for_elsewhere(
        self, fal: Provider, vendor: Vendor
    ) -> None:
        with pytest.raises(OutcomeUnknown):
            await fal.find(order("fal"), "k", long_ago())
        assert vendor.requests == []


LOCKED = {"detail": "User is locked. Reason: Exhausted balance. Top up at fal.ai/dashboard"}
BUSY = {"detail": "concurrent_requests_limit"}
REFUSALS = [
    (400, {"detail": "Invalid JSON"}, RequestRejected),
    (401, {"detail": "sk-123 is no key"}, ProviderAuth),
    (403, {"detail": "sk-123 has no access"}, ProviderAuth),
    (403, LOCKED, ProviderQuota),
    (404, {"detail": "Application 'flux' not found"}, ProviderModelShutDown),
    (429, BUSY, ProviderRateLimited),
    (500, {"detail": "Internal Server Error"}, ProviderUnavailable),
    (503, "upstream is down", ProviderUnavailable),
    (504, "gateway timeout", OutcomeUnknown),
]


def refused(kind: str, *place: str) -> dict[str, Any]:
    return {"detail": [{"loc": ["body", *place], "msg": "It is not allowed", "type": kind}]}


TIMED_OUT = {"detail": "Request timed out", "error_type": "request_timeout"}
NO, MAYBE = Billed.NO, Billed.UNKNOWN
ENDS = [
    (422, refused("content_policy_violation", "prompt"), ContentRejected, "prompt", MAYBE),
    (422, refused("content_policy_violation", "image_url"), ContentRejected, "reference", MAYBE),
    (422, refused("missing", "image_url"), RequestRejected, None, MAYBE),
    (400, {"detail": "bad", "error_type": "bad_request"}, RequestRejected, None, MAYBE),
    (500, refused("internal_server_error"), GenerationFailed, None, NO),
    (504, TIMED_OUT, GenerationFailed, None, NO),
    (404, {"detail": "Request not found"}, OutcomeUnknown, None, MAYBE),
]


class TestFailures:
    @pytest.mark.parametrize(("status", "body", "kind"), REFUSALS)
    async def test_each_refusal_becomes_one_error_after_one_request(
        self, fal: Provider, vendor: Vendor, status: int, body: Any, kind: type[JobFailure]
    ) -> None:
        vendor.faults.append(Fault.answer(status, body, {"retry-after": "7"}))
        call = FakeCall()
        with pytest.raises(JobFailure) as failed:
            await fal.generate(order("fal"), call)
        assert type(failed.value) is kind
        assert failed.value.provider == "fal"
        assert vendor.requests == ["POST /fal-ai/flux/schnell"]
        assert call.story == ["sending"]
        assert "sk-123" not in str(failed.value)
        if kind is ProviderRateLimited:
            assert failed.value.retry_after_seconds == 7

    async def test_the_stand_in_refuses_what_the_vendor_would(self, vendor: Vendor) -> None:
        stranger = build("fal", vendor.base_url, "another-key", poll_seconds=QUICK)
        with pytest.raises(ProviderAuth):
            await stranger.generate(order("fal"), FakeCall())
        await stranger.close()
        assert vendor.charges == []

    async def test_a_prompt_refused_at_once_costs_nothing(
        self, fal: Provider, vendor: Vendor
    ) -> None:
        vendor.faults.append(Fault.answer(422, refused("content_policy_violation", "prompt")))
        with pytest.raises(ContentRejected) as failed:
            await fal.generate(order("fal"), FakeCall())
        assert (failed.value.flagged, failed.value.billed) == ("prompt", Billed.NO)

    @pytest.mark.parametrize(("status", "body", "kind", "flagged", "billed"), ENDS)
    async def test_each_end_without_a_picture_becomes_one_error(
        self,
        fal: Provider,
        vendor: Vendor,
        status: int,
        body: Any,
        kind: type[JobFailure],
        flagged: str | None,
        billed: Billed,
    ) -> None:
        vendor.poll_faults.extend(over(status, body))
        with pytest.raises(JobFailure) as failed:
            await fal.generate(order("fal"), FakeCall())
        assert type(failed.value) is kind
        assert (failed.value.flagged, failed.value.billed) == (flagged, billed)
        assert len(vendor.charges) == 1

    async def test_a_failure_that_the_queue_tells_of_is_an_end(
        self, fal: Provider, vendor: Vendor
    ) -> None:
        state = {"status": "COMPLETED", "error": "runner died", "error_type": "runner_disconnected"}
        vendor.poll_faults.extend([Fault.answer(200, state), Fault.answer(503, "down")])
        with pytest.raises(GenerationFailed) as failed:
            await fal.generate(order("fal"), FakeCall())
        assert failed.value.billed is Billed.NO

    async def test_a_blackened_picture_is_a_rejection_that_was_paid(
        self, fal: Provider, vendor: Vendor
    ) -> None:
        black = {"images": [{"url": f"{vendor.base_url}/x"}], "has_nsfw_concepts": [True]}
        vendor.poll_faults.extend(over(200, black))
        with pytest.raises(ContentRejected) as failed:
            await fal.generate(order("fal"), FakeCall())
        assert (failed.value.flagged, failed.value.billed) == ("output", Billed.YES)
        assert "has_nsfw_concepts" in failed.value.message

    @pytest.mark.parametrize("body", [{"images": []}, {"images": [{"url": None}]}, "<html>"])
    async def test_an_answer_without_the_picture_was_paid(
        self, fal: Provider, vendor: Vendor, body: Any
    ) -> None:
        vendor.poll_faults.extend(over(200, body))
        with pytest.raises(InvalidOutput) as failed:
            await fal.generate(order("fal"), FakeCall())
        assert failed.value.billed is Billed.YES

    async def test_a_picture_that_has_expired_was_paid(self, fal: Provider, vendor: Vendor) -> None:
        gone = Fault(Response("gone", 404))
        vendor.poll_faults.extend([Fault(), Fault(), Fault(), gone])
        with pytest.raises(InvalidOutput) as failed:
            await fal.generate(order("fal"), FakeCall())
        assert failed.value.billed is Billed.YES

    @pytest.mark.parametrize(
        "fault", [Fault(Truncated(), is_paid=True), Fault.answer(200, {}, is_paid=True)]
    )
    async def test_a_broken_answer_leaves_the_outcome_unknown(
        self, fal: Provider, vendor: Vendor, fault: Fault
    ) -> None:
        vendor.faults.append(fault)
        with pytest.raises(OutcomeUnknown) as failed:
            await fal.generate(order("fal"), FakeCall())
        assert failed.value.billed is Billed.UNKNOWN
        assert len(vendor.requests) == 1

    async def test_an_answer_that_never_comes_leaves_the_outcome_unknown(
        self, vendor: Vendor
    ) -> None:
        hold = threading.Event()
        vendor.faults.append(Fault(hold=hold))
        provider = build("fal", vendor.base_url, answer_seconds=0.05)
        with pytest.raises(OutcomeUnknown):
            await provider.generate(order("fal"), FakeCall())
        hold.set()
        await provider.close()

    async def test_a_vendor_that_cannot_be_reached_was_paid_nothing(self) -> None:
        provider = build("fal", nowhere())
        with pytest.raises(ProviderUnavailable) as failed:
            await provider.generate(order("fal"), FakeCall())
        assert failed.value.billed is Billed.NO
        await provider.close()
