"""What holds for every route: problems, limits, and a document that is true."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from domain.errors import DarkroomError
from tests.api.conftest import API, Caller, Json, Serve, problem, small

JSON = {"Content-Type": "application/json"}

REFUSED = {413, 415, 422}
CAN_ANSWER: dict[tuple[str, str], set[int]] = {
    ("post", "/generate-async"): {202, 409, 429, 500, *REFUSED},
    ("post", "/batch-generate"): {202, 409, 429, 500, *REFUSED},
    ("post", "/generate"): {200, 409, 429, 500, 502, 503, 504, *REFUSED},
    ("post", "/generate/stream"): {200, 409, 429, 500, *REFUSED},
    **{
        ("post", path): {202, 404, 409, 429, 500, *REFUSED}
        for path in ("/variations", "/edit", "/upscale")
    },
    ("post", "/quote"): {200, 404, 409, 503, *REFUSED},
    ("get", "/jobs"): {200, 422, 503},
    ("get", "/blogs/{blog_id}"): {200, 422, 503},
    ("get", "/jobs/{job_id}"): {200, 304, 404, 422, 503},
    ("get", "/jobs/{job_id}/events"): {200, 204, 404, 422, 503},
    ("delete", "/jobs/{job_id}"): {202, 404, 409, 503},
    ("post", "/jobs/{job_id}/cancel"): {202, 404, 409, 422, 503},
    ("post", "/jobs/{job_id}/retry"): {202, 404, 409, 429, 500, 503, *REFUSED},
    ("post", "/jobs/{job_id}/approve"): {202, 404, 409, 429, 503, *REFUSED},
    ("post", "/jobs/{job_id}/reject"): {202, 404, 409, 429, 503, *REFUSED},
    ("get", "/batches/{batch_id}"): {200, 304, 404, 422, 503},
    ("get", "/batches/{batch_id}/events"): {200, 204, 404, 422, 503},
    ("delete", "/batches/{batch_id}"): {202, 404, 409, 503},
    ("post", "/batches/{batch_id}/approve"): {202, 404, 409, 429, 503, *REFUSED},
    ("post", "/batches/{batch_id}/reject"): {202, 404, 409, 429, 503, *REFUSED},
    ("get", "/jobs/{job_id}/webhooks"): {200, 404, 503},
    ("get", "/batches/{batch_id}/webhooks"): {200, 404, 503},
    ("post", "/jobs/{job_id}/webhooks/{delivery_id}/redeliver"): {202, 404, 409, 503, *REFUSED},
    ("post", "/batches/{batch_id}/webhooks/{delivery_id}/redeliver"): {
        *{202, 404, 409, 503},
        *REFUSED,
    },
    ("post", "/webhooks/test"): {200, 409, 503, *REFUSED},
    ("get", "/costs"): {200, 422, 503},
    ("get", "/jobs/{job_id}/rounds"): {200, 404, 503},
    ("get", "/jobs/{job_id}/provenance"): {200, 404, 503},
    ("post", "/provenance"): {200, 413, 415},
    ("get", "/styles"): {200},
    ("get", "/placements"): {200},
    ("get", "/caller"): {200},
    ("get", "/providers"): {200},
    ("get", "/models"): {200},
    ("get", "/files/{key}"): {200, 206, 304, 404, 410, 416, 503},
}

OPEN = {"/files/{key}"}
"""What takes no key; before all else the doorkeeper may answer."""


class TestProblems:
    async def test_an_unknown_route_is_not_found(self, door: Caller) -> None:
        for path in (
            "/api/v2/images/generate",
            f"{API}/nothing",
            f"{API}/jobs/",
            f"{API}/jobs/a/b/c",
        ):
            problem(await door.http.get(path), 404, "not_found")

    async def test_a_wrong_method_is_told_with_the_right_ones(self, door: Caller) -> None:
        answer = await door.http.put(f"{API}/generate-async", json=small())
        problem(answer, 405, "method_not_allowed")
        assert answer.headers["allow"] == "POST"

    @pytest.mark.parametrize(
        "content",
        [b"{", b"", b"[]", b"null", b'"text"', b"\xff\xfe{}", b'{"prompt": "sea",}', b"[" * 5000],
        ids=["cut", "empty", "list", "null", "text", "no-utf-8", "comma", "deep"],
    )
    async def test_a_body_that_is_no_json_object_is_refused(
        self, door: Caller, content: bytes
    ) -> None:
        for path in ("generate-async", "batch-generate", "generate"):
            answer = await door.http.post(f"{API}/{path}", content=content, headers=JSON)
            problem(answer, 422, "invalid_request")

    @pytest.mark.parametrize(
        "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]
    )
    async def test_a_body_that_is_not_called_json_is_refused(
        self, door: Caller, content_type: str
    ) -> None:
        answer = await door.http.post(
            f"{API}/generate-async",
            content=json.dumps(small()),
            headers={"Content-Type": content_type},
        )
        problem(answer, 415, "unsupported_media_type")

    async def test_a_body_without_a_type_is_refused(self, door: Caller) -> None:
        answer = await door.http.post(f"{API}/generate-async", content=b"{}")
        problem(answer, 415, "unsupported_media_type")

    async def test_json_by_any_of_its_names_is_taken(self, door: Caller) -> None:
        for content_type in ("application/json; charset=utf-8", "Application/JSON"):
            answer = await door.http.post(
                f"{API}/generate-async",
                content=json.dumps(small()),
                headers={"Content-Type": content_type},
            )
            assert answer.status_code == 202, answer.text

    async def test_a_defect_of_ours_is_told_without_its_internals(self, serve: Serve) -> None:
        async with serve() as api:
            api.app.state.services = "not the services: secret-internal-name"
            answer = await api.get("/jobs/img_0")
        problem(answer, 500, "internal")
        assert "secret" not in answer.text
        assert "Traceback" not in answer.text


class TestBodyLimits:
    @pytest.fixture
    async def strict(self, serve: Serve) -> AsyncIterator[Caller]:
        async with serve(max_body_bytes=2048) as api:
            yield api

    async def test_a_body_that_is_declared_too_large_is_refused(self, strict: Caller) -> None:
        answer = await strict.post("/generate-async", small(negative_prompt="x" * 2100))
        assert "2048" in problem(answer, 413, "body_too_large")["detail"]

    async def test_a_body_that_turns_out_too_large_is_refused(self, strict: Caller) -> None:
        async def chunks() -> AsyncIterator[bytes]:
            for _ in range(30):
                yield b" " * 100

        answer = await strict.http.post(f"{API}/generate-async", content=chunks(), headers=JSON)
        problem(answer, 413, "body_too_large")

    async def test_a_body_within_the_limit_is_taken_in_chunks(self, strict: Caller) -> None:
        async def chunks() -> AsyncIterator[bytes]:
            yield b'{"prompt": '
            yield b'"a lighthouse"}'

        answer = await strict.http.post(f"{API}/generate-async", content=chunks(), headers=JSON)
        assert answer.status_code == 202


class TestDocument:
    @pytest.fixture
    async def document(self, door: Caller) -> Json:
        answer = await door.http.get("/openapi.json")
        assert answer.status_code == 200
        return dict(answer.json())

    async def test_every_operation_is_expected(self, document: Json) -> None:
        operations = {
            (method, path.removeprefix(API))
            for path, methods in document["paths"].items()
            for method in methods
            if path.startswith(API) and method != "head"
        }
        assert operations == set(CAN_ANSWER)

    @pytest.mark.parametrize(("method", "path"), CAN_ANSWER)
    async def test_a_route_declares_all_it_can_answer_and_nothing_else(
        self, document: Json, method: str, path: str
    ) -> None:
        operation = document["paths"][f"{API}{path}"][method]
        at_the_door = set() if path in OPEN else {401, 403, 429}
        assert {int(status) for status in operation["responses"]} == (
            CAN_ANSWER[method, path] | at_the_door
        )
        assert ("security" in operation) == (path not in OPEN)

    async def test_every_error_is_declared_as_a_problem_with_its_codes(
        self, document: Json
    ) -> None:
        codes = {error.code for error in all_errors()}
        for status, answer in responses(document):
            if int(status) < 400 or int(status) == 416 or "Health" in json.dumps(answer):
                continue
            content = answer["content"]
            assert list(content) == ["application/problem+json"], answer
            described = content["application/problem+json"]
            assert described["schema"]["$ref"].endswith("/Problem")
            assert set(described["examples"]) <= codes
            for code, example in described["examples"].items():
                assert example["value"]["code"] == code
                assert example["value"]["status"] == int(status)

    async def test_the_requests_have_examples_that_are_valid(
        self, door: Caller, document: Json
    ) -> None:
        schemas = document["components"]["schemas"]
        for name, path in (
            ("ImageRequest", "/generate-async"),
            ("BatchRequestBody", "/batch-generate"),
        ):
            for example in schemas[name]["examples"]:
                answer = await door.post(path, example)
                assert answer.status_code == 202, answer.text

    async def test_the_seeds_optional_fields_are_declared_optional_and_never_null(
        self, document: Json
    ) -> None:
        job = document["components"]["schemas"]["ImageJobStatusResponse"]
        optional = {"started_at", "completed_at", "result", "error_message", "final_job_id"}
        assert not optional & set(job["required"])
        assert {"job_id", "status", "progress_percentage", "created_at", "is_draft"} <= set(
            job["required"]
        )

    async def test_the_documentation_page_is_served(self, door: Caller) -> None:
        answer = await door.http.get("/docs")
        assert answer.status_code == 200
        assert "text/html" in answer.headers["content-type"]


def responses(document: Json) -> list[tuple[str, Json]]:
    return [
        (status, answer)
        for methods in document["paths"].values()
        for operation in methods.values()
        for status, answer in operation["responses"].items()
    ]


def all_errors(root: type[DarkroomError] = DarkroomError) -> list[Any]:
    """Every error of the tree that is raised."""
    found = [root] if "code" in root.__dict__ else []
    return found + [error for child in root.__subclasses__() for error in all_errors(child)]
