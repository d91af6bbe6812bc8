"""Two tenants attack each other, strangers and half-keys try every route of the OpenAPI document.

A route that is added is attacked too; one with a parameter that is not known here fails until it is
said what of the victim it could name.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from domain.keys import Scope
from tests.api.conftest import API, DOCUMENT, PROMPT, Caller, Json, manned, problem
from tests.api.keys import bearer, key
from tests.receivers import SECRET

VICTIM, ATTACKER = "victim", "attacker"
BLOG = "travel-42"
OPEN = {
    f"{API}/files/{{key}}": "a browser's <img> sends no header, and keys cannot be guessed",
    "/health": "load balancers ask it",
    "/health/live": "load balancers ask it",
    "/health/ready": "load balancers ask it",
}
OPERATIONS = [
    (method, path, operation)
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
]
CLOSED = [
    pytest.param(method, path, operation, id=f"{method} {path.removeprefix(API)}")
    for method, path, operation in OPERATIONS
    if path not in OPEN
]


@dataclass(frozen=True)
class Victim:
    """A tenant with something of everything."""

    own: Caller
    """Who sends the victim's key, unless a header says otherwise."""
    job_id: str
    draft_id: str
    batch_id: str

    @property
    def parameters(self) -> dict[str, str]:
        """What an attacker could put into a path."""
        return {"job_id": self.draft_id, "batch_id": self.batch_id, "blog_id": BLOG}

    @property
    def traces(self) -> list[str]:
        """What no answer to anybody else may hold, unless they said it themselves."""
        return [self.job_id, self.draft_id, self.batch_id, BLOG, VICTIM]

    async def everything(self) -> list[Json]:
        """All that the victim sees of their own."""
        return [
            await self.own.job(self.job_id),
            await self.own.job(self.draft_id),
            await self.own.job(f"{self.batch_id}-0"),
            await self.own.batch(self.batch_id),
        ]


@pytest.fixture(scope="module")
async def shared(
    engine_address: str, namespaces: Iterator[str], store_url: str, home: Path
) -> AsyncIterator[Caller]:
    """One API with workers for two tenants, with keys of each scope besides."""
    async with manned(
        engine_address,
        next(namespaces),
        store_url,
        home,
        webhook_secret=SecretStr(SECRET),
        api_keys=(
            *(key(tenant, tenant=tenant) for tenant in (VICTIM, ATTACKER)),
            *(key(f"not-{scope}", *(set(Scope) - {scope, Scope.ADMIN})) for scope in Scope),
        ),
    ) as caller:
        yield caller


@pytest.fixture(scope="module")
async def victim(shared: Caller) -> AsyncIterator[Victim]:
    """What the attacks are about, made once."""
    async with httpx.AsyncClient(
        base_url=shared.http.base_url, trust_env=False, timeout=30, headers=bearer(VICTIM)
    ) as http:
        own = Caller(http, shared.app)
        job_id = await own.create(blog_id=BLOG, tags=[VICTIM])
        await own.completed(job_id)
        draft_id = await own.draft(blog_id=BLOG)
        batch = await own.create_batch({}, blog_id=BLOG)
        await own.batch_once(
            batch["batch_id"],
            lambda found: found["review_counts"] == {"awaiting": 1},
            "its draft awaits review",
        )
        yield Victim(own, job_id, draft_id, batch["batch_id"])


def test_what_is_open_is_known_and_nothing_else_is() -> None:
    unguarded = {path for _, path, operation in OPERATIONS if "security" not in operation}
    assert unguarded == set(OPEN)


@pytest.mark.parametrize(("method", "path", "operation"), CLOSED)
async def test_a_stranger_is_let_in_nowhere(
    shared: Caller, method: str, path: str, operation: Json
) -> None:
    answer = await shared.http.request(method, filled(path, {}), json=body())
    problem(answer, 401, "unauthenticated")


@pytest.mark.parametrize(
    ("method", "path", "operation"),
    [each for each in CLOSED if each.id != "get /caller"],  # any key may ask whose it is
)
async def test_a_key_without_the_scope_is_forbidden_and_told_which(
    shared: Caller, method: str, path: str, operation: Json
) -> None:
    [scope] = operation["security"][0]["Bearer"]
    answer = await shared.http.request(
        method, filled(path, {}), json=body(), headers=bearer(f"not-{scope}")
    )
    assert f"'{scope}'" in problem(answer, 403, "forbidden")["detail"]


@pytest.mark.parametrize(("method", "path", "operation"), CLOSED)
async def test_another_tenant_finds_and_changes_nothing(
    victim: Victim, method: str, path: str, operation: Json
) -> None:
    before = await victim.everything()
    answer = await victim.own.http.request(
        method,
        filled(path, victim.parameters),
        json=body(victim),
        headers=bearer(ATTACKER),
    )
    assert answer.status_code in declared(operation), answer.text
    if "_id}" in path and "{blog_id}" not in path:
        assert answer.status_code == 404, answer.text
    given = filled(path, victim.parameters)
    told = [trace for trace in victim.traces if trace in answer.text and trace not in given]
    assert not told, answer.text
    assert await victim.everything() == before


async def test_what_follows_a_draft_is_its_tenants(victim: Victim) -> None:
    approved, rejected = await victim.own.draft(), await victim.own.draft()
    final = await victim.own.post(f"/jobs/{approved}/approve")
    revised = await victim.own.post(f"/jobs/{rejected}/reject", {"revise": {"seed": 1}})
    followers = [final.json()["final_job_id"], revised.json()["revision_job_id"]]
    for job_id in followers:
        await victim.own.completed(job_id)
        answer = await victim.own.http.get(f"{API}/jobs/{job_id}", headers=bearer(ATTACKER))
        problem(answer, 404, "job_not_found")


async def test_an_image_of_a_batch_that_has_not_started_is_its_tenants(victim: Victim) -> None:
    batch = await victim.own.create_batch(*[{}] * 30, max_concurrency=1)
    for job_id in (batch["job_ids"][0], batch["job_ids"][-1]):
        assert (await victim.own.get(f"/jobs/{job_id}")).status_code == 200
        answer = await victim.own.http.get(f"{API}/jobs/{job_id}", headers=bearer(ATTACKER))
        problem(answer, 404, "job_not_found")


async def test_the_same_idempotency_key_of_two_tenants_is_two_keys(victim: Victim) -> None:
    same, path = {"Idempotency-Key": "the-same"}, f"{API}/generate-async"
    own = await victim.own.http.post(path, json=body(), headers=same)
    other = await victim.own.http.post(path, json=body(), headers=same | bearer(ATTACKER))
    assert own.json()["job_id"] != other.json()["job_id"]
    answer = await victim.own.get(f"/jobs/{other.json()['job_id']}")
    problem(answer, 404, "job_not_found")


def filled(path: str, parameters: dict[str, str]) -> str:
    """The path with what could be known of the victim; with ids of nothing where that is empty."""
    for name in parameter_names(path):
        assert name in KNOWN, f"say here what `{name}` is of the victim's"
        path = path.replace(f"{{{name}}}", parameters.get(name, KNOWN[name]))
    return path


KNOWN = {"job_id": "img_0", "batch_id": "bat_0", "blog_id": "blog-0", "delivery_id": "whd_0"}


def parameter_names(path: str) -> list[str]:
    return [part.strip("{}") for part in path.split("/") if part.startswith("{")]


def body(victim: Victim | None = None) -> Json:
    """A body that every route takes: what is not its own is ignored."""
    made: dict[str, Any] = {"prompt": PROMPT, "width": 64, "height": 64}
    made["images"] = [{"prompt": PROMPT, "width": 64, "height": 64}]
    made["url"] = "https://receiver.example/hook"
    if victim is not None:
        made["job_ids"] = [victim.draft_id, f"{victim.batch_id}-0"]
        made["source_job_id"] = victim.job_id
    return made


def declared(operation: Json) -> set[int]:
    return {int(status) for status in operation["responses"] if int(status) < 500}
