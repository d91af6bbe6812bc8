"""What Temporal's own tools ask to read encrypted payloads."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator

import pytest
from google.protobuf import json_format
from temporalio.api.common.v1 import Payload, Payloads

from domain.keys import Scope
from encryption import Cipher
from settings import Settings
from tests.api.conftest import Caller, Serve, problem
from tests.api.keys import key, with_key

KEY = b"k" * 32
CODEC = "/api/v1/codec"
CLEAR = Payload(metadata={"encoding": b"json/plain"}, data=b'"a lighthouse"')


@pytest.fixture
def settings(settings: Settings) -> Settings:
    keys = (key("desk", Scope.DECODE), key("reader", Scope.READ), key("root", Scope.ADMIN))
    return Settings.model_validate(
        {
            **settings.model_dump(),
            "encryption_key": base64.b64encode(KEY).decode(),
            "api_keys": keys,
        }
    )


@pytest.fixture
async def desk(serve: Serve) -> AsyncIterator[Caller]:
    async with serve() as api, with_key(api, "desk") as caller:
        yield caller


async def asked(caller: Caller, verb: str, *payloads: Payload) -> list[Payload]:
    """As the `temporal` command asks: Temporal's JSON both ways."""
    body = json_format.MessageToJson(Payloads(payloads=payloads))
    answer = await caller.http.post(
        f"{CODEC}/{verb}",
        content=body,
        headers={"Content-Type": "application/json", "X-Namespace": "default"},
    )
    assert answer.status_code == 200, answer.text
    return list(json_format.Parse(answer.text, Payloads()).payloads)


async def test_sealed_payloads_are_opened_and_others_left_as_they_are(desk: Caller) -> None:
    [sealed] = await Cipher([KEY]).encode([CLEAR])
    assert await asked(desk, "decode", sealed, CLEAR) == [CLEAR, CLEAR]


async def test_what_a_tool_encodes_we_read(desk: Caller) -> None:
    [sealed] = await asked(desk, "encode", CLEAR)
    assert sealed != CLEAR
    assert await Cipher([KEY]).decode([sealed]) == [CLEAR]


async def test_it_takes_a_scope_of_its_own(desk: Caller) -> None:
    body: dict[str, list[object]] = {"payloads": []}
    async with with_key(desk, "reader") as reader, with_key(desk, "root") as root:
        problem(await reader.http.post(f"{CODEC}/decode", json=body), 403, "forbidden")
        assert (await root.http.post(f"{CODEC}/decode", json=body)).json() == body


@pytest.mark.parametrize(
    "body",
    [
        {"payloads": [{"data": "not base64!"}]},
        {"payloads": [{"metadata": {"encoding": "YmluYXJ5L2VuY3J5cHRlZA=="}, "data": "AAAA"}]},
        {},
    ],
)
async def test_what_cannot_be_opened_is_refused(desk: Caller, body: object) -> None:
    answer = await desk.http.post(f"{CODEC}/decode", json=body)
    problem(answer, 422, "invalid_request")


async def test_without_a_key_all_is_in_the_clear_already(door: Caller) -> None:
    assert await asked(door, "decode", CLEAR) == [CLEAR]
