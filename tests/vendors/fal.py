"""fal's queue, the models' answers behind it, the files they make, and the account's history.

Source: https://fal.ai/docs/documentation/model-apis/inference/queue and
https://fal.ai/docs/platform-apis/v1/models/requests/by-endpoint
"""

from __future__ import annotations

import base64
import io
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from PIL import Image

from tests.vendors.stand_in import Vendor, picture, vendor_of

router = APIRouter()

_PAGE = 2
_TAKES: dict[str, set[str]] = {
    "fal-ai/flux/schnell": {"image_size", "num_images", "num_inference_steps"},
    "fal-ai/flux/dev": {"image_size", "num_images", "num_inference_steps"},
    "fal-ai/flux/dev/image-to-image": {"image_url", "strength", "num_images"},
    "fal-ai/flux-pro/v1/fill": {"image_url", "mask_url", "num_images"},
    "fal-ai/flux-2-pro": {"image_size", "safety_tolerance"},
    "fal-ai/flux-2-pro/edit": {"image_size", "safety_tolerance", "image_urls"},
}
_ALL_TAKE = {"prompt", "seed", "output_format", "enable_safety_checker"}
_REFERENCES = {
    "fal-ai/flux/dev/image-to-image": "image_url",
    "fal-ai/flux-2-pro/edit": "image_urls",
    "fal-ai/flux-pro/v1/fill": "image_url",
}


@router.get("/v1/models/requests/by-endpoint")
async def history(request: Request, endpoint_id: str, cursor: int = 0) -> Response:
    vendor = vendor_of(request)
    if instead := await vendor.begin_free(request) or _unauthenticated(request):
        return instead
    ended = [_past(job) for job in vendor.jobs.values() if job["endpoint"] == endpoint_id]
    more = len(ended) > cursor + _PAGE
    page = {
        "items": ended[cursor : cursor + _PAGE],
        "has_more": more,
        "next_cursor": str(cursor + _PAGE) if more else None,
    }
    return JSONResponse(page)


@router.get("/{owner}/{app}/requests/{id}/status")
async def status(id: str, request: Request) -> Response:  # noqa: A002  the vendor's name for it
    vendor = vendor_of(request)
    if instead := await vendor.begin_free(request) or _unauthenticated(request):
        return instead
    job = vendor.jobs.get(id)
    if job is None or job["is_removed"]:
        return _problem(404, "Request not found")
    job["polls"] += 1
    told = {"request_id": id, **_addresses(vendor, job)}
    left = vendor.polls_until_done - job["polls"] + 1
    if left > 1:
        return JSONResponse(told | {"status": "IN_QUEUE", "queue_position": left - 2}, 202)
    bar = {"message": " 43%|████▎     | 12/28 [00:01<00:01,  9.81it/s]", "level": "STDERR"}
    logs = [{"message": "Warm", "level": "INFO"}, bar] if "logs" in request.query_params else None
    if left == 1:
        return JSONResponse(told | {"status": "IN_PROGRESS", "logs": logs}, 202)
    return JSONResponse(told | {"status": "COMPLETED", "logs": logs, "metrics": {}})


@router.get("/{owner}/{app}/requests/{id}")
async def response(id: str, request: Request) -> Response:  # noqa: A002  the vendor's name for it
    vendor = vendor_of(request)
    if instead := await vendor.begin_free(request) or _unauthenticated(request):
        return instead
    job = vendor.jobs[id]
    asked, endpoint = job["input"], job["endpoint"]
    if problem := _invalid(endpoint, asked):
        return _problem(422, [problem])
    count = asked.get("num_images", 1)
    images = [
        {"url": f"{vendor.base_url}/files/{id}/{n}.png", "content_type": "image/png"}
        for n in range(count)
    ]
    made = {"images": images, "seed": asked.get("seed", 7), "prompt": asked["prompt"]}
    checked = {} if "safety_tolerance" in asked else {"has_nsfw_concepts": [False] * count}
    return JSONResponse(made | checked)


@router.put("/{owner}/{app}/requests/{id}/cancel")
async def cancel(id: str, request: Request) -> Response:  # noqa: A002  the vendor's name for it
    vendor = vendor_of(request)
    if instead := await vendor.begin_free(request) or _unauthenticated(request):
        return instead
    job = vendor.jobs.get(id)
    if job is None:
        return JSONResponse({"status": "NOT_FOUND"}, 404)
    if job["polls"] > vendor.polls_until_done:
        return JSONResponse({"status": "ALREADY_COMPLETED"}, 400)
    job["is_removed"] = True
    return JSONResponse({"status": "CANCELLATION_REQUESTED"}, 202)


@router.get("/files/{id}/{number}.png")
async def deliver(id: str, number: int, request: Request) -> Response:  # noqa: A002  as above
    vendor = vendor_of(request)
    if instead := await vendor.begin_free(request):
        return instead
    if "authorization" in request.headers:
        return Response("credentials do not belong here", 400)
    asked = vendor.jobs[id]["input"]
    width, height = _size(asked)
    made = picture(width, height, asked.get("seed", 7) + number)
    return Response(made, media_type="image/png")


def _size(asked: dict[str, Any]) -> tuple[int, int]:
    """As asked for, else that of the picture it begins with."""
    if "image_size" in asked:
        return asked["image_size"]["width"], asked["image_size"]["height"]
    encoded = asked["image_url"].partition(",")[2]
    with Image.open(io.BytesIO(base64.b64decode(encoded))) as given:
        return given.size


@router.post("/{endpoint:path}")
async def submit(endpoint: str, request: Request) -> Response:
    vendor, body = vendor_of(request), await request.json()
    refusal = _unauthenticated(request) or _unknown(endpoint)
    paid = len(vendor.charges)
    instead = await vendor.begin(request, body, charges=refusal is None)
    # What was paid for exists, whatever was answered.
    job = _accept(vendor, endpoint, request, body) if len(vendor.charges) > paid else {}
    if instead or refusal:
        return instead or refusal or Response()
    told = {"status": "IN_QUEUE", "queue_position": 0, "request_id": job["id"]}
    return JSONResponse(told | _addresses(vendor, job))


def _accept(
    vendor: Vendor, endpoint: str, request: Request, body: dict[str, Any]
) -> dict[str, Any]:
    name = f"request-{len(vendor.jobs) + 1}"
    job = {"id": name, "endpoint": endpoint, "input": body, "polls": 0, "is_removed": False}
    told = {"sent_at": datetime.now(UTC).isoformat(), "headers": dict(request.headers)}
    vendor.jobs[name] = job | told
    return vendor.jobs[name]


def _addresses(vendor: Vendor, job: dict[str, Any]) -> dict[str, str]:
    app = "/".join(job["endpoint"].split("/")[:2])
    address = f"{vendor.base_url}/{app}/requests/{job['id']}"
    return {
        "response_url": address,
        "status_url": f"{address}/status",
        "cancel_url": f"{address}/cancel",
    }


def _past(job: dict[str, Any]) -> dict[str, Any]:
    return {
        "request_id": job["id"],
        "endpoint_id": job["endpoint"],
        "sent_at": job["sent_at"],
        "status_code": 200,
        "json_input": job["input"],
    }


def _unauthenticated(request: Request) -> Response | None:
    if request.headers.get("authorization") == "Key fal-key":
        return None
    return _problem(401, "Cannot access application. Authentication is required.")


def _unknown(endpoint: str) -> Response | None:
    return None if endpoint in _TAKES else _problem(404, f"Application '{endpoint}' not found")


def _invalid(endpoint: str, asked: dict[str, Any]) -> dict[str, Any] | None:
    """Models check what they are given only when it is their turn."""
    needed = ["prompt", *([_REFERENCES[endpoint]] if endpoint in _REFERENCES else [])]
    for field in needed:
        if not asked.get(field):
            return {"loc": ["body", field], "msg": "Field required", "type": "missing"}
    for field in sorted(asked.keys() - _TAKES[endpoint] - _ALL_TAKE):
        return {"loc": ["body", field], "msg": "Extra input", "type": "extra_forbidden"}
    return None


def _problem(status_code: int, detail: Any) -> Response:
    return JSONResponse({"detail": detail}, status_code)
