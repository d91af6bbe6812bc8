from __future__ import annotations

import asyncio
import hashlib
from urllib.parse import urlsplit

import pytest

from storage.archive import Archive
from storage.keys import job_record_key
from storage.objects import ObjectStore
from tests.api.conftest import Caller, Json, Serve, problem
from tests.conftest import WorkerFactory

FILES = "/api/v1/images/files"


@pytest.fixture
async def image(staffed: Caller) -> Json:
    """The one image of a completed job."""
    job = await staffed.completed(await staffed.create())
    return dict(job["result"]["images"][0])


class TestFile:
    async def test_the_bytes_come_with_their_type_and_may_be_kept_for_ever(
        self, staffed: Caller, image: Json
    ) -> None:
        answer = await staffed.http.get(image["url"])
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "image/png"
        assert "immutable" in answer.headers["cache-control"]
        assert "max-age=31536000" in answer.headers["cache-control"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "content-disposition" not in answer.headers
        assert hashlib.sha256(answer.content).hexdigest() == image["sha256"]
        assert len(answer.content) == image["size_bytes"]
        assert int(answer.headers["content-length"]) == image["size_bytes"]

    async def test_what_the_caller_has_is_not_sent_again(
        self, staffed: Caller, image: Json
    ) -> None:
        etag = (await staffed.http.get(image["url"])).headers["etag"]
        for known in (etag, f"W/{etag}", f'"other", {etag}', "*"):
            answer = await staffed.http.get(image["url"], headers={"If-None-Match": known})
            assert answer.status_code == 304, known
            assert answer.content == b""
            assert answer.headers["etag"] == etag
            assert "immutable" in answer.headers["cache-control"]
        answer = await staffed.http.get(image["url"], headers={"If-None-Match": '"other"'})
        assert answer.status_code == 200

    @pytest.mark.parametrize(
        ("wanted", "first", "last"),
        [("bytes=0-9", 0, 9), ("bytes=10-", 10, -1), ("bytes=-5", -5, -1)],
    )
    async def test_a_range_is_sent_alone(
        self, staffed: Caller, image: Json, wanted: str, first: int, last: int
    ) -> None:
        whole = (await staffed.http.get(image["url"])).content
        size = len(whole)
        first, last = first % size, last % size
        answer = await staffed.http.get(image["url"], headers={"Range": wanted})
        assert answer.status_code == 206
        assert answer.headers["content-range"] == f"bytes {first}-{last}/{size}"
        assert answer.content == whole[first : last + 1]
        assert answer.headers["accept-ranges"] == "bytes"

    async def test_a_range_outside_the_file_is_refused(self, staffed: Caller, image: Json) -> None:
        answer = await staffed.http.get(image["url"], headers={"Range": "bytes=99999999-"})
        assert answer.status_code == 416
        assert answer.headers["content-range"] == f"bytes */{image['size_bytes']}"

    @pytest.mark.parametrize("wanted", ["lines=1-2", "bytes=abc", "bytes=9-1", ""])
    async def test_a_range_that_is_none_is_as_if_not_asked(
        self, staffed: Caller, image: Json, wanted: str
    ) -> None:
        answer = await staffed.http.get(image["url"], headers={"Range": wanted})
        assert answer.status_code == 200
        assert len(answer.content) == image["size_bytes"]

    async def test_head_tells_all_but_the_bytes(self, staffed: Caller, image: Json) -> None:
        answer = await staffed.http.head(image["url"])
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "image/png"
        assert int(answer.headers["content-length"]) == image["size_bytes"]
        assert answer.headers["etag"]
        assert answer.content == b""

    async def test_an_original_is_served_as_an_attachment(
        self, staffed: Caller, image: Json
    ) -> None:
        original = image["url"].rsplit("/", 1)[0] + "/0.original"
        answer = await staffed.http.get(original)
        assert answer.status_code == 200
        assert answer.headers["content-disposition"].startswith("attachment")
        assert answer.headers["content-type"] == "application/octet-stream"

    async def test_html_in_the_store_is_not_shown_as_a_page(
        self, api: Caller, store: ObjectStore
    ) -> None:
        await store.put("assets/page", b"<script>alert(1)</script>", "text/html")
        answer = await api.http.get(f"{FILES}/page")
        assert answer.headers["content-disposition"].startswith("attachment")
        assert answer.headers["x-content-type-options"] == "nosniff"

    async def test_an_unknown_key_is_not_found(self, door: Caller) -> None:
        for key in ("img_0/none.png", "", "assets", "x" * 1500, "a%00b", "%F0%9F%8C%8A"):
            problem(await door.http.get(f"{FILES}/{key}"), 404, "file_not_found")

    async def test_a_record_cannot_be_reached(
        self, api: Caller, archive: Archive, new_worker: WorkerFactory
    ) -> None:
        async with new_worker():
            job_id = await api.create()
            await api.completed(job_id)
        assert await archive.read_job(job_id)
        record = job_record_key(job_id)
        for path in (
            f"/{record}",
            f"/../{record}",
            f"/%2e%2e/{record}",
            f"/..%2f{record}",
            f"/x/../../{record}",
            f"/x/%2e%2e/%2e%2e/{record}",
            f"/.%2e//{record}",
            f"/..%5c{record}",
            f"//{record}",
        ):
            status, body = await raw_get(api, f"{FILES}{path}")
            assert status in (400, 404), path
            assert job_id.encode() not in body

    async def test_a_store_that_is_away_is_told_without_its_address(self, serve: Serve) -> None:
        async with serve(s3_endpoint="http://127.0.0.1:9") as api:
            answer = await api.http.get(f"{FILES}/nothing")
        problem(answer, 503, "storage_unavailable")
        assert "127.0.0.1" not in answer.text
        assert "nothing" not in answer.text


async def raw_get(api: Caller, target: str) -> tuple[int, bytes]:
    """Status and body for a request target sent exactly as given."""
    at = urlsplit(str(api.http.base_url))
    reader, writer = await asyncio.open_connection(at.hostname, at.port)
    writer.write(f"GET {target} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), body
