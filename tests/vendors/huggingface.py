"""Hugging Face's router, behind which each vendor answers in its own way; and an own endpoint.

Source: https://huggingface.co/docs/inference-providers, https://docs.together.ai/reference,
https://docs.fal.ai/model-apis/model-endpoints/queue, https://replicate.com/docs/reference/http
"""

from __future__ import annotations

import base64
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from tests.vendors.stand_in import Vendor, picture, vendor_of

router = APIRouter()


@router.post("")
async def endpoint(request: Request) -> Response:
    return await hf_inference(request)


@router.post("/hf-inference/models/{owner}/{model}")
async def hf_inference(request: Request) -> Response:
    body = await request.json()
    if instead := await _begin(request, body, "inputs"):
        return instead
    return Response(_drawn(body.get("parameters", {})), media_type="image/png")


@router.post("/together/v1/images/generations")
@router.post("/nscale/v1/images/generations")
async def openai_alike(request: Request) -> Response:
    body = await request.json()
    if instead := await _begin(request, body, "prompt"):
        return instead
    made = base64.b64encode(_drawn(body)).decode()
    return JSONResponse({"model": body["model"], "data": [{"index": 0, "b64_json": made}]})


@router.post("/replicate/v1/models/{owner}/{model}/predictions")
async def replicate(request: Request) -> Response:
    vendor, body = vendor_of(request), await request.json()
    if instead := await _begin(request, body, "input"):
        return instead
    done = {"id": "p1", "status": "succeeded", "output": [_kept(vendor, body["input"])]}
    return JSONResponse(done, 201)


@router.post("/fal-ai/{model:path}")
async def fal(model: str, request: Request) -> Response:
    vendor, body = vendor_of(request), await request.json()
    if instead := await _begin(request, body, "prompt"):
        return instead
    if request.query_params.get("_subdomain") != "queue":
        return JSONResponse(_fal_result(vendor, body))
    job = f"job-{len(vendor.jobs) + 1}"
    vendor.jobs[job] = {"body": body, "polls": 0}
    application = "/".join(model.split("/")[:2])
    address = f"https://queue.fal.run/{application}/requests/{job}"
    queued = {"status": "IN_QUEUE", "request_id": job, "queue_position": 0}
    return JSONResponse({**queued, "response_url": address, "status_url": f"{address}/status"})


@router.get("/fal-ai/{owner}/{model}/requests/{job}/status")
async def fal_status(job: str, request: Request) -> Response:
    vendor = vendor_of(request)
    if instead := await _begin_asking(request, job):
        return instead
    vendor.jobs[job]["polls"] += 1
    is_done = vendor.jobs[job]["polls"] > vendor.polls_until_done
    status = {"status": "COMPLETED" if is_done else "IN_PROGRESS", "request_id": job}
    return JSONResponse(status, 200 if is_done else 202)


@router.get("/fal-ai/{owner}/{model}/requests/{job}")
async def fal_response(job: str, request: Request) -> Response:
    if instead := await _begin_asking(request, job):
        return instead
    vendor = vendor_of(request)
    return JSONResponse(_fal_result(vendor, vendor.jobs[job]["body"]))


@router.get("/pictures/{name}")
async def deliver(name: str, request: Request) -> Response:
    vendor = vendor_of(request)
    if instead := await vendor.begin_free(request):
        return instead
    if "authorization" in request.headers:
        return Response("credentials do not belong here", 400)
    return Response(vendor.jobs[name]["picture"], media_type="image/png")


async def _begin(request: Request, body: dict[str, Any], needed: str) -> Response | None:
    refusal = None
    if payer := request.headers.get("x-hf-bill-to"):
        body["billed_to"] = payer
    if request.headers.get("authorization") != "Bearer huggingface-key":
        refusal = JSONResponse({"error": "Invalid username or password."}, 401)
    elif not body.get(needed):
        refusal = JSONResponse({"error": f"'{needed}' is missing"}, 400)
    instead = await vendor_of(request).begin(request, body, charges=refusal is None)
    return instead or refusal


async def _begin_asking(request: Request, job: str) -> Response | None:
    vendor = vendor_of(request)
    if instead := await vendor.begin_free(request):
        return instead
    if request.headers.get("authorization") != "Bearer huggingface-key":
        return JSONResponse({"error": "Invalid username or password."}, 401)
    is_known = job in vendor.jobs and request.query_params.get("_subdomain") == "queue"
    return None if is_known else JSONResponse({"detail": "Request not found"}, 404)


def _fal_result(vendor: Vendor, body: dict[str, Any]) -> dict[str, Any]:
    address = _kept(vendor, {**body, **body.get("image_size", {})})
    return {
        "images": [{"url": address, "content_type": "image/png"}],
        "seed": body.get("seed", 7),
        "has_nsfw_concepts": [False],
        "prompt": body["prompt"],
    }


def _kept(vendor: Vendor, asked: dict[str, Any]) -> str:
    """The address of a picture that waits to be fetched."""
    name = f"picture-{len(vendor.jobs) + 1}.png"
    vendor.jobs[name] = {"picture": _drawn(asked)}
    return f"{vendor.base_url}/pictures/{name}"


def _drawn(asked: dict[str, Any]) -> bytes:
    size = asked.get("target_size", asked)
    return picture(size.get("width", 1024), size.get("height", 1024), asked.get("seed", 7))
