"""Long polls, entity tags and when to come again, over HTTP."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from tests.api.conftest import API, Caller, problem
from tests.conftest import WorkerFactory
from tests.fakes import FakeProvider, Gate
from tests.waiting import eventually

LONG = 60
"""Seconds to wait for what has to come before; a client here gives up after 30."""


async def poll(api: Caller, path: str, wait: float = 0, etag: str | None = None) -> httpx.Response:
    return await api.http.get(
        f"{API}{path}",
        params={"wait": wait} if wait else {},
        headers={"If-None-Match": etag} if etag else {},
    )


def batch_path(created: dict[str, object]) -> str:
    return f"/batches/{created['batch_id']}"


class TestEntityTags:
    async def test_what_the_caller_has_already_is_not_sent_again(self, staffed: Caller) -> None:
        job_id = await staffed.create()
        await staffed.completed(job_id)
        first = await poll(staffed, f"/jobs/{job_id}")
        again = await poll(staffed, f"/jobs/{job_id}", etag=first.headers["etag"])
        assert first.headers["cache-control"] == again.headers["cache-control"]
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == first.headers["etag"]

    async def test_a_tag_is_strong_and_another_body_has_another(
        self, api: Caller, new_worker: WorkerFactory
    ) -> None:
        job_id = await api.create()
        queued = await poll(api, f"/jobs/{job_id}")
        async with new_worker():
            await api.completed(job_id)
        done = await poll(api, f"/jobs/{job_id}", etag=queued.headers["etag"])
        assert done.status_code == 200
        assert queued.headers["etag"].startswith('"')
        assert queued.headers["etag"] != done.headers["etag"]

    async def test_the_same_job_at_another_address_is_another_body(self, door: Caller) -> None:
        path = f"{API}/jobs/{await door.create()}"
        here = await door.http.get(path)
        there = await door.http.get(path, headers={"Host": "localhost:1"})
        assert here.headers["etag"] != there.headers["etag"]

    async def test_a_browser_may_keep_it_and_has_to_ask_each_time(self, door: Caller) -> None:
        answer = await poll(door, f"/jobs/{await door.create()}")
        assert answer.headers["cache-control"] == "private, no-cache"

    async def test_a_batch_has_one_too(self, door: Caller) -> None:
        path = batch_path(await door.create_batch({}, {}))
        first = await poll(door, path)
        again = await poll(door, path, etag=f'"other", W/{first.headers["etag"]}')
        assert again.status_code == 304


class TestRetryAfter:
    async def test_a_poller_is_told_when_to_come_again(self, door: Caller) -> None:
        created = await door.create_batch(*[{}] * 3, max_concurrency=1)
        for path in (f"/jobs/{await door.create()}", batch_path(created)):
            answer = await poll(door, path)
            assert 1 <= int(answer.headers["retry-after"]) <= 10

    async def test_it_is_the_estimate(self, door: Caller) -> None:
        answer = await poll(door, f"/jobs/{await door.create()}")
        assert int(answer.headers["retry-after"]) == answer.json()["estimated_time_remaining"]

    async def test_nobody_need_come_again_once_it_has_ended(self, staffed: Caller) -> None:
        job_id = await staffed.create()
        await staffed.completed(job_id)
        assert "retry-after" not in (await poll(staffed, f"/jobs/{job_id}")).headers


class TestWait:
    async def test_it_answers_with_the_next_change(
        self, api: Caller, new_worker: WorkerFactory
    ) -> None:
        gate = Gate()
        job_id = await api.create()
        queued = await poll(api, f"/jobs/{job_id}")
        waiting = asyncio.create_task(poll(api, f"/jobs/{job_id}", LONG))
        async with new_worker(FakeProvider(gate)):
            changed = await waiting
            gate.open()
        assert queued.json()["status"] == "queued"
        assert changed.json()["status"] == "processing"

    async def test_one_wait_after_the_other_sees_a_job_to_its_end(
        self, api: Caller, new_worker: WorkerFactory
    ) -> None:
        job_id, etag, shown = await api.create(), None, []
        async with new_worker():
            while True:
                answer = await poll(api, f"/jobs/{job_id}", LONG, etag)
                shown.append(answer.json()["progress_percentage"])
                etag = answer.headers["etag"]
                if answer.json()["status"] == "completed":
                    break
        assert shown == sorted(shown)

    async def test_what_has_ended_is_answered_at_once(self, staffed: Caller) -> None:
        job_id = await staffed.draft()
        first = await poll(staffed, f"/jobs/{job_id}", LONG)
        again = await poll(staffed, f"/jobs/{job_id}", LONG, first.headers["etag"])
        assert first.json()["status"] == "completed"
        assert again.status_code == 304

    async def test_what_changed_since_the_callers_last_answer_is_answered_at_once(
        self, api: Caller, new_worker: WorkerFactory
    ) -> None:
        gate = Gate()
        job_id = await api.create()
        queued = await poll(api, f"/jobs/{job_id}")
        async with new_worker(FakeProvider(gate)):
            await api.job_once(job_id, lambda job: job["status"] == "processing", "it is begun")
            answer = await poll(api, f"/jobs/{job_id}", LONG, queued.headers["etag"])
            gate.open()
        assert answer.json()["status"] == "processing"

    async def test_the_time_being_up_it_answers_how_things_stand(self, door: Caller) -> None:
        job_id = await door.create()
        first = await poll(door, f"/jobs/{job_id}", 0.1)
        again = await poll(door, f"/jobs/{job_id}", 0.1, first.headers["etag"])
        assert first.json()["status"] == "queued"
        assert again.status_code == 304

    async def test_a_batch_is_waited_for_too(self, api: Caller, new_worker: WorkerFactory) -> None:
        path = batch_path(await api.create_batch({}, workflow="final_only"))
        assert (await poll(api, path)).json()["status"] == "queued"
        waiting = asyncio.create_task(poll(api, path, LONG))
        async with new_worker():
            assert (await waiting).json()["progress_percentage"] > 0

    @pytest.mark.parametrize("wait", ["61", "-1", "nan", "inf", "soon"])
    async def test_a_wait_that_is_none_is_refused(self, door: Caller, wait: str) -> None:
        created = await door.create_batch({})
        for path in (f"/jobs/{created['job_ids'][0]}", batch_path(created)):
            body = problem(await door.get(f"{path}?wait={wait}"), 422, "invalid_request")
            assert body["errors"][0]["field"] == "wait"

    async def test_an_unknown_job_is_not_waited_for(self, door: Caller) -> None:
        problem(await poll(door, f"/jobs/img_{'0' * 24}", LONG), 404, "job_not_found")

    async def test_who_hangs_up_is_not_waited_for_any_longer(self, api: Caller) -> None:
        job_id = await api.create()
        polls = [asyncio.create_task(poll(api, f"/jobs/{job_id}", LONG)) for _ in range(20)]
        await eventually(lambda: all_are_served(20), "all polls have come")
        for each in polls:
            each.cancel()
        await asyncio.gather(*polls, return_exceptions=True)
        await eventually(lambda: all_are_served(0), "nobody waits any longer")


async def all_are_served(count: int) -> bool:
    names = [getattr(task.get_coro(), "__qualname__", "") for task in asyncio.all_tasks()]
    return sum("run_asgi" in name for name in names) == count
