"""Requests that are made to hurt are refused like any other, and hurt nobody."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.api.conftest import API, PROMPT, Caller, problem

JSON = {"Content-Type": "application/json"}
POSTS = ("generate-async", "batch-generate", "generate", "quote")
HURTFUL: dict[str, str] = {
    "nested-lists": "[" * 100_000,
    "nested-objects": '{"a":' * 100_000,
    "nested-and-closed": '{"prompt":' + "[" * 20_000 + "]" * 20_000 + "}",
    "just-deep-enough": '{"prompt":' + "[" * 900 + "]" * 900 + "}",
    "nested-metadata": '{"prompt":"abc","metadata":' + '{"a":' * 900 + "1" + "}" * 901,
    "endless-integer": '{"prompt":"abc","seed":' + "9" * 1_000_000 + "}",
    "long-integer": '{"prompt":"abc","seed":' + "9" * 4_000 + "}",
    "endless-exponent": '{"prompt":"abc","width":1e999999999,"height":64}',
    "huge-prompt": '{"prompt":"' + "x" * 10_000_000 + '"}',
    "many-tags": '{"prompt":"abc","tags":[' + ",".join(['"t"'] * 500_000) + "]}",
    "many-metadata": json.dumps({"prompt": "abc", "metadata": {str(n): n for n in range(100_000)}}),
    "many-images": '{"prompt":7,"images":[' + ",".join(["{}"] * 500_000) + "]}",
    "many-wrong-images": '{"prompt":7,"images":[' + ",".join(['{"seed":"x"}'] * 1000) + "]}",
    "half-a-pair": '{"prompt":"half a pair \\ud800","images":[{"prompt":"half a pair \\udfff"}]}',
}


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize("content", HURTFUL.values(), ids=HURTFUL)
async def test_a_hurtful_body_is_refused(door: Caller, path: str, content: str) -> None:
    answer = await door.http.post(f"{API}/{path}", content=content, headers=JSON)
    refused = problem(answer, 422, "invalid_request")
    assert len(answer.content) < 20_000
    assert len(refused.get("errors", [])) <= 20


async def test_other_requests_are_served_meanwhile(door: Caller) -> None:
    hurting = [
        door.http.post(f"{API}/batch-generate", content=content, headers=JSON)
        for content in HURTFUL.values()
    ]
    *refused, healthy = await asyncio.gather(*hurting, door.http.get("/health/live"))
    assert {answer.status_code for answer in refused} == {422}
    assert healthy.status_code == 200


@pytest.mark.parametrize(
    "text",
    [
        "a\x00b",
        "a\x1b[31mb",
        "\u202egnp.exe",
        "\U0001d54a",
        "\ufeff",
        "a\r\nb",
        "' OR 1=1 --",
        "\uffff",
    ],
)
async def test_no_text_breaks_a_field(door: Caller, text: str) -> None:
    sent: dict[str, Any] = {
        "prompt": f"{PROMPT} {text}",
        "width": 64,
        "height": 64,
        "style": f"ink {text}",
        "blog_id": f"blog {text}",
        "tags": [f"tag {text}"],
        "metadata": {f"key {text}": f"value {text}"},
        "alt_text": f"alt {text}",
    }
    answer = await door.post("/generate-async", sent)
    assert answer.status_code in (202, 422), answer.text
    if answer.status_code == 202:
        job = await door.job(answer.json()["job_id"])
        assert job["tags"] == [f"tag {text}".strip()]
        assert job["metadata"] == sent["metadata"]


@pytest.mark.parametrize("field", ["style", "blog_id", "alt_text", "negative_prompt", "provider"])
async def test_half_a_character_is_refused(door: Caller, field: str) -> None:
    lone = "\ud800"
    for sent in (
        {field: lone},
        {"tags": [lone]},
        {"metadata": {lone: 1}},
        {"metadata": {"a": lone}},
    ):
        problem(
            await door.post("/generate-async", {"prompt": PROMPT, **sent}), 422, "invalid_request"
        )


@pytest.mark.parametrize(
    "target",
    [
        "jobs/%00",
        "jobs/%ff%fe",
        "jobs/%ed%a0%80",
        "jobs/" + "x" * 5_000,
        "jobs/..%2f..%2fcosts",
        "batches/%0d%0aX-Injected:%20yes",
        "files/" + "x/" * 2_000,
        "files/%00",
        "files/%ff",
        "files/" + "x" * 5_000,
    ],
)
async def test_no_address_breaks_a_route(door: Caller, target: str) -> None:
    answer = await door.http.get(f"{next(door.urls)}{API}/{target}")  # no proxy sends all of them
    assert answer.status_code == 404, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert "x-injected" not in answer.headers
