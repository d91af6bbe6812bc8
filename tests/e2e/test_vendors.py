"""Every hosted vendor through the whole stack: what it is asked, charges for, and is told."""

from __future__ import annotations

import threading
from typing import NamedTuple

import pytest

from tests.e2e.jobs import Watch, approve, assert_completed, submit
from tests.e2e.stack import API, Json, Stack
from tests.e2e.vendors import HOSTED, SECOND, original_of, pictures_given_to
from tests.e2e.waiting import eventually
from tests.vendors.stand_in import Fault, StandIn

DRAFT = {"quality": "draft", "aspect_ratio": "16:9"}
FOR_EVER = 1_000_000


class Made(NamedTuple):
    """Who makes the draft and the final of a request that names the vendor only."""

    draft: str
    final: str
    basis: str
    """How the cost of both is known."""


MADE = {
    "bfl": Made("flux-2-klein-4b", "flux-2-pro", "usage"),
    "comfyui": Made("sdxl", "sdxl", "catalogue"),
    "fal": Made("fal-ai/flux/schnell", "fal-ai/flux-2-pro", "catalogue"),
    "gemini": Made("gemini-3.1-flash-lite-image", "gemini-3-pro-image", "usage"),
    "huggingface": Made("black-forest-labs/FLUX.1-schnell", "Qwen/Qwen-Image", "unknown"),
    "openai": Made("gpt-image-2.5-flare", "gpt-image-2.5-sunburst", "usage"),
    "replicate": Made("black-forest-labs/flux-schnell", "black-forest-labs/flux-2-pro", "unknown"),
    "stability_ai": Made("core", "ultra", "catalogue"),
}


def cancel(stack: Stack, job_id: str) -> None:
    response = stack.http.post(f"{API}/jobs/{job_id}/cancel")
    assert response.status_code == 202, response.text


def told(answer: Json) -> list[tuple[str, str, str | None]]:
    """Who was tried and what came of it."""
    return [
        (tried["provider"], tried["outcome"], tried.get("error", {}).get("code"))
        for tried in answer["attempts"]
    ]


@pytest.mark.parametrize("vendor", HOSTED)
def test_a_vendor_makes_a_draft_and_the_final_bound_to_it(
    vendor_stack: Stack, vendor_watch: Watch, stand_in: StandIn, vendor: str
) -> None:
    wished = {"provider": vendor, "num_images": 2, **DRAFT}
    draft_id = submit(vendor_stack, f"a ferry to {vendor}", **wished)
    [draft] = vendor_watch.until_ended([draft_id])
    calls = len(stand_in[vendor].charges)
    chosen = approve(vendor_stack, draft_id, reviewer="ann", image_index=1)
    [final] = vendor_watch.until_ended([chosen])
    assert_completed(vendor_stack, [draft, final])
    made = MADE[vendor]
    for answer, model in ((draft, made.draft), (final, made.final)):
        assert (answer["result"]["provider"], answer["result"]["model"]) == (vendor, model)
        assert answer["cost"]["basis"] == made.basis
        assert told(answer) == [(vendor, "completed", None)]
    assert final["result"]["consistency"] == "reference"
    first, second = (original_of(vendor_stack, draft_id, index).read_bytes() for index in (0, 1))
    given = pictures_given_to(stand_in[vendor])
    assert second in given
    assert first not in given
    assert len(stand_in[vendor].charges) == calls + 1


class TestCancel:
    def test_what_cannot_be_called_off_is_kept(
        self, vendor_stack: Stack, vendor_watch: Watch, stand_in: StandIn
    ) -> None:
        vendor, fault = stand_in["stability_ai"], Fault(hold=threading.Event())
        vendor.faults.append(fault)
        job_id = submit(vendor_stack, "a kite", provider="stability_ai", **DRAFT)
        eventually(fault.reached.is_set, "the vendor is at work")
        cancel(vendor_stack, job_id)
        vendor_watch.until(
            job_id, lambda answer: answer.get("cancellation") == "too_late", "it is said so"
        )
        assert fault.hold
        fault.hold.set()
        [answer] = vendor_watch.until_ended([job_id])
        assert_completed(vendor_stack, [answer])
        assert answer["cancellation"] == "too_late"
        assert len(vendor.charges) == 1

    @pytest.mark.parametrize(
        ("name", "asked"),
        [
            ("comfyui", "POST /interrupt"),
            ("fal", "PUT /fal-ai/flux/requests/request-1/cancel"),
            ("replicate", "POST /v1/predictions/prediction1/cancel"),
        ],
    )
    def test_a_vendor_that_can_is_told_to_stop(
        self, vendor_stack: Stack, vendor_watch: Watch, stand_in: StandIn, name: str, asked: str
    ) -> None:
        vendor = stand_in[name]
        vendor.polls_until_done = FOR_EVER
        polled = Fault()
        vendor.poll_faults.append(polled)
        job_id = submit(vendor_stack, "a kite", provider=name, **DRAFT)
        eventually(polled.reached.is_set, "the submission is polled")
        cancel(vendor_stack, job_id)
        [answer] = vendor_watch.until_ended([job_id])
        assert answer["status"] == "failed"
        assert answer["error"]["code"] == "cancelled"
        assert told(answer) == [(name, "cancelled", "cancelled")]
        assert asked in vendor.requests


def test_a_limited_rate_is_waited_out_and_told(
    vendor_stack: Stack, vendor_watch: Watch, stand_in: StandIn
) -> None:
    limit = Fault.answer(429, {"id": "1", "name": "rate_limit_exceeded"}, {"Retry-After": "1"})
    stand_in["stability_ai"].faults.append(limit)
    [answer] = vendor_watch.until_ended(
        [submit(vendor_stack, "a queue", provider="stability_ai", **DRAFT)]
    )
    assert_completed(vendor_stack, [answer])
    assert told(answer) == [
        ("stability_ai", "failed", "provider_rate_limited"),
        ("stability_ai", "completed", None),
    ]
    assert len(stand_in["stability_ai"].charges) == 1


def test_what_one_model_refused_goes_to_another_one_not_to_the_same_elsewhere(
    vendor_stack: Stack, vendor_watch: Watch, stand_in: StandIn
) -> None:
    refusal = Fault.answer(403, {"name": "content_moderation", "errors": ["not this"]})
    stand_in["stability_ai"].faults.append(refusal)
    wished = {"provider": "stability_ai", "fallback_providers": [SECOND, "bfl"], **DRAFT}
    [answer] = vendor_watch.until_ended([submit(vendor_stack, "a duel", **wished)])
    assert_completed(vendor_stack, [answer])
    assert told(answer) == [
        ("stability_ai", "failed", "content_rejected"),
        ("bfl", "completed", None),
    ]
    assert len(stand_in["stability_ai"].requests) == 1
    assert stand_in["stability_ai"].charges == []
    assert len(stand_in["bfl"].charges) == 1
