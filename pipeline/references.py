"""The pictures that an image follows: the approved draft, and what a caller's address gives."""

from __future__ import annotations

import asyncio
import re
from urllib.parse import urljoin, urlsplit

import httpcore

from domain.errors import InvalidOutput, ProviderUnavailable, RequestRejected
from domain.jobs import ImageSpec
from imaging.decode import decode
from pipeline.guarding import AddressRefused, GuardedBackend
from providers.base import Reference
from storage.keys import ASSETS
from storage.objects import ObjectMissing, ObjectStore

MAX_REFERENCE_BYTES = 20 * 1024 * 1024
_TIMEOUT_SECONDS = 20.0
_REDIRECTS = 3
_REDIRECTING = (301, 302, 303, 307, 308)
_OUR_FILE = re.compile(r"/api/v1/images/files/([\w./-]+)\Z")


class References:
    """Fetches pictures from public addresses, and from our own store without a detour.

    `allowed_hosts` are names that may lead to private addresses.
    """

    def __init__(self, store: ObjectStore, allowed_hosts: frozenset[str]) -> None:
        self._store = store
        self._pool = httpcore.AsyncConnectionPool(network_backend=GuardedBackend(allowed_hosts))

    async def of(self, spec: ImageSpec) -> tuple[Reference, ...]:
        """The draft first, then the caller's own.

        Raises `RequestRejected` where one cannot be used, `ProviderUnavailable` where its server
        is away, `StorageUnavailable`.
        """
        found = []
        if spec.reference_key is not None:
            found.append(_reference(await self._draft(spec.reference_key), is_draft=True))
        if spec.reference_image_url is not None:
            found.append(_reference(await self._named(spec.reference_image_url)))
        checked = (asyncio.to_thread(_check, reference.data) for reference in found)
        await asyncio.gather(*checked)
        return tuple(found)

    async def _draft(self, key: str) -> bytes:
        try:
            return await self._store.get(key)
        except ObjectMissing:
            raise RequestRejected("The draft's original is not stored any more.") from None

    async def _named(self, url: str) -> bytes:
        ours = _OUR_FILE.search(urlsplit(url).path)
        if ours is not None:
            try:
                return await self._store.get(f"{ASSETS}{ours.group(1)}")
            except ObjectMissing:
                pass
        return await self._fetch(url)

    async def _fetch(self, url: str) -> bytes:
        """Follows redirects, each checked when it is connected to."""
        for _ in range(_REDIRECTS + 1):
            try:
                status, location, body = await self._get(url)
            except AddressRefused as refused:
                raise _unusable("leads to a private address") from refused
            except (httpcore.UnsupportedProtocol, UnicodeError) as error:
                raise _unusable("is not an address to fetch from") from error
            except (httpcore.NetworkError, httpcore.TimeoutException, OSError) as error:
                raise ProviderUnavailable("The reference image cannot be fetched now.") from error
            if status in _REDIRECTING and location:
                url = urljoin(url, location)
            elif status >= 500 or status == 429:
                raise ProviderUnavailable(f"The reference image's server answers {status}.")
            elif status != 200:
                raise _unusable(f"answers {status}")
            else:
                return body
        raise _unusable("redirects too often")

    async def _get(self, url: str) -> tuple[int, str, bytes]:
        limits = dict.fromkeys(("connect", "read", "write", "pool"), _TIMEOUT_SECONDS)
        async with (
            asyncio.timeout(_TIMEOUT_SECONDS),
            self._pool.stream("GET", url, extensions={"timeout": limits}) as answer,
        ):
            headers = {name.lower(): value for name, value in answer.headers}
            body = bytearray()
            async for part in answer.aiter_stream():
                body += part
                if len(body) > MAX_REFERENCE_BYTES:
                    raise _unusable(f"is over {MAX_REFERENCE_BYTES // 1024**2} MB")
        return answer.status, headers.get(b"location", b"").decode("latin-1"), bytes(body)


def _check(data: bytes) -> None:
    problem = "gives no PNG, JPEG or WebP picture of a usable size"
    try:
        decoded = decode(data)
    except InvalidOutput as error:
        raise _unusable(problem) from error
    if decoded.format == "GIF":
        raise _unusable(problem)


def _reference(data: bytes, *, is_draft: bool = False) -> Reference:
    return Reference(data, _media_type(data), is_draft)


def _media_type(data: bytes) -> str:
    if data.startswith(b"\x89PNG"):
        return "image/png"
    return "image/webp" if data[8:12] == b"WEBP" else "image/jpeg"


def _unusable(problem: str) -> RequestRejected:
    return RequestRejected(f"The reference image's address {problem}.")
