"""`Idempotency-Key`: a request that is sent again is carried out once, and answered alike."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from fastapi import Request
from temporalio.client import (
    Client,
    DescribeWorkflowInput,
    Interceptor,
    OutboundInterceptor,
    StartWorkflowInput,
    WorkflowExecutionStatus,
    WorkflowHandle,
)
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.service import RPCError, RPCStatusCode

from api.once import Repeatable, fingerprint
from domain.errors import ContentRejected
from domain.ids import keyed_batch_id, keyed_job_id
from domain.once import Held
from providers.base import Order, Report
from settings import Settings
from storage.keys import manifest_key
from storage.objects import ObjectStore
from tests.api.conftest import (
    API,
    Caller,
    Forgetful,
    Json,
    Serve,
    problem,
    put_behind,
    small,
)
from tests.api.events import events
from tests.api.keys import key, with_key
from tests.conftest import WorkerFactory
from tests.fakes import FakeProvider, Gate
from workflows.claim import ClaimWorkflow
from workflows.options import claim_options

REUSED = (422, "idempotency_key_reused")


def new_key() -> str:
    return str(uuid.uuid4())


async def send(api: Caller, path: str, body: Json | None, key: str, **query: str) -> httpx.Response:
    """A POST with a key."""
    return await api.http.post(
        f"{API}{path}",
        content=b"" if body is None else json.dumps(body),
        headers={"Content-Type": "application/json", "Idempotency-Key": key},
        params=query,
    )


async def started(client: Client) -> Counter[str]:
    """How many workflows of each type there are, once the engine lists what was just started."""
    return Counter([each.workflow_type async for each in client.list_workflows()])


class TestKeys:
    async def test_without_a_key_every_request_is_one_of_its_own(self, door: Caller) -> None:
        assert await door.create() != await door.create()

    @pytest.mark.parametrize("key", ["!", "x" * 255, "4f1c2a~post/42:hero", '"half', "a\\b"])
    async def test_what_is_visible_is_a_key(self, door: Caller, key: str) -> None:
        unique = f"{new_key()}{key}"[-255:]
        first = await send(door, "/generate-async", small(), unique)
        assert first.status_code == 202, first.text
        again = await send(door, "/generate-async", small(), unique)
        assert again.json() == first.json()

    @pytest.mark.parametrize("key", ["", "x" * 256, "two words", "tab\there", '""', '"a b"'])
    async def test_what_is_no_key_is_refused(self, door: Caller, key: str) -> None:
        answer = await send(door, "/generate-async", small(), key)
        errors = problem(answer, 422, "invalid_request")["errors"]
        assert errors[0]["field"] == "Idempotency-Key"

    async def test_what_is_not_ascii_is_refused(self, door: Caller) -> None:
        answer = await door.http.post(
            f"{API}/generate-async", json=small(), headers=[(b"Idempotency-Key", "clé".encode())]
        )
        problem(answer, 422, "invalid_request")

    async def test_two_keys_at_once_are_refused(self, door: Caller) -> None:
        answer = await door.http.post(
            f"{API}/generate-async",
            json=small(),
            headers=[("Idempotency-Key", "one"), ("Idempotency-Key", "two")],
        )
        problem(answer, 422, "invalid_request")

    async def test_a_key_in_quotes_is_the_same_as_one_without(self, door: Caller) -> None:
        key = new_key()
        plain = await send(door, "/generate-async", small(), key)
        quoted = await send(door, "/generate-async", small(), f'"{key}"')
        assert quoted.json() == plain.json()

    async def test_the_document_names_the_header_on_every_post_of_images(
        self, door: Caller
    ) -> None:
        document = (await door.http.get("/openapi.json")).json()
        for path in (
            *("generate-async", "batch-generate", "generate", "generate/stream", "quote"),
            *(f"jobs/{{job_id}}/{verb}" for verb in ("approve", "reject", "cancel", "retry")),
            *(f"batches/{{batch_id}}/{verb}" for verb in ("approve", "reject")),
        ):
            operation = document["paths"][f"{API}/{path}"]["post"]
            names = {parameter["name"].lower() for parameter in operation["parameters"]}
            assert "idempotency-key" in names, path
            assert {"409", "422"} <= set(operation["responses"]), path


class TestSubmissions:
    async def test_the_same_request_is_answered_alike_and_starts_one_job(
        self, api: Caller, client: Client
    ) -> None:
        key, body = new_key(), small(tags=["hero"], provider="stability_ai")
        first = await send(api, "/generate-async", body, key)
        again = await send(api, "/generate-async", body, key)
        assert first.status_code == again.status_code == 202
        assert first.json() == again.json()
        assert await started(client) == {"ImageJobWorkflow": 1}

    async def test_the_order_of_fields_and_the_spaces_between_are_no_difference(
        self, door: Caller
    ) -> None:
        key = new_key()
        first = await send(door, "/generate-async", {"prompt": "a boat", "seed": 7}, key)
        again = await door.http.post(
            f"{API}/generate-async",
            content=b'{ "seed": 7,\n "prompt": "a\\u0020boat" }',
            headers={"Content-Type": "application/json", "Idempotency-Key": key},
        )
        assert again.json() == first.json()

    async def test_another_body_is_refused(self, door: Caller) -> None:
        key = new_key()
        await send(door, "/generate-async", small(seed=1), key)
        problem(await send(door, "/generate-async", small(seed=2), key), *REUSED)

    async def test_another_query_is_refused(self, door: Caller) -> None:
        key = new_key()
        await send(door, "/generate-async", small(), key, blog_id="post-1")
        problem(await send(door, "/generate-async", small(), key, blog_id="post-2"), *REUSED)

    async def test_another_route_is_refused_whichever_came_first(self, door: Caller) -> None:
        many = {"images": [small()]}
        calls = [
            ("/generate-async", small()),
            ("/batch-generate", many),
            ("/quote", small()),
        ]
        for first, second in ((a, b) for a in calls for b in calls if a != b):
            key = new_key()
            assert (await send(door, *first, key)).status_code in (200, 202)
            problem(await send(door, *second, key), *REUSED)

    async def test_of_requests_of_every_kind_with_one_key_at_once_exactly_one_is_carried_out(
        self, serve: Serve, client: Client
    ) -> None:
        """Each by one of two processes; a claim holds the key for what is no job."""
        kinds = [
            ("/generate-async", small(), {"ImageJobWorkflow": 1}),
            (
                "/batch-generate",
                {"images": [small()]},
                {"ClaimWorkflow": 1, "ImageBatchWorkflow": 1},
            ),
            ("/quote", small(), {"ClaimWorkflow": 1}),
        ]
        expected: Counter[str] = Counter()
        async with serve() as one, serve() as two:
            for number in range(8):
                key, order = new_key(), kinds[number % 3 :] + kinds[: number % 3]
                answers = await asyncio.gather(
                    *(
                        send(api, path, body, key)
                        for api, (path, body, _) in zip((one, two, one), order, strict=True)
                    )
                )
                [won] = [place for place, each in enumerate(answers) if each.is_success]
                for place, answer in enumerate(answers):
                    if place != won:
                        problem(answer, *REUSED)
                expected.update(order[won][2])
        assert await started(client) == expected

    async def test_what_holds_a_key_in_the_place_of_a_job_is_none(self, door: Caller) -> None:
        key = new_key()
        await send(door, "/quote", small(), key)
        job_id = keyed_job_id("default", key)
        problem(await door.get(f"/jobs/{job_id}"), 404, "job_not_found")
        problem(await door.get(f"/jobs/{job_id}-final"), 404, "job_not_found")
        problem(await door.delete(f"/jobs/{job_id}"), 404, "job_not_found")

    async def test_a_refused_request_does_not_use_its_key_up(self, door: Caller) -> None:
        key = new_key()
        problem(await send(door, "/generate-async", {"prompt": ""}, key), 422, "invalid_request")
        impossible = {"prompt": "a boat", "width": 4096, "height": 4096}
        problem(await send(door, "/generate-async", impossible, key), 422, "capability_missing")
        assert (await send(door, "/generate-async", small(), key)).status_code == 202

    async def test_what_would_be_refused_today_is_answered_as_it_was(self, serve: Serve) -> None:
        key, body = new_key(), small(provider="stability_ai")
        async with serve() as before:
            first = await send(before, "/generate-async", body, key)
        async with serve(stand_in=False) as after:
            again = await send(after, "/generate-async", body, key)
        assert again.json() == first.json()

    async def test_it_is_answered_alike_after_a_restart(
        self, serve: Serve, client: Client, new_worker: WorkerFactory
    ) -> None:
        key = new_key()
        async with serve() as before:
            first = await send(before, "/generate-async", small(), key)
        async with new_worker() as provider, serve() as after:
            await after.completed(first.json()["job_id"])
            again = await send(after, "/generate-async", small(), key)
        assert again.json() == first.json()
        assert len(provider.orders) == 1

    async def test_fifty_at_once_at_two_processes_start_one_job(
        self, serve: Serve, client: Client, new_worker: WorkerFactory
    ) -> None:
        key = new_key()
        async with serve() as one, serve() as two, new_worker() as provider:
            answers = await asyncio.gather(
                *(send(api, "/generate-async", small(), key) for api in (one, two) * 25)
            )
            job = await one.completed(answers[0].json()["job_id"])
        assert {answer.status_code for answer in answers} == {202}
        assert len({answer.text for answer in answers}) == 1
        assert len(provider.orders) == 1
        assert job["result"]["images"][0]["seed"] == provider.orders[0].spec.seed
        assert (await started(client))["ImageJobWorkflow"] == 1

    async def test_of_fifty_bodies_with_one_key_exactly_one_wins(
        self, serve: Serve, client: Client
    ) -> None:
        key = new_key()
        async with serve() as one, serve() as two:
            answers = await asyncio.gather(
                *(
                    send(api, path, small(seed=seed), key)
                    for seed, (api, path) in enumerate(
                        ((one, "/generate-async"), (two, "/generate-async")) * 25
                    )
                )
            )
        statuses = Counter(answer.status_code for answer in answers)
        assert statuses == {202: 1, 422: 49}
        for answer in answers:
            if answer.status_code == 422:
                problem(answer, *REUSED)
        assert (await started(client))["ImageJobWorkflow"] == 1

    async def test_tenants_do_not_share_keys(self, serve: Serve) -> None:
        shared = new_key()
        keys = (key("ours", tenant="ours"), key("theirs", tenant="theirs"))
        async with (
            serve(api_keys=keys) as api,
            with_key(api, "ours") as ours,
            with_key(api, "theirs") as theirs,
        ):
            first = await send(ours, "/generate-async", small(seed=1), shared)
            second = await send(theirs, "/generate-async", small(seed=2), shared)
            again = await send(ours, "/generate-async", small(seed=1), shared)
            foreign = await theirs.get(f"/jobs/{first.json()['job_id']}")
        assert first.status_code == second.status_code == 202
        assert first.json()["job_id"] != second.json()["job_id"]
        assert again.json() == first.json()
        problem(foreign, 404, "job_not_found")

    async def test_it_is_answered_alike_after_the_engine_forgot(
        self, api: Caller, client: Client, forgetful: Forgetful, new_worker: WorkerFactory
    ) -> None:
        """Else a second job would write over the first one's record."""
        key = new_key()
        async with new_worker():
            first = await send(api, "/generate-async", small(seed=1), key)
            await client.get_workflow_handle(first.json()["job_id"]).result()
        async with forgetful() as other:
            again = await send(other, "/generate-async", small(seed=1), key)
            refused = await send(other, "/generate-async", small(seed=2), key)
        assert again.json() == first.json()
        problem(refused, *REUSED)


class TestGenerate:
    async def test_a_second_one_waits_for_the_firsts_image(
        self, serve: Serve, new_worker: WorkerFactory
    ) -> None:
        key, gate = new_key(), Gate()
        async with serve() as one, serve() as two, new_worker(FakeProvider(gate)) as provider:
            calls = [
                asyncio.create_task(send(api, "/generate", small(), key)) for api in (one, two)
            ]
            await gate.reached.wait()
            calls.append(asyncio.create_task(send(one, "/generate", small(), key)))
            gate.open()
            first, second, third = await asyncio.gather(*calls)
        assert first.status_code == second.status_code == third.status_code == 200
        assert first.json()["job_id"] == second.json()["job_id"]
        assert first.json()["images"][0]["sha256"] == second.json()["images"][0]["sha256"]
        assert third.json() == first.json()
        assert len(provider.orders) == 1

    async def test_a_failure_is_told_again(
        self, api: Caller, client: Client, new_worker: WorkerFactory
    ) -> None:
        async def refuse(order: Order, report: Report) -> None:
            raise ContentRejected("The prompt is against the rules.", provider="studio")

        key = new_key()
        async with new_worker(FakeProvider(refuse)) as provider:
            first = await send(api, "/generate", small(), key)
            again = await send(api, "/generate", small(), key)
        problem(first, 422, "content_rejected")
        assert again.json() == first.json()
        assert len(provider.orders) == 1

    async def test_a_stream_that_is_opened_again_shows_the_same_job(self, staffed: Caller) -> None:
        key, body = new_key(), small()
        last = []
        for _ in range(2):
            async with staffed.http.stream(
                "POST",
                f"{API}/generate/stream",
                json=body,
                headers={"Idempotency-Key": key},
            ) as answer:
                last.append([event async for event in events(answer)][-1].data)
        assert last[0]["stage"] == last[1]["stage"] == "completed"
        assert last[0]["job_id"] == last[1]["job_id"]
        problem(await send(staffed, "/generate-async", body, key), *REUSED)


class TestBatches:
    async def test_the_same_request_is_answered_alike_and_starts_one_batch(
        self, api: Caller, client: Client, new_worker: WorkerFactory
    ) -> None:
        key, body = new_key(), {"images": [small(), small()], "workflow": "final_only"}
        async with new_worker() as provider:
            first = await send(api, "/batch-generate", body, key)
            await client.get_workflow_handle(first.json()["batch_id"]).result()
            again = await send(api, "/batch-generate", body, key)
        assert first.status_code == again.status_code == 202
        assert again.json() == first.json()
        assert len(provider.orders) == 2

    async def test_fifty_at_once_at_two_processes_start_one_batch_of_one_manifest(
        self, serve: Serve, client: Client, store: ObjectStore, new_worker: WorkerFactory
    ) -> None:
        key, body = new_key(), {"images": [small()] * 3, "workflow": "final_only"}
        async with serve() as one, serve() as two, new_worker() as provider:
            answers = await asyncio.gather(
                *(send(api, "/batch-generate", body, key) for api in (one, two) * 25)
            )
            batch = answers[0].json()
            jobs = [await two.completed(job_id) for job_id in batch["job_ids"]]
        assert {answer.status_code for answer in answers} == {202}
        assert len({answer.text for answer in answers}) == 1
        assert len(provider.orders) == 3
        manifests = [
            name
            for name in await store.keys(f"records/batches/{batch['batch_id']}.")
            if name.endswith(".items.json")
        ]
        assert len(manifests) == 1
        planned = [request["spec"]["seed"] for request in json.loads(await store.get(manifests[0]))]
        assert [job["result"]["images"][0]["seed"] for job in jobs] == planned

    async def test_another_body_neither_starts_nor_changes_what_was_started(
        self, serve: Serve, client: Client
    ) -> None:
        key = new_key()
        async with serve() as one, serve() as two:
            answers = await asyncio.gather(
                *(
                    send(api, "/batch-generate", {"images": [small()] * images}, key)
                    for images, api in enumerate((one, two) * 10, start=1)
                )
            )
            accepted = [answer for answer in answers if answer.status_code == 202]
            for answer in answers:
                if answer.status_code != 202:
                    problem(answer, *REUSED)
            batch = await one.batch(accepted[0].json()["batch_id"])
            last = await two.job(accepted[0].json()["job_ids"][-1])
        assert len(accepted) == 1
        assert batch["total_images"] == accepted[0].json()["total_images"]
        assert last["status"] == "pending"
        assert (await started(client))["ImageBatchWorkflow"] == 1

    async def test_a_manifest_without_a_batch_does_not_stand_in_the_way(
        self, api: Caller, store: ObjectStore
    ) -> None:
        """What a process leaves that dies between the two."""
        key = new_key()
        batch_id = keyed_batch_id("default", key)
        await store.put(manifest_key(batch_id, "0a"), b"[]", "application/json")
        answer = await send(api, "/batch-generate", {"images": [small()]}, key)
        assert (await api.job(answer.json()["job_ids"][0]))["status"] == "pending"

    async def test_it_is_answered_alike_after_the_engine_forgot(
        self, api: Caller, client: Client, forgetful: Forgetful, new_worker: WorkerFactory
    ) -> None:
        key, body = new_key(), {"images": [small()], "workflow": "final_only"}
        async with new_worker():
            first = await send(api, "/batch-generate", body, key)
            await client.get_workflow_handle(first.json()["batch_id"]).result()
        async with forgetful() as other:
            again = await send(other, "/batch-generate", body, key)
            refused = await send(other, "/batch-generate", {"images": [small()] * 2}, key)
        assert again.json() == first.json()
        problem(refused, *REUSED)


class TestDecisions:
    async def test_approving_again_names_the_same_final(self, staffed: Caller) -> None:
        key, draft = new_key(), await staffed.draft()
        body = {"comment": "Lovely"}
        first = await send(staffed, f"/jobs/{draft}/approve", body, key)
        again = await send(staffed, f"/jobs/{draft}/approve", body, key)
        other = await send(staffed, f"/jobs/{draft}/approve", {"comment": "Fine"}, key)
        assert first.status_code == again.status_code == 202
        assert again.json() == first.json()
        problem(other, *REUSED)

    async def test_one_key_decides_one_draft(self, staffed: Caller) -> None:
        key = new_key()
        one, two = await staffed.draft(), await staffed.draft()
        assert (await send(staffed, f"/jobs/{one}/approve", None, key)).status_code == 202
        problem(await send(staffed, f"/jobs/{two}/approve", None, key), *REUSED)
        problem(await send(staffed, f"/jobs/{one}/reject", None, key), *REUSED)
        assert (await staffed.job(two))["review"]["state"] == "awaiting"

    async def test_the_key_of_a_submission_decides_nothing(self, staffed: Caller) -> None:
        key, draft = new_key(), await staffed.draft()
        await send(staffed, "/generate-async", small(), key)
        problem(await send(staffed, f"/jobs/{draft}/approve", None, key), *REUSED)
        used = new_key()
        await send(staffed, f"/jobs/{draft}/approve", None, used)
        problem(await send(staffed, "/generate-async", small(), used), *REUSED)
        problem(await send(staffed, "/batch-generate", {"images": [small()]}, used), *REUSED)

    async def test_rejecting_again_names_the_same_next_round(self, staffed: Caller) -> None:
        key, draft = new_key(), await staffed.draft()
        body = {"revise": {"prompt": "a lighthouse at noon"}}
        first = await send(staffed, f"/jobs/{draft}/reject", body, key)
        again = await send(staffed, f"/jobs/{draft}/reject", body, key)
        assert first.status_code == 202
        assert again.json() == first.json()

    async def test_ten_at_once_decide_once(self, staffed: Caller) -> None:
        key, draft = new_key(), await staffed.draft()
        answers = await asyncio.gather(
            *(
                send(staffed, f"/jobs/{draft}/approve", {"comment": str(number)}, key)
                for number in range(10)
            )
        )
        assert Counter(answer.status_code for answer in answers) == {202: 1, 422: 9}

    async def test_cancelling_again_is_no_error(self, door: Caller) -> None:
        key = new_key()
        batch = await door.create_batch({}, {})
        job_id = batch["job_ids"][1]
        first = await send(door, f"/jobs/{job_id}/cancel", None, key)
        assert first.status_code == 202, first.text
        again = await send(door, f"/jobs/{job_id}/cancel", None, key)
        assert again.status_code == 202, again.text

    async def test_cancelling_what_this_key_cancelled_shows_it_cancelled(
        self, api: Caller, new_worker: WorkerFactory
    ) -> None:
        key, gate = new_key(), Gate()
        async with new_worker(FakeProvider(gate)):
            job_id = await api.create()
            await gate.reached.wait()
            first = await send(api, f"/jobs/{job_id}/cancel", None, key)
            await api.ended(job_id)
            again = await send(api, f"/jobs/{job_id}/cancel", None, key)
            other = await send(api, f"/jobs/{job_id}/cancel", None, new_key())
        assert first.status_code == again.status_code == 202
        assert again.json()["error"]["code"] == "cancelled"
        problem(other, 409, "already_terminal")

    async def test_a_batch_tells_again_what_it_decided(self, staffed: Caller) -> None:
        key = new_key()
        batch = await staffed.create_batch({}, {})
        for job_id in batch["job_ids"]:
            await staffed.completed(job_id)
        path = f"/batches/{batch['batch_id']}/approve"
        first = await send(staffed, path, None, key)
        await staffed.completed(f"{batch['job_ids'][0]}-final")
        again = await send(staffed, path, None, key)
        assert first.json()["decided"] == 2
        assert again.json() == first.json()
        problem(await send(staffed, path, {"comment": "no"}, key), *REUSED)

    async def test_what_a_process_claimed_before_it_died_is_carried_out(
        self, serve: Serve, client: Client, new_worker: WorkerFactory
    ) -> None:
        """The claim comes first, so that whoever repeats the request finishes it."""
        key = new_key()
        async with serve() as api, new_worker():
            batch = await api.create_batch({}, {})
            for job_id in batch["job_ids"]:
                await api.completed(job_id)
            path = f"/batches/{batch['batch_id']}/approve"
            outcomes = [
                {"job_id": job_id, "outcome": "approved", "final_job_id": f"{job_id}-final"}
                for job_id in batch["job_ids"]
            ]
            request = Repeatable(key, fingerprint_of(api, path))
            await client.start_workflow(
                ClaimWorkflow.run,
                id=request.job_id("default"),
                **claim_options(Held(once=request.kept(answer=outcomes)), "default"),
            )
            answer = await send(api, path, None, key)
            draft = batch["job_ids"][1]
            await api.job_once(draft, lambda job: "final_job_id" in job, "it is approved")
            final = await api.completed(f"{draft}-final")
        assert answer.json()["decided"] == 2
        assert final["draft_job_id"] == batch["job_ids"][1]


class TestQuotes:
    async def test_a_quote_is_given_again_as_it_was(self, api: Caller, client: Client) -> None:
        key, body = new_key(), {"images": [small()] * 3}
        first = await send(api, "/quote", body, key)
        again = await send(api, "/quote", body, key)
        assert first.status_code == again.status_code == 200
        assert again.json() == first.json()
        problem(await send(api, "/quote", small(), key), *REUSED)
        assert await started(client) == {"ClaimWorkflow": 1}

    async def test_the_quote_of_a_thousand_images_can_be_kept(self, door: Caller) -> None:
        key, body = new_key(), {"images": [small(provider="stability_ai")] * 1000}
        first = await send(door, "/quote", body, key)
        again = await send(door, "/quote", body, key)
        assert len(again.json()["images"]) == 1000
        assert again.json() == first.json()


class TestEngineAway:
    async def test_submissions_are_refused_as_without_a_key(self, engineless: Caller) -> None:
        key = new_key()
        problem(await send(engineless, "/generate-async", small(), key), 500, "queue_unavailable")
        many = {"images": [small()]}
        problem(await send(engineless, "/batch-generate", many, key), 500, "queue_unavailable")

    async def test_nothing_is_rendered_that_could_not_be_known_again(
        self, engineless: Caller
    ) -> None:
        answer = await send(engineless, "/generate", small(), new_key())
        problem(answer, 500, "queue_unavailable")

    async def test_a_quote_with_a_key_cannot_be_given(self, engineless: Caller) -> None:
        answer = await send(engineless, "/quote", small(), new_key())
        problem(answer, 503, "status_unavailable")


class Losing(Interceptor):
    """Starts what it is asked to, and loses the answer the first time."""

    def __init__(self) -> None:
        self.lost = 0

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:  # noqa: A002
        return _LosingOutbound(next, self)


class _LosingOutbound(OutboundInterceptor):
    def __init__(self, next: OutboundInterceptor, losing: Losing) -> None:  # noqa: A002
        super().__init__(next)
        self._losing = losing

    async def start_workflow(self, input: StartWorkflowInput) -> WorkflowHandle[Any, Any]:  # noqa: A002
        handle = await super().start_workflow(input)
        if self._losing.lost == 0:
            self._losing.lost += 1
            raise RPCError("lost", RPCStatusCode.DEADLINE_EXCEEDED, b"")
        return handle


class Overtaken(Interceptor):
    """The same start came from elsewhere a moment before; the engine answers no look after that."""

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:  # noqa: A002
        return _OvertakenOutbound(next)


class _OvertakenOutbound(OutboundInterceptor):
    def __init__(self, next: OutboundInterceptor) -> None:  # noqa: A002
        super().__init__(next)
        self._is_away = False

    async def start_workflow(self, input: StartWorkflowInput) -> WorkflowHandle[Any, Any]:  # noqa: A002
        await super().start_workflow(input)
        self._is_away = True
        return await super().start_workflow(input)

    async def describe_workflow(self, input: DescribeWorkflowInput) -> Any:  # noqa: A002
        if self._is_away:
            raise RPCError("away", RPCStatusCode.UNAVAILABLE, b"")
        return await super().describe_workflow(input)


async def connected(client: Client, interceptor: Interceptor) -> Client:
    """Another way to the same engine, with something in between."""
    return await Client.connect(
        client.service_client.config.target_host,
        namespace=client.namespace,
        data_converter=pydantic_data_converter,
        interceptors=[interceptor],
    )


class TestUnknownOutcomes:
    @pytest.fixture
    def through(
        self, api: Caller, client: Client, store: ObjectStore, settings: Settings
    ) -> Callable[[Interceptor], Awaitable[Caller]]:
        """The API with something between it and the engine."""

        async def between(interceptor: Interceptor) -> Caller:
            return put_behind(api, await connected(client, interceptor), store, settings)

        return between

    @pytest.mark.parametrize(
        ("path", "body"),
        [("/generate-async", small()), ("/batch-generate", {"images": [small(), small()]})],
    )
    async def test_a_start_whose_answer_was_lost_is_found_by_who_sends_it_again(
        self,
        through: Callable[[Interceptor], Awaitable[Caller]],
        client: Client,
        path: str,
        body: Json,
    ) -> None:
        api, key = await through(Losing()), new_key()
        lost = await send(api, path, body, key)
        again = await send(api, path, body, key)
        problem(lost, 500, "queue_unavailable")
        assert "Send the same request again" in lost.json()["detail"]
        assert again.status_code == 202
        ids = again.json()
        workflow = client.get_workflow_handle(ids.get("batch_id") or ids["job_id"])
        assert (await workflow.describe()).status is WorkflowExecutionStatus.RUNNING

    @pytest.mark.parametrize(
        ("path", "body"),
        [
            ("/generate-async", small()),
            ("/batch-generate", {"images": [small()]}),
            ("/quote", small()),
        ],
    )
    async def test_what_cannot_be_compared_now_is_said_to_be_in_flight(
        self, through: Callable[[Interceptor], Awaitable[Caller]], path: str, body: Json
    ) -> None:
        api = await through(Overtaken())
        answer = await send(api, path, body, new_key())
        problem(answer, 409, "idempotency_in_flight")
        assert int(answer.headers["retry-after"]) > 0


def fingerprint_of(api: Caller, path: str) -> str:
    """Of a POST without a body."""
    scope = {
        "type": "http",
        "method": "POST",
        "scheme": "http",
        "path": f"{API}{path}",
        "query_string": b"",
        "headers": [(b"host", str(api.http.base_url.host).encode())],
    }
    return fingerprint(Request(scope), b"")
