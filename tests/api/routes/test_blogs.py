from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from temporalio.client import Client

from domain.errors import ContentRejected
from providers.base import Order, Report
from storage.objects import ObjectStore
from tests.api.conftest import API, Caller, Json, Serve, problem
from tests.api.keys import key, with_key
from tests.conftest import WorkerFactory
from tests.fakes import FakeProvider
from tests.waiting import eventually

ODD_NAMES = ["it's", "a/b", "50%", "../../jobs", "ü 🌊", "Post", "post", "x" * 200, "🌊" * 150]


async def page(api: Caller, blog_id: str, **asked: Any) -> Json:
    answer = await api.http.get(f"{API}/blogs/{quote(blog_id, safe='')}", params=asked)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def jobs_of(api: Caller, blog_id: str, **asked: Any) -> list[str]:
    return [image["job_id"] for image in (await page(api, blog_id, **asked))["images"]]


async def walk(api: Caller, blog_id: str, limit: int) -> list[list[str]]:
    """The image ids of all pages."""
    pages: list[list[str]] = []
    cursor: Json = {}
    while True:
        told = await page(api, blog_id, limit=limit, **cursor)
        pages.append([image["image_id"] for image in told["images"]])
        if told["next_cursor"] is None:
            return pages
        cursor = {"cursor": told["next_cursor"]}


class TestBlogImages:
    async def test_a_blog_that_nothing_was_made_for_has_none(self, door: Caller) -> None:
        assert await page(door, "nothing") == {
            "blog_id": "nothing",
            "images": [],
            "next_cursor": None,
        }

    async def test_drafts_and_finals_are_told_with_what_a_page_needs(
        self, api: Caller, client: Client, new_worker: WorkerFactory
    ) -> None:
        async with new_worker():
            draft_id = await api.draft(blog_id="post-1", blog_job_id="hero", tags=["sea"])
            await api.create(blog_id="post-2")
            await api.post(f"/jobs/{draft_id}/approve", {"reviewer": "Ada"})
            await client.get_workflow_handle(draft_id).result()
            job = await api.completed(f"{draft_id}-final")
        final, draft = (await page(api, "post-1"))["images"]
        assert (draft["job_id"], draft["is_draft"]) == (draft_id, True)
        assert (draft["review"]["state"], draft["review"]["reviewer"]) == ("approved", "Ada")
        assert draft["final_job_id"] == final["job_id"] == f"{draft_id}-final"
        assert (final["draft_job_id"], final["is_draft"]) == (draft_id, False)
        assert final["blog_job_id"] == "hero"
        assert final["tags"] == ["sea"]
        image = job["result"]["images"][0]
        assert {name: final[name] for name in image} == image
        for name in ("created_at", "completed_at", "draft_job_id", "cost"):
            assert final[name] == job[name]
        assert (await api.http.get(draft["url"])).status_code == 200

    async def test_a_draft_that_awaits_review_can_be_decided_from_here(
        self, staffed: Caller
    ) -> None:
        await staffed.draft(blog_id="awaiting")
        [draft] = (await page(staffed, "awaiting"))["images"]
        assert draft["review"]["state"] == "awaiting"
        answer = await staffed.http.post(
            draft["links"]["approve"], json={}, headers={"Content-Type": "application/json"}
        )
        assert answer.status_code == 202

    async def test_it_outlives_the_engines_memory(
        self, api: Caller, serve: Serve, namespaces: Iterator[str], new_worker: WorkerFactory
    ) -> None:
        async with new_worker():
            created = [await api.create(blog_id="post-1") for _ in range(3)]
            for job_id in created:
                await api.completed(job_id)
        async with serve(namespace=next(namespaces)) as forgetful:
            assert await jobs_of(forgetful, "post-1") == created[::-1]

    async def test_it_needs_no_engine(self, serve: Serve, closed_address: str) -> None:
        async with serve(engine=closed_address) as api:
            answer = await api.post(
                "/generate", {"prompt": "a red boat", "width": 64, "height": 64, "blog_id": "b"}
            )
            assert answer.status_code == 200, answer.text
            assert await jobs_of(api, "b") == [answer.json()["job_id"]]

    async def test_what_has_no_image_is_not_there(
        self, api: Caller, new_worker: WorkerFactory
    ) -> None:
        async def refuse(order: Order, report: Report) -> None:
            raise ContentRejected("The prompt is against the rules.", provider="studio")

        async with new_worker(FakeProvider(refuse)):
            await api.ended(await api.create(blog_id="post-1"))
        await api.create(blog_id="post-1")
        assert await jobs_of(api, "post-1") == []

    async def test_a_record_that_was_deleted_is_passed_over(
        self, api: Caller, store: ObjectStore, new_worker: WorkerFactory
    ) -> None:
        async with new_worker():
            created = [await api.create(blog_id="post-1") for _ in range(3)]
            for job_id in created:
                await api.completed(job_id)
        await store.delete(f"records/jobs/{created[1]}.json")
        assert await jobs_of(api, "post-1") == [created[2], created[0]]

    async def test_another_tenants_images_are_not_there(
        self, serve: Serve, new_worker: WorkerFactory
    ) -> None:
        keys = (key("ours", tenant="ours"), key("theirs", tenant="theirs"))
        async with (
            new_worker(),
            serve(api_keys=keys) as api,
            with_key(api, "ours") as ours,
            with_key(api, "theirs") as theirs,
        ):
            job_id = await ours.create(blog_id="post-1")
            await ours.completed(job_id)
            assert await jobs_of(ours, "post-1") == [job_id]
            assert await jobs_of(theirs, "post-1") == []

    async def test_names_of_any_characters_hold_their_own_images_only(
        self, staffed: Caller
    ) -> None:
        made = {name: await staffed.create(blog_id=name) for name in ODD_NAMES}
        for name, job_id in made.items():
            await staffed.completed(job_id)
            assert await jobs_of(staffed, name) == [job_id], name

    async def test_without_the_store_it_is_unavailable(
        self, serve: Serve, closed_address: str
    ) -> None:
        async with serve(s3_endpoint=f"http://{closed_address}") as api:
            problem(await api.get("/blogs/post-1"), 503, "storage_unavailable")


class TestPaging:
    async def test_every_image_of_every_job_is_told_once_in_order(
        self, api: Caller, new_worker: WorkerFactory
    ) -> None:
        async with new_worker():
            created = [await api.create(blog_id="post-1", num_images=n) for n in (1, 3, 2, 4, 1)]
            for job_id in created:
                await api.completed(job_id)
        counts = dict(zip(created, (1, 3, 2, 4, 1), strict=True))
        expected = [f"{job_id}.{i}" for job_id in created[::-1] for i in range(counts[job_id])]
        for limit in (1, 2, 3, 4, 5, 11, 200):
            pages = await walk(api, "post-1", limit)
            assert [image for told in pages for image in told] == expected
            assert [len(told) for told in pages[:-1]] == [limit] * (len(pages) - 1)
            assert len(pages) == -(-11 // limit)

    async def test_what_is_made_meanwhile_moves_nothing(
        self, api: Caller, new_worker: WorkerFactory
    ) -> None:
        async with new_worker():
            created = [await api.create(blog_id="post-1") for _ in range(4)]
            for job_id in created:
                await api.completed(job_id)
            first = await page(api, "post-1", limit=2)
            await api.completed(await api.create(blog_id="post-1"))
        rest = await jobs_of(api, "post-1", cursor=first["next_cursor"])
        assert rest == created[1::-1]

    async def test_a_job_of_four_images_costs_as_much_as_they_do_together(
        self, api: Caller, new_worker: WorkerFactory
    ) -> None:
        async with new_worker(FakeProvider(cost_usd=0.01)):
            job = await api.completed(await api.create(blog_id="post-1", num_images=4))
        images = (await page(api, "post-1"))["images"]
        assert sum(image["cost"]["amount_usd"] for image in images) == pytest.approx(
            job["cost"]["amount_usd"]
        )

    async def test_a_cursor_of_another_blog_is_refused(
        self, api: Caller, new_worker: WorkerFactory
    ) -> None:
        async with new_worker():
            for _ in range(2):
                await api.completed(await api.create(blog_id="post-1"))
        cursor = (await page(api, "post-1", limit=1))["next_cursor"]
        for path in (f"/blogs/post-2?cursor={cursor}", "/blogs/post-1?cursor=garbage"):
            problem(await api.get(path), 422, "invalid_request")

    async def test_a_limit_outside_its_range_is_refused(self, door: Caller) -> None:
        for limit in ("0", "201"):
            problem(await door.get(f"/blogs/b?limit={limit}"), 422, "invalid_request")
        problem(await door.get("/blogs/"), 422, "invalid_request")


async def test_a_revision_is_told_with_its_links(staffed: Caller) -> None:
    first = await staffed.draft(blog_id="revised")
    answer = await staffed.post(f"/jobs/{first}/reject", {"revise": {"seed": 7}})
    second = answer.json()["revision_job_id"]
    await staffed.completed(second)

    async def look() -> list[Json] | None:
        images: list[Json] = (await page(staffed, "revised"))["images"]
        return images if images[-1]["review"]["state"] == "rejected" else None

    newer, older = await eventually(look, "the decision is in the record")
    assert (newer["job_id"], newer["revision_of"]) == (second, first)
    assert older["revision_job_id"] == second
