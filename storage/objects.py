"""An S3 bucket through boto3, off the event loop.

boto3 blocks, so every call runs on a thread pool of the store's own.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from domain.errors import StorageUnavailable

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client
    from types_boto3_s3.type_defs import ListObjectsV2OutputTypeDef

T = TypeVar("T")

_THREADS = 32
_CHUNK_BYTES = 256 * 1024
_RECENT_BYTES = 64 * 1024 * 1024
_MISSING = frozenset({"NoSuchKey", "404", "NotFound"})


class ObjectMissing(Exception):
    """No object lies under that key."""


@dataclass(frozen=True)
class OpenObject:
    """An object being read; `chunks` blocks and must be iterated off the event loop."""

    chunks: Iterator[bytes]
    content_type: str
    content_length: int
    content_range: str | None
    etag: str
    close: Callable[[], Awaitable[None]]
    """Gives the connection back without reading."""


@dataclass(frozen=True)
class Listed:
    """An object as a list tells it."""

    name: str
    """What follows the prefix that was listed."""
    size_bytes: int
    changed_at: datetime


class ObjectStore:
    """Puts and gets in one bucket.

    Every method raises `StorageUnavailable` when the store does not answer or refuses; its
    context, for logs, names bucket and key, never an address or a credential.
    """

    def __init__(self, client: S3Client, bucket: str) -> None:
        self._client = client
        self._bucket = bucket
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="s3")
        self._recent = _RecentBytes(_RECENT_BYTES)

    async def put(
        self, key: str, body: bytes, content_type: str, *, remember: bool = False
    ) -> None:
        """Store an object; on return it is durable.

        With `remember` a copy stays in this process's memory for a while, so that who reads it
        next here is spared the way.
        """
        put = partial(
            self._client.put_object,
            Bucket=self._bucket,
            Key=key,
            Body=body,
            ContentType=content_type,
        )
        await self._run("put", key, put)
        self._recent.take(key)
        if remember:
            self._recent.keep(key, body)

    async def get(self, key: str) -> bytes:
        """The whole object; raises `ObjectMissing`."""
        recent = self._recent.take(key)
        if recent is not None:
            return recent

        def read() -> bytes:
            return self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read()

        return await self._run("get", key, read)

    async def open(self, key: str, byte_range: str | None = None) -> OpenObject:
        """Start reading an object, or an HTTP `Range` of it; raises `ObjectMissing`.

        Raises `InvalidRange` when the range lies outside the object.
        """
        arguments: dict[str, Any] = {"Bucket": self._bucket, "Key": key}
        if byte_range is not None:
            arguments["Range"] = byte_range
        found = await self._run("open", key, partial(self._client.get_object, **arguments))
        body = found["Body"]

        async def close() -> None:
            await self._run("close", key, body.close)

        return OpenObject(
            chunks=body.iter_chunks(_CHUNK_BYTES),
            close=close,
            content_type=found["ContentType"],
            content_length=found["ContentLength"],
            content_range=found.get("ContentRange"),
            etag=found["ETag"],
        )

    async def size(self, key: str) -> int:
        """The object's length in bytes; raises `ObjectMissing`."""
        head = partial(self._client.head_object, Bucket=self._bucket, Key=key)
        return (await self._run("head", key, head))["ContentLength"]

    async def keys(self, prefix: str) -> list[str]:
        """The keys that begin with a prefix, in order."""
        pages = await self._list(prefix)
        return [each["Key"] for page in pages for each in page.get("Contents", [])]

    async def names_after(self, prefix: str, after: str, limit: int) -> list[str]:
        """What follows a prefix in at most `limit` keys, up to 1,000, that sort after a name."""
        return [listed.name for listed in await self.page(prefix, after, limit)]

    async def page(self, prefix: str, after: str, limit: int) -> list[Listed]:
        """At most `limit` objects, up to 1,000, whose names behind the prefix sort after a name."""
        read = partial(
            self._client.list_objects_v2,
            Bucket=self._bucket,
            Prefix=prefix,
            StartAfter=f"{prefix}{after}",
            MaxKeys=limit,
        )
        found = (await self._run("list", prefix, read)).get("Contents", [])
        return [
            Listed(each["Key"].removeprefix(prefix), each["Size"], each["LastModified"])
            for each in found
        ]

    async def folders_after(self, prefix: str, after: str, limit: int) -> list[str]:
        """As `folders`, but at most `limit`, up to 1,000, that sort after one."""
        read = partial(
            self._client.list_objects_v2,
            Bucket=self._bucket,
            Prefix=prefix,
            Delimiter="/",
            # Behind all that lies in the folder: else it would be told again.
            StartAfter=f"{prefix}{after}/~" if after else prefix,
            MaxKeys=limit,
        )
        found = (await self._run("list", prefix, read)).get("CommonPrefixes", [])
        return [each["Prefix"].removeprefix(prefix).removesuffix("/") for each in found]

    async def folders(self, prefix: str) -> list[str]:
        """What follows a prefix up to the next `/`, once each, in order."""
        pages = await self._list(prefix, Delimiter="/")
        found = [each["Prefix"] for page in pages for each in page.get("CommonPrefixes", [])]
        return [folder.removeprefix(prefix).removesuffix("/") for folder in found]

    async def _list(self, prefix: str, **more: Any) -> list[ListObjectsV2OutputTypeDef]:
        paginator = self._client.get_paginator("list_objects_v2")

        def read() -> list[ListObjectsV2OutputTypeDef]:
            return list(paginator.paginate(Bucket=self._bucket, Prefix=prefix, **more))

        return await self._run("list", prefix, read)

    async def delete(self, key: str) -> None:
        """Remove an object, also where there is none."""
        delete = partial(self._client.delete_object, Bucket=self._bucket, Key=key)
        await self._run("delete", key, delete)

    async def check(self) -> None:
        """Raise `StorageUnavailable` unless the bucket answers."""
        try:
            await self._run("check", "", partial(self._client.head_bucket, Bucket=self._bucket))
        except ObjectMissing:
            raise self._unavailable("the bucket does not exist", "check", "") from None

    async def ensure_bucket(self) -> None:
        """Create the bucket where it does not exist yet."""
        try:
            await self.check()
        except StorageUnavailable:
            create = partial(self._client.create_bucket, Bucket=self._bucket)
            await self._run("create bucket", "", create)

    async def _run(self, verb: str, key: str, call: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, call)
        except ClientError as error:
            raise self._translated(verb, key, error) from error
        except (BotoCoreError, OSError) as error:
            raise self._unavailable("no answer", verb, key) from error

    def _translated(self, verb: str, key: str, error: ClientError) -> Exception:
        code = error.response.get("Error", {}).get("Code", "")
        if code in _MISSING:
            return ObjectMissing(key)
        if code in ("InvalidRange", "416"):
            return InvalidRange(key)
        return self._unavailable(code, verb, key)

    def _unavailable(self, reason: str, verb: str, key: str) -> StorageUnavailable:
        return StorageUnavailable(
            "The image store does not answer.",
            context=f"{reason}: {verb}, bucket={self._bucket}, key={key}",
        )


class InvalidRange(Exception):
    """The byte range lies outside the object."""


class _RecentBytes:
    """The last objects put, up to a number of bytes; a cache, never the only copy."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._held = 0
        self._objects: OrderedDict[str, bytes] = OrderedDict()

    def keep(self, key: str, body: bytes) -> None:
        self.take(key)
        self._objects[key] = body
        self._held += len(body)
        while self._held > self._limit:
            _, dropped = self._objects.popitem(last=False)
            self._held -= len(dropped)

    def take(self, key: str) -> bytes | None:
        body = self._objects.pop(key, None)
        self._held -= len(body) if body is not None else 0
        return body


def connect(endpoint: str | None, bucket: str) -> ObjectStore:
    """A store on the usual AWS credential chain; no call is made yet.

    `endpoint` is a URL, or None for AWS itself.
    """
    config = Config(
        signature_version="s3v4",
        s3={"addressing_style": "path" if endpoint else "auto"},
        connect_timeout=2,
        read_timeout=30,
        retries={"mode": "standard", "total_max_attempts": 2},
        max_pool_connections=_THREADS,
        parameter_validation=False,
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    return ObjectStore(boto3.client("s3", endpoint_url=endpoint, config=config), bucket)
