from __future__ import annotations

import asyncio
from typing import Any

import pytest
from temporalio.client import Client

from domain.errors import Billed, ContentRejected
from providers.base import Order, Report
from tests.api.conftest import PROMPT, Caller, Serve, problem, small
from tests.conftest import WorkerFactory
from tests.fakes import FakeProvider, Gate
from tests.waiting import eventually

JOB_FIELDS = {
    "job_id": str,
    "status": str,
    "message": str,
    "estimated_completion_time": int,
    "is_draft": bool,
}
BATCH_FIELDS = {
    "batch_id": str,
    "job_ids": list,
    "status": str,
    "total_images": int,
    "estimated_completion_time": int,
}
REFUSED = "The prompt is against the provider's rules."


def types_of(body: dict[str, Any]) -> dict[str, type]:
    return {name: type(value) for name, value in body.items()}


class TestGenerateAsync:
    async def test_it_answers_at_once_with_exactly_the_seeds_fields(self, door: Caller) -> None:
        answer = await door.post(
            "/generate-async", {"prompt": "Hero image", "quality": "draft", "aspect_ratio": "16:9"}
        )
        assert answer.status_code == 202
        body = answer.json()
        assert types_of(body) == JOB_FIELDS
        assert body["status"] == "queued"
        assert body["is_draft"] is True
        assert body["estimated_completion_time"] >= 1

    async def test_a_job_is_no_draft_unless_it_asks_to_be(self, door: Caller) -> None:
        answer = await door.post("/generate-async", {"prompt": PROMPT})
        assert answer.json()["is_draft"] is False

    async def test_it_is_accepted_while_no_worker_runs(self, door: Caller) -> None:
        job = await door.job(await door.create())
        assert job["status"] == "queued"
        assert job["current_stage"] == "queued"
        assert job["progress_percentage"] == 0

    async def test_every_call_is_a_job_of_its_own(self, door: Caller) -> None:
        ids = await asyncio.gather(*(door.create() for _ in range(10)))
        assert len(set(ids)) == 10

    async def test_a_named_vendor_is_stood_in_for_and_the_answers_say_so(
        self, staffed: Caller
    ) -> None:
        answer = await staffed.post("/generate-async", small(provider="stability_ai"))
        assert "'stability_ai' is not configured" in answer.json()["message"]
        job = await staffed.completed(answer.json()["job_id"])
        assert job["result"]["provider"] == "studio"
        assert "'stability_ai' is not configured" in job["message"]

    async def test_a_named_vendor_is_refused_where_nothing_stands_in(self, serve: Serve) -> None:
        async with serve(stand_in=False) as api:
            answer = await api.post("/generate-async", small(provider="stability_ai"))
        body = problem(answer, 422, "provider_not_configured")
        assert body["errors"] == [{"field": "provider", "message": "set STABILITY_API_KEY"}]

    async def test_an_unknown_model_is_refused_with_those_there_are(self, door: Caller) -> None:
        answer = await door.post("/generate-async", small(provider="studio", model="studio-9"))
        body = problem(answer, 422, "invalid_request")
        assert "studio-1" in body["detail"]
        assert body["errors"][0]["field"] == "model"

    async def test_more_pixels_than_the_model_makes_are_refused(self, door: Caller) -> None:
        answer = await door.post(
            "/generate-async", {"prompt": PROMPT, "width": 4096, "height": 4096}
        )
        body = problem(answer, 422, "capability_missing")
        assert "8 megapixels" in body["detail"]

    async def test_a_reference_is_refused_where_the_model_takes_none(self, door: Caller) -> None:
        answer = await door.post(
            "/generate-async", small(reference_image_url="https://example.com/sea.png")
        )
        body = problem(answer, 422, "capability_missing")
        assert body["errors"][0]["field"] == "reference_image_url"

    async def test_a_webhook_is_refused_where_nothing_signs_it(self, door: Caller) -> None:
        answer = await door.post("/generate-async", small(webhook_url="https://example.com/hook"))
        body = problem(answer, 422, "invalid_request")
        assert body["errors"][0]["field"] == "webhook_url"
        assert "DARKROOM_WEBHOOK_SECRET" in body["detail"]


class TestRequestFields:
    """What one image's request takes, as the provider gets to see it."""

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("prompt", "ab"),
            ("prompt", "   ab   "),
            ("prompt", "x" * 4001),
            ("prompt", 42),
            ("prompt", None),
            ("prompt", "half a pair: \ud800"),
            ("quality", "best"),
            ("quality", 1),
            ("aspect_ratio", "7:5"),
            ("aspect_ratio", 1.5),
            ("width", "1024"),
            ("width", 1024.5),
            ("width", 63),
            ("height", 4097),
            ("style", ""),
            ("style", "x" * 101),
            ("style", ["ink"]),
            ("negative_prompt", 7),
            ("seed", -1),
            ("seed", 2**32),
            ("seed", "7"),
            ("seed", True),
            ("seed", 7.5),
            ("num_images", 0),
            ("num_images", 5),
            ("num_images", "2"),
            ("provider", ""),
            ("model", 5),
            ("fallback_providers", "fal"),
            ("reference_image_url", "not a url"),
            ("reference_image_url", "file:///etc/passwd"),
            ("blog_id", 12),
            ("blog_id", ""),
            ("blog_id", "🌊" * 200),
            ("blog_job_id", "x" * 201),
            ("tags", "hero"),
            ("tags", [""]),
            ("tags", ["x" * 100] * 50),
            ("tags", ["x"] * 51),
            ("metadata", {"nested": {"a": 1}}),
            ("metadata", ["a"]),
            ("metadata", {"long": "x" * 1001}),
            ("webhook_url", "ftp://example.com"),
        ],
    )
    async def test_a_wrong_value_is_refused_by_its_name(
        self, door: Caller, field: str, value: object
    ) -> None:
        sides = {"width": 64, "height": 64} if field in ("width", "height") else {}
        answer = await door.post("/generate-async", {"prompt": PROMPT, **sides, field: value})
        body = problem(answer, 422, "invalid_request")
        assert field in {item["field"].split(".")[0] for item in body["errors"]}
        assert field in body["detail"]

    @pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
    async def test_a_number_that_json_does_not_have_is_refused(
        self, door: Caller, number: str
    ) -> None:
        answer = await door.http.post(
            "/api/v1/images/generate-async",
            content=f'{{"prompt": "{PROMPT}", "metadata": {{"share": {number}}}}}',
            headers={"Content-Type": "application/json"},
        )
        problem(answer, 422, "invalid_request")

    @pytest.mark.parametrize(
        "image",
        [
            {"prompt": "sea"},
            {"prompt": "  sea  "},
            {"prompt": "x" * 4000},
            {"prompt": " " * 50 + "x" * 4000 + "\n"},
            {"prompt": "🌊" * 4000},
            {"prompt": PROMPT, "seed": 0},
            {"prompt": PROMPT, "seed": 2**32 - 1},
            {"prompt": PROMPT, "num_images": 4},
            {"prompt": PROMPT, "metadata": {"a": 1, "b": 2.5, "c": True, "d": "x" * 1000}},
            {"prompt": PROMPT, "tags": [f"{number:0>30}" for number in range(50)]},
            {"prompt": PROMPT, "blog_id": "🌊" * 150, "blog_job_id": "é" * 200},
            {"prompt": PROMPT, "negative_prompt": ""},
            {"prompt": PROMPT, "width": 64, "height": 4096},
            {"prompt": PROMPT, "quality": None, "style": None, "tags": None, "metadata": None},
            {"prompt": PROMPT, "user_id": "u-1", "async": True, "options": {"deep": []}},
        ],
        ids=lambda image: "-".join(image)[:40],
    )
    async def test_what_the_contract_allows_is_taken(
        self, door: Caller, image: dict[str, Any]
    ) -> None:
        answer = await door.post("/generate-async", image)
        assert answer.status_code == 202, answer.text

    async def test_one_side_without_the_other_is_refused(self, door: Caller) -> None:
        answer = await door.post("/generate-async", {"prompt": PROMPT, "width": 640})
        assert "width and height" in problem(answer, 422, "invalid_request")["detail"]

    async def test_several_wrong_fields_are_all_named(self, door: Caller) -> None:
        answer = await door.post("/generate-async", {"prompt": "", "seed": -1, "quality": "best"})
        body = problem(answer, 422, "invalid_request")
        assert {item["field"] for item in body["errors"]} == {"prompt", "seed", "quality"}

    async def test_the_provider_gets_what_was_asked_for(
        self, api: Caller, new_worker: WorkerFactory
    ) -> None:
        async with new_worker() as provider:
            await api.completed(
                await api.create(
                    prompt="  a  lighthouse ",
                    style="pencil_sketch",
                    negative_prompt="people",
                    seed=41,
                    num_images=2,
                )
            )
        spec = provider.orders[0].spec
        assert spec.prompt == "a  lighthouse"
        assert spec.style == "pencil-sketch"
        assert spec.negative_prompt == "people"
        assert spec.seed == 41
        assert provider.orders[0].indices == (0, 1)

    async def test_camel_case_is_the_same_as_snake_case(
        self, api: Caller, new_worker: WorkerFactory
    ) -> None:
        async with new_worker() as provider:
            job = await api.completed(
                await api.create(
                    quality="draft",
                    aspectRatio="16:9",
                    negativePrompt="people",
                    numImages=2,
                    blogId="post-1",
                    blogJobId="run-1",
                    fallbackProviders=["studio"],
                )
            )
        spec = provider.orders[0].spec
        assert (spec.width_px, spec.height_px) == (512, 288)
        assert spec.negative_prompt == "people"
        assert spec.num_images == 2
        assert (job["blog_id"], job["blog_job_id"]) == ("post-1", "run-1")

    async def test_width_and_height_win_over_the_aspect_ratio(self, staffed: Caller) -> None:
        job = await staffed.completed(
            await staffed.create(width=1920, height=1080, aspectRatio="16:9", quality="standard")
        )
        image = job["result"]["images"][0]
        assert (image["width"], image["height"]) == (1920, 1080)

    async def test_blog_ids_are_taken_from_the_query_string_too(self, door: Caller) -> None:
        answer = await door.post("/generate-async", small(), blog_id="post-7", blog_job_id="run-7")
        job = await door.job(answer.json()["job_id"])
        assert (job["blog_id"], job["blog_job_id"]) == ("post-7", "run-7")

    async def test_the_body_wins_over_the_query_string(self, door: Caller) -> None:
        answer = await door.post("/generate-async", small(blog_id="body"), blog_id="query")
        assert (await door.job(answer.json()["job_id"]))["blog_id"] == "body"

    async def test_tags_and_metadata_come_back_as_they_were_sent(self, door: Caller) -> None:
        metadata = {"slot": "hero", "rank": 1, "share": 0.5, "paid": False}
        job = await door.job(await door.create(tags=["sea", "dawn"], metadata=metadata))
        assert job["tags"] == ["sea", "dawn"]
        assert job["metadata"] == metadata


class TestGenerate:
    async def test_it_answers_with_the_result_itself(self, staffed: Caller) -> None:
        answer = await staffed.post("/generate", small(quality="standard", aspect_ratio="1:1"))
        assert answer.status_code == 200
        body = answer.json()
        assert body["success"] is True
        assert body["provider"] == "studio"
        assert isinstance(body["model"], str)
        assert isinstance(body["cost"], int | float)
        assert isinstance(body["generation_time_seconds"], int | float)
        image = body["images"][0]
        assert (image["width"], image["height"]) == (1024, 1024)
        assert (await staffed.http.get(image["url"])).status_code == 200
        assert (await staffed.job(body["job_id"]))["result"]["images"] == body["images"]

    async def test_it_waits_for_the_image_not_for_the_review(self, staffed: Caller) -> None:
        answer = await staffed.post("/generate", small(quality="draft"))
        assert answer.status_code == 200
        job = await staffed.job(answer.json()["job_id"])
        assert job["review"]["state"] == "awaiting"

    async def test_a_refused_prompt_is_a_problem_that_says_why(
        self, api: Caller, new_worker: WorkerFactory
    ) -> None:
        async def refuse(order: Order, report: Report) -> None:
            raise ContentRejected(REFUSED, provider="studio", flagged="prompt", billed=Billed.NO)

        async with new_worker(FakeProvider(refuse)):
            answer = await api.post("/generate", small())
        assert problem(answer, 422, "content_rejected")["detail"] == REFUSED

    async def test_a_job_that_is_cancelled_meanwhile_is_a_problem(
        self, api: Caller, client: Client, new_worker: WorkerFactory
    ) -> None:
        gate = Gate()

        async def listed() -> str | None:
            return next(iter([job.id async for job in client.list_workflows()]), None)

        async with new_worker(FakeProvider(gate)):
            asking = asyncio.create_task(api.post("/generate", small()))
            await gate.reached.wait()
            await api.delete(f"/jobs/{await eventually(listed, 'the job is listed')}")
            answer = await asking
        problem(answer, 409, "cancelled")


class TestBatchGenerate:
    async def test_it_answers_at_once_with_exactly_the_seeds_fields(self, door: Caller) -> None:
        answer = await door.post(
            "/batch-generate",
            {
                "images": [
                    {"prompt": "Hero", "quality": "draft"},
                    {"prompt": "Featured", "quality": "draft"},
                ],
                "blog_id": "post-1",
                "workflow": "draft_then_final",
            },
        )
        assert answer.status_code == 202
        body = answer.json()
        assert types_of(body) == BATCH_FIELDS
        assert body["total_images"] == 2
        assert len(body["job_ids"]) == 2
        assert body["status"] == "queued"

    async def test_an_image_that_has_not_started_can_be_polled(self, door: Caller) -> None:
        batch = await door.create_batch({}, {"tags": ["second"]}, blog_id="post-2")
        job = await door.job(batch["job_ids"][1])
        assert job["status"] == "pending"
        assert job["batch_id"] == batch["batch_id"]
        assert job["blog_id"] == "post-2"
        assert job["tags"] == ["second"]
        assert job["is_draft"] is True

    async def test_job_ids_are_in_the_order_of_the_images(self, staffed: Caller) -> None:
        batch = await staffed.create_batch(
            *({"width": 64 + number, "height": 64} for number in range(5))
        )
        jobs = await asyncio.gather(*(staffed.completed(job_id) for job_id in batch["job_ids"]))
        assert [job["result"]["images"][0]["width"] for job in jobs] == [64, 65, 66, 67, 68]

    @pytest.mark.parametrize("workflow", ["final_only", "standard"])
    async def test_a_batch_of_finals_makes_no_drafts(
        self, api: Caller, new_worker: WorkerFactory, workflow: str
    ) -> None:
        async with new_worker() as provider:
            batch = await api.create_batch(
                {"quality": "high"}, {"quality": "draft"}, {}, workflow=workflow
            )
            jobs = await asyncio.gather(*(api.completed(job_id) for job_id in batch["job_ids"]))
        assert not any(job["is_draft"] for job in jobs)
        assert not any("review" in job for job in jobs)
        assert (await api.batch(batch["batch_id"]))["workflow"] == "final_only"
        widths = [job["result"]["images"][0]["width"] for job in jobs]
        assert widths == [1536, 1024, 64]
        assert sorted(order.spec.quality for order in provider.orders) == [
            "high",
            "standard",
            "standard",
        ]

    async def test_every_image_is_first_a_draft_whatever_quality_it_asks_for(
        self, staffed: Caller
    ) -> None:
        batch = await staffed.create_batch({"quality": "ultra"}, {"quality": "standard"})
        jobs = await asyncio.gather(*(staffed.completed(job_id) for job_id in batch["job_ids"]))
        assert all(job["is_draft"] for job in jobs)
        assert {job["result"]["images"][0]["width"] for job in jobs} == {512}

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({"images": []}, "images"),
            ({}, "images"),
            ({"images": [small()] * 1001}, "images"),
            ({"images": "two"}, "images"),
            ({"images": [small(), {"prompt": "x"}]}, "images.1.prompt"),
            ({"images": [small(), small(seed="7")]}, "images.1.seed"),
            ({"images": [small(), small(model="studio-9")]}, "images.1.model"),
            ({"images": [small()], "workflow": "drafts"}, "workflow"),
            ({"images": [small()], "max_concurrency": 0}, "max_concurrency"),
            ({"images": [small()], "max_concurrency": "5"}, "max_concurrency"),
            ({"images": [small()], "webhook_url": "https://example.com"}, "webhook_url"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    async def test_a_wrong_value_is_refused_by_its_place(
        self, door: Caller, body: dict[str, Any], field: str
    ) -> None:
        answer = await door.post("/batch-generate", body)
        errors = problem(answer, 422, "invalid_request")["errors"]
        assert field in {item["field"] for item in errors}

    async def test_a_batch_with_one_impossible_image_starts_nothing(self, api: Caller) -> None:
        answer = await api.post(
            "/batch-generate", {"images": [small(), small(width=4096, height=4096)]}
        )
        body = problem(answer, 422, "capability_missing")
        assert {item["field"] for item in body["errors"]} == {"images.1.width"}

    async def test_a_thousand_images_are_taken(self, door: Caller) -> None:
        batch = await door.create_batch(*({"prompt": "x" * 4000},) * 1000)
        assert len(set(batch["job_ids"])) == 1000
        assert (await door.job(batch["job_ids"][999]))["status"] == "pending"

    async def test_camel_case_and_unknown_fields_are_taken(self, door: Caller) -> None:
        answer = await door.post(
            "/batch-generate",
            {"images": [small()], "blogId": "post-3", "maxConcurrency": 1, "userId": "u-1"},
        )
        assert answer.status_code == 202
        assert (await door.batch(answer.json()["batch_id"]))["blog_id"] == "post-3"

    async def test_blog_ids_are_taken_from_the_query_string_too(self, door: Caller) -> None:
        answer = await door.post("/batch-generate", {"images": [small()]}, blog_id="post-4")
        job = await door.job(answer.json()["job_ids"][0])
        assert job["blog_id"] == "post-4"


class TestEngineAway:
    """Deployed frontends fall back to `generate` on exactly 500."""

    async def test_generate_async_is_500_and_says_when_to_try_again(
        self, engineless: Caller
    ) -> None:
        answer = await engineless.post("/generate-async", small())
        problem(answer, 500, "queue_unavailable")
        assert int(answer.headers["retry-after"]) > 0

    async def test_batch_generate_is_500(self, engineless: Caller) -> None:
        answer = await engineless.post("/batch-generate", {"images": [small(), small()]})
        problem(answer, 500, "queue_unavailable")

    async def test_generate_still_makes_the_image_and_the_job_can_be_read(
        self, engineless: Caller
    ) -> None:
        answer = await engineless.post("/generate", small(seed=7, blog_id="post-9"))
        assert answer.status_code == 200, answer.text
        body = answer.json()
        assert (await engineless.http.get(body["images"][0]["url"])).status_code == 200
        job = await engineless.job(body["job_id"])
        assert job["status"] == "completed"
        assert job["progress_percentage"] == 100
        assert job["result"]["images"] == body["images"]
        assert job["blog_id"] == "post-9"

    async def test_a_draft_made_without_an_engine_awaits_no_review(
        self, engineless: Caller
    ) -> None:
        answer = await engineless.post("/generate", small(quality="draft"))
        job = await engineless.job(answer.json()["job_id"])
        assert job["status"] == "completed"
        assert job["review"]["state"] != "awaiting"
        assert "approve" not in job["links"]

    async def test_a_request_that_is_wrong_is_still_refused(self, engineless: Caller) -> None:
        problem(await engineless.post("/generate-async", {"prompt": ""}), 422, "invalid_request")

    async def test_a_store_that_is_away_keeps_a_batch_from_starting(self, serve: Serve) -> None:
        async with serve(s3_endpoint="http://127.0.0.1:9") as api:
            answer = await api.post("/batch-generate", {"images": [small()]})
        problem(answer, 500, "queue_unavailable")
