from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from temporalio.client import Client

from domain.errors import ContentRejected
from providers.base import Order, Report
from tests.api.conftest import Caller, Json, Serve, problem
from tests.conftest import WorkerFactory
from tests.fakes import FakeProvider, Gate
from tests.waiting import eventually

UNKNOWN = "bat_000000000000000000000000"


async def drafts(api: Caller, count: int, **batch: object) -> Json:
    """A batch whose drafts all await review."""
    created = await api.create_batch(*({"quality": "draft"} for _ in range(count)), **batch)
    await reviewed(api, created["batch_id"], awaiting=count)
    return created


async def reviewed(api: Caller, batch_id: str, **counts: int) -> Json:
    """The batch once its reviews count so."""
    return await api.batch_once(
        batch_id, lambda batch: batch["review_counts"] == counts, f"the reviews are {counts}"
    )


async def finals(api: Caller, batch_id: str, count: int) -> Json:
    """The batch once so many finals are made."""
    return await api.batch_once(
        batch_id,
        lambda batch: sum("final_url" in job for job in batch["jobs"]) == count,
        f"{count} finals are made",
    )


@asynccontextmanager
async def one_at_a_time(
    api: Caller, new_worker: WorkerFactory, count: int, **batch: object
) -> AsyncIterator[tuple[Json, Gate]]:
    """A batch whose first image is being made and whose others are pending."""
    gate = Gate()
    async with new_worker(FakeProvider(gate)):
        created = await api.create_batch(*[{}] * count, max_concurrency=1, **batch)
        await gate.reached.wait()
        yield created, gate


class TestBatchStatus:
    async def test_it_tells_of_every_image_in_order(self, staffed: Caller) -> None:
        created = await drafts(staffed, 3, blog_id="post-1", blog_job_id="run-1")
        batch = await staffed.batch(created["batch_id"])
        assert batch["status"] == "completed"
        assert batch["progress_percentage"] == 100
        assert batch["total_images"] == 3
        assert batch["workflow"] == "draft_then_final"
        assert batch["counts"] == {"completed": 3}
        assert batch["review_counts"] == {"awaiting": 3}
        assert batch["cost"] == {"amount_usd": 0.0, "basis": "catalogue"}
        assert (batch["blog_id"], batch["blog_job_id"]) == ("post-1", "run-1")
        assert batch["cancelled"] is False
        assert [job["job_id"] for job in batch["jobs"]] == created["job_ids"]
        for job in batch["jobs"]:
            assert (await staffed.http.get(job["url"])).status_code == 200

    async def test_images_wait_their_turn_and_progress_does_not_go_down(
        self, api: Caller, new_worker: WorkerFactory
    ) -> None:
        shown: list[int] = []

        def is_over(batch: Json) -> bool:
            shown.append(batch["progress_percentage"])
            assert (shown[-1] == 100) == (batch["status"] in ("completed", "failed"))
            return bool(batch["status"] == "completed")

        async with one_at_a_time(api, new_worker, 3, workflow="final_only") as (created, gate):
            batch = await api.batch_once(
                created["batch_id"], lambda batch: batch["status"] == "processing", "it began"
            )
            assert batch["counts"]["pending"] == 2
            jobs = [await api.job(job_id) for job_id in created["job_ids"]]
            assert [job["status"] for job in jobs[1:]] == ["pending", "pending"]
            gate.open()
            await api.batch_once(created["batch_id"], is_over, "it ends")
        assert shown == sorted(shown)

    async def test_an_image_that_fails_does_not_stop_the_others(
        self, api: Caller, new_worker: WorkerFactory
    ) -> None:
        async def refuse_the_first(order: Order, report: Report) -> None:
            if order.spec.prompt.startswith("forbidden"):
                raise ContentRejected("The prompt is against the rules.", provider="studio")

        async with new_worker(FakeProvider(refuse_the_first)):
            created = await api.create_batch(
                {"prompt": "forbidden fruit"}, {}, workflow="final_only"
            )
            batch = await api.batch_once(
                created["batch_id"], lambda batch: batch["status"] == "completed", "it ends"
            )
            job = await api.job(created["job_ids"][0])
        assert batch["counts"] == {"failed": 1, "completed": 1}
        assert batch["jobs"][0]["error_code"] == "content_rejected"
        assert job["error"]["code"] == "content_rejected"

    async def test_a_batch_of_which_nothing_was_made_is_failed(
        self, api: Caller, new_worker: WorkerFactory
    ) -> None:
        async def refuse(order: Order, report: Report) -> None:
            raise ContentRejected("The prompt is against the rules.", provider="studio")

        async with new_worker(FakeProvider(refuse)):
            created = await api.create_batch({}, {})
            batch = await api.batch_once(
                created["batch_id"], lambda batch: "completed_at" in batch, "it closes"
            )
        assert batch["status"] == "failed"
        assert batch["counts"] == {"failed": 2}

    async def test_it_is_answered_while_no_worker_runs(
        self, api: Caller, serve: Serve, new_worker: WorkerFactory
    ) -> None:
        created = await api.create_batch({"quality": "draft"}, {"quality": "draft"})
        batch = await api.batch(created["batch_id"])
        assert batch["status"] == "queued"
        assert batch["counts"] == {"pending": 2}
        async with new_worker():
            await reviewed(api, created["batch_id"], awaiting=2)
        async with serve() as other:
            batch = await other.batch(created["batch_id"])
        assert batch["status"] == "completed"
        assert batch["counts"] == {"completed": 2}
        assert batch["review_counts"] == {"awaiting": 2}

    async def test_an_unknown_batch_is_not_found(self, door: Caller) -> None:
        for batch_id in (UNKNOWN, "nonsense", "img_000000000000000000000000", f"{UNKNOWN}%0A"):
            problem(await door.get(f"/batches/{batch_id}"), 404, "batch_not_found")

    async def test_an_engine_that_is_away_is_not_answered_as_unknown(
        self, engineless: Caller
    ) -> None:
        problem(await engineless.get(f"/batches/{UNKNOWN}"), 503, "status_unavailable")


class TestApproveBatch:
    async def test_all_that_await_review_get_their_finals(self, staffed: Caller) -> None:
        created = await drafts(staffed, 3)
        answer = await staffed.post(f"/batches/{created['batch_id']}/approve", {"reviewer": "Ada"})
        assert answer.status_code == 202
        body = answer.json()
        assert body["batch_id"] == created["batch_id"]
        assert body["decided"] == 3
        assert body["results"] == [
            {"job_id": job_id, "outcome": "approved", "final_job_id": f"{job_id}-final"}
            for job_id in created["job_ids"]
        ]
        batch = await finals(staffed, created["batch_id"], 3)
        jobs = [await staffed.job(job_id) for job_id in created["job_ids"]]
        assert batch["review_counts"] == {"approved": 3}
        assert {job["final_status"] for job in batch["jobs"]} == {"completed"}
        assert {job["review"]["reviewer"] for job in jobs} == {"Ada"}

    async def test_only_those_named_are_approved(self, staffed: Caller) -> None:
        created = await drafts(staffed, 3)
        chosen = created["job_ids"][1:2]
        answer = await staffed.post(f"/batches/{created['batch_id']}/approve", {"job_ids": chosen})
        assert [result["job_id"] for result in answer.json()["results"]] == chosen
        await finals(staffed, created["batch_id"], 1)
        batch = await reviewed(staffed, created["batch_id"], awaiting=2, approved=1)
        assert [job["review_state"] for job in batch["jobs"]] == [
            "awaiting",
            "approved",
            "awaiting",
        ]

    async def test_the_quality_asked_for_is_what_the_final_gets(self, staffed: Caller) -> None:
        created = await staffed.create_batch(
            {"quality": "ultra"}, {"quality": "standard"}, {"quality": "draft"}
        )
        await reviewed(staffed, created["batch_id"], awaiting=3)
        await staffed.post(f"/batches/{created['batch_id']}/approve")
        jobs = await asyncio.gather(
            *(finished(staffed, f"{job_id}-final") for job_id in created["job_ids"])
        )
        assert [job["result"]["images"][0]["width"] for job in jobs] == [2048, 1024, 1536]
        assert {job["result"]["consistency"] for job in jobs} == {"seed"}
        assert {job["batch_id"] for job in jobs} == {created["batch_id"]}

    async def test_what_cannot_be_approved_is_told_image_by_image(self, staffed: Caller) -> None:
        created = await drafts(staffed, 2)
        first, second = created["job_ids"]
        await staffed.post(f"/jobs/{first}/reject")
        await reviewed(staffed, created["batch_id"], awaiting=1, rejected=1)
        named = [first, second, f"{created['batch_id']}-7", "img_0", f"{UNKNOWN}-0", "?"]
        answer = await staffed.post(f"/batches/{created['batch_id']}/approve", {"job_ids": named})
        await finals(staffed, created["batch_id"], 1)
        assert answer.status_code == 202
        results = {result["job_id"]: result for result in answer.json()["results"]}
        assert list(results) == named
        assert {job_id: result["outcome"] for job_id, result in results.items()} == {
            first: "not_reviewable",
            second: "approved",
            f"{created['batch_id']}-7": "not_found",
            "img_0": "not_found",
            f"{UNKNOWN}-0": "not_found",
            "?": "not_found",
        }
        assert "rejected" in results[first]["detail"]
        assert answer.json()["decided"] == 1

    async def test_a_final_is_there_from_its_approval_on_even_while_nobody_can_tell_of_it(
        self, api: Caller, new_worker: WorkerFactory
    ) -> None:
        async with new_worker():
            batch = await api.create_batch({})
            [draft] = batch["job_ids"]
            await api.batch_once(
                batch["batch_id"], lambda seen: seen["review_counts"], "the draft awaits review"
            )
        assert (await api.job(f"{draft}-final"))["status"] == "pending"

        async def is_denied() -> bool:
            return (await api.get(f"/jobs/{draft}-final")).status_code == 404

        async with new_worker():
            await eventually(is_denied, "nobody has approved it")

    async def test_nothing_to_approve_is_no_error(self, staffed: Caller) -> None:
        created = await drafts(staffed, 1)
        await staffed.post(f"/batches/{created['batch_id']}/approve")
        await finals(staffed, created["batch_id"], 1)
        answer = await staffed.post(f"/batches/{created['batch_id']}/approve")
        assert answer.status_code == 202
        assert answer.json()["results"] == []

    async def test_an_image_that_has_not_started_is_told_as_such(
        self, api: Caller, new_worker: WorkerFactory
    ) -> None:
        async with one_at_a_time(api, new_worker, 2) as (created, gate):
            answer = await api.post(
                f"/batches/{created['batch_id']}/approve", {"job_ids": created["job_ids"]}
            )
            outcomes = [result["outcome"] for result in answer.json()["results"]]
            assert outcomes == ["not_reviewable", "not_reviewable"]
            assert "pending" in answer.json()["results"][1]["detail"]
            gate.open()
            batch = await reviewed(api, created["batch_id"], awaiting=2)
        assert not any("final_job_id" in job for job in batch["jobs"])

    async def test_a_wish_no_model_can_fulfil_is_refused_before_anything_is_decided(
        self, staffed: Caller
    ) -> None:
        created = await drafts(staffed, 2)
        answer = await staffed.post(
            f"/batches/{created['batch_id']}/approve",
            {"final": {"width": 4096, "height": 4096}},
        )
        problem(answer, 422, "capability_missing")
        batch = await staffed.batch(created["batch_id"])
        assert batch["review_counts"] == {"awaiting": 2}

    async def test_a_decision_on_one_image_is_told_in_its_batch(self, staffed: Caller) -> None:
        created = await drafts(staffed, 2)
        await staffed.post(f"/jobs/{created['job_ids'][0]}/approve")
        batch = await finals(staffed, created["batch_id"], 1)
        assert batch["jobs"][0]["final_job_id"] == f"{created['job_ids'][0]}-final"
        assert "final_job_id" not in batch["jobs"][1]

    async def test_camel_case_names_of_jobs_are_taken(self, staffed: Caller) -> None:
        created = await drafts(staffed, 2)
        answer = await staffed.post(
            f"/batches/{created['batch_id']}/approve", {"jobIds": created["job_ids"][:1]}
        )
        assert answer.json()["decided"] == 1
        await finals(staffed, created["batch_id"], 1)

    async def test_an_unknown_batch_is_not_found(self, door: Caller) -> None:
        problem(await door.post(f"/batches/{UNKNOWN}/approve"), 404, "batch_not_found")

    async def test_a_signal_from_elsewhere_does_the_same(
        self, api: Caller, client: Client, new_worker: WorkerFactory
    ) -> None:
        async with new_worker():
            created = await drafts(api, 2)
            batch = client.get_workflow_handle(created["batch_id"])
            await batch.signal("approve", {"job_ids": created["job_ids"][:1]})
            await finals(api, created["batch_id"], 1)
            await batch.signal("reject", {"reviewer": "desk"})
            await reviewed(api, created["batch_id"], approved=1, rejected=1)


class TestRejectBatch:
    async def test_all_that_await_review_are_rejected_and_the_batch_closes(
        self, api: Caller, client: Client, new_worker: WorkerFactory
    ) -> None:
        async with new_worker():
            created = await drafts(api, 2)
            answer = await api.post(f"/batches/{created['batch_id']}/reject")
            assert {result["outcome"] for result in answer.json()["results"]} == {"rejected"}
            await client.get_workflow_handle(created["batch_id"]).result()
            batch = await api.batch(created["batch_id"])
        assert batch["review_counts"] == {"rejected": 2}
        assert batch["status"] == "completed"
        assert "completed_at" in batch

    async def test_a_revision_of_all_starts_the_next_round_of_each(
        self, api: Caller, new_worker: WorkerFactory
    ) -> None:
        async with new_worker() as provider:
            created = await drafts(api, 2)
            answer = await api.post(
                f"/batches/{created['batch_id']}/reject", {"revise": {"style": "ink"}}
            )
            rounds = [result["revision_job_id"] for result in answer.json()["results"]]
            assert rounds == [f"{job_id}-r2" for job_id in created["job_ids"]]
            jobs = await asyncio.gather(*(finished(api, job_id) for job_id in rounds))
            batch = await api.batch_once(
                created["batch_id"],
                lambda batch: (
                    [job.get("revision_job_id") for job in batch["jobs"]] == rounds
                    and batch["review_counts"] == {"awaiting": 2}
                ),
                "the second round awaits review",
            )
            outdated = await api.post(
                f"/batches/{created['batch_id']}/approve", {"job_ids": created["job_ids"][:1]}
            )
            approved = await api.post(f"/batches/{created['batch_id']}/approve")
            batch = await finals(api, created["batch_id"], 2)
        assert [job["revision_of"] for job in jobs] == created["job_ids"]
        assert {order.spec.style for order in provider.orders[2:]} == {"ink"}
        assert outdated.json()["results"][0]["outcome"] == "not_reviewable"
        assert [result["job_id"] for result in approved.json()["results"]] == rounds
        assert [job["final_job_id"] for job in batch["jobs"]] == [
            f"{job_id}-final" for job_id in rounds
        ]

    async def test_an_unknown_batch_is_not_found(self, door: Caller) -> None:
        problem(await door.post(f"/batches/{UNKNOWN}/reject"), 404, "batch_not_found")


class TestCancelBatch:
    async def test_what_is_not_finished_is_cancelled_and_what_is_made_stays(
        self, api: Caller, new_worker: WorkerFactory
    ) -> None:
        gate = Gate()

        async def hold_the_second(order: Order, report: Report) -> None:
            if order.spec.prompt == "the second":
                await gate(order, report)

        async with new_worker(FakeProvider(hold_the_second)) as provider:
            created = await api.create_batch(
                {"prompt": "the first"},
                {"prompt": "the second"},
                {"prompt": "the third"},
                max_concurrency=1,
                workflow="final_only",
            )
            await gate.reached.wait()
            answer = await api.delete(f"/batches/{created['batch_id']}")
            assert answer.status_code == 202
            batch = await api.batch_once(
                created["batch_id"], lambda batch: "completed_at" in batch, "it closes"
            )
            jobs = [await api.ended(job_id) for job_id in created["job_ids"]]
        assert batch["cancelled"] is True
        assert [job["status"] for job in batch["jobs"]] == ["completed", "failed", "failed"]
        assert [job["status"] for job in jobs] == ["completed", "failed", "failed"]
        assert [job["error"]["code"] for job in jobs[1:]] == ["cancelled", "cancelled"]
        assert len(provider.orders) == 2

    async def test_a_batch_that_ended_cannot_be_cancelled(
        self, api: Caller, client: Client, new_worker: WorkerFactory
    ) -> None:
        async with new_worker():
            created = await api.create_batch({}, workflow="final_only")
            await client.get_workflow_handle(created["batch_id"]).result()
            answer = await api.delete(f"/batches/{created['batch_id']}")
        assert "completed" in problem(answer, 409, "already_terminal")["detail"]

    async def test_an_unknown_batch_is_not_found(self, door: Caller) -> None:
        problem(await door.delete(f"/batches/{UNKNOWN}"), 404, "batch_not_found")


async def finished(api: Caller, job_id: str) -> Json:
    """A job that somebody else starts, once it is completed."""

    async def look() -> Json | None:
        answer = await api.get(f"/jobs/{job_id}")
        if answer.status_code == 404:
            return None
        job = dict(answer.json())
        return job if job["status"] == "completed" else None

    return await eventually(look, f"{job_id} completes", 0.1)
