"""OpenAI's Images API, and below `/own` a server of one's own: no key, no usage, URLs.

Source: https://developers.openai.com/api/reference/resources/images
"""

from __future__ import annotations

import base64
import io
import math
import uuid
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from PIL import Image

from tests.vendors.stand_in import form_of, picture, vendor_of

router = APIRouter()

TOKENS = {"low": 196, "medium": 439, "high": 1756, "xhigh": 3122, "max": 7024}
"""That a picture of 1024x1024 takes."""
PROMPT_TOKENS = 12
REFERENCE_TOKENS = 323
_MODELS = (
    "gpt-image-1.5",
    "gpt-image-2",
    "gpt-image-2.5-flare",
    "gpt-image-2.5-sunburst",
    "gpt-image-2.6-flare",
    "gpt-image-2.6-sunburst",
)
_FIELDS = {"model", "prompt", "n", "size", "quality", "image", "image[]", "mask"}


@router.post("/images/generations")
async def generate(request: Request) -> Response:
    return await _answer(request, await request.json(), references=0)


@router.post("/images/edits")
async def edit(request: Request) -> Response:
    body = await form_of(request)
    given = body.get("image", body.get("image[]", []))
    return await _answer(request, body, references=len(given) if isinstance(given, list) else 1)


@router.post("/own/images/generations")
async def generate_on_own_server(request: Request) -> Response:
    body = await request.json()
    vendor = vendor_of(request)
    if instead := await vendor.begin(request, body):
        return instead
    width, height = map(int, body["size"].split("x"))
    made = [picture(width, height, body.get("seed", 0)) for _ in range(body["n"])]
    if body.get("response_format") == "b64_json":
        return JSONResponse({"data": [{"b64_json": _encoded(data)} for data in made]})
    names = [uuid.uuid4().hex for _ in made]
    vendor.jobs.update({name: {"data": data} for name, data in zip(names, made, strict=True)})
    return JSONResponse({"data": [{"url": f"{vendor.base_url}/files/{name}"} for name in names]})


@router.get("/files/{name}")
async def file(name: str, request: Request) -> Response:
    vendor = vendor_of(request)
    if instead := await vendor.begin_free(request):
        return instead
    if "authorization" in request.headers:
        return Response("nobody asked for credentials here", 400)
    return Response(vendor.jobs[name]["data"], media_type="image/png")


async def _answer(request: Request, body: dict[str, Any], references: int) -> Response:
    refusal = _refusal(request, body, references)
    if instead := await vendor_of(request).begin(request, body, charges=refusal is None):
        return instead
    if refusal is not None:
        return refusal
    width, height = map(int, body["size"].split("x"))
    count = int(body.get("n", 1))
    megapixels = width * height / 1024 / 1024
    made = count * round(TOKENS[body.get("quality", "medium")] * megapixels)
    given = {"text_tokens": PROMPT_TOKENS, "image_tokens": references * REFERENCE_TOKENS}
    return JSONResponse(
        {
            "created": 1_780_000_000,
            "background": "opaque",
            "output_format": "png",
            "quality": body.get("quality", "medium"),
            "size": body["size"],
            "data": [{"b64_json": _encoded(picture(width, height, n))} for n in range(count)],
            "usage": {
                "input_tokens": sum(given.values()),
                "input_tokens_details": given,
                "output_tokens": made,
                "output_tokens_details": {"image_tokens": made, "text_tokens": 0},
                "total_tokens": made + sum(given.values()),
            },
        }
    )


def _refusal(request: Request, body: dict[str, Any], references: int) -> Response | None:
    if request.headers.get("authorization") != "Bearer openai-key":
        return problem(401, "Incorrect API key provided: sk-123.", "invalid_api_key")
    if body.get("model") not in _MODELS:
        said = f"The model '{body.get('model')}' does not exist."
        return problem(400, said, "invalid_value", "model")
    if unknown := sorted(set(body) - _FIELDS):
        said = f"Unknown parameter: '{unknown[0]}'."
        return problem(400, said, "unknown_parameter", unknown[0])
    if not 1 <= int(body.get("n", 1)) <= 10 or references > 16:
        return problem(400, "Too many pictures.", "invalid_value", "n")
    if "mask" in body and not _fits(body["mask"], body.get("image", body.get("image[]"))):
        return problem(400, "Invalid mask image format.", "invalid_image_format", "mask")
    if body.get("quality", "medium") not in TOKENS:
        return problem(400, f"Invalid value: '{body['quality']}'.", "invalid_value", "quality")
    return _size_refusal(str(body.get("size")))


def _fits(mask: bytes, given: Any) -> bool:
    """A mask is a PNG with transparency, of its picture's format and size."""
    first = given[0] if isinstance(given, list) else given
    with Image.open(io.BytesIO(mask)) as hole, Image.open(io.BytesIO(first)) as image:
        return (hole.mode, hole.format, hole.size) == ("RGBA", image.format, image.size)


def _size_refusal(size: str) -> Response | None:
    width, _, height = size.partition("x")
    sides = sorted([int(width), int(height)])
    fits = (
        not any(side % 16 for side in sides)
        and sides[1] <= 3840
        and sides[1] <= 3 * sides[0]
        and 655_360 <= math.prod(sides) <= 8_294_400
    )
    return None if fits else problem(400, f"Invalid size '{size}'.", "invalid_value", "size")


def problem(
    status: int, message: str, code: str | None, param: str | None = None, **more: Any
) -> JSONResponse:
    """A refusal in OpenAI's shape."""
    return JSONResponse(refused(message, code, param, **more), status)


def refused(
    message: str, code: str | None, param: str | None = None, **more: Any
) -> dict[str, Any]:
    """The body of a refusal."""
    kind = "image_generation_user_error"
    return {"error": {"message": message, "type": kind, "param": param, "code": code, **more}}


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()
