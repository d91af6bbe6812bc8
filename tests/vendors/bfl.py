"""Black Forest Labs' API: a task is submitted, polled, and its picture delivered from elsewhere.

Source: https://docs.bfl.ai/quick_start/generating_images and https://api.bfl.ai/openapi.json
"""

from __future__ import annotations

import base64
import io
import math
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from PIL import Image

from tests.vendors.stand_in import Vendor, picture, vendor_of

router = APIRouter()

_CREDITS = {
    "flux-2-klein-4b": (1.4, 0.1),
    "flux-2-klein-9b": (1.5, 0.2),
    "flux-2-pro": (3.0, 1.5),
    "flux-2-max": (7.0, 3.0),
    "flux-2-flex": (5.0, 5.0),
    "flux-pro-1.0-fill": (5.0, 0.0),
}
"""For the first megapixel, and for each that is begun after it, also of references."""


@router.post("/v1/{endpoint}")
async def submit(endpoint: str, request: Request) -> Response:
    vendor, body = vendor_of(request), await request.json()
    refusal = _refusal(endpoint, request, body)
    if instead := await vendor.begin(request, body, charges=refusal is None):
        return instead
    return refusal or JSONResponse(_accept(vendor, endpoint, body))


@router.get("/v1/get_result")
async def get_result(id: str, request: Request) -> Response:  # noqa: A002  the vendor's name for it
    vendor = vendor_of(request)
    if instead := await vendor.begin_free(request):
        return instead
    if request.headers.get("x-key") != "bfl-key":
        return _problem(403, "Not authenticated")
    task = vendor.jobs.get(id)
    if task is None:
        return JSONResponse({"id": id, "status": "Task not found", "result": None}, 404)
    task["polls"] += 1
    if task["polls"] <= vendor.polls_until_done:
        share = task["polls"] / (vendor.polls_until_done + 1)
        return JSONResponse({"id": id, "status": "Pending", "result": None, "progress": share})
    result = {
        "sample": f"{vendor.base_url}/delivery/{id}/sample.png?sig=abc",
        "prompt": task["body"]["prompt"],
        "seed": task["body"].get("seed", 7),
    }
    return JSONResponse({"id": id, "status": "Ready", "result": result, "progress": None})


@router.get("/delivery/{id}/sample.png")
async def deliver(id: str, request: Request) -> Response:  # noqa: A002  the vendor's name for it
    vendor = vendor_of(request)
    if instead := await vendor.begin_free(request):
        return instead
    if "x-key" in request.headers:
        return Response("credentials do not belong here", 400)
    body = vendor.jobs[id]["body"]
    size = body.get("width", 1024), body.get("height", 1024)
    if "image" in body:
        with Image.open(io.BytesIO(base64.b64decode(body["image"]))) as given:
            size = given.size
    made = picture(*size, body.get("seed", 7))
    return Response(made, media_type="image/png")


def _accept(vendor: Vendor, endpoint: str, body: dict[str, Any]) -> dict[str, Any]:
    task = f"task-{len(vendor.jobs) + 1}"
    vendor.jobs[task] = {"body": body, "polls": 0}
    first, further = _CREDITS[endpoint]
    output_mp = body.get("width", 1024) * body.get("height", 1024) / 1024**2
    input_mp = sum(name.startswith("input_image") for name in body)
    return {
        "id": task,
        "polling_url": f"{vendor.base_url}/v1/get_result?id={task}",
        "cost": first + further * (max(0, math.ceil(output_mp) - 1) + input_mp),
        "input_mp": input_mp,
        "output_mp": round(output_mp, 2),
    }


def _refusal(endpoint: str, request: Request, body: dict[str, Any]) -> Response | None:
    if request.headers.get("x-key") != "bfl-key":
        return _problem(403, "Not authenticated")
    if endpoint not in _CREDITS:
        return _problem(404, "Not Found")
    for side in ("width", "height"):
        if side in body and (body[side] < 64 or body[side] % 16):
            return _invalid(side, "Input should be a multiple of 16, at least 64")
    if body.get("output_format", "jpeg") not in ("jpeg", "png", "webp"):
        return _invalid("output_format", "Input should be 'jpeg', 'png' or 'webp'")
    if "fill" in endpoint and ("image" not in body or "width" in body):
        return _invalid("image", "Field required")
    if "klein" in endpoint and "input_image_5" in body:
        return _invalid("input_image_5", "Extra inputs are not permitted")
    return None if body.get("prompt") else _invalid("prompt", "Field required")


def _invalid(field: str, problem: str) -> Response:
    return _problem(422, [{"loc": ["body", field], "msg": problem, "type": "value_error"}])


def _problem(status: int, detail: Any) -> Response:
    return JSONResponse({"detail": detail}, status)
