"""Stability AI's v2beta: multipart in, bytes out, `finish-reason` and `seed` in the headers.

Source: https://platform.stability.ai/docs/api-reference
"""

from __future__ import annotations

import io
from typing import Any

from fastapi import APIRouter, Request, Response
from PIL import Image

from domain.sizes import AspectRatio
from tests.vendors.stand_in import form_of, picture, vendor_of

router = APIRouter()


@router.post("/v2beta/stable-image/generate/{service}")
async def generate(service: str, request: Request) -> Response:
    body = await form_of(request)
    if instead := await vendor_of(request).begin(request, body):
        return instead
    if request.headers.get("authorization") != "Bearer stability-key":
        return Response('{"id": "1", "name": "unauthorized", "errors": ["bad key"]}', 401)
    seed = int(body.get("seed", 0)) or 7
    return Response(
        picture(*_size(body), seed),
        media_type="image/png",
        headers={"finish-reason": "SUCCESS", "seed": str(seed)},
    )


@router.post("/v2beta/stable-image/edit/inpaint")
async def inpaint(request: Request) -> Response:
    body = await form_of(request)
    if instead := await vendor_of(request).begin(request, body):
        return instead
    if not body.get("prompt") or "image" not in body or "strength" in body:
        return Response('{"name": "bad_request", "errors": ["prompt: required"]}', 400)
    return _made(picture(*_size(body), int(body["seed"])), body["seed"])


@router.post("/v2beta/stable-image/upscale/fast")
async def upscale(request: Request) -> Response:
    body = await form_of(request)
    if instead := await vendor_of(request).begin(request, body):
        return instead
    if set(body) != {"image", "output_format"}:
        return Response('{"name": "bad_request", "errors": ["unknown field"]}', 400)
    width, height = _size(body)
    return _made(picture(4 * width, 4 * height), "0")


def _made(data: bytes, seed: str) -> Response:
    headers = {"finish-reason": "SUCCESS", "seed": seed}
    return Response(data, media_type="image/png", headers=headers)


def _size(body: dict[str, Any]) -> tuple[int, int]:
    """About a megapixel in the ratio that is asked for, else as large as the picture given."""
    if "image" in body:
        with Image.open(io.BytesIO(body["image"])) as given:
            return given.size
    ratio = AspectRatio(body.get("aspect_ratio", "1:1")).width_to_height
    height = round((1024 * 1024 / ratio) ** 0.5 / 64) * 64
    return round(height * ratio / 64) * 64, height
