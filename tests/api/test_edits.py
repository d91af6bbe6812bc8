"""Variations, edits and upscales over HTTP: jobs like any other."""

from __future__ import annotations

import base64
import io
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from PIL import Image

from tests.api.conftest import Caller, Json, problem
from tests.fakes import png

PHOTO = png(300, 200)
UNKNOWN = "img_000000000000000000000000"


class Site(BaseHTTPRequestHandler):
    """A photograph, a mask for it, and a page."""

    def do_GET(self) -> None:
        mask = io.BytesIO()
        Image.new("L", (300, 200), 255).save(mask, "PNG")
        body = {"/photo.png": PHOTO, "/mask.png": mask.getvalue()}.get(self.path, b"<html>")
        self.send_response(200)
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


@pytest.fixture(scope="module")
async def source(staffed: Caller) -> str:
    """A completed job with two pictures of 300x200."""
    job_id = await staffed.create(
        width=300, height=200, num_images=2, blog_id="post-1", style="ink"
    )
    await staffed.completed(job_id)
    return job_id


async def started(api: Caller, path: str, **body: Any) -> Json:
    answer = await api.post(path, body)
    assert answer.status_code == 202, answer.text
    return dict(answer.json())


def image_of(job: Json, index: int = 0) -> Json:
    return dict(job["result"]["images"][index])


async def test_variations_are_pictures_like_their_source(staffed: Caller, source: str) -> None:
    accepted = await started(staffed, "/variations", source_job_id=source, num_images=2)
    job = await staffed.completed(accepted["job_id"])
    assert not accepted["is_draft"]
    assert (job["operation"], job["source_job_id"]) == ("variations", source)
    assert job["links"]["source"].endswith(f"/jobs/{source}")
    assert job["blog_id"] == "post-1"
    assert len(job["result"]["images"]) == 2
    assert (image_of(job)["width"], image_of(job)["height"]) == (1024, 683)
    assert image_of(job)["digital_source_type"].endswith("/trainedAlgorithmicMedia")


async def test_a_draft_edit_is_reviewed_and_its_final_is_the_same_edit(
    staffed: Caller, source: str
) -> None:
    accepted = await started(
        staffed, "/edit", sourceJobId=source, sourceImageIndex=1, prompt="at night", quality="draft"
    )
    assert accepted["is_draft"]
    job = await staffed.completed(accepted["job_id"])
    assert job["review"]["state"] == "awaiting"
    approved = await staffed.post(f"/jobs/{job['job_id']}/approve", {"reviewer": "ann"})
    final = await staffed.completed(approved.json()["final_job_id"])
    assert (final["operation"], final["source_job_id"]) == ("edit", source)
    assert final["result"]["consistency"] == "seed"
    assert (image_of(final)["width"], image_of(final)["height"]) == (1536, 1024)


async def test_a_photograph_is_a_composite_when_it_is_edited(staffed: Caller, site: str) -> None:
    accepted = await started(
        staffed,
        "/edit",
        source_image_url=f"{site}/photo.png",
        mask_image_url=f"{site}/mask.png",
        prompt="a blue sky",
        width=300,
        height=200,
    )
    job = await staffed.completed(accepted["job_id"])
    assert "source_job_id" not in job
    said = image_of(job)["digital_source_type"]
    assert said.endswith("/compositeWithTrainedAlgorithmicMedia")
    asset = await staffed.http.get(image_of(job)["url"])
    assert b"compositeWithTrainedAlgorithmicMedia" in asset.content


async def test_an_upscale_is_no_draft_and_free(staffed: Caller, source: str, site: str) -> None:
    accepted = await started(staffed, "/upscale", source_job_id=source, scale=4)
    job = await staffed.completed(accepted["job_id"])
    assert "review" not in job
    assert (job["result"]["provider"], job["result"]["model"]) == ("studio", "lanczos")
    assert (image_of(job)["width"], image_of(job)["height"]) == (1200, 800)
    assert job["cost"]["amount_usd"] == 0
    photo = await started(staffed, "/upscale", source_image_url=f"{site}/photo.png")
    enlarged = image_of(await staffed.completed(photo["job_id"]))
    assert (enlarged["width"], enlarged["height"]) == (600, 400)
    assert enlarged["digital_source_type"].endswith("/algorithmicallyEnhanced")


async def test_a_mask_may_come_with_the_request(staffed: Caller, source: str) -> None:
    mask = io.BytesIO()
    Image.new("L", (300, 200), 255).save(mask, "PNG")
    inline = f"data:image/png;base64,{base64.b64encode(mask.getvalue()).decode()}"
    accepted = await started(staffed, "/edit", source_job_id=source, prompt="at night", mask=inline)
    await staffed.completed(accepted["job_id"])


async def test_a_quote_says_what_it_would_be(staffed: Caller, source: str) -> None:
    asked = {"operation": "upscale", "source_job_id": source, "scale": 2}
    (image,) = (await staffed.post("/quote", asked)).json()["images"]
    assert (image["model"], image["width"], image["price_usd"]) == ("lanczos", 600, 0)
    assert not image["is_draft"]
    missing = await staffed.post("/quote", {"operation": "edit", "source_job_id": source})
    assert problem(missing, 422, "invalid_request")["errors"][0]["field"] == "prompt"


async def test_the_same_key_starts_one_edit(staffed: Caller, source: str) -> None:
    body = {"source_job_id": source, "prompt": "at night"}
    answers = [
        await staffed.http.post(
            "/api/v1/images/edit", json=body, headers={"Idempotency-Key": "edit-once"}
        )
        for _ in range(2)
    ]
    assert answers[0].json() == answers[1].json()


EDIT = {"prompt": "at night"}
REFUSED = [
    ("/variations", {}, {"source_job_id", "source_image_url"}),
    ("/edit", {"source_job_id": "S", "source_image_url": "U", **EDIT}, {"source_job_id"}),
    ("/edit", {"source_job_id": "S"}, {"prompt"}),
    ("/edit", {"source_image_url": "U", "source_image_index": 1, **EDIT}, {"source_image_index"}),
    ("/edit", {"source_job_id": "S", "source_image_index": 2, **EDIT}, {"source_image_index"}),
    ("/edit", {"source_job_id": "S", "mask": "x", "mask_image_url": "M", **EDIT}, {"mask"}),
    ("/edit", {"source_job_id": "S", "mask": "?", **EDIT}, {"mask"}),
    ("/edit", {"source_image_url": "P", **EDIT}, {"source_image_url"}),
    ("/edit", {"source_job_id": "S", "mask_image_url": "P", **EDIT}, {"mask_image_url"}),
    ("/edit", {"source_job_id": "S", "width": 64, **EDIT}, {"height"}),
    ("/edit", {"source_job_id": "S", "strength": 1.5, **EDIT}, {"strength"}),
    ("/variations", {"source_job_id": "S", "strength": 0.5}, {"strength"}),
    ("/upscale", {"source_job_id": "S", "scale": 3}, {"scale"}),
    ("/upscale", {"source_job_id": "S", "scale": 2, "width": 600, "height": 400}, {"scale"}),
    ("/upscale", {"source_job_id": "S", "width": 600, "height": 600}, {"width"}),
    ("/upscale", {"source_job_id": "S", "width": 150, "height": 100}, {"width"}),
    ("/upscale", {"source_job_id": "S", "quality": "draft"}, {"quality"}),
]


@pytest.mark.parametrize(("path", "body", "fields"), REFUSED)
async def test_what_does_not_go_together_is_named(
    staffed: Caller, source: str, site: str, path: str, body: Json, fields: set[str]
) -> None:
    given = {
        "S": source,
        "U": f"{site}/photo.png",
        "P": f"{site}/page",
        "M": f"{site}/mask.png",
    }
    asked = {name: given.get(str(value), value) for name, value in body.items()}
    refused = (await staffed.post(path, asked)).json()
    assert refused["status"] == 422, refused
    assert fields <= {item["field"] for item in refused["errors"]}, refused


async def test_a_private_address_is_not_fetched(door: Caller, site: str) -> None:
    answer = await door.post("/upscale", {"source_image_url": f"{site}/photo.png"})
    assert "private address" in problem(answer, 422, "invalid_request")["detail"]


async def test_a_source_must_be_there_and_complete(staffed: Caller, door: Caller) -> None:
    gone = await staffed.post("/upscale", {"source_job_id": UNKNOWN})
    problem(gone, 404, "job_not_found")
    waiting = await door.create()
    answer = await door.post("/upscale", {"source_job_id": waiting})
    refused = problem(answer, 422, "invalid_request")
    assert refused["errors"][0]["field"] == "source_job_id"


async def test_without_an_engine_nothing_starts(engineless: Caller) -> None:
    answer = await engineless.post("/upscale", {"source_job_id": UNKNOWN})
    problem(answer, 500, "queue_unavailable")


async def test_what_can_be_done_is_listed(door: Caller) -> None:
    models = (await door.get("/models")).json()["models"]
    (lanczos,) = [model for model in models if model["model"] == "lanczos"]
    assert (lanczos["operations"], lanczos["mask"]) == (["upscale"], False)
    providers = (await door.get("/providers")).json()["providers"]
    (studio,) = [provider for provider in providers if provider["name"] == "studio"]
    assert studio["operations"]["edit"] == ["studio-1"]
