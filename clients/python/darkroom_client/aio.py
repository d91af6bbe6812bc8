"""The client for `asyncio`; `client.py` is made from it."""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from types import TracebackType
from typing import IO, Any, Literal, TypeVar, Unpack, cast
from urllib.parse import quote as quoted

import httpx

from darkroom_client.errors import (
    ConnectionFailed,
    DarkroomError,
    DownloadFailed,
    JobFailed,
    QueueUnavailable,
    WaitedTooLong,
    refusal,
    retry_after,
)
from darkroom_client.events import SILENCE, Decoder, Event
from darkroom_client.pacing import Retries, poll_seconds
from darkroom_client.types import (
    ApprovalAnswer,
    ApproveBody,
    BatchApproveBody,
    BatchDecisionAnswer,
    BatchImageGenerationResponse,
    BatchRejectBody,
    BatchRequestBody,
    BatchStatusAnswer,
    BlogAnswer,
    BlogImage,
    CostsAnswer,
    DeliveriesAnswer,
    DeliveryAnswer,
    EditBody,
    GenerateAnswer,
    Health,
    ImageAnswer,
    ImageGenerationJobResponse,
    ImageJobStatusResponse,
    ImageRequest,
    JobsAnswer,
    ListedJob,
    ModelsAnswer,
    ProvidersAnswer,
    QuoteAnswer,
    RejectBody,
    RejectionAnswer,
    ResultAnswer,
    RetryAnswer,
    UpscaleBody,
    VariationsBody,
    WebhookTestAnswer,
)

DEFAULT_URL = "http://127.0.0.1:8000"
MAX_WAIT_SECONDS = 300.0
_API = "/api/v1/images"
_LOOPBACK = frozenset(("127.0.0.1", "localhost", "::1"))
_GENERATE_SECONDS = 900.0
"""`generate` holds its answer back until the image is made."""
_SILENCE_SECONDS = 60.0
"""A stream says something every quarter of a minute."""
_MAX_IMAGE_BYTES = 512 * 1024 * 1024

Until = Literal["completed", "decided"]
T = TypeVar("T")


class AsyncClient:
    """Talks to one Darkroom; use it as a context manager, or `aclose()` it.

    What is not given is read from `DARKROOM_URL` and `DARKROOM_API_KEY`. A request that gets no
    answer is sent again as `retries` says; every `POST` carries an `Idempotency-Key`, one of its
    own where none is given, so that sending it again starts and pays nothing twice.
    """

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        *,
        retries: Retries | None = None,
        timeout_seconds: float = 30.0,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = httpx.URL((url or os.environ.get("DARKROOM_URL") or DEFAULT_URL).rstrip("/"))
        if self._url.query or self._url.scheme not in ("http", "https") or not self._url.host:
            raise ValueError("the address must start with http:// or https://")
        self._key = api_key or os.environ.get("DARKROOM_API_KEY") or None
        self._retries = retries or Retries()
        self._http = httpx.AsyncClient(
            timeout=timeout_seconds,
            transport=transport,
            # A proxy of the environment does not lead to this machine.
            trust_env=self._url.host not in _LOOPBACK,
        )
        self._timeout_seconds = timeout_seconds
        self._sleep = sleep
        self._clock = clock

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    @property
    def url(self) -> str:
        """Where it talks to."""
        return str(self._url)

    async def generate_async(
        self, *, idempotency_key: str | None = None, **image: Unpack[ImageRequest]
    ) -> ImageGenerationJobResponse:
        """Start a job; the answer names its `job_id` at once."""
        return cast(
            "ImageGenerationJobResponse",
            await self._post("/generate-async", image, idempotency_key),
        )

    async def generate(
        self, *, idempotency_key: str | None = None, **image: Unpack[ImageRequest]
    ) -> GenerateAnswer:
        """Make an image and wait for it in one request."""
        return cast(
            "GenerateAnswer",
            await self._post("/generate", image, idempotency_key, _GENERATE_SECONDS),
        )

    async def generate_or_fall_back(
        self,
        *,
        max_wait_seconds: float = MAX_WAIT_SECONDS,
        idempotency_key: str | None = None,
        **image: Unpack[ImageRequest],
    ) -> ResultAnswer:
        """Start a job and wait for it; while no job can be started, have the image made at once.

        The second request goes without a key and is sent once: with one, Darkroom would refuse to
        render while nobody can remember it. This is where two images may come of one wish.
        """
        try:
            job = await self.generate_async(idempotency_key=idempotency_key, **image)
        except QueueUnavailable:
            response = await self._once(
                "POST", f"{_API}/generate", json=image, patience_seconds=_GENERATE_SECONDS
            )
            return cast("ResultAnswer", response.json())
        return await self.poll(job["job_id"], max_wait_seconds=max_wait_seconds)

    async def batch_generate(
        self, *, idempotency_key: str | None = None, **batch: Unpack[BatchRequestBody]
    ) -> BatchImageGenerationResponse:
        """Start many images; `job_ids` are in the order of `images`."""
        return cast(
            "BatchImageGenerationResponse",
            await self._post("/batch-generate", batch, idempotency_key),
        )

    async def vary(
        self, *, idempotency_key: str | None = None, **wish: Unpack[VariationsBody]
    ) -> ImageGenerationJobResponse:
        """Start a job that makes other pictures like one: `source_job_id`, `source_image_url`."""
        return cast(
            "ImageGenerationJobResponse", await self._post("/variations", wish, idempotency_key)
        )

    async def edit(
        self, *, idempotency_key: str | None = None, **wish: Unpack[EditBody]
    ) -> ImageGenerationJobResponse:
        """Start a job that changes a picture as its `prompt` says."""
        return cast("ImageGenerationJobResponse", await self._post("/edit", wish, idempotency_key))

    async def upscale(
        self, *, idempotency_key: str | None = None, **wish: Unpack[UpscaleBody]
    ) -> ImageGenerationJobResponse:
        """Start a job that makes a picture larger."""
        return cast(
            "ImageGenerationJobResponse", await self._post("/upscale", wish, idempotency_key)
        )

    async def quote(
        self, body: ImageRequest | BatchRequestBody, *, idempotency_key: str | None = None
    ) -> QuoteAnswer:
        """What the same body would cost; nothing starts."""
        return cast("QuoteAnswer", await self._post("/quote", body, idempotency_key))

    async def job(self, job_id: str, *, wait_seconds: float = 0) -> ImageJobStatusResponse:
        """Where a job stands; with `wait_seconds`, up to 60, once something has changed."""
        return cast("ImageJobStatusResponse", await self._look("/jobs", job_id, wait_seconds))

    async def batch(self, batch_id: str, *, wait_seconds: float = 0) -> BatchStatusAnswer:
        """Where a batch and each of its images stand."""
        return cast("BatchStatusAnswer", await self._look("/batches", batch_id, wait_seconds))

    async def poll(
        self,
        job_id: str,
        *,
        max_wait_seconds: float = MAX_WAIT_SECONDS,
        on_update: Callable[[ImageJobStatusResponse], None] | None = None,
    ) -> ResultAnswer:
        """The result of a job, once it is there.

        Looks again when the server says (`Retry-After`), else after 1 s, 1.5 s, … up to 10 s.
        Raises `JobFailed` with the job's `error_message`, and `WaitedTooLong`.
        """
        deadline, looks = self._clock() + max_wait_seconds, 0
        while True:
            response = await self._send("GET", f"{_API}/jobs/{_part(job_id)}")
            job = cast("ImageJobStatusResponse", response.json())
            looks += 1
            if on_update is not None:
                on_update(job)
            if job["status"] == "failed":
                raise JobFailed(job)
            if job["status"] == "completed":
                return job["result"]
            pause = poll_seconds(looks, retry_after(response))
            if self._clock() + pause > deadline:
                raise WaitedTooLong(job_id, max_wait_seconds)
            await self._sleep(pause)

    async def stream(
        self,
        subject_id: str,
        *,
        last_event_id: str | None = None,
        until: Until = "completed",
        max_wait_seconds: float | None = None,
    ) -> AsyncGenerator[Event]:
        """The events of a job or a batch, each with what a poll would be answered.

        A stream that breaks is taken up again behind the last event. `until="decided"` goes on
        after the image is there, until its review is over. Raises `WaitedTooLong`, some seconds
        late.
        """
        deadline = None if max_wait_seconds is None else self._clock() + max_wait_seconds
        kind = "batches" if _is_batch(subject_id) else "jobs"
        path = f"{_API}/{kind}/{_part(subject_id)}/events"
        failures = 0
        while True:
            heard = False
            error: DarkroomError = ConnectionFailed("The stream ends before the job does.")
            try:
                async with aclosing(self._events(path, until, last_event_id)) as events:
                    async for event in events:
                        if event is None:
                            return
                        if deadline is not None and self._clock() > deadline:
                            raise WaitedTooLong(subject_id, max_wait_seconds or 0)
                        if not event.data:
                            continue
                        heard, failures = True, 0
                        last_event_id = event.id or last_event_id
                        yield event
                        if until == "completed" and event.name in ("completed", "failed"):
                            return
            except DarkroomError as broken:
                error = broken
            failures += not heard
            pause = self._retries.pause_seconds(failures, error)
            if pause is None:
                raise error
            await self._sleep(pause)

    async def list_jobs(
        self,
        *,
        status: str | None = None,
        review: str | None = None,
        blog_id: str | None = None,
        blog_job_id: str | None = None,
        batch_id: str | None = None,
        provider: str | None = None,
        tag: str | None = None,
        created_after: str | None = None,
        created_before: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> JobsAnswer:
        """One page of jobs, newest first."""
        asked = {
            "status": status,
            "review": review,
            "blog_id": blog_id,
            "blog_job_id": blog_job_id,
            "batch_id": batch_id,
            "provider": provider,
            "tag": tag,
            "created_after": created_after,
            "created_before": created_before,
            "limit": limit,
            "cursor": cursor,
        }
        return cast("JobsAnswer", await self._get("/jobs", asked))

    async def jobs(self, **filters: Any) -> AsyncIterator[ListedJob]:
        """Every job that fits what `list_jobs` takes, page after page."""
        cursor: str | None = None
        while True:
            page = await self.list_jobs(**{**filters, "cursor": cursor})
            for job in page["jobs"]:
                yield job
            cursor = page["next_cursor"]
            if cursor is None:
                return

    async def blog(self, blog_id: str) -> AsyncIterator[BlogImage]:
        """Every image that was made for a blog, newest first."""
        cursor: str | None = None
        while True:
            path = f"/blogs/{quoted(blog_id, safe='/')}"
            page = cast("BlogAnswer", await self._get(path, {"cursor": cursor}))
            for image in page["images"]:
                yield image
            cursor = page["next_cursor"]
            if cursor is None:
                return

    async def approve(
        self, job_id: str, *, idempotency_key: str | None = None, **decision: Unpack[ApproveBody]
    ) -> ApprovalAnswer:
        """Approve a draft; the answer names its final."""
        path = f"/jobs/{_part(job_id)}/approve"
        return cast("ApprovalAnswer", await self._post(path, decision, idempotency_key))

    async def reject(
        self, job_id: str, *, idempotency_key: str | None = None, **decision: Unpack[RejectBody]
    ) -> RejectionAnswer:
        """Reject a draft; with `revise` the next round starts, and the answer names it."""
        path = f"/jobs/{_part(job_id)}/reject"
        return cast("RejectionAnswer", await self._post(path, decision, idempotency_key))

    async def approve_batch(
        self,
        batch_id: str,
        *,
        idempotency_key: str | None = None,
        **decision: Unpack[BatchApproveBody],
    ) -> BatchDecisionAnswer:
        """Approve the drafts named in `job_ids`, else all that are to be reviewed."""
        path = f"/batches/{_part(batch_id)}/approve"
        return cast("BatchDecisionAnswer", await self._post(path, decision, idempotency_key))

    async def reject_batch(
        self,
        batch_id: str,
        *,
        idempotency_key: str | None = None,
        **decision: Unpack[BatchRejectBody],
    ) -> BatchDecisionAnswer:
        """Reject the drafts named in `job_ids`, else all that are to be reviewed."""
        path = f"/batches/{_part(batch_id)}/reject"
        return cast("BatchDecisionAnswer", await self._post(path, decision, idempotency_key))

    async def cancel(
        self, job_id: str, *, idempotency_key: str | None = None
    ) -> ImageJobStatusResponse:
        """Cancel a job that has not ended."""
        path = f"/jobs/{_part(job_id)}/cancel"
        return cast("ImageJobStatusResponse", await self._post(path, None, idempotency_key))

    async def cancel_batch(self, batch_id: str) -> BatchStatusAnswer:
        """Cancel what a batch has not finished."""
        response = await self._send("DELETE", f"{_API}/batches/{_part(batch_id)}")
        return cast("BatchStatusAnswer", response.json())

    async def retry(self, job_id: str, *, idempotency_key: str | None = None) -> RetryAnswer:
        """Start a failed job's request once more, as a job of its own."""
        path = f"/jobs/{_part(job_id)}/retry"
        return cast("RetryAnswer", await self._post(path, None, idempotency_key))

    async def costs(
        self,
        *,
        first: str | None = None,
        last: str | None = None,
        group_by: Iterable[str] = ("day",),
        blog_id: str | None = None,
        provider: str | None = None,
        model: str | None = None,
    ) -> CostsAnswer:
        """What was paid from the `first` day to the `last`, and how the budgets stand."""
        asked = {
            "from": first,
            "to": last,
            "group_by": ",".join(group_by),
            "blog_id": blog_id,
            "provider": provider,
            "model": model,
        }
        return cast("CostsAnswer", await self._get("/costs", asked))

    async def providers(self) -> ProvidersAnswer:
        """Who can make images here, and what the others lack."""
        return cast("ProvidersAnswer", await self._get("/providers"))

    async def models(self) -> ModelsAnswer:
        """What each model can, costs, and how long it lives."""
        return cast("ModelsAnswer", await self._get("/models"))

    async def health(self) -> Health:
        """Whether each part does its work; needs no key."""
        return cast("Health", (await self._send("GET", "/health")).json())

    async def webhooks(self, subject_id: str) -> DeliveriesAnswer:
        """What was told of a job or a batch, and to whom."""
        return cast("DeliveriesAnswer", await self._get(f"{_told_of(subject_id)}/webhooks"))

    async def redeliver(
        self, subject_id: str, delivery_id: str, *, idempotency_key: str | None = None
    ) -> DeliveryAnswer:
        """Deliver a webhook once more."""
        path = f"{_told_of(subject_id)}/webhooks/{_part(delivery_id)}/redeliver"
        return cast("DeliveryAnswer", await self._post(path, None, idempotency_key))

    async def try_webhook(
        self, url: str | None = None, *, idempotency_key: str | None = None
    ) -> WebhookTestAnswer:
        """Send a signed `webhook.test` and say what the receivers answer."""
        body = {} if url is None else {"url": url}
        return cast("WebhookTestAnswer", await self._post("/webhooks/test", body, idempotency_key))

    async def download(self, image: ImageAnswer | str, to: Path | str) -> Path:
        """Save an image, or what is at its `url`; it appears under its name when it is whole.

        An image's own bytes are held against its `sha256`. The API key goes to the API only.
        """
        url, digest = (image, None) if isinstance(image, str) else (image["url"], image["sha256"])
        target = Path(to)
        target.parent.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=target.parent, prefix=".darkroom-", delete=False) as part:
            partial = Path(part.name)
            try:
                found = await self._again(lambda: self._save(url, part))
                if digest is not None and found != digest:
                    raise DownloadFailed(f"What is at {url} is not the image that was made.")
                part.flush()
                _publish(partial, target)
            except BaseException:
                _discard(partial)
                raise
        return target

    async def _save(self, url: str, part: IO[bytes]) -> str:
        """Write what is at an address; the SHA-256 of it."""
        part.seek(0)
        part.truncate()
        digest, size = hashlib.sha256(), 0
        async with self._opened("GET", url) as response:
            async for chunk in response.aiter_bytes():
                size += len(chunk)
                if size > _MAX_IMAGE_BYTES:
                    raise DownloadFailed(f"What is at {url} is too large for an image.")
                digest.update(chunk)
                part.write(chunk)
        return digest.hexdigest()

    async def _look(self, kind: str, subject_id: str, wait_seconds: float) -> Any:
        path = f"{_API}{kind}/{_part(subject_id)}"
        if not wait_seconds:
            return (await self._send("GET", path)).json()
        asked, patience_seconds = {"wait": f"{wait_seconds:g}"}, wait_seconds + 30
        response = await self._send("GET", path, params=asked, patience_seconds=patience_seconds)
        return response.json()

    async def _get(self, path: str, asked: Mapping[str, object] | None = None) -> Any:
        params = {name: value for name, value in (asked or {}).items() if value is not None}
        return (await self._send("GET", f"{_API}{path}", params=params)).json()

    async def _post(
        self,
        path: str,
        body: Mapping[str, object] | None,
        key: str | None,
        patience_seconds: float | None = None,
    ) -> Any:
        given = {} if body is None else {"json": body}
        headers = {"Idempotency-Key": key or str(uuid.uuid4())}
        response = await self._send(
            "POST", f"{_API}{path}", headers=headers, patience_seconds=patience_seconds, **given
        )
        return response.json()

    async def _send(self, method: str, path: str, **given: Any) -> httpx.Response:
        """Send a request until it is answered, as often as `retries` says."""
        return await self._again(lambda: self._once(method, path, **given))

    async def _again(self, send: Callable[[], Awaitable[T]]) -> T:
        attempt = 1
        while True:
            try:
                return await send()
            except DarkroomError as error:
                pause = self._retries.pause_seconds(attempt, error)
                if pause is None:
                    raise
            await self._sleep(pause)
            attempt += 1

    async def _once(self, method: str, path: str, **given: Any) -> httpx.Response:
        async with self._opened(method, path, **given) as response:
            await response.aread()
            return response

    async def _events(
        self, path: str, until: Until, last_event_id: str | None
    ) -> AsyncGenerator[Event | None]:
        """What one connection tells; None where there will never be more."""
        headers = {"Accept": "text/event-stream"}
        if last_event_id is not None:
            headers["Last-Event-ID"] = last_event_id
        decoder, asked = Decoder(), {"until": until}
        async with self._opened(
            "GET", path, headers=headers, params=asked, patience_seconds=_SILENCE_SECONDS
        ) as response:
            if response.status_code == 204:
                yield None
            async for chunk in response.aiter_bytes():
                for event in decoder.feed(chunk) or [SILENCE]:
                    yield event

    @asynccontextmanager
    async def _opened(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        patience_seconds: float | None = None,
        **given: Any,
    ) -> AsyncIterator[httpx.Response]:
        """A 2xx answer, not read yet; raises what it is where it is another."""
        target = httpx.URL(url if "://" in url else f"{self._url}{url}")
        is_ours = _origin(target) == _origin(self._url)
        sent = dict(headers or {})
        if self._key is not None and is_ours:
            sent["Authorization"] = f"Bearer {self._key}"
        if patience_seconds is not None:
            given["timeout"] = httpx.Timeout(self._timeout_seconds, read=patience_seconds)
        try:
            async with self._http.stream(
                method, target, headers=sent, follow_redirects=not is_ours, **given
            ) as response:
                if not response.is_success:
                    await response.aread()
                    raise refusal(response)
                yield response
        except httpx.TransportError as error:
            raise ConnectionFailed(f"{self._url} does not answer: {_told(error)}.") from error


def _part(name: str) -> str:
    return quoted(name, safe="")


def _is_batch(subject_id: str) -> bool:
    return subject_id.startswith("bat_") and "-" not in subject_id


def _told_of(subject_id: str) -> str:
    kind = "batches" if _is_batch(subject_id) else "jobs"
    return f"/{kind}/{_part(subject_id)}"


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _publish(partial: Path, target: Path) -> None:
    """Give a file its name and what others may do with new files here."""
    mask = os.umask(0o077)
    os.umask(mask)
    partial.chmod(0o666 & ~mask)
    partial.replace(target)


def _discard(partial: Path) -> None:
    partial.unlink(missing_ok=True)


def _told(error: httpx.TransportError) -> str:
    return str(error).strip().rstrip(".").lower() or type(error).__name__
