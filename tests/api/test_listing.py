"""The list of jobs over HTTP, on what the engine knows of them."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from temporalio.client import Client

from domain.errors import ContentRejected
from providers.base import Order, Report
from tests.api.conftest import API, Caller, Json, Serve, problem
from tests.api.keys import key, with_key
from tests.conftest import WorkerFactory
from tests.fakes import FakeProvider, Gate
from tests.waiting import eventually

DOCUMENTED = Path(__file__).parents[2] / "docs" / "listing.md"
ODD_NAMES = [
    "it's",
    'say "hi"',
    "back\\slash",
    "' OR DarkroomTenant != 'x",
    "50%_off",
    "a/b ü 🌊",
    "x') OR (1=1",
    "\\' OR ExecutionStatus='Running' --",
    "♡",
]


async def page(api: Caller, **asked: Any) -> Json:
    answer = await api.http.get(f"{API}/jobs", params=asked)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def listed(api: Caller, **asked: Any) -> list[str]:
    return [job["job_id"] for job in (await page(api, **asked))["jobs"]]


async def once_listed(api: Caller, total: int, **asked: Any) -> list[Json]:
    """The jobs of a page as soon as there are so many."""

    async def look() -> list[Json] | None:
        jobs: list[Json] = (await page(api, **asked))["jobs"]
        return jobs if len(jobs) == total else None

    return await eventually(look, f"{total} jobs are listed")


async def walk(api: Caller, **asked: Any) -> list[list[str]]:
    """The ids of all pages."""
    pages: list[list[str]] = []
    cursor: Json = {}
    while True:
        told = await page(api, **asked, **cursor)
        pages.append([job["job_id"] for job in told["jobs"]])
        if told["next_cursor"] is None:
            return pages
        cursor = {"cursor": told["next_cursor"]}


class TestPaging:
    async def test_there_are_none_at_first(self, api: Caller) -> None:
        assert await page(api) == {"jobs": [], "next_cursor": None}

    async def test_pages_are_newest_first_and_hold_each_job_once(self, api: Caller) -> None:
        created = [await api.create() for _ in range(7)]
        await once_listed(api, 7)
        assert await walk(api, limit=3) == [created[:3:-1], created[3:0:-1], created[:1]]

    async def test_the_last_page_says_so_also_when_it_is_full(self, api: Caller) -> None:
        created = [await api.create() for _ in range(4)]
        await once_listed(api, 4)
        assert await walk(api, limit=2) == [created[:1:-1], created[1::-1]]

    async def test_what_starts_or_ends_meanwhile_moves_nothing(
        self, api: Caller, client: Client, new_worker: WorkerFactory
    ) -> None:
        created = [await api.create() for _ in range(6)]
        await once_listed(api, 6)
        first = await page(api, limit=2)
        async with new_worker():
            newer = await api.create()
            await asyncio.gather(*(api.completed(job_id) for job_id in [*created, newer]))
        await once_listed(api, 7, status="completed")
        second = await page(api, limit=4, cursor=first["next_cursor"])
        assert [job["job_id"] for job in second["jobs"]] == created[3::-1]
        assert second["next_cursor"] is None

    async def test_a_limit_outside_its_range_is_refused(self, door: Caller) -> None:
        for limit in ("0", "201", "-1", "many"):
            answer = await door.get(f"/jobs?limit={limit}")
            problem(answer, 422, "invalid_request")

    async def test_a_cursor_of_something_else_is_refused(self, api: Caller) -> None:
        for _ in range(3):
            await api.create(blog_id="post-1")
        await once_listed(api, 3)
        cursor = (await page(api, limit=1))["next_cursor"]
        for asked in (
            {"cursor": "garbage"},
            {"cursor": cursor[:-2]},
            {"cursor": f"{cursor}AA"},
            {"cursor": cursor, "blog_id": "post-1"},
            {"cursor": "x" * 2000},
            {"cursor": ""},
        ):
            answer = await api.http.get(f"{API}/jobs", params=asked)
            told = problem(answer, 422, "invalid_request")
            assert [error["field"] for error in told["errors"]] == ["cursor"]

    async def test_another_limit_may_be_asked_for_on_the_way(self, api: Caller) -> None:
        created = [await api.create() for _ in range(5)]
        await once_listed(api, 5)
        cursor = (await page(api, limit=1))["next_cursor"]
        assert await listed(api, limit=200, cursor=cursor) == created[3::-1]

    async def test_the_documented_walk_finds_every_job(self, api: Caller) -> None:
        created = [await api.create(blog_id="post-42") for _ in range(5)]
        await once_listed(api, 5)
        [snippet] = re.findall(r"```python\n(.*?)```", DOCUMENTED.read_text(), re.DOTALL)
        told: Json = {}
        exec(snippet, told)
        with httpx.Client(base_url=api.http.base_url, trust_env=False) as http:
            jobs = await asyncio.to_thread(
                lambda: list(told["every_job"](http, blog_id="post-42", limit=2))
            )
        assert [job["job_id"] for job in jobs] == created[::-1]


class TestFilters:
    async def test_each_filter_finds_what_it_names_and_all_together_what_fits_all(
        self, api: Caller
    ) -> None:
        first = await api.create(blog_id="post-1", blog_job_id="hero", tags=["sea", "Dawn"])
        second = await api.create(blog_id="post-1", tags=["sea"])
        third = await api.create(blog_id="post-2", blog_job_id="hero")
        await once_listed(api, 3)
        assert await listed(api, blog_id="post-1") == [second, first]
        assert await listed(api, blog_job_id="hero") == [third, first]
        assert await listed(api, tag="sea") == [second, first]
        assert await listed(api, tag="Dawn") == [first]
        assert await listed(api, tag="dawn") == []
        assert await listed(api, provider="studio") == [third, second, first]
        assert await listed(api, provider="other") == []
        assert await listed(api, blog_id="post-1", blog_job_id="hero", tag="sea") == [first]

    async def test_the_jobs_of_a_batch_are_found_once_they_are_started(
        self, api: Caller, new_worker: WorkerFactory
    ) -> None:
        async with new_worker():
            await api.create()
            batch = await api.create_batch({}, {}, {}, workflow="final_only")
            jobs = await once_listed(api, 3, batch_id=batch["batch_id"], status="completed")
        assert {job["job_id"] for job in jobs} == set(batch["job_ids"])
        assert {job["batch_id"] for job in jobs} == {batch["batch_id"]}

    async def test_the_span_of_time_begins_with_its_first_moment_and_ends_before_its_last(
        self, api: Caller
    ) -> None:
        created = [await api.create() for _ in range(3)]
        moments = [job["created_at"] for job in (await once_listed(api, 3))][::-1]
        assert await listed(api, created_after=moments[1]) == created[:0:-1]
        assert await listed(api, created_before=moments[1]) == created[:1]
        assert await listed(api, created_after=moments[1], created_before=moments[2]) == [
            created[1]
        ]
        tomorrow = (datetime.now(UTC) + timedelta(days=1)).date().isoformat()
        assert await listed(api, created_before=tomorrow) == created[::-1]
        assert await listed(api, created_after=tomorrow) == []

    @pytest.mark.parametrize(
        "asked",
        [
            {"status": "done"},
            {"review": "maybe"},
            {"created_after": "yesterday"},
            {"created_before": "0001-01-01T00:00:00+14:00"},
            {"created_after": "9999-12-31T23:59:59-14:00"},
            {"blog_id": ""},
            {"blog_id": "x" * 201},
            {"tag": " "},
        ],
    )
    async def test_what_no_job_can_be_is_refused(self, door: Caller, asked: Json) -> None:
        answer = await door.http.get(f"{API}/jobs", params=asked)
        told = problem(answer, 422, "invalid_request")
        assert [error["field"] for error in told["errors"]] == list(asked)

    async def test_names_of_any_characters_find_their_own_jobs_only(self, api: Caller) -> None:
        await api.create(blog_id="plain", tags=["plain"])
        blogs = {name: await api.create(blog_id=name) for name in ODD_NAMES}
        tags = {name: await api.create(tags=[name]) for name in ODD_NAMES}
        await once_listed(api, 1 + 2 * len(ODD_NAMES))
        for name in ODD_NAMES:
            assert await listed(api, blog_id=name) == [blogs[name]], name
            assert await listed(api, tag=name) == [tags[name]], name
            assert await listed(api, batch_id=name) == []
            assert await listed(api, blog_job_id=name) == []
            assert await listed(api, provider=name) == []

    async def test_another_tenants_jobs_are_not_there(self, serve: Serve) -> None:
        keys = (key("ours", tenant="ours"), key("theirs", tenant="theirs"))
        async with (
            serve(api_keys=keys) as api,
            with_key(api, "ours") as ours,
            with_key(api, "theirs") as theirs,
        ):
            own = [await ours.create(blog_id="post-1") for _ in range(3)]
            other = await theirs.create(blog_id="post-1")
            await once_listed(ours, 3)
            assert [job["job_id"] for job in await once_listed(theirs, 1)] == [other]
            assert await listed(theirs, blog_id="post-1") == [other]
            assert await listed(ours, blog_id="post-1") == own[::-1]
            cursor = (await page(ours, limit=1))["next_cursor"]
            answer = await theirs.http.get(f"{API}/jobs", params={"cursor": cursor})
            problem(answer, 422, "invalid_request")


class TestStates:
    async def test_a_job_is_told_truthfully_from_its_queue_to_its_image(
        self, api: Caller, new_worker: WorkerFactory
    ) -> None:
        gate = Gate()

        async def half_way(order: Order, report: Report) -> None:
            report(0.5)
            await gate(order, report)

        job_id = await api.create(blog_id="post-1", tags=["hero"], metadata={"slot": 1})
        [queued] = await once_listed(api, 1, status="queued")
        assert (queued["job_id"], queued["progress_percentage"]) == (job_id, 0)
        assert queued["provider"] == "studio"
        assert await listed(api, status="processing") == []
        async with new_worker(FakeProvider(half_way)):
            await gate.reached.wait()
            await api.job_once(job_id, lambda job: job["progress_percentage"] == 47, "half way")
            [made] = (await page(api, status="processing"))["jobs"]
            assert (made["current_stage"], made["progress_percentage"]) == ("generating", 47)
            assert await listed(api, status="queued") == []
            gate.open()
            job = await api.completed(job_id)
            [told] = await once_listed(api, 1, status="completed")
        same = set(told) & set(job) - {"links"}
        assert {name: told[name] for name in same} == {name: job[name] for name in same}
        image = job["result"]["images"][0]
        assert told["url"] == image["url"]
        assert told["thumbnail_url"] in [variant["url"] for variant in image["variants"]]
        assert told["alt_text"] == image["alt_text"]
        assert told["image_count"] == 1
        assert (told["provider"], told["model"]) == ("studio", job["result"]["model"])
        assert told["cost"] == job["cost"]
        assert told["links"]["self"].endswith(f"/jobs/{job_id}")
        assert (await api.http.get(told["thumbnail_url"])).status_code == 200

    async def test_nothing_listed_is_pending(self, api: Caller) -> None:
        await api.create_batch({}, {})
        await api.create()
        await once_listed(api, 1)
        assert await page(api, status="pending") == {"jobs": [], "next_cursor": None}

    async def test_a_failed_job_says_why(self, api: Caller, new_worker: WorkerFactory) -> None:
        async def refuse(order: Order, report: Report) -> None:
            raise ContentRejected("The prompt is against the rules.", provider="studio")

        async with new_worker(FakeProvider(refuse)):
            job_id = await api.create()
            job = await api.ended(job_id)
            [told] = await once_listed(api, 1, status="failed")
        assert told["job_id"] == job_id
        assert told["error_code"] == "content_rejected"
        assert told["error_message"] == job["error_message"]
        assert told["completed_at"] == job["completed_at"]
        assert "url" not in told

    async def test_a_job_that_was_stopped_in_the_engine_has_failed(
        self, api: Caller, client: Client
    ) -> None:
        job_id = await api.create()
        await client.get_workflow_handle(job_id).terminate()
        [told] = await once_listed(api, 1, status="failed")
        job = await api.job(job_id)
        assert told["error_code"] == job["error"]["code"] == "cancelled"
        assert await listed(api, status="queued") == []

    async def test_a_review_is_told_and_found_by_where_it_stands(
        self, api: Caller, client: Client, new_worker: WorkerFactory
    ) -> None:
        async with new_worker():
            drafts = [await api.draft() for _ in range(4)]
            approved, rejected, stopped, awaiting = drafts
            await once_listed(api, 4, review="awaiting")
            await api.post(f"/jobs/{approved}/approve", {"reviewer": "Ada"})
            await api.post(f"/jobs/{rejected}/reject", {"comment": "Too dark"})
            await client.get_workflow_handle(stopped).terminate()
            [told] = await once_listed(api, 1, review="approved")
            assert told["job_id"] == approved
            assert told["final_job_id"] == f"{approved}-final"
            [told] = await once_listed(api, 1, review="rejected")
            assert told["job_id"] == rejected
            [told] = await once_listed(api, 1, review="expired")
            assert told["job_id"] == stopped
            assert told["review"]["state"] == "expired"
            [told] = await once_listed(api, 1, review="awaiting")
            assert told["job_id"] == awaiting
            assert told["links"]["approve"].endswith(f"/jobs/{awaiting}/approve")
            final = await api.completed(f"{approved}-final")
        assert final["draft_job_id"] == approved

    async def test_what_is_asked_for_is_found_behind_what_only_looks_alike(
        self, api: Caller, new_worker: WorkerFactory
    ) -> None:
        gate = Gate()
        async with new_worker(FakeProvider(gate)):
            first = await api.create()
            await gate.reached.wait()
        others = [await api.create() for _ in range(6)]
        await once_listed(api, 7)
        states = Counter(job["status"] for job in (await page(api))["jobs"])
        assert states == {"queued": 6, "processing": 1}
        assert [ids for ids in await walk(api, status="processing", limit=1) if ids] == [[first]]
        assert await listed(api, status="queued", limit=200) == others[::-1]


class TestOutages:
    async def test_without_the_engine_the_list_is_unavailable(self, engineless: Caller) -> None:
        answer = await engineless.get("/jobs")
        problem(answer, 503, "status_unavailable")
        assert "retry-after" in answer.headers

    async def test_without_the_store_jobs_are_listed_without_their_images(
        self, api: Caller, serve: Serve, new_worker: WorkerFactory, closed_address: str
    ) -> None:
        async with new_worker():
            job_id = await api.create()
            await api.completed(job_id)
            await once_listed(api, 1, status="completed")
        async with serve(s3_endpoint=f"http://{closed_address}") as storeless:
            [told] = (await page(storeless))["jobs"]
        assert (told["job_id"], told["status"]) == (job_id, "completed")
        assert told["progress_percentage"] == 100
        assert "url" not in told
