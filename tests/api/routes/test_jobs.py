from __future__ import annotations

import asyncio
from datetime import datetime

import pytest
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.worker import Worker

from domain.errors import Billed, ContentRejected, ProviderUnavailable
from domain.ids import final_id
from domain.names import TASK_QUEUE
from providers.base import Order, Report
from tests.api.conftest import Caller, Json, Serve, problem
from tests.conftest import WorkerFactory
from tests.fakes import FakeProvider, Gate
from tests.waiting import eventually
from workflows.image_job import ImageJobWorkflow

SEED_FIELDS = {
    "job_id": str,
    "status": str,
    "progress_percentage": int,
    "created_at": str,
    "is_draft": bool,
}
SEED_OPTIONAL = {
    "current_stage": str,
    "started_at": str,
    "completed_at": str,
    "result": dict,
    "error_message": str,
    "estimated_time_remaining": int,
    "final_job_id": str,
}
STATUSES = ["pending", "queued", "processing", "completed", "failed"]
UNKNOWN = "img_000000000000000000000000"


def check_seed(job: Json) -> None:
    """Every field of the seed that is there has its type, and nothing is null."""
    for name, kind in SEED_FIELDS.items():
        assert type(job[name]) is kind, name
    for name, kind in SEED_OPTIONAL.items():
        assert type(job.get(name, kind())) is kind, name
    assert job["status"] in STATUSES
    assert 0 <= job["progress_percentage"] <= 100
    assert (job["progress_percentage"] == 100) == (job["status"] == "completed")
    assert ("result" in job) == (job["status"] == "completed")
    assert ("error_message" in job) == (job["status"] == "failed")
    assert nulls(job) == []


def nulls(value: object, path: str = "") -> list[str]:
    """Where a null stands; an unknown amount is null by contract."""
    if isinstance(value, dict):
        return [hit for name, item in value.items() for hit in nulls(item, f"{path}.{name}")]
    if isinstance(value, list):
        return [hit for item in value for hit in nulls(item, f"{path}[]")]
    return [path] if value is None and path != ".cost.amount_usd" else []


class TestJobStatus:
    async def test_a_completed_job_has_the_seeds_fields(self, staffed: Caller) -> None:
        job = await staffed.completed(await staffed.create(num_images=2))
        check_seed(job)
        assert datetime.fromisoformat(job["created_at"]) <= datetime.fromisoformat(
            job["started_at"]
        )
        assert datetime.fromisoformat(job["started_at"]) <= datetime.fromisoformat(
            job["completed_at"]
        )
        assert job["current_stage"] == "completed"
        assert "estimated_time_remaining" not in job
        result = job["result"]
        assert result["success"] is True
        assert isinstance(result["cost"], int | float)
        assert isinstance(result["generation_time_seconds"], int | float)
        assert result["provider"] == "studio"
        assert isinstance(result["model"], str)
        assert len(result["images"]) == 2
        for image in result["images"]:
            assert isinstance(image["url"], str)
            assert (image["width"], image["height"]) == (64, 64)

    async def test_a_completed_job_tells_what_a_page_needs(self, staffed: Caller) -> None:
        job = await staffed.completed(await staffed.create(prompt="a red boat", seed=9))
        image = job["result"]["images"][0]
        assert image["image_url"] == image["url"]
        assert image["image_id"] == f"{job['job_id']}.0"
        assert image["format"] == "png"
        assert image["seed"] == 9
        assert image["alt_text"] == "a red boat"
        assert image["dominant_color"] == "#008080"
        assert {variant["format"] for variant in image["variants"]} == {"png", "webp"}
        assert image["srcset"].endswith(".webp 64w")
        assert image["digital_source_type"].endswith("/trainedAlgorithmicMedia")
        assert job["cost"] == {"amount_usd": 0.0, "basis": "catalogue"}
        assert [attempt["outcome"] for attempt in job["attempts"]] == ["completed"]

    async def test_a_queued_job_has_the_seeds_fields(self, door: Caller) -> None:
        job = await door.job(await door.create())
        check_seed(job)
        assert job["status"] == "queued"
        assert job["estimated_time_remaining"] >= 1
        assert not {"started_at", "completed_at", "review", "error"} & set(job)

    async def test_the_url_of_an_image_loads_without_a_header(self, staffed: Caller) -> None:
        job = await staffed.completed(await staffed.create())
        for variant in job["result"]["images"][0]["variants"]:
            answer = await staffed.http.get(variant["url"])
            assert answer.status_code == 200
            assert answer.headers["content-type"] == f"image/{variant['format']}"

    async def test_addresses_are_those_the_caller_came_by(self, serve: Serve) -> None:
        async with serve(insecure=True) as api:
            job_id = await api.create()
            answer = await api.http.get(
                f"/api/v1/images/jobs/{job_id}", headers={"Host": "images.example.com"}
            )
        assert answer.json()["links"]["self"].startswith("http://images.example.com/api/v1/")

    async def test_a_configured_public_address_wins(self, serve: Serve) -> None:
        async with serve(public_url="https://images.example.com/darkroom/") as api:
            job = await api.job(await api.create())
        assert job["links"]["self"] == (
            f"https://images.example.com/darkroom/api/v1/images/jobs/{job['job_id']}"
        )

    async def test_progress_follows_the_provider_and_is_100_only_at_the_end(
        self, api: Caller, new_worker: WorkerFactory
    ) -> None:
        gate = Gate()

        async def half_way(order: Order, report: Report) -> None:
            report(0.5)
            await gate(order, report)

        seen: list[Json] = []

        def watched(job: Json) -> bool:
            seen.append(job)
            check_seed(job)
            return bool(job["progress_percentage"] >= 47)

        async with new_worker(FakeProvider(half_way)):
            job_id = await api.create()
            job = await api.job_once(job_id, watched, "the progress moves")
            assert job["status"] == "processing"
            assert job["current_stage"] == "generating"
            assert job["progress_percentage"] == 47
            assert "started_at" in job
            gate.open()
            await api.job_once(
                job_id, lambda job: watched(job) and job["status"] == "completed", "it ends"
            )
        shown = [job["progress_percentage"] for job in seen]
        assert shown == sorted(shown)
        order = [STATUSES.index(job["status"]) for job in seen]
        assert order == sorted(order)

    async def test_progress_does_not_go_down_when_a_provider_is_tried_again(
        self, api: Caller, new_worker: WorkerFactory
    ) -> None:
        gate = Gate()
        tries = 0

        async def fail_late(order: Order, report: Report) -> None:
            nonlocal tries
            tries += 1
            if tries == 1:
                report(0.8)
                raise ProviderUnavailable("the provider is down", provider="studio")
            report(0.1)
            await gate(order, report)

        shown: list[int] = []

        def is_tried_again(job: Json) -> bool:
            shown.append(job["progress_percentage"])
            return gate.reached.is_set()

        async with new_worker(FakeProvider(fail_late)):
            job_id = await api.create()
            await api.job_once(job_id, is_tried_again, "the provider is tried again")
            job = await api.job_once(job_id, lambda job: job["attempts"], "the attempt is told")
            gate.open()
            done = await api.completed(job_id)
        assert shown == sorted(shown)
        assert max(shown) == 73
        assert job["attempts"][0]["error"]["code"] == "provider_unavailable"
        assert [attempt["outcome"] for attempt in done["attempts"]] == ["failed", "completed"]

    async def test_a_job_that_failed_says_why(self, api: Caller, new_worker: WorkerFactory) -> None:
        async def refuse(order: Order, report: Report) -> None:
            raise ContentRejected(
                "The prompt is against the rules.",
                provider="studio",
                flagged="prompt",
                billed=Billed.NO,
            )

        async with new_worker(FakeProvider(refuse)) as provider:
            job = await api.ended(await api.create())
        check_seed(job)
        assert job["status"] == "failed"
        assert job["error_message"] == "The prompt is against the rules."
        assert job["error"] == {
            "code": "content_rejected",
            "message": "The prompt is against the rules.",
            "retryable": False,
            "provider": "studio",
            "billed": "no",
            "flagged": "prompt",
        }
        assert len(provider.orders) == 1

    async def test_a_defect_of_an_adapter_is_told_without_its_internals(
        self, api: Caller, new_worker: WorkerFactory
    ) -> None:
        async def crash(order: Order, report: Report) -> None:
            raise KeyError("secret-internal-name")

        async with new_worker(FakeProvider(crash)):
            answer = await api.ended(await api.create())
        assert answer["error"]["code"] == "internal"
        assert "secret-internal-name" not in str(answer)
        assert "Traceback" not in str(answer)

    async def test_a_job_that_was_terminated_in_the_engine_is_failed_as_cancelled(
        self, api: Caller, client: Client
    ) -> None:
        job_id = await api.create()
        await client.get_workflow_handle(job_id).terminate()
        job = await api.ended(job_id)
        check_seed(job)
        assert job["status"] == "failed"
        assert job["error"]["code"] == "cancelled"

    async def test_a_draft_whose_workflow_was_terminated_keeps_its_image(
        self, api: Caller, client: Client, new_worker: WorkerFactory
    ) -> None:
        async with new_worker():
            job_id = await api.draft()
        await client.get_workflow_handle(job_id).terminate()
        job = await api.job_once(
            job_id, lambda job: job["review"]["state"] != "awaiting", "the review is over"
        )
        assert job["status"] == "completed"
        assert job["review"]["state"] == "expired"
        assert job["result"]["images"]
        problem(await api.post(f"/jobs/{job_id}/approve"), 409, "not_reviewable")

    @pytest.mark.parametrize(
        "job_id",
        [
            UNKNOWN,
            "bat_000000000000000000000000-0",
            "bat_000000000000000000000000",
            f"{UNKNOWN}-final",
            "nonsense",
            "IMG_1",
            f"{UNKNOWN}%0A",
            "%00",
            "x" * 2000,
        ],
    )
    async def test_an_unknown_job_is_not_found(self, door: Caller, job_id: str) -> None:
        problem(await door.get(f"/jobs/{job_id}"), 404, "job_not_found")

    async def test_an_image_beyond_the_end_of_its_batch_is_not_found(self, door: Caller) -> None:
        batch = await door.create_batch({}, {})
        for beyond in ("-2", "-99999999999999999999", "-01", "-0-r2", "-0-final"):
            problem(await door.get(f"/jobs/{batch['batch_id']}{beyond}"), 404, "job_not_found")


class TestEngineAway:
    async def test_an_unknown_job_is_not_answered_as_unknown(self, engineless: Caller) -> None:
        answer = await engineless.get(f"/jobs/{UNKNOWN}")
        problem(answer, 503, "status_unavailable")
        assert int(answer.headers["retry-after"]) > 0

    async def test_no_decision_is_taken(self, engineless: Caller) -> None:
        answers = await asyncio.gather(
            engineless.post(f"/jobs/{UNKNOWN}/approve"),
            engineless.post(f"/jobs/{UNKNOWN}/reject"),
            engineless.delete(f"/jobs/{UNKNOWN}"),
        )
        for answer in answers:
            problem(answer, 503, "status_unavailable")

    async def test_a_job_is_answered_from_its_record(
        self, api: Caller, serve: Serve, closed_address: str, new_worker: WorkerFactory
    ) -> None:
        async with new_worker():
            job = await api.completed(await api.create(blog_id="post-1"))
        async with serve(engine=closed_address) as other:
            told = await other.job(job["job_id"])
            refused = await other.post(f"/jobs/{job['job_id']}/approve")
        assert told["result"]["images"][0]["sha256"] == job["result"]["images"][0]["sha256"]
        assert told["blog_id"] == "post-1"
        problem(refused, 409, "not_reviewable")


class TestApprove:
    async def test_a_draft_that_completes_awaits_review(self, staffed: Caller) -> None:
        job = await staffed.job(await staffed.draft())
        check_seed(job)
        assert job["is_draft"] is True
        assert job["review"]["state"] == "awaiting"
        assert datetime.fromisoformat(job["review"]["expires_at"]) > datetime.fromisoformat(
            job["completed_at"]
        )
        assert job["links"]["approve"].endswith(f"{job['job_id']}/approve")
        assert job["links"]["reject"].endswith(f"{job['job_id']}/reject")
        assert "final_job_id" not in job

    async def test_the_final_is_named_at_once_and_bound_to_the_draft(
        self, api: Caller, new_worker: WorkerFactory
    ) -> None:
        async with new_worker() as provider:
            draft_id = await api.draft(aspect_ratio="16:9", blog_id="post-1", tags=["hero"])
            answer = await api.post(
                f"/jobs/{draft_id}/approve", {"reviewer": "Ada", "comment": "Lovely"}
            )
            assert answer.status_code == 202
            body = answer.json()
            assert body["job_id"] == draft_id
            assert body["final_job_id"] == f"{draft_id}-final"
            assert body["status"] == "queued"
            final = await api.completed(body["final_job_id"])
            draft = await api.job(draft_id)
        check_seed(final)
        assert final["is_draft"] is False
        assert final["draft_job_id"] == draft_id
        assert final["result"]["consistency"] == "seed"
        assert (final["blog_id"], final["tags"]) == ("post-1", ["hero"])
        assert "review" not in final
        image, drawn = final["result"]["images"][0], draft["result"]["images"][0]
        assert image["seed"] == drawn["seed"]
        assert (drawn["width"], drawn["height"]) == (512, 288)
        assert (image["width"], image["height"]) == (1536, 864)
        assert draft["status"] == "completed"
        assert draft["final_job_id"] == f"{draft_id}-final"
        review = draft["review"]
        assert (review["state"], review["reviewer"], review["comment"]) == (
            "approved",
            "Ada",
            "Lovely",
        )
        assert datetime.fromisoformat(review["decided_at"])
        assert "approve" not in draft["links"]
        first, second = provider.orders
        assert first.spec.prompt == second.spec.prompt
        assert second.spec.quality == "high"

    async def test_a_body_may_be_left_out(self, staffed: Caller) -> None:
        draft_id = await staffed.draft()
        answer = await staffed.http.post(f"/api/v1/images/jobs/{draft_id}/approve")
        assert answer.status_code == 202
        await staffed.completed(answer.json()["final_job_id"])

    async def test_a_second_approval_names_the_same_final_and_starts_no_other(
        self, api: Caller, new_worker: WorkerFactory
    ) -> None:
        async with new_worker() as provider:
            draft_id = await api.draft()
            first = await api.post(f"/jobs/{draft_id}/approve")
            await api.completed(first.json()["final_job_id"])
            second = await api.post(f"/jobs/{draft_id}/approve", {"reviewer": "Bob"})
            assert second.status_code == 202
            assert second.json()["final_job_id"] == first.json()["final_job_id"]
            job = await api.job(draft_id)
        assert "reviewer" not in job["review"]
        assert len(provider.orders) == 2

    async def test_approvals_at_the_same_moment_start_one_final(
        self, api: Caller, serve: Serve, new_worker: WorkerFactory
    ) -> None:
        async with new_worker() as provider, serve() as other:
            draft_id = await api.draft()
            answers = await asyncio.gather(
                *(caller.post(f"/jobs/{draft_id}/approve") for caller in (api, other) * 5)
            )
            assert {answer.status_code for answer in answers} == {202}
            assert {answer.json()["final_job_id"] for answer in answers} == {final_id(draft_id)}
            await api.completed(final_id(draft_id))
        assert len(provider.orders) == 2

    async def test_of_an_approval_and_a_rejection_at_the_same_moment_one_holds(
        self, staffed: Caller
    ) -> None:
        draft_id = await staffed.draft()
        answers = await asyncio.gather(
            staffed.post(f"/jobs/{draft_id}/approve"), staffed.post(f"/jobs/{draft_id}/reject")
        )
        job = await staffed.job_once(
            draft_id, lambda job: job["review"]["state"] != "awaiting", "it is decided"
        )
        accepted = {
            "approved": answers[0].status_code == 202,
            "rejected": answers[1].status_code == 202,
        }
        assert accepted[job["review"]["state"]]
        assert ("final_job_id" in job) == (job["review"]["state"] == "approved")

    @pytest.mark.parametrize(
        ("choices", "size"),
        [
            ({"quality": "ultra"}, (2048, 1152)),
            ({"width": 800, "height": 450}, (800, 450)),
            ({"quality": "draft"}, (1536, 864)),
        ],
    )
    async def test_the_final_may_be_wished_otherwise(
        self, staffed: Caller, choices: Json, size: tuple[int, int]
    ) -> None:
        draft_id = await staffed.draft(aspect_ratio="16:9")
        answer = await staffed.post(f"/jobs/{draft_id}/approve", {"final": choices})
        final = await staffed.completed(answer.json()["final_job_id"])
        image = final["result"]["images"][0]
        assert (image["width"], image["height"]) == size
        assert final["is_draft"] is False

    async def test_its_final_is_pending_while_it_is_planned(
        self, api: Caller, client: Client, new_worker: WorkerFactory
    ) -> None:
        async with new_worker():
            draft_id = await api.draft()
        answer = await api.post(f"/jobs/{draft_id}/approve")
        draft = client.get_workflow_handle(draft_id)

        async def is_planned() -> bool:
            return bool((await draft.describe()).raw_description.pending_activities)

        # Workflows go on, and nobody is there who plans.
        async with Worker(client, task_queue=TASK_QUEUE, workflows=[ImageJobWorkflow]):
            await eventually(is_planned, "the final is to be planned")
            final = await api.job(answer.json()["final_job_id"])
        assert (final["status"], final["draft_job_id"]) == ("pending", draft_id)

    async def test_one_of_several_images_may_be_chosen(
        self, api: Caller, new_worker: WorkerFactory
    ) -> None:
        async with new_worker() as provider:
            draft_id = await api.draft(num_images=3, seed=7)
            for index in (3, -1, "1", True):
                answer = await api.post(f"/jobs/{draft_id}/approve", {"image_index": index})
                refused = problem(answer, 422, "invalid_request")
                assert [error["field"] for error in refused["errors"]] == ["image_index"]
            await api.post(f"/jobs/{draft_id}/approve", {"imageIndex": 2})
            final = await api.completed(final_id(draft_id))
            draft = await api.job(draft_id)
            [_, listed] = (await api.get("/jobs")).json()["jobs"]
        assert [image["seed"] for image in final["result"]["images"]] == [9]
        assert provider.orders[-1].spec.num_images == 1
        assert draft["review"]["image_index"] == listed["review"]["image_index"] == 2

    async def test_an_impossible_wish_is_refused_and_the_draft_still_awaits_review(
        self, staffed: Caller
    ) -> None:
        draft_id = await staffed.draft()
        for choices, code in (
            ({"width": 4096, "height": 4096}, "capability_missing"),
            ({"model": "studio-9"}, "invalid_request"),
            ({"quality": "best"}, "invalid_request"),
            ({"width": "800"}, "invalid_request"),
            ({"width": 800}, "invalid_request"),
        ):
            answer = await staffed.post(f"/jobs/{draft_id}/approve", {"final": choices})
            problem(answer, 422, code)
            assert (await staffed.job(draft_id))["review"]["state"] == "awaiting"

    async def test_camel_case_is_taken_in_a_decision_too(
        self, api: Caller, new_worker: WorkerFactory
    ) -> None:
        async with new_worker() as provider:
            draft_id = await api.draft()
            answer = await api.post(
                f"/jobs/{draft_id}/reject",
                {"revise": {"aspectRatio": "9:16", "negativePrompt": "people"}},
            )
            job = await api.completed(answer.json()["revision_job_id"])
        image = job["result"]["images"][0]
        assert (image["width"], image["height"]) == (288, 512)
        assert provider.orders[-1].spec.negative_prompt == "people"

    async def test_it_takes_effect_once_a_worker_comes(
        self, api: Caller, new_worker: WorkerFactory
    ) -> None:
        async with new_worker():
            draft_id = await api.draft()
        answer = await api.post(f"/jobs/{draft_id}/approve", {"reviewer": "Ada"})
        assert answer.status_code == 202
        again = await api.post(f"/jobs/{draft_id}/approve")
        assert again.json()["final_job_id"] == answer.json()["final_job_id"] == final_id(draft_id)
        assert (await api.job(draft_id))["result"]["images"]
        async with new_worker():
            job = await api.job_once(
                draft_id, lambda job: job["review"]["state"] == "approved", "it takes effect"
            )
            await api.completed(job["final_job_id"])
        assert job["review"]["reviewer"] == "Ada"

    async def test_the_final_can_be_polled_as_soon_as_it_is_named(
        self, api: Caller, new_worker: WorkerFactory
    ) -> None:
        async with new_worker():
            draft_id = await api.draft()
        answer = await api.post(f"/jobs/{draft_id}/approve")
        final = await api.job(answer.json()["final_job_id"])
        check_seed(final)
        assert final["status"] == "pending"
        assert final["is_draft"] is False
        assert final["draft_job_id"] == draft_id

    async def test_a_rejected_draft_cannot_be_approved(self, staffed: Caller) -> None:
        draft_id = await staffed.draft()
        await staffed.post(f"/jobs/{draft_id}/reject")
        answer = await staffed.post(f"/jobs/{draft_id}/approve")
        assert "rejected" in problem(answer, 409, "not_reviewable")["detail"]

    async def test_what_is_no_draft_cannot_be_approved(self, staffed: Caller) -> None:
        job_id = await staffed.create()
        await staffed.completed(job_id)
        answer = await staffed.post(f"/jobs/{job_id}/approve")
        assert "not a draft" in problem(answer, 409, "not_reviewable")["detail"]

    async def test_a_draft_that_is_not_made_yet_cannot_be_approved(
        self, api: Caller, new_worker: WorkerFactory
    ) -> None:
        gate = Gate()
        job_id = await api.create(quality="draft")
        queued = await api.post(f"/jobs/{job_id}/approve")
        assert "queued" in problem(queued, 409, "not_reviewable")["detail"]
        async with new_worker(FakeProvider(gate)):
            await gate.reached.wait()
            await api.job_once(job_id, lambda job: job["status"] == "processing", "it is made")
            running = await api.post(f"/jobs/{job_id}/approve")
            assert "processing" in problem(running, 409, "not_reviewable")["detail"]
            gate.open()
            await api.completed(job_id)

    async def test_a_draft_that_failed_cannot_be_approved(
        self, api: Caller, new_worker: WorkerFactory
    ) -> None:
        async def refuse(order: Order, report: Report) -> None:
            raise ContentRejected("The prompt is against the rules.", provider="studio")

        async with new_worker(FakeProvider(refuse)):
            job_id = await api.create(quality="draft")
            await api.ended(job_id)
            answer = await api.post(f"/jobs/{job_id}/approve")
        assert "failed" in problem(answer, 409, "not_reviewable")["detail"]

    async def test_a_review_that_expired_cannot_be_decided(
        self, api: Caller, serve: Serve, new_worker: WorkerFactory
    ) -> None:
        async with serve(review_days=1e-9) as hasty, new_worker():
            draft_id = await hasty.create(quality="draft")
            job = await hasty.job_once(
                draft_id,
                lambda job: job.get("review", {}).get("state") == "expired",
                "the review expires",
            )
            answer = await hasty.post(f"/jobs/{draft_id}/approve")
        assert job["status"] == "completed"
        assert "expired" in problem(answer, 409, "not_reviewable")["detail"]

    async def test_an_unknown_job_is_not_found(self, door: Caller) -> None:
        problem(await door.post(f"/jobs/{UNKNOWN}/approve"), 404, "job_not_found")

    async def test_an_image_of_a_batch_that_has_not_started_cannot_be_approved(
        self, door: Caller
    ) -> None:
        batch = await door.create_batch({})
        answer = await door.post(f"/jobs/{batch['job_ids'][0]}/approve")
        assert "pending" in problem(answer, 409, "not_reviewable")["detail"]

    async def test_a_signal_from_elsewhere_does_the_same(
        self, api: Caller, client: Client, new_worker: WorkerFactory
    ) -> None:
        async with new_worker():
            draft_id = await api.draft()
            await client.get_workflow_handle(draft_id).signal("approve", {"reviewer": "desk"})
            job = await api.job_once(
                draft_id, lambda job: job["review"]["state"] == "approved", "it is approved"
            )
            assert job["review"]["reviewer"] == "desk"
            assert job["final_job_id"] == final_id(draft_id)
            await api.completed(final_id(draft_id))


class TestReject:
    async def test_nothing_follows_a_plain_rejection(
        self, api: Caller, new_worker: WorkerFactory
    ) -> None:
        async with new_worker() as provider:
            draft_id = await api.draft()
            answer = await api.post(
                f"/jobs/{draft_id}/reject", {"reviewer": "Ada", "comment": "Too dark"}
            )
            assert answer.status_code == 202
            assert "revision_job_id" not in answer.json()
            job = await api.job(draft_id)
        check_seed(job)
        assert job["review"]["state"] == "rejected"
        assert job["review"]["comment"] == "Too dark"
        assert not {"revision_job_id", "final_job_id"} & set(job)
        assert len(provider.orders) == 1

    async def test_a_revision_is_a_new_draft_linked_both_ways_round_after_round(
        self, api: Caller, new_worker: WorkerFactory
    ) -> None:
        async with new_worker() as provider:
            first = await api.draft(seed=1, style="ink", blog_id="post-1")
            answer = await api.post(
                f"/jobs/{first}/reject", {"revise": {"prompt": "a lighthouse at night"}}
            )
            second = answer.json()["revision_job_id"]
            assert second == f"{first}-r2"
            round_two = await api.completed(second)
            answer = await api.post(f"/jobs/{second}/reject", {"revise": {"seed": 77}})
            third = answer.json()["revision_job_id"]
            assert third == f"{first}-r3"
            round_three = await api.completed(third)
            assert (await api.job(first))["revision_job_id"] == second
            assert (await api.job(second))["revision_job_id"] == third
            approved = await api.post(f"/jobs/{third}/approve")
            assert approved.json()["final_job_id"] == f"{third}-final"
            final = await api.completed(f"{third}-final")
        assert round_two["revision_of"] == first
        assert round_three["revision_of"] == second
        assert round_two["is_draft"]
        assert round_two["review"]["state"] == "awaiting"
        assert round_two["blog_id"] == "post-1"
        assert "revision_of" not in final
        assert final["draft_job_id"] == third
        specs = [order.spec for order in provider.orders]
        assert [spec.prompt for spec in specs[1:]] == ["a lighthouse at night"] * 3
        assert {spec.style for spec in specs} == {"ink"}
        assert specs[1].seed not in (1, 77)
        assert [specs[2].seed, specs[3].seed] == [77, 77]

    async def test_the_same_rejection_twice_starts_one_round(
        self, api: Caller, new_worker: WorkerFactory
    ) -> None:
        async with new_worker() as provider:
            draft_id = await api.draft()
            body = {"revise": {"seed": 3}}
            answers = [await api.post(f"/jobs/{draft_id}/reject", body) for _ in range(2)]
            assert [answer.status_code for answer in answers] == [202, 202]
            await api.completed(f"{draft_id}-r2")
        assert len(provider.orders) == 2

    async def test_an_approved_draft_cannot_be_rejected(self, staffed: Caller) -> None:
        draft_id = await staffed.draft()
        await staffed.post(f"/jobs/{draft_id}/approve")
        answer = await staffed.post(f"/jobs/{draft_id}/reject")
        assert "approved" in problem(answer, 409, "not_reviewable")["detail"]
        await staffed.completed(final_id(draft_id))

    async def test_an_impossible_revision_is_refused_and_the_draft_still_awaits_review(
        self, staffed: Caller
    ) -> None:
        draft_id = await staffed.draft()
        for revise, code in (
            ({"prompt": "x"}, "invalid_request"),
            ({"seed": "7"}, "invalid_request"),
            ({"width": 640}, "invalid_request"),
            ({"aspect_ratio": "7:5"}, "invalid_request"),
            ({"model": "studio-9"}, "invalid_request"),
            ({"width": 4096, "height": 4096}, "capability_missing"),
        ):
            answer = await staffed.post(f"/jobs/{draft_id}/reject", {"revise": revise})
            problem(answer, 422, code)
            assert (await staffed.job(draft_id))["review"]["state"] == "awaiting"

    async def test_an_unknown_job_is_not_found(self, door: Caller) -> None:
        problem(await door.post(f"/jobs/{UNKNOWN}/reject"), 404, "job_not_found")


class TestCancel:
    async def test_a_running_job_is_failed_as_cancelled(
        self, api: Caller, client: Client, new_worker: WorkerFactory
    ) -> None:
        gate = Gate()
        async with new_worker(FakeProvider(gate)):
            job_id = await api.create()
            await gate.reached.wait()
            answer = await api.delete(f"/jobs/{job_id}")
            assert answer.status_code == 202
            job = await api.ended(job_id)
            description = await client.get_workflow_handle(job_id).describe()
        check_seed(job)
        assert job["status"] == "failed"
        assert job["error"]["code"] == "cancelled"
        assert description.status is WorkflowExecutionStatus.CANCELED

    async def test_a_queued_job_is_cancelled_once_a_worker_comes(
        self, api: Caller, new_worker: WorkerFactory
    ) -> None:
        job_id = await api.create()
        answer = await api.post(f"/jobs/{job_id}/cancel")
        assert answer.status_code == 202
        assert answer.json()["job_id"] == job_id
        async with new_worker() as provider:
            job = await api.ended(job_id)
        assert job["error"]["code"] == "cancelled"
        assert provider.orders == []

    async def test_an_image_that_has_not_started_is_cancelled_in_its_batch(
        self, api: Caller, new_worker: WorkerFactory
    ) -> None:
        gate = Gate()
        async with new_worker(FakeProvider(gate)) as provider:
            batch = await api.create_batch({}, {}, max_concurrency=1, workflow="final_only")
            await gate.reached.wait()
            first, second = batch["job_ids"]
            assert (await api.job(second))["status"] == "pending"
            answer = await api.delete(f"/jobs/{second}")
            assert answer.status_code == 202
            job = await api.ended(second)
            check_seed(job)
            assert job["error"]["code"] == "cancelled"
            gate.open()
            await api.completed(first)
            told = await api.batch_once(
                batch["batch_id"], lambda told: told["status"] == "completed", "the batch ends"
            )
        assert told["counts"] == {"completed": 1, "failed": 1}
        assert len(provider.orders) == 1

    async def test_a_job_that_ended_cannot_be_cancelled(self, staffed: Caller) -> None:
        job_id = await staffed.create()
        await staffed.completed(job_id)
        answer = await staffed.delete(f"/jobs/{job_id}")
        assert "completed" in problem(answer, 409, "already_terminal")["detail"]

    async def test_a_draft_that_awaits_review_is_not_cancelled(self, staffed: Caller) -> None:
        draft_id = await staffed.draft()
        problem(await staffed.delete(f"/jobs/{draft_id}"), 409, "already_terminal")
        assert (await staffed.job(draft_id))["review"]["state"] == "awaiting"

    async def test_an_unknown_job_is_not_found(self, door: Caller) -> None:
        problem(await door.delete(f"/jobs/{UNKNOWN}"), 404, "job_not_found")
        problem(await door.post(f"/jobs/{UNKNOWN}/cancel"), 404, "job_not_found")


class TestWithoutWorkers:
    async def test_a_draft_that_was_made_is_told_with_its_result(
        self, api: Caller, serve: Serve, new_worker: WorkerFactory
    ) -> None:
        async with new_worker():
            draft_id = await api.draft()
            told = await api.job(draft_id)
        async with serve() as other:
            job = await other.job(draft_id)
        check_seed(job)
        assert job["result"]["images"][0]["sha256"] == told["result"]["images"][0]["sha256"]
        assert job["review"]["state"] == "awaiting"

    async def test_a_job_that_ended_is_told_with_its_result(
        self, api: Caller, serve: Serve, new_worker: WorkerFactory
    ) -> None:
        async with new_worker():
            job = await api.completed(await api.create())
        async with serve() as other:
            assert (await other.job(job["job_id"]))["status"] == "completed"
