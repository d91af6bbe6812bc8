from __future__ import annotations

import asyncio

import boto3
import pytest
from botocore.config import Config

from cli import embedded
from domain.errors import StorageUnavailable
from storage import objects
from storage.objects import InvalidRange, ObjectMissing, ObjectStore

BODY = bytes(range(256)) * 4096
CLOSED = "http://127.0.0.1:9"


class TestPutAndGet:
    async def test_what_was_put_is_got(self, store: ObjectStore) -> None:
        await store.put("assets/a/1.png", BODY, "image/png")
        assert await store.get("assets/a/1.png") == BODY

    async def test_a_later_object_replaces_an_earlier(self, store: ObjectStore) -> None:
        await store.put("a", b"one", "text/plain", remember=True)
        await store.put("a", b"another", "text/plain")
        assert await store.get("a") == b"another"

    async def test_what_is_remembered_is_in_the_store_too(
        self, store: ObjectStore, store_url: str
    ) -> None:
        await store.put("a", BODY, "image/png", remember=True)
        elsewhere = objects.connect(store_url, store._bucket)
        assert await elsewhere.get("a") == BODY
        assert await store.get("a") == BODY
        assert await store.get("a") == BODY

    async def test_more_than_memory_holds_is_got_from_the_store(self, store: ObjectStore) -> None:
        for number in range(3):
            await store.put(f"{number}", b"x" * 30_000_000, "image/png", remember=True)
        for number in range(3):
            assert len(await store.get(f"{number}")) == 30_000_000

    async def test_an_empty_object_is_one(self, store: ObjectStore) -> None:
        await store.put("empty", b"", "text/plain")
        assert await store.get("empty") == b""

    @pytest.mark.parametrize("key", ["none", "none/at/all", "assets/é 🌊+%20.png"])
    async def test_a_missing_object_is_missing(self, store: ObjectStore, key: str) -> None:
        with pytest.raises(ObjectMissing):
            await store.get(key)
        with pytest.raises(ObjectMissing):
            await store.open(key)

    async def test_a_deleted_object_is_missing_and_may_be_deleted_again(
        self, store: ObjectStore
    ) -> None:
        await store.put("a", b"one", "text/plain")
        for _ in range(2):
            await store.delete("a")
        with pytest.raises(ObjectMissing):
            await store.get("a")


class TestLists:
    async def test_keys_are_those_that_begin_alike(self, store: ObjectStore) -> None:
        for key in ("a/2", "a/1", "a/b/3", "ab", "b/1"):
            await store.put(key, b"", "text/plain")
        assert await store.keys("a/") == ["a/1", "a/2", "a/b/3"]
        assert await store.keys("c/") == []

    async def test_folders_are_told_once_each(self, store: ObjectStore) -> None:
        for key in ("a/y/1", "a/x/1", "a/x/2", "a/file", "b/z/1"):
            await store.put(key, b"", "text/plain")
        assert await store.folders("a/") == ["x", "y"]
        assert await store.folders("c/") == []

    async def test_none_is_left_out_however_many_there_are(self, store: ObjectStore) -> None:
        keys = [f"many/{number:04}" for number in range(1_050)]
        await asyncio.gather(*(store.put(key, b"", "text/plain") for key in keys))
        assert await store.keys("many/") == keys

    async def test_names_go_on_after_a_name_up_to_a_limit(self, store: ObjectStore) -> None:
        for key in ("a/1", "a/2", "a/3", "a/4", "b/1"):
            await store.put(key, b"", "text/plain")
        assert await store.names_after("a/", "", 2) == ["1", "2"]
        assert await store.names_after("a/", "2", 10) == ["3", "4"]
        assert await store.names_after("a/", "25", 1) == ["3"]
        assert await store.names_after("a/", "4", 10) == []
        assert await store.names_after("none/", "", 10) == []


class TestOpen:
    async def test_it_tells_what_a_browser_needs(self, store: ObjectStore) -> None:
        await store.put("a.webp", BODY, "image/webp")
        found = await store.open("a.webp")
        assert found.content_type == "image/webp"
        assert found.content_length == len(BODY)
        assert found.content_range is None
        assert found.etag.startswith('"')
        assert b"".join(found.chunks) == BODY

    async def test_another_body_has_another_etag(self, store: ObjectStore) -> None:
        await store.put("a", b"one", "text/plain")
        await store.put("b", b"two", "text/plain")
        tags = [(await store.open(key)).etag for key in "ab"]
        assert tags[0] != tags[1]

    @pytest.mark.parametrize(
        ("asked", "part"),
        [
            ("bytes=0-9", slice(0, 10)),
            ("bytes=1000-", slice(1000, None)),
            ("bytes=-10", slice(-10, None)),
            ("bytes=0-99999999", slice(0, None)),
        ],
    )
    async def test_a_range_is_a_part(self, store: ObjectStore, asked: str, part: slice) -> None:
        await store.put("a", BODY, "image/png")
        found = await store.open("a", asked)
        assert found.content_range
        assert found.content_range.endswith(f"/{len(BODY)}")
        assert found.content_length == len(BODY[part])
        assert b"".join(found.chunks) == BODY[part]

    async def test_a_range_outside_is_refused(self, store: ObjectStore) -> None:
        await store.put("a", b"short", "text/plain")
        with pytest.raises(InvalidRange):
            await store.open("a", "bytes=100-")


class TestBucket:
    async def test_it_is_created_once(self, store_url: str) -> None:
        store = objects.connect(store_url, "created-once")
        with pytest.raises(StorageUnavailable, match="does not exist"):
            await store.check()
        for _ in range(2):
            await store.ensure_bucket()
        await store.check()

    async def test_buckets_share_nothing(self, store: ObjectStore, store_url: str) -> None:
        other = objects.connect(store_url, "another-bucket")
        await other.ensure_bucket()
        await store.put("a", b"one", "text/plain")
        with pytest.raises(ObjectMissing):
            await other.get("a")


class TestOutage:
    async def test_every_call_says_so_without_address_or_key(
        self, store_keys: tuple[str, str]
    ) -> None:
        store = objects.connect(CLOSED, "bucket")
        for call in (
            store.get("records/a"),
            store.put("records/a", b"one", "text/plain"),
            store.open("records/a"),
            store.delete("records/a"),
            store.keys("records/"),
            store.folders("records/"),
            store.names_after("records/", "", 10),
            store.check(),
            store.ensure_bucket(),
        ):
            with pytest.raises(StorageUnavailable) as away:
                await call
            assert "bucket=bucket" in str(away.value)
            assert "127.0.0.1" not in str(away.value)
            assert not [key for key in store_keys if key in str(away.value)]

    async def test_a_wrong_key_is_an_outage_that_does_not_tell_the_key(
        self, store: ObjectStore, store_url: str, store_keys: embedded.StoreKeys
    ) -> None:
        await store.put("a", b"one", "text/plain")
        stranger = boto3.session.Session().client(
            "s3",
            endpoint_url=store_url,
            aws_access_key_id=store_keys.access_key_id,
            aws_secret_access_key="guessed",
            config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
        )
        with pytest.raises(StorageUnavailable) as refused:
            await ObjectStore(stranger, store._bucket).get("a")
        assert "guessed" not in str(refused.value)
        assert store_keys.access_key_id not in str(refused.value)
