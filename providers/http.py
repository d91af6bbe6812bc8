"""HTTP with a vendor: what was sent, what may have been paid, and its failures as ours.

No request is ever repeated here: the workflow owns retries.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any

import httpx

from domain.errors import (
    Billed,
    InvalidOutput,
    JobFailure,
    OutcomeUnknown,
    ProviderAuth,
    ProviderModelShutDown,
    ProviderQuota,
    ProviderRateLimited,
    ProviderUnavailable,
    RequestRejected,
)
from domain.waiting import backoff
from providers.base import Call

ANSWER_SECONDS = 600.0
"""The slowest vendor answers of all: a large picture in one synchronous call."""
CONNECT_SECONDS = 10.0
POLL_SECONDS = 30.0
MAX_PICTURE_BYTES = 64 * 1024 * 1024

_TRANSPORTS = frozenset({"httpx", "httpx2"})
"""Modules of the transport's errors: newer SDKs speak through a fork of `httpx`, same names."""
_BEFORE_FIRST_BYTE = "http11.send_request_headers.started"
"""What `httpx` calls the moment, as its extension `trace` tells it."""
_BEFORE_SENDING = frozenset({"ConnectError", "ConnectTimeout", "PoolTimeout", "ProxyError"})
_GATEWAY_TIMEOUTS = frozenset({408, 504, 524})
"""A proxy gave up on the vendor, which may still be at work."""
_QUOTED_CHARACTERS = 300
_RESETS_IN = re.compile(r"(?:resets?|retry|try again) (?:in|after) ~?(\d+(?:\.\d+)?) ?s", re.I)


class VendorHttp:
    """A client of one vendor; `secrets` never show in what it raises.

    `base_url` is without a trailing slash, `headers` carry the credentials.
    """

    def __init__(
        self,
        name: str,
        base_url: str,
        headers: Mapping[str, str],
        secrets: tuple[str, ...] = (),
        *,
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        self.name = name
        self._secrets = [secret for secret in secrets if secret]
        limits = httpx.Timeout(answer_seconds, connect=CONNECT_SECONDS)
        trusted = httpx.create_ssl_context()
        client = partial(
            httpx.AsyncClient,
            base_url=base_url,
            headers=dict(headers),
            timeout=limits,
            follow_redirects=False,
            verify=trusted,
        )
        self._client = client()
        # Each payment by a connection of its own: a kept one may be closed while it is put down.
        self._payer = client(limits=httpx.Limits(max_keepalive_connections=0))
        self._plain = httpx.AsyncClient(timeout=limits, follow_redirects=True, verify=trusted)

    async def pay(self, call: Call, method: str, url: str, **content: Any) -> httpx.Response:
        """Send the request that costs money; its answer, whatever its status.

        It is put down once there is a connection and nothing is left to do before its first byte.
        Raises `ProviderUnavailable` where it surely did not arrive, `OutcomeUnknown` where it may
        have, and what `Call.sending` raises.
        """

        async def put_down(event: str, told: dict[str, Any]) -> None:
            if event == _BEFORE_FIRST_BYTE and told["request"].method != b"CONNECT":
                await call.sending()

        async with self.paying():
            return await self._payer.request(method, url, extensions={"trace": put_down}, **content)

    async def ask(self, method: str, url: str, **content: Any) -> httpx.Response:
        """Send a request that costs nothing; raises `ProviderUnavailable` without an answer."""
        try:
            return await self._client.request(method, url, timeout=POLL_SECONDS, **content)
        except httpx.HTTPError as error:
            raise self.unavailable(error) from error

    async def fetch(self, url: str) -> bytes:
        """A picture that the vendor has made and we have paid, without our credentials.

        Raises `ProviderUnavailable` to try again, `InvalidOutput` where it is gone or too large.
        """
        try:
            async with self._plain.stream("GET", url) as answer:
                self._check_fetched(answer)
                body = bytearray()
                async for part in answer.aiter_bytes():
                    body += part
                    if len(body) > MAX_PICTURE_BYTES:
                        raise self.no_picture("is too large")
                return bytes(body)
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise self.no_picture("is at no address that can be fetched") from error
        except httpx.HTTPError as error:
            raise self.unavailable(error) from error

    @asynccontextmanager
    async def paying(self) -> AsyncIterator[None]:
        """Translate the transport's errors around a request that costs money, an SDK's too."""
        try:
            yield
        except httpx.HTTPError as error:
            raise self.lost(error) from error

    def lost(self, error: BaseException) -> JobFailure:
        """What a paid request ended in that got no answer: by the `httpx` error that caused it."""
        cause = _transport_error(error)
        if type(cause).__name__ in _BEFORE_SENDING:
            return self.unavailable(cause)
        return OutcomeUnknown(
            f"{self.name} did not answer a request that may have been paid.",
            provider=self.name,
            billed=Billed.UNKNOWN,
            context=type(cause).__name__,
        )

    def unavailable(self, error: BaseException) -> ProviderUnavailable:
        """No connection, or a broken one, where nothing was paid by it."""
        return ProviderUnavailable(
            f"{self.name} cannot be reached.", provider=self.name, context=type(error).__name__
        )

    def no_picture(self, problem: str) -> InvalidOutput:
        """A paid answer without a usable picture."""
        return InvalidOutput(
            f"What {self.name} sent {problem}.", provider=self.name, billed=Billed.YES
        )

    def failure(
        self, status: int, said: str, headers: Mapping[str, str], *, is_paid: bool = True
    ) -> JobFailure:
        """The failure that an HTTP status means by itself; `said` is the vendor's message.

        With `is_paid` false, the request cost nothing and a gateway's timeout is only an outage.
        """
        quoted = self.quoted(said)
        if status in _GATEWAY_TIMEOUTS and is_paid:
            return OutcomeUnknown(
                f"{self.name} timed out on a request that may have been paid.",
                provider=self.name,
                billed=Billed.UNKNOWN,
            )
        if status in (401, 403):
            # Not quoted: vendors repeat parts of the key here.
            return ProviderAuth(f"{self.name} refused our credentials.", provider=self.name)
        if status == 402:
            return ProviderQuota(f"{self.name} has no credit left: {quoted}", provider=self.name)
        if status in (404, 410):
            return ProviderModelShutDown(
                f"{self.name} has no such model: {quoted}", provider=self.name
            )
        if status == 429:
            return ProviderRateLimited(
                f"{self.name} limits our rate: {quoted}",
                provider=self.name,
                retry_after_seconds=retry_after(headers) or seconds_in(said),
            )
        if status >= 500 or status in _GATEWAY_TIMEOUTS:
            return ProviderUnavailable(
                f"{self.name} answers {status}: {quoted}",
                provider=self.name,
                retry_after_seconds=retry_after(headers),
            )
        return RequestRejected(f"{self.name} refused the request: {quoted}", provider=self.name)

    def quoted(self, said: str) -> str:
        """A vendor's words, in one line, short, and without our secrets."""
        for secret in filter(None, self._secrets):
            said = said.replace(secret, "…")
        line = " ".join(said.split())
        return line if len(line) <= _QUOTED_CHARACTERS else f"{line[: _QUOTED_CHARACTERS - 1]}…"

    async def close(self) -> None:
        """Let go of connections."""
        await self._client.aclose()
        await self._payer.aclose()
        await self._plain.aclose()

    def _check_fetched(self, answer: httpx.Response) -> None:
        if answer.status_code >= 500 or answer.status_code == 429:
            raise ProviderUnavailable(
                f"{self.name}'s pictures cannot be fetched: {answer.status_code}.",
                provider=self.name,
                retry_after_seconds=retry_after(answer.headers),
            )
        if answer.status_code != 200:
            raise self.no_picture(f"can no longer be fetched ({answer.status_code})")


def _transport_error(error: BaseException) -> BaseException:
    """The transport's error behind an SDK's own, else the error itself."""
    cause: BaseException | None = error
    while cause is not None and type(cause).__module__ not in _TRANSPORTS:
        cause = cause.__cause__ or cause.__context__
    return cause or error


def pauses(first_seconds: float) -> Iterator[float]:
    """How long to wait between polls, for ever: longer each time, up to five times the first."""
    return backoff(first_seconds, 5 * first_seconds, 1.5)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that `Retry-After` asks for, as a number or as a date (RFC 9110)."""
    value = headers.get("retry-after") or headers.get("Retry-After")
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(0.0, (at - datetime.now(UTC)).total_seconds())


def seconds_in(said: str) -> float | None:
    """Seconds to wait as a vendor's sentence says them, such as `resets in ~30s`."""
    found = _RESETS_IN.search(said)
    return float(found.group(1)) if found else None
