"""Replicate's predictions: created by slug or version, polled, listed, cancelled; and its files.

Source: https://replicate.com/docs/reference/http
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from domain.sizes import AspectRatio
from tests.vendors.stand_in import Vendor, form_of, picture, vendor_of

router = APIRouter()

_PAGE = 2
_VERSION = "7762fd07"
_COMMUNITY = "stability-ai/sdxl"
_TAKES: dict[str, set[str]] = {
    "black-forest-labs/flux-schnell": {"num_outputs", "aspect_ratio", "megapixels", "go_fast"},
    "black-forest-labs/flux-dev": {
        *("num_outputs", "aspect_ratio", "megapixels", "go_fast", "image", "prompt_strength")
    },
    "black-forest-labs/flux-1.1-pro": {"aspect_ratio", "width", "height", "image_prompt"},
    "black-forest-labs/flux-2-pro": {"aspect_ratio", "width", "height", "input_images"},
    "black-forest-labs/flux-2-flex": {"aspect_ratio", "width", "height", "input_images"},
    "black-forest-labs/flux-fill-pro": {"image", "mask"},
    _COMMUNITY: {"width", "height", "negative_prompt"},
}
_ALL_TAKE = {"prompt", "seed", "output_format", "num_inference_steps", "prompt_upsampling"}
_MEGAPIXELS = {"0.25": 0.25, "1": 1.0}


@router.post("/v1/models/{owner}/{name}/predictions")
async def create_by_slug(owner: str, name: str, request: Request) -> Response:
    return await _create(request, f"{owner}/{name}")


@router.post("/v1/predictions")
async def create_by_version(request: Request) -> Response:
    version = (await request.json()).get("version")
    return await _create(request, _COMMUNITY if version == _VERSION else "")


@router.get("/v1/predictions")
async def listed(request: Request, cursor: int = 0) -> Response:
    vendor = vendor_of(request)
    if instead := await vendor.begin_free(request) or _unauthenticated(request):
        return instead
    newest = [_told(vendor, job) for job in reversed(vendor.jobs.values()) if "input" in job]
    rest = len(newest) > cursor + _PAGE
    following = f"{vendor.base_url}/v1/predictions?cursor={cursor + _PAGE}" if rest else None
    page = {"previous": None, "next": following, "results": newest[cursor : cursor + _PAGE]}
    return JSONResponse(page)


@router.get("/v1/predictions/{id}")
async def polled(id: str, request: Request) -> Response:  # noqa: A002  the vendor's name for it
    vendor = vendor_of(request)
    if instead := await vendor.begin_free(request) or _unauthenticated(request):
        return instead
    job = vendor.jobs.get(id)
    if job is None:
        return _problem(404, "Not found", "The requested resource could not be found.")
    job["polls"] += 1
    if job["status"] == "starting" and job["polls"] > vendor.polls_until_done:
        job["status"] = "succeeded"
    return JSONResponse(_told(vendor, job))


@router.post("/v1/predictions/{id}/cancel")
async def cancelled(id: str, request: Request) -> Response:  # noqa: A002  the vendor's name for it
    vendor = vendor_of(request)
    if instead := await vendor.begin_free(request) or _unauthenticated(request):
        return instead
    if id not in vendor.jobs:
        return _problem(404, "Not found", "The requested resource could not be found.")
    job = vendor.jobs[id]
    if job["status"] == "starting":
        job["status"] = "canceled"
    return JSONResponse(_told(vendor, job))


@router.post("/v1/files")
async def upload(request: Request) -> Response:
    vendor, form = vendor_of(request), await form_of(request)
    if instead := await vendor.begin_free(request) or _unauthenticated(request):
        return instead
    name = f"file-{len(vendor.jobs) + 1}"
    vendor.jobs[name] = {"data": form["content"]}
    return JSONResponse(_file(vendor, name), 201)


@router.get("/v1/files/{name}")
async def file(name: str, request: Request) -> Response:
    vendor = vendor_of(request)
    if instead := await vendor.begin_free(request) or _unauthenticated(request):
        return instead
    return JSONResponse(_file(vendor, name))


@router.get("/delivery/{id}/out-{number}.png")
async def deliver(id: str, number: int, request: Request) -> Response:  # noqa: A002  as above
    vendor = vendor_of(request)
    if instead := await vendor.begin_free(request):
        return instead
    if "authorization" in request.headers:
        return Response("credentials do not belong here", 400)
    asked = vendor.jobs[id]["input"]
    width, height = asked.get("width"), asked.get("height")
    if width is None:
        ratio = AspectRatio(asked.get("aspect_ratio", "1:1")).width_to_height
        area = _MEGAPIXELS[asked.get("megapixels", "1")] * 1024 * 1024
        height = round((area / ratio) ** 0.5 / 32) * 32
        width = round(height * ratio / 32) * 32
    return Response(picture(width, height, asked["seed"] + number), media_type="image/png")


async def _create(request: Request, model: str) -> Response:
    vendor, body = vendor_of(request), await request.json()
    refusal = _unauthenticated(request) or _refusal(model, body.get("input", {}))
    paid = len(vendor.charges)
    instead = await vendor.begin(request, body, charges=refusal is None)
    # What was paid for exists, whatever was answered.
    job = _accept(vendor, model, body["input"]) if len(vendor.charges) > paid else {}
    return instead or refusal or JSONResponse(_told(vendor, job), 201)


def _accept(vendor: Vendor, model: str, asked: dict[str, Any]) -> dict[str, Any]:
    name = f"prediction{len(vendor.jobs) + 1}"
    created = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    job = {"id": name, "model": model, "input": asked, "polls": 0, "created_at": created}
    vendor.jobs[name] = job | {"status": "starting"}
    return vendor.jobs[name]


def _told(vendor: Vendor, job: dict[str, Any]) -> dict[str, Any]:
    count = job["input"].get("num_outputs")
    files = [f"{vendor.base_url}/delivery/{job['id']}/out-{n}.png" for n in range(count or 1)]
    return {
        "id": job["id"],
        "model": job["model"],
        "version": _VERSION if job["model"] == _COMMUNITY else "hidden",
        "input": job["input"],
        "logs": "Using seed: 41\n 25%|██▌       | 1/4 [00:00<00:00]\n 50%|█████     | 2/4 [00:00",
        "output": (files if count else files[0]) if job["status"] == "succeeded" else None,
        "data_removed": job.get("data_removed", False),
        "error": None,
        "source": "api",
        "status": job["status"],
        "created_at": job["created_at"],
        "started_at": job.get("started_at"),
        "urls": {"get": f"{vendor.base_url}/v1/predictions/{job['id']}"},
    }


def _file(vendor: Vendor, name: str) -> dict[str, Any]:
    data = vendor.jobs[name]["data"]
    return {
        "id": name,
        "name": "reference",
        "content_type": "image/png",
        "size": len(data),
        "etag": hashlib.md5(data).hexdigest(),
        "checksums": {"sha256": hashlib.sha256(data).hexdigest()},
        "metadata": {},
        "created_at": "2026-11-23T06:00:00.000Z",
        "expires_at": "2026-11-24T06:00:00.000Z",
        "urls": {"get": f"{vendor.base_url}/v1/files/{name}"},
    }


def _unauthenticated(request: Request) -> Response | None:
    if request.headers.get("authorization") == "Bearer replicate-key":
        return None
    return _problem(401, "Unauthenticated", "You did not pass a valid authentication token")


def _refusal(model: str, asked: dict[str, Any]) -> Response | None:
    if model not in _TAKES:
        return _problem(404, "Not found", "The requested resource could not be found.")
    unknown = sorted(asked.keys() - _TAKES[model] - _ALL_TAKE)
    if unknown:
        return _invalid(unknown[0], "Additional property is not allowed")
    if not asked.get("prompt"):
        return _invalid("prompt", "prompt is required")
    if not 1 <= asked.get("num_outputs", 1) <= 4:
        return _invalid("num_outputs", "Must be less than or equal to 4")
    if asked.get("aspect_ratio", "1:1") not in {*AspectRatio, "custom"}:
        return _invalid("aspect_ratio", "Must be one of the following")
    if asked.get("megapixels", "1") not in _MEGAPIXELS:
        return _invalid("megapixels", 'Must be one of the following: "1", "0.25"')
    return None


def _invalid(field: str, problem: str) -> Response:
    return _problem(422, "Input validation failed", f"- input.{field}: {problem}\n")


def _problem(status: int, title: str, detail: str) -> Response:
    return JSONResponse({"title": title, "detail": detail, "status": status}, status)
