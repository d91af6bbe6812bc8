"""What a poller costs the engine, and what is answered once the engine forgot."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from temporalio.client import (
    Client,
    Interceptor,
    OutboundInterceptor,
    WorkflowExecutionDescription,
)
from temporalio.contrib.pydantic import pydantic_data_converter

from api.engine_room import EngineRoom, NotKnown
from api.services import Services
from domain.errors import ContentRejected, EngineAway, StorageUnavailable
from domain.jobs import JobRecord
from domain.names import REVIEW
from providers.base import Order, Report
from providers.catalogue import load_catalogue
from providers.registry import Roster
from settings import Settings
from storage.archive import Archive
from storage.objects import ObjectStore
from tests.api.conftest import Caller, Forgetful, Json, Serve, problem
from tests.conftest import WorkerFactory
from tests.fakes import FakeProvider, Gate
from tests.waiting import eventually
from worker import build_workers


class Counting(Interceptor):
    """Counts the calls that a client makes to the engine, by their names."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:  # noqa: A002
        return _CountingOutbound(next, self.calls)


class _CountingOutbound(OutboundInterceptor):
    def __init__(self, next: OutboundInterceptor, calls: Counter[str]) -> None:  # noqa: A002
        super().__init__(next)
        self._calls = calls

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name.endswith(("_workflow", "_workflows", "_events")):
            self._calls[name] += 1
        return found


@pytest.fixture
async def counted(
    api: Caller, client: Client, store: ObjectStore, settings: Settings, engine_address: str
) -> tuple[Caller, Counter[str]]:
    """The API with its engine calls counted."""
    counting = Counting()
    counted_client = await Client.connect(
        engine_address,
        namespace=client.namespace,
        data_converter=pydantic_data_converter,
        interceptors=[counting],
    )
    patient = settings.model_copy(update={"poll_interval_seconds": 10.0})
    api.app.state.services = Services.build(
        patient,
        counted_client,
        store,
        load_catalogue(settings.config),
        Roster({"studio": FakeProvider()}),
    )
    return api, counting.calls


class TestPollers:
    async def test_fifty_at_once_cost_one_look(
        self, counted: tuple[Caller, Counter[str]], new_worker: WorkerFactory
    ) -> None:
        api, calls = counted
        gate = Gate()

        async def half_way(order: Order, report: Report) -> None:
            report(0.5)
            await gate(order, report)

        async with new_worker(FakeProvider(half_way)):
            job_id = await api.create()
            await gate.reached.wait()
            calls.clear()
            jobs = await asyncio.gather(*(api.job(job_id) for _ in range(50)))
            gate.open()
        assert calls["describe_workflow"] == 1
        assert calls["query_workflow"] == 1
        assert {job["status"] for job in jobs} == {"processing"}

    async def test_a_job_that_ended_is_never_looked_at_again(
        self, counted: tuple[Caller, Counter[str]], client: Client, new_worker: WorkerFactory
    ) -> None:
        api, calls = counted
        async with new_worker():
            job_id = await api.create()
            await client.get_workflow_handle(job_id).result()
        await api.job(job_id)
        calls.clear()
        first, second = await api.job(job_id), await api.job(job_id)
        assert first == second
        assert not calls

    async def test_a_pending_image_costs_one_look_at_its_batch(
        self, counted: tuple[Caller, Counter[str]]
    ) -> None:
        api, calls = counted
        batch = await api.create_batch(*[{}] * 20)
        calls.clear()
        jobs = await asyncio.gather(*(api.job(job_id) for job_id in batch["job_ids"]))
        assert {job["status"] for job in jobs} == {"pending"}
        assert calls["describe_workflow"] <= 1

    async def test_a_decision_is_taken_on_the_truth_not_on_what_was_read_before(
        self, counted: tuple[Caller, Counter[str]], client: Client, new_worker: WorkerFactory
    ) -> None:
        api, _ = counted
        gate = Gate()
        async with new_worker(FakeProvider(gate)):
            job_id = await api.create(quality="draft")
            await gate.reached.wait()
            stale = await api.job(job_id)
            gate.open()

            async def awaits_review() -> bool:
                state = await client.get_workflow_handle(job_id).query("status")
                return bool(state.get("review"))

            await eventually(awaits_review, "the draft awaits review")
            answer = await api.post(f"/jobs/{job_id}/approve")
        assert stale["status"] != "completed"
        assert answer.status_code == 202

    async def test_a_batchs_decision_leaves_out_no_draft_that_the_batch_cannot_tell_of(
        self, counted: tuple[Caller, Counter[str]], client: Client, new_worker: WorkerFactory
    ) -> None:
        api, _ = counted
        gate = Gate()
        async with new_worker(FakeProvider(gate)):
            created = await api.create_batch({"quality": "draft"})
            await gate.reached.wait()
            stale = await api.batch(created["batch_id"])
            gate.open()
            [job_id] = created["job_ids"]

            async def is_listed() -> bool:
                query = f"{REVIEW.name} = 'awaiting' AND WorkflowId = '{job_id}'"
                return (await client.count_workflows(query)).count == 1

            await eventually(is_listed, "the draft awaits review")
        answer = await api.post(f"/batches/{created['batch_id']}/approve")
        assert stale["review_counts"] == {}
        assert [result["job_id"] for result in answer.json()["results"]] == [job_id]


class TestUnattended:
    async def test_a_job_goes_no_step_back_when_its_picture_is_made_and_no_worker_hears_of_it(
        self, api: Caller, client: Client, store: ObjectStore, settings: Settings
    ) -> None:
        gate = Gate()
        roster = Roster({"studio": FakeProvider(gate)})
        catalogue = load_catalogue(settings.config)
        story, *hands = build_workers(client, settings, store, catalogue, roster)
        async with AsyncExitStack() as at_work:
            for worker in hands:
                await at_work.enter_async_context(worker)
            async with story:
                job_id = await api.create()
                await gate.reached.wait()
            gate.open()

            async def is_made() -> bool:
                job = await client.get_workflow_handle(job_id).describe()
                return not job.raw_description.pending_activities

            await eventually(is_made, "the picture is made")
            job = await api.job(job_id)
        assert (job["status"], job["current_stage"]) == ("processing", "uploading")


class TestMeanwhile:
    async def test_a_round_that_began_while_it_was_looked_for_is_no_404(
        self,
        api: Caller,
        serve: Serve,
        new_worker: WorkerFactory,
        closed_address: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """No worker and no store tells by then what became of the draft."""
        write, describe, is_asked = Archive.write_job, EngineRoom.describe_job, False

        async def write_others(self: Archive, record: JobRecord) -> None:
            if record.job_id == draft:
                raise StorageUnavailable("The disk is full.")
            await write(self, record)

        async with new_worker():
            draft = await api.draft()
            monkeypatch.setattr(Archive, "write_job", write_others)
            answer = await api.post(f"/jobs/{draft}/reject", {"revise": {"seed": 2}})
            again = answer.json()["revision_job_id"]
            await api.completed(again)

        async def late(self: EngineRoom, job_id: str) -> WorkflowExecutionDescription:
            nonlocal is_asked
            if job_id == again and not is_asked:
                is_asked = True
                raise NotKnown(job_id)
            return await describe(self, job_id)

        monkeypatch.setattr(EngineRoom, "describe_job", late)
        async with serve(s3_endpoint=f"http://{closed_address}", patience_seconds=0.5) as api:
            answer = await api.get(f"/jobs/{again}")
        assert is_asked
        assert (answer.status_code, answer.json()["job_id"]) == (200, again)


class TestUnrecorded:
    """A rejection that the engine knows of, with no worker and no store to tell more of it."""

    @pytest.mark.parametrize(
        ("said", "other"), [({"revise": {"seed": 2}}, {}), ({}, {"revise": {"seed": 2}})]
    )
    async def test_the_same_again_is_answered_alike_and_another_decision_is_refused(
        self,
        api: Caller,
        client: Client,
        serve: Serve,
        new_worker: WorkerFactory,
        closed_address: str,
        monkeypatch: pytest.MonkeyPatch,
        said: Json,
        other: Json,
    ) -> None:
        async def write_none(self: Archive, record: JobRecord) -> None:
            raise StorageUnavailable("The disk is full.")

        async with new_worker():
            draft = await api.draft()
            monkeypatch.setattr(Archive, "write_job", write_none)
            first = await api.post(f"/jobs/{draft}/reject", said)

            async def is_told() -> bool:
                query = f"{REVIEW.name} = 'rejected' AND WorkflowId = '{draft}'"
                return (await client.count_workflows(query)).count == 1

            await eventually(is_told, "the draft is rejected")
        async with serve(s3_endpoint=f"http://{closed_address}", patience_seconds=0.5) as api:
            again = await api.post(f"/jobs/{draft}/reject", said)
            refused = await api.post(f"/jobs/{draft}/reject", other)
        assert (first.status_code, again.status_code) == (202, 202)
        assert without_addresses(again.json()) == without_addresses(first.json())
        problem(refused, 409, "not_reviewable")


class TestAllButTold:
    """A worker has written the record of a draft, and cannot tell the engine."""

    @pytest.fixture
    async def draft(
        self,
        api: Caller,
        new_worker: WorkerFactory,
        archive: Archive,
        monkeypatch: pytest.MonkeyPatch,
    ) -> AsyncIterator[str]:
        write = Archive.write_job

        async def write_and_break(self: Archive, record: JobRecord) -> None:
            await write(self, record)
            raise StorageUnavailable("The connection broke.")

        async with new_worker():
            with monkeypatch.context() as broken:
                broken.setattr(Archive, "write_job", write_and_break)
                job_id = await api.create(quality="draft")

                async def is_recorded() -> bool:
                    return await archive.read_job(job_id) is not None

                await eventually(is_recorded, "the record is there")
                yield job_id
            await api.completed(f"{job_id}-final")

    async def test_it_can_be_decided_for_a_poller_may_know_of_it(
        self, api: Caller, draft: str
    ) -> None:
        stage = (await api.job(draft))["current_stage"]
        answer = await api.post(f"/jobs/{draft}/approve")
        final = await api.job(f"{draft}-final")
        assert stage == "uploading"
        assert answer.status_code == 202
        assert final["status"] == "pending"

    async def test_its_end_is_not_taken_back(
        self, serve: Serve, draft: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def away(self: EngineRoom, job_id: str) -> WorkflowExecutionDescription:
            raise EngineAway("The engine is away.")

        async with serve(poll_interval_seconds=0.0) as api:
            with monkeypatch.context() as engineless:
                engineless.setattr(EngineRoom, "describe_job", away)
                told = await api.job(draft)
            again = await api.job(draft)
            await api.post(f"/jobs/{draft}/approve")
        assert (told["status"], told["review"]["state"]) == ("completed", "awaiting")
        assert again == told


class TestAfterRetention:
    async def test_a_job_is_answered_from_its_record(
        self,
        client: Client,
        api: Caller,
        forgetful: Forgetful,
        new_worker: WorkerFactory,
    ) -> None:
        async with new_worker():
            before = await api.completed(
                await api.create(blog_id="post-1", tags=["hero"], metadata={"slot": 1})
            )
        async with forgetful() as other:
            after = await other.job(before["job_id"])
            refused = await other.delete(f"/jobs/{before['job_id']}")
            image = await other.http.get(after["result"]["images"][0]["url"])
        assert without_addresses(after) == without_addresses(before)
        problem(refused, 409, "already_terminal")
        assert image.status_code == 200

    async def test_a_draft_that_nobody_decided_has_expired(
        self,
        client: Client,
        api: Caller,
        forgetful: Forgetful,
        new_worker: WorkerFactory,
    ) -> None:
        async with new_worker():
            draft_id = await api.draft()
        async with forgetful() as other:
            job = await other.job(draft_id)
            refused = await other.post(f"/jobs/{draft_id}/approve")
        assert job["status"] == "completed"
        assert job["review"]["state"] == "expired"
        assert "approve" not in job["links"]
        problem(refused, 409, "not_reviewable")

    async def test_an_approved_draft_names_its_final_still(
        self,
        client: Client,
        api: Caller,
        forgetful: Forgetful,
        new_worker: WorkerFactory,
    ) -> None:
        async with new_worker():
            draft_id = await api.draft()
            await api.post(f"/jobs/{draft_id}/approve", {"reviewer": "Ada"})
            await client.get_workflow_handle(draft_id).result()
            await api.completed(f"{draft_id}-final")
        async with forgetful() as other:
            job = await other.job(draft_id)
            again = await other.post(f"/jobs/{draft_id}/approve")
        assert job["final_job_id"] == f"{draft_id}-final"
        assert job["review"]["reviewer"] == "Ada"
        assert again.json()["final_job_id"] == f"{draft_id}-final"

    async def test_a_batch_is_answered_from_its_record(
        self,
        client: Client,
        api: Caller,
        forgetful: Forgetful,
        new_worker: WorkerFactory,
    ) -> None:
        async with new_worker():
            created = await api.create_batch({}, {}, workflow="final_only", blog_id="post-1")
            await client.get_workflow_handle(created["batch_id"]).result()
            before = await api.batch(created["batch_id"])
        async with forgetful() as other:
            after = await other.batch(created["batch_id"])
            refused = await other.delete(f"/batches/{created['batch_id']}")
        assert without_addresses(after) == without_addresses(before)
        problem(refused, 409, "already_terminal")

    async def test_a_failed_job_says_why_still(
        self,
        client: Client,
        api: Caller,
        forgetful: Forgetful,
        new_worker: WorkerFactory,
    ) -> None:
        async def refuse(order: Order, report: Report) -> None:
            raise ContentRejected("The prompt is against the rules.", provider="studio")

        async with new_worker(FakeProvider(refuse)):
            before = await api.ended(await api.create())
        async with forgetful() as other:
            after = await other.job(before["job_id"])
        assert after["error"] == before["error"]


def without_addresses(value: Any) -> Any:
    """The same answer whichever address it was asked at."""
    if isinstance(value, dict):
        return {
            name: without_addresses(item)
            for name, item in value.items()
            if name not in ("links", "srcset") and "url" not in name.split("_")
        }
    if isinstance(value, list):
        return [without_addresses(item) for item in value]
    return value
