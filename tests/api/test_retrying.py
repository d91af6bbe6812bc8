from __future__ import annotations

import asyncio
import json

import pytest
from temporalio.client import Client, WorkflowFailureError

from domain.errors import RequestRejected
from domain.ids import final_id
from providers.base import Order, Report
from storage.keys import job_record_key
from storage.objects import ObjectStore
from tests.api.conftest import Caller, Forgetful, Json, Serve, problem
from tests.api.keys import key, with_key
from tests.api.test_once import REUSED, new_key, send, started
from tests.conftest import WorkerFactory
from tests.fakes import FakeProvider, Gate

SHUT_DOWN = """
[providers.studio.models.studio-1]
shutdown_on = 2020-01-01
"""


class Moody:
    """Refuses until it is asked not to."""

    def __init__(self) -> None:
        self.refuses = True

    async def __call__(self, order: Order, report: Report) -> None:
        if self.refuses:
            raise RequestRejected("The vendor does not like it.", provider="studio")


@pytest.fixture
def moody() -> Moody:
    return Moody()


async def failed(api: Caller, client: Client, **image: object) -> Json:
    """A job that has failed, and whose workflow is closed."""
    job_id = await api.create(**image)
    with pytest.raises(WorkflowFailureError):
        await client.get_workflow_handle(job_id).result()
    return await api.job_once(job_id, lambda job: job["status"] == "failed", "the job has failed")


async def retried(api: Caller, job_id: str) -> Json:
    answer = await api.post(f"/jobs/{job_id}/retry")
    assert answer.status_code == 202, answer.text
    return dict(answer.json())


class TestRetry:
    async def test_a_failed_job_is_made_as_a_new_one_linked_both_ways(
        self, api: Caller, new_worker: WorkerFactory, moody: Moody, client: Client
    ) -> None:
        async with new_worker(FakeProvider(moody)) as provider:
            before = await failed(
                api, client, seed=7, tags=["hero"], blog_id="post-1", quality="high"
            )
            moody.refuses = False
            answer = await retried(api, before["job_id"])
            after = await api.completed(answer["job_id"])
            before = await api.job_once(
                before["job_id"], lambda job: "retry_job_id" in job, "the failed job is linked"
            )
        assert answer["status"] == "queued"
        assert answer["estimated_completion_time"] >= 1
        assert answer["retry_of"] == before["job_id"] == after["retry_of"]
        assert before["retry_job_id"] == after["job_id"] == answer["job_id"]
        assert before["status"] == "failed"
        assert (after["tags"], after["blog_id"]) == (["hero"], "post-1")
        assert [order.spec.seed for order in provider.orders] == [7, 7]
        first, second = provider.orders
        assert first.spec == second.spec

    async def test_its_files_lie_elsewhere(
        self,
        api: Caller,
        store: ObjectStore,
        new_worker: WorkerFactory,
        moody: Moody,
        client: Client,
    ) -> None:
        async with new_worker(FakeProvider(moody)):
            before = await failed(api, client)
            moody.refuses = False
            after = await api.completed((await retried(api, before["job_id"]))["job_id"])
        tokens = [
            job["request"]["asset_token"]
            for job in (
                await record_of(store, before["job_id"]),
                await record_of(store, after["job_id"]),
            )
        ]
        assert tokens[0] != tokens[1]

    async def test_every_retry_names_the_same_job(
        self, serve: Serve, client: Client, new_worker: WorkerFactory, moody: Moody
    ) -> None:
        async with serve() as one, serve() as two, new_worker(FakeProvider(moody)) as provider:
            job = await failed(one, client)
            moody.refuses = False
            answers = await asyncio.gather(
                *(retried(api, job["job_id"]) for api in (one, two) * 10)
            )
            await one.completed(answers[0]["job_id"])
        assert len({answer["job_id"] for answer in answers}) == 1
        assert len({answer["estimated_completion_time"] for answer in answers}) == 1
        assert len(provider.orders) == 2

    async def test_a_retry_that_fails_can_be_retried_itself(
        self, api: Caller, new_worker: WorkerFactory, moody: Moody, client: Client
    ) -> None:
        async with new_worker(FakeProvider(moody)):
            first = await failed(api, client)
            second = await api.ended((await retried(api, first["job_id"]))["job_id"])
            moody.refuses = False
            again = await retried(api, first["job_id"])
            third = await api.completed((await retried(api, second["job_id"]))["job_id"])
        assert again["job_id"] == second["job_id"]
        assert third["retry_of"] == second["job_id"]
        assert len({first["job_id"], second["job_id"], third["job_id"]}) == 3

    async def test_a_job_that_has_not_failed_is_not_retryable(
        self, api: Caller, new_worker: WorkerFactory
    ) -> None:
        gate = Gate()
        async with new_worker(FakeProvider(gate)):
            job_id = await api.create()
            await gate.reached.wait()
            running = await api.post(f"/jobs/{job_id}/retry")
            gate.open()
            await api.completed(job_id)
        completed = await api.post(f"/jobs/{job_id}/retry")
        assert "processing" in problem(running, 409, "not_retryable")["detail"]
        assert "completed" in problem(completed, 409, "not_retryable")["detail"]

    async def test_an_unknown_job_is_not_found(self, door: Caller) -> None:
        problem(await door.post("/jobs/img_0f/retry"), 404, "job_not_found")

    async def test_another_tenants_job_is_not_found(
        self, serve: Serve, new_worker: WorkerFactory, moody: Moody, client: Client
    ) -> None:
        keys = (key("ours", tenant="ours"), key("theirs", tenant="theirs"))
        async with (
            serve(api_keys=keys) as api,
            with_key(api, "ours") as ours,
            with_key(api, "theirs") as theirs,
            new_worker(FakeProvider(moody)),
        ):
            job = await failed(ours, client)
            refused = await theirs.post(f"/jobs/{job['job_id']}/retry")
            moody.refuses = False
            answer = await retried(ours, job["job_id"])
            await ours.completed(answer["job_id"])
            foreign = await theirs.get(f"/jobs/{answer['job_id']}")
        problem(refused, 404, "job_not_found")
        problem(foreign, 404, "job_not_found")

    async def test_a_cancelled_job_can_be_taken_up_again(
        self, api: Caller, new_worker: WorkerFactory
    ) -> None:
        gate = Gate()
        async with new_worker(FakeProvider(gate)):
            job_id = await api.create()
            await gate.reached.wait()
            await api.delete(f"/jobs/{job_id}")
            await api.ended(job_id)
            gate.open()
            await api.completed((await retried(api, job_id))["job_id"])

    async def test_a_job_that_was_stopped_without_a_record_is_made_by_the_engines_word(
        self, api: Caller, client: Client, new_worker: WorkerFactory
    ) -> None:
        job_id = await api.create(seed=9)
        await client.get_workflow_handle(job_id).terminate()
        async with new_worker() as provider:
            await api.ended(job_id)
            await api.completed((await retried(api, job_id))["job_id"])
        assert [order.spec.seed for order in provider.orders] == [9]

    async def test_a_model_that_was_shut_down_since_is_refused(
        self, serve: Serve, client: Client, new_worker: WorkerFactory, moody: Moody
    ) -> None:
        async with serve() as api, new_worker(FakeProvider(moody)):
            job = await failed(api, client)
            assert (await api.post("/quote", {"prompt": "a boat"})).status_code == 200
            config = api.app.state.services.settings.config
            config.write_text(SHUT_DOWN)
            async with serve() as later:
                answer = await later.post(f"/jobs/{job['job_id']}/retry")
        problem(answer, 422, "model_shut_down")

    async def test_a_job_is_retried_after_the_engine_forgot_it(
        self,
        api: Caller,
        forgetful: Forgetful,
        new_worker: WorkerFactory,
        moody: Moody,
        client: Client,
    ) -> None:
        async with new_worker(FakeProvider(moody)):
            before = await failed(api, client)
        async with forgetful() as other:
            answer = await retried(other, before["job_id"])
            linked = await other.job_once(
                before["job_id"], lambda job: "retry_job_id" in job, "the failed job is linked"
            )
        assert linked["retry_job_id"] == answer["job_id"]

    async def test_a_retried_draft_awaits_review_and_has_a_final_of_its_own(
        self, api: Caller, new_worker: WorkerFactory, moody: Moody, client: Client
    ) -> None:
        async with new_worker(FakeProvider(moody)):
            before = await failed(api, client, quality="draft")
            moody.refuses = False
            draft = await api.completed((await retried(api, before["job_id"]))["job_id"])
            await api.post(f"/jobs/{draft['job_id']}/approve")
            final = await api.completed(final_id(draft["job_id"]))
        assert draft["review"]["state"] == "awaiting"
        assert final["draft_job_id"] == draft["job_id"]
        assert "retry_of" not in final

    async def test_a_failed_final_is_retried_bound_to_its_draft(
        self, api: Caller, new_worker: WorkerFactory, moody: Moody
    ) -> None:
        moody.refuses = False
        async with new_worker(FakeProvider(moody)):
            draft = await api.draft()
            moody.refuses = True
            await api.post(f"/jobs/{draft}/approve")
            await api.ended(final_id(draft))
            moody.refuses = False
            final = await api.completed((await retried(api, final_id(draft)))["job_id"])
        assert final["draft_job_id"] == draft
        assert final["retry_of"] == final_id(draft)
        assert final["is_draft"] is False


class TestBatchItems:
    async def test_a_retried_image_leaves_its_batch_as_it_is(
        self, api: Caller, client: Client, new_worker: WorkerFactory, moody: Moody
    ) -> None:
        async with new_worker(FakeProvider(moody)):
            batch = await api.create_batch({}, workflow="final_only")
            await client.get_workflow_handle(batch["batch_id"]).result()
            moody.refuses = False
            answer = await retried(api, batch["job_ids"][0])
            job = await api.completed(answer["job_id"])
            after = await api.batch(batch["batch_id"])
        assert "batch_id" not in job
        assert after["counts"] == {"failed": 1}

    async def test_an_image_that_was_cancelled_before_it_started_can_be_made_after_all(
        self, api: Caller, client: Client, new_worker: WorkerFactory
    ) -> None:
        gate = Gate()
        async with new_worker(FakeProvider(gate)):
            batch = await api.create_batch(
                {}, {"seed": 5}, workflow="final_only", max_concurrency=1
            )
            await gate.reached.wait()
            assert (await api.delete(f"/jobs/{batch['job_ids'][1]}")).status_code == 202
            await api.ended(batch["job_ids"][1])
            gate.open()
            job = await api.completed((await retried(api, batch["job_ids"][1]))["job_id"])
        assert job["result"]["images"][0]["seed"] == 5


class TestWithAKey:
    async def test_it_is_answered_alike_and_another_request_is_refused(
        self, api: Caller, client: Client, new_worker: WorkerFactory, moody: Moody
    ) -> None:
        async with new_worker(FakeProvider(moody)):
            one, two = await failed(api, client), await failed(api, client)
            used = new_key()
            first = await send(api, f"/jobs/{one['job_id']}/retry", None, used)
            again = await send(api, f"/jobs/{one['job_id']}/retry", None, used)
            other = await send(api, f"/jobs/{two['job_id']}/retry", None, used)
        assert first.status_code == again.status_code == 202
        assert again.json() == first.json()
        problem(other, *REUSED)
        assert (await started(client))["ImageJobWorkflow"] == 3


async def record_of(store: ObjectStore, job_id: str) -> Json:
    return dict(json.loads(await store.get(job_record_key(job_id))))
