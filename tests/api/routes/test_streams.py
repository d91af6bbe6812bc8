from __future__ import annotations

import asyncio
import itertools
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from api.services import Services
from domain.errors import ContentRejected
from providers.base import Order, Report
from providers.catalogue import load_catalogue
from providers.registry import Roster
from settings import Settings
from storage.objects import ObjectStore
from tests.api.conftest import Caller, Json, Serve, problem, small
from tests.api.events import Event, events, streaming, told
from tests.api.test_reading import Counting
from tests.conftest import WorkerFactory
from tests.fakes import FakeProvider, Gate
from tests.waiting import eventually

UNKNOWN_JOB = "img_000000000000000000000000"
UNKNOWN_BATCH = "bat_000000000000000000000000"
STREAMS = 200
INTERVAL_SECONDS = 0.2


async def refuse(order: Order, report: Report) -> None:
    raise ContentRejected("The prompt is against the rules.", provider="studio")


def half_way(gate: Gate) -> FakeProvider:
    async def behave(order: Order, report: Report) -> None:
        report(0.5)
        await gate(order, report)

    return FakeProvider(behave)


async def until(stream: AsyncIterator[Event], name: str) -> Event:
    """The next event with that name."""
    async for event in stream:
        if event.name == name:
            return event
    raise AssertionError(f"the stream ended before '{name}'")


async def rest(stream: AsyncIterator[Event]) -> list[Event]:
    return [event async for event in stream]


def check_order(seen: list[Event]) -> None:
    """Ids are told once and grow, and progress never goes down."""
    ids, shown = [event.id for event in seen], [e.data["progress_percentage"] for e in seen]
    assert len(set(ids)) == len(ids)
    assert [event.rank for event in seen] == sorted(event.rank for event in seen)
    assert shown == sorted(shown)


class TestJobEvents:
    async def test_a_job_is_told_from_the_queue_to_its_end(
        self, api: Caller, new_worker: WorkerFactory
    ) -> None:
        gate = Gate()
        job_id = await api.create()
        async with streaming(api, f"/jobs/{job_id}/events") as answer:
            stream = events(answer)
            queued = await anext(stream)
            async with new_worker(half_way(gate)):
                working = await anext(stream)
                gate.open()
                seen = [queued, working, *await rest(stream)]
        assert (queued.name, queued.data["status"]) == ("status", "queued")
        assert (working.name, working.data["status"]) == ("status", "processing")
        assert [event.name for event in seen if event.name != "status"] == ["completed"]
        check_order(seen)
        assert seen[-1].data == await api.job(job_id)

    async def test_progress_is_told_as_it_is_made(
        self, api: Caller, new_worker: WorkerFactory
    ) -> None:
        gate = Gate()
        async with new_worker(half_way(gate)):
            job_id = await api.create()
            async with streaming(api, f"/jobs/{job_id}/events") as answer:
                async for event in events(answer):
                    if event.data["progress_percentage"] == 47:
                        gate.open()
        assert event.name == "completed"

    async def test_a_failure_is_the_end(self, api: Caller, new_worker: WorkerFactory) -> None:
        async with new_worker(FakeProvider(refuse)):
            job_id = await api.create(quality="draft")
            seen = await told(api, f"/jobs/{job_id}/events")
        assert seen[-1].name == "failed"
        assert seen[-1].data["error"]["code"] == "content_rejected"

    async def test_a_draft_goes_on_until_it_is_decided(
        self, api: Caller, new_worker: WorkerFactory
    ) -> None:
        async with new_worker():
            job_id = await api.create(quality="draft")
            async with streaming(api, f"/jobs/{job_id}/events") as answer:
                stream = events(answer)
                made = await until(stream, "completed")
                await api.post(f"/jobs/{job_id}/approve", {"reviewer": "Ada"})
                decided = await rest(stream)
        assert made.data["review"]["state"] == "awaiting"
        assert [event.name for event in decided] == ["review"]
        assert decided[0].data["review"]["state"] == "approved"
        assert decided[0].data["final_job_id"] == f"{job_id}-final"
        check_order([made, *decided])

    async def test_a_draft_may_be_left_when_it_is_made(self, staffed: Caller) -> None:
        job_id = await staffed.create(quality="draft")
        seen = await told(staffed, f"/jobs/{job_id}/events", until="completed")
        assert seen[-1].name == "completed"

    async def test_who_comes_late_is_told_the_end_and_the_decision(
        self, api: Caller, new_worker: WorkerFactory
    ) -> None:
        async with new_worker():
            job_id = await api.draft()
            await api.post(f"/jobs/{job_id}/reject")
            await api.job_once(
                job_id, lambda job: job["review"]["state"] == "rejected", "it is rejected"
            )
            seen = await told(api, f"/jobs/{job_id}/events")
        assert [event.name for event in seen] == ["completed", "review"]
        check_order(seen)

    async def test_another_process_goes_on_where_the_first_was_left(
        self, api: Caller, serve: Serve, new_worker: WorkerFactory
    ) -> None:
        gate = Gate()
        async with new_worker(half_way(gate)), serve() as other:
            job_id = await api.create()
            path = f"/jobs/{job_id}/events"
            async with streaming(api, path) as answer:
                async for event in events(answer):
                    last = event
                    if event.data["progress_percentage"] == 47:
                        break
            async with streaming(other, path, last_event_id=last.id) as answer:
                gate.open()
                seen = await rest(events(answer))
        check_order([last, *seen])
        assert seen[-1].name == "completed"

    async def test_who_saw_the_end_is_told_not_to_come_again(
        self, staffed: Caller, serve: Serve
    ) -> None:
        job_id = await staffed.create()
        path = f"/jobs/{job_id}/events"
        last = (await told(staffed, path))[-1]
        headers = {"Last-Event-ID": last.id}
        answer = await staffed.http.get(f"/api/v1/images{path}", headers=headers)
        assert (answer.status_code, answer.content) == (204, b"")

    async def test_its_address_is_in_the_jobs_links(self, staffed: Caller) -> None:
        job = await staffed.completed(await staffed.create())
        assert job["links"]["events"] == f"{job['links']['self']}/events"
        async with staffed.http.stream("GET", job["links"]["events"]) as answer:
            assert (await anext(events(answer))).data["job_id"] == job["job_id"]

    async def test_an_unknown_job_and_a_wrong_end_are_refused(self, door: Caller) -> None:
        problem(await door.get(f"/jobs/{UNKNOWN_JOB}/events"), 404, "job_not_found")
        answer = await door.get(f"/jobs/{UNKNOWN_JOB}/events?until=tomorrow")
        problem(answer, 422, "invalid_request")

    async def test_comments_keep_a_silent_stream_open(self, serve: Serve) -> None:
        async with serve(keep_alive_seconds=0.01) as api:
            job_id = await api.create()
            async with streaming(api, f"/jobs/{job_id}/events") as answer:
                lines = answer.aiter_lines()
                while await anext(lines) != ": keep-alive":
                    pass


class TestBatchEvents:
    async def test_a_batch_is_told_until_every_image_is_made(
        self, api: Caller, new_worker: WorkerFactory
    ) -> None:
        batch = await api.create_batch(*[{}] * 3, workflow="final_only", max_concurrency=1)
        path = f"/batches/{batch['batch_id']}/events"
        async with streaming(api, path) as answer:
            stream = events(answer)
            first = await anext(stream)
            async with new_worker():
                seen = [first, *await rest(stream)]
        assert first.data["status"] == "queued"
        assert seen[-1].name == "completed"
        assert seen[-1].data["counts"] == {"completed": 3}
        check_order(seen)

    async def test_its_drafts_go_on_until_their_finals_are_made(
        self, api: Caller, new_worker: WorkerFactory
    ) -> None:
        async with new_worker():
            batch = await api.create_batch({"quality": "draft"}, {"quality": "draft"})
            path = f"/batches/{batch['batch_id']}"
            async with streaming(api, f"{path}/events") as answer:
                stream = events(answer)
                await until(stream, "completed")
                await api.batch_once(
                    batch["batch_id"],
                    lambda batch: batch["review_counts"] == {"awaiting": 2},
                    "both drafts await review",
                )
                await api.post(f"{path}/approve")
                seen = await rest(stream)
        assert {event.name for event in seen} == {"review"}
        assert all("final_url" in job for job in seen[-1].data["jobs"])

    async def test_it_may_be_left_when_the_drafts_are_made(self, staffed: Caller) -> None:
        batch = await staffed.create_batch({"quality": "draft"})
        path = f"/batches/{batch['batch_id']}/events"
        seen = await told(staffed, path, until="completed")
        assert seen[-1].name == "completed"
        assert (await staffed.batch(batch["batch_id"]))["links"]["events"].endswith(path)

    async def test_an_unknown_batch_is_not_found(self, door: Caller) -> None:
        problem(await door.get(f"/batches/{UNKNOWN_BATCH}/events"), 404, "batch_not_found")


class TestGenerateStream:
    async def test_every_stage_is_told_and_the_last_brings_the_result(
        self, staffed: Caller
    ) -> None:
        seen = await made(staffed)
        assert stages(seen) == ["queued", "processing", "generating", "uploading", "completed"]
        shown = [update["progress"] for update in seen]
        assert shown == sorted(shown)
        assert [value == 100 for value in shown] == [False] * (len(seen) - 1) + [True]
        last = seen[-1]
        assert last["status"] == "completed"
        job = await staffed.job(last["job_id"])
        assert last["data"] == {"result": job["result"]}

    async def test_every_update_has_the_fields_that_deployed_clients_read(
        self, staffed: Caller
    ) -> None:
        for update in await made(staffed):
            assert set(update) == {"stage", "progress", "message", "job_id", "status", "data"}
            assert update["message"]
            assert isinstance(update["progress"], int)
            assert update["status"] in ("queued", "processing", "completed", "failed")

    async def test_deployed_clients_read_it_line_by_line(self, staffed: Caller) -> None:
        async with streaming(staffed, "/generate/stream", small()) as answer:
            text = (await answer.aread()).decode()
        lines = [line for line in text.split("\n") if line.startswith("data: ")]
        updates = [json.loads(line[6:]) for line in lines]
        assert updates[-1]["data"]["result"]["images"][0]["image_url"]

    async def test_the_first_update_comes_before_any_worker_does(
        self, api: Caller, new_worker: WorkerFactory
    ) -> None:
        gate = Gate()
        async with streaming(api, "/generate/stream", small()) as answer:
            stream = events(answer)
            assert (await anext(stream)).data["stage"] == "queued"
            async with new_worker(half_way(gate)):
                while (update := (await anext(stream)).data)["progress"] < 47:
                    pass
                gate.open()
                rests = [event.data for event in await rest(stream)]
        assert update["stage"] == "generating"
        assert stages(rests)[-1] == "completed"

    async def test_a_draft_ends_with_its_image(self, staffed: Caller) -> None:
        last = (await made(staffed, quality="draft"))[-1]
        assert last["stage"] == "completed"
        assert (await staffed.job(last["job_id"]))["review"]["state"] == "awaiting"

    async def test_a_failure_is_an_error_with_its_sentence(
        self, api: Caller, new_worker: WorkerFactory
    ) -> None:
        async with new_worker(FakeProvider(refuse)):
            last = (await made(api))[-1]
        assert (last["stage"], last["status"]) == ("error", "failed")
        assert last["message"] == last["data"]["error"] == "The prompt is against the rules."
        assert last["data"]["code"] == "content_rejected"

    async def test_a_request_that_is_not_valid_is_refused_at_once(self, door: Caller) -> None:
        answer = await door.post("/generate/stream", {"prompt": "ab"})
        problem(answer, 422, "invalid_request")

    async def test_the_job_goes_on_when_the_stream_is_left(
        self, api: Caller, new_worker: WorkerFactory
    ) -> None:
        gate = Gate()
        async with new_worker(half_way(gate)):
            async with streaming(api, "/generate/stream", small()) as answer:
                job_id = (await anext(events(answer))).data["job_id"]
            gate.open()
            await api.completed(job_id)

    async def test_without_the_engine_it_is_made_here(self, engineless: Caller) -> None:
        seen = await made(engineless)
        assert stages(seen) == ["queued", "processing", "generating", "uploading", "completed"]
        last = seen[-1]
        url = last["data"]["result"]["images"][0]["url"]
        assert (await engineless.http.get(url)).status_code == 200
        assert (await engineless.job(last["job_id"]))["status"] == "completed"

    async def test_without_the_engine_it_is_made_though_the_stream_is_left(
        self, engineless: Caller
    ) -> None:
        async with streaming(engineless, "/generate/stream", small()) as answer:
            job_id = (await anext(events(answer))).data["job_id"]

        async def is_there() -> bool:
            return (await engineless.get(f"/jobs/{job_id}")).status_code == 200

        await eventually(is_there, "the record of the job is written")


async def made(api: Caller, **image: object) -> list[Json]:
    """All updates of an image's making."""
    async with streaming(api, "/generate/stream", small(**image)) as answer:
        return [event.data async for event in events(answer)]


def stages(updates: list[Json]) -> list[str]:
    """The stages in their order, each once for as long as it lasts."""
    return [stage for stage, _ in itertools.groupby(update["stage"] for update in updates)]


class TestManyStreams:
    @pytest.fixture
    async def counted(
        self,
        api: Caller,
        client: Client,
        store: ObjectStore,
        settings: Settings,
        engine_address: str,
    ) -> tuple[Caller, Counter[str]]:
        """The API with its engine calls counted."""
        counting = Counting()
        counted_client = await Client.connect(
            engine_address,
            namespace=client.namespace,
            data_converter=pydantic_data_converter,
            interceptors=[counting],
        )
        api.app.state.services = Services.build(
            settings.model_copy(update={"poll_interval_seconds": INTERVAL_SECONDS}),
            counted_client,
            store,
            load_catalogue(settings.config),
            Roster({"studio": FakeProvider()}),
            api.app.state.meters,
        )
        return api, counting.calls

    async def test_two_hundred_of_one_job_cost_one_look_per_interval(
        self, counted: tuple[Caller, Counter[str]], new_worker: WorkerFactory
    ) -> None:
        api, calls = counted
        gate, loop = Gate(), asyncio.get_running_loop()
        job_id = await api.create()
        calls.clear()
        began = loop.time()
        async with AsyncExitStack() as stack:
            path = f"/jobs/{job_id}/events"
            answers = await asyncio.gather(
                *(stack.enter_async_context(streaming(api, path)) for _ in range(STREAMS))
            )
            streams = [events(answer) for answer in answers]
            first = await asyncio.gather(*(anext(stream) for stream in streams))
            await stack.enter_async_context(new_worker(half_way(gate)))
            await gate.reached.wait()
            gate.open()
            rests = await asyncio.gather(*(rest(stream) for stream in streams))
        intervals = (loop.time() - began) / INTERVAL_SECONDS
        assert {event.data["status"] for event in first} == {"queued"}
        assert {seen[-1].name for seen in rests} == {"completed"}
        assert 1 <= calls["describe_workflow"] <= intervals + 1

    async def test_clients_that_hang_up_leave_nothing_behind(self, api: Caller) -> None:
        job_id = await api.create()
        path = f"/jobs/{job_id}/events"
        async with AsyncExitStack() as stack:
            answers = await asyncio.gather(
                *(stack.enter_async_context(streaming(api, path)) for _ in range(50))
            )
            await asyncio.gather(*(anext(events(answer)) for answer in answers))
            assert serving() >= 50
        await eventually(nobody_is_served, "all that served the streams has ended")


async def nobody_is_served() -> bool:
    return serving() == 0


def serving() -> int:
    """How many tasks there are that serve a stream, those of its parts included."""
    names = [getattr(task.get_coro(), "__qualname__", "") for task in asyncio.all_tasks()]
    return sum("EventSourceResponse" in name or "run_asgi" in name for name in names)
