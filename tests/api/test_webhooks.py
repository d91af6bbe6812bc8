"""What webhooks are told, from the request to the receiver, and what their log says of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr
from standardwebhooks import Webhook
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client

from domain.names import TASK_QUEUE, webhook_id
from domain.webhooks import Delivery, WebhookEvent
from settings import Settings
from tests.api.conftest import Caller, Json, Serve, api_settings, problem, small
from tests.conftest import WorkerFactory
from tests.fakes import FakeProvider, Gate
from tests.receivers import SECRET, Receiver, receiving, secret
from tests.waiting import eventually
from workflows.webhook import WebhookWorkflow

TENANTS_SECRET = secret(b"of the tenant, not of all")


@pytest.fixture
def settings(
    tmp_path: Path, store_url: str, client: Client, monkeypatch: pytest.MonkeyPatch
) -> Settings:
    monkeypatch.setenv("TENANTS_SECRET", TENANTS_SECRET)
    return api_settings(
        tmp_path / "darkroom.toml",
        store_url,
        client.namespace,
        webhook_secret=SecretStr(SECRET),
        webhook_allow_hosts="127.0.0.1",
    )


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


async def log(api: Caller, path: str, *states: str) -> list[Json]:
    """The deliveries of a job or batch, once they have these states, the newest first."""

    async def look() -> list[Json] | None:
        answer = await api.get(f"{path}/webhooks")
        if answer.status_code == 503:  # A busy engine; asked again, as callers would.
            return None
        assert answer.status_code == 200, answer.text
        found: list[Json] = answer.json()["deliveries"]
        return found if tuple(each["state"] for each in found) == states else None

    return await eventually(look, f"the deliveries are {states}")


async def events_of(client: Client, job_id: str) -> list[str]:
    """The kinds of events in a job's history, but for the turns that workers took at it."""
    history = await client.get_workflow_handle(job_id).fetch_history()
    kinds = (EventType.Name(event.event_type) for event in history.events)
    return [kind for kind in kinds if "WORKFLOW_TASK" not in kind]


class TestEvents:
    async def test_every_decision_is_told_and_signed(
        self, api: Caller, new_worker: WorkerFactory, receiver: Receiver
    ) -> None:
        async with new_worker():
            draft_id = await api.draft(webhook_url=receiver.url)
            assert await receiver.hears(1) == ["draft.awaiting_review"]
            await api.post(f"/jobs/{draft_id}/approve")
            told = await receiver.hears(3)
        assert sorted(told) == ["draft.approved", "draft.awaiting_review", "job.completed"]
        first = Webhook(SECRET).verify(receiver.bodies[0], receiver.headers())
        assert first["data"]["job_id"] == draft_id
        assert len({receiver.headers(place)["webhook-id"] for place in range(3)}) == 3

    async def test_the_data_is_what_a_get_answers(
        self, api: Caller, new_worker: WorkerFactory, receiver: Receiver
    ) -> None:
        async with new_worker():
            job_id = await api.create(webhook_url=receiver.url, tags=["cover"])
            assert await receiver.hears(1) == ["job.completed"]
            assert receiver.told[0]["data"] == await api.completed(job_id)

    async def test_only_what_was_asked_for_is_told(
        self, api: Caller, new_worker: WorkerFactory, receiver: Receiver
    ) -> None:
        async with new_worker():
            asked = {"webhook_url": receiver.url, "webhookEvents": ["draft.rejected"]}
            draft_id = await api.draft(**asked)
            await api.post(f"/jobs/{draft_id}/reject", {"comment": "too dark"})
            assert await receiver.hears(1) == ["draft.rejected"]
            assert receiver.told[0]["data"]["review"]["comment"] == "too dark"
            assert len(await log(api, f"/jobs/{draft_id}", "delivered")) == 1

    async def test_a_start_is_told_when_a_provider_begins_and_not_before(
        self, api: Caller, new_worker: WorkerFactory, receiver: Receiver, client: Client
    ) -> None:
        gate = Gate()
        async with new_worker(FakeProvider(gate)):
            events = ["job.started", "job.completed"]
            job_id = await api.create(webhook_url=receiver.url, webhook_events=events)
            assert await receiver.hears(1) == ["job.started"]
            assert receiver.told[0]["data"]["status"] == "processing"
            gate.open()
            assert await receiver.hears(2) == events
            await log(api, f"/jobs/{job_id}", "delivered", "delivered")

    async def test_a_start_costs_the_jobs_history_nothing(
        self, api: Caller, new_worker: WorkerFactory, receiver: Receiver, client: Client
    ) -> None:
        async with new_worker():
            asked = {"webhook_url": receiver.url, "webhook_events": ["job.started"]}
            told, plain = await api.create(**asked), await api.create()
            await api.completed(told)
            await api.completed(plain)
            await receiver.hears(1)
        assert await events_of(client, told) == await events_of(client, plain)

    async def test_a_failure_is_told_with_its_reason(
        self, api: Caller, new_worker: WorkerFactory, receiver: Receiver
    ) -> None:
        job_id = await api.create(webhook_url=receiver.url)
        await api.delete(f"/jobs/{job_id}")
        async with new_worker():
            assert await receiver.hears(1) == ["job.failed"]
        assert receiver.told[0]["data"]["error"]["code"] == "cancelled"

    async def test_links_lead_where_the_request_came_to(
        self, api: Caller, new_worker: WorkerFactory, receiver: Receiver
    ) -> None:
        async with new_worker():
            job_id = await api.create(webhook_url=receiver.url)
            await receiver.hears(1)
        data = receiver.told[0]["data"]
        here = str(api.http.base_url).rstrip("/")
        assert data["links"]["self"] == f"{here}/api/v1/images/jobs/{job_id}"
        assert data["result"]["images"][0]["url"].startswith(here)


class TestBatches:
    async def test_a_batch_is_told_once_it_is_settled(
        self, api: Caller, new_worker: WorkerFactory, receiver: Receiver
    ) -> None:
        async with new_worker():
            batch = await api.create_batch({}, {}, workflow="final_only", webhook_url=receiver.url)
            assert await receiver.hears(1) == ["batch.completed"]
            [entry] = await log(api, f"/batches/{batch['batch_id']}", "delivered")
        told = receiver.told[0]["data"]
        assert told["batch_id"] == batch["batch_id"]
        assert told["total_images"] == 2
        assert told["counts"] == {"completed": 2}
        assert "jobs" not in told
        assert entry["event"] == "batch.completed"

    async def test_events_of_jobs_are_told_of_each_image_that_names_no_webhook(
        self, api: Caller, new_worker: WorkerFactory, receiver: Receiver
    ) -> None:
        async with new_worker(), receiving() as other:
            await api.create_batch(
                {},
                {"webhook_url": other.url},
                workflow="final_only",
                webhook_url=receiver.url,
                webhook_events=["job.completed", "batch.completed"],
            )
            assert sorted(await receiver.hears(2)) == ["batch.completed", "job.completed"]
            assert await other.hears(1) == ["job.completed"]


class TestTenants:
    @pytest.fixture
    def settings(self, settings: Settings, receiver: Receiver) -> Settings:
        settings.config.write_text(
            f'[[webhooks]]\nurl = "{receiver.url}"\nevents = ["job.completed"]\n'
            'secret_env = "TENANTS_SECRET"\n'
        )
        return settings

    async def test_it_hears_of_every_job_signed_with_its_own_secret(
        self, api: Caller, new_worker: WorkerFactory, receiver: Receiver
    ) -> None:
        async with new_worker(), receiving() as own:
            job_id = await api.create(webhook_url=own.url)
            assert await receiver.hears(1) == ["job.completed"]
            assert await own.hears(1) == ["job.completed"]
            ids = {
                each["delivery_id"]
                for each in await log(api, f"/jobs/{job_id}", "delivered", "delivered")
            }
        assert ids == {f"{job_id}.job.completed", f"{job_id}.job.completed.1"}
        Webhook(TENANTS_SECRET).verify(receiver.bodies[0], receiver.headers())
        Webhook(SECRET).verify(own.bodies[0], own.headers())

    async def test_one_that_is_named_by_the_request_too_is_told_once(
        self, api: Caller, new_worker: WorkerFactory, receiver: Receiver
    ) -> None:
        async with new_worker():
            job_id = await api.create(webhook_url=receiver.url)
            [entry] = await log(api, f"/jobs/{job_id}", "delivered")
        assert entry["delivery_id"] == f"{job_id}.job.completed"


class TestPatience:
    async def test_a_receiver_that_is_away_does_not_hold_the_job_back(
        self, api: Caller, new_worker: WorkerFactory
    ) -> None:
        async with receiving() as receiver:
            gone = receiver.url
        async with new_worker():
            await api.completed(await api.create(webhook_url=gone))

    async def test_a_hundred_deliveries_that_hang_delay_no_job_and_no_other_receiver(
        self, api: Caller, new_worker: WorkerFactory, client: Client, receiver: Receiver
    ) -> None:
        async with receiving("hang") as hanging, new_worker():
            for number in range(100):
                await start_delivery(client, f"img_{number:x}", hanging.url)

            async def look() -> bool:
                return hanging.hanging >= 50

            await eventually(look, "the receiver lets us wait")
            await api.completed(await api.create(webhook_url=receiver.url))
            assert await receiver.hears(1) == ["job.completed"]
            assert not hanging.let_go.is_set()


async def start_delivery(client: Client, job_id: str, url: str) -> None:
    delivery = Delivery(
        subject_id=job_id, event=WebhookEvent.JOB_COMPLETED, happened_at=datetime.now(UTC), url=url
    )
    await client.start_workflow(
        WebhookWorkflow.run, delivery, id=webhook_id(delivery.id), task_queue=TASK_QUEUE
    )


class TestLog:
    async def test_a_delivery_that_is_tried_again_tells_why_and_when(
        self, api: Caller, new_worker: WorkerFactory
    ) -> None:
        async with receiving("302 Found") as receiver, new_worker():
            job_id = await api.create(webhook_url=receiver.url)
            await receiver.hears(1)

            async def look() -> Json | None:
                [entry] = await log(api, f"/jobs/{job_id}", "pending")
                return entry if "last_error" in entry and "next_attempt_at" in entry else None

            entry = await eventually(look, "the first attempt is told")
        assert entry["event"] == "job.completed"
        assert entry["message_id"] == f"{job_id}.job.completed"
        assert entry["url"] == receiver.url.partition("?")[0]
        assert entry["attempts"] == 1
        assert entry["last_status"] == 302
        assert "redirects are not followed" in entry["last_error"]
        next_attempt = datetime.fromisoformat(entry["next_attempt_at"])
        pause = next_attempt - datetime.fromisoformat(entry["last_attempt_at"])
        assert timedelta(seconds=4) < pause < timedelta(seconds=60)
        assert "delivered_at" not in entry

    async def test_a_delivery_that_arrived_tells_when(
        self, api: Caller, new_worker: WorkerFactory
    ) -> None:
        answers = ("503 Busy", "204 Thanks")
        async with receiving(*answers, headers="Retry-After: 1\r\n") as receiver, new_worker():
            job_id = await api.create(webhook_url=receiver.url)
            [entry] = await log(api, f"/jobs/{job_id}", "delivered")
        assert (entry["attempts"], entry["last_status"]) == (2, 204)
        assert entry["delivered_at"] >= entry["happened_at"]
        assert "last_error" not in entry

    async def test_a_receiver_that_is_gone_is_tried_no_more(
        self, api: Caller, new_worker: WorkerFactory
    ) -> None:
        async with receiving("410 Gone") as receiver, new_worker():
            job_id = await api.create(webhook_url=receiver.url)
            [entry] = await log(api, f"/jobs/{job_id}", "failed")
        assert (entry["attempts"], entry["last_status"]) == (1, 410)
        assert len(receiver.bodies) == 1

    async def test_a_job_that_nobody_is_told_of_has_none(
        self, api: Caller, new_worker: WorkerFactory
    ) -> None:
        async with new_worker():
            job_id = await api.create()
            await api.completed(job_id)
            answer = await api.get(f"/jobs/{job_id}/webhooks")
        assert answer.json() == {"deliveries": []}

    async def test_what_does_not_exist_is_not_found(self, door: Caller) -> None:
        problem(await door.get("/jobs/img_0/webhooks"), 404, "job_not_found")
        problem(await door.get("/batches/bat_0/webhooks"), 404, "batch_not_found")
        path = "/webhooks/img_0.job.completed/redeliver"
        problem(await door.post(f"/jobs/img_0{path}"), 404, "job_not_found")
        problem(await door.post(f"/batches/bat_0{path}"), 404, "batch_not_found")


class TestRedeliver:
    async def test_a_message_that_arrived_is_sent_again_under_its_own_id(
        self, api: Caller, new_worker: WorkerFactory, receiver: Receiver
    ) -> None:
        async with new_worker():
            job_id = await api.create(webhook_url=receiver.url)
            [first] = await log(api, f"/jobs/{job_id}", "delivered")
            path = f"/jobs/{job_id}/webhooks/{first['delivery_id']}/redeliver"
            answer = await api.post(path)
            assert answer.status_code == 202, answer.text
            again, _ = await log(api, f"/jobs/{job_id}", "delivered", "delivered")
        assert again["delivery_id"] == answer.json()["delivery_id"] != first["delivery_id"]
        ids = {receiver.headers(place)["webhook-id"] for place in range(2)}
        assert ids == {f"{job_id}.job.completed"}

    async def test_it_takes_the_place_of_one_that_is_still_being_tried(
        self, api: Caller, new_worker: WorkerFactory
    ) -> None:
        async with receiving("503 Busy", "200 OK") as receiver, new_worker():
            job_id = await api.create(webhook_url=receiver.url)
            await receiver.hears(1)
            [first] = await log(api, f"/jobs/{job_id}", "pending")
            await api.post(f"/jobs/{job_id}/webhooks/{first['delivery_id']}/redeliver")
            again, _ = await log(api, f"/jobs/{job_id}", "delivered", "cancelled")
        assert again["attempts"] == 1
        assert len(receiver.bodies) == 2

    async def test_the_same_key_sends_it_again_once(
        self, api: Caller, new_worker: WorkerFactory, receiver: Receiver
    ) -> None:
        async with new_worker():
            job_id = await api.create(webhook_url=receiver.url)
            [first] = await log(api, f"/jobs/{job_id}", "delivered")
            path = f"/api/v1/images/jobs/{job_id}/webhooks/{first['delivery_id']}/redeliver"
            key = {"Idempotency-Key": "once"}
            answers = [(await api.http.post(path, headers=key)).json() for _ in range(3)]
            await log(api, f"/jobs/{job_id}", "delivered", "delivered")
        assert len({answer["delivery_id"] for answer in answers}) == 1
        assert len(receiver.bodies) == 2

    async def test_a_batchs_message_is_sent_again_too(
        self, api: Caller, new_worker: WorkerFactory, receiver: Receiver
    ) -> None:
        async with new_worker():
            batch = await api.create_batch({}, workflow="final_only", webhook_url=receiver.url)
            path = f"/batches/{batch['batch_id']}"
            [first] = await log(api, path, "delivered")
            await api.post(f"{path}/webhooks/{first['delivery_id']}/redeliver")
            assert await receiver.hears(2) == ["batch.completed"] * 2

    async def test_a_delivery_of_another_job_or_of_none_is_not_found(
        self, api: Caller, new_worker: WorkerFactory, receiver: Receiver
    ) -> None:
        async with new_worker():
            job_id = await api.create(webhook_url=receiver.url)
            await log(api, f"/jobs/{job_id}", "delivered")
            other = await api.create()
            for delivery_id in (f"{job_id}.job.completed", f"{other}.job.completed", other):
                answer = await api.post(f"/jobs/{other}/webhooks/{delivery_id}/redeliver")
                problem(answer, 404, "delivery_not_found")


class TestTest:
    async def test_the_receivers_answer_is_told(self, api: Caller, receiver: Receiver) -> None:
        answer = await api.post("/webhooks/test", {"url": receiver.url})
        assert answer.status_code == 200, answer.text
        url = receiver.url.partition("?")[0]
        assert answer.json() == {
            "event": "webhook.test",
            "receivers": [{"url": url, "delivered": True, "status": 200}],
        }
        told = Webhook(SECRET).verify(receiver.bodies[0], receiver.headers())
        assert told["type"] == "webhook.test"

    async def test_a_redirect_and_silence_are_told_as_what_they_are(self, api: Caller) -> None:
        async with receiving("307 Elsewhere") as receiver:
            answer = await api.post("/webhooks/test", {"url": receiver.url})
        [redirected] = answer.json()["receivers"]
        assert (redirected["delivered"], redirected["status"]) == (False, 307)
        assert "redirects" in redirected["error"]
        [away] = (await api.post("/webhooks/test", {"url": receiver.url})).json()["receivers"]
        assert away["delivered"] is False
        assert "cannot be reached" in away["error"]

    async def test_without_an_address_all_of_the_tenants_are_told(
        self, serve: Serve, settings: Settings, receiver: Receiver
    ) -> None:
        settings.config.write_text(
            f'[[webhooks]]\nurl = "{receiver.url}"\nsecret_env = "TENANTS_SECRET"\n'
        )
        async with serve() as api:
            answer = await api.post("/webhooks/test")
        assert answer.json()["receivers"][0]["delivered"] is True
        Webhook(TENANTS_SECRET).verify(receiver.bodies[0], receiver.headers())

    async def test_without_anybody_to_tell_it_is_refused(self, api: Caller) -> None:
        body = problem(await api.post("/webhooks/test"), 422, "invalid_request")
        assert body["errors"][0]["field"] == "url"

    async def test_the_same_key_gives_the_same_answer(
        self, api: Caller, receiver: Receiver
    ) -> None:
        path, key = "/api/v1/images/webhooks/test", {"Idempotency-Key": "try"}
        body = {"url": receiver.url}
        answers = [(await api.http.post(path, json=body, headers=key)).json() for _ in range(2)]
        assert answers[0] == answers[1]
        assert len(receiver.bodies) == 1


class TestRefusals:
    @pytest.mark.parametrize(
        ("url", "said"),
        [
            ("http://10.0.0.1/hook", "private"),
            ("http://[::1]/hook", "private"),
            ("http://localhost/hook", "private"),
            ("http://2130706434/hook", "private"),
            ("http://169.254.169.254/latest", "private"),
            ("https://ann:word@example.com/hook", "credentials"),  # pragma: allowlist secret
            ("https://example.com/" + "x" * 2000, "2000"),
            ("ftp://example.com/hook", "scheme"),
        ],
    )
    async def test_an_address_that_can_never_be_told_is_refused_at_once(
        self, api: Caller, url: str, said: str
    ) -> None:
        requests = [
            ("/generate-async", small(webhook_url=url), "webhook_url"),
            ("/generate", small(webhook_url=url), "webhook_url"),
            ("/batch-generate", {"images": [small()], "webhook_url": url}, "webhook_url"),
            ("/batch-generate", {"images": [small(webhook_url=url)]}, "images.0.webhook_url"),
            ("/webhooks/test", {"url": url}, "url"),
        ]
        for path, body, field in requests:
            refused = problem(await api.post(path, body), 422, "invalid_request")
            assert refused["errors"][0]["field"] == field
            assert said in refused["errors"][0]["message"]

    async def test_an_event_that_does_not_exist_is_refused(self, api: Caller) -> None:
        for events in (["job.vanished"], [], "job.completed"):
            body = small(webhook_url="https://example.com", webhook_events=events)
            refused = problem(await api.post("/generate-async", body), 422, "invalid_request")
            assert refused["errors"][0]["field"].startswith("webhook_events")
