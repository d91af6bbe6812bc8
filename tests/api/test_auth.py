"""Who is let in, and what a key may do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.types import Receive, Send
from starlette.types import Scope as Asgi
from temporalio.client import Client

from api.auth import STATE
from api.doorkeeper import Doorkeeper
from api.keyring import KeyRing
from cli import keys_file
from domain import names
from domain.keys import ApiKey, Scope
from settings import Settings
from tests.api.conftest import API, Caller, Serve, problem, small
from tests.api.keys import bearer, key, secret_of, with_key
from tests.conftest import WorkerFactory

FAR = "203.0.113.9"


@pytest.fixture
async def locked(serve: Serve) -> AsyncIterator[Caller]:
    """An API with a key of each scope, and one that may do all."""
    async with serve(
        api_keys=(
            *(key(str(scope), scope) for scope in Scope),
            key("slow", Scope.READ, requests_per_minute=2),
        )
    ) as api:
        yield api


class TestKeys:
    async def test_no_key_is_unauthenticated(self, locked: Caller) -> None:
        answer = await locked.get("/jobs/img_0")
        assert "X-API-Key" in problem(answer, 401, "unauthenticated")["detail"]
        assert answer.headers["www-authenticate"].startswith("Bearer")

    @pytest.mark.parametrize(
        "headers",
        [
            {"Authorization": "Bearer dk_unknown"},
            {"Authorization": "Bearer"},
            {"Authorization": f"Basic {secret_of('admin')}"},
            {"Authorization": secret_of("admin")},
            {"X-API-Key": "dk_unknown"},
            {"X-API-Key": ""},
            {"X-API-Key": secret_of("admin") + "x"},
            {"X-API-Key": "\xff\xfe"},
            {"Authorization": "Bearer " + "x" * 20_000},
        ],
    )
    async def test_a_key_that_is_not_known_is_unauthenticated(
        self, locked: Caller, headers: dict[str, str]
    ) -> None:
        sent = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
        answer = await locked.http.get(f"{API}/jobs/img_0", headers=sent)
        problem(answer, 401, "unauthenticated")

    @pytest.mark.parametrize(
        "headers",
        [
            bearer("read"),
            {"Authorization": f"bearer {secret_of('read')}"},
            {"X-API-Key": secret_of("read")},
            {"Authorization": "Basic cHJveHk6", "X-API-Key": secret_of("read")},
        ],
    )
    async def test_a_key_is_taken_either_way(self, locked: Caller, headers: dict[str, str]) -> None:
        problem(await locked.http.get(f"{API}/jobs/img_0", headers=headers), 404, "job_not_found")

    async def test_a_key_in_the_address_is_none(self, locked: Caller) -> None:
        secret = secret_of("admin")
        answer = await locked.http.get(f"{API}/costs?api_key={secret}&access_token={secret}")
        problem(answer, 401, "unauthenticated")

    async def test_who_is_not_let_in_has_no_body_read(self, locked: Caller) -> None:
        answer = await locked.http.post(f"{API}/generate-async", content=b"no json")
        problem(answer, 401, "unauthenticated")

    async def test_an_unknown_route_tells_strangers_nothing(self, locked: Caller) -> None:
        problem(await locked.http.get(f"{API}/nothing"), 401, "unauthenticated")
        known = await locked.http.get(f"{API}/nothing", headers=bearer("read"))
        problem(known, 404, "not_found")

    @pytest.mark.parametrize("path", ["/health", "/health/live", "/health/ready", "/openapi.json"])
    async def test_health_and_the_document_are_open(self, locked: Caller, path: str) -> None:
        assert (await locked.http.get(path)).status_code in (200, 503)

    async def test_an_image_loads_without_a_key(
        self, locked: Caller, new_worker: WorkerFactory
    ) -> None:
        async with new_worker(), with_key(locked, "admin") as admin:
            job = await admin.completed(await admin.create())
        image = await locked.http.get(job["result"]["images"][0]["url"])
        assert image.status_code == 200
        problem(await locked.http.get(f"{API}/files/../jobs/x"), 401, "unauthenticated")
        problem(await locked.http.get(f"{API}/files/%2e%2e/jobs/x"), 404, "file_not_found")

    async def test_a_key_that_is_revoked_is_refused_at_once(
        self, serve: Serve, settings: Settings
    ) -> None:
        keys_file.add(settings.keys_path, key("ada", Scope.READ))
        async with serve() as api, with_key(api, "ada") as ada:
            problem(await ada.get("/jobs/img_0"), 404, "job_not_found")
            keys_file.remove(settings.keys_path, "ada")
            problem(await ada.get("/jobs/img_0"), 401, "unauthenticated")
            problem(await api.get("/jobs/img_0"), 401, "unauthenticated")

    async def test_the_first_key_that_is_created_closes_the_door_at_once(
        self, serve: Serve, settings: Settings
    ) -> None:
        async with serve() as api:
            problem(await api.get("/jobs/img_0"), 404, "job_not_found")
            keys_file.add(settings.keys_path, key("ada", Scope.READ))
            problem(await api.get("/jobs/img_0"), 401, "unauthenticated")


class TestScopes:
    async def test_admin_is_every_scope(self, locked: Caller) -> None:
        async with with_key(locked, "admin") as admin:
            job_id = await admin.create()
            assert (await admin.get(f"/jobs/{job_id}")).status_code == 200
            problem(await admin.post(f"/jobs/{job_id}/approve"), 409, "not_reviewable")
            assert (await admin.delete(f"/jobs/{job_id}")).status_code == 202

    async def test_a_missing_scope_is_named(self, locked: Caller) -> None:
        answer = await locked.http.post(
            f"{API}/generate-async", json=small(), headers=bearer("read")
        )
        detail = problem(answer, 403, "forbidden")["detail"]
        assert "'read'" in detail
        assert "'generate'" in detail


class TestLimits:
    async def test_a_key_over_its_limit_is_told_when_to_come_again(self, locked: Caller) -> None:
        async with with_key(locked, "slow") as slow:
            statuses = [(await slow.get("/jobs/img_0")).status_code for _ in range(2)]
            refused = await slow.get("/jobs/img_0")
        assert statuses == [404, 404]
        problem(refused, 429, "too_many_requests")
        assert 1 <= int(refused.headers["retry-after"]) <= 30

    async def test_the_others_are_not_held_up_by_it(self, locked: Caller) -> None:
        async with with_key(locked, "slow") as slow, with_key(locked, "read") as other:
            for _ in range(3):
                await slow.get("/jobs/img_0")
            problem(await other.get("/jobs/img_0"), 404, "job_not_found")


class TestSignatures:
    """Decisions carry the name of the key that they were sent with."""

    @pytest.fixture
    async def desk(self, locked: Caller) -> AsyncIterator[Caller]:
        async with with_key(locked, "admin") as admin:
            yield admin

    @pytest.mark.parametrize("verb", ["approve", "reject"])
    async def test_a_review_tells_the_key_that_decided(
        self, desk: Caller, new_worker: WorkerFactory, verb: str
    ) -> None:
        async with new_worker():
            job_id = await desk.draft()
            said = {"reviewer": "Ada", "decided_by": "somebody else", "decidedBy": "x" * 999}
            answer = await desk.post(f"/jobs/{job_id}/{verb}", said)
            assert answer.status_code == 202, answer.text
            job = await desk.job_once(
                job_id, lambda job: job["review"]["state"] != "awaiting", "it is decided"
            )
        assert job["review"]["reviewer"] == "Ada"
        assert job["review"]["decided_by"] == "admin"

    async def test_a_batchs_decision_is_signed_on_every_image(
        self, desk: Caller, new_worker: WorkerFactory
    ) -> None:
        async with new_worker():
            batch = await desk.create_batch({}, {})
            for job_id in batch["job_ids"]:
                await desk.completed(job_id)
            await desk.batch_once(
                batch["batch_id"],
                lambda found: found["review_counts"] == {"awaiting": 2},
                "both await review",
            )
            await desk.post(f"/batches/{batch['batch_id']}/reject", {"comment": "no"})
            for job_id in batch["job_ids"]:
                job = await desk.job_once(
                    job_id, lambda job: job["review"]["state"] == "rejected", "it is rejected"
                )
                assert job["review"]["decided_by"] == "admin"

    async def test_without_keys_nobody_is_named(
        self, api: Caller, new_worker: WorkerFactory
    ) -> None:
        async with new_worker():
            job_id = await api.draft()
            await api.post(f"/jobs/{job_id}/reject", {"decided_by": "me"})
            job = await api.job_once(
                job_id, lambda job: job["review"]["state"] == "rejected", "it is rejected"
            )
        assert "decided_by" not in job["review"]

    async def test_a_cancellation_is_signed_in_the_engines_history(
        self, desk: Caller, client: Client
    ) -> None:
        job_id = await desk.create()
        assert (await desk.delete(f"/jobs/{job_id}")).status_code == 202
        history = await client.get_workflow_handle(job_id).fetch_history()
        asked = [e.workflow_execution_cancel_requested_event_attributes for e in history.events]
        assert "by the key 'admin'" in [each.cause for each in asked]

    async def test_a_job_is_its_tenants_in_the_engine(self, serve: Serve, client: Client) -> None:
        async with (
            serve(api_keys=(key("bot", tenant="news"),)) as api,
            with_key(api, "bot") as bot,
        ):
            job_id = await bot.create()
            batch_id = (await bot.create_batch({}))["batch_id"]
        for started in (job_id, batch_id):
            description = await client.get_workflow_handle(started).describe()
            assert description.typed_search_attributes.get(names.TENANT) == "news"


class TestWithoutKeys:
    """Only this machine is served, unless somebody insists."""

    async def test_this_machine_may_do_everything(self, door: Caller) -> None:
        await door.create()

    @pytest.mark.parametrize("host", ["pictures.example", "192.168.1.4:8000", "[fe80::1]", ""])
    async def test_a_name_that_is_not_this_machines_is_refused(
        self, door: Caller, host: str
    ) -> None:
        answer = await door.http.get(f"{API}/costs", headers={"Host": host})
        assert "darkroom keys create" in problem(answer, 403, "forbidden")["detail"]

    async def test_what_a_proxy_on_this_machine_passes_on_is_refused(self, door: Caller) -> None:
        answer = await door.http.get(f"{API}/costs", headers={"X-Forwarded-For": FAR})
        problem(answer, 403, "forbidden")

    async def test_whoever_comes_is_served_where_that_is_insisted_on(self, serve: Serve) -> None:
        async with serve(insecure=True) as api:
            answer = await api.http.get(
                f"{API}/costs", headers={"Host": "pictures.example", "X-Forwarded-For": FAR}
            )
        assert answer.status_code == 200

    async def test_health_is_told_to_everybody(self, door: Caller) -> None:
        answer = await door.http.get("/health", headers={"Host": "pictures.example"})
        assert answer.status_code == 200


class TestDoorkeeper:
    """At the level of ASGI, for addresses that a test cannot come from."""

    @pytest.mark.parametrize(
        ("server", "client"),
        [
            (("127.0.0.1", 8000), ("127.0.0.1", 50000)),
            (("::1", 8000), ("::1", 50000)),
            (("::ffff:127.0.0.1", 8000), ("::ffff:127.0.0.1", 50000)),
        ],
    )
    async def test_loopback_is_let_in_without_keys(
        self, tmp_path: Path, server: Any, client: Any
    ) -> None:
        assert await asked(tmp_path, server, client) == 200

    @pytest.mark.parametrize(
        ("server", "client"),
        [
            (("192.168.1.4", 8000), ("127.0.0.1", 50000)),
            (("127.0.0.1", 8000), (FAR, 50000)),
            (("0.0.0.0", 8000), ("127.0.0.1", 50000)),
            (("/run/darkroom.sock", None), None),
            (None, None),
        ],
    )
    async def test_nothing_else_is(self, tmp_path: Path, server: Any, client: Any) -> None:
        assert await asked(tmp_path, server, client) == 403
        assert await asked(tmp_path, server, client, insecure=True) == 200

    async def test_a_key_lets_in_from_anywhere(self, tmp_path: Path) -> None:
        ada = key("ada")
        far = (("192.168.1.4", 8000), (FAR, 50000))
        assert await asked(tmp_path, *far, keys=(ada,)) == 401
        assert await asked(tmp_path, *far, keys=(ada,), headers=bearer("ada")) == 200

    async def test_insisting_opens_nothing_where_there_are_keys(self, tmp_path: Path) -> None:
        here = (("127.0.0.1", 8000), ("127.0.0.1", 50000))
        assert await asked(tmp_path, *here, keys=(key("ada"),), insecure=True) == 401


async def asked(
    folder: Path,
    server: Any,
    client: Any,
    *,
    keys: tuple[ApiKey, ...] = (),
    insecure: bool = False,
    headers: dict[str, str] | None = None,
) -> int:
    """The status of a request between two addresses; 200 where it came through."""

    async def route(scope: Asgi, receive: Receive, send: Send) -> None:
        assert scope["state"][STATE].tenant == "default"
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body"})

    ring = KeyRing(folder / "darkroom.toml", folder / "keys.toml", keys)
    doorkeeper = Doorkeeper(route, ring, insecure=insecure)

    async def placed(scope: Asgi, receive: Receive, send: Send) -> None:
        await doorkeeper({**scope, "server": server, "client": client}, receive, send)

    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(placed), base_url="http://localhost"
    ) as http:
        return (await http.get(f"{API}/costs", headers=headers)).status_code
