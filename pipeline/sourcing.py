"""Takes in the pictures and masks that callers bring, checked and kept before a job begins."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Callable
from typing import TypeVar

from domain.errors import (
    InvalidOutput,
    InvalidRequest,
    ProviderUnavailable,
    RequestRejected,
)
from domain.operations import Source
from imaging.sources import bring_in, marks_anything, read_mask
from pipeline.references import References
from storage.keys import source_key
from storage.objects import ObjectMissing, ObjectStore

_AT_ONCE = 2
"""Decoded pictures are large."""
_UNREADABLE = "gives no PNG, JPEG or WebP picture of a usable size"

T = TypeVar("T")


class Sources:
    """Raises `InvalidRequest` naming the field, and `StorageUnavailable`.

    With `keep` false, nothing is stored; what is given back can only be planned with.
    """

    def __init__(self, store: ObjectStore, references: References) -> None:
        self._store = store
        self._references = references
        self._places = asyncio.Semaphore(_AT_ONCE)

    async def picture(self, url: str, tenant: str, *, keep: bool = True) -> Source:
        """The picture behind an address, as it is now: it may be another one tomorrow."""
        field = "source_image_url"
        data = await self._fetched(url, "source image", field)
        brought = await self._read(field, lambda: bring_in(data))
        key = await self._kept(tenant, brought.data, brought.media_type, keep=keep)
        return Source(
            key=key,
            width_px=brought.width_px,
            height_px=brought.height_px,
            digital_source_type=brought.digital_source_type,
        )

    async def check(self, source: Source) -> None:
        """See that a job's picture is there still."""
        try:
            await self._store.size(source.key)
        except ObjectMissing:
            raise _refusal("source_job_id", "has a picture that is not kept any more") from None

    async def mask_at(self, url: str, source: Source, tenant: str, *, keep: bool = True) -> str:
        """The store's key of the mask behind an address."""
        field = "mask_image_url"
        data = await self._fetched(url, "mask", field)
        return await self._mask(data, field, source, tenant, keep=keep)

    async def mask_in(self, text: str, source: Source, tenant: str, *, keep: bool = True) -> str:
        """The store's key of a mask that was sent in Base64, alone or as a `data:` address."""
        _, _, encoded = text.rpartition(",")
        try:
            data = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            raise _refusal("mask", "is not Base64") from None
        return await self._mask(data, "mask", source, tenant, keep=keep)

    async def _mask(
        self, data: bytes, field: str, source: Source, tenant: str, *, keep: bool
    ) -> str:
        size = source.width_px, source.height_px
        mask = await self._read(field, lambda: read_mask(data, *size))
        if mask is None:
            raise _refusal(field, f"has another shape than the source's {size[0]}x{size[1]}")
        if not marks_anything(mask):
            raise _refusal(field, "marks nothing: what shall change is white, or transparent")
        return await self._kept(tenant, mask, "image/png", keep=keep)

    async def _fetched(self, url: str, what: str, field: str) -> bytes:
        try:
            return await self._references.fetch(url, what)
        except (RequestRejected, ProviderUnavailable) as failed:
            raise InvalidRequest(failed.message, [(field, "cannot be fetched")]) from failed

    async def _read(self, field: str, read: Callable[[], T]) -> T:
        async with self._places:
            try:
                return await asyncio.to_thread(read)
            except InvalidOutput:
                raise _refusal(field, _UNREADABLE) from None

    async def _kept(self, tenant: str, data: bytes, media_type: str, *, keep: bool) -> str:
        key = source_key(tenant, data)
        if keep:
            await self._store.put(key, data, media_type)
        return key


def _refusal(field: str, problem: str) -> InvalidRequest:
    return InvalidRequest(f"'{field}' {problem}.", [(field, problem)])
