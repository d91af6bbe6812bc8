from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from domain.errors import JobFailure, ProviderUnavailable, RequestRejected
from domain.jobs import ImageSpec
from domain.sizes import Quality
from pipeline.references import MAX_REFERENCE_BYTES, References
from storage.objects import ObjectStore
from tests.fakes import png
from tests.waiting import free_port

PICTURE = png(40, 30)


class Site(BaseHTTPRequestHandler):
    """Answers by path, as the web does."""

    def do_GET(self) -> None:
        answers = {
            "/picture.png": (200, {}, PICTURE),
            "/moved": (302, {"location": "/picture.png"}, b""),
            "/for-ever": (302, {"location": "/for-ever"}, b""),
            "/inside": (302, {"location": "http://127.0.0.2/picture.png"}, b""),
            "/page": (200, {}, b"<html>"),
            "/large": (200, {}, b"\0" * (MAX_REFERENCE_BYTES + 1)),
            "/busy": (503, {}, b""),
        }
        status, headers, body = answers.get(self.path, (404, {}, b""))
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Keep quiet."""


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def references(store: ObjectStore) -> References:
    return References(store, frozenset({"127.0.0.1"}))


def spec(url: str | None = None, key: str | None = None) -> ImageSpec:
    return ImageSpec(
        prompt="sea",
        quality=Quality.DRAFT,
        width_px=64,
        height_px=64,
        seed=1,
        reference_image_url=url,
        reference_key=key,
    )


async def test_a_picture_is_fetched_through_redirects(site: str, references: References) -> None:
    (found,) = await references.of(spec(f"{site}/moved"))
    assert (found.data, found.media_type, found.is_draft) == (PICTURE, "image/png", False)


async def test_the_draft_comes_before_the_callers_own(
    site: str, references: References, store: ObjectStore
) -> None:
    await store.put("assets/d/t/0.original", png(8, 8), "application/octet-stream")
    found = await references.of(spec(f"{site}/picture.png", "assets/d/t/0.original"))
    assert [reference.is_draft for reference in found] == [True, False]


async def test_a_file_of_ours_is_read_from_the_store(
    references: References, store: ObjectStore
) -> None:
    await store.put("assets/img_1/token/0.png", PICTURE, "image/png")
    nobody = f"http://127.0.0.1:{free_port()}"
    url = f"{nobody}/api/v1/images/files/img_1/token/0.png"
    (found,) = await references.of(spec(url))
    assert found.data == PICTURE


async def test_what_is_not_served_is_not_read_from_the_store(
    references: References, store: ObjectStore
) -> None:
    await store.put("records/0.png", PICTURE, "image/png")
    nobody = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(ProviderUnavailable):
        await references.of(spec(f"{nobody}/api/v1/images/files/x/../../records/0.png"))


async def test_nothing_asked_for_is_nothing_fetched(references: References) -> None:
    assert await references.of(spec()) == ()


@pytest.mark.parametrize(
    ("path", "kind", "said"),
    [
        ("/missing", RequestRejected, "404"),
        ("/page", RequestRejected, "no PNG"),
        ("/large", RequestRejected, "20 MB"),
        ("/for-ever", RequestRejected, "too often"),
        ("/inside", RequestRejected, "private"),
        ("/busy", ProviderUnavailable, "503"),
    ],
)
async def test_what_cannot_be_used_is_said(
    site: str, references: References, path: str, kind: type[JobFailure], said: str
) -> None:
    with pytest.raises(kind, match=said):
        await references.of(spec(f"{site}{path}"))


async def test_a_private_address_is_refused(site: str, store: ObjectStore) -> None:
    with pytest.raises(RequestRejected, match="private"):
        await References(store, frozenset()).of(spec(f"{site}/picture.png"))


async def test_a_server_that_is_away_may_come_back(references: References) -> None:
    with pytest.raises(ProviderUnavailable):
        await references.of(spec(f"http://127.0.0.1:{free_port()}/picture.png"))


async def test_a_draft_that_is_gone_is_said(references: References) -> None:
    with pytest.raises(RequestRejected, match="not stored"):
        await references.of(spec(key="assets/gone"))
