"""What the API says of images that were swept."""

from __future__ import annotations

import pytest
from temporalio.client import Client

from api.engine_room import EngineRoom
from api.keeping import Keeping
from api.reading import Reader
from domain.names import RETENTION_SCHEDULE, TASK_QUEUE
from domain.retention import RetentionRequest
from settings import Settings
from storage.archive import Archive
from tests.api.conftest import API, Caller, Forgetful, Json, problem
from tests.conftest import WorkerFactory
from workflows.retention import RetentionWorkflow


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"keep_rejected_days": 0})


async def sweep(client: Client) -> None:
    await client.execute_workflow(
        RetentionWorkflow.run,
        RetentionRequest(grace_seconds=0),
        id=RETENTION_SCHEDULE,
        task_queue=TASK_QUEUE,
    )


async def rejected(api: Caller, job_id: str) -> None:
    assert (await api.post(f"/jobs/{job_id}/reject", {"reviewer": "ann"})).status_code == 202
    await api.job_once(job_id, lambda job: job["review"]["state"] == "rejected", "it is rejected")


async def settled(client: Client, workflow_id: str) -> None:
    await client.get_workflow_handle(workflow_id).result()


def path_of(job: Json) -> str:
    return str(job["result"]["images"][0]["url"]).partition(API)[2]


class TestSweptDraft:
    async def test_everything_says_that_it_is_gone(
        self,
        api: Caller,
        forgetful: Forgetful,
        client: Client,
        archive: Archive,
        new_worker: WorkerFactory,
    ) -> None:
        async with new_worker():
            swept = await api.draft(blog_id="post-1")
            kept = await api.draft(blog_id="post-1")
            before = await api.job(swept)
            assert "gone_at" not in before
            assert "gone" not in before["result"]["images"][0]
            await rejected(api, swept)
            await settled(client, swept)
            await sweep(client)
            answer = await api.get(path_of(before))
            told = problem(answer, 410, "file_gone")
            assert swept in told["detail"]
            assert answer.headers["cache-control"] == "public, max-age=86400"
            assert answer.headers["access-control-allow-origin"] == "*"
            assert "etag" not in answer.headers
            assert (await api.get(path_of(await api.job(kept)))).status_code == 200
            problem(await api.post(f"/jobs/{swept}/approve", {}), 409, "not_reviewable")
            again = await api.post(f"/jobs/{swept}/reject", {"revise": {"seed": 1}})
            problem(again, 409, "not_reviewable")
            blog = (await api.get("/blogs/post-1")).json()
            assert [image["job_id"] for image in blog["images"]] == [kept]
        async with forgetful() as later:
            job = await later.job(swept)
            assert (job["status"], job["review"]["state"]) == ("completed", "rejected")
            assert job["gone_at"]
            [image] = job["result"]["images"]
            assert image.pop("gone") is True
            [as_it_was] = before["result"]["images"]
            assert path_of(job) == path_of(before)
            assert image["sha256"] == as_it_was["sha256"]
            refused = await later.post(f"/jobs/{swept}/approve", {})
            assert "images are gone" in problem(refused, 409, "not_reviewable")["detail"]

    async def test_who_has_the_token_alone_is_told(
        self, api: Caller, client: Client, new_worker: WorkerFactory
    ) -> None:
        async with new_worker():
            job_id = await api.draft()
            await rejected(api, job_id)
            await settled(client, job_id)
            await sweep(client)
        for key in (f"{job_id}/{'0' * 32}/0.png", job_id, f"{job_id}/", "img_0/token/0.png"):
            problem(await api.get(f"/files/{key}"), 404, "file_not_found")

    async def test_a_job_that_the_engine_knows_is_looked_at_again(
        self, api: Caller, client: Client, archive: Archive, new_worker: WorkerFactory
    ) -> None:
        """Its answer is final for the engine, and kept by the API for a minute only."""
        reader = Reader(EngineRoom(client), archive, Keeping(archive, settled_seconds=0), 0.05)
        async with new_worker():
            job_id = await api.draft()
            await rejected(api, job_id)
            await settled(client, job_id)
            before = await reader.job(job_id, "default")
            assert before.is_final
            await sweep(client)
        after = await reader.job(job_id, "default")
        assert before.state.gone_at is None
        assert after.state.gone_at is not None
        assert after.version.is_news_to(before.version)
        assert await reader.job(job_id, "default") is after

    async def test_the_batch_tells_which_of_its_images_are_gone(
        self, api: Caller, client: Client, archive: Archive, new_worker: WorkerFactory
    ) -> None:
        async with new_worker():
            batch = await api.create_batch({}, {})
            batch_id, job_ids = batch["batch_id"], batch["job_ids"]
            await api.batch_once(
                batch_id, lambda told: told["review_counts"] == {"awaiting": 2}, "drafts are made"
            )
            await rejected(api, job_ids[0])
            assert (await api.post(f"/jobs/{job_ids[1]}/approve", {})).status_code == 202
            for closed in (*job_ids, f"{job_ids[1]}-final", batch_id):
                await settled(client, closed)
            await sweep(client)
        reader = Reader(EngineRoom(client), archive, Keeping(archive, settled_seconds=0), 0.05)
        assert (await reader.batch(batch_id, "default")).gone == {job_ids[0]}
        told = [job.get("gone", False) for job in (await api.batch(batch_id))["jobs"]]
        assert told == [False, False]  # a batch as young as this one is not asked after

    async def test_a_batch_whose_engine_is_forgotten_tells_it_too(
        self, api: Caller, forgetful: Forgetful, client: Client, new_worker: WorkerFactory
    ) -> None:
        async with new_worker():
            batch = await api.create_batch({})
            [job_id] = batch["job_ids"]
            await api.batch_once(
                batch["batch_id"], lambda told: told["review_counts"] == {"awaiting": 1}, "made"
            )
            await rejected(api, job_id)
            await settled(client, batch["batch_id"])
            await settled(client, job_id)
            await sweep(client)
        async with forgetful() as later:
            [told] = (await later.batch(batch["batch_id"]))["jobs"]
        assert told["gone"] is True
        assert told["url"]
