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
from providers.base import Inputs, Reference
from storage.keys import asset_key
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

    async def inputs(self, spec: ImageSpec) -> Inputs:
        """All that a picture is made from besides words; raises as `of`."""
        references = await self.of(spec)
        if spec.operation is None or spec.source is None:
            return Inputs(references)
        source = _reference(await self._kept(spec.source.key, "source"))
        mask = await self._kept(spec.mask_key, "mask") if spec.mask_key is not None else None
        return Inputs(references, source, mask)

    async def of(self, spec: ImageSpec) -> tuple[Reference, ...]:
        """The draft first, then the caller's own.

        Raises `RequestRejected` where one cannot be used, `ProviderUnavailable` where its server
        is away, `StorageUnavailable`.
        """
        found = []
        if spec.reference_key is not None:
            draft = await self._kept(spec.reference_key, "draft's original")
            found.append(_reference(draft, is_draft=True))
        if spec.reference_image_url is not None:
            found.append(_reference(await self.fetch(spec.reference_image_url)))
        checked = (asyncio.to_thread(_check, reference.data) for reference in found)
        await asyncio.gather(*checked)
        return tuple(found)

    async def _kept(self, key: str, what: str) -> bytes:
        try:
            return await self._store.get(key)
        except ObjectMissing:
            raise RequestRejected(f"The {what} is not stored any more.") from None

    async def fetch(self, url: str, what: str = "reference image") -> bytes:
        """The bytes behind an address; raises as `of`, naming it as `what`."""
        found = _OUR_FILE.search(urlsplit(url).path)
        ours = asset_key(found.group(1)) if found is not None else None
        if ours is not None:
            try:
                return await self._store.get(ours)
            except ObjectMissing:
                pass
        return await self._fetch(url, what)

    async def _fetch(self, url: str, what: str) -> bytes:
        """Follows redirects, each checked when it is connected to."""
        for _ in range(_REDIRECTS + 1):
            try:
                status, location, body = await self._get(url, what)
            except AddressRefused as refused:
                raise _unusable(what, "leads to a private address") from refused
            except (httpcore.UnsupportedProtocol, UnicodeError) as error:
                raise _unusable(what, "is not an address to fetch from") from error
            except (httpcore.NetworkError, httpcore.TimeoutException, OSError) as error:
                raise ProviderUnavailable(f"The {what} cannot be fetched now.") from error
            if status in _REDIRECTING and location:
                url = urljoin(url, location)
            elif status >= 500 or status == 429:
                raise ProviderUnavailable(f"The {what}'s server answers {status}.")
            elif status != 200:
                raise _unusable(what, f"answers {status}")
            else:
                return body
        raise _unusable(what, "redirects too often")

    async def _get(self, url: str, what: str) -> tuple[int, str, bytes]:
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
                    raise _unusable(what, f"is over {MAX_REFERENCE_BYTES // 1024**2} MB")
        return answer.status, headers.get(b"location", b"").decode("latin-1"), bytes(body)


def _check(data: bytes) -> None:
    problem = "gives no PNG, JPEG or WebP picture of a usable size"
    try:
        decoded = decode(data)
    except InvalidOutput as error:
        raise _unusable("reference image", problem) from error
    if decoded.format == "GIF":
        raise _unusable("reference image", problem)


def _reference(data: bytes, *, is_draft: bool = False) -> Reference:
    return Reference(data, _media_type(data), is_draft)


def _media_type(data: bytes) -> str:
    if data.startswith(b"\x89PNG"):
        return "image/png"
    return "image/webp" if data[8:12] == b"WEBP" else "image/jpeg"


def _unusable(what: str, problem: str) -> RequestRejected:
    return RequestRejected(f"The {what}'s address {problem}.")
