"""The Python client against answers that a transport plays; sync and async are one text."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from darkroom_client import (
    AsyncClient,
    Client,
    Conflict,
    ConnectionFailed,
    DarkroomError,
    DownloadFailed,
    Forbidden,
    InvalidRequest,
    JobFailed,
    LimitReached,
    NotFound,
    QueueUnavailable,
    ServerFailed,
    Unauthenticated,
    WaitedTooLong,
    WebhookInvalid,
    verify_webhook,
)
from darkroom_client.events import Decoder

Answer = httpx.Response | Exception


class Played:
    """A client, what it is answered in turn, what it has sent, and how long it has waited."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.sent: list[httpx.Request] = []
        self.waited: list[float] = []
        self.now = 0.0
        self.client = Client(
            "http://darkroom.test/base/",
            "dk_secret",
            transport=httpx.MockTransport(self._next),
            sleep=self._sleep,
            clock=lambda: self.now,
        )

    def _next(self, request: httpx.Request) -> httpx.Response:
        self.sent.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _sleep(self, seconds: float) -> None:
        self.waited.append(seconds)
        self.now += seconds


def ok(**body: object) -> httpx.Response:
    return httpx.Response(200, json=body)


def problem(status: int, code: str, retry_after: str | None = None) -> httpx.Response:
    headers = {"X-Request-ID": "req-1", **({"Retry-After": retry_after} if retry_after else {})}
    errors = [{"field": "prompt", "message": "too short"}] if status == 422 else None
    body = {"detail": "It does not go.", "code": code, "errors": errors}
    return httpx.Response(status, json=body, headers=headers)


class Chunks(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body that comes in parts, and may break."""

    def __init__(self, *chunks: bytes | Exception) -> None:
        self._chunks = chunks

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            if isinstance(chunk, Exception):
                raise chunk
            yield chunk

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self:
            yield chunk


CUT = httpx.RemoteProtocolError("cut")


class TestRequests:
    def test_each_try_of_a_post_has_the_same_key(self) -> None:
        away = problem(500, "queue_unavailable", "3")
        played = Played(httpx.ConnectError("refused"), away, ok(job_id="img_1"), ok(job_id="img_2"))
        played.client.generate_async(prompt="sea", quality="draft")
        played.client.generate_async(prompt="sea")
        keys = [request.headers["Idempotency-Key"] for request in played.sent]
        assert len(set(keys[:3])) == 1
        assert keys[3] != keys[0]
        assert played.waited[1] == 3.0
        assert str(played.sent[0].url) == "http://darkroom.test/base/api/v1/images/generate-async"
        assert json.loads(played.sent[0].content) == {"prompt": "sea", "quality": "draft"}

    def test_it_gives_up_after_some_tries(self) -> None:
        played = Played(*[httpx.ConnectError("Connection refused")] * 9)
        with pytest.raises(ConnectionFailed, match=r"^http://darkroom\.test/base does not answer"):
            played.client.health()
        assert len(played.sent) == 4
        assert played.waited == sorted(played.waited)

    @pytest.mark.parametrize(
        ("status", "code", "kind"),
        [
            (401, "unauthenticated", Unauthenticated),
            (403, "forbidden", Forbidden),
            (404, "job_not_found", NotFound),
            (409, "not_reviewable", Conflict),
            (413, "body_too_large", InvalidRequest),
            (422, "invalid_request", InvalidRequest),
            (429, "budget_exhausted", LimitReached),
            (500, "internal", ServerFailed),
            (502, "provider_unavailable", ServerFailed),
        ],
    )
    def test_a_refusal_is_raised_at_once(
        self, status: int, code: str, kind: type[DarkroomError]
    ) -> None:
        played = Played(problem(status, code, "900000"))
        with pytest.raises(kind, match=r"^It does not go\.$") as raised:
            played.client.approve("img_1", reviewer="ann")
        assert (raised.value.code, raised.value.request_id) == (code, "req-1")  # type: ignore[attr-defined]
        assert len(played.sent) == 1

    def test_a_proxys_page_is_tried_again_and_has_no_code(self) -> None:
        played = Played(*[httpx.Response(502, text="<html>")] * 4)
        with pytest.raises(ServerFailed, match="answered 502"):
            played.client.job("img_1")
        assert len(played.sent) == 4

    def test_ids_and_blogs_cannot_lead_elsewhere(self) -> None:
        played = Played(ok(), ok(images=[], next_cursor=None))
        played.client.job("../costs?x=1")
        list(played.client.blog("a/b?c"))
        paths = [request.url.raw_path.decode() for request in played.sent]
        assert paths[0].endswith("/jobs/..%2Fcosts%3Fx%3D1")
        assert paths[1].endswith("/blogs/a/b%3Fc")

    def test_pages_are_turned(self) -> None:
        first = ok(jobs=[{"job_id": "a"}, {"job_id": "b"}], next_cursor="c1")
        played = Played(first, ok(jobs=[{"job_id": "c"}], next_cursor=None))
        found = [job["job_id"] for job in played.client.jobs(review="awaiting")]
        assert found == ["a", "b", "c"]
        assert dict(played.sent[1].url.params) == {"review": "awaiting", "cursor": "c1"}

    @pytest.mark.parametrize("url", ["ftp://x", "x", "http://", "http://x/?y=1"])
    def test_an_address_that_is_none_is_said(self, url: str) -> None:
        with pytest.raises(ValueError, match="address"):
            Client(url)


class TestPolling:
    def test_it_waits_as_the_seed_does_or_as_the_server_says(self) -> None:
        queued = [ok(status="queued") for _ in range(8)]
        told = httpx.Response(200, json={"status": "processing"}, headers={"Retry-After": "2"})
        played = Played(*queued, told, ok(status="completed", result={"images": []}))
        assert played.client.poll("img_1")["images"] == []
        assert played.waited == [*(pytest.approx(1.5**n) for n in range(6)), 10, 10, 2]

    def test_a_failed_job_raises_what_it_says(self) -> None:
        failed = ok(status="failed", error_message="No.", error={"code": "content_rejected"})
        with pytest.raises(JobFailed, match=r"^No\.$") as raised:
            Played(failed).client.poll("img_1")
        assert raised.value.code == "content_rejected"

    def test_it_ends_with_its_time(self) -> None:
        played = Played(*[ok(status="queued") for _ in range(9)])
        with pytest.raises(WaitedTooLong):
            played.client.poll("img_1", max_wait_seconds=5)
        assert sum(played.waited) <= 5

    def test_without_a_queue_the_image_is_made_at_once_without_a_key(self) -> None:
        away = [problem(500, "queue_unavailable", "1") for _ in range(4)]
        played = Played(*away, ok(success=True))
        assert played.client.generate_or_fall_back(prompt="sea")["success"]
        assert "Idempotency-Key" not in played.sent[-1].headers
        with pytest.raises(QueueUnavailable):
            Played(*[problem(500, "queue_unavailable", "1") for _ in range(4)]).client.generate(
                prompt="sea"
            )


class TestStreaming:
    def test_it_goes_on_behind_the_last_event(self) -> None:
        first = Chunks(b"id: 1-a\nevent: status\nda", b'ta: {"n": 1}\n\n: keep-alive\n\n', CUT)
        second = Chunks(b'id: 2-b\nevent: completed\ndata: {"n": 2}\n\n')
        played = Played(
            httpx.Response(200, stream=first),
            httpx.ConnectError("refused"),
            httpx.Response(200, stream=second),
        )
        seen = [(event.name, event.data["n"]) for event in played.client.stream("bat_1-0")]
        assert seen == [("status", 1), ("completed", 2)]
        assert [request.headers.get("Last-Event-ID") for request in played.sent] == [
            None,
            "1-a",
            "1-a",
        ]
        assert "/jobs/bat_1-0/events" in str(played.sent[0].url)

    def test_nothing_to_add_ends_it(self) -> None:
        played = Played(httpx.Response(204))
        assert list(played.client.stream("bat_1", last_event_id="9-z", until="decided")) == []
        assert "/batches/bat_1/events?until=decided" in str(played.sent[0].url)

    def test_its_time_ends_it_though_nothing_happens(self) -> None:
        played = Played(httpx.Response(200, stream=Chunks(b": keep-alive\n\n", b": more\n\n")))
        stream = played.client.stream("img_1", max_wait_seconds=-1)
        with pytest.raises(WaitedTooLong):
            next(stream)

    def test_the_async_client_is_the_same(self) -> None:
        async def seen() -> list[str]:
            body = Chunks(b'id: 1\nevent: failed\ndata: {"n": 1}\n\n')
            transport = httpx.MockTransport(lambda _: httpx.Response(200, stream=body))
            async with AsyncClient("http://darkroom.test", transport=transport) as client:
                return [event.name async for event in client.stream("img_1")]

        assert asyncio.run(seen()) == ["failed"]

    @given(st.lists(st.integers(1, 40), max_size=30), st.sampled_from(["\n", "\r\n", "\r"]))
    def test_events_are_the_same_however_they_are_cut(self, cuts: list[int], end: str) -> None:
        lines = [": hi", "id: 1", "event: status", 'data: {"text":', 'data: "a\u2028b"}', "", ""]
        content = end.join([*lines, 'data: "x"', "", "", "data: 1", "", ":"]).encode()
        decoder, found, start = Decoder(), [], 0
        for cut in [*cuts, len(content)]:
            found += decoder.feed(content[start : start + cut])
            start += cut
        assert [(event.name, event.id, event.data) for event in found] == [
            ("status", "1", {"text": "a\u2028b"}),
            ("message", "1", "x"),
            ("message", "1", 1),
        ]

    def test_what_is_no_event_is_said(self) -> None:
        with pytest.raises(DarkroomError):
            Decoder().feed(b"data: <html>\n\n")


class TestDownloading:
    IMAGE = b"the bytes"

    def image(self, url: str, content: bytes = IMAGE) -> Any:
        return {"url": url, "sha256": hashlib.sha256(content).hexdigest()}

    def test_it_is_there_when_it_is_whole_and_the_key_stays_at_home(self, tmp_path: Path) -> None:
        broken = httpx.Response(200, stream=Chunks(b"the ", CUT))
        whole = httpx.Response(200, content=self.IMAGE)
        played = Played(broken, whole, httpx.Response(200, content=self.IMAGE))
        elsewhere = self.image("http://cdn.test/a.png")
        assert (
            played.client.download(elsewhere, tmp_path / "a" / "b.png").read_bytes() == self.IMAGE
        )
        assert "Authorization" not in played.sent[0].headers
        played.client.download("http://darkroom.test/x", tmp_path / "c.png")
        assert played.sent[2].headers["Authorization"] == "Bearer dk_secret"
        assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "b.png", "c.png"]

    def test_other_bytes_are_not_taken(self, tmp_path: Path) -> None:
        played = Played(httpx.Response(200, content=b"other bytes"))
        (tmp_path / "a.png").write_bytes(b"before")
        with pytest.raises(DownloadFailed):
            played.client.download(self.image("http://cdn.test/a.png"), tmp_path / "a.png")
        assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"before"]


class TestWebhooks:
    KEY = b"a secret of the tests"
    SECRET = "whsec_" + base64.b64encode(KEY).decode()
    BODY = b'{"type": "job.completed"}'

    def headers(self, at: int) -> dict[str, str]:
        signed = hmac.new(self.KEY, b"msg_1." + str(at).encode() + b"." + self.BODY, hashlib.sha256)
        signature = base64.b64encode(signed.digest()).decode()
        return {
            "Webhook-Id": "msg_1",
            "Webhook-Timestamp": str(at),
            "Webhook-Signature": f"v1,AAAA v1,{signature}",
        }

    def test_one_that_is_signed_now_is_believed(self) -> None:
        found = verify_webhook(self.BODY, self.headers(1000), self.SECRET, now=1200)
        assert found == {"type": "job.completed"}

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda body, headers: (body + b" ", headers),
            lambda body, headers: (body, {**headers, "Webhook-Id": "msg_2"}),
            lambda body, headers: (body, {**headers, "Webhook-Timestamp": "x"}),
            lambda body, headers: (body, {**headers, "Webhook-Timestamp": "1"}),
            lambda body, headers: (body, {**headers, "Webhook-Signature": "v1,ä"}),
            lambda body, headers: (body, {}),
        ],
    )
    def test_any_other_is_not(self, spoil: Callable[..., tuple[bytes, dict[str, str]]]) -> None:
        body, headers = spoil(self.BODY, self.headers(1000))
        with pytest.raises(WebhookInvalid):
            verify_webhook(body, headers, self.SECRET, now=1000)

    @given(
        st.fixed_dictionaries(
            {},
            optional={
                "webhook-id": st.text(),
                "webhook-timestamp": st.integers().map(str) | st.just("1000") | st.text(),
                "webhook-signature": st.text() | st.binary().map(lambda sent: f"v1,{sent.hex()}"),
            },
        ),
        st.binary() | st.text(),
    )
    @example({"webhook-id": "1", "webhook-timestamp": "9" * 400, "webhook-signature": ""}, b"")
    @example({"webhook-id": "1", "webhook-timestamp": "1000", "webhook-signature": "\ud800"}, b"")
    @example({"webhook-id": "\ud800", "webhook-timestamp": "1000", "webhook-signature": ""}, b"")
    @example({"webhook-id": "1", "webhook-timestamp": "1000", "webhook-signature": ""}, "\ud800")
    def test_whatever_a_stranger_sends_is_not(
        self, headers: dict[str, str], body: bytes | str
    ) -> None:
        with pytest.raises(WebhookInvalid):
            verify_webhook(body, headers, self.SECRET, now=1000.0)
