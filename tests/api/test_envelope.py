"""What is around every answer: request ids, headers that browsers obey, and CORS."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator

import pytest

from api import context
from tests.api.conftest import API, Caller, Serve, problem

ORIGIN = "https://desk.example"


@pytest.fixture
async def open_to_a_page(serve: Serve) -> AsyncIterator[Caller]:
    async with serve(cors_origins=f"{ORIGIN}, https://other.example") as api:
        yield api


class TestRequestIds:
    @pytest.mark.parametrize("sent", ["a", "4bf92f35-77b3-4da6", "A.b_c:d/e+f=", "x" * 128])
    async def test_a_sane_one_is_answered_as_it_came(self, door: Caller, sent: str) -> None:
        answer = await door.http.get("/health/live", headers={"X-Request-ID": sent})
        assert answer.headers["x-request-id"] == sent

    @pytest.mark.parametrize("sent", ["", "x" * 129, "a b", "<script>", 'a"b', "a\tb"])
    async def test_any_other_is_replaced(self, door: Caller, sent: str) -> None:
        answer = await door.http.get("/health/live", headers={"X-Request-ID": sent})
        assert len(answer.headers["x-request-id"]) == 32

    async def test_each_request_without_one_gets_its_own(self, door: Caller) -> None:
        ids = [(await door.get("/jobs/img_0")).headers["x-request-id"] for _ in range(3)]
        assert len(set(ids)) == 3

    async def test_what_is_logged_meanwhile_knows_it(
        self, serve: Serve, caplog: pytest.LogCaptureFixture
    ) -> None:
        seen: list[str | None] = []

        class Watching(logging.Filter):
            def filter(self, record: logging.LogRecord) -> bool:
                seen.append(context.request_id.get())
                return True

        watching = Watching()
        logging.getLogger("darkroom.api").addFilter(watching)
        async with serve() as api:
            api.app.state.services = None
            await api.http.get(f"{API}/jobs/img_0", headers={"X-Request-ID": "mine"})
        logging.getLogger("darkroom.api").removeFilter(watching)
        assert "mine" in seen
        assert context.request_id.get() is None


class TestHeaders:
    @pytest.mark.parametrize(
        "path",
        [
            "/health/live",
            "/docs",
            "/nothing",
            f"{API}/jobs/img_0",
            f"{API}/files/x",
            f"{API}/costs",
        ],
    )
    async def test_every_answer_has_them(self, door: Caller, path: str) -> None:
        answer = await door.http.get(path)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-request-id"]

    async def test_a_refusal_at_the_door_has_them_too(self, door: Caller) -> None:
        answer = await door.http.get(f"{API}/costs", headers={"Host": "pictures.example"})
        assert answer.status_code == 403
        assert answer.headers["x-content-type-options"] == "nosniff"

    async def test_a_defect_of_ours_has_them_too(self, open_to_a_page: Caller) -> None:
        open_to_a_page.app.state.services = None
        answer = await open_to_a_page.http.get(f"{API}/jobs/img_0", headers={"Origin": ORIGIN})
        problem(answer, 500, "internal")
        assert answer.headers["x-request-id"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["access-control-allow-origin"] == ORIGIN

    async def test_the_documentation_may_load_what_it_is_made_of(self, door: Caller) -> None:
        answer = await door.http.get("/docs")
        policy = answer.headers["content-security-policy"]
        for source in ("https://cdn.jsdelivr.net", "https://fastapi.tiangolo.com"):
            assert source in answer.text
            assert source in policy
        assert "connect-src 'self'" in policy


class TestCors:
    async def test_without_origins_no_page_elsewhere_may_read_an_answer(self, door: Caller) -> None:
        answer = await door.http.get(f"{API}/jobs/img_0", headers={"Origin": ORIGIN})
        assert "access-control-allow-origin" not in answer.headers
        asked = await door.http.options(f"{API}/generate-async", headers=preflight("POST"))
        assert asked.status_code == 405
        assert "access-control-allow-origin" not in asked.headers

    async def test_a_named_origin_may_send_and_read(self, open_to_a_page: Caller) -> None:
        asked = await open_to_a_page.http.options(
            f"{API}/generate-async",
            headers=preflight("POST", "authorization, content-type, idempotency-key, x-api-key"),
        )
        assert asked.status_code == 200
        assert asked.headers["access-control-allow-origin"] == ORIGIN
        answer = await open_to_a_page.http.get(f"{API}/jobs/img_0", headers={"Origin": ORIGIN})
        assert answer.status_code == 404
        assert answer.headers["access-control-allow-origin"] == ORIGIN
        shown = answer.headers["access-control-expose-headers"]
        assert all(name in shown for name in ("ETag", "Retry-After", "X-Request-ID"))

    async def test_a_stream_may_be_resumed(self, open_to_a_page: Caller) -> None:
        asked = await open_to_a_page.http.options(
            f"{API}/jobs/img_0", headers=preflight("GET", "last-event-id, if-none-match")
        )
        assert asked.status_code == 200

    async def test_another_origin_may_not(self, open_to_a_page: Caller) -> None:
        headers = {**preflight("POST"), "Origin": "https://evil.example"}
        asked = await open_to_a_page.http.options(f"{API}/generate-async", headers=headers)
        assert asked.status_code == 400
        assert "access-control-allow-origin" not in asked.headers


def preflight(method: str, headers: str = "content-type") -> dict[str, str]:
    return {
        "Origin": ORIGIN,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": headers,
    }
